//! 8-bit integer weights with a scale, symmetric around zero.

use core::fmt;

use super::{Compressed, Encoding, Method};
use crate::{Affine, Network};

/// The largest integer; -128 is not used.
const LIMIT: f64 = 127.0;

/// What shares a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Granularity {
    /// All weights of a layer.
    PerTensor,
    /// The incoming weights of one neuron: a row of the weight matrix.
    PerChannel,
}

/// Rounds weights to 8-bit integers times a scale.
///
/// ```text
/// scale = max |w| / 127, rounded up to an f32, at least 2^-126
/// q     = round(w / scale), halves to even,  -127 ≤ q ≤ 127
/// w'    = q · scale
/// ```
///
/// Biases stay as they are (runtimes hold them in 32 bits). The scale is a
/// normal `f32`, as in the common runtimes; where all weights are below `2^-127`
/// they become 0.
///
/// Guarantee: exact. `q` is the rounding of the real quotient, and the product
/// `q · scale` fits an `f64`.
///
/// # Errors
///
/// [`Int8Error::Scale`] when a scale exceeds the largest `f32`.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network};
/// use nncert_core::compress::{Granularity, int8};
///
/// let weight = dmatrix![127.0, 3.4; 12.7, -0.26];
/// let network = Network::relu_mlp(vec![Affine::new(weight, dvector![0.1, 0.2])])?;
/// let compressed = int8(&network, Granularity::PerTensor)?.network;
/// assert_eq!(compressed.evaluate(&[1.0, 0.0])?.as_slice(), [127.1, 13.2]);
/// assert_eq!(compressed.evaluate(&[0.0, 1.0])?.as_slice(), [3.1, 0.2]);
///
/// // With a scale for each neuron the second row keeps its -0.26, about.
/// let compressed = int8(&network, Granularity::PerChannel)?.network;
/// assert!((compressed.evaluate(&[0.0, 1.0])?[1] + 0.1).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn int8(network: &Network, granularity: Granularity) -> Result<Compressed, Int8Error> {
    let layers: Vec<_> = network
        .weights()
        .enumerate()
        .map(|(index, layer)| round_layer(index, layer, granularity))
        .collect::<Result<_, _>>()?;
    let weights: usize = network.weights().map(|layer| layer.weight.len()).sum();
    let method = Method::Int8 { granularity };
    Ok(Compressed::in_place(network, layers, method, Some(8 * weights as u64)))
}

fn round_layer(
    affine: usize,
    layer: &Affine,
    granularity: Granularity,
) -> Result<(Affine, Encoding), Int8Error> {
    let scale = |largest: f64| scale(largest).ok_or(Int8Error::Scale { affine, largest });
    let scales: Vec<f32> = match granularity {
        Granularity::PerTensor => vec![scale(layer.weight.amax())?],
        Granularity::PerChannel => {
            layer.weight.row_iter().map(|row| scale(row.amax())).collect::<Result<_, _>>()?
        }
    };
    let mut weight = layer.weight.clone();
    for (row, mut weights) in weight.row_iter_mut().enumerate() {
        let scale = f64::from(scales[if scales.len() == 1 { 0 } else { row }]);
        weights.apply(|value| *value = quotient(*value, scale) * scale);
    }
    Ok((Affine::new(weight, layer.bias.clone()), Encoding::Int8 { scales }))
}

/// The smallest normal `f32` that is at least `largest / 127`, if there is one.
#[allow(clippy::cast_possible_truncation)]
fn scale(largest: f64) -> Option<f32> {
    // `127 · scale` is exact: 7 + 24 bits.
    let reaches = |scale: f32| LIMIT * f64::from(scale) >= largest;
    let mut scale = ((largest / LIMIT) as f32).max(f32::MIN_POSITIVE);
    while scale > f32::MIN_POSITIVE && reaches(scale.next_down()) {
        scale = scale.next_down();
    }
    while !reaches(scale) {
        scale = scale.next_up();
    }
    scale.is_finite().then_some(scale)
}

/// `w / scale`, rounded to an integer without rounding before; halves to even.
///
/// Needs `|w| ≤ 127 · scale`.
fn quotient(w: f64, scale: f64) -> f64 {
    let (twice, mut q) = (2.0 * w.abs(), (w.abs() / scale).round_ties_even());
    // Both sides are exact: an integer of 9 bits times 24 bits.
    let (above, below) = ((2.0 * q + 1.0) * scale, (2.0 * q - 1.0) * scale);
    let odd = q % 2.0 == 1.0;
    if twice > above || (twice == above && odd) {
        q += 1.0;
    } else if twice < below || (twice == below && odd) {
        q -= 1.0;
    }
    if w < 0.0 { 0.0 - q } else { q }
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PerTensor => "per tensor",
            Self::PerChannel => "per channel",
        })
    }
}

/// Why a network cannot be given 8-bit weights.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Int8Error {
    /// A weight is too large for a scale that is an `f32`.
    #[error("affine layer {affine}: a weight of {largest:e} needs a scale beyond the largest f32")]
    Scale {
        /// The affine layer or convolution, counted from 0 among both.
        affine: usize,
        /// The largest absolute weight.
        largest: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_the_smallest_that_reach() {
        for largest in [0.0, 5e-324, 1e-45, 1e-38, 1.5e-36, 0.1, 1.0, 127.0, 3.3e5, 1e38] {
            let scale = scale(largest).unwrap();
            assert!(scale.is_normal() && LIMIT * f64::from(scale) >= largest);
            let smaller = scale.next_down();
            assert!(!smaller.is_normal() || LIMIT * f64::from(smaller) < largest);
        }
        assert_eq!(scale(127.0), Some(1.0));
        assert_eq!(scale(LIMIT * f64::from(f32::MAX)), Some(f32::MAX));
        assert_eq!(scale((LIMIT * f64::from(f32::MAX)).next_up()), None);
        assert_eq!(scale(1e100), None);
    }

    #[test]
    fn halves_go_to_even_and_nothing_else_does() {
        let scale = f64::from(0.1f32);
        assert_eq!(quotient(2.5 * scale, scale), 2.0);
        assert_eq!(quotient((2.5 * scale).next_up(), scale), 3.0);
        assert_eq!(quotient((3.5 * scale).next_down(), scale), 3.0);
        assert_eq!(quotient(3.5 * scale, scale), 4.0);
        assert_eq!(quotient(-3.5 * scale, scale), -4.0);
        assert!(quotient(-0.1 * scale, scale).is_sign_positive());
    }
}
