//! Inputs that are not uniform: against all values of discrete laws, exactly.

use nalgebra::{dmatrix, dvector};
use nncert_core::exact::{self, Dyadic};
use nncert_core::strategies::pair_and_region;
use nncert_core::{Affine, Domain, Interval, Network, PairedNetworks, Region};
use nncert_prob::{Discrete, Distribution, Triangular, TruncatedGaussian, Uniform};
use nncert_similarity::{
    Method, Outputs, Propagation, SimilarityError, Tail, probability_interval,
    probability_interval_of,
};
use num_rational::BigRational;
use proptest::prelude::*;

/// A law on the interval of an input: so many values, with small whole weights.
fn law(side: Interval, numbers: &[u8; 6]) -> (Vec<f64>, Vec<f64>) {
    let [count, more @ ..] = numbers;
    let value = |n: &u8| {
        let share = f64::from(*n) / 255.0;
        (side.lower * (1.0 - share) + side.upper * share).clamp(side.lower, side.upper)
    };
    let count = usize::from(count % 3) + 1;
    let values = more.iter().take(count).map(value).collect();
    (values, more.iter().rev().take(count).map(|n| f64::from(n % 8 + 1)).collect())
}

/// Whether the exact outputs agree to `epsilon`.
fn agree(pair: &PairedNetworks, x: &[f64], epsilon: f64, outputs: Outputs) -> bool {
    let f = exact::evaluate(pair.original(), x).unwrap();
    let g = exact::evaluate(pair.compressed(), x).unwrap();
    let within = |(f, g): (&Dyadic, &Dyadic)| (f - g).is_within(Interval::new(-epsilon, epsilon));
    let outputs = f.iter().zip(&g).enumerate().filter(|(output, _)| outputs.includes(*output));
    outputs.map(|(_, values)| values).all(within)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn all_values_are_counted(
        (pair, region) in pair_and_region(1..=3, 1..=4),
        numbers in prop::collection::vec(any::<[u8; 6]>(), 4),
        scale in -3i32..3,
    ) {
        prop_assume!(region.free().len() <= numbers.len());
        let each: Vec<(Vec<f64>, Vec<f64>)> = region
            .free()
            .iter()
            .zip(&numbers)
            .map(|(&input, numbers)| law(region.interval(input), numbers))
            .collect();
        let laws: Vec<Discrete> =
            each.iter().map(|(values, weights)| Discrete::new(values, weights).unwrap()).collect();
        let epsilon = nncert_bounds::differential(&pair, &region).unwrap().epsilon()
            * f64::from(scale).exp2();
        // Every combination, with its weight.
        let mut points = vec![(region.centre(), 1u64)];
        for (&input, (values, weights)) in region.free().iter().zip(&each) {
            points = points
                .into_iter()
                .flat_map(|(point, weight)| {
                    values.iter().zip(weights).map(move |(value, more)| {
                        let mut point = point.clone();
                        point[input] = *value;
                        (point, weight * *more as u64)
                    })
                })
                .collect();
        }
        let all: u64 = points.iter().map(|(_, weight)| weight).sum();
        for outputs in [Outputs::All, Outputs::One(0)] {
            let agreeing = points.iter().filter(|(x, _)| agree(&pair, x, epsilon, outputs));
            let agreeing: u64 = agreeing.map(|(_, weight)| weight).sum();
            let exact = BigRational::new(agreeing.into(), all.into());
            for propagation in [Propagation::Differential, Propagation::Forward] {
                for tail in Tail::ALL {
                    let method = Method { propagation, tail, outputs };
                    let found = probability_interval_of(&pair, &region, &laws, epsilon, method);
                    let found = found.unwrap();
                    let [lower, upper] = [found.lower, found.upper]
                        .map(|bound| BigRational::from_float(bound.get()).unwrap());
                    prop_assert!(lower <= exact && exact <= upper, "{found} {exact}");
                }
            }
        }
    }

    #[test]
    fn uniform_laws_are_the_default((pair, region) in pair_and_region(1..=3, 1..=6)) {
        let laws: Vec<Uniform> = region
            .free()
            .iter()
            .map(|&i| Uniform::new(region.interval(i).lower, region.interval(i).upper).unwrap())
            .collect();
        let epsilon = nncert_bounds::differential(&pair, &region).unwrap().epsilon() / 2.0;
        let method = Method::default();
        let (one, other) = (
            probability_interval(&pair, &region, epsilon, method).unwrap(),
            probability_interval_of(&pair, &region, &laws, epsilon, method).unwrap(),
        );
        prop_assert_eq!(one, other);
    }
}

/// `f(x) - f'(x) = x + y + z`.
fn sum() -> PairedNetworks {
    let network =
        |w: f64| Network::relu_mlp(vec![Affine::new(dmatrix![w, w, w], dvector![0.0])]).unwrap();
    PairedNetworks::new(&network(1.0), &network(0.0)).unwrap()
}

#[test]
fn a_product_of_different_laws() {
    let region = Region::linf_ball(&[0.0; 3], 1.0, &Domain::Everything).unwrap();
    let coin = Discrete::new(&[-1.0, 1.0], &[1.0, 1.0]).unwrap();
    let (tent, bell) = (
        Triangular::new(-1.0, 0.0, 1.0).unwrap(),
        TruncatedGaussian::new(0.0, 0.1, -1.0, 1.0).unwrap(),
    );
    let laws: [&dyn Distribution; 3] = [&coin, &tent, &bell];
    let found = probability_interval_of(&sum(), &region, &laws, 1.0, Method::default()).unwrap();
    // By symmetry |±1 + t + b| ≤ 1 half of the time, but for |t + b| > 2, which is never.
    assert!(found.lower.get() <= 0.5 && 0.5 <= found.upper.get(), "{found}");
    assert!(found.upper.get() - found.lower.get() < 1e-6, "{found}");
}

#[test]
fn laws_have_to_fit() {
    let region = Region::linf_ball(&[0.0; 3], 1.0, &Domain::Everything).unwrap();
    let ask = |laws: &[Uniform]| {
        probability_interval_of(&sum(), &region, laws, 1.0, Method::default()).unwrap_err()
    };
    let (fits, wide) = (Uniform::new(-1.0, 0.5).unwrap(), Uniform::new(-1.0, 1.5).unwrap());
    assert_eq!(ask(&[fits, fits]), SimilarityError::Laws { laws: 2, free: 3 });
    assert_eq!(
        ask(&[fits, wide, fits]).to_string(),
        "input 1 lies between -1 and 1, its law between -1 and 1.5"
    );
}
