//! The probability that one of several linear events happens.
//!
//! ```text
//! P(A or B) = P(A) + P(B and not A)
//! ```
//!
//! With `A = {a(X) > 0}` and `B = {b(X) > 0}`, the second event lies in
//! `{b(X) - λ a(X) > 0}` for every `λ ≥ 0`, which is the tail of one affine form. Outputs
//! that depend on the same inputs go wrong together: then that tail is far smaller than
//! `P(B)`, and the bound far better than the union bound. It is never worse.

use nncert_core::directed::{add_up, mul_down, mul_up};
use nncert_prob::{Distribution, LinearForm, Probability, Tail};

/// `c · X + d > 0`, and at least its probability.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// One coefficient for each free input.
    pub(crate) coefficients: Vec<f64>,
    /// `d`, rounded up.
    pub(crate) constant: f64,
    pub(crate) probability: Probability,
}

/// How many of the likeliest events each is compared with.
const COMPARED: usize = 3;

/// At least the probability that some event happens.
pub(crate) fn any_of<D: Distribution>(
    mut events: Vec<Event>,
    inputs: &[D],
    tail: Tail,
) -> Probability {
    let all = Probability::sum_up(events.iter().map(|event| event.probability));
    // The likeliest first: what it implies costs nothing.
    events.sort_by_key(|event| core::cmp::Reverse(event.probability));
    let mut sum = Probability::ZERO;
    for (index, event) in events.iter().enumerate() {
        let known = events[..index.min(COMPARED)].iter();
        let beyond = known.flat_map(|other| {
            let ratio = scale(event) / scale(other);
            [ratio, 0.5 * ratio].map(|factor| beyond(event, other, factor, inputs, tail))
        });
        sum = sum.saturating_add_up(beyond.fold(event.probability, Probability::min));
    }
    sum.min(all)
}

/// The size of an event's coefficients.
pub(crate) fn scale(event: &Event) -> f64 {
    event.coefficients.iter().map(|c| c * c).sum::<f64>().sqrt()
}

/// At least the probability of `event` without `other`, for any `factor`.
pub(crate) fn beyond<D: Distribution>(
    event: &Event,
    other: &Event,
    factor: f64,
    inputs: &[D],
    tail: Tail,
) -> Probability {
    if !(factor > 0.0 && factor.is_finite()) {
        return Probability::ONE;
    }
    // What rounding takes from a coefficient meets the input's largest value.
    let mut lost = 0.0;
    let pairs = event.coefficients.iter().zip(&other.coefficients).zip(inputs);
    let coefficients = pairs.map(|((b, a), input)| {
        let (least, most) = input.support();
        let size = least.abs().max(most.abs());
        let rounding = mul_up(2.0 * f64::EPSILON, add_up(b.abs(), mul_up(factor, a.abs())));
        lost = add_up(lost, mul_up(rounding + f64::MIN_POSITIVE, size).next_up());
        b - factor * a
    });
    let coefficients: Vec<f64> = coefficients.collect();
    // The other event is the smaller for a constant that was rounded up: undo that.
    let least = mul_down(factor, other.constant.next_down());
    let constant = add_up(add_up(event.constant, -least), lost);
    LinearForm::new(&coefficients, constant, inputs)
        .map_or(Probability::ONE, |form| form.upper_tail(0.0, tail))
}

#[cfg(test)]
mod tests {
    use nncert_prob::Uniform;

    use super::*;

    fn event(coefficients: &[f64], constant: f64, inputs: &[Uniform]) -> Event {
        let form = LinearForm::new(coefficients, constant, inputs).unwrap();
        let probability = form.upper_tail(0.0, Tail::Best);
        Event { coefficients: coefficients.to_vec(), constant, probability }
    }

    #[test]
    fn an_event_that_is_implied_costs_nothing() {
        let inputs = [Uniform::new(-1.0, 1.0).unwrap(); 2];
        let (wide, narrow) =
            (event(&[1.0, 1.0], -1.0, &inputs), event(&[1.0, 1.0], -1.25, &inputs));
        assert!(narrow.probability.get() > 0.0);
        let union = any_of(vec![narrow, wide.clone()], &inputs, Tail::Best);
        assert_eq!(union, wide.probability);
    }

    #[test]
    fn events_apart_are_added() {
        let inputs = [Uniform::new(-1.0, 1.0).unwrap(); 2];
        let (up, down) = (event(&[1.0, 1.0], -1.5, &inputs), event(&[-1.0, -1.0], -1.5, &inputs));
        let union = any_of(vec![up.clone(), down.clone()], &inputs, Tail::Best);
        let sum = up.probability.saturating_add_up(down.probability);
        assert_eq!(union, sum);
    }
}
