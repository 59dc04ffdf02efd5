//! What strategies cost.

use nncert_core::Network;

use super::super::Strategy;

/// What a strategy costs.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Cost {
    /// The sum of `Q` over the layers: their mean, up to a factor. As in the paper's tables.
    #[default]
    LayerBits,
    /// The bits of all weights and biases.
    TotalBits,
    /// The largest `Q` of a layer, and the sum where it is the same.
    LargestBits,
    /// The user's: a number for each strategy, the sum of bits where it is the same. NaN is dear.
    Custom(fn(&Network, &Strategy) -> f64),
}

impl Cost {
    pub(super) fn of(self, network: &Network, strategy: &Strategy) -> Price {
        let sum: u32 = strategy.bits().sum();
        let first = match self {
            Self::LayerBits => 0.0,
            // A strategy of the search has as many layers as the network.
            Self::TotalBits => {
                strategy.total_bits(network).map_or(f64::INFINITY, |bits| bits as f64)
            }
            Self::LargestBits => f64::from(strategy.largest_bits()),
            Self::Custom(cost) => {
                let cost = cost(network, strategy);
                if cost.is_nan() { f64::INFINITY } else { cost }
            }
        };
        Price(first, sum)
    }
}

/// A cost with what breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Price(pub(super) f64, pub(super) u32);
