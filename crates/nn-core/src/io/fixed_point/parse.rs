//! Tensors and a description to a [`FixedPointNetwork`].

use std::collections::BTreeMap;

use safetensors::Dtype;

use super::FixedPointFileError;
use super::description::{Description, LayerDescription};
use crate::fixed_point::{FixedPointLayer, FixedPointNetwork, FixedPointNetworkError, Formats};
use crate::io::container::{Container, Tensor};
use crate::{MAX_LAYERS, MAX_WIDTH};

/// Reads a network from the bytes of a safetensors file and of its description.
///
/// What both hold is in the [module's description](super).
///
/// Guarantee: exact.
///
/// # Errors
///
/// [`FixedPointFileError`] names the key or the tensor, and what is wrong with it or
/// that it is missing.
///
/// # Examples
///
/// ```
/// use nncert_core::io::fixed_point;
///
/// let description = r#"{"format": "nncert fixed-point network 1", "layers": []}"#;
/// let error = fixed_point::parse(&[], description.as_bytes()).unwrap_err();
/// assert_eq!(error.to_string(), r#"description: "input" is missing"#);
/// ```
pub fn parse(tensors: &[u8], description: &[u8]) -> Result<FixedPointNetwork, FixedPointFileError> {
    network(tensors, &Description::parse(description)?)
}

pub(super) fn network(
    bytes: &[u8],
    description: &Description,
) -> Result<FixedPointNetwork, FixedPointFileError> {
    let mut tensors = Container::parse(bytes)?.tensors;
    let count = description.layers.len();
    if count > MAX_LAYERS {
        return Err(FixedPointNetworkError::TooManyLayers { found: count }.into());
    }
    let mut format = description.input.format();
    let mut layers = Vec::with_capacity(count);
    for (index, described) in description.layers.iter().enumerate() {
        let integers = Integers::take(&mut tensors, index, description.widths.as_deref())?;
        let Integers { inputs, weights, bias } = integers;
        let layer = match described {
            LayerDescription::Formats { formats, clamp } => {
                let Some(input) = format else {
                    return Err(FixedPointFileError::MissingFormat { layer: index });
                };
                format = Some(formats.output);
                let formats = Formats { input, layer: *formats };
                FixedPointLayer::from_formatted_rows(inputs, weights, bias, formats, *clamp)
            }
            LayerDescription::Requantization(steps) => {
                format = None;
                FixedPointLayer::from_rows(inputs, weights, bias, steps.clone())
            }
        };
        layers.push(layer.map_err(|error| FixedPointFileError::Layer { layer: index, error })?);
    }
    if let Some((tensor, _)) = tensors.pop_first() {
        return Err(FixedPointFileError::UnknownTensor { tensor });
    }
    Ok(FixedPointNetwork::new(description.input, layers)?)
}

/// The tensors of a layer.
struct Integers {
    inputs: usize,
    /// Row by row.
    weights: Vec<i64>,
    bias: Vec<i64>,
}

impl Integers {
    fn take(
        tensors: &mut BTreeMap<String, Tensor<'_>>,
        layer: usize,
        widths: Option<&[usize]>,
    ) -> Result<Self, FixedPointFileError> {
        let mut take = |part| {
            let tensor = format!("{layer}.{part}");
            match tensors.remove(&tensor) {
                Some(value) => Ok((tensor, value)),
                None => Err(FixedPointFileError::MissingTensor { tensor }),
            }
        };
        let ((weight_name, weight), (bias_name, bias)) = (take("weight")?, take("bias")?);
        let [outputs, inputs] = axes(&weight_name, &weight)?;
        let [_] = axes(&bias_name, &bias)?;
        if let Some([before, after]) = widths.and_then(|widths| widths.get(layer..layer + 2)) {
            check_shape(&weight_name, &weight, &[*after, *before])?;
        }
        check_shape(&bias_name, &bias, &[outputs])?;
        let weights = integers(weight_name, &weight)?;
        Ok(Self { inputs, weights, bias: integers(bias_name, &bias)? })
    }
}

/// The shape of a tensor that should have rank `R`; checked before anything is allocated.
fn axes<const R: usize>(
    name: &str,
    tensor: &Tensor<'_>,
) -> Result<[usize; R], FixedPointFileError> {
    let (tensor, shape) = (name.to_owned(), tensor.shape.clone());
    match <[usize; R]>::try_from(shape.as_slice()) {
        Ok(axes) if axes.iter().all(|axis| (1..=MAX_WIDTH).contains(axis)) => Ok(axes),
        Ok(_) => Err(FixedPointFileError::Width { tensor, shape }),
        Err(_) => Err(FixedPointFileError::Rank { tensor, expected: R, shape }),
    }
}

fn check_shape(
    name: &str,
    tensor: &Tensor<'_>,
    expected: &[usize],
) -> Result<(), FixedPointFileError> {
    if tensor.shape == expected {
        return Ok(());
    }
    let (expected, found) = (expected.to_vec(), tensor.shape.clone());
    Err(FixedPointFileError::Shape { tensor: name.to_owned(), expected, found })
}

fn integers(name: String, tensor: &Tensor<'_>) -> Result<Vec<i64>, FixedPointFileError> {
    fn decode<const N: usize>(bytes: &[u8], integer: impl Fn([u8; N]) -> i64) -> Vec<i64> {
        bytes.as_chunks().0.iter().map(|chunk| integer(*chunk)).collect()
    }
    let data = tensor.data;
    Ok(match tensor.dtype {
        Dtype::I64 => decode(data, i64::from_le_bytes),
        Dtype::I32 => decode(data, |bytes| i32::from_le_bytes(bytes).into()),
        Dtype::I16 => decode(data, |bytes| i16::from_le_bytes(bytes).into()),
        Dtype::I8 => decode(data, |bytes| i8::from_le_bytes(bytes).into()),
        Dtype::U32 => decode(data, |bytes| u32::from_le_bytes(bytes).into()),
        Dtype::U16 => decode(data, |bytes| u16::from_le_bytes(bytes).into()),
        Dtype::U8 => decode(data, |bytes| u8::from_le_bytes(bytes).into()),
        dtype => {
            return Err(FixedPointFileError::Dtype { tensor: name, dtype: dtype.to_string() });
        }
    })
}
