//! Chains of affine layers with ReLU between, and the abstract elements of their layers.

use nncert_bounds::{Envelope, Scratch, crown_in};
use nncert_core::{Activation, Affine, Layer, Network, NetworkError, Region};

use super::SynthesisError;

/// The affine layers of a network that has ReLU between them and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) layers: Vec<Affine>,
}

impl Chain {
    /// The layers of a network; there is one at least.
    ///
    /// # Errors
    ///
    /// [`SynthesisError::Unsupported`] for a layer that is not where a chain has one.
    pub(super) fn of(network: &Network) -> Result<Self, SynthesisError> {
        let mut layers: Vec<Affine> = Vec::new();
        let mut after_affine = false;
        for (index, layer) in network.layers().iter().enumerate() {
            match layer {
                Layer::Flatten => {}
                Layer::Affine(affine) if !after_affine => {
                    layers.push(affine.clone());
                    after_affine = true;
                }
                Layer::Activation(Activation::Relu) if after_affine => after_affine = false,
                _ => {
                    let kind = layer.kind();
                    return Err(SynthesisError::Unsupported { layer: index, kind });
                }
            }
        }
        if !after_affine {
            // A ReLU at the end, or nothing but a change of shape.
            let layer = network.layers().len() - 1;
            return Err(SynthesisError::Unsupported {
                layer,
                kind: network.layers()[layer].kind(),
            });
        }
        Ok(Self { layers })
    }

    /// The network of the first layers, with no ReLU behind the last of them.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] for no layers.
    pub(super) fn prefix(&self, layers: usize) -> Result<Network, NetworkError> {
        Network::relu_mlp(self.layers[..layers].to_vec())
    }

    /// The abstract element of a layer: an envelope of each of its neurons, before ReLU.
    ///
    /// Guarantee: sound.
    ///
    /// # Errors
    ///
    /// [`SynthesisError::Bounds`] when a bound overflows.
    pub(super) fn element(
        &self,
        layer: usize,
        region: &Region,
        scratch: &mut Scratch,
    ) -> Result<Vec<Envelope>, SynthesisError> {
        Ok(crown_in(scratch, &self.prefix(layer + 1)?, region)?.outputs)
    }
}
