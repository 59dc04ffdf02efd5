//! Pairs: a network and its compressed copy, aligned neuron by neuron.

use nalgebra::{DMatrix, DVector};

use crate::{Affine, Branch, Layer, LayerKind, Network, NetworkError};

/// A network `f` and a compressed copy `f'` with the same layers and widths.
///
/// The only thing that a differential analysis accepts, so that misalignment is
/// an error here and nowhere else. A copy that has lost neurons is brought back
/// to the widths of `f` with zero rows and columns, which does not change what
/// it computes: the weights of the neurons that survive stay the copy's own,
/// whether or not they were fine-tuned.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network, PairedNetworks};
/// let f = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.0; 2.0], dvector![0.0, 0.0]),
///     Affine::new(dmatrix![1.0, 0.5], dvector![0.0]),
/// ])?;
/// // The copy lost hidden neuron 1; what is left was fine-tuned.
/// let copy = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.5], dvector![0.0]),
///     Affine::new(dmatrix![1.25], dvector![0.125]),
/// ])?;
/// let pair = PairedNetworks::with_removed(&f, &copy, &[vec![1]])?;
/// assert_eq!(pair.compressed().evaluate(&[2.0])?, copy.evaluate(&[2.0])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// SimCert, algorithm 1 (zero-padding alignment), with the true `W'` kept.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedNetworks {
    original: Network,
    compressed: Network,
    removed: Vec<Vec<usize>>,
}

impl PairedNetworks {
    /// Pairs two networks with the same layers and widths.
    ///
    /// Layers may differ in their weights, biases, factors and offsets, and in
    /// nothing else: not in strides, slopes or what a selection selects.
    ///
    /// # Errors
    ///
    /// [`PairError`] names the first layer in which they differ.
    pub fn new(original: &Network, compressed: &Network) -> Result<Self, PairError> {
        check_kinds(original, compressed)?;
        let shapes = original.shapes().iter().zip(compressed.shapes());
        for (index, (expected, found)) in shapes.enumerate() {
            if expected != found {
                return Err(PairError::Width {
                    layer: index.checked_sub(1),
                    expected: expected.len(),
                    found: found.len(),
                });
            }
        }
        let hidden = original.weights().count().saturating_sub(1);
        Ok(Self {
            original: original.clone(),
            compressed: compressed.clone(),
            removed: vec![Vec::new(); hidden],
        })
    }

    /// Pairs a network with a copy that has lost neurons.
    ///
    /// `removed[k]` lists the output neurons of the `k`-th affine layer of
    /// `original` that `compressed` lacks, in any order. The last affine layer
    /// keeps all its outputs, so `removed` has one entry less than there are
    /// affine layers.
    ///
    /// # Errors
    ///
    /// [`PairError`] for lists that do not fit the widths of the two networks, and for
    /// layers that are neither affine nor activations.
    pub fn with_removed(
        original: &Network,
        compressed: &Network,
        removed: &[Vec<usize>],
    ) -> Result<Self, PairError> {
        check_kinds(original, compressed)?;
        if let Some((layer, kind)) = original.first_beyond_chain() {
            return Err(PairError::Unsupported { layer, kind });
        }
        let hidden = original.affine_layers().count().saturating_sub(1);
        if removed.len() != hidden {
            return Err(PairError::RemovedLists { expected: hidden, found: removed.len() });
        }
        let mut inputs: Vec<usize> = (0..original.inputs()).collect();
        let mut padded = Vec::with_capacity(hidden + 1);
        for (index, (full, small)) in
            original.affine_layers().zip(compressed.affine_layers()).enumerate()
        {
            let removed = removed.get(index).map_or(&[][..], Vec::as_slice);
            let outputs = kept(full.outputs(), removed, index)?;
            check_width(index, outputs.len(), small.outputs())?;
            check_width(index, inputs.len(), small.inputs())?;
            padded.push(pad(full, small, &outputs, &inputs));
            inputs = outputs;
        }
        let padded = compressed_with(original, padded)?;
        let mut removed = removed.to_vec();
        removed.iter_mut().for_each(|list| list.sort_unstable());
        Ok(Self { original: original.clone(), compressed: padded, removed })
    }

    /// `f`.
    #[must_use]
    pub fn original(&self) -> &Network {
        &self.original
    }

    /// `f'`, with the widths of `f`.
    #[must_use]
    pub fn compressed(&self) -> &Network {
        &self.compressed
    }

    /// The neurons that `f'` lacks: one ascending list for each affine layer but the last.
    #[must_use]
    pub fn removed(&self) -> &[Vec<usize>] {
        &self.removed
    }

    /// The layers of both, side by side; their kinds and shapes agree.
    pub fn layers(&self) -> impl Iterator<Item = (&Layer, &Layer)> {
        self.original.layers().iter().zip(self.compressed.layers())
    }

    /// The number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.original.inputs()
    }

    /// The number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.original.outputs()
    }
}

fn check_kinds(original: &Network, compressed: &Network) -> Result<(), PairError> {
    if original.inputs() != compressed.inputs() {
        let (expected, found) = (original.inputs(), compressed.inputs());
        check_depth(original.layers(), compressed.layers())?;
        return Err(PairError::Width { layer: None, expected, found });
    }
    check_layers(original.layers(), compressed.layers())
}

fn check_depth(original: &[Layer], compressed: &[Layer]) -> Result<(), PairError> {
    let (expected, found) = (original.len(), compressed.len());
    if expected == found { Ok(()) } else { Err(PairError::Depth { expected, found }) }
}

fn check_layers(original: &[Layer], compressed: &[Layer]) -> Result<(), PairError> {
    check_depth(original, compressed)?;
    for (layer, (a, b)) in original.iter().zip(compressed).enumerate() {
        if a.kind() != b.kind() {
            return Err(PairError::Kind { layer, expected: a.kind(), found: b.kind() });
        }
        if !a.is_alike(b) {
            return Err(PairError::Parameters { layer, kind: a.kind() });
        }
        if let (Layer::Residual(a), Layer::Residual(b)) = (a, b) {
            for ((branch, a), (_, b)) in a.branches().into_iter().zip(b.branches()) {
                check_layers(a, b)
                    .and_then(|()| check_widths(a, b))
                    .map_err(|error| PairError::Block { layer, branch, error: Box::new(error) })?;
            }
        }
    }
    Ok(())
}

/// In a block, where the shapes of the network do not show them.
fn check_widths(original: &[Layer], compressed: &[Layer]) -> Result<(), PairError> {
    for (layer, (a, b)) in original.iter().zip(compressed).enumerate() {
        let outputs = |layer: &Layer| layer.weights().map(Affine::outputs);
        if let (Some(expected), Some(found)) = (outputs(a), outputs(b))
            && expected != found
        {
            return Err(PairError::Width { layer: Some(layer), expected, found });
        }
    }
    Ok(())
}

fn check_width(affine: usize, expected: usize, found: usize) -> Result<(), PairError> {
    if expected == found { Ok(()) } else { Err(PairError::Removed { affine, expected, found }) }
}

/// The neurons of `0..width` that are not removed, ascending.
fn kept(width: usize, removed: &[usize], affine: usize) -> Result<Vec<usize>, PairError> {
    let mut gone = vec![false; width];
    for &neuron in removed {
        match gone.get_mut(neuron) {
            Some(entry) if !*entry => *entry = true,
            Some(_) => return Err(PairError::RemovedTwice { affine, neuron }),
            None => return Err(PairError::NoSuchNeuron { affine, neuron, width }),
        }
    }
    Ok((0..width).filter(|&neuron| !gone[neuron]).collect())
}

fn pad(full: &Affine, small: &Affine, outputs: &[usize], inputs: &[usize]) -> Affine {
    let mut weight = DMatrix::zeros(full.outputs(), full.inputs());
    let mut bias = DVector::zeros(full.outputs());
    for (column, &to_column) in inputs.iter().enumerate() {
        for (row, &to_row) in outputs.iter().enumerate() {
            weight[(to_row, to_column)] = small.weight[(row, column)];
        }
    }
    for (row, &to_row) in outputs.iter().enumerate() {
        bias[to_row] = small.bias[row];
    }
    Affine::new(weight, bias)
}

fn compressed_with(original: &Network, padded: Vec<Affine>) -> Result<Network, NetworkError> {
    let mut padded = padded.into_iter();
    original.map_affine(|_, _| padded.next().expect("one padded layer for each affine layer"))
}

/// Why two networks do not make a pair.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// The networks have different numbers of layers.
    #[error("expected {expected} layers, found {found}")]
    Depth {
        /// Layers of the original.
        expected: usize,
        /// Layers of the copy.
        found: usize,
    },
    /// A layer is of another kind.
    #[error("layer {layer}: expected {expected}, found {found}")]
    Kind {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind in the original.
        expected: LayerKind,
        /// Its kind in the copy.
        found: LayerKind,
    },
    /// Two layers of one kind differ in what is not a weight.
    #[error("layer {layer} ({kind}): the two layers differ in more than weights")]
    Parameters {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
    },
    /// Layers of a block differ.
    #[error("layer {layer}, {branch} {error}")]
    Block {
        /// The block, counted from 0.
        layer: usize,
        /// The branch of the block.
        branch: Branch,
        /// How they differ; layers are counted from 0 in the branch.
        error: Box<PairError>,
    },
    /// Neurons cannot be removed beside a layer of this kind.
    #[error(
        "layer {layer} ({kind}): neurons are removed between affine layers and activations only"
    )]
    Unsupported {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
    },
    /// A width differs; name the removed neurons if the copy was pruned.
    #[error("{}: expected a width of {expected}, found {found}",
            .layer.map_or_else(|| "input".to_owned(), |index| format!("layer {index}")))]
    Width {
        /// The layer whose output differs, or `None` for the input.
        layer: Option<usize>,
        /// The width in the original.
        expected: usize,
        /// The width in the copy.
        found: usize,
    },
    /// There must be one list of removed neurons for each affine layer but the last.
    #[error("expected {expected} lists of removed neurons, found {found}")]
    RemovedLists {
        /// Affine layers but the last.
        expected: usize,
        /// Lists given.
        found: usize,
    },
    /// The lists leave another width than the copy has.
    #[error(
        "affine layer {affine}: {expected} neurons are left by the lists, {found} are in the copy"
    )]
    Removed {
        /// The affine layer, counted from 0 among affine layers.
        affine: usize,
        /// The width that the lists leave.
        expected: usize,
        /// The width of the copy.
        found: usize,
    },
    /// A neuron is listed twice.
    #[error("affine layer {affine}: neuron {neuron} is removed twice")]
    RemovedTwice {
        /// The affine layer, counted from 0 among affine layers.
        affine: usize,
        /// The neuron.
        neuron: usize,
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
    /// The padded copy is not a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{dmatrix, dvector};

    fn two_layers(hidden: usize) -> Network {
        Network::relu_mlp(vec![
            Affine::new(DMatrix::from_fn(hidden, 2, |i, j| (i + j) as f64), DVector::zeros(hidden)),
            Affine::new(DMatrix::from_element(1, hidden, 1.0), dvector![0.5]),
        ])
        .unwrap()
    }

    #[test]
    fn misaligned_pairs_are_named() {
        let wide = two_layers(3);
        let message = |result: Result<_, PairError>| result.unwrap_err().to_string();
        assert_eq!(
            message(PairedNetworks::new(&wide, &two_layers(2))),
            "layer 0: expected a width of 3, found 2"
        );
        let flat = Network::relu_mlp(vec![Affine::new(dmatrix![1.0, 1.0], dvector![0.0])]).unwrap();
        assert_eq!(message(PairedNetworks::new(&wide, &flat)), "expected 3 layers, found 1");
        let remove = |lists: &[Vec<usize>]| {
            message(PairedNetworks::with_removed(&wide, &two_layers(2), lists))
        };
        assert_eq!(remove(&[]), "expected 1 lists of removed neurons, found 0");
        assert_eq!(remove(&[vec![7]]), "affine layer 0: there is no neuron 7 among 3");
        assert_eq!(remove(&[vec![1, 1]]), "affine layer 0: neuron 1 is removed twice");
        assert_eq!(
            remove(&[vec![0, 1]]),
            "affine layer 0: 1 neurons are left by the lists, 2 are in the copy"
        );
    }
}
