//! Looking for an input at which a property fails.
//!
//! Heuristic: what is found is replayed exactly, what is not found proves nothing.

use nalgebra::{DMatrix, DVector};
use nncert_bounds::Envelope;
use nncert_core::{Activation, Layer, Network, Region};

use super::certify::replay;
use super::{Outputs, Property, Witness};

/// How many rows are attacked, those with the least bounds first.
const ROWS: usize = 3;

/// Tries the corners at which the bounds are least, and then follows gradients from there.
///
/// `asked` is the network behind whose outputs the inequalities stand.
pub(super) fn search(
    asked: &Network,
    property: &Property,
    envelopes: &[Envelope],
    rounds: usize,
) -> Option<Witness> {
    let region = property.inputs().bounding_box();
    let mut open: Vec<usize> = (0..envelopes.len()).collect();
    open.sort_by(|a, b| envelopes[*a].bounds.lower.total_cmp(&envelopes[*b].bounds.lower));
    for row in open.into_iter().take(ROWS) {
        let mut point = corner(&envelopes[row].lower.coefficients, region);
        let mut score = f64::INFINITY;
        for round in 0..=rounds {
            let values = asked.evaluate(&point).ok()?;
            if fails(property, values.as_slice())
                && let Some(witness) = replay(asked, property, &point)
            {
                return Some(witness);
            }
            let target = worst(property, values.as_slice(), row);
            if round > 0 && values[target] >= score {
                break;
            }
            score = values[target];
            let Some(slopes) = gradient(asked, &point, target) else { break };
            point = corner(slopes.as_slice(), region);
        }
    }
    None
}

/// Whether a property seems to fail, in floats.
fn fails(property: &Property, values: &[f64]) -> bool {
    let pairs = property.outputs().rows().iter().zip(values);
    let mut fails = pairs.map(|(row, value)| row.is_refuted_by(*value));
    match property.outputs() {
        Outputs::All(_) => fails.any(|fails| fails),
        Outputs::Any(_) => fails.all(|fails| fails),
    }
}

/// The row whose value is to fall: where all must fail, the largest.
fn worst(property: &Property, values: &[f64], row: usize) -> usize {
    match property.outputs() {
        Outputs::All(_) => row,
        Outputs::Any(_) => {
            let largest = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            largest.map_or(row, |(index, _)| index)
        }
    }
}

/// The corner at which a form with these coefficients is least.
fn corner(coefficients: &[f64], region: &Region) -> Vec<f64> {
    let ends = region.lower().iter().zip(region.upper());
    let pairs = coefficients.iter().zip(ends);
    pairs.map(|(c, (low, high))| if *c >= 0.0 { *low } else { *high }).collect()
}

/// The gradient of an output; `None` for a network that is no chain of affine layers and ReLU.
fn gradient(network: &Network, x: &[f64], output: usize) -> Option<DVector<f64>> {
    let mut value = DVector::from_column_slice(x);
    let mut active: Vec<Vec<bool>> = Vec::new();
    for layer in network.layers() {
        value = match layer {
            Layer::Affine(affine) => &affine.weight * value + &affine.bias,
            Layer::Activation(Activation::Relu) => {
                active.push(value.iter().map(|x| *x > 0.0).collect());
                value.map(|x| x.max(0.0))
            }
            Layer::Flatten => value,
            _ => return None,
        };
    }
    let mut slopes = DMatrix::zeros(value.len(), 1);
    slopes[(output, 0)] = 1.0;
    for layer in network.layers().iter().rev() {
        match layer {
            Layer::Affine(affine) => slopes = affine.weight.tr_mul(&slopes),
            Layer::Activation(_) => {
                let active = active.pop()?;
                for (slope, active) in slopes.iter_mut().zip(active) {
                    *slope = if active { *slope } else { 0.0 };
                }
            }
            _ => {}
        }
    }
    Some(slopes.column(0).into_owned())
}
