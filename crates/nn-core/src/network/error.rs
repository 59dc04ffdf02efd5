//! Why layers do not make a network.

use super::{MAX_LAYERS, MAX_MAGNITUDE, MAX_NESTING, MAX_PARAMETERS, MAX_WIDTH};
use crate::{Branch, LayerError, LayerKind};

/// Why layers do not make a [`Network`](crate::Network).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
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
    /// Blocks are nested more than [`MAX_NESTING`] deep.
    #[error("layer {layer} (residual block): blocks are nested more than {MAX_NESTING} deep")]
    Nesting {
        /// The block that is too deep, counted from 0 in its branch.
        layer: usize,
    },
    /// A layer does not fit the one before it.
    #[error("layer {layer}: expected {expected} inputs, found {found}")]
    Shape {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
        /// The inputs that it takes.
        expected: usize,
        /// The values that it is given.
        found: usize,
    },
    /// A layer does not fit the shape before it, or itself, in another way.
    #[error("layer {layer} ({kind}): {error}")]
    Layer {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
        /// What is wrong with it.
        error: LayerError,
    },
    /// Something is wrong with a layer of a block.
    #[error("layer {layer}, {branch} {error}")]
    Block {
        /// The block, counted from 0.
        layer: usize,
        /// The branch of the block.
        branch: Branch,
        /// What is wrong; layers are counted from 0 in the branch.
        error: Box<NetworkError>,
    },
    /// A bias does not have one entry per row of the weight.
    #[error("layer {layer}: expected {expected} biases, found {found}")]
    Bias {
        /// The layer, counted from 0.
        layer: usize,
        /// The rows of the weight.
        expected: usize,
        /// The entries of the bias.
        found: usize,
    },
    /// A width is zero or above [`MAX_WIDTH`].
    #[error("{}: a width of {found} is outside 1 to {MAX_WIDTH}", place(*.layer))]
    Width {
        /// The layer whose output it is, or `None` for the network's input.
        layer: Option<usize>,
        /// The width.
        found: usize,
    },
    /// A weight is NaN, infinite or above [`MAX_MAGNITUDE`].
    #[error(
        "layer {layer}: weight[{row}, {column}] is {value}, which is not a number of at most {MAX_MAGNITUDE:e}"
    )]
    Weight {
        /// The layer, counted from 0.
        layer: usize,
        /// The output neuron.
        row: usize,
        /// The input neuron.
        column: usize,
        /// The weight.
        value: f64,
    },
    /// A bias entry is NaN, infinite or above [`MAX_MAGNITUDE`].
    #[error(
        "layer {layer}: bias[{row}] is {value}, which is not a number of at most {MAX_MAGNITUDE:e}"
    )]
    BiasValue {
        /// The layer, counted from 0.
        layer: usize,
        /// The output neuron.
        row: usize,
        /// The bias.
        value: f64,
    },
    /// A number that is neither a weight nor a bias is absurd.
    #[error("layer {layer} ({kind}): {name} {value} makes no layer")]
    Parameter {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
        /// What the number is.
        name: &'static str,
        /// The number.
        value: f64,
    },
}

fn place(layer: Option<usize>) -> String {
    layer.map_or_else(|| "input".to_owned(), |index| format!("layer {index}"))
}
