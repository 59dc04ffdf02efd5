//! The normal law against 60-digit values, with no slack on its side.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use nncert_prob::{
    SidedProbability, normal_cdf_down, normal_cdf_up, normal_quantile_down, normal_quantile_up,
};
use proptest::prelude::*;

fn number(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

fn check(p: SidedProbability, below: f64, above: f64) {
    let (down, up) = (normal_quantile_down(p), normal_quantile_up(p));
    assert!(down <= below && above <= up, "{p}: [{down:e}, {up:e}] for [{below:e}, {above:e}]");
    let width = (up - down) / above.abs().max(1e-300);
    // Next to the least float the tail itself has few digits.
    let tolerance = if p.small_side().0 < 1e-300 { 0.05 } else { 1e-14 };
    assert!(width < tolerance, "{p}: [{down:e}, {up:e}]");
}

#[test]
fn quantiles_enclose_their_values() {
    let mut rows = 0;
    for line in include_str!("data/statistics.txt").lines() {
        if let ["quantile", p, below, above] = line.split(' ').collect::<Vec<_>>()[..] {
            let p = SidedProbability::new(number(p)).unwrap();
            check(p, number(below), number(above));
            check(p.complement(), -number(above), -number(below));
            rows += 1;
        }
    }
    assert!(rows >= 16);
}

/// The 40-digit table of `NNCERT_DATA`, when it is set.
#[test]
fn quantiles_agree_with_the_reference_table() {
    let Ok(data) = std::env::var("NNCERT_DATA") else {
        eprintln!("NNCERT_DATA is not set: skipped");
        return;
    };
    let path = format!("{data}/reference/normal_quantile_reference.csv");
    for line in std::fs::read_to_string(&path).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let (p, x): (f64, f64) = (fields[0].parse().unwrap(), fields[2].parse().unwrap());
        let p = SidedProbability::new(p).unwrap();
        let (down, up) = (normal_quantile_down(p), normal_quantile_up(p));
        // The nearest float may lie one step beyond the value.
        assert!(down <= x.next_up() && x.next_down() <= up, "{line}: [{down:e}, {up:e}]");
        let tolerance = if p.small_side().0 < 1e-300 { 0.05 } else { 1e-14 };
        assert!(up - down <= tolerance * x.abs(), "{line}: [{down:e}, {up:e}]");
    }
}

#[test]
fn extremes_have_values() {
    assert_eq!(normal_quantile_down(SidedProbability::ONE), f64::INFINITY);
    assert_eq!(normal_quantile_up(SidedProbability::ZERO), f64::NEG_INFINITY);
    let half = SidedProbability::new(0.5).unwrap();
    assert_eq!((normal_quantile_down(half), normal_quantile_up(half)), (0.0, 0.0));
    assert_eq!(normal_cdf_down(f64::NEG_INFINITY), SidedProbability::ZERO);
    assert_eq!(normal_cdf_up(f64::INFINITY), SidedProbability::ONE);
    assert_eq!(normal_cdf_down(f64::NAN), SidedProbability::ZERO);
    assert_eq!(normal_cdf_up(f64::NAN), SidedProbability::ONE);
}

proptest! {
    #[test]
    fn the_distribution_function_encloses_and_inverts(x in -38.0..38.0_f64) {
        let (down, up) = (normal_cdf_down(x), normal_cdf_up(x));
        prop_assert!(down <= up);
        prop_assert!(normal_quantile_down(down) <= x && x <= normal_quantile_up(up));
        let (small, large) = (down.small_side().0, up.small_side().0);
        if down.small_side().1 == up.small_side().1 {
            prop_assert!((large - small).abs() <= 4e-15 * small.max(large) + 1e-322);
        }
    }
}
