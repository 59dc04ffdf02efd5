//! Fisher's product test of independent p-values.
//!
//! The product of `m` independent uniform numbers has the distribution function
//!
//! ```text
//! P(U₁ ⋯ Uₘ ≤ c) = c (1 + t + … + t^(m-1)/(m-1)!),    t = -ln c
//! ```
//!
//! A p-value is at least as large as a uniform number in law, so that the test holds for discrete data too.
//!
//! # References
//! 1. R. Fisher, *Statistical Methods for Research Workers*, 4th edition, 1932, section 21.1.

use crate::probability::Probability;
use crate::rounding::{add_up, half_up, ln_up, mul_up};

/// Steps of the search for a critical value, at most; a float has no more bits to find.
const MAX_STEPS: usize = 64;

/// The p-value of the product of two independent p-values, rounded up: `c(1 - ln c)`.
///
/// Guarantee: sound. It rises with `c`, an upper bound of the product.
///
/// # Examples
/// ```
/// use nncert_prob::{Probability, fisher_of_two};
///
/// let p = fisher_of_two(Probability::new(0.01)?);
/// assert!((p.get() - 0.056052).abs() < 1e-6);
/// # Ok::<(), nncert_prob::ProbabilityError>(())
/// ```
#[must_use]
pub fn fisher_of_two(product: Probability) -> Probability {
    combined(product.get(), false)
}

/// The p-value of the product of three independent p-values, rounded up: `c(1 - ln c + ½ ln² c)`.
///
/// Guarantee: sound. It rises with `c`, an upper bound of the product.
#[must_use]
pub fn fisher_of_three(product: Probability) -> Probability {
    combined(product.get(), true)
}

/// The critical value of the product of two independent p-values at level `α`: rejecting where the product is at most `c` errs
/// with a probability of at most `α`.
///
/// ```text
/// c(1 - ln c) = α
/// ```
///
/// Guarantee: sound, rounded down to a float at which the p-value is at most `α`.
///
/// # Examples
/// ```
/// use nncert_prob::{Probability, fisher_critical_of_two};
///
/// let c = fisher_critical_of_two(Probability::new(0.001)?);
/// assert!((c.get() - 9.772e-05).abs() < 1e-7);
/// # Ok::<(), nncert_prob::ProbabilityError>(())
/// ```
#[must_use]
pub fn fisher_critical_of_two(alpha: Probability) -> Probability {
    critical(alpha, fisher_of_two)
}

/// The critical value of the product of three independent p-values at level `α`.
///
/// ```text
/// c(1 - ln c + ½ ln² c) = α
/// ```
///
/// Guarantee: sound, rounded down to a float at which the p-value is at most `α`.
#[must_use]
pub fn fisher_critical_of_three(alpha: Probability) -> Probability {
    critical(alpha, fisher_of_three)
}

/// The critical value of a weighted product of two independent p-values at level `α`: rejecting where `-w ln P₁ - ln P₂` is at least `t`
/// errs with a probability of at most `α`.
///
/// ```text
/// P(w X₁ + X₂ ≥ t) = (e^(-t) - w e^(-t/w))/(1 - w) = α,    X₁, X₂ standard exponential
/// ```
///
/// At `w = 1` it is Fisher's test, `e^(-t)(1 + t) = α`. A small weight forgives a small `P₁`, and asks for little more of `P₂` than
/// a test of `P₂` alone.
///
/// Guarantee: sound, rounded up; infinite for weights that are no positive numbers.
///
/// # References
/// I. Good, *On the weighted combination of significance tests*, JRSS B 17, 1955.
#[must_use]
pub fn weighted_fisher_critical(weight: f64, alpha: Probability) -> f64 {
    if !(weight > 0.0 && weight.is_finite()) || alpha == Probability::ZERO {
        return f64::INFINITY;
    }
    // Next to 1 the formula cancels. A greater weight asks for more, so that its critical value serves too.
    let weight = if (weight - 1.0).abs() < NEAR_ONE { weight.max(1.0) } else { weight };
    let weight = if weight > 1.0 && weight < 1.0 + NEAR_ONE { 1.0 + NEAR_ONE } else { weight };
    let (mut low, mut high) = (0.0, 800.0 * weight.max(1.0));
    if weighted_p_value(weight, high) > alpha.get() {
        return f64::INFINITY;
    }
    for _ in 0..MAX_STEPS {
        let middle = 0.5 * (low + high);
        if weighted_p_value(weight, middle) <= alpha.get() { high = middle } else { low = middle }
    }
    high
}

/// Weights nearer to 1 than this are taken for 1, or for the next that is not.
const NEAR_ONE: f64 = 1.0 / 1024.0;

/// An upper bound of `P(w X₁ + X₂ ≥ t)`.
fn weighted_p_value(w: f64, t: f64) -> f64 {
    let [a, b] = [libm::exp(-t), libm::exp(-t / w)];
    let (value, terms) = if w == 1.0 {
        (a * (1.0 + t), a * (1.0 + t))
    } else {
        ((a - w * b) / (1.0 - w), (a + w * b) / (1.0 - w).abs())
    };
    // Some ten roundings of the terms, the exponents' among them, and underflow.
    value + 4.0 * f64::EPSILON * (4.0 + t + t / w) * terms + f64::MIN_POSITIVE
}

fn combined(c: f64, three: bool) -> Probability {
    if c == 0.0 {
        return Probability::ZERO;
    }
    // Rounded up, as minus the logarithm rounded down.
    let t = -ln_down(c);
    let sum = add_up(1.0, t);
    let sum = if three { add_up(sum, half_up(mul_up(t, t))) } else { sum };
    Probability::from_upper_bound(mul_up(c, sum))
}

/// A lower bound of `ln x`: the upper bound is within four ulps of it.
fn ln_down(x: f64) -> f64 {
    let up = ln_up(x);
    if x == 1.0 { up } else { (0..4).fold(up, |value: f64, _| value.next_down()) }
}

/// The greatest float, about, at which the p-value is at most `α`: bisection, on the bits.
fn critical(alpha: Probability, p_value: fn(Probability) -> Probability) -> Probability {
    if alpha == Probability::ONE {
        return Probability::ONE;
    }
    // Positive floats are ordered as their bits.
    let (mut low, mut high) = (0_u64, alpha.get().to_bits());
    for _ in 0..MAX_STEPS {
        if high - low <= 1 {
            break;
        }
        let middle = low + (high - low) / 2;
        if p_value(Probability::from_upper_bound(f64::from_bits(middle))) <= alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    Probability::from_upper_bound(f64::from_bits(low))
}
