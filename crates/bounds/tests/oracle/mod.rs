//! The oracle of the soundness suite: what two networks compute at a point,
//! decided rigorously and without any use of the code under test.
//!
//! A comparison is first tried in `f64` with a running error bound. When that
//! cannot decide, or for the share of points that is always checked this way, it
//! is decided in exact dyadic arithmetic. Either way there is no slack.

#![allow(dead_code)] // each suite uses some of it

use nncert_bounds::AffineForm;
use nncert_core::exact::{self, Dyadic};
use nncert_core::{Activation, Interval, Layer, Network};

/// `f(x)` with an error bound for each output, and exactly on demand.
pub(crate) struct Oracle<'a> {
    network: &'a Network,
    x: &'a [f64],
    /// Values and bounds of their errors.
    pub(crate) rough: Vec<(f64, f64)>,
    exact: Option<Vec<Dyadic>>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(network: &'a Network, x: &'a [f64]) -> Self {
        Self { network, x, rough: rough(network, x), exact: None }
    }

    pub(crate) fn exact(&mut self) -> &[Dyadic] {
        self.exact.get_or_insert_with(|| exact::evaluate(self.network, self.x).unwrap())
    }
}

/// A number known roughly, with an error bound, and exactly on demand.
pub(crate) struct Value<'a> {
    pub(crate) rough: (f64, f64),
    pub(crate) exact: Box<dyn FnMut() -> Dyadic + 'a>,
}

impl Value<'_> {
    /// Whether this is at least `other`.
    pub(crate) fn at_least(&mut self, other: &mut Value<'_>, always_exact: bool) -> bool {
        let ((a, a_error), (b, b_error)) = (self.rough, other.rough);
        // The factor covers the rounding of this very line.
        let decided = a - b > (a_error + b_error) * 1.01 + a.abs() * 1e-15 + b.abs() * 1e-15;
        (decided && !always_exact) || (self.exact)() >= (other.exact)()
    }
}

/// A plain number; infinities are their own bounds.
pub(crate) fn number(value: f64) -> Value<'static> {
    Value { rough: (value, 0.0), exact: Box::new(move || Dyadic::from_f64(value).unwrap()) }
}

/// `c · x + d`.
pub(crate) fn form<'a>(form: &'a AffineForm, x: &'a [f64]) -> Value<'a> {
    let n = x.len() as f64 + 2.0;
    let (sum, size) = form
        .coefficients
        .iter()
        .zip(x)
        .fold((form.constant, form.constant.abs()), |(s, m), (c, x)| {
            (s + c * x, m + (c * x).abs())
        });
    Value {
        rough: (sum, n * 1.2e-16 * size + 1e-300),
        exact: Box::new(move || {
            let x: Vec<Dyadic> = x.iter().map(|x| Dyadic::from_f64(*x).unwrap()).collect();
            exact::dot(&form.coefficients, &x, form.constant).unwrap()
        }),
    }
}

/// Whether `lower ≤ value ≤ upper`.
pub(crate) fn inside(value: &mut Value<'_>, interval: Interval, always_exact: bool) -> bool {
    value.at_least(&mut number(interval.lower), always_exact)
        && number(interval.upper).at_least(value, always_exact)
}

/// `f(x)` in `f64` with a bound of its error, by the textbook forward analysis: for
/// networks of affine layers and activations that are 1-Lipschitz.
pub(crate) fn rough(network: &Network, x: &[f64]) -> Vec<(f64, f64)> {
    let mut values: Vec<(f64, f64)> = x.iter().map(|x| (*x, 0.0)).collect();
    for layer in network.layers() {
        values = match layer {
            Layer::Affine(affine) => (0..affine.outputs())
                .map(|row| {
                    let unit = 1.2e-16 * (affine.inputs() as f64 + 4.0);
                    let bias = affine.bias[row];
                    let (mut sum, mut size, mut error) = (bias, bias.abs(), 0.0);
                    for (weight, (value, wrong)) in affine.weight.row(row).iter().zip(&values) {
                        sum += weight * value;
                        size += (weight * value).abs();
                        error += weight.abs() * wrong;
                    }
                    (sum, (error + unit * size) * 1.01 + 1e-300)
                })
                .collect(),
            Layer::Activation(Activation::Relu) => {
                values.into_iter().map(|(value, wrong)| (value.max(0.0), wrong)).collect()
            }
            Layer::Activation(activation) => values
                .into_iter()
                .map(|(value, wrong)| (activation.apply(value), wrong * 1.01 + 1e-15))
                .collect(),
            _ => unreachable!("these networks have no other layers"),
        };
    }
    values
}
