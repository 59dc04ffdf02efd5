//! The normal form in which passes see a network.
//!
//! Affine layers and gates alternate, and an affine layer comes last:
//!
//! ```text
//! affine, gate, affine, gate, ..., affine
//! ```
//!
//! A gate is ReLU or nothing at all. Two affine layers in a row get an empty gate
//! between them; a ReLU with no affine layer before it, or at the very end, gets
//! an identity there; a ReLU right after a ReLU does nothing and is dropped. Other
//! linear layers are written out as matrices (`dense_layer.rs`).

use std::borrow::Cow;

use nalgebra::{DMatrix, DVector};
use nncert_core::{Activation, Affine, Layer, Network};

use crate::BoundsError;
use crate::dense_layer::dense;

/// The widest layer for which an identity is put in.
const MAX_IDENTITY: usize = 4096;

/// What follows an affine layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Relu,
    /// Nothing: the next affine layer, or the output.
    Open,
}

/// An affine layer and the gate after it.
#[derive(Clone, Debug)]
pub(crate) struct Stage<'a> {
    /// The layer's index in the network, for messages.
    pub(crate) layer: usize,
    pub(crate) affine: Cow<'a, Affine>,
    pub(crate) gate: Gate,
}

/// The stages of a network; the last has an open gate.
pub(crate) fn stages(network: &Network) -> Result<Vec<Stage<'_>>, BoundsError> {
    let mut stages: Vec<Stage<'_>> = Vec::with_capacity(network.layers().len());
    for (layer, kind) in network.layers().iter().enumerate() {
        let (input, output) = (&network.shapes()[layer], &network.shapes()[layer + 1]);
        match kind {
            Layer::Flatten => {}
            Layer::Convolution(_) | Layer::Pool(_) | Layer::Scale(_) | Layer::Select(_) => {
                let affine = Cow::Owned(dense(layer, kind, input, output)?);
                stages.push(Stage { layer, affine, gate: Gate::Open });
            }
            Layer::Affine(affine) => {
                stages.push(Stage { layer, affine: Cow::Borrowed(affine), gate: Gate::Open });
            }
            Layer::Activation(Activation::Relu) => match stages.last_mut() {
                Some(stage) => stage.gate = Gate::Relu,
                None => {
                    let affine = identity(network, layer, 0)?;
                    stages.push(Stage { layer, affine, gate: Gate::Relu });
                }
            },
            _ => return Err(BoundsError::Unsupported { layer, kind: kind.kind() }),
        }
    }
    if stages.last().is_none_or(|stage| stage.gate != Gate::Open) {
        let layer = network.layers().len() - 1;
        let affine = identity(network, layer, layer + 1)?;
        stages.push(Stage { layer, affine, gate: Gate::Open });
    }
    Ok(stages)
}

/// The identity on the value before layer `value`, put in because of `layer`.
fn identity(network: &Network, layer: usize, value: usize) -> Result<Cow<'_, Affine>, BoundsError> {
    let width = network.shapes()[value].len();
    if width > MAX_IDENTITY {
        let kind = network.layers()[layer].kind();
        return Err(BoundsError::Unsupported { layer, kind });
    }
    Ok(Cow::Owned(Affine::new(DMatrix::identity(width, width), DVector::zeros(width))))
}
