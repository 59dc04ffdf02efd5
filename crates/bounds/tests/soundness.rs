//! Every sampled point lies inside every bound, without slack.
//!
//! `NNCERT_SOUNDNESS_POINTS` sets how many points are sampled in all; the default
//! suits every run of the tests, a million is the full check. `NNCERT_SOUNDNESS_SEED`
//! is a number that gives other points than everyone's.

mod exact;
mod oracle;

use nncert_bounds::{
    AffineForm, BoundsError, Envelope, Face, Faces, Line, Lines, PairBounds, Relaxations, Rounding,
    crown_with, differential_with, interval, relu_difference_faces, relu_lines,
};
use nncert_core::strategies::pair_region_and_points;
use nncert_core::{Interval, PairedNetworks, Region};
use oracle::{Oracle, Value, form, inside};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Points to each pair and region.
const POINTS: usize = 20;
/// One point in this many is decided in exact arithmetic throughout.
const EXACT_SHARE: usize = 10;

fn points_in_all() -> usize {
    match std::env::var("NNCERT_SOUNDNESS_POINTS") {
        Ok(number) => number.parse().expect("NNCERT_SOUNDNESS_POINTS is a number"),
        Err(_) => 8_000,
    }
}

/// The same points for everyone, unless asked for others.
fn seeded() -> TestRng {
    let mut seed = exact::SEED;
    if let Ok(number) = std::env::var("NNCERT_SOUNDNESS_SEED") {
        let number: u64 = number.parse().expect("NNCERT_SOUNDNESS_SEED is a number");
        seed[..8].copy_from_slice(&number.to_le_bytes());
    }
    TestRng::from_seed(RngAlgorithm::ChaCha, &seed)
}

/// What a point violates: the bound's name and the output.
type Violation = (&'static str, usize);

fn check(
    pair: &PairedNetworks,
    region: &Region,
    points: &[Vec<f64>],
    relaxations: &Relaxations,
) -> Result<(), Violation> {
    let bounds = match differential_with(pair, region, relaxations, Rounding::Outward) {
        // Bounds that overflow are refused, not guessed.
        Err(BoundsError::Overflow { .. }) => return Ok(()),
        other => other.expect("the pair and the region fit"),
    };
    let baseline = nncert_bounds::forward(pair, region).ok();
    let networks = [pair.original(), pair.compressed()];
    let single = networks.map(|network| {
        let crown = crown_with(network, region, relaxations, Rounding::Outward);
        (interval(network, region), crown)
    });
    for (index, x) in points.iter().enumerate() {
        assert!(region.contains(x));
        let always = index % EXACT_SHARE == 0;
        let mut values = networks.map(|network| Oracle::new(network, x));
        for ((oracle, single), joint) in
            values.iter_mut().zip(&single).zip([&bounds.original, &bounds.compressed])
        {
            let (Ok(interval), Ok(crown)) = single else { continue };
            for output in 0..pair.outputs() {
                let rough = oracle.rough[output];
                let mut value = Value { rough, exact: Box::new(|| oracle.exact()[output].clone()) };
                let envelope = &crown.outputs[output];
                let require = |name, holds| if holds { Ok(()) } else { Err((name, output)) };
                require("interval", inside(&mut value, interval[output], always))?;
                require("crown", inside(&mut value, envelope.bounds, always))?;
                require("crown of the pair", inside(&mut value, joint[output], always))?;
                require(
                    "crown form",
                    between(&mut value, &envelope.lower, &envelope.upper, x, always),
                )?;
            }
        }
        let [f, g] = &mut values;
        for (output, envelope) in bounds.outputs.iter().enumerate() {
            let ((a, a_error), (b, b_error)) = (f.rough[output], g.rough[output]);
            let rough = (a - b, (a_error + b_error) * 1.01 + (a - b).abs() * 1e-15);
            let exact = Box::new(|| &f.exact()[output] - &g.exact()[output]);
            let mut value = Value { rough, exact };
            let mut require = |name, Envelope { lower, upper, bounds }: &Envelope| {
                let inside = inside(&mut value, *bounds, always)
                    && between(&mut value, lower, upper, x, always);
                if inside { Ok(()) } else { Err((name, output)) }
            };
            require("differential", envelope)?;
            if let Some(baseline) = &baseline {
                require("forward", &baseline.outputs[output])?;
            }
        }
    }
    Ok(())
}

fn between(
    value: &mut Value<'_>,
    lower: &AffineForm,
    upper: &AffineForm,
    x: &[f64],
    always: bool,
) -> bool {
    (lower.constant == f64::NEG_INFINITY || value.at_least(&mut form(lower, x), always))
        && (upper.constant == f64::INFINITY || form(upper, x).at_least(value, always))
}

#[test]
fn sampled_points_lie_inside_every_bound() {
    let cases = points_in_all().div_ceil(POINTS);
    let config = Config::with_cases(cases.try_into().expect("a sensible number"));
    let mut runner = TestRunner::new_with_rng(config, seeded());
    let strategy = pair_region_and_points(1..=6, 1..=40, POINTS);
    let result = runner.run(&strategy, |(pair, region, points)| {
        check(&pair, &region, &points, &Relaxations::default())
            .map_err(|violation| TestCaseError::fail(format!("{violation:?}")))
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// The suite rejects these relaxations: it can fail.
#[test]
fn broken_relaxations_are_caught() {
    for (name, broken) in mutants() {
        let mut runner = TestRunner::new_with_rng(
            Config {
                cases: 2_000,
                failure_persistence: None,
                max_shrink_iters: 0,
                ..Config::default()
            },
            TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        );
        let strategy = pair_region_and_points(1..=4, 1..=12, POINTS);
        let result = runner.run(&strategy, |(pair, region, points)| {
            check(&pair, &region, &points, &broken)
                .map_err(|v| TestCaseError::fail(format!("{v:?}")))
        });
        assert!(result.is_err(), "the suite accepts the broken relaxation `{name}`");
    }
}

fn mutants() -> [(&'static str, Relaxations); 6] {
    let sound = Relaxations::default();
    [
        ("upper line through the origin", Relaxations { relu: upper_through_origin, ..sound }),
        ("chord one part in 2^20 too low", Relaxations { relu: chord_slightly_low, ..sound }),
        ("unstable neurons taken for active", Relaxations { relu: always_active, ..sound }),
        ("difference passes unchanged", Relaxations { relu_difference: unchanged, ..sound }),
        ("lower face of the wrong sign", Relaxations { relu_difference: wrong_sign, ..sound }),
        ("min(δ, x) taken at u", Relaxations { relu_difference: chord_at_upper, ..sound }),
    ]
}

fn upper_through_origin(x: Interval) -> Lines {
    let mut lines = relu_lines(x);
    lines.upper.intercept = 0.0;
    lines
}

fn chord_slightly_low(x: Interval) -> Lines {
    let mut lines = relu_lines(x);
    lines.upper.intercept *= 1.0 - 1.0 / f64::from(1 << 20);
    lines
}

fn always_active(x: Interval) -> Lines {
    let identity = Line { slope: 1.0, intercept: 0.0 };
    if x.upper <= 0.0 { relu_lines(x) } else { Lines { lower: identity, upper: identity } }
}

fn unchanged(x: Interval, compressed: Interval, delta: Interval) -> Faces {
    if x.upper <= 0.0 && compressed.upper <= 0.0 {
        return relu_difference_faces(x, compressed, delta);
    }
    let delta = Face { delta: 1.0, ..Face::default() };
    Faces { lower: delta, upper: delta }
}

fn wrong_sign(x: Interval, compressed: Interval, delta: Interval) -> Faces {
    let mut faces = relu_difference_faces(x, compressed, delta);
    if x.lower < 0.0 && x.upper > 0.0 && compressed.lower < 0.0 && compressed.upper > 0.0 {
        faces.lower.constant = -faces.lower.constant;
    }
    faces
}

fn chord_at_upper(x: Interval, compressed: Interval, delta: Interval) -> Faces {
    if x.lower >= 0.0 && compressed.lower < 0.0 && compressed.upper > 0.0 {
        let wrong = Interval::new(x.upper, x.upper);
        return relu_difference_faces(wrong, compressed, delta);
    }
    relu_difference_faces(x, compressed, delta)
}

/// Fixed inputs fold away without changing what is bounded.
#[test]
fn a_point_has_a_tight_bound() {
    let mut runner = TestRunner::deterministic();
    let strategy = pair_region_and_points(2..=3, 2..=6, 1);
    for _ in 0..50 {
        let tree = strategy.new_tree(&mut runner).unwrap();
        let (pair, _, points) = proptest::strategy::ValueTree::current(&tree);
        let point = Region::point(&points[0]).unwrap();
        let Ok(bounds) = nncert_bounds::differential(&pair, &point) else { continue };
        let PairBounds { outputs, original, .. } = &bounds;
        for (output, interval) in outputs.iter().zip(original) {
            assert!(output.lower.coefficients.iter().all(|c| *c == 0.0));
            assert!(interval.width() <= 1e-9 * (1.0 + interval.magnitude()), "{interval}");
        }
    }
}
