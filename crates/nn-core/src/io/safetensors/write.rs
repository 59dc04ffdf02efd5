//! A [`Network`] to tensors.

use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::name::{Part, name};
use super::{ACTIVATION, RELU};
use crate::io::Precision;
use crate::{Layer, LayerKind, Network};

/// The bytes of a safetensors file with this network.
///
/// Layers are named by their place in [`Network::layers`], which is their place in
/// PyTorch's `Sequential`; the metadata says `activation: relu` if there is one.
///
/// Guarantee: exact. [`parse`](super::parse) of the result gives an equal
/// network, and equal networks give equal bytes.
///
/// # Errors
///
/// [`SafetensorsWriteError`] for a weight or a bias that is not exactly a number of
/// `precision`, and for an activation that the names cannot show: the first or
/// last layer, or a second in a row.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::io::{Precision, safetensors};
/// use nncert_core::{Affine, Network};
///
/// let network = Network::relu_mlp(vec![Affine::new(dmatrix![0.5, 0.1], dvector![0.0])])?;
/// let error = safetensors::serialize(&network, Precision::F16).unwrap_err();
/// assert_eq!(error.to_string(), r#"tensor "0.weight": entry [0, 1] is 0.1, which F16 cannot hold"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serialize(
    network: &Network,
    precision: Precision,
) -> Result<Vec<u8>, SafetensorsWriteError> {
    check_activations(network.layers())?;
    let mut tensors = Vec::new();
    for (place, layer) in network.layers().iter().enumerate() {
        if let Layer::Affine(affine) = layer {
            let shape = vec![affine.outputs(), affine.inputs()];
            let rows = affine.weight.transpose();
            tensors.push(encode(name("", place, Part::Weight), shape, rows.as_slice(), precision)?);
            let bias = affine.bias.as_slice();
            tensors.push(encode(name("", place, Part::Bias), vec![bias.len()], bias, precision)?);
        }
    }
    let has_relu = network.layers().iter().any(|layer| layer.kind() == LayerKind::Relu);
    let metadata = has_relu.then(|| HashMap::from([(ACTIVATION.to_owned(), RELU.to_owned())]));
    let views = tensors.iter().map(|tensor| {
        let view = TensorView::new(dtype(precision), tensor.shape.clone(), &tensor.bytes)?;
        Ok((tensor.name.as_str(), view))
    });
    views
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .and_then(|views| safetensors::serialize(views, metadata))
        .map_err(|error| SafetensorsWriteError::Container { reason: error.to_string() })
}

/// A tensor ready to be written.
struct Encoded {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// `values` row-major.
fn encode(
    name: String,
    shape: Vec<usize>,
    values: &[f64],
    precision: Precision,
) -> Result<Encoded, SafetensorsWriteError> {
    let mut bytes = Vec::with_capacity(values.len() * precision.bytes());
    for (index, &value) in values.iter().enumerate() {
        if !precision.holds(value) {
            let entry = match shape.as_slice() {
                [_, columns] => vec![index / columns, index % columns],
                _ => vec![index],
            };
            return Err(SafetensorsWriteError::Inexact { tensor: name, entry, value, precision });
        }
        precision.encode(value, &mut bytes);
    }
    Ok(Encoded { name, shape, bytes })
}

fn dtype(precision: Precision) -> Dtype {
    match precision {
        Precision::F64 => Dtype::F64,
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
        Precision::BF16 => Dtype::BF16,
    }
}

/// An activation shows only as the one place left out between two affine layers.
fn check_activations(layers: &[Layer]) -> Result<(), SafetensorsWriteError> {
    let is_affine =
        |index: usize| layers.get(index).is_some_and(|layer| layer.kind() == LayerKind::Affine);
    for (index, layer) in layers.iter().enumerate() {
        let kind = layer.kind();
        let shows = index > 0 && is_affine(index - 1) && is_affine(index + 1);
        if kind != LayerKind::Affine && !(kind == LayerKind::Relu && shows) {
            return Err(SafetensorsWriteError::Layer { layer: index, kind });
        }
    }
    Ok(())
}

/// Why a network cannot be written as safetensors.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsWriteError {
    /// A number is not exactly one of the precision.
    #[error("tensor {tensor:?}: entry {entry:?} is {value}, which {precision} cannot hold")]
    Inexact {
        /// The tensor.
        tensor: String,
        /// The place in it: row and column of a weight, row of a bias.
        entry: Vec<usize>,
        /// The number.
        value: f64,
        /// The precision.
        precision: Precision,
    },
    /// A layer that the names of the tensors cannot show.
    #[error("layer {layer}: {kind} is not between two affine layers")]
    Layer {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
    },
    /// The container cannot be written.
    #[error("{reason}")]
    Container {
        /// What the writer says.
        reason: String,
    },
}
