//! 16-bit floating-point weights: IEEE binary16 and bfloat16.

use super::binary::{exponent, power_of_two};
use super::{Compressed, Encoding, Method};
use crate::{Affine, Network};

/// Rounds every weight and bias to IEEE binary16 (11 significant bits, at most 65504).
///
/// Guarantee: exact. Every value is the nearest binary16 number of the `f64`,
/// halves to even, subnormal numbers included, in one rounding and alike on
/// every machine.
///
/// # Errors
///
/// [`Float16Error`] names the first value that would round to an infinity.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network, compress::float16};
/// let network = Network::relu_mlp(vec![Affine::new(dmatrix![0.1, 2049.0], dvector![1e-9])])?;
/// let compressed = float16(&network)?.network;
/// let layer = compressed.affine_layers().next().expect("one layer");
/// assert_eq!(layer.weight, dmatrix![0.0999755859375, 2048.0]);
/// assert_eq!(layer.bias, dvector![0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// IEEE 754-2019, sections 3.6 and 4.3.1.
pub fn float16(network: &Network) -> Result<Compressed, Float16Error> {
    convert(network, &BINARY16)
}

/// Rounds every weight and bias to bfloat16 (8 significant bits, the range of `f32`).
///
/// Guarantee: as [`float16`].
///
/// # Errors
///
/// [`Float16Error`] names the first value that would round to an infinity.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network, compress::bfloat16};
/// let network = Network::relu_mlp(vec![Affine::new(dmatrix![0.1, 257.0], dvector![1e-9])])?;
/// let compressed = bfloat16(&network)?.network;
/// let layer = compressed.affine_layers().next().expect("one layer");
/// assert_eq!(layer.weight, dmatrix![0.10009765625, 256.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bfloat16(network: &Network) -> Result<Compressed, Float16Error> {
    convert(network, &BFLOAT16)
}

/// A binary floating-point format.
struct Format {
    name: &'static str,
    method: Method,
    encoding: Encoding,
    /// Significant bits, the hidden one included.
    precision: i32,
    /// The smallest positive number is `2^smallest`.
    smallest: i32,
    largest: f64,
}

const BINARY16: Format = Format {
    name: "float16",
    method: Method::Float16,
    encoding: Encoding::Float16,
    precision: 11,
    smallest: -24,
    largest: 65504.0,
};

const BFLOAT16: Format = Format {
    name: "bfloat16",
    method: Method::BFloat16,
    encoding: Encoding::BFloat16,
    precision: 8,
    smallest: -133,
    // 255 · 2^120
    largest: 255.0 * (1u128 << 120) as f64,
};

impl Format {
    /// The nearest number of the format, halves to even; `None` for an infinity.
    ///
    /// Not left to a library conversion: those in use round an `f64` twice, over
    /// `f32` or over its upper half, on some or all machines.
    fn nearest(&self, x: f64) -> Option<f64> {
        let unit = (exponent(x) - (self.precision - 1)).max(self.smallest);
        // Both products are exact: |x| / 2^unit < 2^precision, and not subnormal.
        let rounded = (x * power_of_two(-unit)).round_ties_even() * power_of_two(unit);
        (rounded.abs() <= self.largest).then_some(rounded)
    }
}

fn convert(network: &Network, format: &Format) -> Result<Compressed, Float16Error> {
    let layers: Vec<_> = network
        .weights()
        .enumerate()
        .map(|(index, layer)| Ok((convert_layer(index, layer, format)?, format.encoding.clone())))
        .collect::<Result<_, _>>()?;
    let weights: usize = network.weights().map(|layer| layer.weight.len()).sum();
    Ok(Compressed::in_place(network, layers, format.method, Some(16 * weights as u64)))
}

fn convert_layer(affine: usize, layer: &Affine, to: &Format) -> Result<Affine, Float16Error> {
    let Affine { mut weight, mut bias } = layer.clone();
    let (format, rows) = (to.name, layer.outputs());
    for (position, entry) in weight.as_mut_slice().iter_mut().enumerate() {
        let (row, column, value) = (position % rows, position / rows, *entry);
        let overflow = Float16Error::Weight { affine, row, column, value, format };
        *entry = to.nearest(value).ok_or(overflow)?;
    }
    for (row, entry) in bias.iter_mut().enumerate() {
        let overflow = Float16Error::Bias { affine, row, value: *entry, format };
        *entry = to.nearest(*entry).ok_or(overflow)?;
    }
    Ok(Affine::new(weight, bias))
}

/// Why a network cannot be given 16-bit floating-point weights.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Float16Error {
    /// A weight would become an infinity.
    #[error("affine layer {affine}: weight[{row}, {column}] is {value}, too large for {format}")]
    Weight {
        /// The affine layer or convolution, counted from 0 among both.
        affine: usize,
        /// The output neuron.
        row: usize,
        /// The input neuron.
        column: usize,
        /// The weight.
        value: f64,
        /// The format.
        format: &'static str,
    },
    /// A bias would become an infinity.
    #[error("affine layer {affine}: bias[{row}] is {value}, too large for {format}")]
    Bias {
        /// The affine layer or convolution, counted from 0 among both.
        affine: usize,
        /// The output neuron.
        row: usize,
        /// The bias.
        value: f64,
        /// The format.
        format: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use proptest::prelude::*;

    /// All finite numbers of a format that are not negative, ascending.
    fn numbers(to_f64: impl Fn(u16) -> f64) -> Vec<f64> {
        (0..0x8000).map(to_f64).take_while(|value| value.is_finite()).collect()
    }

    /// The nearest entry by search, halves to the even bit pattern.
    fn nearest_by_search(numbers: &[f64], x: f64) -> Option<f64> {
        let size = x.abs();
        let above = numbers.partition_point(|value| *value < size);
        let last = numbers.len() - 1;
        if above > last {
            // Overflow begins half a step above the largest number.
            let half_step = (numbers[last] - numbers[last - 1]) / 2.0;
            let finite = size < numbers[last] + half_step;
            return finite.then(|| numbers[last].copysign(x));
        }
        if numbers[above] == size {
            return Some(x);
        }
        // The midpoint of neighbours is an f64.
        let below = above - 1;
        let middle = (numbers[below] + numbers[above]) / 2.0;
        let up = size > middle || (size == middle && above % 2 == 0);
        Some(numbers[if up { above } else { below }].copysign(x))
    }

    fn check(format: &Format, numbers: &[f64], x: f64) {
        assert_eq!(format.nearest(x), nearest_by_search(numbers, x), "{} of {x:e}", format.name);
    }

    #[test]
    fn every_number_and_every_midpoint() {
        let tables = [
            (&BINARY16, numbers(|bits| f16::from_bits(bits).to_f64())),
            (&BFLOAT16, numbers(|bits| bf16::from_bits(bits).to_f64())),
        ];
        for (format, numbers) in tables {
            assert_eq!(numbers.last(), Some(&format.largest));
            for pair in numbers.windows(2) {
                let middle = (pair[0] + pair[1]) / 2.0;
                for x in
                    [pair[0], middle.next_down(), middle, middle.next_up(), pair[1].next_down()]
                {
                    check(format, &numbers, x);
                    check(format, &numbers, -x);
                }
            }
            for x in [format.largest.next_up(), 65519.99, 65520.0, 3.39e38, 3.396e38, 1e100] {
                check(format, &numbers, x);
            }
        }
    }

    proptest! {
        #[test]
        fn nearest_of_anything(bits in any::<u64>(), e in -160..=140, m in 1.0..2.0f64) {
            let binary16 = numbers(|bits| f16::from_bits(bits).to_f64());
            let bfloat16 = numbers(|bits| bf16::from_bits(bits).to_f64());
            let x = f64::from_bits(bits);
            for x in [if x.is_finite() { x } else { 0.0 }, m * power_of_two(e)] {
                check(&BINARY16, &binary16, x);
                check(&BFLOAT16, &bfloat16, x);
            }
        }
    }
}
