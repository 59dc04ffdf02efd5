//! How a copy of a network is made.

use proptest::collection::vec;
use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::recipe::{LayerRecipe, Recipe, layer_recipe};
use super::rng;
use crate::compress::binary::power_of_two;
use crate::compress::{
    Compressed, Granularity, Scope, bfloat16, fixed_point_bits, float16, int8, prune_weights,
    remove_lowest_norm, remove_neurons,
};
use crate::{Affine, Network, PairedNetworks};

/// What makes a copy of a network; shrinking goes to the first.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Nothing,
    /// Every weight moves by a relative `2^exponent` at most; half of them stay when `some`.
    Perturb {
        exponent: i32,
        some: bool,
        seed: u64,
    },
    FixedPoint {
        bits: u32,
    },
    Int8(Granularity),
    Float16,
    BFloat16,
    PruneWeights {
        ratio: f64,
        scope: Scope,
    },
    RemoveLowestNorm {
        ratio: f64,
    },
    /// Neurons are removed at random.
    RemoveAny {
        share: f64,
        seed: u64,
    },
    /// Another network of the same shape.
    Unrelated {
        layers: Vec<LayerRecipe>,
        seed: u64,
    },
}

pub(super) fn change() -> impl Strategy<Value = Change> + Clone {
    let seed = || any::<u64>().no_shrink();
    let granularity = prop_oneof![Just(Granularity::PerTensor), Just(Granularity::PerChannel)];
    let scope = prop_oneof![Just(Scope::Layer), Just(Scope::Network)];
    prop_oneof![
        1 => Just(Change::Nothing),
        4 => (-40..=0, any::<bool>(), seed())
            .prop_map(|(exponent, some, seed)| Change::Perturb { exponent, some, seed }),
        3 => (2u32..=16).prop_map(|bits| Change::FixedPoint { bits }),
        2 => granularity.prop_map(Change::Int8),
        1 => Just(Change::Float16),
        1 => Just(Change::BFloat16),
        2 => (0.0..=1.0, scope)
            .prop_map(|(ratio, scope)| Change::PruneWeights { ratio, scope }),
        1 => (0.0..=1.0).prop_map(|ratio| Change::RemoveLowestNorm { ratio }),
        2 => (0.0..=1.0, seed()).prop_map(|(share, seed)| Change::RemoveAny { share, seed }),
        2 => (vec(layer_recipe(), 1..=4), seed())
            .prop_map(|(layers, seed)| Change::Unrelated { layers, seed }),
    ]
}

impl Change {
    pub(super) fn apply(&self, recipe: &Recipe, original: &Network) -> PairedNetworks {
        let compressed = match self {
            Self::Nothing => return same_shape(original, original),
            Self::Perturb { exponent, some, seed } => {
                let copy = perturb(original, power_of_two(*exponent), *some, &mut rng(*seed, 0));
                return same_shape(original, &copy);
            }
            Self::Unrelated { layers, seed } => {
                let layers = layers.iter().cycle().take(recipe.widths.len() - 1).cloned();
                let (widths, layers) = (recipe.widths.clone(), layers.collect());
                return same_shape(original, &Recipe { widths, layers, seed: *seed }.build());
            }
            Self::FixedPoint { bits } => fixed_point_bits(original, *bits).ok(),
            Self::Int8(granularity) => int8(original, *granularity).ok(),
            // Large weights overflow the one, but not the other.
            Self::Float16 => float16(original).or_else(|_| bfloat16(original)).ok(),
            Self::BFloat16 => bfloat16(original).ok(),
            Self::PruneWeights { ratio, scope } => prune_weights(original, *ratio, *scope).ok(),
            Self::RemoveLowestNorm { ratio } => remove_lowest_norm(original, *ratio).ok(),
            Self::RemoveAny { share, seed } => remove_any(original, *share, &mut rng(*seed, 0)),
        };
        let compressed = compressed.expect("weights up to 10^6 can be compressed");
        compressed.pair(original).expect("a network fits its own compression")
    }
}

fn same_shape(original: &Network, copy: &Network) -> PairedNetworks {
    PairedNetworks::new(original, copy).expect("the copy has the shapes of the original")
}

/// Moves every number by at most `size` of itself; half of them stay when `some`.
fn perturb(network: &Network, size: f64, some: bool, rng: &mut ChaCha8Rng) -> Network {
    let mut moved = |value: f64| {
        let change = size * (2.0 * rng.random::<f64>() - 1.0);
        if some && rng.random() { value } else { value + value * change }
    };
    let copy = network.map_affine(|_, affine| {
        Affine::new(affine.weight.map(&mut moved), affine.bias.map(&mut moved))
    });
    copy.expect("moved numbers stay finite")
}

/// Removes hidden neurons, but never all of a layer.
fn remove_any(original: &Network, share: f64, rng: &mut ChaCha8Rng) -> Option<Compressed> {
    let widths: Vec<usize> = original.affine_layers().map(Affine::outputs).collect();
    let removed: Vec<Vec<usize>> = widths[..widths.len() - 1]
        .iter()
        .map(|&width| {
            let stays = rng.random_range(0..width);
            (0..width).filter(|&neuron| rng.random_bool(share) && neuron != stays).collect()
        })
        .collect();
    remove_neurons(original, &removed).ok()
}
