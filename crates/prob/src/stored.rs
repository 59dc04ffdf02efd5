//! The stored forms of laws, with the feature `serde`: what they are made of. Reading makes
//! them anew, and so validates.

use serde::{Deserialize, Serialize};

use crate::discrete::DiscreteError;
use crate::distribution::{Atom, Distribution};
use crate::triangular::TriangularError;
use crate::truncated_gaussian::TruncatedGaussianError;

#[derive(Serialize, Deserialize)]
pub(crate) struct Triangular {
    lower: f64,
    mode: f64,
    upper: f64,
}

impl From<crate::Triangular> for Triangular {
    fn from(law: crate::Triangular) -> Self {
        let (lower, upper) = law.support();
        Self { lower, mode: law.mode(), upper }
    }
}

impl TryFrom<Triangular> for crate::Triangular {
    type Error = TriangularError;

    fn try_from(Triangular { lower, mode, upper }: Triangular) -> Result<Self, Self::Error> {
        Self::new(lower, mode, upper)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct TruncatedGaussian {
    centre: f64,
    deviation: f64,
    lower: f64,
    upper: f64,
}

impl From<crate::TruncatedGaussian> for TruncatedGaussian {
    fn from(law: crate::TruncatedGaussian) -> Self {
        let (lower, upper) = law.support();
        Self { centre: law.centre(), deviation: law.deviation(), lower, upper }
    }
}

impl TryFrom<TruncatedGaussian> for crate::TruncatedGaussian {
    type Error = TruncatedGaussianError;

    fn try_from(law: TruncatedGaussian) -> Result<Self, Self::Error> {
        Self::new(law.centre, law.deviation, law.lower, law.upper)
    }
}

/// Values, each with bounds of its probability.
#[derive(Serialize, Deserialize)]
pub(crate) struct Discrete {
    atoms: Vec<(f64, (f64, f64))>,
}

impl From<crate::Discrete> for Discrete {
    fn from(law: crate::Discrete) -> Self {
        Self { atoms: law.atoms().iter().map(|atom| (atom.value, atom.probability)).collect() }
    }
}

impl TryFrom<Discrete> for crate::Discrete {
    type Error = DiscreteError;

    fn try_from(law: Discrete) -> Result<Self, Self::Error> {
        let atom = |(value, probability)| Atom { value, probability };
        Self::from_atoms(law.atoms.into_iter().map(atom).collect())
    }
}
