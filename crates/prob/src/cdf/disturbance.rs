//! A few large uniform terms in closed form, and many small ones as a disturbance `S` of them.
//!
//! ```text
//! F(x) = E F_B(x - S),   E S = 0,   Var S ≤ v
//! two large terms or more:   |F(x) - F_B(x)| ≤ v/2 · max |F_B''| ≤ v/(8a₁a₂)
//! one large term:            |F(x) - F_B(x)| ≤ E(|S| - d)₊/(2a₁),   d = ||x| - a₁|
//! ```
//!
//! This serves where the small terms are too small for the Fourier series to resolve.

use super::fourier::Series;
use super::sincs::{ROUNDOFF, Sincs};
use super::vertices;
use crate::bracket::{CdfMethod, ProbabilityBracket};

/// A bracket of `P(Y ≤ x)` for half-widths in descending order: with as few large terms as a disturbance of at most `goal`
/// allows, or nothing.
pub(super) fn cdf(a: &[f64], x: f64, goal: f64) -> Option<ProbabilityBracket> {
    let radii = radii(a, x);
    let large = 1 + radii.iter().position(|&radius| radius <= goal)?;
    let bracket = vertices::cdf(&a[..large], x);
    if large == a.len() {
        return Some(bracket);
    }
    let method = CdfMethod::Disturbance;
    Some(ProbabilityBracket { method, ..bracket.widened(radii[large - 1]) })
}

/// The bracket with the least disturbance, or nearly so.
pub(super) fn closest(a: &[f64], x: f64) -> Option<ProbabilityBracket> {
    let least = radii(a, x).into_iter().fold(f64::INFINITY, f64::min);
    cdf(a, x, 2.0 * least)
}

/// A bracket of `P(Y ≤ x)` with one large term, within reach of an end of it: there only one bend of its
/// distribution function counts. Nothing elsewhere, or when the others are not small.
///
/// ```text
/// P(Y ≤ x) = E (y - S)₊/(2a₁) - E (y - S - 2a₁)₊/(2a₁),   y = x + a₁,   (z)₊ = (z + |z|)/2,   x ≤ 0
/// ```
pub(super) fn bend(a: &[f64], x: f64) -> Option<ProbabilityBracket> {
    let (&large, small) = a.split_first()?;
    let variance = 1.001 * small.iter().map(|a| a * a).sum::<f64>() / 3.0;
    let y = large - x.abs();
    let reach = 16.0 * libm::sqrt(variance);
    if y.abs() > reach || reach > large {
        return None;
    }
    let series = Series {
        sincs: &Sincs::new(small.to_vec()),
        others: &[],
        sign: 1.0,
        shift: 0.0,
        proxy: variance,
        range: 1.001 * small.iter().sum::<f64>(),
    };
    let distance = series.mean_distance(y)?;
    let value = (0.5 * y + 0.5 * distance.value) / (2.0 * large);
    let rounding = 4.0 * ROUNDOFF * (y.abs() + distance.value.abs()) + ROUNDOFF * y.abs();
    let radius = (0.51 * distance.error + rounding) / (2.0 * large)
        + corner(large, large + x.abs(), variance)
        + 2.0 * ROUNDOFF;
    let value = if x > 0.0 { 1.0 - value } else { value };
    Some(ProbabilityBracket::around(value, 1.001 * radius, CdfMethod::Disturbance))
}

/// Bounds of `|F - F_B|` for one large term, two, and so on.
fn radii(a: &[f64], x: f64) -> Vec<f64> {
    let most = a.len().min(vertices::MAX_TERMS);
    let mut squares: f64 = a[most..].iter().map(|a| a * a).sum();
    let mut radii = vec![0.0; most];
    for large in (1..=most).rev() {
        let variance = 1.001 * squares / 3.0;
        radii[large - 1] = if large == 1 {
            corner(a[0], (x.abs() - a[0]).abs(), variance)
        } else {
            variance / (7.99 * a[0] * a[1])
        };
        squares += a[large - 1] * a[large - 1];
    }
    radii
}

/// A bound of `E(|S| - d)₊/(2a)`, with `S` sub-Gaussian of proxy `v`: at most `√v` and `∫ over u ≥ d of 2 exp(-u²/(2v))`.
fn corner(a: f64, distance: f64, variance: f64) -> f64 {
    if variance == 0.0 {
        return 0.0;
    }
    let distance = 0.999_999 * distance;
    let spread = libm::sqrt(variance);
    let tail =
        2.0 * variance / distance * libm::exp(-0.999 * distance * distance / (2.0 * variance));
    0.501 / a * if tail < spread { tail + 1e-300 } else { 1.001 * spread }
}
