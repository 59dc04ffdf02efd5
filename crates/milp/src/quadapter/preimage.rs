//! Under-approximated preimages: templates around the abstract elements of layers.

use nncert_bounds::{AffineForm, Envelope};
use nncert_core::directed::{add_down, mul_down, sub_down, sub_up};
use nncert_core::{Interval, Region};

/// How far a template reaches beyond the element of a neuron, for a scaling of 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Step {
    /// Half the width of the neuron's own bounds, as in the paper.
    #[default]
    Own,
    /// The mean of that over the layer, for all of its neurons. Quantization moves neurons that
    /// depend on the free inputs and those that hardly do alike, and so needs room at both.
    Layer,
}

/// A set of values of a layer, before ReLU, that the rest of the network maps into `O`.
///
/// ```text
/// { z : ReLU(lower_j(x) - below_j) ≤ ReLU(z_j) ≤ ReLU(upper_j(x) + above_j) for all j }
/// ```
///
/// for an input `x` of the property; the forms are those of the abstract element of the layer. In
/// the paper's template `below_j = above_j = χ · step_j`, and `ReLU` is not there. What comes behind
/// the layer sees `ReLU(z)` alone: so a lower end that is never positive bounds nothing, and
/// a neuron that is never active may be as far below 0 as it likes.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Preimage {
    /// The abstract element of the layer in the original network.
    pub element: Vec<Envelope>,
    /// `χ`.
    pub scale: f64,
    /// How far the template reaches below the element, for each neuron.
    pub below: Vec<f64>,
    /// How far the template reaches above the element, for each neuron.
    pub above: Vec<f64>,
}

impl Preimage {
    /// The template with a scaling.
    #[must_use]
    pub fn scaled(element: Vec<Envelope>, step: Step, scale: f64) -> Self {
        let slack: Vec<f64> = steps(&element, step).iter().map(|step| step * scale).collect();
        Self { element, scale, below: slack.clone(), above: slack }
    }

    /// The ends of neurons that are seen to be inside the template for all inputs of a region, the
    /// lower one first: all of them if the element is contained in the preimage.
    ///
    /// ```text
    /// min over the region of  lower'_j - (lower_j - below_j)  ≥ 0,   or  lower_j - below_j ≤ 0 on it
    /// min over the region of  upper_j + above_j - upper'_j  ≥ 0,     or  upper'_j ≤ 0 on it
    /// ```
    ///
    /// Guarantee: sound. The minima of the affine functions are dot products, rounded outward.
    ///
    /// # Panics
    ///
    /// When the element has another number of neurons or inputs.
    #[must_use]
    pub fn contains(&self, element: &[Envelope], region: &Region) -> Vec<[bool; 2]> {
        assert_eq!(element.len(), self.element.len(), "neurons of an element");
        let slack = self.below.iter().zip(&self.above);
        let neurons = element.iter().zip(&self.element).zip(slack);
        neurons
            .map(|((inner, outer), (below, above))| {
                let lower = || least_difference(&inner.lower, &outer.lower, region);
                let upper = || least_difference(&outer.upper, &inner.upper, region);
                let free = sub_up(outer.lower.range(region).upper, *below) <= 0.0;
                let inactive = inner.upper.range(region).upper <= 0.0;
                [
                    free || add_down(lower(), *below) >= 0.0,
                    inactive || add_down(upper(), *above) >= 0.0,
                ]
            })
            .collect()
    }
}

/// The step of each neuron of an element; rounded as it comes, since a template is any.
pub(super) fn steps(element: &[Envelope], step: Step) -> Vec<f64> {
    let own = element.iter().map(|envelope| envelope.bounds.width() / 2.0);
    match step {
        Step::Own => own.collect(),
        Step::Layer => {
            let mean = own.sum::<f64>() / (element.len().max(1) as f64);
            vec![mean; element.len()]
        }
    }
}

/// At most `a(x) - b(x)` on a region.
fn least_difference(a: &AffineForm, b: &AffineForm, region: &Region) -> f64 {
    let start = sub_down(a.constant, b.constant);
    let pairs = a.coefficients.iter().zip(&b.coefficients).enumerate();
    pairs.filter(|(_, (a, b))| a != b).fold(start, |sum, (index, (&a, &b))| {
        let c = Interval::new(sub_down(a, b), sub_up(a, b));
        add_down(sum, least_product(c, region.interval(index)))
    })
}

/// At most `c · x`.
fn least_product(c: Interval, x: Interval) -> f64 {
    let least = |c: f64| mul_down(c, x.lower).min(mul_down(c, x.upper));
    least(c.lower).min(least(c.upper))
}
