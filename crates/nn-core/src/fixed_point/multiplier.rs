//! Factors from accumulators to values.

use core::fmt;

/// The most bits of a [`Multiplier`]'s mantissa: those of an `f64`.
pub const MAX_MANTISSA_BITS: u32 = 53;
/// The largest shift of a [`Multiplier`] to the right: a product with any `i64` has room for it
/// in 128 bits.
pub const MAX_SHIFT: i32 = 116;
/// The largest shift of a [`Multiplier`] to the left.
pub const MAX_LEFT_SHIFT: i32 = 62;

/// A positive factor `mantissa / 2^shift`, exact.
///
/// A shift of fixed-point arithmetic is one with the mantissa 1; the real multiplier
/// of an int8 runtime is another, because every `f32` and `f64` is of this form, and
/// so is TensorFlow Lite's pair of an integer and a shift. The mantissa is kept odd,
/// so that equal factors are equal.
///
/// # Examples
///
/// ```
/// use nncert_core::fixed_point::Multiplier;
///
/// let shift = Multiplier::power_of_two(9)?;
/// assert_eq!(shift.value(), 1.0 / 512.0);
///
/// let real = Multiplier::new(f64::from(0.1f32))?;
/// assert_eq!((real.mantissa(), real.shift()), (13421773, 27));
/// # Ok::<(), nncert_core::fixed_point::MultiplierError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Multiplier {
    mantissa: u64,
    shift: i32,
}

impl Multiplier {
    /// One: accumulators are values.
    pub const ONE: Self = Self { mantissa: 1, shift: 0 };

    /// The number that `value` is.
    ///
    /// # Errors
    ///
    /// [`MultiplierError`] for a value that is not positive, not finite, or beyond the
    /// limits of [`Multiplier::from_parts`].
    pub fn new(value: f64) -> Result<Self, MultiplierError> {
        if !(value > 0.0 && value.is_finite()) {
            return Err(MultiplierError::Value { value });
        }
        let bits = value.to_bits();
        let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
        let (mantissa, shift) =
            if biased == 0 { (fraction, 1074) } else { (fraction | (1 << 52), 1075 - biased) };
        Self::from_parts(mantissa, shift)
    }

    /// `2^-shift`.
    ///
    /// # Errors
    ///
    /// As [`Multiplier::from_parts`].
    pub fn power_of_two(shift: i32) -> Result<Self, MultiplierError> {
        Self::from_parts(1, shift)
    }

    /// `mantissa / 2^shift`.
    ///
    /// # Errors
    ///
    /// [`MultiplierError`] when, with an odd mantissa, the mantissa is zero or has more
    /// than [`MAX_MANTISSA_BITS`], or the shift is outside `-`[`MAX_LEFT_SHIFT`] to
    /// [`MAX_SHIFT`].
    pub fn from_parts(mantissa: u64, shift: i32) -> Result<Self, MultiplierError> {
        let error = MultiplierError::Parts { mantissa, shift };
        if mantissa == 0 {
            return Err(error);
        }
        let zeros = mantissa.trailing_zeros();
        let odd = mantissa >> zeros;
        let shift = i64::from(shift) - i64::from(zeros);
        let fits = (i64::from(-MAX_LEFT_SHIFT)..=i64::from(MAX_SHIFT)).contains(&shift);
        if !fits || odd >> MAX_MANTISSA_BITS != 0 {
            return Err(error);
        }
        // Within the limits, so it fits.
        #[allow(clippy::cast_possible_truncation)]
        Ok(Self { mantissa: odd, shift: shift as i32 })
    }

    /// The mantissa, odd.
    #[must_use]
    pub const fn mantissa(self) -> u64 {
        self.mantissa
    }

    /// The shift; below zero it is one to the left.
    #[must_use]
    pub const fn shift(self) -> i32 {
        self.shift
    }

    /// Whether this is a power of two: a shift and nothing else.
    #[must_use]
    pub const fn is_power_of_two(self) -> bool {
        self.mantissa == 1
    }

    /// The factor.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn value(self) -> f64 {
        self.mantissa as f64 * crate::compress::binary::power_of_two(-self.shift)
    }
}

/// `2^-9`, `5·2^-7`, `3`.
impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mantissa, -self.shift) {
            (mantissa, 0) => write!(f, "{mantissa}"),
            (1, exponent) => write!(f, "2^{exponent}"),
            (mantissa, exponent) => write!(f, "{mantissa}·2^{exponent}"),
        }
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Multiplier {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Fields {
            mantissa: u64,
            shift: i32,
        }
        let fields = Fields::deserialize(deserializer)?;
        Self::from_parts(fields.mantissa, fields.shift).map_err(serde::de::Error::custom)
    }
}

/// Why a number is not a [`Multiplier`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MultiplierError {
    /// The value is zero, negative, infinite or NaN.
    #[error("a multiplier of {value} is not a positive number")]
    Value {
        /// The value.
        value: f64,
    },
    /// The mantissa or the shift is beyond the limits.
    #[error(
        "a multiplier of {mantissa} / 2^{shift} has no mantissa of 1 to {MAX_MANTISSA_BITS} bits \
         with a shift from -{MAX_LEFT_SHIFT} to {MAX_SHIFT}"
    )]
    Parts {
        /// The mantissa.
        mantissa: u64,
        /// The shift.
        shift: i32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_are_named() {
        for value in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            let message = Multiplier::new(value).unwrap_err().to_string();
            assert_eq!(message, format!("a multiplier of {value} is not a positive number"));
        }
        let parts = |mantissa, shift| Multiplier::from_parts(mantissa, shift);
        assert_eq!(parts(0, 3), Err(MultiplierError::Parts { mantissa: 0, shift: 3 }));
        assert_eq!(
            parts(1, 117).unwrap_err().to_string(),
            "a multiplier of 1 / 2^117 has no mantissa of 1 to 53 bits with a shift from -62 to 116"
        );
        assert!(parts(1, -63).is_err() && parts((1 << 53) + 1, 0).is_err());
        assert!(parts(1, i32::MIN).is_err() && parts(1 << 63, i32::MIN).is_err());
        assert_eq!(parts(1 << 60, 60), Ok(Multiplier::ONE));
        assert_eq!(parts(2, 117).unwrap().shift(), 116);
        assert!(Multiplier::new(f64::from_bits(1)).is_err() && Multiplier::new(f64::MAX).is_err());
    }

    #[test]
    fn they_are_printed_as_powers() {
        let text = |mantissa, shift| Multiplier::from_parts(mantissa, shift).unwrap().to_string();
        assert_eq!([text(1, 9), text(10, 8), text(3, 0)], ["2^-9", "5·2^-7", "3"]);
    }

    proptest! {
        #[test]
        fn doubles_come_back(mantissa in 1..1u64 << 53, shift in -10..=116i32) {
            let multiplier = Multiplier::from_parts(mantissa, shift).unwrap();
            prop_assert_eq!(multiplier.mantissa() % 2, 1);
            prop_assert_eq!(Multiplier::new(multiplier.value()), Ok(multiplier));
        }
    }
}
