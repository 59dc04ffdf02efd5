//! Networks in integers: safetensors beside a JSON description.
//!
//! ```text
//! net.safetensors   0.weight [outputs, inputs]   0.bias [outputs]
//!                   1.weight [outputs, inputs]   1.bias [outputs]   ...
//! net.json          what the integers mean
//! ```
//!
//! **Tensors** are of a signed or unsigned integer type of up to 32 bits, or I64; layers are
//! counted from 0 without gaps. Any other tensor is an error. Metadata is not read.
//!
//! **The description** of what is written here, one object a layer:
//!
//! ```json
//! {
//!  "format": "nncert fixed-point network 1",
//!  "input": "+,8,8",
//!  "layers": [
//!   {"weight": "±,6,5", "bias": "±,6,4", "output": "+,6,4", "rounding": "half-up", "clamp": [0, 63]},
//!   {"requantization": [{"multiplier": [759250125, 35], "rounding": "half-even", "zero_point": -128, "clamp": [-128, 127]}]}
//!  ]
//! }
//! ```
//!
//! The input is a [`Format`](crate::fixed_point::Format), or the two ends of a range. A layer
//! with formats is what
//! [`FixedPointLayer::with_formats`](crate::fixed_point::FixedPointLayer::with_formats)
//! makes of the integers and the format before it. A layer with a list of
//! [`Requantization`](crate::fixed_point::Requantization)s (one for all neurons, or one for
//! each) holds weights and biases in units of the accumulator; `[m, s]` is the multiplier
//! `m / 2^s`. Every key is needed, none may stand twice, and others are errors.
//!
//! **QVIP's networks**, as they were published, are described for all layers at once, with
//! the format `fixed-point feed-forward, integers` and the keys `layers` (widths), `input`,
//! `weight`, `bias`, `hidden_output`, `output`, `rounding`, `shift`, `hidden_clamp`,
//! `output_clamp`; `dataset` and `test_accuracy` are passed over. The shifts must be those
//! that the formats imply.
//!
//! # Examples
//!
//! ```
//! use nalgebra::dmatrix;
//! use nncert_core::FixedPointNetwork;
//! use nncert_core::fixed_point::{FixedPointLayer, Format, LayerFormats, Rounding};
//! use nncert_core::io::fixed_point;
//!
//! let values = Format::unsigned(6, 4)?;
//! let weights = Format::signed(6, 4)?;
//! let formats =
//!     LayerFormats { weight: weights, bias: weights, output: values, rounding: Rounding::HalfUp };
//! let clamp = formats.relu_clamp();
//! let layer = FixedPointLayer::with_formats(&dmatrix![9, -20], &[3], values, formats, clamp)?;
//! let network = FixedPointNetwork::new(values, vec![layer])?;
//!
//! let files = fixed_point::serialize(&network)?;
//! assert_eq!(fixed_point::parse(&files.tensors, files.description.as_bytes())?, network);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! QVIP, section 5 (the networks).

mod description;
mod error;
mod json;
mod parse;
mod write;

use std::path::Path;

pub use error::FixedPointFileError;
pub use parse::parse;
pub use write::{FixedPointFiles, FixedPointWriteError, serialize};

use self::description::Description;
use super::{MAX_HEADER_BYTES, ReadError, WriteError, file};
use crate::FixedPointNetwork;

/// The longest description, in bytes (4 MiB).
pub const MAX_DESCRIPTION_BYTES: usize = MAX_HEADER_BYTES;

/// The format of what is written here.
const NATIVE: &str = "nncert fixed-point network 1";
/// The format of QVIP's networks.
const QVIP: &str = "fixed-point feed-forward, integers";

/// Reads a network from a safetensors file, and from the file beside it that ends in
/// `.json` instead.
///
/// # Errors
///
/// [`ReadError`] names the file of the two that cannot be read, has more than
/// [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES), or does not [`parse`].
///
/// # Examples
///
/// ```no_run
/// let network = nncert_core::io::fixed_point::read("qnn/P1-6.safetensors")?;
/// assert_eq!(network.to_string(), "784-64-32");
/// # Ok::<(), nncert_core::io::ReadError>(())
/// ```
pub fn read(path: impl AsRef<Path>) -> Result<FixedPointNetwork, ReadError> {
    let path = path.as_ref();
    let description = file::read_with(&path.with_extension("json"), Description::parse)?;
    file::read_with(path, |bytes| parse::network(bytes, &description))
}

/// Writes a network to a safetensors file, and to the file beside it that ends in `.json`
/// instead.
///
/// # Errors
///
/// [`WriteError`] for a file that cannot be written.
pub fn save(network: &FixedPointNetwork, path: impl AsRef<Path>) -> Result<(), WriteError> {
    let path = path.as_ref();
    match serialize(network) {
        Ok(FixedPointFiles { tensors, description }) => {
            let infallible = Ok::<_, FixedPointWriteError>;
            file::write_bytes(path, infallible(tensors))?;
            file::write_bytes(&path.with_extension("json"), infallible(description.into_bytes()))
        }
        Err(error) => file::write_bytes(path, Err::<Vec<u8>, _>(error)),
    }
}
