//! Constants of a model.

use half::{bf16, f16};
use rten_onnx::onnx::{DataLocation, DataType, TensorProto};

use super::TensorError;

/// A constant: numbers in a shape, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Floats(Vec<f64>),
    Integers(Vec<i64>),
}

impl Tensor {
    pub(super) fn floats(shape: Vec<usize>, values: Vec<f64>) -> Self {
        Self { shape, values: Values::Floats(values) }
    }

    pub(super) fn integers(shape: Vec<usize>, values: Vec<i64>) -> Self {
        Self { shape, values: Values::Integers(values) }
    }

    /// Guarantee: exact for every type that is read.
    pub(super) fn parse(tensor: &TensorProto) -> Result<Self, TensorError> {
        if tensor.data_location == Some(DataLocation::EXTERNAL) || !tensor.external_data.is_empty()
        {
            return Err(TensorError::External);
        }
        let raw = tensor.raw_data.as_ref().map(|cell| cell.borrow());
        let raw = raw.as_ref().map(|bytes| bytes.as_slice());
        // Narrow types are held in the low bits of 32-bit integers.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let halves = || tensor.int32_data.iter().map(|bits| *bits as u16);
        let values = match tensor.data_type {
            Some(DataType::FLOAT) => Values::Floats(match raw {
                Some(raw) => decode(raw, |bytes| f64::from(f32::from_le_bytes(bytes))),
                None => tensor.float_data.iter().map(|value| f64::from(*value)).collect(),
            }),
            Some(DataType::DOUBLE) => Values::Floats(match raw {
                Some(raw) => decode(raw, f64::from_le_bytes),
                None => tensor.double_data.clone(),
            }),
            Some(DataType::FLOAT16) => Values::Floats(match raw {
                Some(raw) => decode(raw, |bytes| f16::from_le_bytes(bytes).to_f64()),
                None => halves().map(|bits| f16::from_bits(bits).to_f64()).collect(),
            }),
            Some(DataType::BFLOAT16) => Values::Floats(match raw {
                Some(raw) => decode(raw, |bytes| bf16::from_le_bytes(bytes).to_f64()),
                None => halves().map(|bits| bf16::from_bits(bits).to_f64()).collect(),
            }),
            Some(DataType::INT64) => Values::Integers(match raw {
                Some(raw) => decode(raw, i64::from_le_bytes),
                None => tensor.int64_data.clone(),
            }),
            Some(DataType::INT32) => Values::Integers(match raw {
                Some(raw) => decode(raw, |bytes| i64::from(i32::from_le_bytes(bytes))),
                None => tensor.int32_data.iter().map(|value| i64::from(*value)).collect(),
            }),
            dtype => {
                let dtype = dtype.map_or_else(|| "UNDEFINED".to_owned(), |dtype| dtype.to_string());
                return Err(TensorError::Dtype { dtype });
            }
        };
        let axis = |axis: &i64| usize::try_from(*axis).unwrap_or(usize::MAX);
        let shape: Vec<usize> = tensor.dims.iter().map(axis).collect();
        let expected = shape.iter().fold(1usize, |product, axis| product.saturating_mul(*axis));
        let found = values.len();
        if expected != found {
            return Err(TensorError::Length { expected, found, shape: tensor.dims.clone() });
        }
        Ok(Self { shape, values })
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Integers(values) => values.len(),
        }
    }
}

/// Bytes left over make the length wrong, or are too few for a number.
fn decode<T, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|chunk| number(*chunk)).collect()
}
