//! Why layers and networks in integers are refused.

use super::{Format, IntegerInterval, MultiplierError};
use crate::{MAX_LAYERS, MAX_PARAMETERS, MAX_WIDTH};

/// Why numbers do not make a [`FixedPointLayer`](super::FixedPointLayer).
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedPointLayerError {
    /// A width is zero or above [`MAX_WIDTH`].
    #[error("widths of {inputs} inputs and {outputs} outputs are not both 1 to {MAX_WIDTH}")]
    Width {
        /// The inputs.
        inputs: usize,
        /// The neurons.
        outputs: usize,
    },
    /// There is not one bias for each neuron.
    #[error("expected {expected} biases, found {found}")]
    Bias {
        /// The neurons.
        expected: usize,
        /// The biases.
        found: usize,
    },
    /// There is neither one step function nor one for each neuron.
    #[error("expected 1 or {expected} requantizations, found {found}")]
    Requantizations {
        /// The neurons.
        expected: usize,
        /// The step functions.
        found: usize,
    },
    /// A weight is outside its format.
    #[error("weight [{row}, {column}] is {value}, which is outside {format}")]
    Weight {
        /// The neuron.
        row: usize,
        /// The input.
        column: usize,
        /// The weight.
        value: i64,
        /// The format.
        format: Format,
    },
    /// A bias is outside its format.
    #[error("bias {row} is {value}, which is outside {format}")]
    BiasValue {
        /// The neuron.
        row: usize,
        /// The bias.
        value: i64,
        /// The format.
        format: Format,
    },
    /// The clamp is wider than the format of the outputs.
    #[error("the clamp {clamp} is not within {format}")]
    Clamp {
        /// The clamp.
        clamp: IntegerInterval,
        /// The format.
        format: Format,
    },
    /// A weight that is aligned with finer biases is beyond an `i64`.
    #[error(
        "weight [{row}, {column}] is {value}, which {shift} bits to the left is beyond 64 bits"
    )]
    WeightShift {
        /// The neuron.
        row: usize,
        /// The input.
        column: usize,
        /// The weight.
        value: i64,
        /// How far it is shifted.
        shift: u32,
    },
    /// A bias that is aligned with finer products is beyond an `i64`.
    #[error("bias {row} is {value}, which {shift} bits to the left is beyond 64 bits")]
    BiasShift {
        /// The neuron.
        row: usize,
        /// The bias.
        value: i64,
        /// How far it is shifted.
        shift: u32,
    },
    /// There is neither one scale of the weights nor one for each neuron.
    #[error("expected 1 or {expected} scales of weights, found {found}")]
    Scales {
        /// The neurons.
        expected: usize,
        /// The scales.
        found: usize,
    },
    /// A weight without its zero point is beyond an `i64`.
    #[error("weight [{row}, {column}] is {value}, which without its zero point is beyond 64 bits")]
    WeightZeroPoint {
        /// The neuron.
        row: usize,
        /// The input.
        column: usize,
        /// The weight.
        value: i64,
    },
    /// A bias with the zero point of the inputs is beyond an `i64`.
    #[error("bias {row} with the zero point of the inputs is beyond 64 bits")]
    BiasZeroPoint {
        /// The neuron.
        row: usize,
    },
    /// The fractions or scales imply a factor that is no [`Multiplier`](super::Multiplier).
    #[error(transparent)]
    Multiplier(#[from] MultiplierError),
}

/// Why layers do not make a [`FixedPointNetwork`](super::FixedPointNetwork).
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedPointNetworkError {
    /// There is no layer.
    #[error("a network needs at least one layer")]
    NoLayers,
    /// More than [`MAX_LAYERS`].
    #[error("{found} layers are more than the limit of {MAX_LAYERS}")]
    TooManyLayers {
        /// How many there are.
        found: usize,
    },
    /// More than [`MAX_PARAMETERS`].
    #[error("{found} parameters are more than the limit of {MAX_PARAMETERS}")]
    TooManyParameters {
        /// How many there are.
        found: usize,
    },
    /// A layer does not fit the one before it.
    #[error("layer {layer}: expected {expected} inputs, found {found}")]
    Shape {
        /// The layer, counted from 0.
        layer: usize,
        /// The inputs that it takes.
        expected: usize,
        /// The values that it is given.
        found: usize,
    },
    /// A layer was made for inputs of another format than it is given.
    #[error("layer {layer}: made for inputs in {expected}, given {}", found_format(found))]
    Format {
        /// The layer, counted from 0.
        layer: usize,
        /// The format that it was made for.
        expected: Format,
        /// The format that it is given, if it is one.
        found: Option<Format>,
    },
    /// The accumulator of a neuron could overflow 64 bits.
    #[error("layer {layer}, neuron {neuron}: the accumulator needs {bits} bits, more than 64")]
    Overflow {
        /// The layer, counted from 0.
        layer: usize,
        /// The neuron, counted from 0.
        neuron: usize,
        /// The bits of a signed integer that holds every sum.
        bits: u32,
    },
}

fn found_format(found: &Option<Format>) -> String {
    found.map_or_else(|| "integers without a format".to_owned(), |format| format.to_string())
}

/// Why integers are not an input of a [`FixedPointNetwork`](super::FixedPointNetwork).
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedPointInputError {
    /// The input has the wrong length.
    #[error(transparent)]
    Length(#[from] crate::InputError),
    /// An integer is outside the range of the inputs.
    #[error("input {index} is {value}, which is outside {range}")]
    Range {
        /// The input; in a batch, of its column.
        index: usize,
        /// The integer.
        value: i64,
        /// The range.
        range: IntegerInterval,
    },
    /// A number is NaN.
    #[error("input {index} is not a number")]
    NotANumber {
        /// The input.
        index: usize,
    },
    /// The inputs of the network are integers without a format.
    #[error("the inputs of the network have no format")]
    NoFormat,
}
