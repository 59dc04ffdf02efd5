//! A number in the open unit interval.

use core::fmt;

/// Why a number is not a confidence.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfidenceError {
    /// The number lies outside `(0, 1)` or is NaN.
    #[error("confidence {value} outside (0, 1)")]
    OutOfRange {
        /// The number.
        value: f64,
    },
}

/// A level of confidence, a number in the open interval `(0, 1)`: for example the probability that a certificate must reach.
///
/// # Examples
/// ```
/// use nncert_prob::Confidence;
///
/// assert_eq!(Confidence::new(0.9999)?.get(), 0.9999);
/// assert!(Confidence::new(1.0).is_err());
/// # Ok::<(), nncert_prob::ConfidenceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "f64", into = "f64"))]
pub struct Confidence(f64);

impl Confidence {
    /// A confidence of the given value.
    ///
    /// # Errors
    /// [`ConfidenceError::OutOfRange`] when the value is not strictly between 0 and 1.
    pub fn new(value: f64) -> Result<Self, ConfidenceError> {
        if value > 0.0 && value < 1.0 {
            Ok(Self(value))
        } else {
            Err(ConfidenceError::OutOfRange { value })
        }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Confidence {}

impl PartialOrd for Confidence {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Confidence {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<f64> for Confidence {
    type Error = ConfidenceError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}
