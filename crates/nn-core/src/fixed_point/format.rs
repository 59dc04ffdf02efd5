//! Formats `⟨sign, Q, F⟩` of fixed-point numbers.

use core::fmt;
use core::str::FromStr;

use super::{IntegerInterval, Rounding};
use crate::compress::binary::power_of_two;
use crate::compress::{FixedPointFormat, FormatError};

/// Whether a [`Format`] has negative numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Sign {
    /// `+`: from 0 to `2^Q - 1`.
    Unsigned,
    /// `±`: from `-2^(Q-1)` to `2^(Q-1) - 1`.
    Signed,
}

/// `⟨sign, Q, F⟩`: integers of `Q` bits, counting in steps of `2^-F`.
///
/// ```text
/// ⟨+, Q, F⟩   the integer q, 0 ≤ q ≤ 2^Q - 1, stands for q / 2^F
/// ⟨±, Q, F⟩   the integer q, -2^(Q-1) ≤ q ≤ 2^(Q-1) - 1, stands for q / 2^F
/// ```
///
/// A signed format is a [`FixedPointFormat`], and has the same limits.
///
/// # Examples
///
/// ```
/// use nncert_core::fixed_point::{Format, Rounding};
///
/// // The example of QVIP, section 2.2: 1.2345 is 5, which stands for 1.25.
/// let format = Format::signed(4, 2)?;
/// assert_eq!(format.quantize(1.2345, Rounding::HalfUp), Some(5));
/// assert_eq!(format.value(5), 1.25);
/// assert_eq!(format.quantize(-9.0, Rounding::HalfUp), Some(-8));
/// assert_eq!(format.to_string(), "<±,4,2>");
/// assert_eq!("+,8,8".parse(), Ok(Format::unsigned(8, 8)?));
/// # Ok::<(), nncert_core::compress::FormatError>(())
/// ```
///
/// # References
///
/// QVIP, section 2.2 (quantization configurations).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Format {
    sign: Sign,
    bits: u32,
    fraction: i32,
}

impl Format {
    /// The format with this sign, `bits` bits (`Q`, a sign included), `fraction` of
    /// them (`F`) after the point.
    ///
    /// # Errors
    ///
    /// [`FormatError`] for bits outside 1 to [`MAX_BITS`](crate::compress::MAX_BITS) and
    /// a fraction outside ±[`MAX_FRACTION`](crate::compress::MAX_FRACTION).
    pub const fn new(sign: Sign, bits: u32, fraction: i32) -> Result<Self, FormatError> {
        match FixedPointFormat::new(bits, fraction) {
            Ok(_) => Ok(Self { sign, bits, fraction }),
            Err(error) => Err(error),
        }
    }

    /// `⟨+, bits, fraction⟩`.
    ///
    /// # Errors
    ///
    /// As [`Format::new`].
    pub const fn unsigned(bits: u32, fraction: i32) -> Result<Self, FormatError> {
        Self::new(Sign::Unsigned, bits, fraction)
    }

    /// `⟨±, bits, fraction⟩`.
    ///
    /// # Errors
    ///
    /// As [`Format::new`].
    pub const fn signed(bits: u32, fraction: i32) -> Result<Self, FormatError> {
        Self::new(Sign::Signed, bits, fraction)
    }

    /// Whether there are negative numbers.
    #[must_use]
    pub const fn sign(self) -> Sign {
        self.sign
    }

    /// `Q`: the number of bits, a sign included.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// `F`: the number of bits after the point.
    #[must_use]
    pub const fn fraction(self) -> i32 {
        self.fraction
    }

    /// The integers of the format.
    #[must_use]
    pub const fn range(self) -> IntegerInterval {
        match self.sign {
            Sign::Unsigned => IntegerInterval::ordered(0, (1 << self.bits) - 1),
            Sign::Signed => {
                let limit = 1 << (self.bits - 1);
                IntegerInterval::ordered(-limit, limit - 1)
            }
        }
    }

    /// What `integer` stands for: `integer / 2^F`.
    ///
    /// Guarantee: exact for the integers of the format, and all others up to `2^53`.
    #[must_use]
    pub fn value(self, integer: i64) -> f64 {
        integer as f64 * power_of_two(-self.fraction)
    }

    /// The integer for a number; `None` for NaN.
    ///
    /// ```text
    /// clamp(round(x · 2^F), range)
    /// ```
    ///
    /// Guarantee: exact for every `x`; infinities are clamped.
    #[must_use]
    pub fn quantize(self, x: f64, rounding: Rounding) -> Option<i64> {
        let (lower, upper) = (self.range().lower() as f64, self.range().upper() as f64);
        let rounded = self.scaled(x, rounding);
        // The ends have at most 53 bits, so both conversions are exact.
        #[allow(clippy::cast_possible_truncation)]
        (!rounded.is_nan()).then(|| rounded.clamp(lower, upper) as i64)
    }

    /// Whether [`Format::quantize`] clamps `x`.
    #[must_use]
    pub fn clamps(self, x: f64, rounding: Rounding) -> bool {
        let rounded = self.scaled(x, rounding);
        rounded < self.range().lower() as f64 || rounded > self.range().upper() as f64
    }

    /// `round(x · 2^F)`. The scaling may overflow, which clamping undoes.
    fn scaled(self, x: f64, rounding: Rounding) -> f64 {
        let mut scaled = x * power_of_two(self.fraction);
        if scaled.abs() < f64::MIN_POSITIVE && x != 0.0 {
            // It may have underflowed; every number this small rounds as this one does.
            scaled = f64::MIN_POSITIVE.copysign(x);
        }
        rounding.round(scaled)
    }
}

impl From<FixedPointFormat> for Format {
    fn from(format: FixedPointFormat) -> Self {
        Self { sign: Sign::Signed, bits: format.bits(), fraction: format.fraction() }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "+",
            Self::Signed => "±",
        })
    }
}

/// `<±,6,4>`, as [`FixedPointFormat`] has it.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{},{},{}>", self.sign, self.bits, self.fraction)
    }
}

/// `±,6,4`, alone or in `<>`.
impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
        let parts: Vec<&str> = inner.unwrap_or(text).splitn(4, ',').collect();
        let [sign, bits, fraction] = parts[..] else { return Err(ParseFormatError::Shape) };
        let sign = match sign {
            "+" => Sign::Unsigned,
            "±" => Sign::Signed,
            _ => return Err(ParseFormatError::Shape),
        };
        let bits = bits.parse().map_err(|_| ParseFormatError::Shape)?;
        let fraction = fraction.parse().map_err(|_| ParseFormatError::Shape)?;
        Ok(Self::new(sign, bits, fraction)?)
    }
}

/// Why a text is not a [`Format`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseFormatError {
    /// The text does not have the form.
    #[error("a format is written +,Q,F or ±,Q,F")]
    Shape,
    /// The numbers do not make a format.
    #[error(transparent)]
    Format(#[from] FormatError),
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Fields {
            sign: Sign,
            bits: u32,
            fraction: i32,
        }
        let fields = Fields::deserialize(deserializer)?;
        Self::new(fields.sign, fields.bits, fields.fraction).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_those_of_the_paper() {
        let range = |format: Format| (format.range().lower(), format.range().upper());
        assert_eq!(range(Format::signed(6, 5).unwrap()), (-32, 31));
        assert_eq!(range(Format::unsigned(8, 8).unwrap()), (0, 255));
        assert_eq!(range(Format::signed(1, 0).unwrap()), (-1, 0));
        assert_eq!(range(Format::unsigned(1, 0).unwrap()), (0, 1));
        assert_eq!(range(Format::unsigned(53, 0).unwrap()), (0, (1 << 53) - 1));
        assert_eq!(range(Format::signed(53, 0).unwrap()), (-(1 << 52), (1 << 52) - 1));
    }

    #[test]
    fn limits_are_kept_and_texts_read() {
        assert_eq!(Format::unsigned(0, 0), Err(FormatError::Bits { bits: 0 }));
        assert_eq!(Format::signed(54, 0), Err(FormatError::Bits { bits: 54 }));
        assert_eq!(Format::signed(4, 257), Err(FormatError::Fraction { fraction: 257 }));
        let read = |text: &str| text.parse::<Format>();
        assert_eq!(read("<±,6,-4>"), Ok(Format::signed(6, -4).unwrap()));
        for text in ["", "+", "+,8", "-,8,8", "+,8,8,8", "<+,8,8", "+,8,x", "+,-1,2", "+, 8,8"] {
            assert_eq!(read(text), Err(ParseFormatError::Shape), "{text:?}");
        }
        assert_eq!(read("+,99,8"), Err(FormatError::Bits { bits: 99 }.into()));
        assert_eq!(read("x").unwrap_err().to_string(), "a format is written +,Q,F or ±,Q,F");
    }

    #[test]
    fn tiny_numbers_keep_their_sign() {
        let format = Format::signed(4, -256).unwrap();
        for tiny in [f64::from_bits(1), 1e-300, 1e-250] {
            for rounding in Rounding::ALL {
                let below = if rounding == Rounding::Floor { -1 } else { 0 };
                assert_eq!(format.quantize(tiny, rounding), Some(0));
                assert_eq!(format.quantize(-tiny, rounding), Some(below));
            }
        }
        assert_eq!(format.quantize(-0.0, Rounding::Floor), Some(0));
        assert_eq!(format.quantize(f64::NAN, Rounding::Floor), None);
        assert_eq!(format.quantize(f64::INFINITY, Rounding::Floor), Some(7));
        assert_eq!(format.quantize(f64::NEG_INFINITY, Rounding::HalfEven), Some(-8));
    }

    proptest! {
        /// The signed formats are those of `compress`.
        #[test]
        fn signed_formats_agree_with_compress(
            bits in 1..=53u32, fraction in -256..=256i32, x in any::<f64>(),
        ) {
            let old = FixedPointFormat::new(bits, fraction).unwrap();
            let format = Format::from(old);
            let x = if x.is_nan() { 0.5 } else { x };
            let integer = format.quantize(x, Rounding::HalfUp).unwrap();
            prop_assert_eq!(format.value(integer), old.quantize(x));
            prop_assert_eq!(format.clamps(x, Rounding::HalfUp), old.clamps(x));
        }

        #[test]
        fn values_come_back(
            signed in any::<bool>(), bits in 1..=53u32, fraction in -256..=256i32,
            place in 0.0..=1.0f64, rounding in proptest::sample::select(&Rounding::ALL[..]),
        ) {
            let sign = if signed { Sign::Signed } else { Sign::Unsigned };
            let format = Format::new(sign, bits, fraction).unwrap();
            let range = format.range();
            let integer = range.lower() + ((range.upper() - range.lower()) as f64 * place) as i64;
            prop_assert_eq!(format.quantize(format.value(integer), rounding), Some(integer));
        }
    }
}
