//! Strategies for property tests (feature `proptest`): intervals, intervals of a
//! difference, and pairs whose rounding errors are as large as they get.
//!
//! A random network hardly tests a rounding analysis: its errors are a thousand
//! times smaller than what is charged for them. The pairs here are built against
//! the analysis, one assumption each:
//!
//! | strategy | what it does | what it tests |
//! |---|---|---|
//! | [`cancelling_pair`] | large terms cancel, in biases and between layers | charges follow `|W| X + |b|`, not the result |
//! | [`absorbing_pair`] | every term of a long sum is lost but the first | charges grow with the length of a sum |
//! | [`faint_pair`] | products of weights underflow, inputs are huge | underflow is charged for |
//!
//! For networks in integers: [`integer_region`], and all inputs of one ([`integer_inputs`]).
//!
//! The strategies of `nncert-core` are here too.
//!
//! # Examples
//!
//! ```
//! use nncert_bounds::strategies::cancelling_pair;
//! use proptest::prelude::*;
//!
//! proptest!(ProptestConfig::with_cases(16), |((pair, region) in cancelling_pair())| {
//!     let bounds = nncert_bounds::differential(&pair, &region)?;
//!     prop_assert!(bounds.epsilon().is_finite());
//! });
//! ```

use core::ops::RangeInclusive;

use nalgebra::{DMatrix, DVector};
use nncert_core::directed::{sub_down, sub_up};
use nncert_core::{Affine, FixedPointNetwork, Interval, Network, PairedNetworks, Region};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::fixed_point::{IntegerRegion, Norm};

#[doc(no_inline)]
pub use nncert_core::strategies::*;

/// Intervals of every size with finite ends.
///
/// Points, neighbours, intervals that touch or straddle zero of either sign, and
/// ends from subnormal numbers to `2^1020`, alone or mixed.
pub fn interval() -> impl Strategy<Value = Interval> + Clone {
    let pair = || (number(), number());
    let zero = || prop_oneof![Just(0.0), Just(-0.0)];
    prop_oneof![
        4 => pair().prop_map(|(a, b)| hull([a, b])),
        3 => pair().prop_map(|(a, b)| Interval::new(-a.abs(), b.abs())),
        1 => number().prop_map(|a| Interval::new(-a.abs(), a.abs())),
        1 => number().prop_map(Interval::point),
        1 => number().prop_map(|a| Interval::new(a, a.next_up())),
        1 => (zero(), number()).prop_map(|(zero, a)| Interval::new(zero, a.abs())),
        1 => (zero(), number()).prop_map(|(zero, a)| Interval::new(-a.abs(), zero)),
        1 => (zero(), zero()).prop_map(|(a, b)| Interval::new(a, b)),
    ]
}

/// An interval of [`interval`] and some points of it: ends, neighbours of ends,
/// zero, and points inside.
pub fn interval_and_points(points: usize) -> impl Strategy<Value = (Interval, Vec<f64>)> + Clone {
    (interval(), vec(place(), points)).prop_map(|(interval, places)| {
        (interval, places.iter().map(|place| place.of(interval)).collect())
    })
}

/// What is known of a neuron and its copy, and values that agree with it.
#[derive(Clone, Debug, PartialEq)]
pub struct DifferenceCase {
    /// The interval of `x`.
    pub x: Interval,
    /// The interval of `x'`.
    pub compressed: Interval,
    /// The interval of `δ = x - x'`.
    pub delta: Interval,
    /// Pairs `(x, x')` whose exact difference lies in `delta`.
    pub points: Vec<(f64, f64)>,
}

/// Intervals of `x`, `x'` and `δ = x - x'`, with this many points in them.
///
/// `x'` is independent of `x`, or close to it; `δ` is as tight as the points
/// allow, as wide as `x - x'`, or anything between or beyond.
pub fn difference_intervals(points: usize) -> impl Strategy<Value = DifferenceCase> + Clone {
    (
        (interval(), interval(), any::<bool>()),
        vec((place(), place()), points),
        (widening(), widening()),
    )
        .prop_map(|((x, other, close), places, (widen, widen_delta))| {
            let points: Vec<_> = places
                .iter()
                .map(|(p, q)| {
                    let x = p.of(x);
                    (x, if close { x - q.of(other) } else { q.of(other) })
                })
                .collect();
            let compressed =
                if close { widen.apply(hull(points.iter().map(|(_, y)| *y)), x) } else { other };
            let apart = Interval::new(
                sub_down(x.lower, compressed.upper),
                sub_up(x.upper, compressed.lower),
            );
            let differences = points.iter().flat_map(|(x, y)| [sub_down(*x, *y), sub_up(*x, *y)]);
            let delta = widen_delta.apply(hull(differences), apart);
            DifferenceCase { x, compressed, delta, points }
        })
}

/// Pairs and regions where large terms cancel.
///
/// Inputs are far from the origin, free or fixed, and biases bring the values
/// back to the size of 1; the last layer is orthogonal to the slope of the layers
/// before it, so that the exact result is what rounding leaves of large terms.
/// The copy has weights that moved by some `2^-52` to `2^-20`, computes the same
/// function with neurons of another size, or is the network itself.
pub fn cancelling_pair() -> impl Strategy<Value = (PairedNetworks, Region)> + Clone {
    let copy = prop_oneof![
        1 => Just(Copy::Same),
        3 => (-52..=-20).prop_map(Copy::Moved),
        2 => Just(Copy::Rescaled),
    ];
    let shape = (1usize..=4, 1usize..=4, 2usize..=9);
    (shape, 0..=40i32, copy, any::<u64>().no_shrink()).prop_map(
        |((depth, inputs, width), far, copy, seed)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (centre, region) = far_region(inputs, far, &mut rng);
            let layers = cancelling_layers(&centre, &region, depth, width, &mut rng);
            let copied = copy.of(&layers, &mut rng);
            (pair_of_layers(layers, copied), region)
        },
    )
}

/// Pairs and regions where sums of this many terms lose all but their first.
///
/// Rows are `1, t, t, ...` with `t` just too small to change a 1; the copy lacks
/// some of the `t`.
///
/// # Panics
///
/// When the range is empty or starts at 0.
pub fn absorbing_pair(
    terms: RangeInclusive<usize>,
) -> impl Strategy<Value = (PairedNetworks, Region)> + Clone {
    assert!(*terms.start() > 0 && !terms.is_empty(), "a sum needs at least one term");
    let share = prop_oneof![Just(0.0), Just(0.5), Just(1.0)];
    let side = prop_oneof![Just(1.0), Just(-0.5)];
    (terms, 1usize..=3, side, 0.0..=0.1f64, share).prop_map(|(terms, depth, side, width, share)| {
        // Half of the gap from 1 to the next number above, or below.
        let lost = side * (f64::EPSILON / 2.0) * 0.99;
        let layer = |kept: usize, outputs: usize| {
            let entry = |_, column| match column {
                0 => 1.0,
                _ if column < kept => lost,
                _ => 0.0,
            };
            Affine::new(DMatrix::from_fn(outputs, terms, entry), DVector::zeros(outputs))
        };
        let outputs = |index| if index + 1 == depth { 2 } else { terms };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let fewer = 1 + (share * (terms - 1) as f64) as usize;
        let layers = |kept| (0..depth).map(|index| layer(kept, outputs(index))).collect();
        let upper = vec![1.0 + width; terms];
        let region = Region::new(vec![1.0; terms], upper).expect("1 is the lower end");
        (pair_of_layers(layers(terms), layers(fewer)), region)
    })
}

/// Pairs and regions where products underflow and other factors are huge.
///
/// The weights of a layer have exponents around `-520` or `+320`, an input
/// `+320` or anything from `-600` to 0, so that what underflow takes from a
/// product is far above the smallest number once it meets the next factor.
#[allow(clippy::missing_panics_doc)] // the ends of a hull are in order
pub fn faint_pair() -> impl Strategy<Value = (PairedNetworks, Region)> + Clone {
    let widths = vec(1usize..=5, 2..=5);
    (widths, any::<bool>(), any::<u64>().no_shrink()).prop_map(|(widths, same, seed)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let exponents: Vec<_> = widths
            .iter()
            .map(|_| if rng.random_bool(0.7) { -560..=-480 } else { 300..=330 })
            .collect();
        let layers = |rng: &mut ChaCha8Rng| -> Vec<Affine> {
            let layer = |(shape, exponents): (&[usize], &RangeInclusive<i32>)| {
                let mut weight = || sign(rng) * binade(rng, exponents.clone());
                let weight = DMatrix::from_fn(shape[1], shape[0], |_, _| weight());
                let mut bias =
                    || if rng.random() { 0.0 } else { sign(rng) * binade(rng, -700..=-200) };
                Affine::new(weight, DVector::from_fn(shape[1], |_, _| bias()))
            };
            widths.windows(2).zip(&exponents).map(layer).collect()
        };
        let original = layers(&mut rng);
        let copied = if same { original.clone() } else { layers(&mut rng) };
        let ends = (0..widths[0]).map(|_| {
            let exponents = if rng.random() { 300..=330 } else { -600..=0 };
            let mut end = || sign(&mut rng) * binade(&mut rng, exponents.clone());
            hull([end(), end()])
        });
        let (lower, upper) = ends.map(|i| (i.lower, i.upper)).unzip();
        let region = Region::new(lower, upper).expect("a hull's ends are in order");
        (pair_of_layers(original, copied), region)
    })
}

/// A finite number of any size.
fn number() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        1 => Just(0.0),
        2 => (-4i32..=4).prop_map(f64::from),
        6 => -1.0..1.0f64,
        2 => (1.0..2.0f64, -1022..=1020i32, any::<bool>())
            .prop_map(|(m, e, minus)| if minus { -m * 2f64.powi(e) } else { m * 2f64.powi(e) }),
        1 => (1u64..1u64 << 52, 0u32..52, any::<bool>()).prop_map(|(bits, shift, minus)| {
            let value = f64::from_bits((bits >> shift).max(1));
            if minus { -value } else { value }
        }),
    ]
}

/// The smallest interval that holds some numbers.
fn hull(values: impl IntoIterator<Item = f64>) -> Interval {
    let empty = Interval::new(f64::INFINITY, f64::NEG_INFINITY);
    let hull = values
        .into_iter()
        .fold(empty, |hull, v| Interval::new(hull.lower.min(v), hull.upper.max(v)));
    if hull.lower <= hull.upper { hull } else { Interval::point(0.0) }
}

/// A place in any interval.
#[derive(Clone, Copy, Debug)]
enum Place {
    Lower,
    Upper,
    Zero,
    Inside(f64),
    AboveLower,
    BelowUpper,
}

fn place() -> impl Strategy<Value = Place> + Clone {
    prop_oneof![
        Just(Place::Lower),
        Just(Place::Upper),
        Just(Place::Zero),
        (0.0..=1.0f64).prop_map(Place::Inside),
        Just(Place::AboveLower),
        Just(Place::BelowUpper),
    ]
}

impl Place {
    fn of(self, Interval { lower, upper }: Interval) -> f64 {
        let value = match self {
            Self::Lower => lower,
            Self::Upper => upper,
            Self::Zero => 0.0,
            Self::Inside(share) => lower * (1.0 - share) + upper * share,
            Self::AboveLower => lower.next_up(),
            Self::BelowUpper => upper.next_down(),
        };
        value.clamp(lower, upper)
    }
}

/// How an interval grows.
#[derive(Clone, Copy, Debug)]
enum Widening {
    Not,
    ToZero,
    /// To another interval.
    To,
    By(Interval),
}

fn widening() -> impl Strategy<Value = Widening> + Clone {
    prop_oneof![
        2 => Just(Widening::Not),
        1 => Just(Widening::ToZero),
        1 => Just(Widening::To),
        1 => interval().prop_map(Widening::By),
    ]
}

impl Widening {
    fn apply(self, interval: Interval, to: Interval) -> Interval {
        let with =
            |other: Interval| hull([interval.lower, interval.upper, other.lower, other.upper]);
        match self {
            Self::Not => interval,
            Self::ToZero => with(Interval::point(0.0)),
            Self::To => with(to),
            Self::By(other) => with(other),
        }
    }
}

fn sign(rng: &mut ChaCha8Rng) -> f64 {
    if rng.random() { 1.0 } else { -1.0 }
}

/// `[1, 2) · 2^e` for an exponent of the range.
fn binade(rng: &mut ChaCha8Rng, exponents: RangeInclusive<i32>) -> f64 {
    (1.0 + rng.random::<f64>()) * 2f64.powi(rng.random_range(exponents))
}

/// A point with some coordinates up to `2^far`, and a region around it, some
/// coordinates fixed.
fn far_region(inputs: usize, far: i32, rng: &mut ChaCha8Rng) -> (Vec<f64>, Region) {
    let fixed: Vec<bool> = (0..inputs).map(|_| rng.random_bool(0.4)).collect();
    let centre: Vec<f64> = (0..inputs)
        .map(|_| if rng.random_bool(0.7) { sign(rng) * binade(rng, far..=far) } else { 0.0 })
        .collect();
    let ends = centre.iter().zip(&fixed).map(|(c, fixed)| {
        let radius = if *fixed { 0.0 } else { binade(rng, -8..=0) };
        (c - radius, c + radius)
    });
    let (lower, upper) = ends.unzip();
    (centre, Region::new(lower, upper).expect("radii are not negative"))
}

/// Layers that bring `centre` to the size of 1, and in the end close to 0.
fn cancelling_layers(
    centre: &[f64],
    region: &Region,
    depth: usize,
    width: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Affine> {
    let inputs = centre.len();
    let mut value = DVector::from_column_slice(centre);
    let mut slope = DMatrix::identity(inputs, inputs);
    for fixed in (0..inputs).filter(|i| !region.free().contains(i)) {
        slope[(fixed, fixed)] = 0.0;
    }
    let mut layers = Vec::with_capacity(depth);
    for index in 0..depth {
        let (last, columns) = (index + 1 == depth, value.len());
        let mut weight =
            DMatrix::from_fn(if last { 2 } else { width }, columns, |_, _| uniform(rng));
        if last {
            make_orthogonal(&mut weight, &slope);
        }
        // Most neurons are active by a margin; some are not.
        let aim = DVector::from_fn(weight.nrows(), |_, _| match (last, rng.random_bool(0.8)) {
            (true, _) => 0.0,
            (false, true) => 2.0 * width as f64 + rng.random::<f64>(),
            (false, false) => uniform(rng),
        });
        let bias = &aim - &weight * &value;
        value = &weight * &value + &bias;
        slope = &weight * &slope;
        if !last {
            for (row, value) in value.iter_mut().enumerate() {
                if *value < 0.0 {
                    *value = 0.0;
                    slope.row_mut(row).fill(0.0);
                }
            }
        }
        layers.push(Affine::new(weight, bias));
    }
    layers
}

/// A number in `[-1, 1)`.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    2.0 * rng.random::<f64>() - 1.0
}

/// Takes from each row its projections on the columns of `slope`.
fn make_orthogonal(weight: &mut DMatrix<f64>, slope: &DMatrix<f64>) {
    let mut basis: Vec<DVector<f64>> = Vec::new();
    for column in slope.column_iter() {
        let mut direction = column.into_owned();
        for earlier in &basis {
            direction -= earlier * earlier.dot(&direction);
        }
        let (left, norm) = (direction.norm(), column.norm());
        // The rows must not vanish altogether.
        if left > 1e-6 * norm && basis.len() + 1 < direction.len() {
            basis.push(direction / left);
        }
    }
    for mut row in weight.row_iter_mut() {
        for direction in &basis {
            let along = row.transpose().dot(direction);
            row -= direction.transpose() * along;
        }
    }
}

/// How the copy of a cancelling network is made.
#[derive(Clone, Copy, Debug)]
enum Copy {
    Same,
    /// Every number moves by a relative `2^exponent` at most.
    Moved(i32),
    /// Each hidden neuron has another size, undone in the next layer.
    Rescaled,
}

impl Copy {
    fn of(self, layers: &[Affine], rng: &mut ChaCha8Rng) -> Vec<Affine> {
        let mut layers = layers.to_vec();
        match self {
            Self::Same => {}
            Self::Moved(exponent) => {
                for layer in &mut layers {
                    let mut moved = |v: f64| v * (1.0 + uniform(rng) * 2f64.powi(exponent));
                    layer.weight.apply(|v| *v = moved(*v));
                    layer.bias.apply(|v| *v = moved(*v));
                }
            }
            Self::Rescaled => {
                for index in 1..layers.len() {
                    for neuron in 0..layers[index].inputs() {
                        let factor = 0.5 + rng.random::<f64>();
                        layers[index - 1].bias[neuron] *= factor;
                        layers[index - 1].weight.row_mut(neuron).apply(|v| *v *= factor);
                        layers[index].weight.column_mut(neuron).apply(|v| *v /= factor);
                    }
                }
            }
        }
        layers
    }
}

fn pair_of_layers(original: Vec<Affine>, compressed: Vec<Affine>) -> PairedNetworks {
    let network = |layers| Network::relu_mlp(layers).expect("numbers are small and widths fit");
    PairedNetworks::new(&network(original), &network(compressed)).expect("the widths are equal")
}

/// All inputs of a region, in order; there may be very many.
#[must_use]
pub fn integer_inputs(region: &IntegerRegion) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new()];
    for range in region.coordinates() {
        let longer = |x: &Vec<i64>| {
            let next = |value| [x.as_slice(), &[value]].concat();
            (range.lower()..=range.upper()).map(next).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.retain(|x| region.contains(x));
    all
}

/// The inputs of the box around a region.
#[must_use]
pub fn integer_box(region: &IntegerRegion) -> usize {
    let lengths =
        region.coordinates().iter().map(|range| range.lower().abs_diff(range.upper()) + 1);
    lengths.fold(1u64, u64::saturating_mul).try_into().unwrap_or(usize::MAX)
}

/// Regions of every norm around inputs of a network, of radius 0 to 4.
pub fn integer_region(network: &FixedPointNetwork) -> impl Strategy<Value = IntegerRegion> + use<> {
    let network = network.clone();
    (fixed_point_input(&network), select(Norm::ALL.to_vec()), 0..=4u64)
        .prop_filter_map("the network does not take the center", move |(x, norm, radius)| {
            IntegerRegion::around(&network, x, norm, radius).ok()
        })
}
