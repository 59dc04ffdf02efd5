//! The choices behind a certificate.

use core::fmt;

use nncert_bounds::{
    AlphaOptions, BoundsError, Outputs, PairBounds, alpha_differential, differential, forward,
};
use nncert_core::{PairedNetworks, Region};
use nncert_prob::Tail;

use crate::SimilarityError;

/// How the difference of the networks is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Propagation {
    /// Joint backward propagation ([`differential`]): the tightest.
    #[default]
    Differential,
    /// The same with choices made by gradient ascent ([`alpha_differential`]): tighter, at
    /// ten times the time and more.
    Alpha,
    /// SimCert's forward propagation ([`forward`]): the paper's baseline.
    Forward,
}

/// How a certificate is made.
///
/// Every method is sound; they differ in how tight they are. The default is the tightest:
/// joint propagation, and the exact tails of its affine functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Method {
    /// How the difference is bounded.
    pub propagation: Propagation,
    /// How the tails of its bounds are bounded.
    pub tail: Tail,
    /// Which outputs count.
    pub outputs: Outputs,
}

impl Default for Method {
    fn default() -> Self {
        let propagation = Propagation::Differential;
        Self { propagation, tail: Tail::Exact, outputs: Outputs::All }
    }
}

impl Method {
    /// SimCert as printed: forward propagation, and Bernstein's inequality on the
    /// whole form (clipped at its largest deviation).
    pub const SIMCERT: Self = Self {
        propagation: Propagation::Forward,
        tail: Tail::BernsteinWhole,
        outputs: Outputs::All,
    };

    /// PROVEN as SimCert prints it: forward propagation and Hoeffding's inequality.
    pub const PROVEN: Self = Self { tail: Tail::HoeffdingPrinted, ..Self::SIMCERT };

    /// The same method with another tail bound.
    #[must_use]
    pub const fn with_tail(self, tail: Tail) -> Self {
        Self { tail, ..self }
    }

    /// The same method for other outputs.
    #[must_use]
    pub const fn with_outputs(self, outputs: Outputs) -> Self {
        Self { outputs, ..self }
    }

    pub(crate) fn bound(
        self,
        pair: &PairedNetworks,
        region: &Region,
    ) -> Result<PairBounds, BoundsError> {
        match self.propagation {
            Propagation::Differential => differential(pair, region),
            Propagation::Alpha => alpha_differential(pair, region, &AlphaOptions::default()),
            Propagation::Forward => forward(pair, region),
        }
    }
}

/// Fails on an output that there is not.
pub(crate) fn check_outputs(chosen: Outputs, outputs: usize) -> Result<(), SimilarityError> {
    match chosen {
        Outputs::One(output) if output >= outputs => {
            Err(SimilarityError::Output { output, outputs })
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let propagation = match self.propagation {
            Propagation::Differential => "differential",
            Propagation::Alpha => "alpha differential",
            Propagation::Forward => "forward",
        };
        write!(f, "{propagation} propagation, {} tails", self.tail)
    }
}
