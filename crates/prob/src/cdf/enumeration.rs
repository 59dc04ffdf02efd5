//! The distribution function of a few discrete inputs, value by value.

use super::Event;
use crate::bracket::{CdfMethod, ProbabilityBracket};
use crate::distribution::Distribution;
use crate::linear_form::LinearForm;
use crate::probability::Probability;
use crate::rounding::{add_down, add_up, mul_down, mul_up, sum_down, sum_up};

/// How many combinations of values are gone through at most.
const MAX_COMBINATIONS: usize = 1 << 14;

/// Bounds of one value of a partial sum and of its probability.
#[derive(Clone, Copy)]
struct Value {
    value: (f64, f64),
    probability: (f64, f64),
}

/// A bracket of the probability of the event, if every input is discrete or constant and the combinations are few.
pub(super) fn cdf<D: Distribution>(
    form: &LinearForm<'_, D>,
    event: Event,
) -> Option<ProbabilityBracket> {
    let Event { threshold, closed, .. } = event;
    let constant = event.sign() * form.constant();
    let mut values = vec![Value { value: (constant, constant), probability: (1.0, 1.0) }];
    for (&c, input) in form.coefficients().iter().zip(form.inputs()).filter(|(c, _)| **c != 0.0) {
        let (least, greatest) = input.support();
        let atoms = input.atoms();
        let steps: Vec<Value> = if atoms.is_empty() && least == greatest {
            vec![term(event.sign() * c, least, (1.0, 1.0))]
        } else {
            atoms.iter().map(|atom| term(event.sign() * c, atom.value, atom.probability)).collect()
        };
        if steps.is_empty() || values.len().checked_mul(steps.len())? > MAX_COMBINATIONS {
            return None;
        }
        values =
            values.iter().flat_map(|&sum| steps.iter().map(move |&step| plus(sum, step))).collect();
    }
    let surely = |v: &&Value| if closed { v.value.1 <= threshold } else { v.value.1 < threshold };
    let perhaps = |v: &&Value| if closed { v.value.0 <= threshold } else { v.value.0 < threshold };
    let lower = sum_down(values.iter().filter(surely).map(|v| v.probability.0));
    let upper = sum_up(values.iter().filter(perhaps).map(|v| v.probability.1));
    Some(ProbabilityBracket {
        lower: Probability::from_lower_bound(lower),
        upper: Probability::from_upper_bound(upper),
        method: CdfMethod::Enumeration,
    })
}

fn term(c: f64, value: f64, probability: (f64, f64)) -> Value {
    Value { value: (mul_down(c, value), mul_up(c, value)), probability }
}

fn plus(a: Value, b: Value) -> Value {
    Value {
        value: (add_down(a.value.0, b.value.0), add_up(a.value.1, b.value.1)),
        probability: (
            mul_down(a.probability.0, b.probability.0),
            mul_up(a.probability.1, b.probability.1),
        ),
    }
}
