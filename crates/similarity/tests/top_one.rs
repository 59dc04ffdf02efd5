//! The probability of the same class: against exact areas, sampling, and the verifier.

use std::ops::ControlFlow;

use nalgebra::{DMatrix, DVector, dmatrix, dvector};
use nncert_bounds::{DifferentialVerifier, TopOne, Verdict};
use nncert_core::exact;
use nncert_core::strategies::pair_and_region;
use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
use nncert_similarity::{
    BranchEnd, BranchOptions, SimilarityError, Tail, TopOneReport, top_one_probability,
    top_one_probability_observed,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn options(boxes: usize) -> BranchOptions {
    BranchOptions { width: 0.0, boxes, ..BranchOptions::default() }
}

fn ask(pair: &PairedNetworks, region: &Region, tail: Tail, boxes: usize) -> TopOneReport {
    top_one_probability(pair, region, tail, &options(boxes)).unwrap()
}

/// The class that a network chooses, exactly.
fn class(network: &Network, x: &[f64]) -> usize {
    let values = exact::evaluate(network, x).unwrap();
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// The share of sampled inputs with the same class lies in the interval, up to an
    /// error that is exceeded with probability 1e-9 (Hoeffding), whatever the tail; what the verifier certifies has probability 1.
    #[test]
    fn sampling_agrees((pair, region) in pair_and_region(1..=3, 2..=6)) {
        prop_assume!(pair.outputs() >= 2);
        let samples = 400;
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let same = (0..samples).filter(|_| {
            let x = region.sample(&mut rng);
            class(pair.original(), &x) == class(pair.compressed(), &x)
        });
        let share = same.count() as f64 / f64::from(samples);
        let error = ((2.0e9f64).ln() / (2.0 * f64::from(samples))).sqrt();
        for boxes in [1, 9, 65] {
            let report = ask(&pair, &region, Tail::Exact, boxes);
            let (lower, upper) = (report.lower.get(), report.upper.get());
            prop_assert!(lower <= upper, "{report}");
            prop_assert!(lower - error <= share && share <= upper + error, "{share} {report}");
            let loose = ask(&pair, &region, Tail::Hoeffding, boxes);
            prop_assert!(loose.lower.get() - error <= share && share <= loose.upper.get() + error);
        }
        let mut verifier = DifferentialVerifier::new(TopOne::default());
        verifier.limits.boxes = 100;
        match verifier.verify(&pair, &region).unwrap().verdict {
            Verdict::Certified => {
                let report = ask(&pair, &region, Tail::Exact, 100);
                prop_assert_eq!(report.upper.get(), 1.0);
            }
            Verdict::Falsified(_) | Verdict::Unknown(_) => {}
            _ => unreachable!(),
        }
    }
}

/// Three classes over two inputs, `f_i = w_i · x + b_i`: regions of classes are polygons.
fn linear(weights: DMatrix<f64>, bias: DVector<f64>) -> Network {
    Network::relu_mlp(vec![Affine::new(weights, bias)]).unwrap()
}

#[test]
fn one_pass_sees_a_thin_slab() {
    // 100 inputs, and a boundary that the copy moves by a thousandth.
    let n = 100;
    let row = |sign: f64| (0..n).map(move |i| sign * (1.0 + f64::from(i % 7)));
    let weights = DMatrix::from_row_iterator(2, n as usize, row(1.0).chain(row(-1.0)));
    let network = |bias: f64| linear(weights.clone(), dvector![bias, 0.0]);
    let pair = PairedNetworks::new(&network(0.0), &network(-0.1)).unwrap();
    let region = Region::linf_ball(&[0.0; 100], 1.0, &Domain::Everything).unwrap();
    let report = ask(&pair, &region, Tail::Exact, 1);
    // m = 2 w·X is nearly normal; the slab has length 0.1 in it.
    let sigma = 2.0 * (row(1.0).map(|w| w * w).sum::<f64>() / 3.0).sqrt();
    let slab = 0.1 / (sigma * (2.0 * std::f64::consts::PI).sqrt());
    assert!((1.0 - report.lower.get() - slab).abs() < 0.02 * slab, "{report} {slab}");
    assert!((1.0 - report.upper.get() - slab).abs() < 0.02 * slab, "{report} {slab}");
    // Tails without probability mass in the middle cannot.
    assert!(ask(&pair, &region, Tail::Chernoff, 1).lower.get() < 0.5);
}

#[test]
fn exact_areas_are_approached() {
    // f: class 0 where x ≥ 0 and x ≥ y, class 1 where y > x and y > 0, class 2 elsewhere.
    // f' has the boundary of class 2 at 1/4 in place of 0.
    let weights = dmatrix![1.0, 0.0; 0.0, 1.0; 0.0, 0.0];
    let f = linear(weights.clone(), dvector![0.0, 0.0, 0.0]);
    let g = linear(weights, dvector![0.0, 0.0, 0.25]);
    let pair = PairedNetworks::new(&f, &g).unwrap();
    let region = Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything).unwrap();
    // They differ where the larger of x and y is in (0, 1/4): (1.25² - 1) / 4.
    let exact = 1.0 - (1.25f64 * 1.25 - 1.0) / 4.0;
    let mut last = 1.0;
    for boxes in [1, 10, 100, 1000] {
        let report = ask(&pair, &region, Tail::Exact, boxes);
        let (lower, upper) = (report.lower.get(), report.upper.get());
        assert!(lower <= exact && exact <= upper && upper - lower <= last + 1e-12, "{report}");
        last = upper - lower;
        assert_eq!(report.classes, [0, 1, 2]);
    }
    assert!(last < 1e-3, "{last}");
}

#[test]
fn ties_go_to_the_first() {
    // Equal outputs everywhere: class 0.
    let same = linear(dmatrix![1.0; 1.0], dvector![0.0, 0.0]);
    let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything).unwrap();
    for (first, agree) in [(1.0, true), (0.0, true), (-1e-9, false)] {
        let other = linear(dmatrix![1.0; 1.0], dvector![first, 0.0]);
        let pair = PairedNetworks::new(&same, &other).unwrap();
        for pair in [pair, PairedNetworks::new(&other, &same).unwrap()] {
            let report = ask(&pair, &region, Tail::Exact, 100);
            if agree {
                assert_eq!(report.upper.get(), 1.0, "{report}");
            } else {
                assert_eq!(report.lower.get(), 0.0, "{report}");
            }
        }
    }
}

#[test]
fn classes_out_of_reach_are_left_out() {
    let f = linear(dmatrix![1.0; -1.0; 0.0; 0.5], dvector![0.0, 0.0, -9.0, -9.0]);
    let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything).unwrap();
    let report = ask(&PairedNetworks::new(&f, &f).unwrap(), &region, Tail::Exact, 1);
    assert_eq!(report.classes, [0, 1]);
    let right = Region::linf_ball(&[0.5], 0.25, &Domain::Everything).unwrap();
    let report = ask(&PairedNetworks::new(&f, &f).unwrap(), &right, Tail::Exact, 1);
    assert_eq!((report.classes, report.lower.get()), (vec![0], 1.0));
}

#[test]
fn bad_questions_and_early_ends() {
    let one = linear(dmatrix![1.0], dvector![0.0]);
    let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything).unwrap();
    let pair = PairedNetworks::new(&one, &one).unwrap();
    let error = top_one_probability(&pair, &region, Tail::Exact, &options(1)).unwrap_err();
    assert_eq!(error, SimilarityError::Classes { classes: 1 });
    assert_eq!(error.to_string(), "1 outputs are not 2 to 64 classes");
    let f = linear(dmatrix![1.0, 0.5; -1.0, 0.25], dvector![0.0, 0.0]);
    let g = linear(dmatrix![1.0, 0.5; -1.0, -0.25], dvector![0.1, 0.0]);
    let pair = PairedNetworks::new(&f, &g).unwrap();
    let wide = Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything).unwrap();
    let nan = BranchOptions { width: f64::NAN, ..options(1) };
    assert!(top_one_probability(&pair, &wide, Tail::Exact, &nan).is_err());
    assert!(top_one_probability(&pair, &region, Tail::Exact, &options(1)).is_err());
    let stop = |_| ControlFlow::Break(());
    let report =
        top_one_probability_observed(&pair, &wide, Tail::Hoeffding, &options(99), stop).unwrap();
    assert_eq!((report.end, report.boxes), (BranchEnd::Stopped, 1));
}
