//! The certified search over bit-widths: what it finds does, and is nearly the cheapest.

use nalgebra::{DMatrix, DVector};
use nncert_core::{Affine, Domain, Network, Region, exact};
use nncert_milp::quadapter::{
    CertifyOptions, Cost, Floor, FloorError, Kept, Proof, Property, Reason, Requirement, Search,
    SearchError, SearchOptions, Strategy, Verdict, certify, fitting_layer,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CLASSES: usize = 3;
const MOST: u32 = 4;

fn network(random: &mut ChaCha8Rng) -> Network {
    let mut affine = |outputs, inputs| {
        let mut entry = || random.random_range(-1.5..1.5);
        let weight = DMatrix::from_fn(outputs, inputs, |_, _| entry());
        Affine::new(weight, DVector::from_fn(outputs, |_, _| entry() / 4.0))
    };
    Network::relu_mlp(vec![affine(5, 2), affine(CLASSES, 5)]).unwrap()
}

/// A ball on which the class of its centre is shown to stay.
fn property(random: &mut ChaCha8Rng, network: &Network) -> Option<Property> {
    let centre: Vec<f64> = (0..2).map(|_| random.random_range(0.1..0.9)).collect();
    let class = network.evaluate(&centre).unwrap().argmax().0;
    let ball = Region::linf_ball(&centre, 0.04, &Domain::unit()).unwrap();
    let property = Property::same_class(ball, CLASSES, class).unwrap();
    let verdict = certify(network, &property, &CertifyOptions::default()).unwrap().verdict;
    matches!(verdict, Verdict::Certified(_)).then_some(property)
}

fn cases(count: usize) -> impl Iterator<Item = (Network, Property)> {
    let mut random = ChaCha8Rng::seed_from_u64(31);
    core::iter::from_fn(move || {
        let network = network(&mut random);
        Some((0..5).find_map(|_| property(&mut random, &network)).map(|found| (network, found)))
    })
    .flatten()
    .take(count)
}

fn options() -> SearchOptions {
    SearchOptions { most_fraction: MOST, ..SearchOptions::default() }
}

/// Points of a grid over a box, ends included.
fn grid(region: &Region) -> Vec<Vec<f64>> {
    let at = |input: usize, step: u32| {
        let (low, high) = (region.lower()[input], region.upper()[input]);
        (low + (high - low) * f64::from(step) / 8.0).clamp(low, high)
    };
    (0..81).map(|k| vec![at(0, k / 9), at(1, k % 9)]).collect()
}

/// Holds on a grid, in exact arithmetic, and by bounds again.
#[test]
fn what_is_found_does() {
    for (network, property) in cases(60) {
        let mut search = Search::new(&network, options()).unwrap();
        let found = search.run(&mut [&mut Kept::new(&property)], None).unwrap();
        let Some(strategy) = found.strategy else { continue };
        assert!(matches!(found.verdicts[..], [Verdict::Certified(_)]));
        let quantized = strategy.quantize(&network).unwrap();
        for x in grid(property.inputs().bounding_box()) {
            let y = exact::evaluate(&quantized, &x).unwrap();
            for row in property.outputs().rows() {
                let of = |sign: f64| row.coefficients.iter().position(|c| *c == sign).unwrap();
                assert!(y[of(1.0)] > y[of(-1.0)], "{strategy} at {x:?}");
            }
        }
        let again = certify(&quantized, &property, &CertifyOptions::default()).unwrap();
        assert!(matches!(again.verdict, Verdict::Certified(_)));
    }
}

/// Every strategy that the search may choose, tried one after the other.
#[test]
fn nearly_the_cheapest_is_found() {
    let (mut cheapest, mut all) = (0, 0);
    for (network, property) in cases(40) {
        let layers: Vec<&Affine> = network.weights().collect();
        let mut best: Option<u32> = None;
        for fractions in 0..(MOST + 1).pow(2) {
            for cut in 0..4 {
                let fractions = [fractions % (MOST + 1), fractions / (MOST + 1)];
                let format = |layer: usize| {
                    let fitting = fitting_layer(layers[layer], fractions[layer]).unwrap();
                    let bits = fitting.weight.bits() - u32::from(cut >> layer & 1 == 1);
                    let format = nncert_core::compress::FixedPointFormat::new(
                        bits,
                        fitting.weight.fraction(),
                    );
                    let weight = format.ok().filter(|_| bits >= 2)?;
                    Some(nncert_core::compress::LayerFormat { weight, bias: weight })
                };
                let Some(layers) = (0..2).map(format).collect() else { continue };
                let strategy = Strategy { layers };
                let quantized = strategy.quantize(&network).unwrap();
                let mut kept = Kept::new(&property);
                if matches!(kept.verdict(&quantized, false).unwrap(), Verdict::Certified(_)) {
                    let bits = strategy.bits().sum();
                    best = Some(best.map_or(bits, |best| best.min(bits)));
                }
            }
        }
        let mut search = Search::new(&network, options()).unwrap();
        let found = search.run(&mut [&mut Kept::new(&property)], None).unwrap();
        let Some(best) = best else { continue };
        let bits: u32 = found.strategy.expect("there is one").bits().sum();
        assert!(bits >= best && bits <= best + 2, "{bits} bits, {best} are enough");
        all += 1;
        cheapest += usize::from(bits == best);
    }
    assert!(all >= 30 && 5 * cheapest >= 4 * all, "{cheapest} of {all}");
}

/// A start of the caller's makes nothing dearer, and requirements before serve again.
#[test]
fn starts_and_memory_serve() {
    for (network, property) in cases(20) {
        let start = Strategy::fitting(&network, &[MOST, MOST]).unwrap();
        let mut search = Search::new(&network, options()).unwrap();
        let bits = |found: Option<Strategy>| found.map_or(u32::MAX, |s| s.bits().sum());
        let first = search.run(&mut [&mut Kept::new(&property)], None).unwrap();
        let again = search.run(&mut [&mut Kept::new(&property)], Some(&start)).unwrap();
        assert!(bits(again.strategy.clone()) <= bits(first.strategy.clone()));
        // The same question once more ends where it ended.
        let third = search.run(&mut [&mut Kept::new(&property)], None).unwrap();
        assert_eq!(bits(third.strategy), bits(again.strategy));
    }
}

/// Costs are what is made small; a floor of accuracy is kept.
#[test]
fn costs_and_floors_count() {
    let (network, property) = cases(1).next().unwrap();
    let run = |cost: Cost, floor: Option<Floor<'_>>| {
        let mut search = Search::new(&network, SearchOptions { cost, ..options() }).unwrap();
        if let Some(floor) = floor {
            search = search.with_floor(floor);
        }
        search.run(&mut [&mut Kept::new(&property)], None).unwrap()
    };
    let plain = run(Cost::LayerBits, None).strategy.unwrap();
    let total = run(Cost::TotalBits, None).strategy.unwrap();
    assert!(total.total_bits(&network).unwrap() <= plain.total_bits(&network).unwrap());
    let largest = run(Cost::LargestBits, None).strategy.unwrap();
    assert!(largest.largest_bits() <= plain.largest_bits());
    // The opposite of a cost: the dearest that is reached from the start is the start.
    let none = run(Cost::Custom(|_, _| f64::NAN), None).strategy.unwrap();
    assert_eq!(none.bits().sum::<u32>(), plain.bits().sum::<u32>());

    let points = grid(&Region::new(vec![0.0; 2], vec![1.0; 2]).unwrap());
    #[allow(clippy::cast_possible_truncation)]
    let inputs = DMatrix::from_fn(2, points.len(), |row, at| points[at][row] as f32);
    let labels: Vec<usize> =
        points.iter().map(|x| network.evaluate(x).unwrap().argmax().0).collect();
    let floor = Floor::below(&network, &inputs, &labels, 2.0).unwrap();
    let least = floor.least();
    assert!(least + 2 >= points.len());
    let found = run(Cost::LayerBits, Some(floor));
    assert!(found.correct.unwrap() >= least);
    let strategy = found.strategy.unwrap();
    assert!(strategy.bits().sum::<u32>() >= plain.bits().sum::<u32>());
    let counted = Floor::new(&inputs, &labels, 0).unwrap();
    let quantized = strategy.quantize(&network).unwrap();
    assert_eq!(counted.count(&quantized).unwrap(), found.correct.unwrap());
}

/// A requirement that is never shown, and says so.
struct Never(usize);

impl Requirement for Never {
    fn verdict(&mut self, _: &Network, thorough: bool) -> Result<Verdict, SearchError> {
        self.0 += usize::from(thorough);
        Ok(Verdict::Unknown(Reason::Bounds))
    }
}

#[test]
fn what_is_not_shown_is_not_found() {
    let (network, property) = cases(1).next().unwrap();
    let mut search = Search::new(&network, options()).unwrap();
    let (mut never, mut kept) = (Never(0), Kept::new(&property));
    let found = search.run(&mut [&mut kept, &mut never], None).unwrap();
    assert!(found.strategy.is_none() && !found.out_of_time && never.0 > 0, "{found}");
    // No time: no answer, and no error.
    let options = SearchOptions { time: Some(core::time::Duration::ZERO), ..options() };
    let found = Search::new(&network, options).unwrap().run(&mut [&mut kept], None).unwrap();
    assert!(found.strategy.is_none() && found.out_of_time);
}

#[test]
fn bad_questions_are_errors() {
    let (network, property) = cases(1).next().unwrap();
    let upside_down = SearchOptions { least_fraction: 5, most_fraction: 4, ..options() };
    let error = Search::new(&network, upside_down).unwrap_err();
    assert_eq!(error, SearchError::Fractions { least: 5, most: 4 });
    let none = SearchOptions { starts: 0, ..options() };
    assert_eq!(Search::new(&network, none).unwrap_err(), SearchError::Starts);
    let mut search = Search::new(&network, options()).unwrap();
    assert_eq!(search.run(&mut [], None).unwrap_err(), SearchError::Requirements);
    let other = Network::relu_mlp(vec![Affine::new(DMatrix::repeat(2, 7, 1.0), DVector::zeros(2))]);
    let other = other.unwrap();
    let mut search = Search::new(&other, options()).unwrap();
    let error = search.run(&mut [&mut Kept::new(&property)], None).unwrap_err();
    assert!(matches!(error, SearchError::Certify(_)), "{error}");
    // Strategies of another network.
    let mut search = Search::new(&network, options()).unwrap();
    let start = Strategy { layers: vec![] };
    let error = search.run(&mut [&mut Kept::new(&property)], Some(&start)).unwrap_err();
    assert!(matches!(error, SearchError::Format(_)), "{error}");

    let inputs = DMatrix::<f32>::zeros(2, 3);
    let error = Floor::new(&inputs, &[0, 1], 1).unwrap_err();
    assert_eq!(error, FloorError::Labels { inputs: 3, labels: 2 });
    let error = Floor::new(&inputs, &[0, 1, 0], 4).unwrap_err();
    assert_eq!(error, FloorError::Least { least: 4, inputs: 3 });
    for lost in [f64::NAN, -1.0, 101.0] {
        let error = Floor::below(&network, &inputs, &[0, 1, 0], lost).unwrap_err();
        assert!(matches!(error, FloorError::Lost { .. }), "{error}");
    }
    let narrow = DMatrix::<f32>::zeros(1, 1);
    let error = Floor::below(&network, &narrow, &[0], 1.0).unwrap_err();
    assert!(matches!(error, FloorError::Input(_)), "{error}");
}

/// Closeness with a probability, against samples.
#[cfg(feature = "similarity")]
#[test]
fn similar_strategies_stay_close() {
    use nncert_milp::quadapter::Similar;
    use nncert_prob::Confidence;

    let mut random = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..10 {
        let network = network(&mut random);
        let region = Region::new(vec![0.25; 2], vec![0.75; 2]).unwrap();
        let gamma = Confidence::new(0.8).unwrap();
        let epsilon = 0.1;
        let options = SearchOptions { most_fraction: 10, ..options() };
        let mut bits = Vec::new();
        let requirements = [
            Similar::new(&network, region.clone(), epsilon, gamma).unwrap(),
            Similar::everywhere(&network, region.clone(), epsilon).unwrap(),
        ];
        for (mut similar, least) in requirements.into_iter().zip([0.8, 1.0]) {
            let mut search = Search::new(&network, options).unwrap();
            let found = search.run(&mut [&mut similar], None).unwrap();
            assert_eq!(found.verdicts, [Verdict::Certified(Proof::Similarity)]);
            let strategy = found.strategy.unwrap();
            let quantized = strategy.quantize(&network).unwrap();
            let close = (0..4000).filter(|_| {
                let x: Vec<f64> = (0..2).map(|_| random.random_range(0.25..=0.75)).collect();
                let (f, g) = (network.evaluate(&x).unwrap(), quantized.evaluate(&x).unwrap());
                (f - g).amax() <= epsilon + 1e-12
            });
            // Far from chance at 4000 samples, where it is a probability.
            assert!(close.count() as f64 >= 4000.0 * (least - 0.05 * (1.0 - least) / 0.2));
            bits.push(strategy.bits().sum::<u32>());
        }
        assert!(bits[0] <= bits[1], "{bits:?}");
    }
    let network = network(&mut random);
    let region = Region::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
    assert!(Similar::everywhere(&network, region, f64::NAN).is_err());
}

/// With HiGHS: a model agrees with bounds and with points, and shows what bounds do not.
#[cfg(feature = "highs")]
#[test]
fn models_agree_with_bounds_and_points() {
    use core::time::Duration;
    use nncert_milp::quadapter::{certify_by_model, falsify};
    use nncert_milp::{Highs, Watch};

    let (highs, mut random) = (Highs::default(), ChaCha8Rng::seed_from_u64(9));
    let (mut shown, mut refuted, mut more) = (0, 0, 0);
    for _ in 0..300 {
        let network = network(&mut random);
        let centre: Vec<f64> = (0..2).map(|_| random.random_range(0.1..0.9)).collect();
        let class = network.evaluate(&centre).unwrap().argmax().0;
        let radius = random.random_range(0.02..0.4);
        let ball = Region::linf_ball(&centre, radius, &Domain::unit()).unwrap();
        let property = if random.random_bool(0.7) {
            Property::same_class(ball, CLASSES, class)
        } else {
            Property::not_class(ball, CLASSES, (class + 1) % CLASSES)
        }
        .unwrap();
        let watch = Watch::limit(Duration::from_secs(20));
        let by_model = certify_by_model(&network, &property, &highs, &watch).unwrap();
        let by_model = matches!(by_model, Verdict::Certified(Proof::Solver));
        let bounds = certify(&network, &property, &CertifyOptions::default()).unwrap().verdict;
        let witness = falsify(&network, &property, 20).unwrap();
        assert!(!(by_model && witness.is_some()), "a model shows what {witness:?} refutes");
        assert!(by_model || !matches!(bounds, Verdict::Certified(_)), "bounds show more");
        shown += usize::from(by_model);
        refuted += usize::from(witness.is_some());
        more += usize::from(by_model && !matches!(bounds, Verdict::Certified(_)));
    }
    // Hardly any is left open.
    assert!(shown + refuted >= 290 && refuted > 50 && more > 0, "{shown} {refuted} {more}");
}

/// With HiGHS: what bounds find is confirmed by a model.
#[cfg(feature = "highs")]
#[test]
fn what_is_found_is_confirmed_by_a_model() {
    use core::time::Duration;
    use nncert_milp::quadapter::certify_by_model;
    use nncert_milp::{Highs, Watch};

    let highs = Highs::default();
    for (network, property) in cases(60) {
        let mut kept = Kept::new(&property).and_solver(&highs, Duration::from_secs(10));
        let mut search = Search::new(&network, options()).unwrap();
        let Some(strategy) = search.run(&mut [&mut kept], None).unwrap().strategy else { continue };
        let quantized = strategy.quantize(&network).unwrap();
        let watch = Watch::limit(Duration::from_secs(20));
        let verdict = certify_by_model(&quantized, &property, &highs, &watch).unwrap();
        assert_eq!(verdict, Verdict::Certified(Proof::Solver), "{strategy}");
    }
}
