//! Hoeffding's inequality: nothing but the widths of the inputs.
//!
//! # References
//! 1. W. Hoeffding, *Probability inequalities for sums of bounded random variables*, JASA 58, 1963, theorem 2.
//! 2. L. Weng et al., *PROVEN: Verifying robustness of neural networks with a probabilistic approach*, ICML 2019.

use crate::moments::Moments;
use crate::rounding::{exp_of_minus_ratio_up, mul_down, mul_up};

/// `exp(-2t²/Σ cᵢ²(uᵢ - lᵢ)²)`, rounded up, for `t > 0`.
pub(crate) fn hoeffding(t: f64, moments: &Moments) -> f64 {
    exp_of_minus_ratio_up(mul_down(2.0, mul_down(t, t)), moments.squared_widths)
}

/// `exp(-2t²/(K²‖c‖²))`, rounded up, for `t > 0`.
///
/// Sound because `Σ cᵢ²(uᵢ - lᵢ)² ≤ K²‖c‖²`, with equality for equal widths.
pub(crate) fn hoeffding_printed(t: f64, moments: &Moments) -> f64 {
    let width = moments.largest_width;
    let squared_width = mul_up(width, width);
    exp_of_minus_ratio_up(
        mul_down(2.0, mul_down(t, t)),
        mul_up(squared_width, moments.squared_norm),
    )
}
