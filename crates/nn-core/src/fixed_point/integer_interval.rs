//! Closed intervals of integers.

use core::fmt;

/// A closed interval of integers `lower ≤ upper`: what a value is clamped to, or is
/// known to lie in.
///
/// # Examples
///
/// ```
/// use nncert_core::fixed_point::IntegerInterval;
///
/// let pixels = IntegerInterval::new(0, 255)?;
/// assert_eq!(pixels.clamp(300), 255);
/// assert_eq!(IntegerInterval::new(1, 0).unwrap_err().to_string(), "1 is above 0");
/// # Ok::<(), nncert_core::fixed_point::EmptyInterval>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct IntegerInterval {
    lower: i64,
    upper: i64,
}

impl IntegerInterval {
    /// The interval from `lower` to `upper`.
    ///
    /// # Errors
    ///
    /// [`EmptyInterval`] when `lower` is above `upper`.
    pub const fn new(lower: i64, upper: i64) -> Result<Self, EmptyInterval> {
        if lower <= upper { Ok(Self { lower, upper }) } else { Err(EmptyInterval { lower, upper }) }
    }

    /// Needs `lower ≤ upper`.
    pub(crate) const fn ordered(lower: i64, upper: i64) -> Self {
        Self { lower, upper }
    }

    /// The least integer.
    #[must_use]
    pub const fn lower(self) -> i64 {
        self.lower
    }

    /// The greatest integer.
    #[must_use]
    pub const fn upper(self) -> i64 {
        self.upper
    }

    /// Whether `value` lies in the interval.
    #[must_use]
    pub const fn contains(self, value: i64) -> bool {
        self.lower <= value && value <= self.upper
    }

    /// Whether all of `self` lies in `other`.
    #[must_use]
    pub const fn is_within(self, other: Self) -> bool {
        other.lower <= self.lower && self.upper <= other.upper
    }

    /// The integers in both intervals, if there are some.
    #[must_use]
    pub fn intersect(self, other: Self) -> Option<Self> {
        Self::new(self.lower.max(other.lower), self.upper.min(other.upper)).ok()
    }

    /// The integer of the interval that is closest to `value`.
    #[must_use]
    pub fn clamp(self, value: i64) -> i64 {
        value.clamp(self.lower, self.upper)
    }

    /// The largest absolute value in the interval.
    #[must_use]
    pub fn magnitude(self) -> u64 {
        self.lower.unsigned_abs().max(self.upper.unsigned_abs())
    }
}

impl fmt::Display for IntegerInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.lower, self.upper)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for IntegerInterval {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Fields {
            lower: i64,
            upper: i64,
        }
        let fields = Fields::deserialize(deserializer)?;
        Self::new(fields.lower, fields.upper).map_err(serde::de::Error::custom)
    }
}

/// Ends that are in the wrong order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{lower} is above {upper}")]
pub struct EmptyInterval {
    /// The lower end.
    pub lower: i64,
    /// The upper end.
    pub upper: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_meet_or_do_not() {
        let interval = |lower, upper| IntegerInterval::new(lower, upper).unwrap();
        let (a, b) = (interval(-3, 4), interval(4, 9));
        assert_eq!(a.intersect(b), Some(interval(4, 4)));
        assert_eq!(a.intersect(interval(5, 9)), None);
        assert!(interval(0, 4).is_within(a) && !b.is_within(a));
        assert!(a.contains(-3) && a.contains(4) && !a.contains(5));
        assert_eq!((a.clamp(-9), a.clamp(9), a.clamp(1)), (-3, 4, 1));
        assert_eq!(interval(i64::MIN, 5).magnitude(), 1 << 63);
        assert_eq!(a.to_string(), "[-3, 4]");
    }
}
