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

use core::fmt;
use core::marker::PhantomData;
use std::collections::{BTreeMap, BTreeSet};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Precision;

/// The longest header of a safetensors file, in bytes (4 MiB): enough for the
/// largest network many times over.
pub const MAX_HEADER_BYTES: usize = 1 << 22;

/// The longest name of a tensor, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The entry of the header that is no tensor.
const METADATA: &str = "__metadata__";

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
        let Pairs(entries) = serde_json::from_slice(header)
            .map_err(|error| ContainerError::Header { reason: shortened(&error.to_string()) })?;
        let mut metadata = None;
        let mut names = BTreeSet::new();
        let mut infos = Vec::new();
        for (name, entry) in entries {
            if name == METADATA {
                if metadata.replace(texts(entry)?).is_some() {
                    return Err(ContainerError::DuplicateMetadata { key: name });
                }
                continue;
            }
            let (name, info) = info(name, entry)?;
            if !names.insert(name.clone()) {
                return Err(ContainerError::DuplicateTensor { tensor: name });
            }
            infos.push((name, info));
        }
        Ok(Self { metadata: metadata.unwrap_or_default(), tensors: place(infos, data)? })
    }
}

/// The entries of a JSON object as they stand in the text, also a key that is
/// given twice: two readers could take it for different things.
struct Pairs<V>(Vec<(String, V)>);

/// What the header says under one name.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Entry {
    Object(Pairs<Value>),
    Other(Value),
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
    type Value = Pairs<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

impl Entry {
    /// The value, or the key that it has twice.
    fn unique(self) -> Result<Value, String> {
        let pairs = match self {
            Self::Object(Pairs(pairs)) => pairs,
            Self::Other(value) => return Ok(value),
        };
        let mut object = serde_json::Map::new();
        for (key, value) in pairs {
            if object.contains_key(&key) {
                return Err(shortened(&key));
            }
            object.insert(key, value);
        }
        Ok(object.into())
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

fn texts(entry: Entry) -> Result<BTreeMap<String, String>, ContainerError> {
    let value = entry.unique().map_err(|key| ContainerError::DuplicateMetadata { key })?;
    serde_json::from_value(value).map_err(|_| ContainerError::Metadata)
}

fn info(name: String, entry: Entry) -> Result<(String, TensorInfo), ContainerError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(ContainerError::Name { start: shortened(&name), length: name.len() });
    }
    let value = match entry.unique() {
        Ok(value) => value,
        Err(key) => return Err(ContainerError::DuplicateKey { tensor: name, key }),
    };
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
    /// `__metadata__` is given twice, or a key in it.
    #[error("metadata: {key:?} is given twice")]
    DuplicateMetadata {
        /// The key.
        key: String,
    },
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
    /// The header has two entries for a tensor.
    #[error("tensor {tensor:?}: the header describes it twice")]
    DuplicateTensor {
        /// The tensor.
        tensor: String,
    },
    /// A key of the header's entry for a tensor is given twice.
    #[error("tensor {tensor:?}: {key:?} is given twice")]
    DuplicateKey {
        /// The tensor.
        tensor: String,
        /// The key.
        key: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(header: &str) -> ContainerError {
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 4]].concat();
        Container::parse(&bytes).unwrap_err()
    }

    #[test]
    fn a_key_stands_once() {
        let entry = r#"{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}"#;
        // Spelled differently, and one key all the same.
        let twice = format!(r#"{{"a": {entry}, "\u0061": {entry}}}"#);
        assert_eq!(refused(&twice), ContainerError::DuplicateTensor { tensor: "a".into() });

        let twice =
            r#"{"a": {"dtype": "I32", "dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#;
        let (tensor, key) = ("a".into(), "dtype".into());
        assert_eq!(refused(twice), ContainerError::DuplicateKey { tensor, key });

        let twice = r#"{"__metadata__": {"activation": "tanh", "activation": "relu"}}"#;
        let key = "activation".into();
        assert_eq!(refused(twice), ContainerError::DuplicateMetadata { key });

        let twice = r#"{"__metadata__": {}, "__metadata__": {}}"#;
        let key = METADATA.into();
        assert_eq!(refused(twice), ContainerError::DuplicateMetadata { key });
    }

    #[test]
    fn an_entry_that_is_no_object_is_named() {
        for entry in ["3", "-1", "0.5", "null", "true", "\"F32\"", "{}"] {
            let error = refused(&format!(r#"{{"a": {entry}}}"#));
            assert!(
                matches!(&error, ContainerError::Entry { tensor, .. } if tensor == "a"),
                "{error}"
            );
        }
    }
}
