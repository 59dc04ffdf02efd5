//! A law that is not symmetric, so that no bound may confuse the two sides of the mean.

use nncert_prob::{Distribution, LinearForm, Tail};
use num_rational::BigRational;
use num_traits::pow;
use proptest::prelude::*;

/// How often the coin shows 1 rather than 0; exact as a float.
const RARE: f64 = 0.125;

/// A coin that seldom shows 1, with its exact moment generating function.
#[derive(Debug)]
struct RareCoin;

impl Distribution for RareCoin {
    fn support(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn mean(&self) -> (f64, f64) {
        (RARE, RARE)
    }

    fn log_mgf(&self, s: f64) -> f64 {
        // ln(1 - p + p e^s) - p s, with e^|s| taken out and far more than the rounding errors put on top.
        let value = if s > 0.0 {
            (1.0 - RARE) * s + (RARE + (1.0 - RARE) * (-s).exp()).ln()
        } else {
            (1.0 - RARE + RARE * s.exp()).ln() - RARE * s
        };
        value + 1e-13 * (1.0 + s.abs())
    }
}

fn exact(x: f64) -> BigRational {
    BigRational::from_float(x).unwrap()
}

proptest! {
    #[test]
    fn bounds_are_at_least_the_exact_tail(
        coefficients in prop::collection::vec(-4.0..4.0_f64, 1..=6),
        place in 0.0..=1.0_f64,
    ) {
        let n = coefficients.len();
        let coins: Vec<RareCoin> = (0..n).map(|_| RareCoin).collect();
        let form = LinearForm::new(&coefficients, 0.0, &coins).unwrap();
        let ((low, high), (least, greatest)) = (form.moments().mean, form.moments().range);
        let (above, below) = (high + place * (greatest - high), low - place * (low - least));
        let (mut exact_above, mut exact_below) = (exact(0.0), exact(0.0));
        for throw in 0..1_u32 << n {
            let shown = |i: usize| throw >> i & 1 == 1;
            let value = (0..n).filter(|&i| shown(i)).fold(exact(0.0), |sum, i| sum + exact(coefficients[i]));
            let ones = throw.count_ones() as usize;
            let weight = pow(exact(RARE), ones) * pow(exact(1.0 - RARE), n - ones);
            if value >= exact(above) {
                exact_above += &weight;
            }
            if value <= exact(below) {
                exact_below += weight;
            }
        }
        for method in Tail::ALL {
            let bound = form.upper_tail(above, method).get();
            prop_assert!(exact(bound) >= exact_above, "{method} above: {bound} for {exact_above}");
            let bound = form.lower_tail(below, method).get();
            prop_assert!(exact(bound) >= exact_below, "{method} below: {bound} for {exact_below}");
        }
    }
}

/// The exact moment generating function pays: six rare coins all show 1 with probability 8⁻⁶.
#[test]
fn chernoff_uses_the_law() {
    let coins = [const { RareCoin }; 6];
    let form = LinearForm::new(&[1.0; 6], 0.0, &coins).unwrap();
    let all = 8.0_f64.powi(-6);
    let chernoff = form.upper_tail(6.0, Tail::Chernoff).get();
    assert!(chernoff >= all && chernoff < 1.01 * all, "{chernoff}");
    assert!(form.upper_tail(6.0, Tail::SubGaussian).get() > 20.0 * all);
}
