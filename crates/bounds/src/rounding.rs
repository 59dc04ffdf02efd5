//! Rounding: what the arithmetic of a pass can be wrong by.
//!
//! The passes compute in round-to-nearest and charge the error afterwards. A sum
//! of `n` products, in any order, fused or not, differs from the exact one by at
//! most
//!
//! ```text
//! γ_n Σ |a_i b_i|,   γ_n = n u / (1 - n u),   u = 2^-53
//! ```
//!
//! plus `n · 2^-1074` for underflow. Charges are themselves computed in
//! round-to-nearest, which [`SLACK`] covers.
//!
//! # References
//!
//! N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 3.

/// More than the relative error of a computed charge: charges are sums of
/// non-negative terms, wrong by at most `γ` of their length.
pub(crate) const SLACK: f64 = 1.0 + 1.0 / 1024.0;

/// Covers what products of tiny numbers lose, per product and unit of the other factor.
pub(crate) const UNDERFLOW: f64 = f64::MIN_POSITIVE / (1u64 << 46) as f64;

/// At least `γ_n` for the sums of a pass, `n` up to `2^40`.
pub(crate) fn gamma(n: usize) -> f64 {
    let nu = n as f64 * (f64::EPSILON / 2.0);
    nu / (1.0 - nu) * SLACK
}

/// `value - charge`, rounded down; `-∞` unless the result is a number.
///
/// `value` may be wrong by its own final rounding: the charge must cover it.
pub(crate) fn charged_down(value: f64, charge: f64) -> f64 {
    let result = value - charge * SLACK;
    // Before stepping down: the double below infinity is finite.
    if result.is_finite() { result.next_down() } else { f64::NEG_INFINITY }
}

/// `value + charge`, rounded up; `+∞` unless the result is a number.
pub(crate) fn charged_up(value: f64, charge: f64) -> f64 {
    -charged_down(-value, charge)
}

/// Whether the charges are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rounding {
    /// Bounds are rounded outward: sound.
    #[default]
    Outward,
    /// Bounds are rounded to nearest: **unsound**, to measure what soundness costs.
    #[cfg(feature = "rounding-cost")]
    Nearest,
}

impl Rounding {
    pub(crate) fn is_outward(self) -> bool {
        self == Self::Outward
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_is_an_upper_bound() {
        for n in [1usize, 50, 1 << 24, 1 << 40] {
            let nu = n as f64 * f64::EPSILON / 2.0;
            assert!(gamma(n) > nu / (1.0 - nu));
        }
    }

    #[test]
    fn charges_never_make_a_bound_of_nonsense() {
        assert_eq!(charged_down(f64::INFINITY, 1.0), f64::NEG_INFINITY);
        assert_eq!(charged_down(f64::NAN, 1.0), f64::NEG_INFINITY);
        assert_eq!(charged_up(1.0, f64::INFINITY), f64::INFINITY);
        assert!(charged_down(1.0, 0.0) < 1.0);
    }
}
