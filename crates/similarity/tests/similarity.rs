//! Certificates against sampling, against each other, and against bad input.

use std::ops::ControlFlow;

use nalgebra::{DMatrix, dmatrix, dvector};
use nncert_core::exact::{self, Dyadic};
use nncert_core::{Affine, Domain, Evaluator, Interval, Network, PairedNetworks, Region};
use nncert_similarity::strategies::{method, question};
use nncert_similarity::{
    Balls, Confidence, Method, Outputs, Propagation, RadiusSearch, RadiusVerdict, SimilarityError,
    Tail, UnknownRadius, certified_radius, certified_radius_observed, probability_interval,
    worst_case_radius,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The share of `samples` points of a region at which the outputs agree to `epsilon`.
fn sampled(
    pair: &PairedNetworks,
    region: &Region,
    epsilon: f64,
    outputs: Outputs,
    samples: usize,
) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut inputs = DMatrix::zeros(region.dimension(), samples);
    for mut column in inputs.column_iter_mut() {
        region.sample_into(&mut rng, column.as_mut_slice());
    }
    let evaluate =
        |network| Evaluator::<f64>::new(network).unwrap().evaluate(&inputs).unwrap().clone();
    let difference = evaluate(pair.original()) - evaluate(pair.compressed());
    let agree = difference.column_iter().filter(|column| {
        column.iter().enumerate().all(|(o, d)| !outputs.includes(o) || d.abs() <= epsilon)
    });
    agree.count() as f64 / samples as f64
}

/// Whether rounding in the evaluation of the networks is large beside `epsilon`: then
/// samples say nothing about a difference that is known far more precisely.
fn is_noisy(pair: &PairedNetworks, region: &Region, epsilon: f64) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let exactly = |network, x: &[f64]| exact::evaluate(network, x).unwrap();
    (0..10).any(|_| {
        let x = region.sample(&mut rng);
        let (f, g) = (exactly(pair.original(), &x), exactly(pair.compressed(), &x));
        let rounded =
            pair.original().evaluate(&x).unwrap() - pair.compressed().evaluate(&x).unwrap();
        rounded.iter().zip(f.iter().zip(&g)).any(|(rounded, (f, g))| {
            let error = &Dyadic::from_f64(*rounded).unwrap() - &(f - g);
            let allowed = epsilon * 1e-10;
            !error.is_within(Interval::new(-allowed, allowed))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The sampled share lies in the interval, up to the sampling error that is
    /// exceeded with probability 1e-9 (Hoeffding).
    #[test]
    fn sampling_agrees((pair, region, epsilon) in question(1..=4, 1..=10), method in method()) {
        let Ok(interval) = probability_interval(&pair, &region, epsilon, method) else {
            return Ok(());
        };
        prop_assert!(interval.lower <= interval.upper);
        prop_assume!(!is_noisy(&pair, &region, epsilon));
        let samples = 2_000;
        let share = sampled(&pair, &region, epsilon, method.outputs, samples);
        let error = ((2.0e9f64).ln() / (2.0 * samples as f64)).sqrt();
        // Right at the edge rounding may move all points to one side: those are no evidence.
        let nudged = sampled(&pair, &region, epsilon * (1.0 + 1e-9) + 1e-300, method.outputs, samples);
        prop_assert!(interval.lower.get() <= nudged + error, "{} > {nudged}", interval.lower);
        let nudged = sampled(&pair, &region, epsilon * (1.0 - 1e-9), method.outputs, samples);
        prop_assert!(nudged.min(share) - error <= interval.upper.get(), "{} < {share}", interval.upper);
    }

    #[test]
    fn best_is_at_least_as_good_as_every_tail((pair, region, epsilon) in question(1..=3, 1..=8)) {
        let lower = |tail| {
            probability_interval(&pair, &region, epsilon, Method::default().with_tail(tail))
                .map(|interval| (interval.lower, interval.upper))
        };
        let Ok(best) = lower(Tail::Best) else { return Ok(()) };
        // The exact tail is no inequality, and below the best of them.
        for tail in Tail::ALL.into_iter().filter(|&tail| tail != Tail::Exact) {
            let other = lower(tail).unwrap();
            prop_assert!(best.0 >= other.0 && best.1 <= other.1, "{tail}");
        }
    }
}

/// `f(x) - f'(x) = 0.5 x` for one input.
fn half() -> PairedNetworks {
    let network =
        |w: f64| Network::relu_mlp(vec![Affine::new(dmatrix![w], dvector![0.0])]).unwrap();
    PairedNetworks::new(&network(1.5), &network(1.0)).unwrap()
}

fn gamma(value: f64) -> Confidence {
    Confidence::new(value).unwrap()
}

#[test]
fn the_worst_case_radius_is_found() {
    let search = RadiusSearch { tolerance: 1e-6, ..RadiusSearch::default() };
    let balls = Balls::around(&[0.0]);
    let verdict = worst_case_radius(&half(), &balls, 0.25, Method::default(), &search).unwrap();
    let RadiusVerdict::Certified(certified) = &verdict else { panic!("{verdict:?}") };
    assert!(certified.radius <= 0.5 && certified.radius > 0.5 * (1.0 - 2e-6));
    assert_eq!(certified.probability.lower.get(), 1.0);
    assert!(certified.refused.unwrap() > certified.radius);
}

#[test]
fn probability_buys_radius() {
    let search = RadiusSearch::default();
    let balls = Balls::around(&[0.0]);
    let radius = |method, level| {
        certified_radius(&half(), &balls, 0.25, gamma(level), method, &search).unwrap().radius()
    };
    let worst =
        worst_case_radius(&half(), &balls, 0.25, Method::default(), &search).unwrap().radius();
    // One uniform input: the exact radius at 0.5 is twice the worst-case one.
    let (half, high) = (radius(Method::default(), 0.5), radius(Method::default(), 0.99));
    assert!(worst <= high && high < half && half <= 2.0 * worst * 1.002, "{worst} {high} {half}");
    assert!(radius(Method::SIMCERT, 0.5) <= half);
    assert!(radius(Method::PROVEN, 0.5) <= half);
}

#[test]
fn a_certified_radius_certifies_itself() {
    let pair = half();
    let balls = Balls::around(&[0.3]).within(Domain::unit());
    for tail in Tail::ALL {
        let method = Method::default().with_tail(tail);
        let search = RadiusSearch::default();
        let verdict = certified_radius(&pair, &balls, 0.2, gamma(0.9), method, &search).unwrap();
        let RadiusVerdict::Certified(certified) = verdict else { panic!("{tail}: {verdict:?}") };
        let region = balls.region(certified.radius).unwrap();
        assert_eq!(certified.probability.bounds.region, region);
        let again = probability_interval(&pair, &region, 0.2, method).unwrap();
        assert_eq!(again, certified.probability);
        assert!(again.lower.get() >= 0.9);
    }
}

#[test]
fn a_difference_at_the_centre_is_a_witness() {
    let search = RadiusSearch::default();
    let centre = [4.0];
    let verdict = certified_radius(
        &half(),
        &Balls::around(&centre),
        1.0,
        gamma(0.9),
        Method::default(),
        &search,
    );
    assert_eq!(verdict.unwrap(), RadiusVerdict::Falsified { witness: centre.to_vec() });
}

#[test]
fn the_observer_can_stop_the_search() {
    let search = RadiusSearch::default();
    let run = |limit: usize, epsilon: f64| {
        let mut radii = Vec::new();
        let verdict = certified_radius_observed(
            &half(),
            &Balls::around(&[0.0]),
            epsilon,
            gamma(0.9),
            Method::default(),
            &search,
            |probe| {
                radii.push(probe.radius);
                if probe.count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            },
        );
        (verdict.unwrap(), radii)
    };
    let (verdict, radii) = run(2, 0.25);
    assert_eq!(radii, [1.0 / 64.0, 1.0 / 32.0]);
    assert_eq!(verdict.radius(), 1.0 / 32.0);
    let (verdict, _) = run(1, 1e-6);
    assert_eq!(verdict, RadiusVerdict::Unknown(UnknownRadius::Stopped));
}

#[test]
fn bad_questions_are_named() {
    let (pair, region) = (half(), Region::point(&[0.0]).unwrap());
    let ask = |epsilon, method| probability_interval(&pair, &region, epsilon, method).unwrap_err();
    for epsilon in [-0.1, f64::NAN, f64::INFINITY] {
        let error = ask(epsilon, Method::default());
        assert!(matches!(error, SimilarityError::Epsilon { .. }), "{error}");
    }
    let error = ask(0.1, Method::default().with_outputs(Outputs::One(7)));
    assert_eq!(error.to_string(), "there is no output 7 among 1");
    let wide = Region::point(&[0.0, 0.0]).unwrap();
    for propagation in [Propagation::Differential, Propagation::Forward] {
        let method = Method { propagation, ..Method::default() };
        let error = probability_interval(&pair, &wide, 0.1, method).unwrap_err();
        assert_eq!(error.to_string(), "expected a region in 1 dimensions, found 2");
    }
    let search = |search: RadiusSearch| {
        let balls = Balls::around(&[0.0]);
        worst_case_radius(&pair, &balls, 0.1, Method::default(), &search).unwrap_err().to_string()
    };
    let fine = RadiusSearch::default();
    assert_eq!(
        search(RadiusSearch { minimum: 0.0, ..fine }),
        "minimum is 0, which is not a number above 0"
    );
    assert!(search(RadiusSearch { maximum: f64::NAN, ..fine }).starts_with("maximum is NaN"));
    assert!(search(RadiusSearch { start: 2.0, ..fine }).starts_with("start is 2"));
    assert!(search(RadiusSearch { tolerance: 0.0, ..fine }).starts_with("tolerance is 0"));
    assert!(Confidence::new(1.0).is_err() && Confidence::new(0.0).is_err());
    let outside = Balls::around(&[3.0]).within(Domain::unit());
    let error = worst_case_radius(&pair, &outside, 0.1, Method::default(), &fine).unwrap_err();
    assert!(matches!(error, SimilarityError::Region(_)), "{error}");
}
