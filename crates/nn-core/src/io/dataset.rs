//! Labelled images from safetensors files.

use std::path::Path;

use nalgebra::DMatrix;
use safetensors::Dtype;

use super::container::{Container, ContainerError, Tensor};
use super::{ReadError, file};
use crate::Shape;

/// The most numbers that the images of a dataset may have together (2²⁸).
pub const MAX_DATASET_VALUES: usize = 1 << 28;

/// Images and their labels.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Dataset {
    /// One image a column: `inputs × count`, ready for an [`Evaluator`](crate::Evaluator).
    pub images: DMatrix<f64>,
    /// The label of each image.
    pub labels: Vec<usize>,
    /// The shape of one image; each column holds it flat, row-major.
    pub shape: Shape,
}

impl Dataset {
    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images and their labels, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[f64], usize)> {
        let inputs = self.images.nrows().max(1);
        self.images.as_slice().chunks_exact(inputs).zip(self.labels.iter().copied())
    }
}

/// Reads labelled images from a safetensors file.
///
/// # Errors
///
/// [`ReadError`] for a file that cannot be read, has more than
/// [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES), or does not [`parse_dataset`].
pub fn read_dataset(path: impl AsRef<Path>) -> Result<Dataset, ReadError> {
    file::read_with(path.as_ref(), parse_dataset)
}

/// Reads labelled images from the bytes of a safetensors file.
///
/// ```text
/// images [count, ...]   F64, F32, F16 or BF16: as they are; U8: divided by 255
/// labels [count]        I64, I32 or U8, not negative
/// ```
///
/// Guarantee: exact, but for the division by 255, which is rounded to the
/// nearest `f64`.
///
/// # Errors
///
/// [`DatasetError`] names the tensor and what is wrong with it. Any other tensor is
/// an error too, and so is a dataset without images.
pub fn parse_dataset(bytes: &[u8]) -> Result<Dataset, DatasetError> {
    let mut tensors = Container::parse(bytes)?.tensors;
    let mut take = |tensor| tensors.remove(tensor).ok_or(DatasetError::Missing { tensor });
    let (images, labels) = (take(IMAGES)?, take(LABELS)?);
    if let Some((tensor, _)) = tensors.pop_first() {
        return Err(DatasetError::Unknown { tensor });
    }
    let (count, shape) = match images.shape.as_slice() {
        [count, axes @ ..] if !axes.is_empty() => (*count, Shape::new(axes)),
        _ => return Err(DatasetError::Rank { tensor: IMAGES, shape: images.shape }),
    };
    if labels.shape != [count] {
        return Err(DatasetError::Labels { images: count, shape: labels.shape });
    }
    match count.saturating_mul(shape.len()) {
        1..=MAX_DATASET_VALUES => {}
        found => return Err(DatasetError::Values { found }),
    }
    let images = DMatrix::from_vec(shape.len(), count, pixels(&images)?);
    Ok(Dataset { images, labels: indices(&labels)?, shape })
}

const IMAGES: &str = "images";
const LABELS: &str = "labels";

fn pixels(tensor: &Tensor<'_>) -> Result<Vec<f64>, DatasetError> {
    let values = match (tensor.dtype, tensor.precision()) {
        (Dtype::U8, _) => tensor.data.iter().map(|pixel| f64::from(*pixel) / 255.0).collect(),
        (_, Some(precision)) => precision.decode(tensor.data),
        (dtype, None) => return Err(unreadable(IMAGES, dtype)),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(DatasetError::NotFinite { index, value: values[index] }),
        None => Ok(values),
    }
}

fn indices(tensor: &Tensor<'_>) -> Result<Vec<usize>, DatasetError> {
    let labels: Vec<i64> = match tensor.dtype {
        Dtype::U8 => tensor.data.iter().map(|label| i64::from(*label)).collect(),
        Dtype::I32 => integers(tensor.data, |bytes| i64::from(i32::from_le_bytes(bytes))),
        Dtype::I64 => integers(tensor.data, i64::from_le_bytes),
        dtype => return Err(unreadable(LABELS, dtype)),
    };
    let index = |(index, label): (usize, i64)| {
        usize::try_from(label).map_err(|_| DatasetError::Label { index, label })
    };
    labels.into_iter().enumerate().map(index).collect()
}

fn integers<const N: usize>(bytes: &[u8], integer: impl Fn([u8; N]) -> i64) -> Vec<i64> {
    bytes.as_chunks().0.iter().map(|chunk| integer(*chunk)).collect()
}

fn unreadable(tensor: &'static str, dtype: Dtype) -> DatasetError {
    DatasetError::Dtype { tensor, dtype: dtype.to_string() }
}

/// Why bytes are not a dataset in safetensors.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The bytes are not a safetensors file.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A tensor is not there.
    #[error("tensor {tensor:?} is missing")]
    Missing {
        /// The tensor.
        tensor: &'static str,
    },
    /// A tensor is neither the images nor the labels.
    #[error("tensor {tensor:?}: the name is neither \"images\" nor \"labels\"")]
    Unknown {
        /// The tensor.
        tensor: String,
    },
    /// The images have no axis beside their number.
    #[error("tensor {tensor:?}: expected rank 2 or more, found shape {shape:?}")]
    Rank {
        /// The tensor.
        tensor: &'static str,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// There is not one label for each image.
    #[error("tensor \"labels\": expected shape [{images}], found {shape:?}")]
    Labels {
        /// The number of images.
        images: usize,
        /// The shape of the labels.
        shape: Vec<usize>,
    },
    /// There are no images, empty ones, or more than [`MAX_DATASET_VALUES`].
    #[error("tensor \"images\": {found} values are outside 1 to {MAX_DATASET_VALUES}")]
    Values {
        /// The number of values in all images.
        found: usize,
    },
    /// A tensor holds no type that is read.
    #[error("tensor {tensor:?}: the type {dtype} is not read")]
    Dtype {
        /// The tensor.
        tensor: &'static str,
        /// Its type.
        dtype: String,
    },
    /// A value of an image is NaN or infinite.
    #[error("tensor \"images\": value {index} is {value}")]
    NotFinite {
        /// Its place among all values, row-major.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A label is negative, or no index on this machine.
    #[error("tensor \"labels\": label {index} is {label}, which is no class")]
    Label {
        /// The image.
        index: usize,
        /// The label.
        label: i64,
    },
}
