//! The sub-Gaussian tail.
//!
//! For a uniform input `sinh(a)/a ≤ e^{a²/6}`, term by term of the power series: the variance proxy is the variance.
//!
//! # References
//! 1. S. Boucheron, G. Lugosi, P. Massart, *Concentration Inequalities*, Oxford University Press, 2013, section 2.3.

use crate::rounding::{exp_of_minus_ratio_up, mul_down, mul_up};

/// `exp(-t²/(2v))`, rounded up, for `t > 0`.
pub(crate) fn sub_gaussian(t: f64, variance_proxy: f64) -> f64 {
    exp_of_minus_ratio_up(mul_down(t, t), mul_up(2.0, variance_proxy))
}
