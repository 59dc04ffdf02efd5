//! Tail bounds against exact probabilities, with no slack.

use nncert_prob::{Distribution, LinearForm, Tail, Uniform, strategies};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero, pow};
use proptest::prelude::*;

fn exact(x: f64) -> BigRational {
    BigRational::from_float(x).unwrap()
}

/// `P(Z ≥ threshold)` for uniform inputs, by the closed form over the vertices of the cube.
///
/// With `Z = m - Σ aᵢ Yᵢ`, `aᵢ > 0`, `Y` uniform on the unit cube and `s = m - threshold`:
/// `P(Σ aᵢ Yᵢ ≤ s) = 1/(n! Π aᵢ) Σ over v of (-1)^|v| (s - a·v)₊ⁿ`.
fn exact_upper_tail(
    coefficients: &[f64],
    constant: f64,
    inputs: &[Uniform],
    threshold: f64,
) -> BigRational {
    let mut maximum = exact(constant);
    let mut lengths = Vec::new();
    for (&c, x) in coefficients.iter().zip(inputs) {
        let (low, high) = (exact(c) * exact(x.lower()), exact(c) * exact(x.upper()));
        let length = (&high - &low).abs();
        maximum += low.max(high);
        if !length.is_zero() {
            lengths.push(length);
        }
    }
    let distance = maximum - exact(threshold);
    if distance.is_negative() {
        return BigRational::zero();
    }
    let n = lengths.len();
    let mut sum = BigRational::zero();
    for vertex in 0..1_u32 << n {
        let at = (0..n)
            .filter(|i| vertex >> i & 1 == 1)
            .fold(distance.clone(), |rest, i| rest - &lengths[i]);
        if at.is_positive() || (n == 0 && at.is_zero()) {
            let term = pow(at, n);
            sum = if vertex.count_ones() % 2 == 0 { sum + term } else { sum - term };
        }
    }
    let factorial = (1..=n).fold(BigInt::one(), |product, k| product * BigInt::from(k));
    lengths
        .into_iter()
        .fold(sum / BigRational::from(factorial), |quotient, length| quotient / length)
}

fn exact_lower_tail(
    coefficients: &[f64],
    constant: f64,
    inputs: &[Uniform],
    threshold: f64,
) -> BigRational {
    let negated: Vec<f64> = coefficients.iter().map(|c| -c).collect();
    exact_upper_tail(&negated, -constant, inputs, -threshold)
}

fn check(
    coefficients: &[f64],
    constant: f64,
    inputs: &[Uniform],
    threshold: f64,
) -> Result<(), TestCaseError> {
    let form = LinearForm::new(coefficients, constant, inputs).unwrap();
    let above = exact_upper_tail(coefficients, constant, inputs, threshold);
    let below = exact_lower_tail(coefficients, constant, inputs, threshold);
    for method in Tail::ALL {
        for (bound, value) in [
            (form.upper_tail(threshold, method), &above),
            (form.upper_tail_unclipped(threshold, method), &above),
            (form.lower_tail(threshold, method), &below),
            (form.lower_tail_unclipped(threshold, method), &below),
        ] {
            prop_assert!(exact(bound.get()) >= *value, "{method}: {bound} at {threshold:e}");
        }
    }
    Ok(())
}

#[test]
fn the_oracle_knows_the_triangle() {
    let inputs = [Uniform::new(0.0, 1.0).unwrap(); 2];
    let tail = |t| exact_upper_tail(&[1.0, -1.0], 0.0, &inputs, t);
    assert_eq!((tail(0.0), tail(0.5), tail(1.0)), (exact(0.5), exact(0.125), exact(0.0)));
    assert_eq!(tail(-1.0), exact(1.0));
    assert_eq!(exact_upper_tail(&[], 3.0, &[], 3.0), exact(1.0));
    assert_eq!(exact_upper_tail(&[], 3.0, &[], 3.0000001), exact(0.0));
}

/// A form of up to six inputs, and a number in `[-1, 1]` that places the threshold between mean and ends of the range.
fn forms() -> impl Strategy<Value = (Vec<f64>, f64, Vec<Uniform>, f64)> {
    (0..=6_usize).prop_flat_map(|n| {
        (
            strategies::coefficients(n),
            strategies::number(),
            strategies::uniforms(n),
            -1.02..1.02_f64,
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 1500 } else { 5000 }))]

    #[test]
    fn bounds_are_at_least_the_exact_tail((coefficients, constant, inputs, place) in forms()) {
        let form = LinearForm::new(&coefficients, constant, &inputs).unwrap();
        let moments = form.moments();
        let threshold = if place > 0.0 {
            moments.mean.0 + place * (moments.range.1 - moments.mean.0)
        } else {
            moments.mean.0 + place * (moments.mean.0 - moments.range.0)
        };
        check(&coefficients, constant, &inputs, threshold)?;
    }

    #[test]
    fn bounds_hold_on_the_edge_of_the_range((coefficients, constant, inputs, _) in forms(), ulps in -3..=3_i32) {
        let form = LinearForm::new(&coefficients, constant, &inputs).unwrap();
        for edge in [form.moments().range.0, form.moments().range.1, form.moments().mean.0, form.moments().mean.1] {
            let step = |x: f64, _| if ulps < 0 { x.next_down() } else { x.next_up() };
            check(&coefficients, constant, &inputs, (0..ulps.abs()).fold(edge, step))?;
        }
    }

    #[test]
    fn moments_enclose_the_exact_ones((coefficients, constant, inputs, _) in forms()) {
        let form = LinearForm::new(&coefficients, constant, &inputs).unwrap();
        let terms = || coefficients.iter().zip(&inputs).map(|(&c, x)| (exact(c), exact(x.lower()), exact(x.upper())));
        let two = exact(2.0);
        let mean = terms().fold(exact(constant), |sum, (c, l, u)| sum + c * (l + u) / &two);
        let squared_widths = terms().fold(exact(0.0), |sum, (c, l, u)| sum + pow(c * (u - l), 2));
        let deviation = terms().fold(exact(0.0), |sum, (c, l, u)| sum + c.abs() * (u - l) / &two);
        let moments = form.moments();
        prop_assert!(exact(moments.mean.0) <= mean && mean <= exact(moments.mean.1));
        prop_assert!(exact(moments.squared_widths) >= squared_widths);
        prop_assert!(exact(moments.variance) >= &squared_widths / exact(12.0));
        prop_assert!(exact(moments.variance_proxy) >= squared_widths / exact(12.0));
        prop_assert!(exact(moments.deviation_above) >= deviation);
        prop_assert!(exact(moments.deviation_below) >= deviation);
        prop_assert!(exact(moments.range.0) <= &mean - &deviation && mean + deviation <= exact(moments.range.1));
    }
}

/// A fair coin with a value on each side: nothing but its support and its mean is said.
#[derive(Debug)]
struct Coin(f64, f64);

impl Distribution for Coin {
    fn support(&self) -> (f64, f64) {
        (self.0.min(self.1), self.0.max(self.1))
    }

    fn mean(&self) -> (f64, f64) {
        let mean = 0.5 * (self.0 + self.1);
        (mean.next_down(), mean.next_up())
    }
}

proptest! {
    #[test]
    fn defaults_bound_coins(
        coefficients in strategies::coefficients(6),
        faces in prop::collection::vec((-4.0..4.0_f64, -4.0..4.0_f64), 6),
        place in 0.0..1.01_f64,
    ) {
        let coins: Vec<Coin> = faces.into_iter().map(|(a, b)| Coin(a, b)).collect();
        let form = LinearForm::new(&coefficients, 0.25, &coins).unwrap();
        let (mean, highest) = (form.moments().mean.0, form.moments().range.1);
        let threshold = mean + place * (highest - mean);
        let value = |throw: u32| {
            let face = |i: usize| if throw >> i & 1 == 1 { exact(coins[i].1) } else { exact(coins[i].0) };
            (0..6).fold(exact(0.25), |sum, i| sum + exact(coefficients[i]) * face(i))
        };
        let hits = (0..64).filter(|&throw| value(throw) >= exact(threshold)).count();
        for method in Tail::ALL {
            let bound = form.upper_tail(threshold, method).get();
            prop_assert!(64.0 * bound >= hits as f64, "{method}: {bound} for {hits}/64");
        }
    }
}
