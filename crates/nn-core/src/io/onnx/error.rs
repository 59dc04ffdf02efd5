//! Why bytes are not a network in ONNX.

use super::{MAX_OPSET, MIN_OPSET, SUPPORTED, WireError};
use crate::{LayerError, MAX_WIDTH, NetworkError, Shape};

/// Why bytes are not a network in ONNX.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The bytes are not the messages of a model.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The parser refuses a message.
    #[error("{reason}")]
    Parse {
        /// What the parser says.
        reason: String,
    },
    /// The model has no graph.
    #[error("the model has no graph")]
    NoGraph,
    /// The version of the operators is not one that is known.
    #[error("operator set {found} is outside {MIN_OPSET} to {MAX_OPSET}")]
    Opset {
        /// The version of the model; 0 if it names none.
        found: i64,
    },
    /// There must be one input that is no initializer, and one output.
    #[error("expected one {which}, found {found}")]
    Ends {
        /// `input` or `output`.
        which: &'static str,
        /// How many there are.
        found: usize,
    },
    /// The input is not `[batch, ...]` with known sizes.
    #[error("input {input:?}: the shape {shape:?} is not a batch axis and 1 to {MAX_WIDTH} values")]
    Input {
        /// The input.
        input: String,
        /// Its axes, `None` where the model gives no number.
        shape: Vec<Option<i64>>,
    },
    /// The output does not depend on the input, or nothing computes it.
    #[error("output {output:?} is not computed from the input")]
    Output {
        /// The output.
        output: String,
    },
    /// An operator that is not read.
    #[error("node {node:?}: operator {operator} is not supported; supported are {}", SUPPORTED.join(", "))]
    Operator {
        /// The node: its name, or its first output.
        node: String,
        /// The operator, with its domain if that is not ONNX's own.
        operator: String,
    },
    /// A node of a known operator that is not read.
    #[error("node {node:?} ({operator}): {error}")]
    Node {
        /// The node: its name, or its first output.
        node: String,
        /// The operator.
        operator: String,
        /// What is wrong with it.
        error: Box<NodeError>,
    },
    /// A constant that is not read.
    #[error("tensor {tensor:?}: {error}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        error: TensorError,
    },
    /// The numbers of all layers are more than a file of this size can mean.
    #[error("the layers hold more than {limit} numbers")]
    Entries {
        /// The limit.
        limit: usize,
    },
    /// The layers are not a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Why a node of a known operator is not read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Too few or too many inputs or outputs.
    #[error("{found} {which} are not what the operator has")]
    Arity {
        /// `inputs` or `outputs`.
        which: &'static str,
        /// How many there are.
        found: usize,
    },
    /// An input that no node before it computes.
    #[error("input {input:?} is not computed before")]
    Unknown {
        /// The input.
        input: String,
    },
    /// An input that must be a constant is computed.
    #[error("input {input:?} is not a constant")]
    NotConstant {
        /// The input.
        input: String,
    },
    /// An input that must be computed is a constant.
    #[error("input {input:?} is a constant")]
    Constant {
        /// The input.
        input: String,
    },
    /// A constant of a shape that does not fit.
    #[error("input {input:?}: a constant of shape {shape:?} does not fit")]
    ConstantShape {
        /// The input.
        input: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A constant with a value that is not read.
    #[error("input {input:?}: {value} is not supported there")]
    ConstantValue {
        /// The input.
        input: String,
        /// The value.
        value: f64,
    },
    /// An attribute that is unknown, of another type, or has another number of entries.
    #[error("attribute {attribute:?} is unknown, or not of the right type and length")]
    Attribute {
        /// The attribute.
        attribute: String,
    },
    /// An attribute with a value that is not read.
    #[error("attribute {attribute:?}: {value} is not supported")]
    Value {
        /// The attribute.
        attribute: &'static str,
        /// The value.
        value: String,
    },
    /// The computed input has a shape that is not read.
    #[error("an input of shape {found} (without the batch) is not supported")]
    Shape {
        /// The shape, without the batch axis.
        found: Shape,
    },
    /// Something is done along the batch axis.
    #[error("the batch axis is changed")]
    Batch,
    /// An output that is already there.
    #[error("output {output:?} is computed twice")]
    Twice {
        /// The output.
        output: String,
    },
    /// The layer does not fit its input.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// Its value is needed in two branches that are not those of a block.
    #[error("it is part of two branches: the graph is not one of sequences and residual blocks")]
    Shared,
}

/// Why a constant is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// A type that is not read.
    #[error("the type {dtype} is not read")]
    Dtype {
        /// The type.
        dtype: String,
    },
    /// The data is in another file.
    #[error("the data is in another file")]
    External,
    /// There is not one number for each place of the shape.
    #[error("expected {expected} numbers for shape {shape:?}, found {found}")]
    Length {
        /// The places of the shape.
        expected: usize,
        /// The numbers.
        found: usize,
        /// The shape.
        shape: Vec<i64>,
    },
}
