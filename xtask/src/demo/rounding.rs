//! Numbers in decimals, rounded to the safe side.
//!
//! Radii and lower ends of probabilities are cut off, `ε` and upper ends are raised. Both
//! are exact: a printed bound holds whenever the number that it stands for does.

use nncert::core::directed::{add_down, add_up};

/// `⌊x · 10^decimals⌋` for `x ≥ 0`, and whether that is exact.
fn scaled(x: f64, decimals: usize) -> (u128, bool) {
    // A double has at most 1074 binary, so as many decimal places.
    let exact = format!("{:.1074}", x.max(0.0));
    let (whole, places) = exact.split_once('.').unwrap_or((&exact, ""));
    let (kept, cut) = places.split_at(decimals);
    let digits = format!("{whole}{kept}").parse().unwrap_or(u128::MAX - 1);
    (digits, cut.bytes().all(|digit| digit == b'0'))
}

fn decimal(digits: u128, decimals: usize) -> String {
    let text = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, places) = text.split_at(text.len() - decimals);
    if decimals == 0 { whole.to_owned() } else { format!("{whole}.{places}") }
}

/// `x ≥ 0` with so many decimal places, rounded down.
pub(super) fn down(x: f64, decimals: usize) -> String {
    decimal(scaled(x, decimals).0, decimals)
}

/// `x ≥ 0` with so many decimal places, rounded up.
pub(super) fn up(x: f64, decimals: usize) -> String {
    let (digits, exact) = scaled(x, decimals);
    decimal(digits + u128::from(!exact), decimals)
}

/// The decimal places that show three digits of `x`.
pub(super) fn places(x: f64) -> usize {
    if x < 1e-30 || !x.is_finite() {
        return 2;
    }
    let exponent = x.log10().floor() as i32;
    usize::try_from(2 - exponent).unwrap_or(0)
}

/// A probability in percent, rounded down.
pub(super) fn percent_down(p: f64) -> String {
    percent(scaled(p, 4).0)
}

/// A probability in percent, rounded up.
pub(super) fn percent_up(p: f64) -> String {
    let (digits, exact) = scaled(p, 4);
    percent(digits + u128::from(!exact))
}

/// From hundredths of a percent, without zeros at the end.
fn percent(hundredths: u128) -> String {
    let text = decimal(hundredths, 2);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Three digits of `x`, rounded up; below a thousandth in scientific notation.
pub(super) fn three_digits_up(x: f64) -> String {
    let decimals = places(x);
    if decimals <= 5 {
        return up(x, decimals);
    }
    let (digits, exact) = scaled(x, decimals);
    let digits = digits + u128::from(!exact);
    let (digits, decimals) =
        if digits > 999 { (digits.div_ceil(10), decimals - 1) } else { (digits, decimals) };
    format!("{}.{:02}e-{}", digits / 100, digits % 100, decimals - 2)
}

/// At most the mean.
pub(super) fn mean_down(values: &[f64]) -> f64 {
    let sum = values.iter().fold(0.0, |sum, value| add_down(sum, *value));
    quotient(sum, values.len(), f64::next_down).max(0.0)
}

/// At least the mean.
pub(super) fn mean_up(values: &[f64]) -> f64 {
    let sum = values.iter().fold(0.0, |sum, value| add_up(sum, *value));
    quotient(sum, values.len(), f64::next_up)
}

/// A quotient that is moved outward unless it is exact.
fn quotient(sum: f64, count: usize, outward: impl Fn(f64) -> f64) -> f64 {
    let count = count.max(1) as f64;
    let mean = sum / count;
    if mean.mul_add(count, -sum) == 0.0 { mean } else { outward(mean) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_the_safe_side() {
        assert_eq!((down(0.0562399, 4), up(0.0562399, 4)), ("0.0562".into(), "0.0563".into()));
        assert_eq!((down(0.25, 2), up(0.25, 2)), ("0.25".into(), "0.25".into()));
        assert_eq!((down(0.0, 3), up(0.0, 3)), ("0.000".into(), "0.000".into()));
        assert_eq!((down(12.75, 0), up(12.75, 0)), ("12".into(), "13".into()));
        // 0.3 as a double is below three tenths, 0.1 above a tenth.
        assert_eq!((down(0.3, 1), up(0.3, 1)), ("0.2".into(), "0.3".into()));
        assert_eq!((down(0.1, 1), up(0.1, 1)), ("0.1".into(), "0.2".into()));
        assert_eq!(up(5e-324, 2), "0.01");
    }

    #[test]
    fn percents() {
        assert_eq!(percent_down(1.0), "100");
        assert_eq!(percent_down(1.0f64.next_down()), "99.99");
        assert_eq!(percent_up(1.0f64.next_down()), "100");
        assert_eq!((percent_down(0.0), percent_up(0.0)), ("0".into(), "0".into()));
        assert_eq!((percent_down(0.79982), percent_up(0.79982)), ("79.98".into(), "79.99".into()));
        assert_eq!(percent_down(0.125), "12.5");
    }

    #[test]
    fn three_digits() {
        assert_eq!(three_digits_up(0.101_25), "0.102");
        assert_eq!(three_digits_up(2.345), "2.35");
        assert_eq!(three_digits_up(0.004_351), "0.00436");
        assert_eq!(three_digits_up(0.000_077_81), "7.79e-5");
        assert_eq!(three_digits_up(0.000_099_91), "1.00e-4");
        assert_eq!(three_digits_up(0.0), "0.00");
        assert_eq!((places(0.05), places(2.5), places(12.0), places(0.0)), (4, 2, 1, 2));
    }

    #[test]
    fn means_are_outward() {
        assert_eq!((mean_down(&[0.25, 0.75]), mean_up(&[0.25, 0.75])), (0.5, 0.5));
        assert_eq!((mean_down(&[1.0; 10]), mean_up(&[1.0; 10])), (1.0, 1.0));
        let values = [0.1, 0.2, 0.4];
        assert!(mean_down(&values) < mean_up(&values));
    }
}
