//! The verifier never certifies a counterexample away, and never invents one.

use core::cmp::Ordering;
use core::ops::ControlFlow;
use std::time::Duration;

use nalgebra::{dmatrix, dvector};
use nncert_bounds::{
    Agreement, DifferentialVerifier, Disagreement, Limits, Outputs, UnknownReason, Verdict,
    VerifyError,
};
use nncert_core::exact::{self, Dyadic};
use nncert_core::strategies::pair_region_and_points;
use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
use proptest::prelude::*;

/// `|f(x) - f'(x)|` at one output, exactly.
fn difference(pair: &PairedNetworks, x: &[f64], output: usize) -> Dyadic {
    let value = |network| exact::evaluate(network, x).unwrap()[output].clone();
    let difference = &value(pair.original()) - &value(pair.compressed());
    if difference.is_negative() { -&difference } else { difference }
}

fn verifier(property: Agreement, boxes: usize) -> DifferentialVerifier {
    DifferentialVerifier { property: property.into(), limits: Limits { boxes, time: None } }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A counterexample is planted: `ε` is just below the difference at a known point.
    #[test]
    fn planted_counterexamples_are_never_certified_away(
        (pair, region, points) in pair_region_and_points(1..=3, 1..=6, 1),
        strict in any::<bool>(),
    ) {
        let x = &points[0];
        let (f, g) = (pair.original().evaluate(x).unwrap(), pair.compressed().evaluate(x).unwrap());
        let mut epsilon = (f[0] - g[0]).abs() * (1.0 - 1e-6);
        let planted = difference(&pair, x, 0);
        // The rounded difference may be far above the exact one, which may be 0.
        let too_large = |epsilon: f64| planted.compare(epsilon).is_none_or(Ordering::is_lt);
        for _ in 0..64 {
            if too_large(epsilon) {
                epsilon *= 0.5;
            }
        }
        if too_large(epsilon) {
            epsilon = 0.0;
        }
        let property = Agreement { epsilon, strict: true, outputs: Outputs::One(0) };
        let property = if strict || planted.compare(epsilon) == Some(Ordering::Equal) {
            property
        } else {
            Agreement { strict: false, ..property }
        };
        let Ok(report) = verifier(property, 100).verify(&pair, &region) else { return Ok(()) };
        prop_assert_ne!(&report.verdict, &Verdict::Certified, "{:?}", planted);
        prop_assert!(planted.compare(report.epsilon).unwrap().is_le());
    }

    /// What is certified holds at every point, what is falsified fails at the witness,
    /// and the bound that is reported is one.
    #[test]
    fn verdicts_are_true(
        (pair, region, points) in pair_region_and_points(1..=3, 1..=6, 10),
        scale in -3i32..3,
    ) {
        let Ok(root) = nncert_bounds::differential(&pair, &region) else { return Ok(()) };
        let epsilon = root.epsilon() * f64::from(scale).exp2();
        let Ok(report) = verifier(Agreement::within(epsilon), 100).verify(&pair, &region) else {
            return Ok(());
        };
        for x in &points {
            for output in 0..pair.outputs() {
                let order = difference(&pair, x, output).compare(report.epsilon).unwrap();
                prop_assert!(order.is_le(), "{report}");
            }
        }
        match &report.verdict {
            Verdict::Certified => prop_assert!(report.epsilon <= epsilon && report.open == 0),
            Verdict::Falsified(witness) => {
                prop_assert!(region.contains(&witness.input));
                let Disagreement::Output(output) = witness.disagreement else { panic!("{report}") };
                let order = difference(&pair, &witness.input, output).compare(epsilon);
                prop_assert!(order.unwrap().is_gt());
            }
            _ => {}
        }
        let again = verifier(Agreement::within(epsilon), 100).verify(&pair, &region).unwrap();
        prop_assert_eq!(again, report);
    }
}

/// `f(x) - f'(x) = ReLU(x) - ReLU(x - 0.5)`, between 0 and 0.5.
fn shifted() -> (PairedNetworks, Region) {
    let network = |bias: f64| {
        Network::relu_mlp(vec![
            Affine::new(dmatrix![1.0, 0.0; 0.0, 1.0], dvector![bias, 0.0]),
            Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
        ])
        .unwrap()
    };
    let pair = PairedNetworks::new(&network(0.0), &network(-0.5)).unwrap();
    (pair, Region::linf_ball(&[0.1, 0.2], 2.0, &Domain::Everything).unwrap())
}

#[test]
fn the_exact_threshold_is_decided() {
    let (pair, region) = shifted();
    let run = |property| verifier(property, 10_000).verify(&pair, &region).unwrap().verdict;
    assert_eq!(run(Agreement::within(0.500001)), Verdict::Certified);
    assert!(matches!(run(Agreement::within(0.499999)), Verdict::Falsified(_)));
    // At the maximum itself only the strict property fails, and exactly so.
    assert!(matches!(run(Agreement::within(0.5).strictly()), Verdict::Falsified(_)));
}

#[test]
fn limits_and_observers_give_unknown() {
    // A difference with many kinks: |δ| stays below 1, which takes cuts to see.
    let (rows, hidden) = (40, 40);
    let weight =
        nalgebra::DMatrix::from_fn(rows, 2, |i, j| ((i * 7 + j * 3) % 11) as f64 / 5.0 - 1.0);
    let network = |factor: f64| {
        Network::relu_mlp(vec![
            Affine::new(
                &weight * factor,
                nalgebra::DVector::from_fn(rows, |i, _| (i % 5) as f64 / 9.0),
            ),
            Affine::new(
                nalgebra::DMatrix::from_fn(1, hidden, |_, j| if j % 2 == 0 { 1.0 } else { -1.0 }),
                dvector![0.0],
            ),
        ])
        .unwrap()
    };
    let pair = PairedNetworks::new(&network(1.0), &network(1.01)).unwrap();
    let region = Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything).unwrap();
    let root = nncert_bounds::differential(&pair, &region).unwrap().epsilon();
    let hard = Agreement::within(root * 0.6);
    let boxes = verifier(hard, 2).verify(&pair, &region).unwrap();
    assert_eq!(boxes.verdict, Verdict::Unknown(UnknownReason::Boxes));
    assert!(boxes.epsilon <= root && boxes.open > 0);
    let limits = Limits { time: Some(Duration::ZERO), boxes: 100 };
    let time =
        DifferentialVerifier { property: hard.into(), limits }.verify(&pair, &region).unwrap();
    assert_eq!(time.verdict, Verdict::Unknown(UnknownReason::Time));
    let mut seen = Vec::new();
    let stopped = verifier(hard, 100)
        .verify_observed(&pair, &region, |progress| {
            seen.push(progress.boxes);
            if seen.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
    assert_eq!((stopped.verdict, seen), (Verdict::Unknown(UnknownReason::Stopped), vec![1, 3]));
}

#[test]
fn bad_questions_are_named() {
    let (pair, region) = shifted();
    let ask = |property| verifier(property, 1).verify(&pair, &region).unwrap_err();
    for epsilon in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(ask(Agreement::within(epsilon)), VerifyError::Epsilon { .. }));
    }
    let error = ask(Agreement::within(1.0).of_output(3));
    assert_eq!(error.to_string(), "there is no output 3 among 1");
    let point = Region::point(&[0.0]).unwrap();
    let error = verifier(Agreement::within(1.0), 1).verify(&pair, &point).unwrap_err();
    assert_eq!(error.to_string(), "expected a region in 2 dimensions, found 1");
}
