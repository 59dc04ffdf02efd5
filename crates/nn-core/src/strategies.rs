//! Strategies for property tests (feature `proptest`): networks, pairs, regions
//! and points that look for trouble.
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

use core::fmt;
use core::ops::RangeInclusive;

use nalgebra::{DMatrix, DVector};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::compress::binary::power_of_two;
use crate::compress::{
    Compressed, Granularity, Scope, bfloat16, fixed_point_bits, float16, int8, prune_weights,
    remove_lowest_norm, remove_neurons,
};
use crate::{Affine, Network, PairedNetworks, Region};

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

/// The sizes that numbers come in; shrinking goes to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Ordinary,
    Integer,
    PowerOfTwo,
    Sparse,
    Zero,
    Repeated,
    Tiny,
    Large,
    Subnormal,
}

const SCALES: [Scale; 9] = [
    Scale::Ordinary,
    Scale::Integer,
    Scale::PowerOfTwo,
    Scale::Sparse,
    Scale::Zero,
    Scale::Repeated,
    Scale::Tiny,
    Scale::Large,
    Scale::Subnormal,
];

fn scale() -> impl Strategy<Value = Scale> + Clone {
    prop_oneof![
        5 => Just(Scale::Ordinary),
        1 => proptest::sample::select(&SCALES[..]),
    ]
}

/// How far one choice of [`Scale`] reaches in a layer.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// The whole layer.
    Layer(Scale),
    /// One row has a scale of its own, the others this one.
    Row(Scale, Scale),
    /// Every row draws its own.
    Rows,
    /// Every weight draws its own.
    Weights,
}

#[derive(Clone, Debug)]
struct LayerRecipe {
    weights: Reach,
    biases: Scale,
    /// Whether some rows repeat earlier ones, or their negatives.
    twins: bool,
}

fn layer_recipe() -> impl Strategy<Value = LayerRecipe> + Clone {
    let reach = prop_oneof![
        6 => scale().prop_map(Reach::Layer),
        1 => (scale(), scale()).prop_map(|(most, one)| Reach::Row(most, one)),
        1 => Just(Reach::Rows),
        1 => Just(Reach::Weights),
    ];
    (reach, scale(), proptest::bool::weighted(0.15))
        .prop_map(|(weights, biases, twins)| LayerRecipe { weights, biases, twins })
}

#[derive(Clone)]
struct Recipe {
    /// Inputs, hidden widths, outputs.
    widths: Vec<usize>,
    /// At least one for each affine layer.
    layers: Vec<LayerRecipe>,
    seed: u64,
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from {:?}, seed {}", self.widths, self.layers, self.seed)
    }
}

fn recipe(
    inputs: RangeInclusive<usize>,
    outputs: RangeInclusive<usize>,
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
) -> impl Strategy<Value = Recipe> + Clone {
    let ranges = [&inputs, &outputs, &layers, &width];
    assert!(
        ranges.iter().all(|range| *range.start() > 0 && !range.is_empty()),
        "a network needs at least one layer, and a layer at least one neuron"
    );
    let hidden = layers.start() - 1..=layers.end() - 1;
    (
        (inputs, vec(width, hidden), outputs),
        vec(layer_recipe(), *layers.end()),
        any::<u64>().no_shrink(),
    )
        .prop_map(|((inputs, hidden, outputs), layers, seed)| {
            let mut widths = vec![inputs];
            widths.extend(hidden);
            widths.push(outputs);
            Recipe { widths, layers, seed }
        })
}

impl Recipe {
    fn build(&self) -> Network {
        let shapes = self.widths.windows(2).zip(&self.layers);
        let layers = shapes.enumerate().map(|(index, (widths, layer))| {
            layer.build(widths[0], widths[1], &mut rng(self.seed, index as u64))
        });
        Network::relu_mlp(layers.collect()).expect("recipes hold finite weights and fitting widths")
    }
}

impl LayerRecipe {
    fn build(&self, inputs: usize, outputs: usize, rng: &mut ChaCha8Rng) -> Affine {
        let mut numbers = Numbers::new(inputs, rng);
        let special = numbers.rng.random_range(0..outputs);
        let mut weight = DMatrix::zeros(outputs, inputs);
        for row in 0..outputs {
            let scale = match self.weights {
                Reach::Layer(scale) => scale,
                Reach::Row(_, one) if row == special => one,
                Reach::Row(most, _) => most,
                Reach::Rows | Reach::Weights => numbers.scale(),
            };
            for column in 0..inputs {
                let each = matches!(self.weights, Reach::Weights);
                let scale = if each { numbers.scale() } else { scale };
                weight[(row, column)] = numbers.draw(scale);
            }
        }
        let mut bias = DVector::from_fn(outputs, |_, _| numbers.draw(self.biases));
        if self.twins {
            repeat_rows(&mut weight, &mut bias, numbers.rng);
        }
        Affine::new(weight, bias)
    }
}

/// Replaces about a third of the rows by an earlier one or its negative.
fn repeat_rows(weight: &mut DMatrix<f64>, bias: &mut DVector<f64>, rng: &mut ChaCha8Rng) {
    for row in 1..weight.nrows() {
        let (repeat, source): (bool, usize) = (rng.random_bool(0.4), rng.random_range(0..row));
        let sign = if rng.random_bool(0.3) { -1.0 } else { 1.0 };
        if repeat {
            let twin = weight.row(source) * sign;
            weight.set_row(row, &twin);
            bias[row] = bias[source] * sign;
        }
    }
}

/// Draws numbers of every [`Scale`].
struct Numbers<'a> {
    rng: &'a mut ChaCha8Rng,
    /// The deviation of ordinary numbers.
    deviation: f64,
    /// What repeated numbers repeat.
    palette: [f64; 3],
}

impl<'a> Numbers<'a> {
    fn new(inputs: usize, rng: &'a mut ChaCha8Rng) -> Self {
        let deviation = 1.0 / (inputs.max(1) as f64).sqrt();
        let palette = [(); 3].map(|()| deviation * bell(rng));
        Self { rng, deviation, palette }
    }

    fn scale(&mut self) -> Scale {
        SCALES[self.rng.random_range(0..SCALES.len())]
    }

    fn sign(&mut self) -> f64 {
        if self.rng.random() { 1.0 } else { -1.0 }
    }

    /// `± [1, 2) · 2^e` for an exponent of the range.
    fn binade(&mut self, exponents: RangeInclusive<i32>) -> f64 {
        let mantissa = 1.0 + self.rng.random::<f64>();
        self.sign() * mantissa * power_of_two(self.rng.random_range(exponents))
    }

    fn draw(&mut self, scale: Scale) -> f64 {
        match scale {
            Scale::Ordinary => self.deviation * bell(self.rng),
            Scale::Integer => f64::from(self.rng.random_range(-4..=4)),
            Scale::PowerOfTwo => self.sign() * power_of_two(self.rng.random_range(-30..=19)),
            Scale::Sparse if self.rng.random_bool(0.7) => 0.0,
            Scale::Sparse => self.deviation * bell(self.rng),
            Scale::Zero => self.sign() * 0.0,
            Scale::Repeated => self.palette[self.rng.random_range(0..3)],
            Scale::Tiny => self.binade(-40..=-10),
            Scale::Large => self.binade(0..=19).clamp(-1e6, 1e6),
            Scale::Subnormal => {
                let shift = self.rng.random_range(0..52);
                self.sign() * f64::from_bits(self.rng.random_range(1..1u64 << 52) >> shift)
            }
        }
    }
}

/// Mean 0, deviation 1, within ±3.5: a sum of four uniform numbers.
fn bell(rng: &mut ChaCha8Rng) -> f64 {
    let sum: f64 = (0..4).map(|_| rng.random::<f64>()).sum();
    (sum - 2.0) * 3f64.sqrt()
}

/// One stream for each purpose of a seed.
fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// What makes a copy of a network; shrinking goes to the first.
#[derive(Clone, Debug)]
enum Change {
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

fn change() -> impl Strategy<Value = Change> + Clone {
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
    fn apply(&self, recipe: &Recipe, original: &Network) -> PairedNetworks {
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

/// How a region is made in any dimension.
#[derive(Clone, Debug)]
struct RegionRecipe {
    centre: CentreScale,
    width: WidthScale,
    /// The share of coordinates that are fixed.
    fixed: f64,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum CentreScale {
    Zero,
    Unit,
    Tiny,
    Large,
    Mixed,
}

#[derive(Clone, Copy, Debug)]
enum WidthScale {
    Point,
    Tiny,
    Small,
    One,
    Large,
    Mixed,
}

fn region_recipe() -> impl Strategy<Value = RegionRecipe> + Clone {
    let centre = prop_oneof![
        2 => Just(CentreScale::Zero),
        4 => Just(CentreScale::Unit),
        1 => Just(CentreScale::Tiny),
        1 => Just(CentreScale::Large),
        1 => Just(CentreScale::Mixed),
    ];
    let width = prop_oneof![
        1 => Just(WidthScale::Point),
        1 => Just(WidthScale::Tiny),
        4 => Just(WidthScale::Small),
        4 => Just(WidthScale::One),
        1 => Just(WidthScale::Large),
        1 => Just(WidthScale::Mixed),
    ];
    let fixed = prop_oneof![4 => Just(0.0), 1 => Just(0.5), 1 => Just(1.0)];
    (centre, width, fixed, any::<u64>().no_shrink())
        .prop_map(|(centre, width, fixed, seed)| RegionRecipe { centre, width, fixed, seed })
}

impl RegionRecipe {
    fn build(&self, dimension: usize) -> Region {
        let mut rng = rng(self.seed, 0);
        // With a share of 1 all but this one are fixed.
        let free = rng.random_range(0..dimension);
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for coordinate in 0..dimension {
            let (centre, width) = (self.centre.draw(&mut rng), self.width.draw(&mut rng));
            let fixed = rng.random_bool(self.fixed) && coordinate != free;
            let low = centre - rng.random::<f64>() * width;
            lower.push(low);
            upper.push(if fixed { low } else { low + width });
        }
        Region::new(lower, upper).expect("widths are not negative")
    }
}

impl CentreScale {
    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        let uniform: f64 = rng.random();
        match self {
            Self::Zero => 0.0,
            Self::Unit => uniform,
            Self::Tiny => (uniform - 0.5) * 1e-9,
            Self::Large => (uniform - 0.5) * 2e3,
            Self::Mixed => {
                let each = [Self::Zero, Self::Unit, Self::Tiny, Self::Large];
                each[rng.random_range(0..4)].draw(rng)
            }
        }
    }
}

impl WidthScale {
    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        let uniform: f64 = rng.random();
        match self {
            Self::Point => 0.0,
            Self::Tiny => uniform * 1e-12,
            Self::Small => uniform * 0.1,
            Self::One => 0.5 + uniform,
            Self::Large => uniform * 1e3,
            Self::Mixed => {
                let each = [Self::Point, Self::Tiny, Self::Small, Self::One, Self::Large];
                each[rng.random_range(0..5)].draw(rng)
            }
        }
    }
}

/// How a point is made in any region; shrinking goes to the first.
#[derive(Clone, Copy, Debug)]
enum Place {
    Centre,
    Corner,
    Uniform,
    /// Some coordinates at a bound, the others uniform.
    Face,
    /// At most a few units in the last place from a corner.
    NearCorner,
}

#[derive(Clone, Debug)]
struct PointRecipe {
    place: Place,
    seed: u64,
}

fn point_recipe() -> impl Strategy<Value = PointRecipe> + Clone {
    let place = prop_oneof![
        1 => Just(Place::Centre),
        4 => Just(Place::Corner),
        3 => Just(Place::Uniform),
        2 => Just(Place::Face),
        1 => Just(Place::NearCorner),
    ];
    (place, any::<u64>().no_shrink()).prop_map(|(place, seed)| PointRecipe { place, seed })
}

impl PointRecipe {
    fn build(&self, region: &Region) -> Vec<f64> {
        let mut rng = rng(self.seed, 0);
        match self.place {
            Place::Centre => region.centre(),
            Place::Corner => corner(region, &mut rng),
            Place::Uniform => region.sample(&mut rng),
            Place::Face => {
                let (corner, inside) = (corner(region, &mut rng), region.sample(&mut rng));
                let pairs = corner.into_iter().zip(inside);
                pairs
                    .map(|(at_bound, inside)| if rng.random() { at_bound } else { inside })
                    .collect()
            }
            Place::NearCorner => near(region, corner(region, &mut rng), &mut rng),
        }
    }
}

fn corner(region: &Region, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let bounds = region.lower().iter().zip(region.upper());
    bounds.map(|(low, high)| if rng.random() { *low } else { *high }).collect()
}

fn near(region: &Region, mut x: Vec<f64>, rng: &mut ChaCha8Rng) -> Vec<f64> {
    for (coordinate, value) in x.iter_mut().enumerate() {
        let (low, high) = (region.lower()[coordinate], region.upper()[coordinate]);
        for _ in 0..rng.random_range(0..3) {
            *value = if *value == low { value.next_up() } else { value.next_down() };
        }
        *value = value.clamp(low, high);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
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
