//! Certified curves: each point is a certificate, and higher confidence costs radius.

use std::ops::ControlFlow;

use nalgebra::{dmatrix, dvector};
use nncert_core::{Affine, Network, PairedNetworks};
use nncert_similarity::strategies::question;
use nncert_similarity::{
    Balls, BranchOptions, Confidence, Method, RadiusSearch, RadiusVerdict, branch_and_bound,
    certified_curve, certified_curve_observed, certified_radius, probability_interval,
};
use proptest::prelude::*;

fn gammas(values: &[f64]) -> Vec<Confidence> {
    values.iter().map(|value| Confidence::new(*value).unwrap()).collect()
}

/// `f(x) - f'(x) = 0.5 x`.
fn half() -> PairedNetworks {
    let network =
        |w: f64| Network::relu_mlp(vec![Affine::new(dmatrix![w], dvector![0.0])]).unwrap();
    PairedNetworks::new(&network(1.5), &network(1.0)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_point_is_a_certificate((pair, region, epsilon) in question(1..=3, 1..=6)) {
        let balls = Balls::around(&region.centre());
        let search = RadiusSearch { tolerance: 0.02, minimum: 1e-4, ..RadiusSearch::default() };
        // In no order, and one twice.
        let gammas = gammas(&[0.5, 0.9999, 0.05, 0.75, 0.5]);
        let method = Method::default();
        let curve = certified_curve(&pair, &balls, epsilon, &gammas, method, &search).unwrap();
        prop_assert_eq!(curve.points.len(), gammas.len());
        for point in &curve.points {
            if let Some(radius) = point.radius {
                let ball = balls.region(radius).unwrap();
                let found = probability_interval(&pair, &ball, epsilon, method).unwrap();
                prop_assert!(found.lower.get() >= point.gamma.get());
            }
            if let Some(refused) = point.refused {
                prop_assert!(refused > point.radius.unwrap_or(0.0));
            }
            for other in &curve.points {
                let (more, less) = (other.radius.unwrap_or(-1.0), point.radius.unwrap_or(-1.0));
                prop_assert!(other.gamma > point.gamma || more >= less);
            }
            // A search of its own ends about there; it may find a radius more, since what
            // is provable is not monotone in the radius.
            let alone = certified_radius(&pair, &balls, epsilon, point.gamma, method, &search);
            if let RadiusVerdict::Certified(alone) = alone.unwrap() {
                prop_assert!(point.radius.is_some(), "{} alone", alone.radius);
            }
        }
    }

    #[test]
    fn cuts_say_no_less_than_the_whole_ball((pair, region, epsilon) in question(1..=3, 1..=6)) {
        let balls = Balls::around(&region.centre());
        let one = RadiusSearch { tolerance: 0.02, ..RadiusSearch::default() };
        let many = RadiusSearch { boxes: 32, ..one };
        let gamma = Confidence::new(0.9).unwrap();
        let verdict = certified_radius(&pair, &balls, epsilon, gamma, Method::default(), &many);
        let RadiusVerdict::Certified(many) = verdict.unwrap() else { return Ok(()) };
        prop_assert!(many.probability.lower.get() >= 0.9);
        // Halves come in pairs.
        prop_assert!(many.probability.boxes <= 33);
        // The same search of that ball says the same; one without a target goes on, and its cuts
        // may say less, but never less than the whole ball at once.
        let ball = balls.region(many.radius).unwrap();
        let interval = |target: Option<Confidence>| {
            let options = BranchOptions { width: 0.0, target, boxes: 32, time: None };
            branch_and_bound(&pair, &ball, epsilon, Method::default(), &options).unwrap().interval
        };
        prop_assert_eq!(interval(Some(gamma)).lower, many.probability.lower);
        let whole = probability_interval(&pair, &ball, epsilon, Method::default()).unwrap();
        prop_assert!(interval(None).lower >= whole.lower);
        prop_assert!(interval(Some(gamma)).lower >= whole.lower);
    }
}

#[test]
fn one_sweep_is_cheaper_than_many_searches() {
    let (pair, balls, search) = (half(), Balls::around(&[0.0]), RadiusSearch::default());
    let gammas = gammas(&[0.5, 0.6, 0.7, 0.8, 0.9, 0.99]);
    let curve = certified_curve(&pair, &balls, 0.25, &gammas, Method::default(), &search).unwrap();
    let mut apart = 0;
    for point in &curve.points {
        // The exact radius: |x| ≤ 1/2 with probability γ.
        let exact = 0.5 / point.gamma.get();
        let radius = point.radius.unwrap();
        assert!(radius <= exact.min(1.0) * (1.0 + 1e-9) && radius > exact.min(1.0) * 0.998);
        assert_eq!(curve.radius(point.gamma), radius);
        let alone =
            certified_radius(&pair, &balls, 0.25, point.gamma, Method::default(), &search).unwrap();
        let RadiusVerdict::Certified(alone) = alone else { panic!("{alone}") };
        apart += alone.probes;
    }
    assert!(curve.probes < apart, "{} {apart}", curve.probes);
    assert!(curve.to_string().contains("at least 0.99 up to radius 0.5"), "{curve}");
}

#[test]
fn cuts_buy_radius() {
    // f(x) - f'(x) = ReLU(x) - ReLU(-x) / 2: one pass takes the two for independent.
    let network = |a: f64, b: f64| {
        Network::relu_mlp(vec![
            Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.0]),
            Affine::new(dmatrix![a, b], dvector![0.0]),
        ])
        .unwrap()
    };
    let pair = PairedNetworks::new(&network(1.0, -0.5), &network(0.0, 0.0)).unwrap();
    let balls = Balls::around(&[0.0]);
    let radius = |boxes: usize| {
        let search = RadiusSearch { boxes, ..RadiusSearch::default() };
        let gamma = Confidence::new(0.75).unwrap();
        certified_radius(&pair, &balls, 0.25, gamma, Method::default(), &search).unwrap().radius()
    };
    // Exactly: 1/4 + min(r, 1/2) = 3/4 · 2 r, which is r = 1/2.
    let (one, many) = (radius(1), radius(256));
    assert!(one < many && many <= 0.5 && many > 0.49, "{one} {many}");
}

#[test]
fn an_observer_ends_the_sweep() {
    let mut seen = 0;
    let curve = certified_curve_observed(
        &half(),
        &Balls::around(&[0.0]),
        0.25,
        &gammas(&[0.5, 0.99]),
        Method::default(),
        &RadiusSearch::default(),
        |probe| {
            seen += 1;
            assert_eq!(probe.count, seen);
            if seen < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        },
    );
    let curve = curve.unwrap();
    assert_eq!(curve.probes, 3);
    assert!(curve.points.iter().all(|point| point.radius == Some(0.0625)), "{curve}");
}

#[test]
fn nothing_is_certified_where_the_centre_differs() {
    let network =
        |b: f64| Network::relu_mlp(vec![Affine::new(dmatrix![1.0], dvector![b])]).unwrap();
    let pair = PairedNetworks::new(&network(1.0), &network(0.0)).unwrap();
    let (balls, search) = (Balls::around(&[0.0]), RadiusSearch::default());
    let gammas = gammas(&[0.5]);
    let curve = certified_curve(&pair, &balls, 0.5, &gammas, Method::default(), &search).unwrap();
    assert_eq!(curve.points[0].radius, None);
    assert_eq!(curve.radius(gammas[0]), 0.0);
    let none = RadiusSearch { boxes: 0, ..search };
    let error = certified_curve(&pair, &balls, 0.5, &gammas, Method::default(), &none).unwrap_err();
    assert_eq!(error.to_string(), "boxes is 0, which is not at least 1");
}
