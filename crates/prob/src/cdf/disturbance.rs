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

/// A bracket of `P(Y ≤ x)` for half-widths in descending order.
pub(super) fn cdf(a: &[f64], x: f64) -> ProbabilityBracket {
    let most = a.len().min(vertices::MAX_TERMS);
    let mut bracket = ProbabilityBracket::unknown();
    let mut tried = f64::INFINITY;
    for large in 1..=most {
        let variance = 1.001 * a[large..].iter().map(|a| a * a).sum::<f64>() / 3.0;
        let radius =
            if large == 1 { corner(a[0], x, variance) } else { variance / (7.99 * a[0] * a[1]) };
        // Each further term doubles the cost.
        if radius < 0.5 * tried {
            tried = radius;
            bracket = bracket.intersect(vertices::cdf(&a[..large], x).widened(radius));
        }
        if bracket.width() < 1e-12 {
            break;
        }
    }
    ProbabilityBracket { method: CdfMethod::Disturbance, ..bracket }
}

/// A bound of `E(|S| - d)₊/(2a)`, with `S` sub-Gaussian of proxy `v`: at most `√v` and `∫ over u ≥ d of 2 exp(-u²/(2v))`.
fn corner(a: f64, x: f64, variance: f64) -> f64 {
    let distance = 0.999_999 * (x.abs() - a).abs();
    let spread = libm::sqrt(variance);
    let tail =
        2.0 * variance / distance * libm::exp(-0.999 * distance * distance / (2.0 * variance));
    0.501 / a * if tail < spread { tail + 1e-300 } else { 1.001 * spread }
}
