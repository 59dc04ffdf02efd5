//! What a compression did, for reports and records.

use core::fmt;

use super::{FixedPointFormat, Granularity, Scope};
use crate::Affine;
use crate::directed::sub_up;

/// What was done to a network.
///
/// `Display` prints a short report, one line for each affine layer.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Summary {
    /// The method and its parameters.
    pub method: Method,
    /// One entry for each affine layer.
    pub layers: Vec<LayerSummary>,
    /// The output neurons that were removed: one ascending list for each affine
    /// layer but the last.
    pub removed: Vec<Vec<usize>>,
    /// The bits that all weights (not biases, not scales) take together, where
    /// the method says how many a weight takes.
    pub weight_bits: Option<u64>,
}

/// What was done to one affine layer or convolution.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LayerSummary {
    /// The weights of the compressed layer.
    pub weights: usize,
    /// Those of them that are zero.
    pub zeros: usize,
    /// `max |w - w'|` over the weights that stay, rounded up.
    pub largest_change: f64,
    /// `max |b - b'|` over the biases that stay, rounded up.
    pub largest_bias_change: f64,
    /// How the weights can be stored.
    pub encoding: Encoding,
}

/// A method of compression with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Method {
    /// [`fixed_point`](super::fixed_point); the formats are in the layers.
    FixedPoint,
    /// [`int8`](super::int8).
    Int8 {
        /// What shares a scale.
        granularity: Granularity,
    },
    /// [`float16`](super::float16).
    Float16,
    /// [`bfloat16`](super::bfloat16).
    BFloat16,
    /// [`prune_weights`](super::prune_weights).
    PruneWeights {
        /// The share of weights.
        ratio: f64,
        /// What the share is of.
        scope: Scope,
    },
    /// [`remove_neurons`](super::remove_neurons).
    RemoveNeurons,
    /// [`remove_lowest_norm`](super::remove_lowest_norm).
    RemoveLowestNorm {
        /// The share of neurons.
        ratio: f64,
    },
}

/// How the weights of a compressed layer can be stored.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Encoding {
    /// As before.
    Unchanged,
    /// Integers times a power of two.
    FixedPoint {
        /// Of the weights.
        weight: FixedPointFormat,
        /// Of the biases.
        bias: FixedPointFormat,
        /// How many weights and biases were outside their format.
        clamped: usize,
    },
    /// Integers from -127 to 127 times a scale; biases as before.
    Int8 {
        /// One scale, or one for each row of the weight.
        scales: Vec<f32>,
    },
    /// IEEE binary16.
    Float16,
    /// bfloat16.
    BFloat16,
}

impl LayerSummary {
    /// The summary of a layer that has kept its shape.
    pub(super) fn of_change(old: &Affine, new: &Affine, encoding: Encoding) -> Self {
        let change = |old: &[f64], new: &[f64]| {
            let changes = old.iter().zip(new).map(|(a, b)| sub_up(a.max(*b), a.min(*b)));
            changes.fold(0.0, f64::max)
        };
        Self {
            largest_change: change(old.weight.as_slice(), new.weight.as_slice()),
            largest_bias_change: change(old.bias.as_slice(), new.bias.as_slice()),
            encoding,
            ..Self::of_survivors(new)
        }
    }

    /// The summary of a layer whose remaining weights are as before.
    pub(super) fn of_survivors(new: &Affine) -> Self {
        Self {
            weights: new.weight.len(),
            zeros: new.weight.iter().filter(|weight| **weight == 0.0).count(),
            largest_change: 0.0,
            largest_bias_change: 0.0,
            encoding: Encoding::Unchanged,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights: usize = self.layers.iter().map(|layer| layer.weights).sum();
        let zeros: usize = self.layers.iter().map(|layer| layer.zeros).sum();
        write!(f, "{}: {weights} weights, {zeros} of them zero", self.method)?;
        if let Some(bits) = self.weight_bits {
            write!(f, ", {bits} bits")?;
        }
        for (index, layer) in self.layers.iter().enumerate() {
            write!(f, "\n  affine layer {index}: {layer}")?;
            let removed = self.removed.get(index).map_or(0, Vec::len);
            if removed > 0 {
                write!(f, ", {removed} neurons removed")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for LayerSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weights, {} of them zero", self.weights, self.zeros)?;
        if self.largest_change > 0.0 {
            write!(f, ", largest change {:.3e}", self.largest_change)?;
        }
        if self.largest_bias_change > 0.0 {
            write!(f, " (biases {:.3e})", self.largest_bias_change)?;
        }
        match &self.encoding {
            Encoding::Unchanged => Ok(()),
            encoding => write!(f, ", {encoding}"),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FixedPoint => write!(f, "fixed point"),
            Self::Int8 { granularity } => write!(f, "int8 {granularity}"),
            Self::Float16 => write!(f, "float16"),
            Self::BFloat16 => write!(f, "bfloat16"),
            Self::PruneWeights { ratio, scope } => {
                write!(f, "the smallest {ratio} of the weights of {scope} pruned")
            }
            Self::RemoveNeurons => write!(f, "neurons removed"),
            Self::RemoveLowestNorm { ratio } => {
                write!(f, "the {ratio} of the neurons with the lowest norm removed")
            }
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => write!(f, "unchanged"),
            Self::FixedPoint { weight, bias, clamped } => {
                write!(f, "weights {weight}, biases {bias}, {clamped} clamped")
            }
            Self::Int8 { scales } => match scales.as_slice() {
                [scale] => write!(f, "scale {scale:.3e}"),
                scales => {
                    let least = scales.iter().copied().fold(f32::INFINITY, f32::min);
                    let most = scales.iter().copied().fold(0.0, f32::max);
                    write!(f, "{} scales from {least:.3e} to {most:.3e}", scales.len())
                }
            },
            Self::Float16 => write!(f, "float16"),
            Self::BFloat16 => write!(f, "bfloat16"),
        }
    }
}
