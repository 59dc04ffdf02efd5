//! The bounds of Clopper and Pearson for the probability of a success.
//!
//! ```text
//! lower(k, n, α) = max { p : P(Bin(n, p) ≥ k) ≤ α },    upper(k, n, α) = 1 - lower(n - k, n, α)
//! ```
//!
//! Newton's method, in ordinary arithmetic, ends next to the root of a tail that rises with `p`. From there the bound moves
//! outward until an upper bound of the tail at that very float is at most `α`: what is returned has been verified.
//!
//! # References
//! 1. C. Clopper, E. Pearson, *The use of confidence or fiducial limits illustrated in the case of the binomial*,
//!    Biometrika 26, 1934.

use crate::binomial::UpperTail;
use crate::counts::Count;
use crate::normal::{approximate_upper_quantile, rational_quantile};
use crate::probability::Probability;
use crate::sided::SidedProbability;

/// Steps of Newton's method, at most.
const MAX_STEPS: usize = 40;

/// Newton's method ends when the tail is this close to `α`, relatively.
const TOLERANCE: f64 = 1e-14;

/// Steps outward, at most: each doubles the one before.
const MAX_WIDENINGS: usize = 60;

/// A lower bound of the probability of a success, false with a probability of at most `α`.
///
/// ```text
/// P(lower(K, n, α) > p) ≤ α    for K ~ Bin(n, p) and every p
/// ```
///
/// Relative to the exact bound, its smaller side is off by less than 1e-12 for `α ≤ ½`. Above one half it is the bound
/// for one half. It takes a few microseconds, and up to the order of `√n` additions for `α` near one half.
///
/// Guarantee: sound. The tail at the returned number is at most `α`, rounding errors included.
///
/// # Examples
/// ```
/// use nncert_prob::{Count, Probability, clopper_pearson_lower};
///
/// let lower = clopper_pearson_lower(Count::new(990, 1000)?, Probability::new(0.001)?);
/// assert!((lower.down() - 0.9760).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// 1. C. Clopper, E. Pearson, *The use of confidence or fiducial limits illustrated in the case of the binomial*,
///    Biometrika 26, 1934.
#[must_use]
pub fn clopper_pearson_lower(count: Count, alpha: Probability) -> SidedProbability {
    // A smaller level is sound, and the tail is only evaluated left of the mean.
    let (k, n, alpha) = (count.successes(), count.trials(), alpha.get().min(0.5));
    if k == 0 || alpha == 0.0 {
        return SidedProbability::ZERO;
    }
    let tail = UpperTail::new(k, n);
    let z = approximate_upper_quantile(alpha);
    let (start, of_complement) = guess(k as f64, (n - k + 1) as f64, z);
    let root = newton(&tail, start, of_complement, alpha);
    verified(&tail, root, of_complement, alpha)
}

/// An upper bound of the probability of a success, false with a probability of at most `α`.
///
/// ```text
/// P(upper(K, n, α) < p) ≤ α    for K ~ Bin(n, p) and every p
/// ```
///
/// Guarantee: sound, as the complement of [`clopper_pearson_lower`] for the failures, which is exact.
///
/// # Examples
/// ```
/// use nncert_prob::{Count, Probability, clopper_pearson_upper};
///
/// let upper = clopper_pearson_upper(Count::new(0, 1000)?, Probability::new(0.001)?);
/// assert!((upper.up() - 0.00688).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn clopper_pearson_upper(count: Count, alpha: Probability) -> SidedProbability {
    clopper_pearson_lower(count.complement(), alpha).complement()
}

/// The bound in ordinary arithmetic, for numbers that need be no integers: `successes` above 0 and at most `trials`.
///
/// For plans and choices: some hundred nanoseconds. It is within a few percent of the distance from the estimate.
///
/// Guarantee: heuristic.
///
/// # Examples
/// ```
/// use nncert_prob::{Count, Probability, clopper_pearson_approximate, clopper_pearson_lower};
///
/// let exact = clopper_pearson_lower(Count::new(990, 1000)?, Probability::new(0.001)?).down();
/// assert!((clopper_pearson_approximate(990.0, 1000.0, 0.001) - exact).abs() < 0.001);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn clopper_pearson_approximate(successes: f64, trials: f64, alpha: f64) -> f64 {
    let failures = trials - successes;
    if successes.is_nan() || successes <= 0.0 || failures < 0.0 || alpha <= 0.0 {
        return 0.0;
    }
    let alpha = alpha.min(1.0 - f64::EPSILON);
    // Without a failure, or nearly: P(Bin(n, p) ≥ k) is a power of p, or nearly; in between, the quantile of the gamma law.
    if failures < 1.0 {
        let none = libm::exp(libm::log(alpha) / trials);
        if failures == 0.0 {
            return none;
        }
        let one = clopper_pearson_approximate(trials - 1.0, trials, alpha);
        return none + failures * (one - none);
    }
    let (side, of_complement) = guess(successes.max(0.6), failures + 1.0, rational_quantile(alpha));
    if of_complement { 1.0 - side } else { side }
}

/// The same for a count of at least one success, as its smaller side.
pub(crate) fn approximate_side(count: Count, alpha: f64) -> (f64, bool) {
    let (k, n) = (count.successes() as f64, count.trials() as f64);
    let alpha = alpha.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
    if count.failures() == 0 {
        let ln = libm::log(alpha) / n;
        let (side, rest) = (libm::exp(ln), -libm::expm1(ln));
        return if rest < 0.5 { (rest, true) } else { (side, false) };
    }
    guess(k.max(0.6), n - k + 1.0, rational_quantile(alpha))
}

/// An approximate `α`-quantile of the beta law with parameters `a, b ≥ 1`, as its smaller side (Abramowitz and Stegun, 26.5.22).
///
/// `z` is the normal quantile with `α` above it.
fn guess(a: f64, b: f64, z: f64) -> (f64, bool) {
    let lambda = (z * z - 3.0) / 6.0;
    let (u, v) = (1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0));
    let h = 2.0 / (u + v);
    let w = z * (h + lambda).max(0.0).sqrt() / h - (v - u) * (lambda + 5.0 / 6.0 - 2.0 / (3.0 * h));
    let odds = b / a * libm::exp(2.0 * w);
    if odds > 1.0 { (1.0 / (1.0 + odds), false) } else { (odds / (1.0 + odds), true) }
}

/// The side at which the tail is about `α`.
///
/// The logarithm of the tail is nearly linear in the logarithm of a small `x`, and in a small `1 - x`.
fn newton(tail: &UpperTail, start: f64, of_complement: bool, alpha: f64) -> f64 {
    let target = libm::log(alpha);
    let (mut side, mut low, mut high) = (start, 0.0, 1.0);
    for _ in 0..MAX_STEPS {
        let value = tail.at(side, of_complement);
        let excess = value.ln - target;
        if excess.abs() <= TOLERANCE {
            break;
        }
        if (excess > 0.0) == of_complement {
            low = side;
        } else {
            high = side;
        }
        let next = if of_complement {
            side + excess / value.slope
        } else {
            side * libm::exp(-excess / (value.slope * side))
        };
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - side).abs() <= f64::EPSILON * side {
            return next;
        }
        side = next;
    }
    side
}

/// The side moved outward, from about the root, until the tail is provably at most `α`.
fn verified(tail: &UpperTail, root: f64, of_complement: bool, alpha: f64) -> SidedProbability {
    let (mut side, mut widening) = (root, f64::EPSILON);
    for _ in 0..MAX_WIDENINGS {
        let value = tail.at(side, of_complement);
        if value.up <= alpha {
            return SidedProbability::from_side(side, of_complement);
        }
        // What the tail exceeds α by, on the scale of the side.
        let excess = ((value.up - alpha) / alpha).min(1.0);
        let step = (excess / value.slope).min(0.5 * side);
        let step = if step.is_nan() { 0.0 } else { step } + widening * side;
        side = if of_complement { (side + step).min(1.0) } else { (side - step).max(0.0) };
        widening *= 2.0;
    }
    SidedProbability::ZERO
}
