//! Tensors to a [`Network`].

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};

use super::name::{Name, Part, name};
use super::{ACTIVATION, RELU};
use crate::io::container::{Container, ContainerError, Tensor};
use crate::{Activation, Affine, Layer, MAX_WIDTH, Network, NetworkError};

/// Reads a network from the bytes of a safetensors file.
///
/// The names and what they mean are in the [module's description](super).
///
/// Guarantee: exact; every number of the file is held without rounding.
///
/// # Errors
///
/// [`SafetensorsError`] names the tensor and what is wrong with it: it is no
/// weight or bias, has another rank or type, lacks its partner, does not fit the
/// layer before, or holds a number that is NaN, infinite or too large.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::io::{Precision, safetensors};
/// use nncert_core::{Affine, Network};
///
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.0, -0.5; 0.25, 2.0], dvector![0.0, -1.0]),
///     Affine::new(dmatrix![1.0, 1.0], dvector![0.25]),
/// ])?;
/// let bytes = safetensors::serialize(&network, Precision::BF16)?;
/// assert_eq!(safetensors::parse(&bytes)?, network);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Network, SafetensorsError> {
    let container = Container::parse(bytes)?;
    if let Some(found) = container.metadata.get(ACTIVATION)
        && !found.eq_ignore_ascii_case(RELU)
    {
        return Err(SafetensorsError::Activation { found: found.chars().take(40).collect() });
    }
    let (prefix, places) = places(&container.tensors)?;
    network(prefix, &places)
}

/// The tensors of one affine layer.
#[derive(Default)]
struct Parts<'a> {
    weight: Option<&'a Tensor<'a>>,
    bias: Option<&'a Tensor<'a>>,
}

/// The common prefix, and the tensors of each place.
fn places<'a>(
    tensors: &'a BTreeMap<String, Tensor<'a>>,
) -> Result<(&'a str, BTreeMap<usize, Parts<'a>>), SafetensorsError> {
    let mut common = None;
    let mut places: BTreeMap<usize, Parts<'a>> = BTreeMap::new();
    for (tensor, value) in tensors {
        let Some(Name { prefix, place, part }) = Name::parse(tensor) else {
            return Err(SafetensorsError::Unknown { tensor: tensor.clone() });
        };
        let expected = *common.get_or_insert(prefix);
        if expected != prefix {
            let (tensor, expected) = (tensor.clone(), expected.to_owned());
            return Err(SafetensorsError::Prefix { tensor, expected });
        }
        let parts = places.entry(place).or_default();
        match part {
            Part::Weight => parts.weight = Some(value),
            Part::Bias => parts.bias = Some(value),
        }
    }
    Ok((common.unwrap_or_default(), places))
}

fn network(prefix: &str, places: &BTreeMap<usize, Parts<'_>>) -> Result<Network, SafetensorsError> {
    let mut layers: Vec<Layer> = Vec::new();
    // The place of each layer: an activation has that of the affine layer after it.
    let mut origins = Vec::new();
    let mut inputs = 0;
    let mut previous = None;
    for (&place, parts) in places {
        let affine = affine(prefix, place, parts)?;
        match previous {
            None => inputs = affine.inputs(),
            Some(previous) if place - previous > 1 => {
                layers.push(Activation::Relu.into());
                origins.push(place);
            }
            Some(_) => {}
        }
        layers.push(affine.into());
        origins.push(place);
        previous = Some(place);
    }
    Network::new(inputs, layers).map_err(|cause| match culprit(&cause) {
        Some((layer, part)) => match origins.get(layer) {
            Some(&place) => SafetensorsError::Tensor { tensor: name(prefix, place, part), cause },
            None => SafetensorsError::Network(cause),
        },
        None => SafetensorsError::Network(cause),
    })
}

fn affine(prefix: &str, place: usize, parts: &Parts<'_>) -> Result<Affine, SafetensorsError> {
    let weight_name = name(prefix, place, Part::Weight);
    let bias_name = name(prefix, place, Part::Bias);
    let (weight, bias) = match (parts.weight, parts.bias) {
        (Some(weight), Some(bias)) => (weight, bias),
        (Some(_), None) => return Err(SafetensorsError::MissingBias { tensor: bias_name }),
        (None, _) => return Err(SafetensorsError::MissingWeight { tensor: weight_name }),
    };
    let [rows, columns] = axes(&weight_name, weight)?;
    let [_] = axes(&bias_name, bias)?;
    let weight = DMatrix::from_row_slice(rows, columns, &numbers(weight_name, weight)?);
    let bias = DVector::from_vec(numbers(bias_name, bias)?);
    Ok(Affine::new(weight, bias))
}

/// The shape of a tensor that should have rank `R`.
///
/// The axes are checked here, before a matrix is made: a tensor without numbers
/// may declare any, and even an empty matrix takes time for each of its columns.
fn axes<const R: usize>(name: &str, tensor: &Tensor<'_>) -> Result<[usize; R], SafetensorsError> {
    let (tensor, shape) = (name.to_owned(), tensor.shape.clone());
    match <[usize; R]>::try_from(shape.as_slice()) {
        Ok(axes) if axes.iter().all(|axis| (1..=MAX_WIDTH).contains(axis)) => Ok(axes),
        Ok(_) => Err(SafetensorsError::Width { tensor, shape }),
        Err(_) => Err(SafetensorsError::Rank { tensor, expected: R, shape }),
    }
}

fn numbers(name: String, tensor: &Tensor<'_>) -> Result<Vec<f64>, SafetensorsError> {
    match tensor.precision() {
        Some(precision) => Ok(precision.decode(tensor.data)),
        None => Err(SafetensorsError::Dtype { tensor: name, dtype: tensor.dtype.to_string() }),
    }
}

/// The layer and the tensor that an error is about.
fn culprit(error: &NetworkError) -> Option<(usize, Part)> {
    match error {
        NetworkError::Shape { layer, .. } | NetworkError::Weight { layer, .. } => {
            Some((*layer, Part::Weight))
        }
        NetworkError::Bias { layer, .. } | NetworkError::BiasValue { layer, .. } => {
            Some((*layer, Part::Bias))
        }
        _ => None,
    }
}

/// Why bytes are not a network in safetensors.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// The bytes are not a safetensors file.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The metadata names another activation than ReLU.
    #[error("metadata: the activation is {found:?}, not relu")]
    Activation {
        /// The activation, shortened.
        found: String,
    },
    /// A tensor is neither the weight nor the bias of a layer.
    #[error("tensor {tensor:?}: the name is neither N.weight nor N.bias")]
    Unknown {
        /// The tensor.
        tensor: String,
    },
    /// A tensor does not have the prefix of the others.
    #[error(
        "tensor {tensor:?}: the name does not begin with the prefix {expected:?} of the others"
    )]
    Prefix {
        /// The tensor.
        tensor: String,
        /// The prefix of the first tensor.
        expected: String,
    },
    /// A weight has no bias beside it.
    #[error("tensor {tensor:?} is missing: a layer without a bias must say so with zeros")]
    MissingBias {
        /// The tensor that is not there.
        tensor: String,
    },
    /// A bias has no weight beside it.
    #[error("tensor {tensor:?} is missing")]
    MissingWeight {
        /// The tensor that is not there.
        tensor: String,
    },
    /// A tensor has the wrong number of axes.
    #[error("tensor {tensor:?}: expected rank {expected}, found shape {shape:?}")]
    Rank {
        /// The tensor.
        tensor: String,
        /// The number of axes that it should have.
        expected: usize,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// An axis of a tensor is zero or above [`MAX_WIDTH`].
    #[error("tensor {tensor:?}: an axis of {shape:?} is outside 1 to {MAX_WIDTH}")]
    Width {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor does not hold floating-point numbers of a known type.
    #[error("tensor {tensor:?}: the type is {dtype}, not F64, F32, F16 or BF16")]
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
    },
    /// A tensor does not fit into the network.
    #[error("tensor {tensor:?}: {cause}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// What the network says about the layer.
        cause: NetworkError,
    },
    /// The layers do not make a network.
    #[error(transparent)]
    Network(NetworkError),
}
