//! Magnitude pruning: the smallest weights become zero.

use core::cmp::Ordering;
use core::fmt;

use super::{Compressed, Encoding, Method, share};
use crate::{Affine, Network};

/// What a share of weights is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Scope {
    /// Of each affine layer and convolution, one by one.
    Layer,
    /// Of all of them together.
    Network,
}

/// Zeroes the `⌊ratio · n⌋` weights of the smallest absolute value.
///
/// `n` is the number of weights in the scope; the product is taken in `f64`.
/// Among equal absolute values the first goes first: by layer, then row, then
/// column. Weights that are zero already count. Biases stay.
///
/// Guarantee: exact.
///
/// # Errors
///
/// [`PruneError::Ratio`] for a ratio that is not in `[0, 1]`.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network};
/// use nncert_core::compress::{Scope, prune_weights};
///
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![4.0, -3.0], dvector![0.5]),
///     Affine::new(dmatrix![2.0; -1.0], dvector![0.0, 0.0]),
/// ])?;
/// let weights = |scope| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
///     let pruned = prune_weights(&network, 0.5, scope)?.network;
///     Ok(pruned.affine_layers().flat_map(|layer| layer.weight.iter().copied()).collect())
/// };
/// assert_eq!(weights(Scope::Layer)?, [4.0, 0.0, 2.0, 0.0]);
/// assert_eq!(weights(Scope::Network)?, [4.0, -3.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn prune_weights(
    network: &Network,
    ratio: f64,
    scope: Scope,
) -> Result<Compressed, PruneError> {
    let mut layers: Vec<Affine> = network.weights().cloned().collect();
    match scope {
        Scope::Layer => {
            // A network without affine layers must not hide a bad ratio.
            share(ratio, 0).ok_or(PruneError::Ratio { ratio })?;
            for layer in &mut layers {
                prune(core::slice::from_mut(layer), ratio)?;
            }
        }
        Scope::Network => prune(&mut layers, ratio)?,
    }
    let layers = layers.into_iter().map(|layer| (layer, Encoding::Unchanged)).collect();
    Ok(Compressed::in_place(network, layers, Method::PruneWeights { ratio, scope }, None))
}

/// The absolute value of a weight and where it is.
struct Entry {
    size: f64,
    layer: usize,
    row: usize,
    column: usize,
}

impl Entry {
    fn order(&self, other: &Self) -> Ordering {
        let place = |entry: &Self| (entry.layer, entry.row, entry.column);
        self.size.total_cmp(&other.size).then_with(|| place(self).cmp(&place(other)))
    }
}

fn prune(layers: &mut [Affine], ratio: f64) -> Result<(), PruneError> {
    let mut entries = Vec::new();
    for (layer, affine) in layers.iter().enumerate() {
        for (position, weight) in affine.weight.iter().enumerate() {
            // Storage is by columns.
            let (row, column) = (position % affine.outputs(), position / affine.outputs());
            entries.push(Entry { size: weight.abs(), layer, row, column });
        }
    }
    let count = share(ratio, entries.len()).ok_or(PruneError::Ratio { ratio })?;
    if count < entries.len() {
        entries.select_nth_unstable_by(count, Entry::order);
    }
    for entry in &entries[..count] {
        layers[entry.layer].weight[(entry.row, entry.column)] = 0.0;
    }
    Ok(())
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layer => "each layer",
            Self::Network => "the network",
        })
    }
}

/// Why weights cannot be pruned.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The ratio is NaN or outside `[0, 1]`.
    #[error("a ratio of {ratio} is not a number from 0 to 1")]
    Ratio {
        /// The ratio.
        ratio: f64,
    },
}
