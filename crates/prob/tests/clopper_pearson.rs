//! Bounds of Clopper and Pearson against 50-digit values, and their exact coverage.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use nncert_prob::{Count, Probability, clopper_pearson_lower, clopper_pearson_upper};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero, pow};

/// What the bound may give away, relative to its smaller side.
const LOSS: f64 = 1e-12;

fn number(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

/// The bound against floats on both sides of the exact one.
fn check(k: u64, n: u64, alpha: f64, is_complement: bool, below: f64, above: f64) {
    let bound = clopper_pearson_lower(Count::new(k, n).unwrap(), Probability::new(alpha).unwrap());
    let (down, complement_up) = (bound.down(), bound.complement_up());
    let what = format!("k = {k}, n = {n}, α = {alpha:e}: {bound:?} against [{below:e}, {above:e}]");
    if is_complement {
        assert!(complement_up >= above, "{what}");
        assert!(complement_up <= above * (1.0 + LOSS), "{what}");
    } else {
        assert!(down <= below, "{what}");
        assert!(down >= below * (1.0 - LOSS), "{what}");
    }
}

#[test]
fn bounds_are_on_their_side_and_tight() {
    let mut rows = 0;
    for line in include_str!("data/statistics.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if let ["lower", k, n, alpha, side, below, above] = fields[..] {
            let (k, n) = (k.parse().unwrap(), n.parse().unwrap());
            check(k, n, number(alpha), side == "q", number(below), number(above));
            rows += 1;
        }
    }
    assert!(rows > 140, "{rows} rows");
}

/// The 40-digit table of `NNCERT_DATA`, when it is set.
#[test]
fn bounds_agree_with_the_reference_table() {
    let Ok(data) = std::env::var("NNCERT_DATA") else {
        eprintln!("NNCERT_DATA is not set: skipped");
        return;
    };
    let path = format!("{data}/reference/clopper_pearson_reference.csv");
    let table = std::fs::read_to_string(&path).unwrap();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let value = |i: usize| fields[i].parse::<f64>().unwrap();
        let (k, n) = (fields[0].parse().unwrap(), fields[1].parse().unwrap());
        let alpha = Probability::new(value(2)).unwrap();
        let count = Count::new(k, n).unwrap();
        let (lower, upper) =
            (clopper_pearson_lower(count, alpha), clopper_pearson_upper(count, alpha));
        // The nearest float may lie one step beyond the value.
        assert!(lower.down() <= value(3).next_up(), "{line}: {lower}");
        assert!(lower.complement_up() >= value(5).next_down(), "{line}: {lower}");
        assert!(upper.up() >= value(4).next_down(), "{line}: {upper}");
        assert!(upper.complement_down() <= value(6).next_up(), "{line}: {upper}");
        for (bound, exact) in [
            (lower.down(), value(3)),
            (lower.complement_up(), value(5)),
            (upper.up(), value(4)),
            (upper.complement_down(), value(6)),
        ] {
            assert!((bound - exact).abs() <= LOSS * exact, "{line}: {bound:e} for {exact:e}");
        }
    }
}

fn exact(x: f64) -> BigRational {
    BigRational::from_float(x).unwrap()
}

/// `P(Bin(n, p) ≥ k)` as a fraction.
fn exact_tail(k: u64, n: u64, p: &BigRational) -> BigRational {
    let q = BigRational::one() - p;
    let mut choose = BigInt::one();
    let mut sum = BigRational::zero();
    for j in 0..=n {
        if j >= k {
            let term = pow(p.clone(), j as usize) * pow(q.clone(), (n - j) as usize);
            sum += term * BigRational::from(choose.clone());
        }
        choose = choose * BigInt::from(n - j) / BigInt::from(j + 1);
    }
    sum
}

/// The law itself, in exact arithmetic: the tail at the bound is at most `α`, which is the coverage for every `p`.
#[test]
fn the_exact_tail_at_the_bound_is_at_most_alpha() {
    for n in [1, 2, 3, 5, 8, 13, 25] {
        for k in 0..=n {
            for alpha in [0.7, 0.5, 0.1, 0.001, 1e-9, 1e-15] {
                let count = Count::new(k, n).unwrap();
                let bound = clopper_pearson_lower(count, Probability::new(alpha).unwrap());
                let (side, of_complement) = bound.small_side();
                let p = if of_complement { BigRational::one() - exact(side) } else { exact(side) };
                if k > 0 {
                    assert!(exact_tail(k, n, &p) <= exact(alpha), "{k} of {n}, α = {alpha}");
                } else {
                    assert!(p.is_zero());
                }
            }
        }
    }
}

#[test]
fn extremes_give_bounds() {
    let lower = |k, n, alpha| {
        clopper_pearson_lower(Count::new(k, n).unwrap(), Probability::new(alpha).unwrap())
    };
    assert_eq!(lower(5, 10, 0.0).down(), 0.0);
    assert_eq!(lower(5, 10, 1.0), lower(5, 10, 0.5));
    assert_eq!(lower(0, 0, 0.5).down(), 0.0);
    for alpha in [5e-324, 1e-300, 1e-100, 1.0_f64.next_down()] {
        for n in [1, 10, 1 << 31] {
            for k in [1, n / 2, n - 1, n] {
                let bound = lower(k, n, alpha).down();
                assert!((0.0..=1.0).contains(&bound));
                assert!(bound <= k as f64 / n as f64 || alpha > 0.4);
            }
        }
    }
    assert!(Count::new(1, 1 << 32).is_err() && Count::new(2, 1).is_err());
}
