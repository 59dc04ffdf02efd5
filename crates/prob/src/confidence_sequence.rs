//! Lower bounds of a probability that hold at every sample size at once.
//!
//! A bettor who stakes against `p` at odds mixed over all greater values has, after `k` successes in `n` trials, the capital
//!
//! ```text
//! M(p) = 1/(1-p) ∫ from p to 1 of θᵏ(1-θ)^(n-k) dθ / (pᵏ(1-p)^(n-k))
//!      = B(k+1, n-k+1) P(Beta(k+1, n-k+1) > p) / (pᵏ(1-p)^(n-k+1))
//! ```
//!
//! If the success has a probability of at most `p`, the capital is a supermartingale that starts at 1, and by Ville's inequality ever
//! reaches `1/α` with a probability of at most `α`. With `θ = p + (1-p)s` the capital is `∫ (1 + (1/p - 1)s)ᵏ(1-s)^(n-k) ds`, which falls as
//! `p` rises: where it reaches `1/α` at some number, it does at every smaller one, which is therefore excluded with it. Sampling may
//! stop whenever the bound suffices.
//!
//! # References
//! 1. H. Robbins, *Statistical methods related to the law of the iterated logarithm*, Annals of Mathematical Statistics 41, 1970.
//! 2. I. Waudby-Smith, A. Ramdas, *Estimating means of bounded random variables by betting*, JRSS B 86, 2024.

use crate::binomial::UpperTail;
use crate::counts::{Count, CountError, MOST_TRIALS};
use crate::double_double::{DoubleDouble, ln_factorial};
use crate::probability::Probability;
use crate::rounding::{div_down, ln_up, sub_down};
use crate::sided::SidedProbability;

/// Halvings of the bracket, at most.
const MAX_HALVINGS: usize = 200;

/// The bracket is closed when its ends agree to this.
const TOLERANCE: f64 = 1e-12;

/// Relative error of a sum of logarithms in double-double arithmetic, of the sum of their magnitudes (2^-88).
const EXPONENT_ERROR: f64 = f64::from_bits((1023 - 88) << 52);

/// A lower bound of the probability of a success that may be looked at after every trial.
///
/// ```text
/// P(there is an n with bound(Kₙ, n) > p) ≤ α
/// ```
///
/// Guarantee: sound, at all sample sizes together. The capital at the returned number is at least `1/α`, rounding errors included.
///
/// # Errors
/// [`CountError::TooManyTrials`] for 2^31 trials, one of which the bound needs for itself.
///
/// # Examples
/// ```
/// use nncert_prob::{Count, Probability, clopper_pearson_lower, sequence_lower};
///
/// let (count, alpha) = (Count::new(990, 1000)?, Probability::new(0.001)?);
/// let always = sequence_lower(count, alpha)?;
/// // The price of looking as often as one likes.
/// assert!(always < clopper_pearson_lower(count, alpha) && always.down() > 0.97);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sequence_lower(count: Count, alpha: Probability) -> Result<SidedProbability, CountError> {
    let (k, n) = (count.successes(), count.trials());
    if n >= MOST_TRIALS {
        return Err(CountError::TooManyTrials { trials: n });
    }
    if k == 0 || alpha == Probability::ZERO {
        return Ok(SidedProbability::ZERO);
    }
    let capital = Capital::new(k, n);
    // Upwards: the logarithm of α is negative.
    let target = -(0..4).fold(ln_up(alpha.get()), |value: f64, _| value.next_down());
    let share = k as f64 / n as f64;
    Ok(if 2 * k > n {
        let wealthy = |side| capital.ln_down(side, true) >= target;
        SidedProbability::from_side(bracket((n - k) as f64 / n as f64, 1.0, wealthy), true)
    } else {
        let wealthy = |side| capital.ln_down(side, false) >= target;
        SidedProbability::from_side(bracket(share, 0.0, wealthy), false)
    })
}

/// The number nearest to `poor`, about, that satisfies the condition; `end` when none was found.
fn bracket(poor: f64, end: f64, wealthy: impl Fn(f64) -> bool) -> f64 {
    let (mut poor, mut rich) = (poor, end);
    for _ in 0..MAX_HALVINGS {
        if (poor - rich).abs() <= TOLERANCE * poor.max(rich) {
            break;
        }
        // Geometric where the ends are far apart, as they are next to zero.
        let middle = if poor.min(rich) > 0.0 { (poor * rich).sqrt() } else { 0.5 * (poor + rich) };
        if wealthy(middle) { rich = middle } else { poor = middle }
    }
    rich
}

/// The capital after `k` successes in `n` trials.
struct Capital {
    k: f64,
    failures: f64,
    /// `ln B(k+1, n-k+1)`, and the magnitude of its terms.
    constant: DoubleDouble,
    magnitude: f64,
    tail: UpperTail,
}

impl Capital {
    fn new(k: u64, n: u64) -> Self {
        let terms = [ln_factorial(k), ln_factorial(n - k), ln_factorial(n + 1).neg()];
        Self {
            k: k as f64,
            failures: (n - k) as f64,
            constant: terms[0].add(terms[1]).add(terms[2]),
            magnitude: terms.iter().map(|term| term.hi.abs()).sum(),
            tail: UpperTail::new(k + 1, n + 1),
        }
    }

    /// A lower bound of `ln M(p)`, at the probability whose small side this is.
    fn ln_down(&self, side: f64, of_complement: bool) -> f64 {
        // P(Beta > p) = 1 - P(Bin(n + 1, p) ≥ k + 1); the tail is 1 where it is not evaluated.
        let above = sub_down(1.0, self.tail.at(side, of_complement).up);
        if above <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let (small, large) = (DoubleDouble::new(side).ln(), DoubleDouble::one_minus(side).ln());
        let (x, y) = if of_complement { (large, small) } else { (small, large) };
        let (x, y) = (x.scale(self.k), y.scale(self.failures + 1.0));
        let sum = self.constant.sub(x).sub(y).add(DoubleDouble::new(libm::log(above)));
        let magnitude = self.magnitude + x.hi.abs() + y.hi.abs();
        // Two ulps of the logarithm, and far less for everything else.
        sub_down(
            sum.get().next_down(),
            EXPONENT_ERROR * magnitude + 1e-15 * libm::log(above).abs() + 1e-19,
        )
    }
}

/// Levels `α/(j(j+1))` for a series of looks: they sum to `α`.
///
/// A bound computed at look `j` with the level of that look holds at all looks together, whatever their sample sizes, provided
/// these were fixed beforehand. Looks at sizes that double cost little.
///
/// Guarantee: sound, by the union bound.
///
/// # Examples
/// ```
/// use nncert_prob::{LookSchedule, Probability};
///
/// let schedule = LookSchedule { alpha: Probability::new(0.001)? };
/// let levels = (1..=1000).map(|look| schedule.level(look));
/// assert!(Probability::sum_up(levels).get() <= 0.001);
/// # Ok::<(), nncert_prob::ProbabilityError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookSchedule {
    /// The level of all looks together.
    pub alpha: Probability,
}

impl LookSchedule {
    /// The level of a look, rounded down; looks count from 1, and look 0 has the level 0.
    #[must_use]
    pub fn level(self, look: u32) -> Probability {
        if look == 0 {
            return Probability::ZERO;
        }
        let denominator = f64::from(look) * (f64::from(look) + 1.0);
        // The product of the integers is rounded once.
        Probability::from_upper_bound(div_down(self.alpha.get(), denominator.next_up()).max(0.0))
    }
}
