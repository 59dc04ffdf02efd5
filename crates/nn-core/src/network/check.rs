//! What is checked when a network is built.

use nalgebra::DMatrix;

use super::{MAX_LAYERS, MAX_MAGNITUDE, MAX_NESTING, MAX_PARAMETERS, MAX_WIDTH, NetworkError};
use crate::{Affine, Layer, LayerError, Scale, Shape};

/// The shape before each of the layers, and after the last.
pub(super) fn check(input: Shape, layers: &[Layer]) -> Result<Vec<Shape>, NetworkError> {
    if layers.is_empty() {
        return Err(NetworkError::NoLayers);
    }
    match count(layers, 0)? {
        0..=MAX_LAYERS => {}
        found => return Err(NetworkError::TooManyLayers { found }),
    }
    check_width(&input, None)?;
    let mut parameters = 0;
    let shapes = check_layers(input, layers, &mut parameters)?;
    if parameters > MAX_PARAMETERS {
        return Err(NetworkError::TooManyParameters { found: parameters });
    }
    Ok(shapes)
}

/// The number of layers, blocks and what they hold.
fn count(layers: &[Layer], depth: usize) -> Result<usize, NetworkError> {
    let mut found = layers.len();
    for (layer, inner) in layers.iter().enumerate() {
        if let Layer::Residual(block) = inner {
            if depth == MAX_NESTING {
                return Err(NetworkError::Nesting { layer });
            }
            for (branch, layers) in block.branches() {
                let block = |error| NetworkError::Block { layer, branch, error: Box::new(error) };
                found += count(layers, depth + 1).map_err(block)?;
            }
        }
    }
    Ok(found)
}

fn check_layers(
    input: Shape,
    layers: &[Layer],
    parameters: &mut usize,
) -> Result<Vec<Shape>, NetworkError> {
    let mut shapes = vec![input];
    for (index, layer) in layers.iter().enumerate() {
        let shape = &shapes[index];
        check_numbers(layer, index)?;
        if let Layer::Residual(block) = layer {
            for (branch, layers) in block.branches() {
                check_layers(shape.clone(), layers, parameters).map_err(|error| {
                    NetworkError::Block { layer: index, branch, error: Box::new(error) }
                })?;
            }
        }
        let kind = layer.kind();
        let output = layer.output_shape(shape).map_err(|error| match error {
            LayerError::Inputs { expected, found } => {
                NetworkError::Shape { layer: index, kind, expected, found }
            }
            error => NetworkError::Layer { layer: index, kind, error },
        })?;
        check_width(&output, Some(index))?;
        *parameters = parameters.saturating_add(numbers(layer));
        shapes.push(output);
    }
    Ok(shapes)
}

/// The weights, biases and scales of a layer, without those in a block.
pub(super) fn numbers(layer: &Layer) -> usize {
    match layer {
        Layer::Scale(scale) => scale.factor.len().saturating_add(scale.offset.len()),
        layer => layer.weights().map_or(0, |weights| weights.weight.len() + weights.bias.len()),
    }
}

fn check_width(shape: &Shape, layer: Option<usize>) -> Result<(), NetworkError> {
    match shape.len() {
        1..=MAX_WIDTH => Ok(()),
        found => Err(NetworkError::Width { layer, found }),
    }
}

fn check_numbers(layer: &Layer, index: usize) -> Result<(), NetworkError> {
    if let Some(weights) = layer.weights() {
        return check_affine(weights, index);
    }
    let absurd = match layer {
        Layer::Activation(activation) => activation.absurd(),
        Layer::Scale(Scale { factor, offset }) => absurd(factor)
            .map(|(_, value)| ("factor", value))
            .or_else(|| absurd(offset).map(|(_, value)| ("offset", value))),
        _ => None,
    };
    match absurd {
        None => Ok(()),
        Some((name, value)) => {
            Err(NetworkError::Parameter { layer: index, kind: layer.kind(), name, value })
        }
    }
}

fn check_affine(affine: &Affine, layer: usize) -> Result<(), NetworkError> {
    if affine.bias.len() != affine.outputs() {
        let (expected, found) = (affine.outputs(), affine.bias.len());
        return Err(NetworkError::Bias { layer, expected, found });
    }
    if let Some((row, column, value)) = first_absurd(&affine.weight) {
        return Err(NetworkError::Weight { layer, row, column, value });
    }
    if let Some((row, value)) = absurd(affine.bias.as_slice()) {
        return Err(NetworkError::BiasValue { layer, row, value });
    }
    Ok(())
}

fn first_absurd(weight: &DMatrix<f64>) -> Option<(usize, usize, f64)> {
    let (index, value) = absurd(weight.as_slice())?;
    Some((index % weight.nrows(), index / weight.nrows(), value))
}

fn absurd(values: &[f64]) -> Option<(usize, f64)> {
    let fine = |value: &f64| value.abs() <= MAX_MAGNITUDE; // false for NaN
    let index = values.iter().position(|value| !fine(value))?;
    Some((index, values[index]))
}
