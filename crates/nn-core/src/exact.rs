//! Exact evaluation: what a network computes, without any rounding.
//!
//! Every `f64` is a dyadic rational `m · 2^e`, and all layers but sigmoid and tanh
//! map dyadic rationals to dyadic rationals. This is the oracle that bounds are
//! tested against and that witnesses are replayed in. Slow: about a
//! microsecond a weight.

use core::cmp::Ordering;
use core::fmt;
use core::ops::{Add, Mul, Neg, Sub};

use dashu_int::IBig;

use crate::{Activation, Branch, Convolution, InputError, Layer, LayerKind, Network, Pool, Shape};

/// An exact number `mantissa · 2^exponent`.
#[derive(Clone)]
pub struct Dyadic {
    mantissa: IBig,
    exponent: i64,
}

impl Dyadic {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: IBig::ZERO, exponent: 0 };

    /// The number that a finite double is, or `None` for NaN and infinities.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = match (bits >> 52) & 0x7ff {
            0 => (fraction, -1074),
            biased => (fraction | (1 << 52), biased.cast_signed() - 1075),
        };
        if mantissa == 0 {
            return Some(Self::ZERO);
        }
        let zeros = mantissa.trailing_zeros();
        let mantissa = IBig::from(mantissa >> zeros);
        let mantissa = if value < 0.0 { -mantissa } else { mantissa };
        Some(Self { mantissa, exponent: exponent + i64::from(zeros) })
    }

    /// Whether this is negative.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.mantissa < IBig::ZERO
    }

    /// Compares with a double; `None` for NaN.
    #[must_use]
    pub fn compare(&self, value: f64) -> Option<Ordering> {
        match Self::from_f64(value) {
            Some(other) => Some(self.cmp(&other)),
            None if value == f64::INFINITY => Some(Ordering::Less),
            None if value == f64::NEG_INFINITY => Some(Ordering::Greater),
            None => None,
        }
    }

    /// Whether `lower ≤ self ≤ upper`, exactly.
    #[must_use]
    pub fn is_within(&self, interval: crate::Interval) -> bool {
        self.compare(interval.lower).is_some_and(Ordering::is_ge)
            && self.compare(interval.upper).is_some_and(Ordering::is_le)
    }

    /// The mantissas of two numbers over their smaller exponent.
    fn aligned(&self, other: &Self) -> (IBig, IBig, i64) {
        let exponent = self.exponent.min(other.exponent);
        (self.shifted_to(exponent), other.shifted_to(exponent), exponent)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn shifted_to(&self, exponent: i64) -> IBig {
        &self.mantissa << (self.exponent - exponent) as usize
    }
}

impl Add for &Dyadic {
    type Output = Dyadic;

    fn add(self, other: Self) -> Dyadic {
        if self.mantissa == IBig::ZERO {
            return other.clone();
        }
        if other.mantissa == IBig::ZERO {
            return self.clone();
        }
        let (a, b, exponent) = self.aligned(other);
        Dyadic { mantissa: a + b, exponent }
    }
}

impl Sub for &Dyadic {
    type Output = Dyadic;

    fn sub(self, other: Self) -> Dyadic {
        self + &-other
    }
}

impl Neg for &Dyadic {
    type Output = Dyadic;

    fn neg(self) -> Dyadic {
        Dyadic { mantissa: -&self.mantissa, exponent: self.exponent }
    }
}

impl Mul for &Dyadic {
    type Output = Dyadic;

    fn mul(self, other: Self) -> Dyadic {
        let mantissa = &self.mantissa * &other.mantissa;
        if mantissa == IBig::ZERO {
            return Dyadic::ZERO;
        }
        Dyadic { mantissa, exponent: self.exponent + other.exponent }
    }
}

impl PartialEq for Dyadic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Dyadic {}

impl PartialOrd for Dyadic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dyadic {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b, _) = self.aligned(other);
        a.cmp(&b)
    }
}

impl fmt::Debug for Dyadic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}p{}", self.mantissa, self.exponent)
    }
}

/// `c · x + d` without rounding; `None` when a number is not finite.
///
/// # Panics
///
/// When the lengths differ.
#[must_use]
pub fn dot(coefficients: &[f64], x: &[Dyadic], constant: f64) -> Option<Dyadic> {
    assert_eq!(coefficients.len(), x.len());
    let mut sum = Dyadic::from_f64(constant)?;
    for (coefficient, value) in coefficients.iter().zip(x) {
        if *coefficient != 0.0 {
            sum = &sum + &(&Dyadic::from_f64(*coefficient)? * value);
        }
    }
    Some(sum)
}

/// `f(x)` without rounding.
///
/// Guarantee: exact.
///
/// # Errors
///
/// [`ExactError`] when `x` has the wrong length or is not finite, and for a layer of
/// another kind than the piecewise linear ones: sigmoid, tanh.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{exact, Affine, Network};
/// # use core::cmp::Ordering;
/// let network = Network::relu_mlp(vec![Affine::new(dmatrix![0.1, 0.2], dvector![-0.3])])?;
/// let value = &exact::evaluate(&network, &[1.0, 1.0])?[0];
/// // In floating point 0.1 + 0.2 - 0.3 is 5.6e-17; the doubles' exact sum is half of that.
/// assert_eq!(value.compare(2.0f64.powi(-55)), Some(Ordering::Equal));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(clippy::missing_panics_doc)] // a network's weights are finite by construction
pub fn evaluate(network: &Network, x: &[f64]) -> Result<Vec<Dyadic>, ExactError> {
    InputError::check(network.inputs(), x.len())?;
    let mut values = Vec::with_capacity(x.len());
    for (index, value) in x.iter().enumerate() {
        values.push(Dyadic::from_f64(*value).ok_or(ExactError::NotFinite { index })?);
    }
    branch(network.layers(), &network.shapes()[0], values)
}

fn branch(
    layers: &[Layer],
    input: &Shape,
    mut values: Vec<Dyadic>,
) -> Result<Vec<Dyadic>, ExactError> {
    let mut shape = input.clone();
    for (index, layer) in layers.iter().enumerate() {
        let output = layer.output_shape(&shape).expect("the shapes of a network fit");
        values = apply(index, layer, &shape, values)?;
        shape = output;
    }
    Ok(values)
}

fn apply(
    index: usize,
    layer: &Layer,
    shape: &Shape,
    values: Vec<Dyadic>,
) -> Result<Vec<Dyadic>, ExactError> {
    let one = |value| number(value);
    Ok(match layer {
        Layer::Affine(affine) => (0..affine.outputs())
            .map(|row| {
                let weights: Vec<f64> = affine.weight.row(row).iter().copied().collect();
                dot(&weights, &values, affine.bias[row]).expect("network weights are finite")
            })
            .collect(),
        Layer::Convolution(convolution) => convolve(convolution, shape, &values),
        Layer::Pool(pool) => pool_values(pool, shape, &values),
        Layer::Scale(scale) => {
            let scaled = values.iter().zip(scale.entries(values.len()));
            scaled.map(|(x, (factor, offset))| &(&one(factor) * x) + &one(offset)).collect()
        }
        Layer::Select(select) => {
            let sources = select.sources.iter();
            sources.map(|at| at.map_or(Dyadic::ZERO, |at| values[at].clone())).collect()
        }
        Layer::Flatten => values,
        Layer::Residual(block) => {
            let [body, shortcut] = block.branches().map(|(name, layers)| {
                branch(layers, shape, values.clone()).map_err(|error| ExactError::Block {
                    layer: index,
                    branch: name,
                    error: Box::new(error),
                })
            });
            body?.iter().zip(&shortcut?).map(|(a, b)| a + b).collect()
        }
        Layer::Activation(activation) => {
            let kind = layer.kind();
            let unsupported = ExactError::Unsupported { layer: index, kind };
            let apply = |value: Dyadic| activate(*activation, value);
            values.into_iter().map(apply).collect::<Option<_>>().ok_or(unsupported)?
        }
    })
}

/// A number of a network.
fn number(value: f64) -> Dyadic {
    Dyadic::from_f64(value).expect("the numbers of a network are finite")
}

/// Window by window, tap by tap, as the definition has it.
fn convolve(convolution: &Convolution, shape: &Shape, x: &[Dyadic]) -> Vec<Dyadic> {
    let Convolution { filters, window, groups } = convolution;
    let output = convolution.output_shape(shape).and_then(|shape| shape.image());
    let [outputs, rows, columns] = output.expect("the shapes of a network fit");
    let [channels, height, width] = shape.image().expect("the shapes of a network fit");
    let (group_in, group_out) = (channels / groups, outputs / groups);
    let mut y = Vec::with_capacity(outputs * rows * columns);
    for o in 0..outputs {
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let mut sum = number(filters.bias[o]);
            for c in 0..group_in {
                for (p, row) in window.taps(0, i, height) {
                    for (q, column) in window.taps(1, j, width) {
                        let tap = (c * window.kernel[0] + p) * window.kernel[1] + q;
                        let channel = o / group_out * group_in + c;
                        let value = &x[(channel * height + row) * width + column];
                        sum = &sum + &(&number(filters.weight[(o, tap)]) * value);
                    }
                }
            }
            y.push(sum);
        }
    }
    y
}

fn pool_values(pool: &Pool, shape: &Shape, x: &[Dyadic]) -> Vec<Dyadic> {
    let [_, height, width] = shape.image().expect("the shapes of a network fit");
    let mut y = Vec::new();
    for image in x.chunks_exact(height * width) {
        pool.for_each_window([height, width], |places, weight| {
            let values = places.iter().map(|place| &image[*place]);
            y.push(match weight {
                Some(weight) => {
                    &values.fold(Dyadic::ZERO, |sum, value| &sum + value) * &number(weight)
                }
                None => values.max().expect("no window is empty").clone(),
            });
        });
    }
    y
}

/// The value of a piecewise linear activation.
fn activate(activation: Activation, x: Dyadic) -> Option<Dyadic> {
    match activation {
        Activation::Relu if x.is_negative() => Some(Dyadic::ZERO),
        Activation::Relu => Some(x),
        Activation::LeakyRelu { slope } if x.is_negative() => Some(&number(slope) * &x),
        Activation::LeakyRelu { .. } => Some(x),
        Activation::Clip { lower, .. } if x.compare(lower)?.is_lt() => Some(number(lower)),
        Activation::Clip { upper, .. } if x.compare(upper)?.is_gt() => Some(number(upper)),
        Activation::Clip { .. } => Some(x),
        Activation::Sigmoid | Activation::Tanh => None,
    }
}

/// Why a network cannot be evaluated exactly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExactError {
    /// The input has the wrong length.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An entry is NaN or infinite.
    #[error("input {index} is not finite")]
    NotFinite {
        /// The entry.
        index: usize,
    },
    /// The values of a layer are no dyadic rationals.
    #[error("layer {layer} ({kind}) cannot be evaluated exactly")]
    Unsupported {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
    },
    /// A layer of a block cannot be evaluated.
    #[error("layer {layer}, {branch} {error}")]
    Block {
        /// The block, counted from 0.
        layer: usize,
        /// The branch of the block.
        branch: Branch,
        /// What is wrong; layers are counted from 0 in the branch.
        error: Box<ExactError>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dyadic(value: f64) -> Dyadic {
        Dyadic::from_f64(value).unwrap()
    }

    proptest! {
        #[test]
        fn integers_behave_like_integers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
            let (x, y) = (dyadic(a as f64), dyadic(b as f64));
            prop_assert_eq!(&x + &y, dyadic((a + b) as f64));
            prop_assert_eq!(&x - &y, dyadic((a - b) as f64));
            prop_assert_eq!(&x * &y, dyadic((a * b) as f64));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn order_is_that_of_doubles(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(Some(dyadic(a).cmp(&dyadic(b))), a.partial_cmp(&b));
        }
    }

    #[test]
    fn denormals_and_infinities() {
        let tiny = dyadic(f64::from_bits(1));
        assert_eq!(&tiny + &tiny, dyadic(f64::from_bits(2)));
        assert_eq!(tiny.compare(f64::INFINITY), Some(Ordering::Less));
        assert_eq!(tiny.compare(f64::NAN), None);
        assert!(Dyadic::from_f64(f64::NAN).is_none());
        assert!((&tiny * &tiny).compare(0.0) == Some(Ordering::Greater));
    }
}
