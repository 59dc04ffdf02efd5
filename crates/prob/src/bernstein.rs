//! Bernstein's inequality: the variance, and a bound of the deviation.
//!
//! # References
//! 1. S. Boucheron, G. Lugosi, P. Massart, *Concentration Inequalities*, Oxford University Press, 2013, corollary 2.11.

use crate::rounding::{add_up, div_up, exp_of_minus_ratio_up, mul_down, mul_up};

/// `exp(-t²/(2σ² + ⅔Mt))`, rounded up, for `t > 0`.
///
/// `M` bounds from above the deviation of every summand from its mean. A form seen as a single summand has `M` its own
/// largest deviation (the printed form); as the sum of its terms, that of its largest term.
pub(crate) fn bernstein(t: f64, variance: f64, deviation: f64) -> f64 {
    let linear = div_up(mul_up(2.0, mul_up(deviation, t)), 3.0);
    exp_of_minus_ratio_up(mul_down(t, t), add_up(mul_up(2.0, variance), linear))
}
