//! A few large uniform terms in closed form, and many small ones as a disturbance `S` of them.
//!
//! ```text
//! F(x) = E F_B(x - S),   E S = 0,   Var S ≤ v
//! two large terms or more:   |F(x) - F_B(x)| ≤ v/2 · max |F_B''| ≤ v/(8a₁a₂)
//! one large term:            |F(x) - F_B(x)| ≤ E(|S| - d)₊/(2a₁),   d = ||x| - a₁|
//! ```
//!
//! This serves where the small terms are too small for the Fourier series to resolve.

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

/// Bounds of `|F - F_B|` for one large term, two, and so on.
fn radii(a: &[f64], x: f64) -> Vec<f64> {
    let most = a.len().min(vertices::MAX_TERMS);
    let mut squares: f64 = a[most..].iter().map(|a| a * a).sum();
    let mut radii = vec![0.0; most];
    for large in (1..=most).rev() {
        let variance = 1.001 * squares / 3.0;
        radii[large - 1] =
            if large == 1 { corner(a[0], x, variance) } else { variance / (7.99 * a[0] * a[1]) };
        squares += a[large - 1] * a[large - 1];
    }
    radii
}

/// A bound of `E(|S| - d)₊/(2a)`, with `S` sub-Gaussian of proxy `v`: at most `√v` and `∫ over u ≥ d of 2 exp(-u²/(2v))`.
fn corner(a: f64, x: f64, variance: f64) -> f64 {
    if variance == 0.0 {
        return 0.0;
    }
    let distance = 0.999_999 * (x.abs() - a).abs();
    let spread = libm::sqrt(variance);
    let tail =
        2.0 * variance / distance * libm::exp(-0.999 * distance * distance / (2.0 * variance));
    0.501 / a * if tail < spread { tail + 1e-300 } else { 1.001 * spread }
}
