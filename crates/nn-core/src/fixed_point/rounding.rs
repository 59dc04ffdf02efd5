//! Rounding to integers.

use core::fmt;
use core::str::FromStr;

use crate::compress::binary::round_half_up;

/// How a number becomes an integer.
///
/// | | 0.5 | 1.5 | -0.5 | -1.5 | 0.75 | -0.75 |
/// |---|---|---|---|---|---|---|
/// | `HalfUp` | 1 | 2 | 0 | -1 | 1 | -1 |
/// | `Floor` | 0 | 1 | -1 | -2 | 0 | -1 |
/// | `HalfEven` | 0 | 2 | 0 | -2 | 1 | -1 |
/// | `HalfAway` | 1 | 2 | -1 | -2 | 1 | -1 |
///
/// # Examples
///
/// ```
/// use nncert_core::fixed_point::Rounding;
///
/// assert_eq!(Rounding::HalfUp.round(-2.5), -2.0);
/// assert_eq!(Rounding::HalfAway.round(-2.5), -3.0);
/// assert_eq!("half-even".parse(), Ok(Rounding::HalfEven));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Rounding {
    /// To the nearest, halves upward: `⌊z + 1/2⌋`. QVIP's rounding.
    #[default]
    HalfUp,
    /// Downward: `⌊z⌋`. An arithmetic shift.
    Floor,
    /// To the nearest, halves to the even integer. That of ONNX.
    HalfEven,
    /// To the nearest, halves away from zero. That of TensorFlow Lite's kernels.
    HalfAway,
}

impl Rounding {
    /// Every way to round.
    pub const ALL: [Self; 4] = [Self::HalfUp, Self::Floor, Self::HalfEven, Self::HalfAway];

    /// Its name in files: `half-up`, `floor`, `half-even`, `half-away`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfUp => "half-up",
            Self::Floor => "floor",
            Self::HalfEven => "half-even",
            Self::HalfAway => "half-away",
        }
    }

    /// `z` rounded to an integer; NaN and infinities stay.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn round(self, z: f64) -> f64 {
        match self {
            Self::HalfUp => round_half_up(z),
            Self::Floor => z.floor(),
            Self::HalfEven => z.round_ties_even(),
            Self::HalfAway => z.round(),
        }
    }

    /// `numerator / 2^shift`, rounded; `shift` is at most 126.
    pub(super) fn shift_right(self, numerator: i128, shift: u32) -> i128 {
        if shift == 0 {
            return numerator;
        }
        let floor = numerator >> shift;
        let rest = numerator - (floor << shift);
        let half = 1 << (shift - 1);
        let up = match self {
            Self::HalfUp => rest >= half,
            Self::Floor => false,
            Self::HalfEven => rest > half || (rest == half && floor & 1 == 1),
            Self::HalfAway => rest > half || (rest == half && floor >= 0),
        };
        floor + i128::from(up)
    }

    /// Whether `t - 1/2` rounds to `t`, and not to `t - 1`.
    pub(super) fn takes_half_below(self, t: i128) -> bool {
        match self {
            Self::HalfUp => true,
            Self::Floor => false,
            Self::HalfEven => t & 1 == 0,
            Self::HalfAway => t > 0,
        }
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rounding {
    type Err = ParseRoundingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|rounding| rounding.name() == text).ok_or(ParseRoundingError)
    }
}

/// A text that is the name of no [`Rounding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rounding is none of half-up, floor, half-even and half-away")]
pub struct ParseRoundingError;

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table in the documentation, and neighbours of ties.
    #[test]
    fn the_table_holds() {
        let near = 0.5f64.next_down();
        let z = [0.5, 1.5, -0.5, -1.5, 0.75, -0.75, near, -near, -0.5f64.next_up()];
        for (rounding, expected) in [
            (Rounding::HalfUp, [1, 2, 0, -1, 1, -1, 0, 0, -1]),
            (Rounding::Floor, [0, 1, -1, -2, 0, -1, 0, -1, -1]),
            (Rounding::HalfEven, [0, 2, 0, -2, 1, -1, 0, 0, -1]),
            (Rounding::HalfAway, [1, 2, -1, -2, 1, -1, 0, 0, -1]),
        ] {
            for (z, expected) in z.into_iter().zip(expected) {
                assert_eq!(rounding.round(z), f64::from(expected), "{rounding} of {z:e}");
            }
        }
    }

    #[test]
    fn shifts_round_as_numbers_do() {
        for rounding in Rounding::ALL {
            for numerator in -200..=200i128 {
                for shift in 0..=6u32 {
                    let z = numerator as f64 / f64::from(1u32 << shift);
                    let shifted = rounding.shift_right(numerator, shift);
                    assert_eq!(shifted as f64, rounding.round(z), "{rounding} of {z}");
                }
            }
            for t in -9..=9i128 {
                let half = rounding.shift_right(2 * t - 1, 1);
                assert_eq!(half == t, rounding.takes_half_below(t), "{rounding} of {t} - 1/2");
            }
        }
        assert_eq!(Rounding::HalfUp.shift_right(i128::MIN >> 1, 126), -1);
    }

    #[test]
    fn names_are_read() {
        for rounding in Rounding::ALL {
            assert_eq!(rounding.to_string().parse(), Ok(rounding));
        }
        let error = "nearest".parse::<Rounding>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the rounding is none of half-up, floor, half-even and half-away"
        );
    }
}
