//! The `.nnet` text format of fully connected ReLU networks.
//!
//! ```text
//! // any number of comments
//! layers,inputs,outputs,largest layer,
//! inputs,size of layer 0,...,outputs,
//! flag,                                   no longer used by anyone; kept
//! minimum of input 0,...,                 at least one for each input: n numbers
//! maximum of input 0,...,                 n numbers
//! mean of input 0,...,mean of outputs,    n + 1 numbers
//! range of input 0,...,range of outputs,  n + 1 numbers
//! weight[0, 0],weight[0, 1],...,          layer 0: a line for each output neuron
//! ...
//! bias[0],                                then a line for each bias
//! ...                                     and so on for every layer
//! ```
//!
//! A layer here is an affine map; a ReLU stands between two of them and none
//! after the last. The minimums, maximums, means and ranges say how raw inputs
//! become the network's inputs; they are kept as data ([`Normalization`]) and
//! never folded into the weights. The ACAS Xu files have two more of each than
//! the network has inputs, for the two that choose among the networks
//! ([`UnusedInput`]).
//!
//! Read with tolerance for what writers differ in: blank lines, comments
//! anywhere, spaces around numbers, CRLF, a missing trailing comma or last line
//! end. Strict in all else: a missing or an extra number is an error.
//!
//! # References
//!
//! 1. K. Julian et al., [NNet](https://github.com/sisl/NNet), Stanford Intelligent
//!    Systems Laboratory: the format's description and reference reader.

mod error;
mod normalization;
mod parse;
mod write;

use std::path::Path;

pub use error::{NnetError, NnetField};
pub use normalization::{Normalization, NormalizationError};
pub use parse::{MAX_COMMENTS, parse};
pub use write::{NnetWriteError, write};

use super::{ReadError, WriteError, file};
use crate::Network;

/// The contents of a `.nnet` file.
#[derive(Clone, Debug, PartialEq)]
pub struct Nnet {
    /// The network, on normalised inputs.
    pub network: Network,
    /// How raw inputs become normalised ones.
    pub normalization: Normalization,
    /// What the file has of inputs beyond the network's: never relied on.
    pub unused_inputs: Vec<UnusedInput>,
    /// The comments, each without its `//`.
    pub comments: Vec<String>,
    /// The size of the largest layer, as the header states it: never relied on.
    pub max_layer_size: usize,
    /// The flag of the third line (once "symmetric"): never relied on.
    pub flag: i64,
}

/// An input that a file describes and its network does not take.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UnusedInput {
    /// Its smallest raw value.
    pub min: f64,
    /// Its largest raw value.
    pub max: f64,
    /// Its mean.
    pub mean: f64,
    /// Its range.
    pub range: f64,
}

impl Nnet {
    /// This network with inputs that are used as they are, and no comments.
    ///
    /// # Examples
    ///
    /// ```
    /// use nalgebra::{dmatrix, dvector};
    /// use nncert_core::{Affine, Network, io::nnet};
    ///
    /// let network = Network::relu_mlp(vec![Affine::new(dmatrix![1.0, 2.0], dvector![0.5])])?;
    /// let text = nnet::write(&nnet::Nnet::new(network.clone()))?;
    /// assert_eq!(nnet::parse(&text)?.network, network);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self {
            normalization: Normalization::identity(network.inputs()),
            unused_inputs: Vec::new(),
            comments: Vec::new(),
            max_layer_size: network.shapes().iter().map(crate::Shape::len).max().unwrap_or(1),
            flag: 0,
            network,
        }
    }
}

/// Reads a `.nnet` file.
///
/// # Errors
///
/// [`ReadError`] for a file that cannot be read, has more than
/// [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES), or does not [`parse`].
pub fn read(path: impl AsRef<Path>) -> Result<Nnet, ReadError> {
    file::read_with(path.as_ref(), |bytes| parse(bytes))
}

/// Writes a `.nnet` file.
///
/// # Errors
///
/// [`WriteError`] for a file that cannot be written and for what the format
/// cannot hold, as [`write()`].
pub fn save(nnet: &Nnet, path: impl AsRef<Path>) -> Result<(), WriteError> {
    file::write_bytes(path.as_ref(), write(nnet))
}
