//! The standard normal law: distribution function and quantile, rounded in a stated direction.
//!
//! ```text
//! Φ(-x) = ½ erfc(x/√2),    Φ(x) - ½ = ½ erf(x/√2)
//! ```
//!
//! `x/√2` is computed in twice the precision; what the nearest float leaves out enters through the derivative of
//! `ln erfc`, which lies between `z + √(z² + 4/π)` and `z + √(z² + 2)`. A quantile is found in ordinary arithmetic and then moved
//! outward until the directed distribution function confirms it.
//!
//! # References
//! 1. M. Abramowitz, I. Stegun, *Handbook of Mathematical Functions*, 1964, 7.1.13 and 26.2.23.

use crate::rounding::{add_down, add_up, half_down, half_up, mul_down, mul_up, sub_down, sub_up};
use crate::sided::SidedProbability;

/// By how many units in the last place `erf` and `erfc` are moved outward. The sources of `libm` state an error below one.
const MARGIN_ULPS: u32 = 3;

/// From here on `½ erfc(x/√2)` is below the least float.
const FARTHEST: f64 = 39.0;

/// `1/√2` as a float and the float next to the rest.
const FRAC_1_SQRT_2: (f64, f64) =
    (core::f64::consts::FRAC_1_SQRT_2, f64::from_bits(0xbc8b_dd34_13b2_6456));

/// Steps outward, at most: each doubles the one before.
const MAX_WIDENINGS: usize = 60;

/// Quantiles of a tail above this come from `½ - p`, which is exact and keeps its digits.
const CENTRAL: f64 = 0.25;

/// The distribution function `Φ(x)`, rounded down.
///
/// Guarantee: sound, within 1e-15 relative to the smaller side for `|x| ≤ 37`.
///
/// # Panics
/// Never; NaN gives 0.
#[must_use]
pub fn normal_cdf_down(x: f64) -> SidedProbability {
    if x.is_nan() {
        SidedProbability::ZERO
    } else if x > 0.0 {
        SidedProbability::from_side(upper_tail_up(x), true)
    } else {
        SidedProbability::from_side(upper_tail_down(-x), false)
    }
}

/// The distribution function `Φ(x)`, rounded up.
///
/// Guarantee: sound, within 1e-15 relative to the smaller side for `|x| ≤ 37`.
///
/// # Panics
/// Never; NaN gives 1.
#[must_use]
pub fn normal_cdf_up(x: f64) -> SidedProbability {
    if x.is_nan() { SidedProbability::ONE } else { normal_cdf_down(-x).complement() }
}

/// The quantile `Φ⁻¹(p)`, rounded down; `-∞` at 0 and `∞` at 1.
///
/// Guarantee: sound. `Φ` at the returned number is at most `p`, rounding errors included. Within 1e-14, relatively, unless the smaller
/// of `p` and `1 - p` is next to the least float.
///
/// # Examples
/// ```
/// use nncert_prob::{SidedProbability, normal_quantile_down, normal_quantile_up};
///
/// let p = SidedProbability::new(0.975)?;
/// assert!(normal_quantile_down(p) <= 1.959963984540054 && 1.959963984540054 <= normal_quantile_up(p));
/// let far = SidedProbability::from_complement(1e-30)?;
/// assert!((normal_quantile_down(far) - 11.464025).abs() < 1e-6);
/// # Ok::<(), nncert_prob::ProbabilityError>(())
/// ```
#[must_use]
pub fn normal_quantile_down(p: SidedProbability) -> f64 {
    match p.small_side() {
        (tail, true) => upper_quantile_down(tail),
        (tail, false) => -upper_quantile_up(tail),
    }
}

/// The quantile `Φ⁻¹(p)`, rounded up; `-∞` at 0 and `∞` at 1.
///
/// Guarantee: sound. `Φ` at the returned number is at least `p`, rounding errors included.
#[must_use]
pub fn normal_quantile_up(p: SidedProbability) -> f64 {
    -normal_quantile_down(p.complement())
}

fn ulps_up(x: f64) -> f64 {
    (0..MARGIN_ULPS).fold(x, |value, _| value.next_up())
}

fn ulps_down(x: f64) -> f64 {
    (0..MARGIN_ULPS).fold(x, |value, _| value.next_down())
}

/// `x/√2` as a float and what is left of it, for `0 ≤ x < 39`.
fn over_sqrt_2(x: f64) -> (f64, f64) {
    let z = x * FRAC_1_SQRT_2.0;
    (z, libm::fma(x, FRAC_1_SQRT_2.0, -z) + x * FRAC_1_SQRT_2.1)
}

/// The derivative of `-ln erfc`, from below and from above, with room for rounding errors.
fn hazard(z: f64) -> (f64, f64) {
    let square = z * z;
    let (low, high) = (square + 4.0 * core::f64::consts::FRAC_1_PI, square + 2.0);
    ((z + low.sqrt()) * (1.0 - 1e-14), (z + high.sqrt()) * (1.0 + 1e-14))
}

/// `P(X ≥ x)`, rounded up, for `x ≥ 0`.
fn upper_tail_up(x: f64) -> f64 {
    if x >= FARTHEST {
        return f64::from_bits(1);
    }
    let (z, rest) = over_sqrt_2(x);
    // erfc(z + r) ≤ erfc(z) e^-hr with the hazard h that makes it larger; |hr| < 1e-12, so that its square covers the series.
    let (low, high) = hazard(z);
    let exponent = -rest * if rest > 0.0 { low } else { high };
    let factor = add_up(1.0, add_up(exponent, 1e-12 * exponent.abs()));
    half_up(mul_up(ulps_up(libm::erfc(z)), factor))
}

/// `P(X ≥ x)`, rounded down, for `x ≥ 0`.
fn upper_tail_down(x: f64) -> f64 {
    if x >= FARTHEST {
        return 0.0;
    }
    let (z, rest) = over_sqrt_2(x);
    let (low, high) = hazard(z);
    let exponent = -rest * if rest > 0.0 { high } else { low };
    let factor = add_down(1.0, add_down(exponent, -1e-12 * exponent.abs()));
    half_down(mul_down(ulps_down(libm::erfc(z)).max(0.0), factor))
}

/// `P(0 ≤ X ≤ x)`, rounded up and down, for `0 ≤ x ≤ 1`.
fn half_mass(x: f64) -> (f64, f64) {
    let (z, _) = over_sqrt_2(x);
    let (up, down) = (libm::erf(z.next_up()), libm::erf(z.next_down().max(0.0)));
    (half_up(ulps_up(up)), half_down(ulps_down(down).max(0.0)))
}

/// The `x` with `P(X ≥ x) = tail`, in ordinary arithmetic, for `0 < tail < 1`.
pub(crate) fn approximate_upper_quantile(tail: f64) -> f64 {
    if tail > 0.5 {
        return -approximate_upper_quantile(1.0 - tail);
    }
    let mut x = rational_quantile(tail);
    for _ in 0..3 {
        // Halley's step; the density from its logarithm, which does not underflow before the tail does.
        let log_density = -0.5 * x * x - 0.918_938_533_204_672_8;
        let value = 0.5 * libm::erfc(x * FRAC_1_SQRT_2.0);
        let error = (value - tail) * libm::exp(-log_density);
        if !error.is_finite() {
            break;
        }
        x += error / (1.0 - 0.5 * x * error);
    }
    x.max(0.0)
}

/// The same within 5e-4 (Abramowitz and Stegun, 26.2.23).
pub(crate) fn rational_quantile(tail: f64) -> f64 {
    if tail > 0.5 {
        return -rational_quantile(1.0 - tail);
    }
    let t = (-2.0 * libm::log(tail)).sqrt();
    let rational = (2.515_517 + t * (0.802_853 + t * 0.010_328))
        / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    (t - rational).max(0.0)
}

/// The same near the centre, from `mass = ½ - tail`.
fn approximate_central_quantile(mass: f64) -> f64 {
    let mut x = approximate_upper_quantile(0.5 - mass);
    for _ in 0..2 {
        let error = 0.5 * libm::erf(x * FRAC_1_SQRT_2.0) - mass;
        x -= error * libm::exp(0.5 * x * x + 0.918_938_533_204_672_8);
    }
    x.max(0.0)
}

/// The `x ≥ 0` with `P(X ≥ x) = tail`, rounded up, for `tail ≤ ½`.
fn upper_quantile_up(tail: f64) -> f64 {
    if tail == 0.0 {
        return f64::INFINITY;
    }
    if tail > CENTRAL {
        let mass = sub_up(0.5, tail);
        if mass == 0.0 {
            return 0.0;
        }
        return outward(approximate_central_quantile(mass), f64::INFINITY, |x| {
            half_mass(x).1 >= mass
        });
    }
    outward(approximate_upper_quantile(tail), f64::INFINITY, |x| upper_tail_up(x) <= tail)
}

/// The `x ≥ 0` with `P(X ≥ x) = tail`, rounded down, for `tail ≤ ½`.
fn upper_quantile_down(tail: f64) -> f64 {
    if tail == 0.0 {
        return f64::INFINITY;
    }
    if tail > CENTRAL {
        let mass = sub_down(0.5, tail);
        return outward(approximate_central_quantile(mass), 0.0, |x| half_mass(x).0 <= mass);
    }
    outward(approximate_upper_quantile(tail), 0.0, |x| upper_tail_down(x) >= tail)
}

/// The first number confirmed on the way from `start` to `limit`, in steps that double.
fn outward(start: f64, limit: f64, confirmed: impl Fn(f64) -> bool) -> f64 {
    let (mut x, mut step) = (start, 0.25 * f64::EPSILON * start);
    for _ in 0..MAX_WIDENINGS {
        if confirmed(x) {
            return x;
        }
        x = if limit > start { (x + step).max(x.next_up()) } else { (x - step).min(x.next_down()) };
        if x <= 0.0 {
            return 0.0;
        }
        step *= 2.0;
    }
    limit
}
