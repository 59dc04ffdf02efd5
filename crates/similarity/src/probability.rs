//! The probability that the outputs agree, from below and from above.

use core::fmt;

use nncert_bounds::{AffineForm, Envelope, PairBounds};
use nncert_core::directed::{add_up, sub_up};
use nncert_core::{PairedNetworks, Region};
use nncert_prob::{Distribution, LinearForm, Probability, Tail, Uniform};

use crate::method::check_outputs;
use crate::union::{Event, any_of};
use crate::{Method, Outputs, SimilarityError};

/// Bounds of the probability that two networks agree to `ε` on a region.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ProbabilityInterval {
    /// `γ_min`: the probability is at least this.
    pub lower: Probability,
    /// `γ_max`: the probability is at most this.
    pub upper: Probability,
    /// The `ε` that was asked about.
    pub epsilon: f64,
    /// How the bounds were made.
    pub method: Method,
    /// What they rest on: the region, and affine functions around each difference.
    pub bounds: PairBounds,
    /// How many boxes the region was cut into; 1 for a single pass.
    pub boxes: usize,
}

/// Bounds the probability that two networks agree to `ε` on a region.
///
/// ```text
/// γ_min ≤ P(|f_o(X) - f'_o(X)| ≤ ε for all chosen outputs o) ≤ γ_max,   X uniform on the region
/// ```
///
/// `epsilon` is in units of the outputs. A `γ_min` of 1 is a worst-case
/// certificate, a `γ_max` of 0 a proof that the networks differ everywhere.
///
/// Guarantee: sound; both ends are rounded outward.
///
/// # Errors
///
/// [`SimilarityError`] for an `ε` that is negative or not finite, an output that
/// does not exist, a region of another dimension, or bounds that overflow.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// use nncert_similarity::{Method, probability_interval};
///
/// let network = |w: f64| Network::relu_mlp(vec![Affine::new(dmatrix![w], dvector![0.0])]);
/// // f(x) - f'(x) = 0.5 x, which is at most 0.25 for half of [-1, 1].
/// let pair = PairedNetworks::new(&network(1.5)?, &network(1.0)?)?;
/// let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything)?;
/// let interval = probability_interval(&pair, &region, 0.25, Method::default())?;
/// assert!(interval.lower.get() <= 0.5 && 0.5 <= interval.upper.get());
/// let certain = probability_interval(&pair, &region, 0.51, Method::default())?;
/// assert_eq!(certain.lower.get(), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// SimCert, theorems 1 and 2, equations 13 and 14; for several outputs (and for both
/// sides of one) the events are joined, at most as loosely as by a union bound, in place
/// of the paper's `m = 1`.
pub fn probability_interval(
    pair: &PairedNetworks,
    region: &Region,
    epsilon: f64,
    method: Method,
) -> Result<ProbabilityInterval, SimilarityError> {
    check(pair.outputs(), epsilon, method.outputs)?;
    probability_within(method.bound(pair, region)?, epsilon, method)
}

/// [`probability_interval`] from bounds that are there already.
///
/// One propagation serves any number of `ε` and tails.
///
/// # Errors
///
/// [`SimilarityError`] for an `ε` that is negative or not finite, or an output
/// that does not exist.
pub fn probability_within(
    bounds: PairBounds,
    epsilon: f64,
    method: Method,
) -> Result<ProbabilityInterval, SimilarityError> {
    check(bounds.outputs.len(), epsilon, method.outputs)?;
    let (lower, upper) = bracket(&bounds, epsilon, method);
    Ok(ProbabilityInterval { lower, upper, epsilon, method, bounds, boxes: 1 })
}

/// [`probability_interval`] for inputs that are not uniform.
///
/// ```text
/// γ_min ≤ P(|f_o(X) - f'_o(X)| ≤ ε for all chosen outputs o) ≤ γ_max,   X_i independent of law i
/// ```
///
/// `inputs` has one law for each free input of the region, in their order: a triangular or
/// truncated Gaussian one, a discrete one for pixels on a grid, or any other
/// [`Distribution`]. A product of different kinds is a slice of `&dyn Distribution`. Each
/// law lies within the region's interval; the region may be wider.
///
/// Guarantee: sound, as far as the laws are what they say; both ends are rounded outward.
///
/// # Errors
///
/// As [`probability_interval`], and [`SimilarityError::Laws`] or [`SimilarityError::Support`]
/// for laws that do not fit the region.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// use nncert_prob::{Triangular, Uniform};
/// use nncert_similarity::{Method, probability_interval, probability_interval_of};
///
/// // f(x) - f'(x) = 0.5 x, which is at most 0.25 in size for half of [-1, 1].
/// let network = |w: f64| Network::relu_mlp(vec![Affine::new(dmatrix![w], dvector![0.0])]);
/// let pair = PairedNetworks::new(&network(1.5)?, &network(1.0)?)?;
/// let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything)?;
/// // Near its middle the triangular law is more often: 3/4 in place of 1/2.
/// let law = [Triangular::new(-1.0, 0.0, 1.0)?];
/// let found = probability_interval_of(&pair, &region, &law, 0.25, Method::default())?;
/// assert!(found.lower.get() > 0.749 && found.upper.get() < 0.751);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn probability_interval_of<D: Distribution>(
    pair: &PairedNetworks,
    region: &Region,
    inputs: &[D],
    epsilon: f64,
    method: Method,
) -> Result<ProbabilityInterval, SimilarityError> {
    check(pair.outputs(), epsilon, method.outputs)?;
    let free = region.free();
    if inputs.len() != free.len() {
        return Err(SimilarityError::Laws { laws: inputs.len(), free: free.len() });
    }
    for (law, &input) in inputs.iter().zip(free) {
        let ((least, most), side) = (law.support(), region.interval(input));
        if !(side.lower <= least && least <= most && most <= side.upper) {
            return Err(SimilarityError::Support { input, support: (least, most), region: side });
        }
    }
    let bounds = method.bound(pair, region)?;
    let (lower, upper) = bracket_of(&bounds, inputs, epsilon, method);
    Ok(ProbabilityInterval { lower, upper, epsilon, method, bounds, boxes: 1 })
}

/// `γ_min` and `γ_max` from bounds of some outputs, of which those count that the method
/// names.
pub(crate) fn bracket(
    bounds: &PairBounds,
    epsilon: f64,
    method: Method,
) -> (Probability, Probability) {
    bracket_of(bounds, &uniform_inputs(&bounds.region), epsilon, method)
}

/// About the least `ε` at which these bounds certify `γ`, to a part of a relative tolerance.
///
/// Guarantee: heuristic.
pub(crate) fn needed(found: &ProbabilityInterval, gamma: f64, tolerance: f64) -> f64 {
    let ProbabilityInterval { bounds, method, .. } = found;
    let chosen = bounds.outputs.iter().enumerate().filter(|(o, _)| method.outputs.includes(*o));
    let size = chosen.map(|(_, envelope)| envelope.bounds.magnitude()).fold(0.0, f64::max);
    let (mut low, mut high) = (0.0, size);
    while high - low > tolerance / 16.0 * high {
        let middle = f64::midpoint(low, high);
        let (lower, _) = bracket(bounds, middle, *method);
        if lower.get() >= gamma {
            high = middle;
        } else {
            low = middle;
        }
        if high < size * f64::EPSILON {
            break;
        }
    }
    high
}

/// The same for other laws of the free inputs.
fn bracket_of<D: Distribution>(
    bounds: &PairBounds,
    inputs: &[D],
    epsilon: f64,
    method: Method,
) -> (Probability, Probability) {
    let (mut events, mut upper) = (Vec::new(), Probability::ONE);
    let chosen = bounds.outputs.iter().enumerate().filter(|(o, _)| method.outputs.includes(*o));
    for (_, envelope) in chosen {
        let one = Output { envelope, bounds, inputs, tail: method.tail };
        events.extend(one.outside(epsilon));
        upper = upper.min(one.inside(epsilon));
    }
    let outside = any_of(events, inputs, method.tail);
    (outside.complement_down(), upper)
}

pub(crate) fn check(count: usize, epsilon: f64, outputs: Outputs) -> Result<(), SimilarityError> {
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        return Err(SimilarityError::Epsilon { epsilon });
    }
    check_outputs(outputs, count)
}

/// The laws of the free inputs of a region.
pub(crate) fn uniform_inputs(region: &Region) -> Vec<Uniform> {
    let law = |&input: &usize| {
        let interval = region.interval(input);
        Uniform::new(interval.lower, interval.upper)
            .expect("a region's intervals are finite and not empty")
    };
    region.free().iter().map(law).collect()
}

/// One output and what is known about it.
struct Output<'a, D> {
    envelope: &'a Envelope,
    bounds: &'a PairBounds,
    inputs: &'a [D],
    tail: Tail,
}

impl<D: Distribution> Output<'_, D> {
    /// The events that hold `|δ| > ε`: `δᵁ > ε` and `δᴸ < -ε`, where they are possible.
    fn outside(&self, epsilon: f64) -> Vec<Event> {
        let Envelope { lower, upper, bounds } = self.envelope;
        let mut events = Vec::new();
        if bounds.upper > epsilon {
            let tail = self.tail(upper, |form| form.upper_tail(epsilon, self.tail));
            events.push(self.event(upper, 1.0, epsilon, tail));
        }
        if bounds.lower < -epsilon {
            let tail = self.tail(lower, |form| form.lower_tail(-epsilon, self.tail));
            events.push(self.event(lower, -1.0, epsilon, tail));
        }
        events
    }

    /// `sign · form > ε`.
    fn event(&self, form: &AffineForm, sign: f64, epsilon: f64, probability: Probability) -> Event {
        let free = self.bounds.region.free().iter();
        let coefficients = free.map(|&input| sign * form.coefficients[input]).collect();
        Event { coefficients, constant: sub_up(sign * form.constant, epsilon), probability }
    }

    /// At least `P(|δ| ≤ ε)`: the events `δᴸ > ε` and `δᵁ < -ε` exclude each other.
    fn inside(&self, epsilon: f64) -> Probability {
        let Envelope { lower, upper, bounds } = self.envelope;
        if bounds.lower > epsilon || bounds.upper < -epsilon {
            return Probability::ZERO;
        }
        let not_above = self.tail(lower, |form| form.lower_tail(epsilon, self.tail));
        let not_below = self.tail(upper, |form| form.upper_tail(-epsilon, self.tail));
        Probability::from_upper_bound(sub_up(add_up(not_above.get(), not_below.get()), 1.0))
    }

    fn tail(
        &self,
        form: &AffineForm,
        tail: impl FnOnce(&LinearForm<'_, D>) -> Probability,
    ) -> Probability {
        tail_of(form, self.bounds.region.free(), self.inputs, tail)
    }
}

/// The coefficients of a form on the free inputs.
pub(crate) fn on_free(form: &AffineForm, free: &[usize]) -> Vec<f64> {
    free.iter().map(|&input| form.coefficients[input]).collect()
}

/// A tail of a form over the free inputs, whose laws these are; 1 when the form is not finite.
pub(crate) fn tail_of<D: Distribution>(
    form: &AffineForm,
    free: &[usize],
    inputs: &[D],
    tail: impl FnOnce(&LinearForm<'_, D>) -> Probability,
) -> Probability {
    LinearForm::new(&on_free(form, free), form.constant, inputs)
        .map_or(Probability::ONE, |form| tail(&form))
}

impl fmt::Display for ProbabilityInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "P(|f - f'| <= {}) is in [{}, {}] on {} ({})",
            self.epsilon, self.lower, self.upper, self.bounds.region, self.method
        )
    }
}
