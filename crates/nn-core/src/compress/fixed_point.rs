//! Signed fixed-point weights `⟨±, Q, F⟩`.

use core::fmt;

use super::binary::{power_of_two, round_half_up};
use super::{Compressed, Encoding, Method};
use crate::{Affine, Network};

/// The most bits of a [`FixedPointFormat`]: all its values are exact in `f64`.
pub const MAX_BITS: u32 = 53;
/// The largest `|F|` of a [`FixedPointFormat`].
pub const MAX_FRACTION: i32 = 256;

/// `⟨±, Q, F⟩`: signed integers of `Q` bits, counting in steps of `2^-F`.
///
/// ```text
/// { q / 2^F : q an integer, -2^(Q-1) ≤ q ≤ 2^(Q-1) - 1 }
/// ```
///
/// `F` may be negative (steps above 1) or above `Q` (values below 1).
///
/// # Examples
///
/// ```
/// use nncert_core::compress::FixedPointFormat;
///
/// let format = FixedPointFormat::new(4, 2)?;
/// assert_eq!(format.quantize(0.6), 0.5);
/// assert_eq!(format.quantize(0.625), 0.75);
/// assert_eq!(format.quantize(-0.625), -0.5);
/// assert_eq!((format.quantize(-9.0), format.quantize(9.0)), (-2.0, 1.75));
/// assert_eq!(format.to_string(), "<±,4,2>");
/// # Ok::<(), nncert_core::compress::FormatError>(())
/// ```
///
/// # References
///
/// QVIP, section 2 (the format, rounding half-up); Quadapter, section 2, whose
/// formula lacks the clamp before the division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FixedPointFormat {
    bits: u32,
    fraction: i32,
}

impl FixedPointFormat {
    /// The format with `bits` bits (`Q`, sign included), `fraction` of them (`F`)
    /// after the point.
    ///
    /// # Errors
    ///
    /// [`FormatError`] for bits outside 1 to [`MAX_BITS`] and a fraction outside
    /// ±[`MAX_FRACTION`].
    pub const fn new(bits: u32, fraction: i32) -> Result<Self, FormatError> {
        if bits == 0 || bits > MAX_BITS {
            return Err(FormatError::Bits { bits });
        }
        if fraction < -MAX_FRACTION || fraction > MAX_FRACTION {
            return Err(FormatError::Fraction { fraction });
        }
        Ok(Self { bits, fraction })
    }

    /// The format with these bits and the most fractional bits that clamps no
    /// value from `-largest` to `largest`.
    ///
    /// For `largest = 0` that is [`MAX_FRACTION`].
    ///
    /// # Errors
    ///
    /// [`FormatError`] for bits as in [`FixedPointFormat::new`], for a `largest`
    /// that is negative or not finite, and for one that no format holds.
    ///
    /// # Examples
    ///
    /// ```
    /// # use nncert_core::compress::FixedPointFormat;
    /// // 0.9 · 2^3 = 7.2 rounds to 7, the largest integer of four bits.
    /// assert_eq!(FixedPointFormat::fitting(4, 0.9)?, FixedPointFormat::new(4, 3)?);
    /// // 0.95 · 2^3 = 7.6 would round to 8.
    /// assert_eq!(FixedPointFormat::fitting(4, 0.95)?, FixedPointFormat::new(4, 2)?);
    /// # Ok::<(), nncert_core::compress::FormatError>(())
    /// ```
    pub fn fitting(bits: u32, largest: f64) -> Result<Self, FormatError> {
        Self::new(bits, 0)?;
        if !(0.0..=f64::MAX).contains(&largest) {
            return Err(FormatError::Largest { largest });
        }
        (-MAX_FRACTION..=MAX_FRACTION)
            .rev()
            .map(|fraction| Self { bits, fraction })
            .find(|format| !format.clamps(largest))
            .ok_or(FormatError::TooLarge { bits, largest })
    }

    /// `Q`: the number of bits, sign included.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// `F`: the number of bits after the point.
    #[must_use]
    pub const fn fraction(self) -> i32 {
        self.fraction
    }

    /// `2^-F`: the distance between neighbours.
    #[must_use]
    pub fn step(self) -> f64 {
        power_of_two(-self.fraction)
    }

    /// The smallest value, `-2^(Q-1) / 2^F`.
    #[must_use]
    pub fn min(self) -> f64 {
        -power_of_two(self.bits.cast_signed() - 1) * self.step()
    }

    /// The largest value, `(2^(Q-1) - 1) / 2^F`.
    #[must_use]
    pub fn max(self) -> f64 {
        (power_of_two(self.bits.cast_signed() - 1) - 1.0) * self.step()
    }

    /// The nearest value of the format; halves go up.
    ///
    /// ```text
    /// clamp(⌊x · 2^F + 1/2⌋, -2^(Q-1), 2^(Q-1) - 1) / 2^F
    /// ```
    ///
    /// Guarantee: exact for every `x`. The result is never `-0`; infinities are
    /// clamped; NaN stays NaN.
    #[must_use]
    pub fn quantize(self, x: f64) -> f64 {
        // The scaling may overflow, which the clamp undoes, or underflow where the
        // result is 0 in any case.
        let rounded = round_half_up(x * power_of_two(self.fraction)) + 0.0;
        (rounded * self.step()).clamp(self.min(), self.max())
    }

    /// Whether [`FixedPointFormat::quantize`] clamps `x`.
    #[must_use]
    pub fn clamps(self, x: f64) -> bool {
        let rounded = round_half_up(x * power_of_two(self.fraction));
        let limit = power_of_two(self.bits.cast_signed() - 1);
        rounded < -limit || rounded >= limit
    }
}

impl fmt::Display for FixedPointFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<±,{},{}>", self.bits, self.fraction)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for FixedPointFormat {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Fields {
            bits: u32,
            fraction: i32,
        }
        let fields = Fields::deserialize(deserializer)?;
        Self::new(fields.bits, fields.fraction).map_err(serde::de::Error::custom)
    }
}

/// Why numbers do not make a [`FixedPointFormat`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The number of bits is 0 or above [`MAX_BITS`].
    #[error("{bits} bits are outside 1 to {MAX_BITS}")]
    Bits {
        /// The number of bits.
        bits: u32,
    },
    /// The fraction is outside ±[`MAX_FRACTION`].
    #[error("{fraction} fractional bits are outside -{MAX_FRACTION} to {MAX_FRACTION}")]
    Fraction {
        /// The number of fractional bits.
        fraction: i32,
    },
    /// The largest absolute value is not one.
    #[error("{largest} is not the absolute value of a number")]
    Largest {
        /// The value.
        largest: f64,
    },
    /// No format with these bits holds the value.
    #[error("no format of {bits} bits holds {largest:e}")]
    TooLarge {
        /// The number of bits.
        bits: u32,
        /// The value.
        largest: f64,
    },
}

/// The formats of an affine layer or a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LayerFormat {
    /// Of the weights.
    pub weight: FixedPointFormat,
    /// Of the biases.
    pub bias: FixedPointFormat,
}

/// Rounds every weight and bias to the formats of its layer.
///
/// ```text
/// w' = clamp(⌊w · 2^F + 1/2⌋, -2^(Q-1), 2^(Q-1) - 1) / 2^F
/// ```
///
/// `formats` has one entry for each affine layer. Values outside a format are
/// clamped; the summary counts them. Inputs and activations stay real numbers.
///
/// Guarantee: exact.
///
/// # Errors
///
/// [`FixedPointError::Formats`] for another number of formats.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network};
/// use nncert_core::compress::{FixedPointFormat, LayerFormat, fixed_point};
///
/// let network = Network::relu_mlp(vec![Affine::new(dmatrix![0.3, -5.0], dvector![0.7])])?;
/// let format = FixedPointFormat::new(4, 2)?;
/// let compressed = fixed_point(&network, &[LayerFormat { weight: format, bias: format }])?;
/// assert_eq!(compressed.network.evaluate(&[1.0, 0.0])?.as_slice(), [0.25 + 0.75]);
/// assert_eq!(compressed.network.evaluate(&[0.0, 1.0])?.as_slice(), [-2.0 + 0.75]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// QVIP, section 2; Quadapter, section 2.
pub fn fixed_point(
    network: &Network,
    formats: &[LayerFormat],
) -> Result<Compressed, FixedPointError> {
    let (expected, found) = (network.weights().count(), formats.len());
    if expected != found {
        return Err(FixedPointError::Formats { expected, found });
    }
    let layers = network.weights().zip(formats).map(|(layer, format)| round(layer, *format));
    let bits = network.weights().zip(formats).map(|(layer, format)| {
        u64::from(format.weight.bits()).saturating_mul(layer.weight.len() as u64)
    });
    let bits = bits.sum();
    Ok(Compressed::in_place(network, layers.collect(), Method::FixedPoint, Some(bits)))
}

fn round(layer: &Affine, format: LayerFormat) -> (Affine, Encoding) {
    let LayerFormat { weight, bias } = format;
    let clamped_weights = layer.weight.iter().filter(|value| weight.clamps(**value)).count();
    let clamped_biases = layer.bias.iter().filter(|value| bias.clamps(**value)).count();
    let rounded = Affine::new(
        layer.weight.map(|value| weight.quantize(value)),
        layer.bias.map(|value| bias.quantize(value)),
    );
    (rounded, Encoding::FixedPoint { weight, bias, clamped: clamped_weights + clamped_biases })
}

/// [`fixed_point`] with the [`fitting_formats`] of `bits` bits for weights and
/// biases alike.
///
/// # Errors
///
/// As [`fitting_formats`].
pub fn fixed_point_bits(network: &Network, bits: u32) -> Result<Compressed, FixedPointError> {
    fixed_point(network, &fitting_formats(network, bits, bits)?)
}

/// For each affine layer the formats with the most fractional bits that clamp
/// nothing: one for its weights and, since they can differ in size, one for its
/// biases.
///
/// # Errors
///
/// [`FixedPointError`] for bits outside 1 to [`MAX_BITS`], and for a layer with a
/// value that is too large for every format.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network, compress::fitting_formats};
/// let network = Network::relu_mlp(vec![Affine::new(dmatrix![0.3, -0.9], dvector![12.0])])?;
/// // Weights of 6 bits, biases of 16.
/// let formats = fitting_formats(&network, 6, 16)?;
/// assert_eq!(formats[0].weight.to_string(), "<±,6,5>");
/// assert_eq!(formats[0].bias.to_string(), "<±,16,11>");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fitting_formats(
    network: &Network,
    weight_bits: u32,
    bias_bits: u32,
) -> Result<Vec<LayerFormat>, FixedPointError> {
    FixedPointFormat::new(weight_bits, 0)?;
    FixedPointFormat::new(bias_bits, 0)?;
    let fitting = |affine, bits, values: &[f64]| {
        let largest = values.iter().fold(0.0, |largest, value| value.abs().max(largest));
        FixedPointFormat::fitting(bits, largest).map_err(|_| FixedPointError::TooLarge {
            affine,
            bits,
            largest,
        })
    };
    let layers = network.weights().enumerate();
    layers
        .map(|(index, layer)| {
            Ok(LayerFormat {
                weight: fitting(index, weight_bits, layer.weight.as_slice())?,
                bias: fitting(index, bias_bits, layer.bias.as_slice())?,
            })
        })
        .collect()
}

/// Why a network cannot be given fixed-point weights.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedPointError {
    /// There must be one entry for each affine layer.
    #[error("expected the formats of {expected} affine layers, found {found}")]
    Formats {
        /// The affine layers.
        expected: usize,
        /// The entries.
        found: usize,
    },
    /// The number of bits does not make a format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A weight or a bias is too large for every format with these bits.
    #[error("affine layer {affine}: no format of {bits} bits holds {largest:e}")]
    TooLarge {
        /// The affine layer or convolution, counted from 0 among both.
        affine: usize,
        /// The number of bits.
        bits: u32,
        /// The largest absolute value.
        largest: f64,
    },
}
