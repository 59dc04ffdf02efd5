//! Why a pass gives no bounds.

use nncert_core::{LayerKind, Region};

/// Why a pass gives no bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoundsError {
    /// The region has another number of coordinates than the network has inputs.
    #[error("expected a region in {expected} dimensions, found {found}")]
    Region {
        /// The network's inputs.
        expected: usize,
        /// The region's coordinates.
        found: usize,
    },
    /// The pass does not know this kind of layer.
    #[error("layer {layer} ({kind}) is not supported by this pass")]
    Unsupported {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
    },
    /// A layer would need a matrix, or the outputs affine forms, that are too large.
    #[error("layer {layer} ({kind}): {entries} numbers are more than the limit of {limit}")]
    TooLarge {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
        /// The numbers that it would take.
        entries: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// A network was made ready for regions that fix this input to another value, or at all.
    #[error("input {input} is not fixed to the value that the network was made ready for")]
    Fixed {
        /// The input, counted from 0.
        input: usize,
    },
    /// The values of a layer may exceed the range of `f64`.
    #[error("layer {layer}: the bounds of neuron {neuron} overflow")]
    Overflow {
        /// The layer, counted from 0.
        layer: usize,
        /// The output neuron.
        neuron: usize,
    },
}

impl BoundsError {
    /// Fails unless `region` has as many coordinates as a network has inputs.
    pub(crate) fn check_region(inputs: usize, region: &Region) -> Result<(), Self> {
        let found = region.dimension();
        if found == inputs { Ok(()) } else { Err(Self::Region { expected: inputs, found }) }
    }
}
