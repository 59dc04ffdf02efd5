//! Structured pruning: whole neurons are removed.

use super::{Compressed, LayerSummary, Method, Summary, no_removal, share};
use crate::{Affine, LayerKind, Network, NetworkError};

/// Removes neurons, with their incoming and outgoing weights.
///
/// `removed[k]` lists output neurons of the `k`-th affine layer, in any order;
/// there is one list for each affine layer but the last. What stays keeps its
/// weights and its order. [`Compressed::pair`] knows which neurons are gone.
///
/// Guarantee: exact. The result computes what the network does when the removed
/// neurons have zero outgoing weights.
///
/// # Errors
///
/// [`RemoveError`] for lists that do not fit the network or leave a layer empty, and
/// for a network with layers that are neither affine nor activations.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network, compress::remove_neurons};
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.0; 2.0; 3.0], dvector![0.0, 0.5, 0.0]),
///     Affine::new(dmatrix![1.0, 10.0, 100.0], dvector![0.25]),
/// ])?;
/// let compressed = remove_neurons(&network, &[vec![2, 0]])?;
/// assert_eq!(compressed.network.to_string(), "1-1-1");
/// assert_eq!(compressed.network.evaluate(&[1.0])?.as_slice(), [25.25]);
/// assert_eq!(compressed.summary.removed, [[0, 2]]);
/// assert_eq!(compressed.pair(&network)?.compressed().evaluate(&[1.0])?.as_slice(), [25.25]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn remove_neurons(
    network: &Network,
    removed: &[Vec<usize>],
) -> Result<Compressed, RemoveError> {
    remove(network, removed, Method::RemoveNeurons)
}

/// Removes from each hidden layer the `⌊ratio · width⌋` neurons whose incoming
/// weights have the lowest Euclidean norm.
///
/// ```text
/// norm_i = √(Σ_j W_ij²)
/// ```
///
/// The product is taken in `f64`; at least one neuron of each layer stays. Norms
/// are those of the whole network, before anything is removed; among equal norms
/// the first neuron goes first. Biases do not count.
///
/// Guarantee: exact about the result; the choice is a heuristic.
///
/// # Errors
///
/// [`RemoveError::Ratio`] for a ratio that is not in `[0, 1]`, and
/// [`RemoveError::Unsupported`] as in [`remove_neurons`].
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network, compress::remove_lowest_norm};
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![3.0, 4.0; 0.0, -1.0; 2.0, 0.0], dvector![0.0, 9.0, 0.0]),
///     Affine::new(dmatrix![1.0, 1.0, 1.0], dvector![0.0]),
/// ])?;
/// assert_eq!(remove_lowest_norm(&network, 0.4)?.summary.removed, [[1]]);
/// assert_eq!(remove_lowest_norm(&network, 1.0)?.summary.removed, [[1, 2]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn remove_lowest_norm(network: &Network, ratio: f64) -> Result<Compressed, RemoveError> {
    // A network without hidden layers must not hide a bad ratio.
    share(ratio, 0).ok_or(RemoveError::Ratio { ratio })?;
    check_layers(network)?;
    let mut removed = no_removal(network);
    for (list, layer) in removed.iter_mut().zip(network.affine_layers()) {
        let count = share(ratio, layer.outputs()).ok_or(RemoveError::Ratio { ratio })?;
        let norms: Vec<f64> =
            layer.weight.row_iter().map(|row| norm(row.iter().copied())).collect();
        *list = lowest(&norms);
        list.truncate(count.min(layer.outputs() - 1));
    }
    remove(network, &removed, Method::RemoveLowestNorm { ratio })
}

/// The indices of `norms`, lowest first.
fn lowest(norms: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..norms.len()).collect();
    order.sort_by(|&a, &b| norms[a].total_cmp(&norms[b]));
    order
}

/// The Euclidean norm; scaled, so that small weights do not vanish when squared.
fn norm(weights: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = weights.clone().fold(0.0, |largest, weight| weight.abs().max(largest));
    if largest == 0.0 {
        return 0.0;
    }
    largest * weights.map(|weight| (weight / largest) * (weight / largest)).sum::<f64>().sqrt()
}

fn remove(
    network: &Network,
    removed: &[Vec<usize>],
    method: Method,
) -> Result<Compressed, RemoveError> {
    check_layers(network)?;
    let expected = network.affine_layers().count().saturating_sub(1);
    if removed.len() != expected {
        return Err(RemoveError::Lists { expected, found: removed.len() });
    }
    let mut removed = removed.to_vec();
    for (affine, (list, layer)) in removed.iter_mut().zip(network.affine_layers()).enumerate() {
        list.sort_unstable();
        check_list(affine, list, layer.outputs())?;
    }
    let mut gone: &[usize] = &[];
    let smaller = network.map_affine(|index, layer| {
        let weight = layer.weight.clone().remove_columns_at(gone);
        gone = removed.get(index).map_or(&[], Vec::as_slice);
        Affine::new(weight.remove_rows_at(gone), layer.bias.clone().remove_rows_at(gone))
    })?;
    let layers = smaller.affine_layers().map(LayerSummary::of_survivors).collect();
    let summary = Summary { method, layers, removed, weight_bits: None };
    Ok(Compressed { network: smaller, summary })
}

fn check_layers(network: &Network) -> Result<(), RemoveError> {
    match network.first_beyond_chain() {
        None => Ok(()),
        Some((layer, kind)) => Err(RemoveError::Unsupported { layer, kind }),
    }
}

/// Checks an ascending list.
fn check_list(affine: usize, list: &[usize], width: usize) -> Result<(), RemoveError> {
    if let Some(&neuron) = list.last().filter(|neuron| **neuron >= width) {
        return Err(RemoveError::NoSuchNeuron { affine, neuron, width });
    }
    if let Some(pair) = list.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(RemoveError::RemovedTwice { affine, neuron: pair[0] });
    }
    if list.len() == width {
        return Err(RemoveError::NothingLeft { affine, width });
    }
    Ok(())
}

/// Why neurons cannot be removed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The ratio is NaN or outside `[0, 1]`.
    #[error("a ratio of {ratio} is not a number from 0 to 1")]
    Ratio {
        /// The ratio.
        ratio: f64,
    },
    /// There must be one list for each affine layer but the last.
    #[error("expected {expected} lists of removed neurons, found {found}")]
    Lists {
        /// Affine layers but the last.
        expected: usize,
        /// Lists given.
        found: usize,
    },
    /// A neuron beyond the last.
    #[error("affine layer {affine}: there is no neuron {neuron} among {width}")]
    NoSuchNeuron {
        /// The affine layer, counted from 0 among affine layers.
        affine: usize,
        /// The neuron.
        neuron: usize,
        /// The width of the layer.
        width: usize,
    },
    /// A neuron is listed twice.
    #[error("affine layer {affine}: neuron {neuron} is removed twice")]
    RemovedTwice {
        /// The affine layer, counted from 0 among affine layers.
        affine: usize,
        /// The neuron.
        neuron: usize,
    },
    /// The list holds all neurons of a layer.
    #[error("affine layer {affine}: all {width} neurons are removed")]
    NothingLeft {
        /// The affine layer, counted from 0 among affine layers.
        affine: usize,
        /// The width of the layer.
        width: usize,
    },
    /// A layer of a kind whose neurons cannot be removed.
    #[error(
        "layer {layer} ({kind}): neurons are removed between affine layers and activations only"
    )]
    Unsupported {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
    },
    /// What is left is not a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}
