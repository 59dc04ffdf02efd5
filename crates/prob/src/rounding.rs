//! Arithmetic whose result errs on a stated side.
//!
//! `_up` functions return a number that is at least the exact result of the operation, `_down` functions one that
//! is at most. An infinite operand stands for a real number that was too large for its bound to be finite, so
//! that zero times it is zero; anything that cannot be bounded comes out as the infinity on the side asked for.
//!
//! Sums and products are the correctly rounded ones outside the subnormal range: the rounding error is computed
//! without error (2Sum of Knuth, the fused multiply-add) and its sign decides. What is exactly representable
//! stays exact.
//!
//! The elementary functions come from `libm`, written in Rust and free of the platform's mathematics library, so
//! that every machine computes the same bits. Its sources (FreeBSD's msun) state an error below one ulp for `exp`, `log` and
//! `expm1`; gradual underflow of `exp` adds half an ulp. The margin is [`MARGIN_ULPS`], and the tests compare against
//! 60-digit values.

/// By how many units in the last place the value of an elementary function is moved outward.
pub(crate) const MARGIN_ULPS: u32 = 2;

/// Below this magnitude the rounding error of a product may itself underflow (2^-960).
const ERROR_FREE_PRODUCT: f64 = f64::from_bits(63_u64 << 52);

/// The exact rounding error of `sum = fl(a + b)`, or something not finite on overflow (2Sum).
fn two_sum_error(a: f64, b: f64, sum: f64) -> f64 {
    let b_virtual = sum - a;
    let a_virtual = sum - b_virtual;
    (a - a_virtual) + (b - b_virtual)
}

/// An upper bound of `a + b`.
pub(crate) fn add_up(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if sum.is_nan() {
        return f64::INFINITY;
    }
    let error = two_sum_error(a, b, sum);
    if error > 0.0 || !error.is_finite() { sum.next_up() } else { sum }
}

/// A lower bound of `a + b`.
pub(crate) fn add_down(a: f64, b: f64) -> f64 {
    -add_up(-a, -b)
}

/// An upper bound of `a - b`.
pub(crate) fn sub_up(a: f64, b: f64) -> f64 {
    add_up(a, -b)
}

/// A lower bound of `a - b`.
pub(crate) fn sub_down(a: f64, b: f64) -> f64 {
    add_down(a, -b)
}

/// An upper bound of `a · b`; zero when either is zero.
pub(crate) fn mul_up(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let product = a * b;
    if product.is_nan() {
        return f64::INFINITY;
    }
    if !product.is_finite() || product.abs() < ERROR_FREE_PRODUCT || libm::fma(a, b, -product) > 0.0
    {
        product.next_up()
    } else {
        product
    }
}

/// A lower bound of `a · b`; zero when either is zero.
pub(crate) fn mul_down(a: f64, b: f64) -> f64 {
    -mul_up(-a, b)
}

/// An upper bound of `a / b`, for `b > 0`; within two units in the last place.
pub(crate) fn div_up(a: f64, b: f64) -> f64 {
    if a == 0.0 {
        return 0.0;
    }
    let quotient = a / b;
    if quotient.is_nan() { f64::INFINITY } else { quotient.next_up() }
}

/// A lower bound of `a / b`, for `b > 0`; within two units in the last place.
pub(crate) fn div_down(a: f64, b: f64) -> f64 {
    -div_up(-a, b)
}

/// An upper bound of `x / 2`; exact outside the subnormal range.
pub(crate) fn half_up(x: f64) -> f64 {
    let half = 0.5 * x;
    if half + half < x { half.next_up() } else { half }
}

/// A lower bound of `x / 2`; exact outside the subnormal range.
pub(crate) fn half_down(x: f64) -> f64 {
    -half_up(-x)
}

/// An upper bound of the sum of the terms, as if summed in twice the precision.
///
/// ```text
/// Σ x = head + Σ e     (e: the exact rounding errors of the running sum), the latter summed upward
/// ```
pub(crate) fn sum_up(terms: impl IntoIterator<Item = f64>) -> f64 {
    let (mut head, mut errors) = (0.0, 0.0);
    for term in terms {
        let sum = head + term;
        let error = two_sum_error(head, term, sum);
        errors = if error.is_finite() { add_up(errors, error) } else { f64::INFINITY };
        head = sum;
    }
    if errors.is_finite() && head.is_finite() { add_up(head, errors) } else { f64::INFINITY }
}

/// A lower bound of the sum of the terms, as if summed in twice the precision.
pub(crate) fn sum_down(terms: impl IntoIterator<Item = f64>) -> f64 {
    -sum_up(terms.into_iter().map(|term| -term))
}

/// The value moved up by a number of units in the last place.
pub(crate) fn ulps_up(x: f64, ulps: u32) -> f64 {
    (0..ulps).fold(x, |value, _| value.next_up())
}

/// An upper bound of `e^x`; never zero.
pub(crate) fn exp_up(x: f64) -> f64 {
    if x.is_nan() {
        f64::INFINITY
    } else if x == 0.0 {
        1.0
    } else {
        ulps_up(libm::exp(x), MARGIN_ULPS)
    }
}

/// An upper bound of `ln x`, for `x > 0`.
pub(crate) fn ln_up(x: f64) -> f64 {
    if x.is_nan() {
        f64::INFINITY
    } else if x == 1.0 {
        0.0
    } else {
        ulps_up(libm::log(x), MARGIN_ULPS)
    }
}

/// An upper bound of `1 - e^-x`, for `x ≥ 0`; at most 1.
pub(crate) fn one_minus_exp_up(x: f64) -> f64 {
    if x.is_nan() { 1.0 } else { ulps_up(-libm::expm1(-x), MARGIN_ULPS).min(1.0) }
}

/// An upper bound of `e^-(numerator / denominator)`: the tail of every inequality that is one exponential.
///
/// The numerator is a lower bound, the denominator an upper bound of a number that is not negative. A denominator
/// of zero is exact and stands for a variable that is constant.
pub(crate) fn exp_of_minus_ratio_up(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 {
        return if numerator > 0.0 { 0.0 } else { 1.0 };
    }
    exp_up(-div_down(numerator, denominator).max(0.0))
}

#[cfg(test)]
mod tests;
