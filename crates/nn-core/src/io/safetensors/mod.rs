//! ReLU networks in safetensors files, named as PyTorch's `Sequential` names them.
//!
//! ```text
//! 0.weight [outputs, inputs]   0.bias [outputs]      torch.nn.Sequential(
//! 2.weight [outputs, inputs]   2.bias [outputs]          Linear, ReLU, Linear)
//! ```
//!
//! **Names.** `N.weight` and `N.bias`, where `N` is the place in the sequence: each
//! affine layer has both. All names may share one prefix: `model.0.weight`.
//! Any other tensor is an error.
//!
//! **Activations** hold no tensors, so they show as gaps alone. Between two affine
//! layers whose places are next to each other (`0`, `1`) there is nothing; where
//! places are left out (`0`, `2` or `0`, `3`) there is *one ReLU*: a `Dropout` or a
//! `Flatten` beside it changes nothing when the network is evaluated. Places
//! before the first affine layer are taken as a `Flatten`, and nothing follows the
//! last. A file whose metadata has an `activation` must say `relu` (in any case).
//!
//! **Types.** F64, F32, F16 and BF16, each exact in `f64`. Integers are an error:
//! they are weights only together with a scale.
//!
//! # References
//!
//! 1. Hugging Face, [safetensors](https://github.com/huggingface/safetensors): the
//!    format.

mod name;
mod parse;
mod write;

use std::path::Path;

pub use parse::{SafetensorsError, parse};
pub use write::{SafetensorsWriteError, serialize};

use super::{Precision, ReadError, WriteError, file};
use crate::Network;

/// The metadata key that names the activation.
const ACTIVATION: &str = "activation";
/// The one activation that a file can have.
const RELU: &str = "relu";

/// Reads a network from a safetensors file.
///
/// # Errors
///
/// [`ReadError`] for a file that cannot be read, has more than
/// [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES), or does not [`parse`].
pub fn read(path: impl AsRef<Path>) -> Result<Network, ReadError> {
    file::read_with(path.as_ref(), parse)
}

/// Writes a network to a safetensors file.
///
/// # Errors
///
/// [`WriteError`] for a file that cannot be written and for what the naming or
/// the precision cannot hold, as [`serialize`].
pub fn save(
    network: &Network,
    precision: Precision,
    path: impl AsRef<Path>,
) -> Result<(), WriteError> {
    file::write_bytes(path.as_ref(), serialize(network, precision))
}
