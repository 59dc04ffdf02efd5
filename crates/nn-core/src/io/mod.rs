//! File formats: networks and labelled images from files, and back.
//!
//! | format | extension | holds | read | write |
//! |---|---|---|---|---|
//! | NNet | `.nnet` | one ReLU network in decimal text, with its [`Normalization`](nnet::Normalization) | [`nnet::read`] | [`nnet::save`] |
//! | safetensors | `.safetensors` | one ReLU network, named as PyTorch's `Sequential` names it | [`safetensors::read`] | [`safetensors::save`] |
//! | ONNX (feature `onnx`) | `.onnx` | one network of sequences and residual blocks | `onnx::read` | |
//! | safetensors and JSON | `.safetensors`, `.json` | one network in integers | [`fixed_point::read`] | [`fixed_point::save`] |
//! | safetensors | `.safetensors` | images and labels | [`read_dataset`] | |
//!
//! [`read_network`] goes by the extension and keeps the network alone. Every
//! format also works on bytes in memory ([`nnet::parse`], [`nnet::write`],
//! [`safetensors::parse`], [`safetensors::serialize`], [`fixed_point::parse`],
//! [`fixed_point::serialize`], [`parse_dataset`]), with
//! the same checks and the same errors.
//!
//! # Which to choose
//!
//! NNet is the format of the ACAS Xu networks. It is the only one here that
//! carries how raw inputs become the network's inputs; it is also large and
//! slow to read. Anything trained in PyTorch is two lines away from
//! safetensors: `save_file(model.state_dict(), "model.safetensors")`.
//!
//! # Guarantees
//!
//! - **Exact.** Every finite number of every supported type is read without
//!   rounding (decimal text: to the nearest `f64`), and reading what was written
//!   gives back an equal value. Writing in a [`Precision`] that cannot hold a
//!   weight is an error, not a rounding.
//! - **Files are untrusted.** No input makes a function here panic. A size that a
//!   file declares is checked against a limit and against the data that is
//!   there, and never sizes an allocation by itself; files above
//!   [`MAX_FILE_BYTES`] are refused before they are read. Memory stays within
//!   a small multiple of the file's size.
//! - **Errors say where.** A line and a field for text, a tensor for
//!   safetensors, a key for JSON, a position for a number.
//! - **Nothing is guessed.** A tensor that is not part of the network, a bias
//!   that is missing, data after the end: each is an error.
//!
//! This is the only module of the crate that touches files.
//!
//! # Examples
//!
//! ```
//! use nncert_core::io::{Precision, nnet, safetensors};
//!
//! let text = "// ReLU(x - 1)\n\
//!             2,1,1,1,\n1,1,1,\n0,\n\
//!             -10.0,\n10.0,\n0.0,0.0,\n1.0,1.0,\n\
//!             1.0,\n-1.0,\n1.0,\n0.0,\n";
//! let file = nnet::parse(text)?;
//! assert_eq!(file.network.evaluate(&[3.0])?.as_slice(), [2.0]);
//!
//! let bytes = safetensors::serialize(&file.network, Precision::F16)?;
//! assert_eq!(safetensors::parse(&bytes)?, file.network);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod fixed_point;
pub mod nnet;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod safetensors;

mod container;
mod dataset;
mod file;
mod precision;

pub use container::{ContainerError, MAX_HEADER_BYTES};
pub use dataset::{Dataset, DatasetError, MAX_DATASET_VALUES, parse_dataset, read_dataset};
pub use file::{MAX_FILE_BYTES, ReadCause, ReadError, WriteCause, WriteError, read_network};
pub use precision::Precision;
