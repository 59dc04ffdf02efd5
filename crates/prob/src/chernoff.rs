//! Chernoff's bound with the exact moment generating function of every input.
//!
//! ```text
//! P(Z - E Z ≥ t) ≤ exp(-λt + K(λ)),    K(λ) = Σ Kᵢ(λcᵢ),    for every λ ≥ 0
//! ```
//!
//! The exponent is convex in `λ` and least where `K'(λ) = t`. Since every `λ` is sound, the search for that one runs in
//! ordinary arithmetic; the bound is evaluated once, rounded upward, at the `λ` it ends on.
//!
//! # References
//! 1. H. Chernoff, *A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations*,
//!    Annals of Mathematical Statistics 23, 1952.

use crate::distribution::Distribution;
use crate::moments::Moments;
use crate::rounding::{exp_up, mul_down, mul_up, sum_up};

/// The search ends when another step would lower the exponent by less than this.
const EXPONENT_TOLERANCE: f64 = 1e-9;

/// Steps of the search, at most. Few are needed: the steps double `λ` when they are far off, and converge quadratically.
const MAX_STEPS: usize = 60;

/// The bound at the `λ` that the search ends on, rounded up, for `t > 0`. `sign` is 1 for the upper tail, -1 for the lower.
pub(crate) fn chernoff<D: Distribution>(
    t: f64,
    sign: f64,
    coefficients: &[f64],
    inputs: &[D],
    moments: &Moments,
) -> f64 {
    let deviation = if sign < 0.0 { moments.deviation_below } else { moments.deviation_above };
    if t > deviation {
        // The infimum over λ: the exponent is at most -λ(t - deviation).
        return 0.0;
    }
    let terms = || coefficients.iter().map(|c| sign * c).zip(inputs).filter(|&(c, _)| c != 0.0);
    let tilted = |lambda: f64| {
        terms().fold((0.0, 0.0), |(mean, variance), (c, x)| {
            let (m, v) = x.tilted_moments(lambda * c);
            (mean + c * m, variance + c * c * v)
        })
    };
    let lambda = minimise(t, t / moments.variance_proxy, deviation, tilted);
    exp_up(exponent_up(t, lambda, terms()))
}

/// An upper bound of `-λt + Σ Kᵢ(λcᵢ)` for `λ ≥ 0`.
///
/// Each `Kᵢ` falls before 0 and rises after it, so that an argument rounded away from zero can only raise it.
fn exponent_up<'a, D: Distribution + 'a>(
    t: f64,
    lambda: f64,
    terms: impl Iterator<Item = (f64, &'a D)>,
) -> f64 {
    let log_mgf = |(c, x): (f64, &D)| {
        let s = mul_up(lambda, c.abs());
        if s < f64::INFINITY { x.log_mgf(s.copysign(c)) } else { f64::INFINITY }
    };
    sum_up(terms.map(log_mgf).chain([-mul_down(lambda, t)]))
}

/// An approximate root `λ > 0` of `K'(λ) = t`, from the derivatives `(K', K'')`.
///
/// Newton's method for `1/(M - K'(λ)) = 1/(M - t)`, where `M` is the largest deviation, the limit of `K'`. The left side is nearly
/// linear in `λ` both near zero and far out, where `M - K'` falls off as `1/λ`. Steps that leave the bracket found so far are
/// replaced by its midpoint, or by a doubling while it is open.
fn minimise(t: f64, start: f64, limit: f64, derivatives: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut lambda = start;
    for _ in 0..MAX_STEPS {
        if !(lambda > 0.0 && lambda < f64::INFINITY) {
            break;
        }
        let (mean, variance) = derivatives(lambda);
        let excess = t - mean;
        if excess * excess <= 2.0 * EXPONENT_TOLERANCE * variance {
            return lambda;
        }
        if excess > 0.0 {
            low = lambda;
        } else {
            high = lambda;
        }
        let step = excess / variance * ((limit - mean) / (limit - t));
        let next = lambda + step;
        lambda = if next > low && next < high {
            next
        } else if high < f64::INFINITY {
            low + 0.5 * (high - low)
        } else {
            2.0 * low
        };
    }
    if lambda > 0.0 && lambda < f64::INFINITY { lambda } else { low }
}
