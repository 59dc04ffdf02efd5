//! Floating-point types of weights in a file.

use core::fmt;

use half::{bf16, f16};

/// The floating-point type that numbers are stored in.
///
/// Every value of each of them is exactly an `f64`; [`Precision::holds`] says
/// whether an `f64` is exactly one of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Precision {
    /// IEEE binary64.
    F64,
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// bfloat16: binary32 without its last 16 bits.
    BF16,
}

impl Precision {
    /// The bytes that one number takes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// A value of this type close to `value`, and `value` itself where it is one.
    ///
    /// Not always the nearest: `half` may round through `f32`.
    fn near(self, value: f64) -> f64 {
        match self {
            Self::F64 => value,
            Self::F32 => f64::from(value as f32),
            Self::F16 => f16::from_f64(value).to_f64(),
            Self::BF16 => bf16::from_f64(value).to_f64(),
        }
    }

    /// Whether `value` is exactly a value of this type; never for a NaN.
    ///
    /// # Examples
    ///
    /// ```
    /// use nncert_core::io::Precision;
    /// assert!(Precision::F16.holds(0.5) && !Precision::F16.holds(0.1));
    /// ```
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        self.near(value) == value
    }

    /// Appends `value`, which this type [`holds`](Self::holds), little-endian.
    pub(super) fn encode(self, value: f64, bytes: &mut Vec<u8>) {
        match self {
            Self::F64 => bytes.extend(value.to_le_bytes()),
            Self::F32 => bytes.extend((value as f32).to_le_bytes()),
            Self::F16 => bytes.extend(f16::from_f64(value).to_le_bytes()),
            Self::BF16 => bytes.extend(bf16::from_f64(value).to_le_bytes()),
        }
    }

    /// The little-endian numbers in `bytes`; a rest that is no number is left out.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f64> {
        match self {
            Self::F64 => numbers(bytes, f64::from_le_bytes),
            Self::F32 => numbers(bytes, |number| f64::from(f32::from_le_bytes(number))),
            Self::F16 => numbers(bytes, |number| f16::from_le_bytes(number).to_f64()),
            Self::BF16 => numbers(bytes, |number| bf16::from_le_bytes(number).to_f64()),
        }
    }
}

fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|chunk| number(*chunk)).collect()
}

/// As safetensors spells it.
impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(-1)^s · 2^(e - bias) · (1 + m / 2^fraction)`, from the definition.
    fn defined(bits: u16, exponent_bits: u32, fraction_bits: u32) -> f64 {
        let mask = (1 << exponent_bits) - 1;
        let exponent = i32::from(bits >> fraction_bits) & mask;
        let fraction = f64::from(bits & ((1 << fraction_bits) - 1)) / f64::from(1 << fraction_bits);
        let bias = mask / 2;
        let magnitude = match exponent {
            0 => fraction * 2f64.powi(1 - bias),
            _ if exponent == mask && fraction == 0.0 => f64::INFINITY,
            _ if exponent == mask => f64::NAN,
            _ => (1.0 + fraction) * 2f64.powi(exponent - bias),
        };
        if bits >> 15 == 1 { -magnitude } else { magnitude }
    }

    #[test]
    fn every_half_is_exact() {
        for (precision, exponent, fraction) in [(Precision::F16, 5, 10), (Precision::BF16, 8, 7)] {
            for bits in 0..=u16::MAX {
                let value = precision.decode(&bits.to_le_bytes())[0];
                let expected = defined(bits, exponent, fraction);
                assert!(value == expected || (value.is_nan() && expected.is_nan()), "{bits:#x}");
                assert_eq!(precision.holds(value), !value.is_nan());
                if !value.is_nan() {
                    let mut bytes = Vec::new();
                    precision.encode(value, &mut bytes);
                    assert_eq!(bytes, bits.to_le_bytes());
                }
            }
        }
    }

    #[test]
    fn what_is_not_held() {
        // Past the largest, between neighbours, and below the smallest.
        assert!(!Precision::F16.holds(65536.0) && Precision::BF16.holds(65536.0));
        assert!(
            !Precision::BF16.holds(1.0 + 1.0 / 1024.0) && Precision::F16.holds(1.0 + 1.0 / 1024.0)
        );
        assert!(!Precision::F32.holds(1e-300) && !Precision::F32.holds(1e300));
        assert!(Precision::F64.holds(1e300) && !Precision::F64.holds(f64::NAN));
    }
}
