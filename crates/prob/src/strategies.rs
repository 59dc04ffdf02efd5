//! Strategies for property tests, with the feature `proptest`.
//!
//! Numbers come with few significant bits about half of the time, so that exact cases (equal endpoints, zero coefficients,
//! thresholds on the boundary) turn up.

use proptest::collection::{SizeRange, vec};
use proptest::prelude::{BoxedStrategy, Just, Strategy, prop_oneof};

use crate::discrete::Discrete;
use crate::distribution::Distribution;
use crate::triangular::Triangular;
use crate::truncated_gaussian::TruncatedGaussian;
use crate::uniform::Uniform;

/// Finite numbers of moderate size, zero among them.
pub fn number() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        1 => Just(0.0),
        4 => (-32..=32_i32).prop_map(|n| f64::from(n) / 8.0),
        4 => -4.0..4.0_f64,
        1 => (-1.0..1.0_f64, -12..=12_i32).prop_map(|(m, e)| m * 10.0_f64.powi(e)),
    ]
}

/// Coefficients of one linear form: `n` of them, or as many as the range says.
pub fn coefficients(n: impl Into<SizeRange>) -> impl Strategy<Value = Vec<f64>> {
    vec(number(), n)
}

/// Uniform laws, point masses among them.
pub fn uniform() -> impl Strategy<Value = Uniform> + Clone {
    (number(), number())
        .prop_filter_map("finite endpoints", |(a, b)| Uniform::new(a.min(b), a.max(b)).ok())
}

/// Laws of the inputs of one linear form: `n` of them, or as many as the range says.
pub fn uniforms(n: impl Into<SizeRange>) -> impl Strategy<Value = Vec<Uniform>> {
    vec(uniform(), n)
}

/// Triangular laws, with a mode anywhere.
pub fn triangular() -> impl Strategy<Value = Triangular> + Clone {
    (number(), number(), number()).prop_filter_map("two values", |(a, b, c)| {
        let mut points = [a, b, c];
        points.sort_by(f64::total_cmp);
        Triangular::new(points[0], points[1], points[2]).ok()
    })
}

/// Gaussian laws cut to a few standard deviations or a small part of one.
pub fn truncated_gaussian() -> impl Strategy<Value = TruncatedGaussian> + Clone {
    (number(), 0.01..4.0_f64, 0.0..6.0_f64, 0.01..6.0_f64).prop_filter_map(
        "in proportion",
        |(centre, deviation, below, above)| {
            let (lower, upper) = (centre - below * deviation, centre + above * deviation);
            TruncatedGaussian::new(centre, deviation, lower, upper).ok()
        },
    )
}

/// Laws of one to eight values, some of them twice.
pub fn discrete() -> impl Strategy<Value = Discrete> + Clone {
    vec((number(), 0..8_u8), 1..=8).prop_filter_map("a weight above 0", |atoms| {
        let (values, weights): (Vec<f64>, Vec<f64>) =
            atoms.into_iter().map(|(value, weight)| (value, f64::from(weight))).unzip();
        Discrete::new(&values, &weights).ok()
    })
}

/// Laws of every kind, as objects.
pub fn law() -> BoxedStrategy<Box<dyn Distribution>> {
    fn boxed<D: Distribution + 'static>(law: D) -> Box<dyn Distribution> {
        Box::new(law)
    }
    prop_oneof![
        uniform().prop_map(boxed),
        triangular().prop_map(boxed),
        truncated_gaussian().prop_map(boxed),
        discrete().prop_map(boxed),
    ]
    .boxed()
}
