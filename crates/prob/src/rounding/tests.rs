//! Directed operations against exact rational and 60-digit values.

use proptest::prelude::*;

use super::*;

/// Arguments of a function, with the least float that is at least its value; from `elementary.py`.
fn values(function: &str) -> impl Iterator<Item = (f64, f64)> {
    let number = |bits: &str| f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
    include_str!("../../tests/data/elementary.txt").lines().filter_map(move |line| {
        let mut fields = line.split(' ');
        (fields.next() == Some(function))
            .then(|| (number(fields.next().unwrap()), number(fields.next().unwrap())))
    })
}

fn check(name: &str, function: fn(f64) -> f64) {
    assert!(values(name).count() >= 400);
    for (x, least) in values(name) {
        let bound = function(x);
        assert!(bound >= least, "{name}({x:e}) = {least:e} > {bound:e}");
        assert!(
            bound <= ulps_up(least, 2 * MARGIN_ULPS),
            "{name}({x:e}) = {least:e}, not {bound:e}"
        );
    }
}

#[test]
fn elementary_functions_enclose_their_values() {
    check("exp", exp_up);
    check("ln", ln_up);
    check("one_minus_exp", one_minus_exp_up);
}

/// The margin is twice what the tests see, as the documentation of `libm` leads to expect.
#[test]
fn half_the_margin_is_enough_on_the_test_values() {
    let within = |x: f64, least: f64| x >= least || ulps_up(x, MARGIN_ULPS / 2) >= least;
    assert!(values("exp").all(|(x, least)| within(libm::exp(x), least)));
    assert!(values("ln").all(|(x, least)| within(libm::log(x), least)));
    assert!(values("one_minus_exp").all(|(x, least)| within(-libm::expm1(-x), least)));
}

#[test]
fn elementary_functions_bear_anything() {
    for x in [f64::NAN, f64::INFINITY, f64::MAX] {
        assert_eq!(exp_up(x), f64::INFINITY);
        assert!(ln_up(x) > 709.0);
        assert_eq!(one_minus_exp_up(x), 1.0);
    }
    for x in [f64::NEG_INFINITY, f64::MIN] {
        assert!(exp_up(x) > 0.0 && exp_up(x) < 1e-322);
    }
    assert_eq!((exp_up(0.0), exp_up(-0.0), ln_up(1.0)), (1.0, 1.0, 0.0));
    assert!(one_minus_exp_up(0.0) >= 0.0 && one_minus_exp_up(0.0) < 1e-322);
}

#[test]
fn what_is_representable_stays_exact() {
    assert_eq!((add_up(0.25, 0.5), add_down(0.25, 0.5)), (0.75, 0.75));
    assert_eq!((mul_up(-0.75, 0.5), mul_down(-0.75, 0.5)), (-0.375, -0.375));
    assert_eq!((half_up(5.0), half_down(5.0)), (2.5, 2.5));
    assert_eq!(sum_up([1e300, 1.0, -1e300]), 1.0);
    assert_eq!(sum_down([1e300, 1.0, -1e300, 1e-300]), 1.0);
    assert_eq!(sum_up([1e300, 1.0, -1e300, 1e-300]), 1.0_f64.next_up());
}

#[test]
fn overflow_stays_on_its_side() {
    assert_eq!(
        (add_up(f64::MAX, f64::MAX), add_down(f64::MAX, f64::MAX)),
        (f64::INFINITY, f64::MAX)
    );
    assert_eq!(
        (add_up(f64::MIN, f64::MIN), add_down(f64::MIN, f64::MIN)),
        (f64::MIN, f64::NEG_INFINITY)
    );
    assert_eq!((mul_up(1e200, 1e200), mul_down(1e200, 1e200)), (f64::INFINITY, f64::MAX));
    assert_eq!((mul_up(1e200, -1e200), mul_down(1e200, -1e200)), (f64::MIN, f64::NEG_INFINITY));
    assert_eq!((mul_up(1e-200, 1e-200), mul_down(1e-200, 1e-200)), (5e-324, -5e-324));
    assert_eq!((mul_up(0.0, f64::INFINITY), mul_up(f64::NEG_INFINITY, 0.0)), (0.0, 0.0));
    assert_eq!(
        (sum_up([f64::MIN, f64::MIN]), sum_down([f64::MAX, f64::MAX])),
        (f64::INFINITY, f64::NEG_INFINITY)
    );
    assert_eq!((sum_up([f64::NAN]), sum_down([f64::NAN])), (f64::INFINITY, f64::NEG_INFINITY));
    assert_eq!((half_up(5e-324), half_down(5e-324)), (5e-324, 0.0));
}

#[test]
fn a_ratio_of_nothing() {
    assert_eq!(exp_of_minus_ratio_up(1.0, 0.0), 0.0);
    assert_eq!(exp_of_minus_ratio_up(0.0, 0.0), 1.0);
    assert_eq!(exp_of_minus_ratio_up(-5e-324, 1.0), 1.0);
    assert_eq!(exp_of_minus_ratio_up(1.0, f64::INFINITY), 1.0);
}

/// The exact value of a finite float.
fn exact(x: f64) -> num_rational::BigRational {
    num_rational::BigRational::from_float(x).unwrap()
}

/// Finite floats, half of them of moderate size.
fn finite() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        -1e3..1e3_f64
    ]
}

proptest! {
    #[test]
    fn operations_enclose_the_exact_result(a in finite(), b in finite()) {
        for (low, high, value) in [
            (add_down(a, b), add_up(a, b), exact(a) + exact(b)),
            (sub_down(a, b), sub_up(a, b), exact(a) - exact(b)),
            (mul_down(a, b), mul_up(a, b), exact(a) * exact(b)),
        ] {
            prop_assert!(low == f64::NEG_INFINITY || exact(low) <= value);
            prop_assert!(high == f64::INFINITY || exact(high) >= value);
            prop_assert!(high <= low.next_up().next_up(), "{low:e} {high:e}");
        }
        if b != 0.0 {
            let (low, high) = (div_down(a, b.abs()), div_up(a, b.abs()));
            let value = exact(a) / exact(b.abs());
            prop_assert!(low == f64::NEG_INFINITY || exact(low) <= value);
            prop_assert!(high == f64::INFINITY || exact(high) >= value);
        }
        let half = exact(a) / exact(2.0);
        prop_assert!(exact(half_down(a)) <= half && half <= exact(half_up(a)));
    }

    #[test]
    fn sums_enclose_the_exact_sum(terms in prop::collection::vec(finite(), 0..20)) {
        let sum = terms.iter().fold(exact(0.0), |sum, &x| sum + exact(x));
        let (low, high) = (sum_down(terms.iter().copied()), sum_up(terms.iter().copied()));
        prop_assert!(low == f64::NEG_INFINITY || exact(low) <= sum);
        prop_assert!(high == f64::INFINITY || exact(high) >= sum);
    }

    #[test]
    fn moderate_sums_are_tight(terms in prop::collection::vec(-1e3..1e3_f64, 0..50)) {
        let (low, high) = (sum_down(terms.iter().copied()), sum_up(terms));
        prop_assert!(high - low <= 1e-15 * high.abs() + 1e-25);
    }
}
