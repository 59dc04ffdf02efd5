//! A law that is not symmetric, so that no bound may confuse the two sides of the mean.

use nncert_prob::{Distribution, LinearForm, Tail};
use num_rational::BigRational;
use proptest::prelude::*;

/// A coin that shows 1 with this probability, else 0, with its exact moment generating function.
#[derive(Debug)]
struct Coin(f64);

/// Probabilities of a coin that is skewed to either side; exact as floats.
const RARE: f64 = 0.125;
const FREQUENT: f64 = 0.875;

impl Distribution for Coin {
    fn support(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn mean(&self) -> (f64, f64) {
        (self.0, self.0)
    }

    fn log_mgf(&self, s: f64) -> f64 {
        // ln(1 - p + p e^s) - p s, with e^|s| taken out and far more than the rounding errors put on top.
        let value = if s > 0.0 {
            (1.0 - self.0) * s + (self.0 + (1.0 - self.0) * (-s).exp()).ln()
        } else {
            (1.0 - self.0 + self.0 * s.exp()).ln() - self.0 * s
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
        (coefficients, frequent) in (1..=6_usize).prop_flat_map(|n| {
            (prop::collection::vec(-4.0..4.0_f64, n), prop::collection::vec(any::<bool>(), n))
        }),
        place in 0.0..=1.0_f64,
    ) {
        let n = coefficients.len();
        let coins: Vec<Coin> = frequent.iter().map(|&f| Coin(if f { FREQUENT } else { RARE })).collect();
        let form = LinearForm::new(&coefficients, 0.0, &coins).unwrap();
        let ((low, high), (least, greatest)) = (form.moments().mean, form.moments().range);
        let (above, below) = (high + place * (greatest - high), low - place * (low - least));
        let (mut exact_above, mut exact_below) = (exact(0.0), exact(0.0));
        for throw in 0..1_u32 << n {
            let shown = |i: usize| throw >> i & 1 == 1;
            let value = (0..n).filter(|&i| shown(i)).fold(exact(0.0), |sum, i| sum + exact(coefficients[i]));
            let probability = |i: usize| if shown(i) { coins[i].0 } else { 1.0 - coins[i].0 };
            let weight = (0..n).fold(exact(1.0), |product, i| product * exact(probability(i)));
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
    let coins = [const { Coin(RARE) }; 6];
    let form = LinearForm::new(&[1.0; 6], 0.0, &coins).unwrap();
    let all = 8.0_f64.powi(-6);
    let chernoff = form.upper_tail(6.0, Tail::Chernoff).get();
    assert!(chernoff >= all && chernoff < 1.01 * all, "{chernoff}");
    assert!(form.upper_tail(6.0, Tail::SubGaussian).get() > 20.0 * all);
}
