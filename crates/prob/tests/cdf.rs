//! Brackets of the distribution function against exact rationals and a table of 45 digits, with no slack.

use nncert_prob::{ExactCdf, LinearForm, ProbabilityBracket, Tail, Uniform, strategies};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero, pow};
use proptest::prelude::*;

fn exact(x: f64) -> BigRational {
    BigRational::from_float(x).unwrap()
}

/// `P(Z ≤ threshold)` by the closed form over the vertices of the cube, for at least one input that varies.
fn exact_cdf(c: &[f64], constant: f64, inputs: &[Uniform], threshold: f64) -> Option<BigRational> {
    let mut distance = exact(threshold) - exact(constant);
    let mut lengths = Vec::new();
    for (&c, x) in c.iter().zip(inputs) {
        let (low, high) = (exact(c) * exact(x.lower()), exact(c) * exact(x.upper()));
        let length = (&high - &low).abs();
        distance -= low.min(high);
        if !length.is_zero() {
            lengths.push(length);
        }
    }
    let n = lengths.len();
    if n == 0 {
        return None;
    }
    let mut sum = BigRational::zero();
    for vertex in 0..1_u32 << n {
        let chosen = (0..n).filter(|i| vertex >> i & 1 == 1);
        let at = chosen.fold(distance.clone(), |rest, i| rest - &lengths[i]);
        if at.is_positive() {
            let term = pow(at, n);
            sum = if vertex.count_ones() % 2 == 0 { sum + term } else { sum - term };
        }
    }
    let factorial = (1..=n).fold(BigInt::one(), |product, k| product * BigInt::from(k));
    Some(lengths.into_iter().fold(sum / BigRational::from(factorial), |q, length| q / length))
}

fn encloses(bracket: &ProbabilityBracket, value: &BigRational) -> bool {
    exact(bracket.lower.get()) <= *value && *value <= exact(bracket.upper.get())
}

fn forms(
    n: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = (Vec<f64>, f64, Vec<Uniform>, f64)> {
    n.prop_flat_map(|n| {
        (
            strategies::coefficients(n),
            strategies::number(),
            strategies::uniforms(n),
            -0.01..1.01_f64,
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 5000 }))]

    #[test]
    fn brackets_enclose_the_closed_form((c, constant, inputs, place) in forms(1..=7)) {
        let form = LinearForm::new(&c, constant, &inputs).unwrap();
        let (least, greatest) = form.moments().range;
        let threshold = least + place * (greatest - least);
        if let Some(value) = exact_cdf(&c, constant, &inputs, threshold) {
            let cdf = ExactCdf::new(&form);
            for bracket in [cdf.at(threshold), cdf.below(threshold)] {
                prop_assert!(encloses(&bracket, &value), "{bracket:?} for {value} at {threshold:e}");
            }
        }
    }

    #[test]
    fn brackets_hold_at_the_ends((c, constant, inputs, _) in forms(1..=5), ulps in -3..=3_i32) {
        let form = LinearForm::new(&c, constant, &inputs).unwrap();
        let moments = form.moments();
        for end in [moments.range.0, moments.range.1, moments.mean.0, moments.mean.1] {
            let step = |x: f64, _| if ulps < 0 { x.next_down() } else { x.next_up() };
            let threshold = (0..ulps.abs()).fold(end, step);
            if let Some(value) = exact_cdf(&c, constant, &inputs, threshold) {
                let bracket = form.cdf(threshold);
                prop_assert!(encloses(&bracket, &value), "{bracket:?} for {value} at {threshold:e}");
            }
        }
    }

    #[test]
    fn brackets_of_a_wide_spread_of_sizes(
        c in prop::collection::vec((-1.0..1.0_f64, 0..=24_i32), 1..=7),
        place in 0.0..1.0_f64,
    ) {
        let c: Vec<f64> = c.into_iter().map(|(m, e)| m * 0.25_f64.powi(e)).collect();
        let inputs = vec![Uniform::new(-1.0, 1.0).unwrap(); c.len()];
        let form = LinearForm::new(&c, 0.0, &inputs).unwrap();
        let threshold = form.moments().range.0 * (1.0 - 2.0 * place);
        if let Some(value) = exact_cdf(&c, 0.0, &inputs, threshold) {
            let bracket = form.cdf(threshold);
            prop_assert!(encloses(&bracket, &value), "{bracket:?} for {value} at {threshold:e}");
        }
    }

    #[test]
    fn brackets_rise(
        (c, constant, inputs, _) in forms(1..=60),
        mut places in prop::collection::vec(0.0..1.0_f64, 2..8),
    ) {
        let form = LinearForm::new(&c, constant, &inputs).unwrap();
        let cdf = ExactCdf::new(&form);
        let (least, greatest) = form.moments().range;
        places.sort_unstable_by(f64::total_cmp);
        let brackets: Vec<_> = places.iter().map(|p| cdf.at(least + p * (greatest - least))).collect();
        for (i, low) in brackets.iter().enumerate() {
            prop_assert!(low.lower <= low.upper);
            for high in &brackets[i..] {
                prop_assert!(low.lower <= high.upper, "{low:?} {high:?}");
            }
        }
    }

    #[test]
    fn brackets_agree_with_the_tails((c, constant, inputs, place) in forms(1..=60)) {
        let form = LinearForm::new(&c, constant, &inputs).unwrap();
        let (least, greatest) = form.moments().range;
        let threshold = least + place * (greatest - least);
        let bracket = form.cdf(threshold);
        for method in Tail::ALL {
            prop_assert!(bracket.lower <= form.lower_tail(threshold, method));
            prop_assert!(bracket.upper >= form.upper_tail(threshold, method).complement_down());
        }
    }
}

/// Near the ends of the large input the others decide, whatever their size.
#[test]
fn brackets_stay_narrow_where_one_input_dwarfs_the_others() {
    for exponent in [20, 24, 30, 40, 50] {
        let tiny = 0.5_f64.powi(exponent);
        let mut c = vec![1.0];
        c.extend((1..=8).map(|i| tiny * f64::from(i) / 8.0));
        let inputs = vec![Uniform::new(-1.0, 1.0).unwrap(); c.len()];
        let form = LinearForm::new(&c, 0.0, &inputs).unwrap();
        for place in [-5.0, -3.0, -1.0, -0.3, 0.0, 0.7, 2.0] {
            for threshold in [-1.0 + tiny * place, 1.0 - tiny * place] {
                let value = exact_cdf(&c, 0.0, &inputs, threshold).unwrap();
                let bracket = form.cdf(threshold);
                assert!(encloses(&bracket, &value), "{exponent} {threshold}: {bracket:?}");
                assert!(bracket.width() < 1e-12, "{exponent} {threshold}: {bracket:?}");
            }
        }
    }
}

/// 24-bit numbers in `[-1, 1)`, the same as in `cdf.py`.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f64 - 8_388_608.0) / 8_388_608.0
    }
}

fn coefficients(kind: &str, n: usize) -> Vec<f64> {
    let mut noise = Noise(1);
    match kind {
        "layer" => (0..n).map(|_| noise.next() * noise.next()).collect(),
        "equal" => vec![0.375; n],
        "int8" => (0..n).map(|_| (noise.next() * 8.0).round_ties_even() / 128.0).collect(),
        "dominated" => std::iter::once(1.0).chain((1..n).map(|_| noise.next() / 2048.0)).collect(),
        "pair" => [1.0, 0.75]
            .into_iter()
            .chain((2..n).map(|_| noise.next() / f64::from(1 << 30)))
            .collect(),
        _ => panic!("unknown kind {kind}"),
    }
}

fn number(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

#[test]
fn brackets_enclose_the_table() {
    let mut count = 0;
    for line in include_str!("data/cdf.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let n: usize = fields[1].parse().unwrap();
        let (threshold, below, above) = (number(fields[2]), number(fields[3]), number(fields[4]));
        let c = coefficients(fields[0], n);
        let inputs = vec![Uniform::new(-1.0, 1.0).unwrap(); n];
        let form = LinearForm::new(&c, 0.0, &inputs).unwrap();
        let bracket = form.cdf(threshold);
        let (kind, width) = (fields[0], bracket.width());
        // Both numbers are floats next to the value: a bound between them would be a float in between.
        assert!(
            bracket.lower.get() <= below,
            "{kind} {n} {threshold}: {bracket:?}, value {below:e}"
        );
        assert!(
            bracket.upper.get() >= above,
            "{kind} {n} {threshold}: {bracket:?}, value {above:e}"
        );
        assert!(width <= 2e-12, "{kind} {n} {threshold}: {bracket:?}");
        count += 1;
    }
    assert!(count >= 133);
}
