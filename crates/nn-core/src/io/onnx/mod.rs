//! Networks in ONNX (feature `onnx`).
//!
//! A graph is read when it is made of sequences and residual blocks of the
//! operators in [`SUPPORTED`], with constant weights. The first axis of the input
//! is the batch; a network is a function of one input, so the axis is left out and
//! must not be changed.
//!
//! # What is read as what
//!
//! | operator | layer |
//! |---|---|
//! | `Gemm`, `MatMul` by a constant | [`Affine`](crate::Affine) |
//! | `Conv` (two axes) | [`Convolution`](crate::Convolution) |
//! | `AveragePool`, `GlobalAveragePool`, `MaxPool`, `GlobalMaxPool` | [`Pool`](crate::Pool) |
//! | `Relu`, `LeakyRelu`, `Sigmoid`, `Tanh`, `Clip` | [`Activation`](crate::Activation) |
//! | `Add`, `Sub`, `Mul`, `Div` with a constant | [`Scale`](crate::Scale), or the bias of a layer without one |
//! | `BatchNormalization` | folded into the layer before it, or a `Scale` |
//! | `Add` of two branches | [`Residual`](crate::Residual) |
//! | `Slice`, `Pad` with zeros, `Concat` with zeros, `Reshape` to an image | [`Select`](crate::Select), one for a chain of them |
//! | `Flatten`, `Reshape` to a vector | [`Layer::Flatten`](crate::Layer::Flatten) |
//! | `Identity`, `Dropout`, `Constant` | nothing |
//!
//! # What is rounded
//!
//! Weights of every type are exact in `f64`. Three things are not, and **the network
//! that is certified is the one that was read**, with these numbers in it:
//!
//! - `BatchNormalization` is folded in `f64`: `factor = scale / √(variance + ε)`, weights
//!   times `factor`, `(bias - mean) · factor + shift`. Each is off by a few `2^-53`.
//! - `Div` by a constant is a multiplication by the `f64` nearest to its reciprocal.
//! - An average multiplies by the `f64` nearest to `1 / count`.
//!
//! All three are far below what a runtime in `f32` rounds at every operation. What
//! normalises inputs (`Sub`, then `Div`) stays a layer of its own: folding it into
//! a convolution rounds more, and is wrong beside zero padding.
//!
//! # Untrusted files
//!
//! As for all of [`io`](super): no panic, no allocation that a declared size alone
//! asks for. Lengths, nesting and numbers are checked before the parser sees them
//! ([`MAX_FIELDS`], [`MAX_DEPTH`]); a constant that many nodes share cannot blow up.
//! An attribute that is not known is an error, not ignored.

mod error;
mod graph;
mod node;
mod operator;
mod tensor;
mod wire;

use std::path::Path;

pub use self::error::{NodeError, OnnxError, TensorError};
pub use self::wire::{MAX_DEPTH, MAX_FIELDS, WireError};
use super::{ReadError, file};
use crate::Network;

/// The operators that are read.
pub const SUPPORTED: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Div",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Mul",
    "Pad",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Slice",
    "Sub",
    "Tanh",
];

/// The oldest version of ONNX's operators that is read.
pub const MIN_OPSET: i64 = 7;
/// The newest version of ONNX's operators that is read.
pub const MAX_OPSET: i64 = 28;

/// Reads a network from an ONNX file.
///
/// # Errors
///
/// [`ReadError`] for a file that cannot be read, has more than
/// [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES), or does not [`parse`].
pub fn read(path: impl AsRef<Path>) -> Result<Network, ReadError> {
    file::read_with(path.as_ref(), parse)
}

/// Reads a network from the bytes of an ONNX file.
///
/// Guarantee: exact, but for [what is rounded](self#what-is-rounded).
///
/// # Errors
///
/// [`OnnxError`] names the node, its operator and what is wrong, or the tensor.
pub fn parse(bytes: &[u8]) -> Result<Network, OnnxError> {
    wire::check(bytes)?;
    let model = rten_onnx::onnx::ModelProto::parse_buf(bytes)
        .map_err(|error| OnnxError::Parse { reason: error.to_string() })?;
    let is_default =
        |domain: &Option<String>| domain.as_deref().is_none_or(node::is_default_domain);
    let opset = model.opset_import.iter().find(|opset| is_default(&opset.domain));
    let found = opset.and_then(|opset| opset.version).unwrap_or(0);
    if !(MIN_OPSET..=MAX_OPSET).contains(&found) {
        return Err(OnnxError::Opset { found });
    }
    let graph = model.graph.ok_or(OnnxError::NoGraph)?;
    graph::read(&graph, bytes.len())
}
