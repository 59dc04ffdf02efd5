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
