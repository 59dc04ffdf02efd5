//! What tells one classifier from another.

use core::fmt::{self, Write};

use nncert_core::{Affine, FixedPointNetwork, Layer, Network};
use sha2::{Digest, Sha256};

/// A digest of everything that a classifier computes with, to recognise it again.
///
/// SHA-256 over layers, shapes and the bits of all weights. It says which function was sampled; a certificate does not rest on it.
///
/// # Examples
/// ```
/// use nncert_smoothing::Fingerprint;
///
/// let one = Fingerprint::of_bytes(b"resnet-20, trained with sigma 0.25");
/// assert_ne!(one, Fingerprint::of_bytes(b"resnet-20"));
/// assert_eq!(one.to_string().len(), 64);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest of some bytes: a name, or the file of a model.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut hash = Hash::new("bytes");
        hash.0.update(bytes);
        hash.finish()
    }

    /// The digest of a network.
    #[must_use]
    pub fn of_network(network: &Network) -> Self {
        let mut hash = Hash::new("network");
        if let Some(input) = network.shapes().first() {
            hash.text(input);
        }
        hash.layers(network.layers());
        hash.finish()
    }

    /// The digest of a fixed-point network.
    #[must_use]
    pub fn of_fixed_point(network: &FixedPointNetwork) -> Self {
        let mut hash = Hash::new("fixed point");
        hash.text(&network.input());
        for layer in network.layers() {
            hash.length(layer.outputs());
            layer.weights().iter().chain(layer.bias()).for_each(|value| hash.bits(*value as u64));
            hash.text(&layer.requantization());
        }
        hash.finish()
    }

    /// The digest with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the digest.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Hash(Sha256);

impl Hash {
    fn new(kind: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.text(&kind);
        hash
    }

    fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }

    fn bits(&mut self, bits: u64) {
        self.0.update(bits.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.bits(length as u64);
    }

    /// Small parts as they are printed, which shows every field.
    fn text(&mut self, part: &dyn fmt::Debug) {
        // Writing to a hash does not fail.
        let _ = write!(self, "{part:?};");
    }

    fn numbers(&mut self, numbers: &[f64]) {
        self.length(numbers.len());
        numbers.iter().for_each(|number| self.bits(number.to_bits()));
    }

    fn affine(&mut self, affine: &Affine) {
        self.length(affine.outputs());
        self.numbers(affine.weight.as_slice());
        self.numbers(affine.bias.as_slice());
    }

    fn layers(&mut self, layers: &[Layer]) {
        self.length(layers.len());
        for layer in layers {
            self.text(&layer.kind());
            match layer {
                Layer::Affine(affine) => self.affine(affine),
                Layer::Convolution(convolution) => {
                    self.text(&(convolution.window, convolution.groups));
                    self.affine(&convolution.filters);
                }
                Layer::Scale(scale) => {
                    self.numbers(&scale.factor);
                    self.numbers(&scale.offset);
                }
                Layer::Residual(residual) => {
                    self.layers(&residual.body);
                    self.layers(&residual.shortcut);
                }
                other => self.text(other),
            }
        }
    }
}

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{dmatrix, dvector};
    use nncert_core::Activation;

    #[test]
    fn every_part_of_a_network_shows() {
        let network = |weight: f64, bias: f64, activation: Activation| {
            let affine = Affine::new(dmatrix![weight, 1.0; 0.5, 2.0], dvector![bias, 0.0]);
            Network::new(2, vec![affine.into(), activation.into()]).unwrap()
        };
        let base = Fingerprint::of_network(&network(1.0, 0.0, Activation::Relu));
        assert_eq!(base, Fingerprint::of_network(&network(1.0, 0.0, Activation::Relu)));
        for other in [
            network(1.0_f64.next_up(), 0.0, Activation::Relu),
            network(1.0, 1e-300, Activation::Relu),
            network(1.0, 0.0, Activation::RELU6),
        ] {
            assert_ne!(base, Fingerprint::of_network(&other));
        }
    }
}
