//! Wald's sequential probability ratio test of two simple hypotheses about a probability.
//!
//! ```text
//! Λ = p₁ᶻ(1-p₁)^(n-z) / (p₀ᶻ(1-p₀)^(n-z))    after z successes in n trials, p₀ < p₁
//! ```
//!
//! The test accepts `p ≥ p₁` once `Λ` reaches its upper threshold, `p ≤ p₀` once it falls to the lower one, and goes on in between.
//!
//! # References
//! 1. A. Wald, *Sequential tests of statistical hypotheses*, Annals of Mathematical Statistics 16, 1945.

use crate::confidence::Confidence;
use crate::counts::Count;
use crate::double_double::DoubleDouble;

/// Relative error of a logarithm in double-double arithmetic, with much room (2^-80).
const LOG_ERROR: f64 = f64::from_bits((1023 - 80) << 52);

/// The thresholds of the ratio, for errors `α` (accepting `p₁` under `p₀`) and `β` (the reverse).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SprtThresholds {
    /// `β` and `1/α`: each error is at most what was asked for (Ville's inequality).
    ///
    /// Guarantee: sound.
    #[default]
    Ville,
    /// Wald's `β/(1-α)` and `(1-β)/α`, which end the test a little earlier. Only the sum of both errors is at most `α + β`; either
    /// one is at most `α/(1-β)`, or `β/(1-α)`.
    ///
    /// Guarantee: sound for the sum.
    Wald,
}

/// What the trials so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SprtDecision {
    /// The probability is taken for at most `p₀`.
    AcceptLower,
    /// The probability is taken for at least `p₁`.
    AcceptUpper,
    /// More trials are needed.
    Continue,
}

/// Why numbers make no test.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SprtError {
    /// The hypotheses are not in order.
    #[error("hypothesis {lower} is not below {upper}")]
    Order {
        /// The lower hypothesis.
        lower: f64,
        /// The upper hypothesis.
        upper: f64,
    },
    /// The errors leave no room between the thresholds.
    #[error("errors {alpha} and {beta} sum to one or more")]
    Errors {
        /// The probability of accepting the upper hypothesis wrongly.
        alpha: f64,
        /// The probability of accepting the lower hypothesis wrongly.
        beta: f64,
    },
}

/// A sequential test of `p ≤ p₀` against `p ≥ p₁`.
///
/// # Examples
/// ```
/// use nncert_prob::{Confidence, Count, Sprt, SprtDecision, SprtThresholds};
///
/// let number = Confidence::new;
/// let test = Sprt::new(number(0.9)?, number(0.95)?, number(0.01)?, number(0.01)?, SprtThresholds::Ville)?;
/// assert_eq!(test.decide(Count::new(10, 10)?), SprtDecision::Continue);
/// assert_eq!(test.decide(Count::new(100, 100)?), SprtDecision::AcceptUpper);
/// assert_eq!(test.decide(Count::new(80, 100)?), SprtDecision::AcceptLower);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sprt {
    /// `ln (p₁/p₀)`, what a success adds.
    success: DoubleDouble,
    /// `ln ((1-p₁)/(1-p₀))`, what a failure adds.
    failure: DoubleDouble,
    lower: DoubleDouble,
    upper: DoubleDouble,
}

impl Sprt {
    /// A test of two hypotheses with the given probabilities of an error.
    ///
    /// # Errors
    /// [`SprtError::Order`] unless `p₀ < p₁`, [`SprtError::Errors`] unless `α + β < 1`.
    pub fn new(
        lower: Confidence,
        upper: Confidence,
        alpha: Confidence,
        beta: Confidence,
        thresholds: SprtThresholds,
    ) -> Result<Self, SprtError> {
        let (p0, p1, alpha, beta) = (lower.get(), upper.get(), alpha.get(), beta.get());
        if p0 >= p1 {
            return Err(SprtError::Order { lower: p0, upper: p1 });
        }
        if alpha + beta >= 1.0 {
            return Err(SprtError::Errors { alpha, beta });
        }
        let ln = |x: f64| DoubleDouble::new(x).ln();
        let ln_rest = |x: f64| DoubleDouble::one_minus(x).ln();
        let (lower, upper) = match thresholds {
            SprtThresholds::Ville => (ln(beta), ln(alpha).neg()),
            SprtThresholds::Wald => (ln(beta).sub(ln_rest(alpha)), ln_rest(beta).sub(ln(alpha))),
        };
        Ok(Self {
            success: ln(p1).sub(ln(p0)),
            failure: ln_rest(p1).sub(ln_rest(p0)),
            lower,
            upper,
        })
    }

    /// The decision after these trials. A decision once made is to be kept: the test ends with it.
    ///
    /// Guarantee: sound. A threshold counts as reached when the ratio reaches it whatever the rounding errors.
    #[must_use]
    pub fn decide(&self, count: Count) -> SprtDecision {
        let gain = self.success.scale(count.successes() as f64);
        let loss = self.failure.scale(count.failures() as f64);
        let error = |threshold: DoubleDouble| {
            // The logarithms of numbers in (0, 1) that floats hold are below 745.
            LOG_ERROR * (745.0 * 2.0 * count.trials() as f64 + threshold.hi.abs() + 1.0)
        };
        let ratio = gain.add(loss);
        if ratio.sub(self.upper).get() >= error(self.upper) {
            SprtDecision::AcceptUpper
        } else if self.lower.sub(ratio).get() >= error(self.lower) {
            SprtDecision::AcceptLower
        } else {
            SprtDecision::Continue
        }
    }
}
