//! Every layer in every pass: sampled points lie inside every bound, without slack.

mod exact;
mod oracle;

use exact::Claim;
use nalgebra::{DMatrix, DVector};
use nncert_bounds::{
    AlphaOptions, BoundsError, DifferentialVerifier, Disagreement, Envelope, Limits, Property,
    TopOne, Verdict, alpha_crown, alpha_differential, crown, crown_ibp, crown_limited,
    differential, differential_limited, interval,
};
use nncert_core::directed::{sub_down, sub_up};
use nncert_core::exact::{Dyadic, evaluate};
use nncert_core::strategies::{piecewise_linear, point_in};
use nncert_core::{
    Activation, Affine, Domain, Interval, Layer, Network, PairedNetworks, Region, compress,
};
use oracle::rough;
use proptest::prelude::*;

/// A few steps: soundness does not depend on how many.
const ALPHA: AlphaOptions = AlphaOptions { iterations: 4, intermediate: 2, rate: 0.3, decay: 0.9 };

/// How often a case is drawn; `NNCERT_LAYER_CASES` asks for more.
fn cases() -> u32 {
    let asked = std::env::var("NNCERT_LAYER_CASES").ok();
    asked.map_or(150, |number| number.parse().expect("NNCERT_LAYER_CASES is a number"))
}

/// A copy of a network: the same, rounded, or with other weights altogether.
fn copy(f: &Network, kind: usize, factor: f64) -> Network {
    match kind {
        0 => f.clone(),
        1 => compress::float16(f).map_or_else(|_| f.clone(), |copy| copy.network),
        2 => compress::int8(f, compress::Granularity::PerChannel)
            .map_or_else(|_| f.clone(), |copy| copy.network),
        _ => {
            let scaled = |_: usize, affine: &Affine| {
                Affine::new(&affine.weight * factor, &affine.bias * (2.0 - factor))
            };
            f.map_weights(scaled).expect("scaled weights are weights")
        }
    }
}

type Case = (PairedNetworks, Region, Vec<Vec<f64>>);

fn case() -> impl Strategy<Value = Case> {
    let shape = (piecewise_linear(0..=4, 1..=2, 1..=5), 0..4usize, 0.5..1.5f64);
    shape
        .prop_flat_map(|(f, kind, factor)| {
            let inputs = f.inputs();
            let centre = prop::collection::vec(-1.0..1.0f64, inputs);
            let free = prop::collection::vec(prop::bool::weighted(0.6), inputs);
            (Just(f), Just((kind, factor)), centre, free, -6i32..3)
        })
        .prop_flat_map(|(f, (kind, factor), centre, free, size)| {
            let pair = PairedNetworks::new(&f, &copy(&f, kind, factor)).expect("a copy fits");
            let free: Vec<usize> = (0..centre.len()).filter(|&i| free[i]).collect();
            let radius = f64::from(size).exp2();
            let region = Region::ball_on(&centre, radius, &free, &Domain::Everything).unwrap();
            let points = prop::collection::vec(point_in(&region), 4);
            (Just(pair), Just(region), points)
        })
}

/// `lower(x) ≤ value ≤ upper(x)`, exactly; what is infinite says nothing.
fn between(value: &Dyadic, envelope: &Envelope, x: &[f64]) -> bool {
    let x: Vec<Dyadic> = x.iter().map(|x| exact::dyadic(*x)).collect();
    Claim::Envelope(envelope.clone()).holds(&x, value)
}

fn accept<T>(result: Result<T, BoundsError>) -> Option<T> {
    match result {
        Err(BoundsError::Overflow { .. }) => None,
        other => Some(other.expect("every layer is supported")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn points_lie_inside_every_bound((pair, region, points) in case(), rows in 0usize..6) {
        let (f, g) = (pair.original(), pair.compressed());
        let singles = [f, g].map(|network| {
            let ibp = accept(interval(network, &region));
            let plain = accept(crown(network, &region));
            let better = accept(alpha_crown(network, &region, &ALPHA));
            let quick = accept(crown_ibp(network, &region));
            let limited = accept(crown_limited(network, &region, rows));
            (ibp, plain, better, quick, limited)
        });
        let few = accept(differential_limited(&pair, &region, rows));
        for (ibp, .., limited) in &singles {
            if let (Some(ibp), Some(limited)) = (ibp, limited) {
                let mut outputs = limited.outputs.iter().zip(ibp);
                prop_assert!(outputs.all(|(o, ibp)| o.bounds.is_within(*ibp)), "never looser");
            }
        }
        if let (Some(few), [(Some(f), ..), (Some(g), ..)]) = (&few, &singles) {
            let tighter = |few: &[Interval], ibp: &[Interval]| {
                few.iter().zip(ibp).all(|(few, ibp)| few.is_within(*ibp))
            };
            prop_assert!(tighter(&few.original, f) && tighter(&few.compressed, g));
            for ((f, g), few) in f.iter().zip(g).zip(&few.outputs) {
                let (low, high) = (sub_down(f.lower, g.upper), sub_up(f.upper, g.lower));
                prop_assert!(few.bounds.is_within(Interval::new(low, high)), "pair, never looser");
            }
        }
        let joint = accept(differential(&pair, &region));
        let better = accept(alpha_differential(&pair, &region, &ALPHA));
        if let (Some(joint), Some(better)) = (&joint, &better) {
            for (a, b) in better.outputs.iter().zip(&joint.outputs) {
                prop_assert!(a.bounds.is_within(b.bounds), "α is never looser");
            }
        }
        for x in &points {
            let value = |network| evaluate(network, x).unwrap();
            let (f_x, g_x) = (value(f), value(g));
            for (values, single) in [&f_x, &g_x].into_iter().zip(&singles) {
                let (ibp, plain, better, quick, limited) = single;
                for (output, value) in values.iter().enumerate() {
                    if let Some(ibp) = ibp {
                        prop_assert!(value.is_within(ibp[output]), "interval");
                    }
                    if let Some(quick) = quick {
                        prop_assert!(between(value, &quick.outputs[output], x), "crown-ibp");
                    }
                    if let Some(limited) = limited {
                        prop_assert!(between(value, &limited.outputs[output], x), "limited");
                    }
                    if let (Some(plain), Some(better)) = (plain, better) {
                        let (plain, better) = (&plain.outputs[output], &better.outputs[output]);
                        prop_assert!(between(value, plain, x), "crown");
                        prop_assert!(between(value, better, x), "alpha-crown");
                        prop_assert!(better.bounds.is_within(plain.bounds));
                    }
                }
            }
            for output in 0..pair.outputs() {
                let difference = &f_x[output] - &g_x[output];
                if let Some(few) = &few {
                    prop_assert!(between(&difference, &few.outputs[output], x), "limited pair");
                    prop_assert!(f_x[output].is_within(few.original[output]));
                    prop_assert!(g_x[output].is_within(few.compressed[output]));
                }
                if let (Some(joint), Some(better)) = (&joint, &better) {
                    prop_assert!(between(&difference, &joint.outputs[output], x), "differential");
                    prop_assert!(between(&difference, &better.outputs[output], x), "alpha pair");
                    prop_assert!(f_x[output].is_within(joint.original[output]));
                    prop_assert!(g_x[output].is_within(joint.compressed[output]));
                }
            }
        }
    }

    /// A class that changes is never certified to stay; a witness shows a change.
    #[test]
    fn classes_are_told_truly((pair, region, points) in case(), confidence in 0usize..3) {
        let confidence = [0.0, 0.4, 0.9][confidence];
        let property = Property::from(TopOne::with_confidence(confidence));
        let limits = Limits { boxes: 40, time: None };
        let verifier = DifferentialVerifier { property, limits };
        let Ok(report) = verifier.verify(&pair, &region) else { return Ok(()) };
        let classes = |x: &[f64]| {
            [pair.original(), pair.compressed()].map(|network| {
                let values = evaluate(network, x).unwrap();
                let first = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
                (0..values.len()).fold(0, first)
            })
        };
        // The softmax, well on the safe side.
        let sure = |x: &[f64]| {
            let values = pair.original().evaluate(x).unwrap();
            let sum: f64 = values.iter().map(|value| (value - values.max()).exp()).sum();
            1.0 / sum > confidence + 1e-6
        };
        match &report.verdict {
            Verdict::Certified => {
                for x in points.iter().filter(|x| sure(x)) {
                    let [original, compressed] = classes(x);
                    prop_assert_eq!(original, compressed);
                }
            }
            Verdict::Falsified(witness) => {
                prop_assert!(region.contains(&witness.input));
                let [original, compressed] = classes(&witness.input);
                prop_assert_eq!(witness.disagreement, Disagreement::Class { original, compressed });
                prop_assert_ne!(original, compressed);
            }
            _ => {}
        }
    }

    /// Sigmoids and tanh, against evaluation with a bound of its error.
    #[test]
    fn smooth_networks_are_bounded(
        weights in prop::collection::vec(-2.0..2.0f64, 60),
        kinds in prop::collection::vec(0usize..3, 3),
        centre in prop::collection::vec(-1.0..1.0f64, 3),
        (size, change) in (-8i32..3, -10i32..1),
        draws in prop::collection::vec(prop::collection::vec(0.0..1.0f64, 3), 6),
    ) {
        let smooth = |scale: f64| {
            let mut weights = weights.iter().map(|w| w * scale).cycle();
            let mut layers: Vec<Layer> = Vec::new();
            for kind in &kinds {
                let weight = DMatrix::from_fn(3, 3, |_, _| weights.next().unwrap());
                let bias = DVector::from_fn(3, |_, _| weights.next().unwrap());
                layers.push(Affine::new(weight, bias).into());
                let all = [Activation::Sigmoid, Activation::Tanh, Activation::RELU6];
                layers.push(all[*kind].into());
            }
            Network::new(3, layers).unwrap()
        };
        let (f, g) = (smooth(1.0), smooth(1.0 + f64::from(change).exp2()));
        let pair = PairedNetworks::new(&f, &g).unwrap();
        let region = Region::linf_ball(&centre, f64::from(size).exp2(), &Domain::Everything).unwrap();
        let bounds = differential(&pair, &region).unwrap();
        let better = alpha_differential(&pair, &region, &ALPHA).unwrap();
        let (ibp, plain) = (interval(&f, &region).unwrap(), crown(&f, &region).unwrap());
        for draw in &draws {
            let x: Vec<f64> = draw.iter().enumerate().map(|(at, draw)| {
                let Interval { lower, upper } = region.interval(at);
                (lower + draw * (upper - lower)).clamp(lower, upper)
            }).collect();
            let (f_x, g_x) = (rough(&f, &x), rough(&g, &x));
            for output in 0..3 {
                let (value, error) = f_x[output];
                let outside = |bounds: Interval, value: f64, error: f64| {
                    value - error > bounds.upper || value + error < bounds.lower
                };
                prop_assert!(!outside(ibp[output], value, error));
                prop_assert!(!outside(plain.outputs[output].bounds, value, error));
                let (other, its_error) = g_x[output];
                let (difference, error) = (value - other, (error + its_error) * 1.01 + 1e-15);
                prop_assert!(!outside(bounds.outputs[output].bounds, difference, error));
                prop_assert!(!outside(better.outputs[output].bounds, difference, error));
            }
        }
    }
}
