//! Enclosures of sigmoid, tanh and their derivatives.
//!
//! `_down` functions return a double that is at most the exact value, `_up`
//! functions one that is at least it. Arguments may be infinite; NaN is a number
//! of which nothing is known.
//!
//! Values come from `libm`, written in Rust and the same on every machine. Its
//! sources (FreeBSD's msun) state an error below one unit in the last place for
//! `exp` and `expm1`, half a unit more for subnormal results. With `ε = 2^-52`
//! that gives relative errors of at most
//!
//! ```text
//! sigmoid    e^-|x| / (1 + e^-|x|)        5/2 ε     exp ε, sum, its argument and quotient ε/2 each
//! sigmoid'   e^-|x| / (1 + e^-|x|)^2        3 ε     exp ε, sum ε/2 squared, product, quotient ε/2 each
//! tanh       expm1 / (expm1 + 2)          9/4 ε     expm1 5/4 ε, sum, quotient ε/2 each
//! ```
//!
//! and higher orders. A step to the next double is at least `ε/2`, so that six steps
//! are enough; `MARGIN_STEPS`, eight, are taken. `tests/elementary.rs` holds the results
//! against 40-digit values.

/// By how many doubles a computed value is moved outward.
const MARGIN_STEPS: u32 = 8;

/// A double at most `1 / (1 + exp(-x))`, in `[0, 1]`.
///
/// Guarantee: sound; within 16 units in the last place.
///
/// ```
/// use nncert_core::elementary::{sigmoid_down, sigmoid_up};
/// assert!(sigmoid_down(0.0) <= 0.5 && 0.5 <= sigmoid_up(0.0));
/// assert_eq!((sigmoid_down(f64::NEG_INFINITY), sigmoid_up(1e9)), (0.0, 1.0));
/// ```
#[must_use]
pub fn sigmoid_down(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { down(sigmoid(x)).clamp(0.0, 1.0) }
}

/// A double at least `1 / (1 + exp(-x))`, in `[0, 1]`.
///
/// Guarantee: sound; within 16 units in the last place.
#[must_use]
pub fn sigmoid_up(x: f64) -> f64 {
    if x.is_nan() { 1.0 } else { up(sigmoid(x)).clamp(0.0, 1.0) }
}

/// A double at most `tanh(x)`, in `[-1, 1]`.
///
/// Guarantee: sound; within 16 units in the last place.
///
/// ```
/// use nncert_core::elementary::{tanh_down, tanh_up};
/// assert_eq!((tanh_down(0.0), tanh_up(0.0)), (0.0, 0.0));
/// assert!(tanh_down(1.0) <= 0.7615941559557649 && 0.7615941559557649 <= tanh_up(1.0));
/// ```
#[must_use]
pub fn tanh_down(x: f64) -> f64 {
    -tanh_up(-x)
}

/// A double at least `tanh(x)`, in `[-1, 1]`.
///
/// Guarantee: sound; within 16 units in the last place.
#[must_use]
pub fn tanh_up(x: f64) -> f64 {
    if x.is_nan() {
        return 1.0;
    }
    // tanh(x) ≤ x for x ≥ 0, and tanh(x) ≤ 0 elsewhere.
    up(libm::tanh(x)).min(1.0).min(x.max(0.0))
}

/// A double at most the derivative of sigmoid, in `[0, 1/4]`.
///
/// Guarantee: sound; within 16 units in the last place.
#[must_use]
pub fn sigmoid_slope_down(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { down(sigmoid_slope(x)).clamp(0.0, 0.25) }
}

/// A double at least the derivative of sigmoid, in `[0, 1/4]`.
///
/// Guarantee: sound; within 16 units in the last place.
#[must_use]
pub fn sigmoid_slope_up(x: f64) -> f64 {
    if x.is_nan() { 0.25 } else { up(sigmoid_slope(x)).clamp(0.0, 0.25) }
}

/// A double at most the derivative of tanh, in `[0, 1]`.
///
/// ```text
/// tanh'(x) = 4 sigmoid'(2x)
/// ```
///
/// Guarantee: sound; within 16 units in the last place, 64 where it is subnormal.
#[must_use]
pub fn tanh_slope_down(x: f64) -> f64 {
    4.0 * sigmoid_slope_down(2.0 * x)
}

/// A double at least the derivative of tanh, in `[0, 1]`.
///
/// Guarantee: sound; within 16 units in the last place, 64 where it is subnormal.
#[must_use]
pub fn tanh_slope_up(x: f64) -> f64 {
    4.0 * sigmoid_slope_up(2.0 * x)
}

/// Without overflow on either side.
pub(crate) fn sigmoid(x: f64) -> f64 {
    let small = libm::exp(-x.abs());
    (if x < 0.0 { small } else { 1.0 }) / (1.0 + small)
}

fn sigmoid_slope(x: f64) -> f64 {
    let small = libm::exp(-x.abs());
    small / ((1.0 + small) * (1.0 + small))
}

fn up(value: f64) -> f64 {
    (0..MARGIN_STEPS).fold(value, |value, _| value.next_up())
}

fn down(value: f64) -> f64 {
    -up(-value)
}
