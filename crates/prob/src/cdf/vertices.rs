//! The distribution function of a few uniform terms, in closed form.
//!
//! ```text
//! Y = Σ aᵢUᵢ,   Uᵢ uniform on [-1, 1],   s = x + Σ aᵢ
//! P(Y ≤ x) = 1/(n! Π 2aᵢ)  Σ over v in {0,1}ⁿ of (-1)^|v| (s - 2a·v)₊ⁿ
//! ```
//!
//! The sum cancels, so it is formed in twice the precision, for `x ≤ 0` and the lower half of the range only.

use super::double_double::DoubleDouble;
use crate::bracket::{CdfMethod, ProbabilityBracket};

/// The closed form is used for this many terms at most: it costs `2ⁿ` powers.
pub(super) const MAX_TERMS: usize = 12;

/// A bracket of `P(Y ≤ x)`, for at most [`MAX_TERMS`] numbers `a` in `[2^-61, 2)`, taken as exact.
pub(super) fn cdf(a: &[f64], x: f64) -> ProbabilityBracket {
    let (value, radius) = lower_half(a, -x.abs());
    let value = if x > 0.0 { 1.0 - value } else { value };
    ProbabilityBracket::around(value, radius, CdfMethod::Vertices)
}

/// `P(Y ≤ x)` for `x ≤ 0`, and a bound of its error.
///
/// With `u = 2^-53`: every base `s - 2a·v` is off by at most `2(n + 1)·4u²·Σa`, a power of it by `8nu²` more, and every addition
/// of the `V` terms by `4u² V sⁿ`. The divisor and the quotient have a relative error below `(3n + 3)u`, and the last `1 - p`
/// one of `u/2`.
fn lower_half(a: &[f64], x: f64) -> (f64, f64) {
    const SQUARED_ROUNDOFF: f64 = 1.0 / (1_u128 << 106) as f64;
    let n = a.len();
    let sum = a.iter().fold(DoubleDouble::ZERO, |sum, &a| sum.add_float(a));
    let s = sum.add_float(x);
    if s.high <= 1e-27 * sum.high {
        // The density is at most 1/(2 max a).
        return (0.0, 1e-27 * sum.high / a.iter().fold(f64::MIN_POSITIVE, |m, &a| m.max(a)));
    }
    let divisor = a.iter().enumerate().fold(1.0, |d, (i, a)| d * (2.0 * a * (i + 1) as f64));
    let mut total = DoubleDouble::ZERO;
    let mut terms = 0_u32;
    for vertex in 0..1_u32 << n {
        let base =
            (0..n).filter(|i| vertex >> i & 1 == 1).fold(s, |rest, i| rest.add_float(-2.0 * a[i]));
        if base.high > 0.0 {
            let power = (1..n).fold(base, |power, _| power.multiply(base));
            let signed = if vertex.count_ones() % 2 == 0 { power } else { power.negate() };
            total = total.add(signed);
            terms += 1;
        }
    }
    let value = (total.high / divisor).clamp(0.0, 1.0);
    // A vertex on the edge may count or not: all of them, not only those counted, carry the error of their base.
    let (vertices, counted, order) = ((1_u32 << n) as f64, f64::from(terms), n as f64);
    let power = libm::pow(s.high, order - 1.0) * 1.001;
    let bases = vertices * order * power * sum.high * 8.0 * (order + 3.0);
    let sums = counted * counted * power * s.high * 4.0;
    let cancelled = 2.0 * SQUARED_ROUNDOFF * (bases + sums) / divisor;
    (value, cancelled + value * (3.0 * order + 4.0) * f64::EPSILON + 2.0 * f64::EPSILON)
}
