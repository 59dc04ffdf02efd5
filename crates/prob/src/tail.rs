//! The choice of a tail bound.

use core::fmt;
use core::str::FromStr;

/// A bound of the tail `P(Z - E Z ≥ t)` of a linear form `Z = c·X + d` of independent bounded inputs.
///
/// The lower tail is the upper tail of `-Z`. Every bound but the exact one is 1 for `t ≤ 0`, and all are 0 where `t` provably exceeds the
/// largest deviation of the form; the functions of [`LinearForm`](crate::LinearForm) ending in `_unclipped` leave out the latter.
///
/// Guarantee: sound, whatever the method.
///
/// # Examples
/// ```
/// use nncert_prob::Tail;
///
/// assert_eq!(Tail::default(), Tail::Best);
/// assert_eq!("sub-gaussian".parse(), Ok(Tail::SubGaussian));
/// assert_eq!(Tail::BernsteinWhole.to_string(), "bernstein-whole");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Tail {
    /// Hoeffding's inequality with one width for all inputs, as PROVEN and SimCert print it:
    /// `exp(-2t²/(K²‖c‖²))` with `K = max (uᵢ - lᵢ)`.
    HoeffdingPrinted,
    /// Hoeffding's inequality: `exp(-2t²/Σ cᵢ²(uᵢ - lᵢ)²)`.
    Hoeffding,
    /// Bernstein's inequality for the form as one variable, as SimCert prints it:
    /// `exp(-t²/(2σ² + ⅔Mt))` with `M = max |Z - E Z|`.
    BernsteinWhole,
    /// Bernstein's inequality for a sum: `exp(-t²/(2σ² + ⅔bt))` with `b` the largest deviation of one term `cᵢXᵢ`.
    Bernstein,
    /// The sub-Gaussian tail: `exp(-t²/(2v))` with the variance proxy `v = Σ cᵢ²vᵢ`.
    SubGaussian,
    /// Chernoff's bound with the moment generating functions of the inputs: `min over λ of exp(-λt + Σ Kᵢ(λcᵢ))`.
    Chernoff,
    /// The least of the inequalities: of all the others but [`Exact`](Self::Exact).
    #[default]
    Best,
    /// No use of probability: 0 beyond the largest deviation, 1 up to it.
    WorstCase,
    /// The upper end of the bracket of the exact tail, see [`ExactCdf`](crate::ExactCdf); no more than [`Best`](Self::Best).
    Exact,
}

impl Tail {
    /// All methods, in the order of the declaration.
    pub const ALL: [Self; 9] = [
        Self::HoeffdingPrinted,
        Self::Hoeffding,
        Self::BernsteinWhole,
        Self::Bernstein,
        Self::SubGaussian,
        Self::Chernoff,
        Self::Best,
        Self::WorstCase,
        Self::Exact,
    ];

    /// The name of the method in kebab case, which [`FromStr`] reads back.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HoeffdingPrinted => "hoeffding-printed",
            Self::Hoeffding => "hoeffding",
            Self::BernsteinWhole => "bernstein-whole",
            Self::Bernstein => "bernstein",
            Self::SubGaussian => "sub-gaussian",
            Self::Chernoff => "chernoff",
            Self::Best => "best",
            Self::WorstCase => "worst-case",
            Self::Exact => "exact",
        }
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a text names no tail bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTailError {
    /// No method has this name.
    #[error("unknown tail bound {name:?}")]
    Unknown {
        /// The text.
        name: String,
    },
}

impl FromStr for Tail {
    type Err = ParseTailError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|tail| tail.name() == name)
            .ok_or_else(|| ParseTailError::Unknown { name: name.to_owned() })
    }
}
