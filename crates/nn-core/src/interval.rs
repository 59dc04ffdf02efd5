//! Closed intervals of doubles.

use core::fmt;

/// A closed interval `[lower, upper]`, `lower ≤ upper`; ends may be infinite.
///
/// A plain pair: operations that round live with the passes that need them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Interval {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

impl Interval {
    /// The whole line.
    pub const EVERYTHING: Self = Self { lower: f64::NEG_INFINITY, upper: f64::INFINITY };

    /// The interval `[lower, upper]`.
    #[must_use]
    pub const fn new(lower: f64, upper: f64) -> Self {
        Self { lower, upper }
    }

    /// The interval that holds one value.
    #[must_use]
    pub const fn point(value: f64) -> Self {
        Self { lower: value, upper: value }
    }

    /// `upper - lower`, rounded to nearest: for reports and choices, not for proofs.
    #[must_use]
    pub fn width(self) -> f64 {
        self.upper - self.lower
    }

    /// The largest absolute value in the interval, exactly.
    #[must_use]
    pub fn magnitude(self) -> f64 {
        self.lower.abs().max(self.upper.abs())
    }

    /// Whether `value` lies in the interval.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }

    /// Whether all of `self` lies in `other`.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        other.lower <= self.lower && self.upper <= other.upper
    }

    /// The values in both intervals.
    ///
    /// Both are assumed to enclose the same quantity, so that they meet; a NaN
    /// end counts as no information.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self { lower: self.lower.max(other.lower), upper: self.upper.min(other.upper) }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.precision() {
            Some(digits) => write!(f, "[{:.*}, {:.*}]", digits, self.lower, digits, self.upper),
            None => write!(f, "[{}, {}]", self.lower, self.upper),
        }
    }
}
