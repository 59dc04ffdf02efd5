//! A number in the closed unit interval.

use core::fmt;

use crate::rounding::{add_up, sub_down, sub_up};

/// Why a number is not a probability.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbabilityError {
    /// The number lies outside `[0, 1]` or is NaN.
    #[error("probability {value} outside [0, 1]")]
    OutOfRange {
        /// The number.
        value: f64,
    },
}

/// A probability, a number in `[0, 1]`.
///
/// Values are totally ordered. As the bound of another probability it carries no direction: the function that
/// returned it says whether it is an upper or a lower bound.
///
/// # Examples
/// ```
/// use nncert_prob::Probability;
///
/// let p = Probability::new(0.25)?;
/// assert_eq!(p.complement_down().get(), 0.75);
/// assert!(Probability::new(1.5).is_err());
/// assert!(Probability::new(f64::NAN).is_err());
/// # Ok::<(), nncert_prob::ProbabilityError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "f64", into = "f64"))]
pub struct Probability(f64);

impl Probability {
    /// The impossible event.
    pub const ZERO: Self = Self(0.0);
    /// The certain event, and the upper bound that says nothing.
    pub const ONE: Self = Self(1.0);

    /// A probability of the given value; negative zero becomes zero.
    ///
    /// # Errors
    /// [`ProbabilityError::OutOfRange`] when the value is not in `[0, 1]`.
    pub fn new(value: f64) -> Result<Self, ProbabilityError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value.abs()))
        } else {
            Err(ProbabilityError::OutOfRange { value })
        }
    }

    /// The least probability that is at least `bound`: NaN and everything above one become one.
    #[must_use]
    pub fn from_upper_bound(bound: f64) -> Self {
        if bound < 1.0 { Self(bound.max(0.0)) } else { Self::ONE }
    }

    /// The greatest probability that is at most `bound`: NaN and everything below zero become zero.
    #[must_use]
    pub fn from_lower_bound(bound: f64) -> Self {
        if bound > 0.0 { Self(bound.min(1.0)) } else { Self::ZERO }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The complement `1 - p`, rounded down.
    ///
    /// Guarantee: sound. Of an upper bound of `P(A)` it is a lower bound of `P(not A)`.
    #[must_use]
    pub fn complement_down(self) -> Self {
        Self(sub_down(1.0, self.0).max(0.0))
    }

    /// The complement `1 - p`, rounded up.
    ///
    /// Guarantee: sound. Of a lower bound of `P(A)` it is an upper bound of `P(not A)`.
    #[must_use]
    pub fn complement_up(self) -> Self {
        Self::from_upper_bound(sub_up(1.0, self.0))
    }

    /// The sum, rounded up, and one when it exceeds one.
    ///
    /// Guarantee: sound. Of upper bounds of `P(A)` and `P(B)` it is an upper bound of `P(A or B)`.
    #[must_use]
    pub fn saturating_add_up(self, other: Self) -> Self {
        Self::from_upper_bound(add_up(self.0, other.0))
    }

    /// The sum of any number of probabilities, rounded up, and one when it exceeds one.
    ///
    /// ```text
    /// P(A₁ or … or Aₘ) ≤ min(1, Σ P(Aₖ))
    /// ```
    ///
    /// Guarantee: sound, the union bound.
    ///
    /// # Examples
    /// ```
    /// use nncert_prob::Probability;
    ///
    /// let tails = [Probability::new(0.25)?, Probability::new(0.5)?];
    /// assert_eq!(Probability::sum_up(tails).get(), 0.75);
    /// assert_eq!(Probability::sum_up([]), Probability::ZERO);
    /// # Ok::<(), nncert_prob::ProbabilityError>(())
    /// ```
    #[must_use]
    pub fn sum_up(terms: impl IntoIterator<Item = Self>) -> Self {
        terms.into_iter().fold(Self::ZERO, Self::saturating_add_up)
    }
}

impl Eq for Probability {}

impl PartialOrd for Probability {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Probability {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<f64> for Probability {
    type Error = ProbabilityError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl From<Probability> for f64 {
    fn from(probability: Probability) -> Self {
        probability.0
    }
}
