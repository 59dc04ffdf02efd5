//! The joint bound for a changed classifier from two p-values of different weight.
//!
//! With `a = ln p`, `b = ln(1 - u)`, `A = -ln P(Bin(n, p) ≥ k)`, `B = -ln P(Bin(m, u) ≤ d)`, what the weighted product of p-values does not
//! reject is
//!
//! ```text
//! w A(a) + B(b) ≤ t,    A(a) ≤ S,    and  ln q ≥ a + b
//! ```
//!
//! `A` and `B` are convex and fall: a beta law is log-concave in `ln x` as well, for its density is `x^k(1-x)^(n-k)` there up to a
//! constant, so that by Prékopa's theorem its distribution function is. So tangents lie below them, and one tangent of each bounds the region by
//! a half-plane. Where the two slopes are in the ratio `1/w`, it touches the region at the least `a + b`; any others are as sound.
//!
//! # References
//! 1. A. Prékopa, *On logarithmic concave measures and functions*, Acta Scientiarum Mathematicarum 34, 1973.
//! 2. I. Good, *On the weighted combination of significance tests*, JRSS B 17, 1955.

use crate::binomial::UpperTail;
use crate::clopper_pearson::approximate_side;
use crate::counts::Count;
use crate::fisher::weighted_fisher_critical;
use crate::incremental::from_both;
use crate::probability::Probability;
use crate::rounding::{ln_up, sub_down};
use crate::sided::SidedProbability;

/// The part of the level for a p-value of the original so small that no weight forgives it.
const REST: f64 = 1.0 / 1024.0;

/// Pairs of tangents, at most. The bound is sound with any of them.
const MAX_PAIRS: usize = 10;

/// The search ends when the slopes are this near to the right ratio.
const CLOSE: f64 = 3e-3;

/// Relative error of the few operations on logarithms and lines.
const LINE_ERROR: f64 = 64.0 * f64::EPSILON;

/// The bound from a test of the p-values of `p` and `u` together, that of `p` with a weight.
///
/// ```text
/// q ≥ min p(1 - u)    over    -w ln P(Bin(n, p) ≥ k) - ln P(Bin(m, u) ≤ d) < t
/// ```
///
/// `cached` is `k` of `n`, where the original answers `c`; `lost` is `d` of `m`, where it does and the changed one does not.
/// At weight 1 it is [`fisher_two_lower`](crate::fisher_two_lower), about. The smaller the weight, the more of the level is for `u`: right where
/// `n` is large beside `m`. The weight must not depend on the two counts; it may depend on `m` and `n`. It takes some 10 µs.
///
/// Guarantee: sound, false with a probability of at most `α`. Which samples are evaluated may depend on the labels of the original, but not
/// on those of the changed classifier.
///
/// # Examples
/// ```
/// use nncert_prob::{Count, Probability, fisher_two_lower, weighted_fisher_lower};
///
/// let (cached, lost) = (Count::new(90_000, 100_000)?, Count::new(0, 500)?);
/// let alpha = Probability::new(0.002)?;
/// let even = fisher_two_lower(cached, lost, alpha).down();
/// let weighted = weighted_fisher_lower(cached, lost, 0.5, alpha).down();
/// // With p known, 0.9 (1 - 0.0124) could be had.
/// assert!(weighted > even + 0.0005 && weighted < 0.8889, "{even} {weighted}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn weighted_fisher_lower(
    cached: Count,
    lost: Count,
    weight: f64,
    alpha: Probability,
) -> SidedProbability {
    let kept = lost.complement();
    let rest = alpha.get() * REST;
    let t = weighted_fisher_critical(weight, Probability::from_upper_bound(alpha.get() - rest));
    // Where the rest is 0, no end.
    let longest = (-ln_up(rest)).next_up();
    if cached.successes() == 0 || kept.successes() == 0 || !(t.is_finite() && longest.is_finite()) {
        return SidedProbability::ZERO;
    }
    let region = Region { cached: Tail::new(cached), kept: Tail::new(kept), weight, t, longest };
    let least = region.least();
    let loss = (-libm::expm1(least) * (1.0 + LINE_ERROR)).max(0.0);
    from_both(sub_down(1.0, loss.next_up()), loss.next_up())
}

/// What is not rejected.
struct Region {
    cached: Tail,
    kept: Tail,
    weight: f64,
    t: f64,
    /// `S`.
    longest: f64,
}

impl Region {
    /// A lower bound of `a + b`.
    fn least(&self) -> f64 {
        let Self { weight, t, .. } = *self;
        let (start, end) = self.ends();
        let mut best = f64::NEG_INFINITY;
        // The values of A at which its slope was too small, and too great; and the logarithms of the ratios.
        let (mut low, mut high) = ((start, None), (end, None));
        let mut s = (start * end).sqrt().max(0.25 * end);
        for _ in 0..MAX_PAIRS {
            let (a, b) = (self.cached.tangent(s), self.kept.tangent(t - weight * s));
            let (Some(a), Some(b)) = (a, b) else { break };
            best = best.max(self.bound(&a, &b));
            let ratio = libm::log(weight * a.slope / b.slope);
            let done = ratio.abs() < CLOSE || ratio < 0.0 && s >= end || ratio > 0.0 && s <= start;
            if done || ratio.is_nan() {
                break;
            }
            let end_to_move = if ratio < 0.0 { &mut low } else { &mut high };
            *end_to_move = (s, Some(ratio));
            s = match (low.1, high.1) {
                // The ratio is about linear in the logarithm of A.
                (Some(under), Some(over)) => {
                    let share = (under / (under - over)).clamp(0.05, 0.95);
                    low.0 * libm::exp(share * libm::log(high.0 / low.0))
                }
                // Slopes grow as roots of the values, about: those of a normal law.
                _ => {
                    let x = (weight * a.slope).powi(2) / s;
                    let y = b.slope.powi(2) / (t - weight * s);
                    let guess = y * t / (x + weight * y);
                    if guess > low.0 && guess < high.0 {
                        guess
                    } else if ratio < 0.0 {
                        end
                    } else {
                        start
                    }
                }
            };
        }
        best
    }

    /// The least and the greatest `A` that are worth a look; `B` is not 0 there.
    fn ends(&self) -> (f64, f64) {
        let end = self.longest.min((1.0 - LEAST_PART) * self.t / self.weight);
        (LEAST_PART * end, end)
    }

    /// What a pair of tangents says of `a + b`.
    ///
    /// ```text
    /// α (a - a₀) + β (b - b₀) ≥ -g,    g = t - w A(a₀) - B(b₀),    α = w |A'(a₀)|,  β = |B'(b₀)|
    /// a + b - a₀ - b₀ ≥ -g/β - (1 - α/β)(a₀ - a)    for α ≤ β,    a₀ - a ≤ (S - A(a₀))/|A'(a₀)|
    /// ```
    fn bound(&self, a: &Tangent, b: &Tangent) -> f64 {
        let Self { weight, t, longest, .. } = *self;
        let most = longest.min((t / weight).next_up());
        let slopes = (weight * a.slope, b.slope);
        // A slope is off by this part of it, over all of the region.
        let error = a.error.max(b.error);
        let reach = (a.place.abs() + 2.0 * most / a.slope, b.place.abs() + 2.0 * t / b.slope);
        let slack = error * (slopes.0 * reach.0 + slopes.1 * reach.1);
        let g = t - weight * a.value - b.value + slack;
        let far = |most: f64, of: &Tangent| {
            (most - of.value).max(0.0) / (of.slope * (1.0 - of.error)) * (1.0 + LINE_ERROR)
        };
        let (slope, apart) = if slopes.0 <= slopes.1 {
            (slopes.1, (1.0 - slopes.0 / slopes.1 + LINE_ERROR) * far(most, a))
        } else {
            (slopes.0, (1.0 - slopes.1 / slopes.0 + LINE_ERROR) * far(t, b))
        };
        let sizes = a.place.abs() + b.place.abs() + apart;
        let rounding = LINE_ERROR * (sizes + (t + weight * a.value + b.value + slack) / slope);
        let bound = a.place + b.place - g / slope - apart - rounding;
        if bound.is_nan() { f64::NEG_INFINITY } else { bound }
    }
}

/// Places next to the ends, in parts of their distance, are not looked at.
const LEAST_PART: f64 = 1e-3;

/// `-ln P(Bin(n, x) ≥ k)` as a function of `ln x`.
struct Tail {
    count: Count,
    upper: UpperTail,
}

/// A line below it.
#[derive(Clone, Copy, Debug)]
struct Tangent {
    /// `ln x`.
    place: f64,
    /// A lower bound of the value there.
    value: f64,
    /// How fast it falls, about: right to this part of it.
    slope: f64,
    error: f64,
}

impl Tail {
    /// For `1 ≤ k`.
    fn new(count: Count) -> Self {
        Self { count, upper: UpperTail::new(count.successes(), count.trials()) }
    }

    /// Where the value is about `s`.
    fn tangent(&self, s: f64) -> Option<Tangent> {
        let (side, of_complement) = approximate_side(self.count, libm::exp(-s));
        let (ln, x) =
            if of_complement { (libm::log1p(-side), 1.0 - side) } else { (libm::log(side), side) };
        let direct = self.upper.at(side, of_complement);
        if direct.down > 0.0 {
            let (value, slope) = ((-ln_up(direct.up)).max(0.0), x * direct.slope);
            return Tangent { place: ln, value, slope, error: direct.error }.valid();
        }
        // Right of the mean: P(Bin(n, x) ≥ k) = 1 - P(Bin(n, 1 - x) ≥ n - k + 1).
        let rest = self.upper.of_rest().at(side, !of_complement);
        let value = -libm::log1p(-rest.down) * (1.0 - LINE_ERROR);
        let slope = x * rest.slope * rest.up / (1.0 - rest.up);
        // The rest is off by a part of itself, and so is what it is taken from.
        let error = 4.0 * rest.error / (1.0 - rest.up);
        Tangent { place: ln, value, slope, error }.valid()
    }
}

impl Tangent {
    fn valid(self) -> Option<Self> {
        let Self { place, value, slope, error } = self;
        let fine = place.is_finite() && value.is_finite() && slope.is_finite();
        let error = error + LINE_ERROR;
        (fine && slope > 0.0 && error < 0.25).then_some(Self { error, ..self })
    }
}
