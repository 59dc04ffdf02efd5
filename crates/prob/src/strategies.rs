//! Strategies for property tests, with the feature `proptest`.
//!
//! Numbers come with few significant bits about half of the time, so that exact cases (equal endpoints, zero coefficients,
//! thresholds on the boundary) turn up.

use proptest::collection::{SizeRange, vec};
use proptest::prelude::{Just, Strategy, prop_oneof};

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
