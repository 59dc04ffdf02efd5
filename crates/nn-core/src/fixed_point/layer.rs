//! A layer: integer weights, biases, and a step function for each neuron.

use nalgebra::DMatrix;

use super::{FixedPointLayerError, Format, IntegerInterval, LayerFormats, Requantization};
use crate::MAX_WIDTH;

/// A dense layer in integers.
///
/// ```text
/// a_j = Σ_k weight_jk · y_k + bias_j,     y'_j = requantization_j(a_j)
/// ```
///
/// [`FixedPointLayer::with_formats`] makes the layers of QVIP, with aligned biases and the
/// shift that the formats imply; [`FixedPointLayer::with_scales`] those of int8 runtimes, with
/// zero points folded in: where a runtime has `Σ w (y - z) + b`, the bias is `b - z Σ w`.
///
/// # Examples
///
/// ```
/// use nalgebra::dmatrix;
/// use nncert_core::fixed_point::{
///     FixedPointLayer, IntegerInterval, Multiplier, Requantization, Rounding,
/// };
///
/// let step = Requantization {
///     multiplier: Multiplier::power_of_two(4)?,
///     rounding: Rounding::HalfUp,
///     zero_point: 0,
///     clamp: IntegerInterval::new(0, 63)?,
/// };
/// let layer = FixedPointLayer::new(&dmatrix![9, -20; 24, 17], vec![0, 0], vec![step])?;
/// assert_eq!(layer.neuron(1).weights, [24, 17]);
/// assert_eq!(layer.neuron(1).requantization.apply(24 * 10 + 17 * 2), 17);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedPointLayer {
    inputs: usize,
    /// Row by row.
    weights: Vec<i64>,
    bias: Vec<i64>,
    /// One for each neuron, or one for all.
    requantization: Vec<Requantization>,
    formats: Option<Formats>,
}

/// The formats of a layer, those of its inputs included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Formats {
    pub(crate) input: Format,
    pub(crate) layer: LayerFormats,
}

/// One neuron of a [`FixedPointLayer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neuron<'a> {
    /// The weight of each input.
    pub weights: &'a [i64],
    /// What is added, in units of the accumulator.
    pub bias: i64,
    /// From the accumulator to the value.
    pub requantization: &'a Requantization,
}

impl FixedPointLayer {
    /// The layer with these weights, biases and step functions.
    ///
    /// Shapes: `weights` is `outputs × inputs`, `bias` has `outputs` entries, and
    /// `requantization` has `outputs` entries or one for all.
    ///
    /// # Errors
    ///
    /// [`FixedPointLayerError`] for widths outside 1 to [`MAX_WIDTH`] and lengths that
    /// do not fit.
    pub fn new(
        weights: &DMatrix<i64>,
        bias: Vec<i64>,
        requantization: Vec<Requantization>,
    ) -> Result<Self, FixedPointLayerError> {
        Self::from_rows(weights.ncols(), rows(weights), bias, requantization)
    }

    /// As [`FixedPointLayer::new`], with the weights row by row.
    pub(crate) fn from_rows(
        inputs: usize,
        weights: Vec<i64>,
        bias: Vec<i64>,
        requantization: Vec<Requantization>,
    ) -> Result<Self, FixedPointLayerError> {
        let outputs = check_shape(inputs, &weights, &bias)?;
        let found = requantization.len();
        if found != 1 && found != outputs {
            return Err(FixedPointLayerError::Requantizations { expected: outputs, found });
        }
        Ok(Self { inputs, weights, bias, requantization, formats: None })
    }

    /// Adds what the layer was made from.
    pub(super) fn described(self, formats: Formats) -> Self {
        Self { formats: Some(formats), ..self }
    }

    /// The number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of neurons.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// The weights of all neurons, row by row.
    #[must_use]
    pub fn weights(&self) -> &[i64] {
        &self.weights
    }

    /// The bias of each neuron, in units of the accumulator.
    #[must_use]
    pub fn bias(&self) -> &[i64] {
        &self.bias
    }

    /// The step function of each neuron, or one that all share.
    #[must_use]
    pub fn requantization(&self) -> &[Requantization] {
        &self.requantization
    }

    /// The formats that the layer was made with, if it was made with some.
    #[must_use]
    pub fn formats(&self) -> Option<&LayerFormats> {
        self.formats.as_ref().map(|formats| &formats.layer)
    }

    /// The same, with the format of its inputs.
    pub(crate) fn all_formats(&self) -> Option<Formats> {
        self.formats
    }

    /// A neuron.
    ///
    /// # Panics
    ///
    /// When there are not so many.
    #[must_use]
    pub fn neuron(&self, index: usize) -> Neuron<'_> {
        let shared = self.requantization.len() == 1;
        Neuron {
            weights: &self.weights[index * self.inputs..(index + 1) * self.inputs],
            bias: self.bias[index],
            requantization: &self.requantization[if shared { 0 } else { index }],
        }
    }

    /// Every neuron, in order.
    pub fn neurons(&self) -> impl ExactSizeIterator<Item = Neuron<'_>> {
        (0..self.outputs()).map(|index| self.neuron(index))
    }
}

impl Neuron<'_> {
    /// The accumulator for these inputs.
    ///
    /// Guarantee: exact for values that a checked network has at this place; other
    /// sums may wrap around.
    #[must_use]
    pub fn accumulate(&self, values: &[i64]) -> i64 {
        let products = self.weights.iter().zip(values).map(|(w, y)| w.wrapping_mul(*y));
        products.fold(self.bias, i64::wrapping_add)
    }

    /// The accumulators for inputs in these intervals.
    ///
    /// Guarantee: exact for intervals within those of a checked network; ends beyond
    /// `i64` become its own.
    #[must_use]
    pub fn accumulator(&self, inputs: &[IntegerInterval]) -> IntegerInterval {
        let (mut lower, mut upper) = (i128::from(self.bias), i128::from(self.bias));
        for (weight, input) in self.weights.iter().zip(inputs) {
            let product = |end| i128::from(*weight) * i128::from(end);
            let (a, b) = (product(input.lower()), product(input.upper()));
            lower = lower.saturating_add(a.min(b));
            upper = upper.saturating_add(a.max(b));
        }
        IntegerInterval::ordered(saturated(lower), saturated(upper))
    }

    /// The largest absolute value that any sum of some of the products and the bias can
    /// have: what adding in any order can pass through.
    ///
    /// ```text
    /// max(Σ_k max(0, weight_k · y_k) + max(0, bias), Σ_k max(0, -weight_k · y_k) + max(0, -bias))
    /// ```
    ///
    /// for the inputs `y_k` of the intervals at which each term is largest.
    ///
    /// Guarantee: exact below `2^127`.
    #[must_use]
    pub fn reach(&self, inputs: &[IntegerInterval]) -> u128 {
        let bias = i128::from(self.bias);
        let (mut above, mut below) = (bias.max(0).unsigned_abs(), bias.min(0).unsigned_abs());
        for (weight, input) in self.weights.iter().zip(inputs) {
            let product = |end| i128::from(*weight) * i128::from(end);
            let (a, b) = (product(input.lower()), product(input.upper()));
            above = above.saturating_add(a.max(b).max(0).unsigned_abs());
            below = below.saturating_add(a.min(b).min(0).unsigned_abs());
        }
        above.max(below)
    }
}

fn saturated(value: i128) -> i64 {
    let clamped = value.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    // Between two `i64`.
    #[allow(clippy::cast_possible_truncation)]
    let clamped = clamped as i64;
    clamped
}

/// The entries row by row.
pub(super) fn rows(weights: &DMatrix<i64>) -> Vec<i64> {
    weights.transpose().as_slice().to_vec()
}

/// The number of neurons.
pub(super) fn check_shape(
    inputs: usize,
    weights: &[i64],
    bias: &[i64],
) -> Result<usize, FixedPointLayerError> {
    let outputs = weights.len().checked_div(inputs).unwrap_or_default();
    let fits = |width| (1..=MAX_WIDTH).contains(&width);
    if !fits(inputs) || !fits(outputs) {
        return Err(FixedPointLayerError::Width { inputs, outputs });
    }
    if bias.len() != outputs {
        return Err(FixedPointLayerError::Bias { expected: outputs, found: bias.len() });
    }
    Ok(outputs)
}
