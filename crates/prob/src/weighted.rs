//! The joint bound for a changed classifier from two p-values of different weight.
//!
//! Let `Q(k, n; s)` be the `x` with `P(Bin(n, x) ≥ k) = e^(-s)`. What the weighted product of p-values does not reject lies above the curve
//!
//! ```text
//! q(s) = Q(k, n; s) · Q(m - d, m; t - w s),    0 ≤ s ≤ min(t/w, S)
//! ```
//!
//! and `h = ln q` is convex in `s`: a beta law is log-concave in `ln x` as well, for its density is `x^k(1-x)^(n-k)` there up to a
//! constant, so that by Prékopa's theorem `-s` is a concave function of `ln Q`, and `ln Q` a convex one of `s`. Lines through two points of a
//! convex function bound it outside of them; a dozen points enclose the least value closely.
//!
//! # References
//! 1. A. Prékopa, *On logarithmic concave measures and functions*, Acta Scientiarum Mathematicarum 34, 1973.
//! 2. I. Good, *On the weighted combination of significance tests*, JRSS B 17, 1955.

use crate::clopper_pearson::{
    clopper_pearson_approximate, clopper_pearson_enclosed, clopper_pearson_lower,
};
use crate::counts::Count;
use crate::fisher::weighted_fisher_critical;
use crate::incremental::from_both;
use crate::probability::Probability;
use crate::rounding::{add_down, add_up, exp_up, ln_up, sub_down};
use crate::sided::SidedProbability;

/// The part of the level for a p-value of the original so small that no weight forgives it.
const REST: f64 = 1.0 / 1024.0;

/// Points of the curve, at most. The bound is sound with any number of them.
const MAX_POINTS: usize = 20;

/// The search ends when the least value is known to this part of its distance from the estimate.
const CLOSE: f64 = 6e-3;

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
/// `n` is large beside `m`. The weight must not depend on the two counts; it may depend on `m` and `n`. It takes some 0.1 ms.
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
    // A little more than t/w, so that a little more is not rejected.
    let far = (t / weight).next_up();
    let least = Curve { cached, kept, weight, far }.least(far.min(longest));
    let loss = (-libm::expm1(least) * (1.0 + LINE_ERROR)).max(0.0);
    from_both(sub_down(1.0, loss.next_up()), loss.next_up())
}

/// The boundary of what is not rejected.
struct Curve {
    cached: Count,
    kept: Count,
    weight: f64,
    /// `t/w`.
    far: f64,
}

/// `h` at one place, enclosed, and what its two summands are at least.
#[derive(Clone, Copy, Debug)]
struct Point {
    s: f64,
    low: f64,
    high: f64,
    first: f64,
    second: f64,
}

impl Curve {
    /// A lower bound of `h`.
    fn least(&self, end: f64) -> f64 {
        let near = self.nearly_least(end);
        let step = 0.08 * end;
        let mut places = vec![0.0, near - step, near, near + step, end];
        places.retain(|s| (0.0..=end).contains(s));
        places.sort_by(f64::total_cmp);
        places.dedup();
        let mut points: Vec<Point> = places.into_iter().map(|s| self.point(s)).collect();
        let share = |count: Count| count.successes() as f64 / count.trials() as f64;
        let estimate = libm::log(share(self.cached)) + libm::log(share(self.kept));
        loop {
            let bounds = (0..points.len() - 1).map(|left| (between(&points, left), left));
            let worst = bounds.min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((bound, left)) = worst else { return f64::NEG_INFINITY };
            let best = points.iter().map(|point| point.low).fold(0.0, f64::min);
            let middle = 0.5 * (points[left].s + points[left + 1].s);
            let divisible = points[left].s < middle && middle < points[left + 1].s;
            if best - bound <= CLOSE * (estimate - best) || points.len() >= MAX_POINTS || !divisible
            {
                return bound.min(best);
            }
            points.insert(left + 1, self.point(middle));
        }
    }

    /// Where `h` is about least; enters no bound but as a place to look at.
    fn nearly_least(&self, end: f64) -> f64 {
        let value = |s: f64| {
            let at = |count: Count, s: f64| {
                let (k, n) = (count.successes() as f64, count.trials() as f64);
                libm::log(clopper_pearson_approximate(k, n, libm::exp(-s)))
            };
            at(self.cached, s) + at(self.kept, self.weight * (self.far - s))
        };
        const GOLDEN: f64 = 0.618_033_988_749_894_8;
        let (mut low, mut high) = (0.0, end);
        let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        let (mut at_a, mut at_b) = (value(a), value(b));
        for _ in 0..8 {
            if at_a < at_b {
                (high, b, at_b) = (b, a, at_a);
                a = high - GOLDEN * (high - low);
                at_a = value(a);
            } else {
                (low, a, at_a) = (a, b, at_b);
                b = low + GOLDEN * (high - low);
                at_b = value(b);
            }
        }
        0.5 * (low + high)
    }

    fn point(&self, s: f64) -> Point {
        // Two roundings; at the end it is 0 exactly.
        let rest = self.weight * (self.far - s);
        let first = enclosed_ln(self.cached, s, s);
        let ends = [1.0 - 4.0 * f64::EPSILON, 1.0 + 4.0 * f64::EPSILON].map(|error| rest * error);
        let second = enclosed_ln(self.kept, ends[0], ends[1]);
        Point {
            s,
            low: add_down(first.0, second.0),
            high: add_up(first.1, second.1),
            first: first.0,
            second: second.0,
        }
    }
}

/// A lower bound of `h` between a point and the next.
fn between(points: &[Point], left: usize) -> f64 {
    let (a, b) = (points[left], points[left + 1]);
    // Q falls with s: each factor is at least what it is at its far end.
    let apart = add_down(b.first, a.second);
    let width = b.s - a.s;
    // How fast h falls to the right of a, and to the left of b, at most.
    let falls = |near: Point, far: Point| {
        let slope = (near.low - far.high) / (near.s - far.s).abs();
        let error = LINE_ERROR * (near.low.abs() + far.high.abs()) / (near.s - far.s).abs();
        (error - slope).max(0.0)
    };
    let from_left = left.checked_sub(1).map_or(f64::INFINITY, |before| falls(a, points[before]));
    let from_right = points.get(left + 2).map_or(f64::INFINITY, |after| falls(b, *after));
    // The least value of the greater of two lines, one falling to the right, one to the left.
    let met = match (from_left.is_finite(), from_right.is_finite()) {
        (true, true) if from_left + from_right > 0.0 => {
            // Anywhere between, the lines are at least their mean with these weights.
            let share = from_right / (from_left + from_right);
            let mean = share * a.low + (1.0 - share) * b.low;
            let drop = from_left * from_right / (from_left + from_right) * width;
            let line = (mean - drop).max((a.low - from_left * width).min(b.low));
            let line = line.min(a.low).min(b.low);
            line - LINE_ERROR * (a.low.abs() + b.low.abs() + drop + line.abs())
        }
        (true, true) => a.low.min(b.low),
        (true, false) => (a.low - from_left * width).next_down() - LINE_ERROR * a.low.abs(),
        (false, true) => (b.low - from_right * width).next_down() - LINE_ERROR * b.low.abs(),
        (false, false) => f64::NEG_INFINITY,
    };
    if met.is_nan() { apart } else { met.max(apart) }
}

/// `ln Q`: a lower bound at `most`, and an upper bound at `least`; `Q` falls with `s`.
fn enclosed_ln(count: Count, least: f64, most: f64) -> (f64, f64) {
    let low = enclosed(count, most).0;
    let high = if least == most { enclosed(count, most).1 } else { enclosed(count, least).1 };
    (ln(low) * (1.0 + LINE_ERROR), (ln(high) * (1.0 - LINE_ERROR)).min(0.0))
}

/// `Q(k, n; s)`, enclosed, for `1 ≤ k`.
fn enclosed(count: Count, s: f64) -> (SidedProbability, SidedProbability) {
    if s <= 0.0 {
        return (SidedProbability::ONE, SidedProbability::ONE);
    }
    let at = |level: f64| Probability::from_upper_bound(level.max(0.0));
    // Some ulps to the other side.
    let below = |value: f64| value * (1.0 - 8.0 * f64::EPSILON);
    let level = exp_up(-s);
    if level <= 0.5 {
        return clopper_pearson_enclosed(count, at(below(level)), at(level));
    }
    // P(Bin(n, x) ≥ k) = 1 - P(Bin(n, 1 - x) ≥ n - k + 1).
    let Ok(missed) = Count::new(count.failures() + 1, count.trials()) else {
        return (SidedProbability::ZERO, SidedProbability::ONE);
    };
    let rest = -libm::expm1(-s) * (1.0 + 4.0 * f64::EPSILON);
    let (least, most) = clopper_pearson_enclosed(missed, at(below(rest)), at(rest));
    // Above one half nothing is evaluated; the bound for one half is below.
    let low = if rest <= 0.5 { most.complement() } else { clopper_pearson_lower(count, at(0.5)) };
    (low, least.complement())
}

fn ln(p: SidedProbability) -> f64 {
    let (side, of_complement) = p.small_side();
    if of_complement { libm::log1p(-side) } else { libm::log(side) }
}
