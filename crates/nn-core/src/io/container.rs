//! The safetensors container: a JSON header, then the tensors' bytes.
//!
//! ```text
//! u64, little-endian: length n of the header
//! n bytes of JSON:    {"__metadata__": {"key": "text"},
//!                      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//! the rest:           the bytes of the tensors, without gap or overlap
//! ```
//!
//! Read here and not by the `safetensors` crate (which writes, and whose types
//! the header is read into): its reader adds the sizes that a file declares
//! without a check for overflow, and its errors do not all name the tensor.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde_json::{Map, Value};

use super::Precision;

/// The longest header of a safetensors file, in bytes (4 MiB): enough for the
/// largest network many times over.
pub const MAX_HEADER_BYTES: usize = 1 << 22;

/// The longest name of a tensor, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The tensors of a file, by name.
#[derive(Debug)]
pub(super) struct Container<'a> {
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tensors: BTreeMap<String, Tensor<'a>>,
}

/// A tensor whose shape and bytes are known to agree.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) data: &'a [u8],
}

impl Tensor<'_> {
    /// The floating-point type of the numbers, if it is one that is read.
    pub(super) fn precision(&self) -> Option<Precision> {
        match self.dtype {
            Dtype::F64 => Some(Precision::F64),
            Dtype::F32 => Some(Precision::F32),
            Dtype::F16 => Some(Precision::F16),
            Dtype::BF16 => Some(Precision::BF16),
            _ => None,
        }
    }
}

impl<'a> Container<'a> {
    /// The tensors in these bytes.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let (header, data) = split(bytes)?;
        let entries: Map<String, Value> = serde_json::from_slice(header)
            .map_err(|error| ContainerError::Header { reason: shortened(&error.to_string()) })?;
        let mut metadata = BTreeMap::new();
        let mut infos = Vec::new();
        for (name, value) in entries {
            if name == "__metadata__" {
                metadata = serde_json::from_value(value).map_err(|_| ContainerError::Metadata)?;
            } else {
                infos.push(info(name, value)?);
            }
        }
        Ok(Self { metadata, tensors: place(infos, data)? })
    }
}

/// The header and what follows it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), ContainerError> {
    let (length, rest) =
        bytes.split_first_chunk().ok_or(ContainerError::Short { found: bytes.len() })?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES as u64 {
        return Err(ContainerError::HeaderLength { length });
    }
    // At most the limit, so it fits.
    rest.split_at_checked(length as usize)
        .ok_or(ContainerError::HeaderCut { length, available: rest.len() })
}

fn info(name: String, value: Value) -> Result<(String, TensorInfo), ContainerError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(ContainerError::Name { start: shortened(&name), length: name.len() });
    }
    match serde_json::from_value(value) {
        Ok(info) => Ok((name, info)),
        Err(error) => {
            Err(ContainerError::Entry { tensor: name, reason: shortened(&error.to_string()) })
        }
    }
}

/// Gives each tensor its bytes: all of `data`, each byte once.
fn place(
    mut infos: Vec<(String, TensorInfo)>,
    data: &[u8],
) -> Result<BTreeMap<String, Tensor<'_>>, ContainerError> {
    infos.sort_by(|(left_name, left), (right_name, right)| {
        (left.data_offsets, left_name).cmp(&(right.data_offsets, right_name))
    });
    let mut used = 0;
    let mut tensors = BTreeMap::new();
    for (name, TensorInfo { dtype, shape, data_offsets: (begin, end) }) in infos {
        if begin != used {
            return Err(ContainerError::Gap { tensor: name, expected: used, found: begin });
        }
        let Some(bytes) = data.get(begin..end) else {
            return Err(ContainerError::Outside { tensor: name, begin, end, length: data.len() });
        };
        if byte_size(dtype, &shape) != Some(bytes.len()) {
            let (dtype, found) = (dtype.to_string(), bytes.len());
            return Err(ContainerError::Size { tensor: name, dtype, shape, found });
        }
        used = end;
        tensors.insert(name, Tensor { dtype, shape, data: bytes });
    }
    if used == data.len() {
        Ok(tensors)
    } else {
        Err(ContainerError::Unused { used, length: data.len() })
    }
}

/// The bytes of a tensor, where that is a whole number that can be counted.
fn byte_size(dtype: Dtype, shape: &[usize]) -> Option<usize> {
    let bits =
        shape.iter().try_fold(dtype.bitsize(), |product, axis| product.checked_mul(*axis))?;
    (bits % 8 == 0).then_some(bits / 8)
}

fn shortened(text: &str) -> String {
    const KEPT: usize = 120;
    match text.char_indices().nth(KEPT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Why bytes are not a safetensors file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// Too short for the length of a header.
    #[error("{found} bytes are too few for the length of a header")]
    Short {
        /// How many bytes there are.
        found: usize,
    },
    /// The header is longer than [`MAX_HEADER_BYTES`].
    #[error("a header of {length} bytes is longer than the limit of {MAX_HEADER_BYTES}")]
    HeaderLength {
        /// The length that the file declares.
        length: u64,
    },
    /// The file ends within the header.
    #[error("the header should have {length} bytes, but {available} are left")]
    HeaderCut {
        /// The length that the file declares.
        length: u64,
        /// The bytes after it.
        available: usize,
    },
    /// The header is not a JSON object.
    #[error("the header is not a JSON object: {reason}")]
    Header {
        /// What the JSON reader says.
        reason: String,
    },
    /// `__metadata__` is not an object of texts.
    #[error("__metadata__ is not an object of texts")]
    Metadata,
    /// The name of a tensor is too long.
    #[error(
        "tensor {start:?}: a name of {length} bytes is longer than the limit of {MAX_NAME_BYTES}"
    )]
    Name {
        /// The start of the name.
        start: String,
        /// The length of the name.
        length: usize,
    },
    /// The header's entry for a tensor is not a type, a shape and two offsets.
    #[error("tensor {tensor:?}: {reason}")]
    Entry {
        /// The tensor.
        tensor: String,
        /// What the JSON reader says.
        reason: String,
    },
    /// A tensor does not begin where the one before it ends.
    #[error("tensor {tensor:?}: begins at byte {found}, not at {expected}")]
    Gap {
        /// The tensor.
        tensor: String,
        /// Where the tensor before it ends.
        expected: usize,
        /// Where it begins.
        found: usize,
    },
    /// A tensor lies outside the file, or ends before it begins.
    #[error("tensor {tensor:?}: bytes {begin} to {end} of {length} are not there")]
    Outside {
        /// The tensor.
        tensor: String,
        /// Where it begins.
        begin: usize,
        /// Where it ends.
        end: usize,
        /// The bytes of all tensors.
        length: usize,
    },
    /// The shape of a tensor does not fit its bytes.
    #[error("tensor {tensor:?}: {dtype} of shape {shape:?} does not take {found} bytes")]
    Size {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The bytes that it is given.
        found: usize,
    },
    /// There are bytes after the last tensor.
    #[error("the tensors end at byte {used} of {length}")]
    Unused {
        /// Where the last tensor ends.
        used: usize,
        /// The bytes after the header.
        length: usize,
    },
}
