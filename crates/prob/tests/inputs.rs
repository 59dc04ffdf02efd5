//! Laws beside the uniform one, against a table of 25 digits, exact rationals and enumeration, with no slack.

use nncert_prob::{
    CdfMethod, Discrete, DiscreteError, Distribution, ExactCdf, LinearForm, Tail, Triangular,
    TriangularError, TruncatedGaussian, TruncatedGaussianError, Uniform,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero, pow};
use proptest::prelude::*;

fn exact(x: f64) -> BigRational {
    BigRational::from_float(x).unwrap()
}

/// A decimal number as `mpmath` prints it.
fn decimal(text: &str) -> BigRational {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: BigInt = format!("{whole}{fraction}").parse().unwrap();
    let power = exponent.parse::<i32>().unwrap() - i32::try_from(fraction.len()).unwrap();
    let scale = pow(BigRational::from(BigInt::from(10)), power.unsigned_abs() as usize);
    if power < 0 { BigRational::from(digits) / scale } else { BigRational::from(digits) * scale }
}

fn law(name: &str, parameters: &str) -> Box<dyn Distribution> {
    let p: Vec<f64> = parameters.split(',').map(|x| x.parse().unwrap()).collect();
    match name {
        "triangular" => Box::new(Triangular::new(p[0], p[1], p[2]).unwrap()),
        "gaussian" => Box::new(TruncatedGaussian::new(p[0], p[1], p[2], p[3]).unwrap()),
        _ => panic!("unknown law {name}"),
    }
}

#[test]
fn numbers_of_a_law_enclose_the_table() {
    let mut count = 0;
    for line in include_str!("data/laws.txt").lines().filter(|line| !line.starts_with("sum")) {
        let fields: Vec<&str> = line.split(' ').collect();
        let law = law(fields[0], fields[1]);
        if fields[2] == "mean" {
            let (low, high) = law.mean();
            let (mean, variance) = (decimal(fields[3]), decimal(fields[4]));
            // The mean may be representable where the table's last digit is not.
            let digit = decimal("1e-24");
            assert!(exact(low) <= &mean + &digit && &mean - &digit <= exact(high), "{line}");
            assert!(high - low < 1e-14, "{line}: {low} {high}");
            assert!(exact(law.variance()) + digit >= variance, "{line}");
            continue;
        }
        let s: f64 = fields[3].parse().unwrap();
        if fields[2] == "log_mgf" {
            let (bound, value) = (law.log_mgf(s), decimal(fields[4]));
            assert!(exact(bound) >= value, "{line}: {bound:e}");
            assert!(exact(bound) <= &value * exact(1.5) + exact(1e-3), "{line}: {bound:e}");
        } else {
            let phi = law.characteristic(s);
            let distance = pow(exact(phi.real) - decimal(fields[4]), 2)
                + pow(exact(phi.imaginary) - decimal(fields[5]), 2);
            // The table is of X - E X, the function of X - m, with m within the width of the mean.
            let width = (law.mean().1 - law.mean().0) * s.abs();
            assert!(distance <= pow(exact(phi.error) + exact(width), 2), "{line}: {phi:?}");
            assert!(phi.error < 1e-12, "{line}: {phi:?}");
        }
        count += 1;
    }
    assert!(count >= 144);
}

/// The decay that a law claims holds for its characteristic function.
#[test]
fn characteristic_functions_decay() {
    for line in include_str!("data/laws.txt").lines().filter(|line| line.contains(" mean ")) {
        let fields: Vec<&str> = line.split(' ').collect();
        let law = law(fields[0], fields[1]);
        let nncert_prob::Spectrum::Decaying { order, scale, .. } = law.spectrum() else {
            panic!("{line}");
        };
        for s in (1..400).map(|i| 0.5 * f64::from(i)) {
            let phi = law.characteristic(s);
            let modulus = phi.real.hypot(phi.imaginary) - phi.error;
            assert!(modulus <= (scale / s).powf(order) * (1.0 + 1e-12), "{line} {s}");
        }
    }
}

#[test]
fn a_sum_of_three_laws() {
    let (uniform, triangle, gaussian) = (
        Uniform::new(-1.0, 1.0).unwrap(),
        Triangular::new(0.0, 0.25, 1.0).unwrap(),
        TruncatedGaussian::new(0.5, 0.125, 0.0, 1.0).unwrap(),
    );
    let inputs: [&dyn Distribution; 3] = [&uniform, &triangle, &gaussian];
    let form = LinearForm::new(&[0.5, 1.0, -1.0], 0.0, &inputs).unwrap();
    let mut count = 0;
    for line in include_str!("data/laws.txt").lines().filter(|line| line.starts_with("sum")) {
        let fields: Vec<&str> = line.split(' ').collect();
        let bracket = form.cdf(fields[1].parse().unwrap());
        // The double integral of the table is good for 14 digits.
        let (value, digits) = (decimal(fields[2]), exact(1e-14));
        assert!(exact(bracket.lower.get()) <= &value + &digits, "{line}: {bracket:?}");
        assert!(exact(bracket.upper.get()) >= &value - &digits, "{line}: {bracket:?}");
        assert!(bracket.width() < 1e-11, "{line}: {bracket:?}");
        count += 1;
    }
    assert!(count >= 5);
}

/// `P(Σ aᵢUᵢ ≤ x)` for `Uᵢ` uniform on `[-1, 1]` and `a > 0`.
fn sum_of_uniforms(a: &[BigRational], x: &BigRational) -> BigRational {
    let lengths: Vec<BigRational> = a.iter().map(|a| a + a).collect();
    let start = x + a.iter().sum::<BigRational>();
    let mut sum = BigRational::zero();
    for vertex in 0..1_u32 << a.len() {
        let chosen = (0..a.len()).filter(|i| vertex >> i & 1 == 1);
        let at = chosen.fold(start.clone(), |rest, i| rest - &lengths[i]);
        if at.is_positive() {
            let term = pow(at, a.len());
            sum = if vertex.count_ones() % 2 == 0 { sum + term } else { sum - term };
        }
    }
    let factorial = (1..=a.len()).fold(BigInt::one(), |product, k| product * BigInt::from(k));
    lengths.into_iter().fold(sum / BigRational::from(factorial), |q, length| q / length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 1000 }))]

    /// A symmetric triangular variable is the sum of two uniform ones; a coin mixes two thresholds.
    #[test]
    fn products_of_laws_enclose_the_exact_value(
        (c, coins) in (1..=3_usize, 0..=2_usize).prop_flat_map(|(n, m)| {
            (prop::collection::vec(0.125..4.0_f64, n), prop::collection::vec((-1.0..1.0_f64, 1..8_u8), m))
        }),
        extra in 0.25..2.0_f64,
        place in 0.0..1.0_f64,
    ) {
        let uniform = Uniform::new(-1.0, 1.0).unwrap();
        let triangle = Triangular::new(-1.0, 0.0, 1.0).unwrap();
        let bernoulli: Vec<Discrete> =
            coins.iter().map(|&(_, p)| Discrete::bernoulli(f64::from(p) / 8.0).unwrap()).collect();
        let mut coefficients = c.clone();
        let mut inputs: Vec<&dyn Distribution> = vec![&triangle; c.len()];
        coefficients.push(extra);
        inputs.push(&uniform);
        for (coin, (weight, _)) in bernoulli.iter().zip(&coins) {
            coefficients.push(*weight);
            inputs.push(coin);
        }
        let form = LinearForm::new(&coefficients, 0.0, &inputs).unwrap();
        let (least, greatest) = form.moments().range;
        let threshold = least + place * (greatest - least);
        let half = exact(0.5);
        let mut a: Vec<BigRational> =
            c.iter().flat_map(|&c| [exact(c) * &half, exact(c) * &half]).collect();
        a.push(exact(extra));
        let mut value = BigRational::zero();
        for throw in 0..1_u32 << coins.len() {
            let (mut probability, mut x) = (exact(1.0), exact(threshold));
            for (i, &(weight, p)) in coins.iter().enumerate() {
                let one = exact(f64::from(p) / 8.0);
                if throw >> i & 1 == 1 {
                    probability *= one;
                    x -= exact(weight);
                } else {
                    probability *= exact(1.0) - one;
                }
            }
            value += probability * sum_of_uniforms(&a, &x);
        }
        let cdf = ExactCdf::new(&form);
        for bracket in [cdf.at(threshold), cdf.below(threshold)] {
            prop_assert!(exact(bracket.lower.get()) <= value && value <= exact(bracket.upper.get()), "{bracket:?}");
            prop_assert!(bracket.is_tight(), "{bracket:?}");
        }
        for method in Tail::ALL {
            prop_assert!(exact(form.lower_tail(threshold, method).get()) >= value);
            prop_assert!(exact(form.upper_tail(threshold, method).get()) >= exact(1.0) - &value);
        }
    }

    #[test]
    fn discrete_laws_are_enumerated(
        grids in prop::collection::vec((-2.0..2.0_f64, prop::collection::vec((-3.0..3.0_f64, 0..5_u8), 1..4)), 1..5),
        chosen in any::<prop::sample::Index>(),
    ) {
        let laws: Vec<Discrete> = grids
            .iter()
            .filter_map(|(_, atoms)| {
                let (values, weights): (Vec<f64>, Vec<f64>) =
                    atoms.iter().map(|&(v, w)| (v, f64::from(w))).unzip();
                Discrete::new(&values, &weights).ok()
            })
            .collect();
        prop_assume!(laws.len() == grids.len());
        let c: Vec<f64> = grids.iter().map(|(c, _)| *c).collect();
        let mut values = vec![(exact(0.0), exact(1.0))];
        for (c, atoms) in &grids {
            let total: BigRational = atoms.iter().map(|&(_, w)| exact(f64::from(w))).sum();
            values = values
                .iter()
                .flat_map(|(sum, p)| {
                    let total = &total;
                    atoms.iter().map(move |&(v, w)| {
                        (sum + exact(*c) * exact(v), p * exact(f64::from(w)) / total)
                    })
                })
                .collect();
        }
        let form = LinearForm::new(&c, 0.0, &laws).unwrap();
        // A value of the form, rounded: the atom is just below, at, or just above the threshold.
        let threshold = num_traits::ToPrimitive::to_f64(&values[chosen.index(values.len())].0).unwrap();
        let closed: BigRational = values.iter().filter(|(v, _)| *v <= exact(threshold)).map(|(_, p)| p).sum();
        let open: BigRational = values.iter().filter(|(v, _)| *v < exact(threshold)).map(|(_, p)| p).sum();
        let cdf = ExactCdf::new(&form);
        for (bracket, value) in [(cdf.at(threshold), &closed), (cdf.below(threshold), &open)] {
            prop_assert!(exact(bracket.lower.get()) <= *value && *value <= exact(bracket.upper.get()), "{bracket:?}");
        }
        for method in Tail::ALL {
            prop_assert!(exact(form.lower_tail(threshold, method).get()) >= closed, "{method}");
            prop_assert!(exact(form.upper_tail(threshold, method).get()) >= exact(1.0) - &open, "{method}");
        }
    }
}

#[test]
fn many_pixels_and_a_little_noise() {
    let pixel = Discrete::grid(0.0, 1.0, 4).unwrap();
    let noise = TruncatedGaussian::new(0.0, 0.5, -1.0, 1.0).unwrap();
    let mut inputs: Vec<&dyn Distribution> = vec![&pixel; 60];
    inputs.resize(100, &noise);
    let c: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 101) / 128.0 - 0.4).collect();
    let form = LinearForm::new(&c, 0.0, &inputs).unwrap();
    let bracket = form.cdf(form.moments().mean.0 + 1.0);
    assert!(bracket.width() < 1e-11 && bracket.method == CdfMethod::Fourier, "{bracket:?}");
}

#[test]
fn invalid_laws_are_typed_errors() {
    assert_eq!(Discrete::new(&[], &[]), Err(DiscreteError::Empty));
    assert!(matches!(Discrete::new(&[1.0], &[]), Err(DiscreteError::LengthMismatch { .. })));
    assert!(matches!(Discrete::new(&[f64::NAN], &[1.0]), Err(DiscreteError::NotFinite { .. })));
    assert!(matches!(Discrete::new(&[1.0], &[-1.0]), Err(DiscreteError::InvalidWeight { .. })));
    assert!(matches!(Discrete::new(&[1.0], &[0.0]), Err(DiscreteError::InvalidSum { .. })));
    assert!(matches!(Discrete::bernoulli(1.5), Err(DiscreteError::InvalidProbability { .. })));
    assert_eq!(Discrete::grid(0.0, 1.0, 0), Err(DiscreteError::Empty));
    assert!(matches!(Triangular::new(0.0, f64::NAN, 1.0), Err(TriangularError::NotFinite { .. })));
    assert!(matches!(Triangular::new(1.0, 1.0, 1.0), Err(TriangularError::OutOfOrder { .. })));
    for (c, d, l, u) in [(f64::NAN, 1.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0), (0.0, -1.0, 0.0, 1.0)] {
        let law = TruncatedGaussian::new(c, d, l, u);
        assert!(matches!(law, Err(TruncatedGaussianError::InvalidGaussian { .. })));
    }
    assert!(matches!(
        TruncatedGaussian::new(0.0, 1.0, 1.0, -1.0),
        Err(TruncatedGaussianError::InvalidInterval { .. })
    ));
    assert!(matches!(
        TruncatedGaussian::new(2.0, 1.0, -1.0, 1.0),
        Err(TruncatedGaussianError::OutOfProportion { .. })
    ));
}
