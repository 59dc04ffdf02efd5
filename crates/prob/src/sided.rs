//! A probability held by its small side.

use core::fmt;

use crate::probability::{Probability, ProbabilityError};
use crate::rounding::{sub_down, sub_up};

/// A probability `p` stored as the smaller of `p` and `1 - p`, so that both are representable.
///
/// A float next to 1 is off by up to 1e-16, which may be all there is of `1 - p`. Here the smaller of the two is a float
/// of full precision, and the other is rounded when it is asked for, in a stated direction.
///
/// # Examples
/// ```
/// use nncert_prob::SidedProbability;
///
/// let p = SidedProbability::from_complement(1e-30)?;
/// assert_eq!(p.complement_up(), 1e-30);
/// assert!(p.down() < 1.0 && p.up() == 1.0);
/// # Ok::<(), nncert_prob::ProbabilityError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "(f64, bool)", into = "(f64, bool)"))]
pub struct SidedProbability {
    /// At most one half.
    small: f64,
    /// Whether `small` is `1 - p`.
    of_complement: bool,
}

impl SidedProbability {
    /// The impossible event.
    pub const ZERO: Self = Self { small: 0.0, of_complement: false };
    /// The certain event.
    pub const ONE: Self = Self { small: 0.0, of_complement: true };

    /// The probability `p`, without rounding.
    ///
    /// # Errors
    /// [`ProbabilityError::OutOfRange`] when the value is not in `[0, 1]`.
    pub fn new(p: f64) -> Result<Self, ProbabilityError> {
        Probability::new(p).map(Self::from)
    }

    /// The probability `1 - q`, without rounding.
    ///
    /// # Errors
    /// [`ProbabilityError::OutOfRange`] when the value is not in `[0, 1]`.
    pub fn from_complement(q: f64) -> Result<Self, ProbabilityError> {
        Self::new(q).map(Self::complement)
    }

    /// The probability with this small side, which may also lie a little above one half.
    pub(crate) fn from_side(side: f64, of_complement: bool) -> Self {
        let p = Self::from(Probability::from_upper_bound(side));
        if of_complement { p.complement() } else { p }
    }

    /// `1 - p`, without rounding.
    #[must_use]
    pub const fn complement(self) -> Self {
        // One half has one form.
        Self { small: self.small, of_complement: !self.of_complement && self.small < 0.5 }
    }

    /// The smaller of `p` and `1 - p`, and whether it is `1 - p`.
    #[must_use]
    pub const fn small_side(self) -> (f64, bool) {
        (self.small, self.of_complement)
    }

    /// The greatest float that is at most `p`.
    #[must_use]
    pub fn down(self) -> f64 {
        if self.of_complement { sub_down(1.0, self.small) } else { self.small }
    }

    /// The least float that is at least `p`.
    #[must_use]
    pub fn up(self) -> f64 {
        if self.of_complement { sub_up(1.0, self.small) } else { self.small }
    }

    /// The greatest float that is at most `1 - p`.
    #[must_use]
    pub fn complement_down(self) -> f64 {
        self.complement().down()
    }

    /// The least float that is at least `1 - p`.
    #[must_use]
    pub fn complement_up(self) -> f64 {
        self.complement().up()
    }
}

impl From<Probability> for SidedProbability {
    /// Without rounding: above one half, `1 - p` is a float.
    fn from(p: Probability) -> Self {
        let p = p.get();
        if p > 0.5 {
            Self { small: 1.0 - p, of_complement: true }
        } else {
            Self { small: p, of_complement: false }
        }
    }
}

impl TryFrom<(f64, bool)> for SidedProbability {
    type Error = ProbabilityError;

    /// A side, and whether it is `1 - p`, as [`SidedProbability::small_side`] gives them.
    fn try_from((side, of_complement): (f64, bool)) -> Result<Self, ProbabilityError> {
        if of_complement { Self::from_complement(side) } else { Self::new(side) }
    }
}

impl From<SidedProbability> for (f64, bool) {
    fn from(p: SidedProbability) -> Self {
        p.small_side()
    }
}

impl Eq for SidedProbability {}

impl PartialOrd for SidedProbability {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SidedProbability {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        let distance = |p: &Self| if p.of_complement { -p.small } else { p.small };
        (self.of_complement.cmp(&other.of_complement))
            .then(distance(self).total_cmp(&distance(other)))
    }
}

impl fmt::Display for SidedProbability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of_complement {
            write!(f, "1 - {}", self.small)
        } else {
            fmt::Display::fmt(&self.small, f)
        }
    }
}
