//! Inputs at the edge of what floats can say: typed errors, or sound bounds.

use nncert_prob::{
    Confidence, Distribution, DistributionError, FormError, LinearForm, ParseTailError,
    Probability, Tail, Uniform,
};

fn uniform(lower: f64, upper: f64) -> Uniform {
    Uniform::new(lower, upper).unwrap()
}

#[test]
fn invalid_numbers_are_typed_errors() {
    assert!(matches!(Uniform::new(f64::NAN, 1.0), Err(DistributionError::NotFinite { .. })));
    assert!(matches!(Uniform::new(0.0, f64::INFINITY), Err(DistributionError::NotFinite { .. })));
    assert_eq!(Uniform::new(1.0, 0.5), Err(DistributionError::Empty { lower: 1.0, upper: 0.5 }));
    let inputs = [uniform(0.0, 1.0)];
    assert_eq!(
        LinearForm::new(&[], 0.0, &inputs).unwrap_err(),
        FormError::LengthMismatch { coefficients: 0, inputs: 1 }
    );
    assert!(matches!(
        LinearForm::new(&[f64::NAN], 0.0, &inputs),
        Err(FormError::CoefficientNotFinite { index: 0, .. })
    ));
    assert_eq!(
        LinearForm::new(&[1.0], f64::INFINITY, &inputs).unwrap_err(),
        FormError::ConstantNotFinite { value: f64::INFINITY }
    );
    assert_eq!(
        "markov".parse::<Tail>(),
        Err(ParseTailError::Unknown { name: "markov".to_owned() })
    );
    for value in [f64::NAN, f64::INFINITY, -5e-324, 1.0_f64.next_up()] {
        assert!(Probability::new(value).is_err() && Confidence::new(value).is_err());
    }
    assert!(
        Confidence::new(0.0).is_err()
            && Confidence::new(1.0).is_err()
            && Confidence::new(5e-324).is_ok()
    );
    assert!(Probability::new(-0.0).unwrap().get().is_sign_positive());
}

#[test]
fn probabilities_round_outward() {
    let tiny = Probability::new(1e-300).unwrap();
    assert_eq!(tiny.complement_down().get(), 1.0_f64.next_down());
    assert_eq!(tiny.complement_up(), Probability::ONE);
    let half = Probability::new(0.5).unwrap();
    assert_eq!(half.saturating_add_up(tiny).get(), 0.5_f64.next_up());
    assert_eq!(Probability::sum_up([half, half, tiny]), Probability::ONE);
    assert!(Probability::ZERO < tiny && tiny < half);
}

#[test]
fn names_are_read_back() {
    for method in Tail::ALL {
        assert_eq!(method.to_string().parse(), Ok(method));
    }
}

#[test]
fn thresholds_need_not_be_finite() {
    let inputs = [uniform(-1.0, 1.0), uniform(0.0, f64::MAX)];
    for coefficients in [[1.0, 0.0], [1.0, 2.0]] {
        let form = LinearForm::new(&coefficients, 0.0, &inputs).unwrap();
        for method in Tail::ALL {
            assert_eq!(form.upper_tail(f64::INFINITY, method), Probability::ZERO);
            assert_eq!(form.upper_tail(f64::NEG_INFINITY, method), Probability::ONE);
            assert_eq!(form.lower_tail(f64::INFINITY, method), Probability::ONE);
            assert_eq!(form.lower_tail(f64::NEG_INFINITY, method), Probability::ZERO);
            for tail in [form.upper_tail(f64::NAN, method), form.lower_tail(f64::NAN, method)] {
                assert_eq!(tail, Probability::ONE);
            }
        }
    }
}

#[test]
fn constants_jump_at_their_value() {
    let points = [uniform(0.1, 0.1), uniform(-7.0, -7.0), uniform(3.0, 5.0)];
    let form = LinearForm::new(&[0.5, -0.25, 0.0], 1.0, &points).unwrap();
    let none = LinearForm::<Uniform>::new(&[], 2.8, &[]).unwrap();
    for method in Tail::ALL {
        assert_eq!(form.upper_tail(2.8, method), Probability::ONE, "{method}");
        assert_eq!(form.upper_tail(2.8 + 1e-15, method), Probability::ZERO, "{method}");
        assert_eq!(none.upper_tail(2.8, method), Probability::ONE);
        assert_eq!(none.lower_tail(2.8, method), Probability::ONE);
        assert_eq!(none.upper_tail(2.8_f64.next_up(), method), Probability::ZERO);
        assert_eq!(none.lower_tail_unclipped(2.8_f64.next_down(), method), Probability::ZERO);
    }
}

#[test]
fn the_largest_value_itself_is_not_excluded() {
    let inputs = [uniform(0.0, 0.1), uniform(-0.3, 0.7)];
    let form = LinearForm::new(&[1.0, 1.0], 0.0, &inputs).unwrap();
    assert_eq!(form.upper_tail(form.moments().range.1, Tail::WorstCase), Probability::ONE);
    for method in Tail::ALL {
        assert_eq!(form.upper_tail(form.moments().range.1.next_up(), method), Probability::ZERO);
    }
}

#[test]
fn bounds_that_underflow_are_not_zero() {
    let inputs = [uniform(-1.0, 1.0); 2000];
    let form = LinearForm::new(&[1.0; 2000], 0.0, &inputs).unwrap();
    for method in Tail::ALL {
        assert!(form.upper_tail(1999.0, method) > Probability::ZERO, "{method}");
    }
    assert!(form.upper_tail(1999.0, Tail::Best).get() < 1e-300);
}

/// Every method on every combination of sizes: in `[0, 1]`, and 1 where the exact tail is 1/2 or more.
#[test]
fn any_scale_is_borne() {
    let sizes = [0.0, 5e-324, 1e-310, 1e-300, 1e-160, 1e-20, 1.0, 1e20, 1e154, 1e300, f64::MAX];
    for c in sizes {
        for w in sizes {
            let inputs = [uniform(-w, w), uniform(w, w), uniform(0.0, w)];
            let coefficients = [c, -c, c];
            for constant in [0.0, -c, f64::MAX] {
                let form = LinearForm::new(&coefficients, constant, &inputs).unwrap();
                for threshold in sizes.into_iter().flat_map(|t| [t, -t]) {
                    for method in Tail::ALL {
                        for bound in [
                            form.upper_tail(threshold, method),
                            form.lower_tail(threshold, method),
                            form.upper_tail_unclipped(threshold, method),
                            form.lower_tail_unclipped(threshold, method),
                        ] {
                            assert!((0.0..=1.0).contains(&bound.get()));
                        }
                        let (below, above) = (
                            form.lower_tail(threshold, method),
                            form.upper_tail(threshold, method),
                        );
                        let total = below.get() + above.get();
                        assert!(
                            total >= 1.0,
                            "{method}: {total} at {threshold:e} for {c:e}, {w:e}"
                        );
                    }
                }
            }
        }
    }
}

/// A law whose every number is nonsense.
#[derive(Debug)]
struct Nonsense(f64);

impl Distribution for Nonsense {
    fn support(&self) -> (f64, f64) {
        (self.0, -self.0)
    }
    fn mean(&self) -> (f64, f64) {
        (self.0, self.0)
    }
    fn variance(&self) -> f64 {
        self.0
    }
    fn variance_proxy(&self) -> f64 {
        -self.0
    }
    fn log_mgf(&self, s: f64) -> f64 {
        s * self.0
    }
    fn tilted_moments(&self, s: f64) -> (f64, f64) {
        (self.0 * s, -self.0)
    }
}

#[test]
fn nonsense_ends_without_a_panic() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0, -1.0, f64::MAX, 5e-324] {
        let inputs = [Nonsense(value), Nonsense(1.0), Nonsense(-1.0)];
        let form = LinearForm::new(&[1.0, -2.0, 1e300], 0.5, &inputs).unwrap();
        for method in Tail::ALL {
            for threshold in [-1.0, 0.0, 0.6, 1e300] {
                assert!(form.upper_tail(threshold, method) <= Probability::ONE);
                assert!(form.lower_tail_unclipped(threshold, method) <= Probability::ONE);
            }
        }
    }
}

#[test]
fn laws_may_be_mixed() {
    let (narrow, sign) = (uniform(-1.0, 1.0), Nonsense(0.0));
    let inputs: [&dyn Distribution; 2] = [&narrow, &sign];
    let form = LinearForm::new(&[1.0, 1.0], 0.0, &inputs).unwrap();
    let alone = [narrow];
    let single = LinearForm::new(&[1.0], 0.0, &alone).unwrap();
    assert_eq!(form.upper_tail(0.75, Tail::Chernoff), single.upper_tail(0.75, Tail::Chernoff));
}

/// A fair coin with the sides -1 and 1.
#[derive(Debug)]
struct Sign;

impl Distribution for Sign {
    fn support(&self) -> (f64, f64) {
        (-1.0, 1.0)
    }
    fn mean(&self) -> (f64, f64) {
        (0.0, 0.0)
    }
}

#[test]
fn the_largest_value_may_have_a_probability() {
    let coins = [Sign, Sign, Sign, Sign];
    let form = LinearForm::new(&[1.0; 4], 0.0, &coins).unwrap();
    for method in Tail::ALL {
        assert!(form.upper_tail(4.0, method).get() >= 1.0 / 16.0, "{method}");
        assert!(form.lower_tail_unclipped(-4.0, method).get() >= 1.0 / 16.0, "{method}");
    }
}
