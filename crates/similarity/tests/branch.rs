//! Branch and bound against sampling, closed forms, and the single pass.

use core::ops::ControlFlow;
use std::time::Duration;

use nalgebra::{DMatrix, dmatrix, dvector};
use nncert_core::{Affine, Domain, Evaluator, Network, PairedNetworks, Region};
use nncert_similarity::strategies::question;
use nncert_similarity::{
    BranchEnd, BranchOptions, Confidence, Method, SimilarityError, branch_and_bound,
    branch_and_bound_observed, probability_interval,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The share of points of a region at which the outputs agree to `epsilon`.
fn sampled(pair: &PairedNetworks, region: &Region, epsilon: f64, samples: usize) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut inputs = DMatrix::zeros(region.dimension(), samples);
    for mut column in inputs.column_iter_mut() {
        region.sample_into(&mut rng, column.as_mut_slice());
    }
    let evaluate =
        |network| Evaluator::<f64>::new(network).unwrap().evaluate(&inputs).unwrap().clone();
    let difference = evaluate(pair.original()) - evaluate(pair.compressed());
    let agree = difference.column_iter().filter(|column| column.amax() <= epsilon).count();
    agree as f64 / samples as f64
}

fn options(boxes: usize) -> BranchOptions {
    BranchOptions { width: 0.0, boxes, ..BranchOptions::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The interval lies in that of one pass, holds the sampled share up to an error
    /// that is exceeded with probability 1e-9 (Hoeffding), and is the same every time.
    #[test]
    fn boxes_narrow_the_interval((pair, region, epsilon) in question(1..=3, 1..=8)) {
        let method = Method::default();
        let Ok(one) = probability_interval(&pair, &region, epsilon, method) else { return Ok(()) };
        let Ok(report) = branch_and_bound(&pair, &region, epsilon, method, &options(60)) else {
            return Ok(());
        };
        let (lower, upper) = (report.interval.lower, report.interval.upper);
        prop_assert!(lower <= upper);
        // Volumes are rounded, 60 times at most.
        prop_assert!(lower.get() >= one.lower.get() - 1e-12, "{lower} {}", one.lower);
        prop_assert!(upper.get() <= one.upper.get() + 1e-12, "{upper} {}", one.upper);
        let samples = 2_000;
        let error = ((2.0e9f64).ln() / (2.0 * samples as f64)).sqrt();
        // Right at the edge rounding may move all points to one side.
        let more = sampled(&pair, &region, epsilon * (1.0 + 1e-6) + 1e-9, samples);
        let fewer = sampled(&pair, &region, epsilon * (1.0 - 1e-6) - 1e-9, samples);
        prop_assert!(lower.get() <= more + error, "{lower} > {more}");
        prop_assert!(fewer - error <= upper.get(), "{upper} < {fewer}");
        let again = branch_and_bound(&pair, &region, epsilon, method, &options(60)).unwrap();
        prop_assert_eq!(again, report);
    }
}

/// `f(x) - f'(x) = ReLU(x + y) - ReLU(x)`, on `[-1, 1]²`.
fn corner() -> (PairedNetworks, Region) {
    let network = |first: f64, second: f64| {
        Network::relu_mlp(vec![
            Affine::new(dmatrix![1.0, 1.0; 1.0, 0.0], dvector![0.0, 0.0]),
            Affine::new(dmatrix![first, second], dvector![0.0]),
        ])
        .unwrap()
    };
    let pair = PairedNetworks::new(&network(1.0, -1.0), &network(0.0, 0.0)).unwrap();
    (pair, Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything).unwrap())
}

#[test]
fn the_exact_probability_is_approached() {
    // x ≥ 0: where y ≥ -x the difference is y, elsewhere -x. For x < 1/2 that leaves a
    // length of 1 + 1/2 in y, beyond it 1. x < 0: y ≤ 1/2 - x, a length of min(2, 3/2 - x).
    let exact = (0.75 + 0.5 + 0.875 + 1.0) / 4.0;
    let (pair, region) = corner();
    let mut last = 1.0;
    for boxes in [10, 100, 1000, 10_000] {
        let report =
            branch_and_bound(&pair, &region, 0.5, Method::default(), &options(boxes)).unwrap();
        let (lower, upper) = (report.interval.lower.get(), report.interval.upper.get());
        assert!(lower <= exact && exact <= upper, "{report}");
        assert!(upper - lower <= last);
        last = upper - lower;
    }
    assert!(last < 0.01, "{last}");
}

#[test]
fn every_end_is_told() {
    let (pair, region) = corner();
    let run = |options: BranchOptions| {
        branch_and_bound(&pair, &region, 0.5, Method::default(), &options).unwrap()
    };
    let wide = run(BranchOptions { width: 0.1, ..BranchOptions::default() });
    assert_eq!(wide.end, BranchEnd::Width);
    assert!(wide.interval.upper.get() - wide.interval.lower.get() <= 0.1);
    assert_eq!(run(options(3)).end, BranchEnd::Boxes);
    let none = BranchOptions { time: Some(Duration::ZERO), ..options(100) };
    assert_eq!(run(none).end, BranchEnd::Time);
    for (gamma, reached) in [(0.7, true), (0.8, false)] {
        let target = Some(Confidence::new(gamma).unwrap());
        let report = run(BranchOptions { target, ..options(100_000) });
        assert_eq!(report.end, BranchEnd::Target);
        assert_eq!(report.interval.lower.get() >= gamma, reached);
        assert_eq!(report.interval.upper.get() < gamma, !reached);
    }
    let mut seen = 0;
    let stop = |progress: nncert_similarity::BranchProgress| {
        seen += 1;
        assert!(progress.lower <= progress.upper);
        if seen < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let method = Method::default();
    let report = branch_and_bound_observed(&pair, &region, 0.5, method, &options(1000), stop);
    assert_eq!((report.unwrap().end, seen), (BranchEnd::Stopped, 3));
}

#[test]
fn bad_questions_are_named() {
    let (pair, region) = corner();
    let wrong = BranchOptions { width: f64::NAN, ..BranchOptions::default() };
    let error = branch_and_bound(&pair, &region, 0.5, Method::default(), &wrong).unwrap_err();
    assert!(error.to_string().starts_with("width is NaN"), "{error}");
    let right = BranchOptions::default();
    let error = branch_and_bound(&pair, &region, -0.5, Method::default(), &right).unwrap_err();
    assert_eq!(error, SimilarityError::Epsilon { epsilon: -0.5 });
}
