//! Strategies for property tests (feature `proptest`): networks, pairs, regions
//! and points that look for trouble, and tiny networks in integers.
//!
//! A bound that holds for weights of one size can fail for a mixture of sizes,
//! for a neuron that is exactly zero, or for two neurons that are equal. The
//! networks here mix all of these: whole layers, single rows or single weights
//! are ordinary (bell-shaped with deviation `1/√inputs`), tiny (down to
//! `2^-40`), large (up to `10^6`), repeated, zero of either sign, subnormal,
//! small integers or powers of two.
//!
//! Strategies draw a *recipe* (widths, scales, a seed) and fill in the numbers
//! from the seed, so that a network of six layers of 40 neurons costs little,
//! and shrinking goes over depth, widths and scales. A value depends on nothing
//! but the recipe: it is the same on every machine.
//!
//! # Examples
//!
//! ```
//! use nncert_core::strategies::{network, region};
//! use proptest::prelude::*;
//!
//! proptest!(ProptestConfig::with_cases(16), |(f in network(1..=3, 1..=8))| {
//!     let zero = vec![0.0; f.inputs()];
//!     prop_assert!(f.evaluate(&zero)?.iter().all(|y| y.is_finite()));
//! });
//! ```

mod change;
mod convolutional;
mod fixed_point;
mod place;
mod recipe;

use core::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::change::change;
use self::convolutional::cnn_recipe;
pub use self::fixed_point::{fixed_point, fixed_point_input, fixed_point_of};
use self::place::{corner, point_recipe, region_recipe};
use self::recipe::recipe;
use crate::{Network, PairedNetworks, Region};

/// ReLU networks with this many affine layers, and layers (input and output
/// too) of these widths.
///
/// # Panics
///
/// When a range is empty or starts at 0.
///
/// # Examples
///
/// ```
/// use nncert_core::strategies::network;
/// use proptest::{strategy::{Strategy, ValueTree}, test_runner::TestRunner};
///
/// let tree = network(2..=2, 3..=3).new_tree(&mut TestRunner::deterministic())?;
/// assert_eq!(tree.current().to_string(), "3-3-3");
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn network(
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
) -> impl Strategy<Value = Network> + Clone {
    network_of(width.clone(), width.clone(), layers, width)
}

/// As [`network`], with ranges of their own for the inputs and the outputs.
///
/// # Panics
///
/// When a range is empty or starts at 0.
pub fn network_of(
    inputs: RangeInclusive<usize>,
    outputs: RangeInclusive<usize>,
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
) -> impl Strategy<Value = Network> + Clone {
    recipe(inputs, outputs, layers, width).prop_map(|recipe| recipe.build())
}

/// Small ReLU networks of convolutions, residual blocks (with identity, zero-padding
/// and convolutional shortcuts) and average pooling.
///
/// `parts` counts convolutions, blocks and poolings before the last affine layer;
/// images have `channels` channels, and a height and width of `size`.
///
/// # Panics
///
/// When a range is empty, or `channels` or `size` starts at 0.
///
/// # Examples
///
/// ```
/// use nncert_core::strategies::convolutional;
/// use proptest::prelude::*;
///
/// proptest!(ProptestConfig::with_cases(16), |(f in convolutional(0..=3, 1..=2, 1..=6))| {
///     prop_assert!(f.evaluate(&vec![0.5; f.inputs()])?.iter().all(|y| y.is_finite()));
/// });
/// ```
pub fn convolutional(
    parts: RangeInclusive<usize>,
    channels: RangeInclusive<usize>,
    size: RangeInclusive<usize>,
) -> impl Strategy<Value = Network> + Clone {
    cnn_recipe(parts, channels, size, false).prop_map(|recipe| recipe.build())
}

/// As [`convolutional`], with every piecewise linear layer that there is: max
/// pooling, scales, LeakyReLU (with slopes below 0 too), ReLU6, nested blocks.
///
/// # Panics
///
/// As [`convolutional`].
pub fn piecewise_linear(
    parts: RangeInclusive<usize>,
    channels: RangeInclusive<usize>,
    size: RangeInclusive<usize>,
) -> impl Strategy<Value = Network> + Clone {
    cnn_recipe(parts, channels, size, true).prop_map(|recipe| recipe.build())
}

/// A network of [`network`] and a copy of it.
///
/// The copy is compressed by any of the methods of [`compress`](crate::compress),
/// has weights that moved by a relative `2^-40` to 1, has lost random neurons,
/// is the network itself, or is a network of the same shape that has nothing to
/// do with it.
///
/// # Panics
///
/// When a range is empty or starts at 0.
pub fn pair(
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
) -> impl Strategy<Value = PairedNetworks> + Clone {
    pair_of(width.clone(), width.clone(), layers, width)
}

/// As [`pair`], with ranges of their own for the inputs and the outputs.
///
/// # Panics
///
/// When a range is empty or starts at 0.
pub fn pair_of(
    inputs: RangeInclusive<usize>,
    outputs: RangeInclusive<usize>,
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
) -> impl Strategy<Value = PairedNetworks> + Clone {
    (recipe(inputs, outputs, layers, width), change()).prop_map(|(recipe, change)| {
        let original = recipe.build();
        change.apply(&recipe, &original)
    })
}

/// A pair of [`pair`] and a region of its inputs.
///
/// # Panics
///
/// When a range is empty or starts at 0.
pub fn pair_and_region(
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
) -> impl Strategy<Value = (PairedNetworks, Region)> + Clone {
    (pair(layers, width), region_recipe()).prop_map(|(pair, recipe)| {
        let region = recipe.build(pair.inputs());
        (pair, region)
    })
}

/// What a soundness test needs: a pair, a region of its inputs, and points in it.
///
/// # Panics
///
/// When a range is empty or starts at 0.
///
/// # Examples
///
/// ```
/// use nncert_core::strategies::pair_region_and_points;
/// use proptest::prelude::*;
///
/// proptest!(ProptestConfig::with_cases(16), |(
///     (pair, region, points) in pair_region_and_points(1..=3, 1..=8, 5)
/// )| {
///     prop_assert_eq!(points.len(), 5);
///     prop_assert_eq!(region.dimension(), pair.inputs());
///     prop_assert!(points.iter().all(|x| region.contains(x)));
/// });
/// ```
pub fn pair_region_and_points(
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
    points: usize,
) -> impl Strategy<Value = (PairedNetworks, Region, Vec<Vec<f64>>)> + Clone {
    (pair_and_region(layers, width), vec(point_recipe(), points)).prop_map(
        |((pair, region), recipes)| {
            let points = recipes.iter().map(|recipe| recipe.build(&region)).collect();
            (pair, region, points)
        },
    )
}

/// Boxes in this many dimensions.
///
/// Widths go from 0 (a point) over `10^-12` and 1 to `10^3`, alone or mixed;
/// none, some or all but one of the coordinates are fixed; centres are 0, in
/// `[0, 1]`, tiny, or up to `10^3`.
///
/// # Panics
///
/// Generating panics when `dimension` is 0.
pub fn region(dimension: usize) -> impl Strategy<Value = Region> + Clone {
    region_recipe().prop_map(move |recipe| recipe.build(dimension))
}

/// Points of a region: its centre, corners, points on faces, uniform points, and
/// points close to a corner.
///
/// # Examples
///
/// ```
/// # use nncert_core::{Region, strategies::point_in};
/// # use proptest::prelude::*;
/// let region = Region::new(vec![0.0, -1.0], vec![0.1, 1.0])?;
/// proptest!(|(x in point_in(&region))| prop_assert!(region.contains(&x)));
/// # Ok::<(), nncert_core::RegionError>(())
/// ```
pub fn point_in(region: &Region) -> impl Strategy<Value = Vec<f64>> + Clone + use<> {
    let region = region.clone();
    point_recipe().prop_map(move |recipe| recipe.build(&region))
}

/// Corners of a region.
pub fn corner_of(region: &Region) -> impl Strategy<Value = Vec<f64>> + Clone + use<> {
    let region = region.clone();
    any::<u64>().no_shrink().prop_map(move |seed| corner(&region, &mut rng(seed, 0)))
}

/// One stream for each purpose of a seed.
fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Affine;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    fn draws<T>(count: usize, strategy: &impl Strategy<Value = T>) -> Vec<T> {
        let mut runner = TestRunner::deterministic();
        (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
    }

    #[test]
    fn every_scale_turns_up() {
        let networks = draws(200, &network(1..=6, 1..=40));
        let numbers = || {
            networks.iter().flat_map(Network::affine_layers).flat_map(|affine| affine.weight.iter())
        };
        assert!(numbers().any(|w| *w == 0.0 && w.is_sign_negative()));
        assert!(numbers().any(|w| w.is_subnormal()));
        assert!(numbers().any(|w| w.abs() > 1e5));
        assert!(numbers().any(|w| (1e-12..1e-9).contains(&w.abs())));
        assert!(numbers().all(|w| w.abs() <= 1e6));
        let ranges = networks.iter().map(|f| f.affine_layers().count());
        assert_eq!(ranges.clone().min().zip(ranges.max()), Some((1, 6)));
    }

    #[test]
    fn regions_are_points_boxes_and_mixtures() {
        let regions = draws(300, &region(5));
        let free = |count| regions.iter().any(|region| region.free().len() == count);
        assert!((0..=5).all(free));
        let widths = || {
            regions
                .iter()
                .flat_map(|r| r.free().iter().map(|&i| r.interval(i)))
                .map(|i| i.upper - i.lower)
        };
        assert!(widths().any(|w| w < 1e-12) && widths().any(|w| w > 500.0));
    }

    #[test]
    fn pairs_move_a_little_and_a_lot() {
        let pairs = draws(300, &pair(1..=4, 1..=10));
        assert!(pairs.iter().any(|pair| pair.original() == pair.compressed()));
        assert!(pairs.iter().any(|pair| pair.removed().iter().any(|list| !list.is_empty())));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn points_lie_in_their_regions((_, region, points) in pair_region_and_points(1..=2, 1..=6, 4)) {
            for x in points {
                prop_assert!(region.contains(&x), "{x:?} outside {region:?}");
            }
        }

        #[test]
        fn ranges_are_kept(f in network_of(2..=3, 1..=1, 2..=4, 5..=7)) {
            prop_assert!((2..=3).contains(&f.inputs()));
            prop_assert_eq!(f.outputs(), 1);
            let hidden: Vec<_> = f.affine_layers().map(Affine::outputs).collect();
            prop_assert!(hidden[..hidden.len() - 1].iter().all(|width| (5..=7).contains(width)));
        }
    }
}
