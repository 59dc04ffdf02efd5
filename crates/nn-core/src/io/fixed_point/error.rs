//! What can be wrong with the files of a network in integers.

use super::MAX_DESCRIPTION_BYTES;
use crate::MAX_WIDTH;
use crate::fixed_point::{FixedPointLayerError, FixedPointNetworkError, ParseFormatError};
use crate::io::ContainerError;

/// Why bytes are not a network in integers.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedPointFileError {
    /// The tensors are not a safetensors file.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The description is longer than [`MAX_DESCRIPTION_BYTES`].
    #[error("a description of {found} bytes is longer than the limit of {MAX_DESCRIPTION_BYTES}")]
    Length {
        /// How many bytes it has.
        found: usize,
    },
    /// The description is not JSON, or has a key twice.
    #[error("description: {reason}")]
    Json {
        /// What the JSON reader says.
        reason: String,
    },
    /// The description is of another kind.
    #[error("description: the format {found:?} is not known")]
    Version {
        /// The format that it names.
        found: String,
    },
    /// A key of the description is missing.
    #[error("description: {key:?} is missing")]
    MissingKey {
        /// The key, with the objects and lists that it is in.
        key: String,
    },
    /// A key of the description means nothing.
    #[error("description: {key:?} is not known")]
    UnknownKey {
        /// The key, with the objects and lists that it is in.
        key: String,
    },
    /// A value of the description is something else.
    #[error("description: {key:?} is not {expected}")]
    Key {
        /// The key, with the objects and lists that it is in.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A format of the description is none.
    #[error("description: {key:?}: {cause}")]
    Format {
        /// The key, with the objects and lists that it is in.
        key: String,
        /// What is wrong with it.
        cause: ParseFormatError,
    },
    /// There is not one shift for each layer.
    #[error("description: \"shift\": expected {expected} shifts, found {found}")]
    Shifts {
        /// The layers.
        expected: usize,
        /// The shifts.
        found: usize,
    },
    /// A shift is not what the formats imply.
    #[error("description: \"shift\": layer {layer} has {found}, but its formats imply {expected}")]
    Shift {
        /// The layer, counted from 0.
        layer: usize,
        /// The shift that the formats imply.
        expected: i64,
        /// The shift.
        found: i64,
    },
    /// A layer is described, and its tensor is not there.
    #[error("tensor {tensor:?} is missing")]
    MissingTensor {
        /// The tensor.
        tensor: String,
    },
    /// A tensor belongs to no layer that is described.
    #[error("tensor {tensor:?}: the description has no such tensor")]
    UnknownTensor {
        /// The tensor.
        tensor: String,
    },
    /// A tensor has the wrong number of axes.
    #[error("tensor {tensor:?}: expected rank {expected}, found shape {shape:?}")]
    Rank {
        /// The tensor.
        tensor: String,
        /// The number of axes that it should have.
        expected: usize,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// An axis of a tensor is zero or above [`MAX_WIDTH`].
    #[error("tensor {tensor:?}: an axis of {shape:?} is outside 1 to {MAX_WIDTH}")]
    Width {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor has another shape than the description says.
    #[error("tensor {tensor:?}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// The shape by the description.
        expected: Vec<usize>,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor does not hold integers of a known type.
    #[error("tensor {tensor:?}: the type is {dtype}, not I64, I32, I16, I8, U32, U16 or U8")]
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
    },
    /// A layer with formats follows inputs or a layer without.
    #[error("layer {layer}: has formats, but what it is given has none")]
    MissingFormat {
        /// The layer, counted from 0.
        layer: usize,
    },
    /// The integers do not make a layer.
    #[error("layer {layer}: {error}")]
    Layer {
        /// The layer, counted from 0.
        layer: usize,
        /// What is wrong.
        error: FixedPointLayerError,
    },
    /// The layers do not make a network.
    #[error(transparent)]
    Network(#[from] FixedPointNetworkError),
}
