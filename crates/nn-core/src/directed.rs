//! Directed rounding of single operations.
//!
//! Each function returns a bound of the exact result that is at most one unit
//! in the last place away, and the exact result itself where the operation is
//! exact. Arguments are finite; a result that overflows is rounded to the
//! infinity or the largest finite number, whichever is on the right side.

/// The largest double that is known to be at most `a + b`.
///
/// ```
/// use nncert_core::directed::{add_down, add_up};
/// assert_eq!(add_down(1.0, 2.0), 3.0);
/// assert!(add_down(1.0, 1e-30) == 1.0 && add_up(1.0, 1e-30) > 1.0);
/// ```
#[must_use]
pub fn add_down(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if !sum.is_finite() {
        return if sum == f64::INFINITY && a.is_finite() && b.is_finite() { f64::MAX } else { sum };
    }
    if two_sum_error(a, b, sum) < 0.0 { sum.next_down() } else { sum }
}

/// The smallest double that is known to be at least `a + b`.
#[must_use]
pub fn add_up(a: f64, b: f64) -> f64 {
    -add_down(-a, -b)
}

/// The largest double that is known to be at most `a - b`.
#[must_use]
pub fn sub_down(a: f64, b: f64) -> f64 {
    add_down(a, -b)
}

/// The smallest double that is known to be at least `a - b`.
#[must_use]
pub fn sub_up(a: f64, b: f64) -> f64 {
    add_up(a, -b)
}

/// A double at most `a · b`, and `a · b` itself where that is a double.
#[must_use]
pub fn mul_down(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let product = a * b;
    if !product.is_finite() {
        return if product == f64::INFINITY && a.is_finite() && b.is_finite() {
            f64::MAX
        } else {
            product
        };
    }
    // Below this the error of the product is not a double: assume the worst.
    let tiny = product.abs() < f64::MIN_POSITIVE / f64::EPSILON;
    if tiny || a.mul_add(b, -product) < 0.0 { product.next_down() } else { product }
}

/// A double at least `a · b`, and `a · b` itself where that is a double.
#[must_use]
pub fn mul_up(a: f64, b: f64) -> f64 {
    -mul_down(-a, b)
}

/// The exact error `a + b - sum` of a rounded sum (Knuth's two-sum).
fn two_sum_error(a: f64, b: f64, sum: f64) -> f64 {
    let b_virtual = sum - a;
    let a_virtual = sum - b_virtual;
    (a - a_virtual) + (b - b_virtual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_results_stay() {
        assert_eq!(add_up(0.5, 0.25), 0.75);
        assert_eq!(mul_up(3.0, -0.5), -1.5);
        assert_eq!(mul_down(0.0, -1e300), 0.0);
    }

    #[test]
    fn rounded_results_move_outward() {
        let (down, up) = (mul_down(0.1, 0.1), mul_up(0.1, 0.1));
        assert_eq!(down.next_up(), up);
        assert_eq!(sub_down(1.0, f64::MIN_POSITIVE), 1.0f64.next_down());
        assert_eq!(mul_up(1e-200, 1e-200), f64::from_bits(1));
        assert_eq!(mul_down(1e-200, 1e-200), -f64::from_bits(1));
    }

    #[test]
    fn overflow_goes_to_the_right_side() {
        assert_eq!(add_down(f64::MAX, f64::MAX), f64::MAX);
        assert_eq!(add_up(f64::MAX, f64::MAX), f64::INFINITY);
        assert_eq!(mul_down(-1e300, 1e300), f64::NEG_INFINITY);
        assert_eq!(mul_up(-1e300, 1e300), -f64::MAX);
    }
}
