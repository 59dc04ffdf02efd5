//! Laws that every tail bound obeys, and the order among them.

use nncert_prob::{LinearForm, Tail, Uniform, strategies};
use proptest::prelude::*;

/// What the last rounding errors, and the end of Chernoff's search, may cost.
const SLACK: f64 = 1e-7;

/// The inequalities. The exact tail is known to an absolute error only; its laws are in `cdf.rs`.
fn inequalities() -> impl Iterator<Item = Tail> {
    Tail::ALL.into_iter().filter(|&method| method != Tail::Exact)
}

fn forms() -> impl Strategy<Value = (Vec<f64>, f64, Vec<Uniform>)> {
    (0..40_usize).prop_flat_map(|n| {
        (strategies::coefficients(n), strategies::number(), strategies::uniforms(n))
    })
}

/// A threshold from the mean (0) to the greatest value (1) and beyond.
fn at(form: &LinearForm<'_, Uniform>, place: f64) -> f64 {
    let (mean, greatest) = (form.moments().mean.1, form.moments().range.1);
    mean + place * (greatest - mean)
}

proptest! {
    #[test]
    fn bounds_fall_with_the_threshold((c, d, x) in forms(), a in -0.1..1.2_f64, b in -0.1..1.2_f64) {
        let form = LinearForm::new(&c, d, &x).unwrap();
        let (near, far) = (at(&form, a.min(b)), at(&form, a.max(b)));
        for method in inequalities() {
            let (nearer, farther) = (form.upper_tail(near, method).get(), form.upper_tail(far, method).get());
            prop_assert!(farther <= nearer * (1.0 + SLACK), "{method}: {nearer} then {farther}");
        }
    }

    #[test]
    fn the_lower_tail_is_the_upper_tail_of_the_negated_form((c, d, x) in forms(), place in -0.1..1.2_f64) {
        let form = LinearForm::new(&c, d, &x).unwrap();
        let negated: Vec<f64> = c.iter().map(|c| -c).collect();
        let mirrored = LinearForm::new(&negated, -d, &x).unwrap();
        let threshold = at(&form, place);
        for method in Tail::ALL {
            prop_assert_eq!(form.upper_tail(threshold, method), mirrored.lower_tail(-threshold, method));
            prop_assert_eq!(
                form.upper_tail_unclipped(threshold, method),
                mirrored.lower_tail_unclipped(-threshold, method)
            );
        }
    }

    #[test]
    fn negated_inputs_are_negated_coefficients((c, d, x) in forms(), place in -0.1..1.2_f64) {
        let form = LinearForm::new(&c, d, &x).unwrap();
        let coefficients: Vec<f64> = c.iter().map(|c| -c).collect();
        let inputs: Vec<Uniform> = x.iter().map(|x| Uniform::new(-x.upper(), -x.lower()).unwrap()).collect();
        let mirrored = LinearForm::new(&coefficients, d, &inputs).unwrap();
        let threshold = at(&form, place);
        for method in Tail::ALL {
            prop_assert_eq!(form.upper_tail(threshold, method), mirrored.upper_tail(threshold, method));
        }
    }

    #[test]
    fn the_order_of_the_inputs_does_not_matter((c, d, x) in forms(), place in -0.1..0.9_f64) {
        let form = LinearForm::new(&c, d, &x).unwrap();
        let (coefficients, inputs): (Vec<f64>, Vec<Uniform>) = c.iter().copied().zip(x.iter().copied()).rev().unzip();
        let reversed = LinearForm::new(&coefficients, d, &inputs).unwrap();
        let threshold = at(&form, place);
        for method in inequalities() {
            let (p, q) = (form.upper_tail(threshold, method).get(), reversed.upper_tail(threshold, method).get());
            prop_assert!((p - q).abs() <= SLACK * p.max(q), "{method}: {p} and {q}");
        }
    }

    #[test]
    fn powers_of_two_scale_out((c, d, x) in forms(), place in -0.1..0.9_f64, exponent in -60..60_i32) {
        let form = LinearForm::new(&c, d, &x).unwrap();
        let scale = 2.0_f64.powi(exponent);
        let scaled: Vec<f64> = c.iter().map(|c| scale * c).collect();
        let threshold = at(&form, place);
        let bigger = LinearForm::new(&scaled, scale * d, &x).unwrap();
        for method in Tail::ALL {
            prop_assert_eq!(form.upper_tail(threshold, method), bigger.upper_tail(scale * threshold, method));
        }
    }

    #[test]
    fn clipping_can_only_sharpen((c, d, x) in forms(), place in -0.1..1.5_f64) {
        let form = LinearForm::new(&c, d, &x).unwrap();
        let threshold = at(&form, place);
        for method in Tail::ALL {
            prop_assert!(form.upper_tail(threshold, method) <= form.upper_tail_unclipped(threshold, method));
            prop_assert!(form.lower_tail(threshold, method) <= form.lower_tail_unclipped(threshold, method));
        }
    }

    #[test]
    fn bounds_are_ordered((c, d, x) in forms(), place in -0.1..1.5_f64) {
        let form = LinearForm::new(&c, d, &x).unwrap();
        let threshold = at(&form, place);
        let tail = |method| form.upper_tail_unclipped(threshold, method).get();
        for (tighter, looser) in [
            (Tail::Hoeffding, Tail::HoeffdingPrinted),
            (Tail::Bernstein, Tail::BernsteinWhole),
            (Tail::SubGaussian, Tail::Hoeffding),
            (Tail::SubGaussian, Tail::Bernstein),
            (Tail::Chernoff, Tail::SubGaussian),
        ] {
            prop_assert!(tail(tighter) <= tail(looser) * (1.0 + SLACK), "{tighter} above {looser}");
        }
        for method in inequalities() {
            prop_assert!(form.upper_tail(threshold, Tail::Best) <= form.upper_tail(threshold, method));
        }
    }

    #[test]
    fn the_search_finds_the_least_bound((c, d, x) in forms(), place in 0.001..0.999_f64, factor in 0.01..3.0_f64) {
        let form = LinearForm::new(&c, d, &x).unwrap();
        let threshold = at(&form, place);
        let t = threshold - form.moments().mean.1;
        let v = form.moments().variance_proxy;
        prop_assume!(t > 0.0 && v > 0.0);
        // Any other λ is no better: ln(sinh(a)/a) in plain arithmetic.
        let lambda = factor * t / v * if place > 0.5 { 1.0 / (1.0 - place) } else { 1.0 };
        let exponent = c.iter().zip(&x).fold(-lambda * t, |sum, (c, x)| {
            let a = (lambda * c * 0.5 * (x.upper() - x.lower())).abs();
            sum + if a < 1e-3 { a * a / 6.0 } else { a + (-(-2.0 * a).exp_m1() / (2.0 * a)).ln() }
        });
        let bound = form.upper_tail(threshold, Tail::Chernoff).get();
        prop_assert!(bound <= exponent.exp() * (1.0 + 1e-6) + 1e-300, "{bound} above {} at {lambda}", exponent.exp());
    }
}

#[cfg(feature = "proptest")]
mod mixed {
    use nncert_prob::strategies::{law, number};
    use nncert_prob::{Distribution, LinearForm, Tail};
    use proptest::prelude::*;

    proptest! {
        /// Brackets of a sum of laws of any kind say nothing that contradicts another
        /// threshold, or a tail bound.
        #[test]
        fn brackets_do_not_contradict_each_other(
            terms in prop::collection::vec((number(), law()), 1..5),
            constant in number(),
            (x, y) in (number(), number()),
        ) {
            let coefficients: Vec<f64> = terms.iter().map(|(c, _)| *c).collect();
            let laws: Vec<&dyn Distribution> = terms.iter().map(|(_, law)| law.as_ref()).collect();
            let form = LinearForm::new(&coefficients, constant, &laws).unwrap();
            let (below, above) = (form.cdf(x.min(y)), form.cdf(x.max(y)));
            prop_assert!(below.lower <= below.upper && above.lower <= above.upper);
            prop_assert!(below.lower <= above.upper, "{below:?} {above:?}");
            for tail in Tail::ALL {
                // P(Z ≤ y) ≥ 1 - P(Z ≥ y), and P(Z ≤ x) is itself a lower tail.
                let least = form.upper_tail(x.max(y), tail).complement_down();
                prop_assert!(least <= above.upper, "{tail} {least} {above:?}");
                prop_assert!(below.lower <= form.lower_tail(x.min(y), tail), "{tail} {below:?}");
            }
        }
    }
}
