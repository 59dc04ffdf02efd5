//! Networks in integers.

use core::fmt;

use super::layer::Formats;
use super::{
    FixedPointInputError, FixedPointLayer, FixedPointNetworkError, Format, IntegerInterval,
    Rounding,
};
use crate::{InputError, MAX_LAYERS, MAX_PARAMETERS};

/// The inputs of a [`FixedPointNetwork`]: integers of a format, or of a range alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputRange {
    /// Integers that stand for numbers.
    Format(Format),
    /// Integers that stand for whatever the user of the network says.
    Integers(IntegerInterval),
}

impl InputRange {
    /// The integers.
    #[must_use]
    pub fn interval(self) -> IntegerInterval {
        match self {
            Self::Format(format) => format.range(),
            Self::Integers(interval) => interval,
        }
    }

    /// The format, if there is one.
    #[must_use]
    pub fn format(self) -> Option<Format> {
        match self {
            Self::Format(format) => Some(format),
            Self::Integers(_) => None,
        }
    }
}

impl From<Format> for InputRange {
    fn from(format: Format) -> Self {
        Self::Format(format)
    }
}

impl From<IntegerInterval> for InputRange {
    fn from(interval: IntegerInterval) -> Self {
        Self::Integers(interval)
    }
}

/// A feed-forward network that computes in integers alone.
///
/// ```text
/// y_0 = x                                     integers of the input range
/// y_k = requantization_k(W_k y_(k-1) + b_k)   k = 1 ... L
/// ```
///
/// Checked once, here: widths that fit, formats that follow each other, and for every
/// neuron that no sum of its products and its bias, in any order, is beyond an `i64`,
/// whatever the input. After that nothing can overflow, so that evaluation is exact.
///
/// # Examples
///
/// The worked example of QVIP, with the weight -12 that its output needs:
///
/// ```
/// use nalgebra::dmatrix;
/// use nncert_core::FixedPointNetwork;
/// use nncert_core::fixed_point::{FixedPointLayer, Format, LayerFormats, Rounding};
///
/// let values = Format::unsigned(6, 4)?;
/// let weights = Format::signed(6, 4)?;
/// let formats =
///     LayerFormats { weight: weights, bias: weights, output: values, rounding: Rounding::HalfUp };
/// let layer = |weights| {
///     FixedPointLayer::with_formats(&weights, &[0, 0], values, formats, formats.relu_clamp())
/// };
/// let network = FixedPointNetwork::new(
///     values,
///     vec![layer(dmatrix![9, -20; 24, 17])?, layer(dmatrix![-12, 10; 13, 7])?],
/// )?;
/// let x = network.quantize(&[0.616, 0.114], Rounding::HalfUp)?;
/// assert_eq!(x, [10, 2]);
/// assert_eq!(network.trace(&x)?[1].values, [3, 17]);
/// assert_eq!(network.evaluate(&x)?, [8, 10]);
/// assert_eq!(network.classify(&x)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// QVIP, section 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedPointNetwork {
    input: InputRange,
    layers: Vec<FixedPointLayer>,
    /// The values before layer `k`, and after the last.
    values: Vec<Vec<IntegerInterval>>,
    /// The largest reach of a neuron of each layer.
    reaches: Vec<u64>,
}

/// What one layer computes for one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerTrace {
    /// The accumulator of each neuron; empty for the input.
    pub accumulators: Vec<i64>,
    /// The value of each neuron.
    pub values: Vec<i64>,
}

impl FixedPointNetwork {
    /// The network with these inputs and these layers.
    ///
    /// # Errors
    ///
    /// [`FixedPointNetworkError`] names the layer (counted from 0) and what is wrong
    /// with it.
    pub fn new(
        input: impl Into<InputRange>,
        layers: Vec<FixedPointLayer>,
    ) -> Result<Self, FixedPointNetworkError> {
        let input = input.into();
        let width = layers.first().ok_or(FixedPointNetworkError::NoLayers)?.inputs();
        check_sizes(&layers)?;
        let mut format = input.format();
        let mut values = vec![vec![input.interval(); width]];
        let mut reaches = Vec::with_capacity(layers.len());
        for (index, layer) in layers.iter().enumerate() {
            let inputs = &values[index];
            let (expected, found) = (layer.inputs(), inputs.len());
            if expected != found {
                return Err(FixedPointNetworkError::Shape { layer: index, expected, found });
            }
            if let Some(Formats { input: expected, .. }) = layer.all_formats()
                && Some(expected) != format
            {
                return Err(FixedPointNetworkError::Format {
                    layer: index,
                    expected,
                    found: format,
                });
            }
            format = layer.formats().map(|formats| formats.output);
            reaches.push(reach(index, layer, inputs)?);
            values.push(layer.neurons().map(|neuron| neuron.requantization.clamp).collect());
        }
        Ok(Self { input, layers, values, reaches })
    }

    /// What the inputs are.
    #[must_use]
    pub fn input(&self) -> InputRange {
        self.input
    }

    /// The layers, first to last.
    #[must_use]
    pub fn layers(&self) -> &[FixedPointLayer] {
        &self.layers
    }

    /// The range of every value before each layer, and after the last: one more than
    /// the layers.
    ///
    /// These are input range and clamps. Every value that evaluation computes lies in
    /// them, for every input.
    #[must_use]
    pub fn value_ranges(&self) -> &[Vec<IntegerInterval>] {
        &self.values
    }

    /// For each layer the largest absolute value that a sum in it can have, whatever the
    /// input and the order of adding: at most `i64::MAX`.
    #[must_use]
    pub fn reaches(&self) -> &[u64] {
        &self.reaches
    }

    /// The bits of a signed integer that holds every sum of a layer: what an
    /// accumulator in hardware needs.
    ///
    /// # Panics
    ///
    /// When there are not so many layers.
    #[must_use]
    pub fn accumulator_bits(&self, layer: usize) -> u32 {
        u64::BITS - self.reaches[layer].leading_zeros() + 1
    }

    /// The number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs()
    }

    /// The number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    /// The number of weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(parameters).sum()
    }

    /// The integers that stand for these numbers: rounded, and clamped to the format of
    /// the inputs.
    ///
    /// # Errors
    ///
    /// [`FixedPointInputError`] for a wrong length, NaN, and a network whose inputs have
    /// no format.
    pub fn quantize(
        &self,
        x: &[f64],
        rounding: Rounding,
    ) -> Result<Vec<i64>, FixedPointInputError> {
        let format = self.input.format().ok_or(FixedPointInputError::NoFormat)?;
        InputError::check(self.inputs(), x.len())?;
        let integer = |(index, x): (usize, &f64)| {
            format.quantize(*x, rounding).ok_or(FixedPointInputError::NotANumber { index })
        };
        x.iter().enumerate().map(integer).collect()
    }

    /// The outputs for one input.
    ///
    /// For many inputs use a [`FixedPointEvaluator`](super::FixedPointEvaluator).
    ///
    /// Guarantee: exact.
    ///
    /// # Errors
    ///
    /// [`FixedPointInputError`] for a wrong length and for an integer outside the range
    /// of the inputs.
    pub fn evaluate(&self, x: &[i64]) -> Result<Vec<i64>, FixedPointInputError> {
        self.check_input(x)?;
        let step = |values: Vec<i64>, layer: &FixedPointLayer| {
            let neurons = layer.neurons();
            neurons.map(|n| n.requantization.apply(n.accumulate(&values))).collect()
        };
        Ok(self.layers.iter().fold(x.to_vec(), step))
    }

    /// The accumulators and values of every layer, the input first: one more than the
    /// layers.
    ///
    /// Guarantee: exact.
    ///
    /// # Errors
    ///
    /// As [`FixedPointNetwork::evaluate`].
    pub fn trace(&self, x: &[i64]) -> Result<Vec<LayerTrace>, FixedPointInputError> {
        self.check_input(x)?;
        let mut trace = vec![LayerTrace { accumulators: Vec::new(), values: x.to_vec() }];
        for (index, layer) in self.layers.iter().enumerate() {
            let before = &trace[index].values;
            let accumulators: Vec<i64> = layer.neurons().map(|n| n.accumulate(before)).collect();
            let steps = layer.neurons().zip(&accumulators);
            let values = steps.map(|(neuron, a)| neuron.requantization.apply(*a)).collect();
            trace.push(LayerTrace { accumulators, values });
        }
        Ok(trace)
    }

    /// The class of an input: its largest output, the first of equal ones.
    ///
    /// Guarantee: exact.
    ///
    /// # Errors
    ///
    /// As [`FixedPointNetwork::evaluate`].
    pub fn classify(&self, x: &[i64]) -> Result<usize, FixedPointInputError> {
        Ok(class(&self.evaluate(x)?))
    }

    fn check_input(&self, x: &[i64]) -> Result<(), FixedPointInputError> {
        InputError::check(self.inputs(), x.len())?;
        check_range(x, self.input.interval())
    }
}

/// The first of the largest outputs; 0 if there are none.
///
/// # Examples
///
/// ```
/// assert_eq!(nncert_core::fixed_point::class(&[3, 7, -1, 7]), 1);
/// ```
#[must_use]
pub fn class(outputs: &[i64]) -> usize {
    // The first of the largest: replaced by what is strictly larger alone.
    (1..outputs.len())
        .fold(0, |best, index| if outputs[index] > outputs[best] { index } else { best })
}

pub(super) fn check_range(x: &[i64], range: IntegerInterval) -> Result<(), FixedPointInputError> {
    match x.iter().position(|value| !range.contains(*value)) {
        Some(index) => Err(FixedPointInputError::Range { index, value: x[index], range }),
        None => Ok(()),
    }
}

fn parameters(layer: &FixedPointLayer) -> usize {
    layer.weights().len().saturating_add(layer.bias().len())
}

fn check_sizes(layers: &[FixedPointLayer]) -> Result<(), FixedPointNetworkError> {
    if layers.len() > MAX_LAYERS {
        return Err(FixedPointNetworkError::TooManyLayers { found: layers.len() });
    }
    let found = layers.iter().map(parameters).fold(0, usize::saturating_add);
    if found > MAX_PARAMETERS {
        return Err(FixedPointNetworkError::TooManyParameters { found });
    }
    Ok(())
}

/// The largest reach of a neuron, if all stay within an `i64`.
fn reach(
    index: usize,
    layer: &FixedPointLayer,
    inputs: &[IntegerInterval],
) -> Result<u64, FixedPointNetworkError> {
    let mut largest = 0;
    for (neuron, parts) in layer.neurons().enumerate() {
        let reach = parts.reach(inputs);
        match i64::try_from(reach) {
            Ok(fits) => largest = largest.max(fits.unsigned_abs()),
            Err(_) => {
                let bits = u128::BITS - reach.leading_zeros() + 1;
                return Err(FixedPointNetworkError::Overflow { layer: index, neuron, bits });
            }
        }
    }
    Ok(largest)
}

/// Widths as in `784-64-10`, for reports.
impl fmt::Display for FixedPointNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inputs())?;
        self.layers.iter().try_for_each(|layer| write!(f, "-{}", layer.outputs()))
    }
}
