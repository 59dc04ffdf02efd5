//! Compression: smaller networks, and a description of what was done to them.
//!
//! | function | what it keeps | what it changes |
//! |---|---|---|
//! | [`fixed_point`], [`fixed_point_bits`] | shapes | weights and biases, to `⟨±, Q, F⟩` |
//! | [`int8`] | shapes, biases | weights, to 8 bits times a scale |
//! | [`float16`], [`bfloat16`] | shapes | weights and biases, to 16 bits |
//! | [`prune_weights`] | shapes, biases | the smallest weights, to zero |
//! | [`remove_neurons`], [`remove_lowest_norm`] | the weights that stay | widths |
//!
//! The filters of a convolution are weights like those of an affine layer, one row
//! an output channel; where a list has "one entry for each affine layer", it has
//! one for each convolution too, in the order of [`Network::weights`]. A
//! [`Scale`](crate::Scale) stays as it is. Neurons are removed from networks of
//! affine layers and activations alone.
//!
//! Every one is deterministic and *exact about its result*: the weights of
//! [`Compressed::network`] are, as real numbers, what the compressed model would
//! hold, so that a certificate about the network is one about the model.
//! Compressing a second time in the same way changes nothing, except for
//! removing neurons.
//!
//! # Examples
//!
//! ```
//! use nalgebra::{dmatrix, dvector};
//! use nncert_core::{Affine, Network, compress};
//!
//! let network = Network::relu_mlp(vec![
//!     Affine::new(dmatrix![0.3, -0.8; 0.5, 0.1], dvector![0.0, 0.25]),
//!     Affine::new(dmatrix![1.0, -1.0], dvector![0.5]),
//! ])?;
//! let compressed = compress::fixed_point_bits(&network, 4)?;
//! let first = compressed.network.affine_layers().next().expect("two layers");
//! assert_eq!(first.weight, dmatrix![0.25, -0.75; 0.5, 0.125]);
//!
//! let pair = compressed.pair(&network)?;
//! assert_eq!(pair.compressed(), &compressed.network);
//! println!("{}", compressed.summary);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod binary;
mod fixed_point;
mod float16;
mod int8;
mod magnitude;
mod neurons;
mod summary;

pub use fixed_point::{
    FixedPointError, FixedPointFormat, FormatError, LayerFormat, MAX_BITS, MAX_FRACTION,
    fitting_formats, fixed_point, fixed_point_bits,
};
pub use float16::{Float16Error, bfloat16, float16};
pub use int8::{Granularity, Int8Error, int8};
pub use magnitude::{PruneError, Scope, prune_weights};
pub use neurons::{RemoveError, remove_lowest_norm, remove_neurons};
pub use summary::{Encoding, LayerSummary, Method, Summary};

use crate::{Affine, Network, PairError, PairedNetworks};

/// A compressed network, and what was done to get it.
#[derive(Clone, Debug, PartialEq)]
pub struct Compressed {
    /// The compressed network `f'`.
    pub network: Network,
    /// What was done.
    pub summary: Summary,
}

impl Compressed {
    /// The pair of the network that was compressed and this one.
    ///
    /// Guarantee: exact. `f'` is brought back to the widths of `original` with
    /// zeros, which does not change what it computes.
    ///
    /// # Errors
    ///
    /// [`PairError`] when `original` is not of the shape that was compressed.
    pub fn pair(&self, original: &Network) -> Result<PairedNetworks, PairError> {
        let nothing_removed = self.summary.removed.iter().all(Vec::is_empty);
        if nothing_removed && original.first_beyond_chain().is_some() {
            return PairedNetworks::new(original, &self.network);
        }
        PairedNetworks::with_removed(original, &self.network, &self.summary.removed)
    }

    /// The result of a method that keeps all shapes.
    fn in_place(
        original: &Network,
        layers: Vec<(Affine, Encoding)>,
        method: Method,
        weight_bits: Option<u64>,
    ) -> Self {
        let (affine, encodings): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
        let summaries = original.weights().zip(&affine).zip(encodings);
        let summaries = summaries
            .map(|((old, new), encoding)| LayerSummary::of_change(old, new, encoding))
            .collect();
        let summary =
            Summary { method, layers: summaries, removed: no_removal(original), weight_bits };
        let mut affine = affine.into_iter();
        let network = original.map_weights(|_, _| affine.next().expect("a copy of every layer"));
        Self { network: network.expect("the shapes are kept, the numbers are small"), summary }
    }
}

/// An empty list for each layer with weights but the last.
fn no_removal(network: &Network) -> Vec<Vec<usize>> {
    vec![Vec::new(); network.weights().count().saturating_sub(1)]
}

/// `floor(ratio · count)`, computed in `f64`; `None` when `ratio` is not in `[0, 1]`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn share(ratio: f64, count: usize) -> Option<usize> {
    let part = || (ratio * count as f64).floor() as usize;
    (0.0..=1.0).contains(&ratio).then(|| part().min(count))
}
