//! The checker of certificates: integers, and nothing of what found them.
//!
//! It shares the network's semantics ([`Neuron`](nncert_core::fixed_point::Neuron),
//! [`Requantization`]) and the region's maximum of a linear form with the rest, and no bound: a
//! staircase is enumerated here value by value, and sums are `i128`.

use nncert_bounds::fixed_point::{IntegerRegion, Lemma, Side};
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::{IntegerInterval, Neuron, Requantization};

use crate::{Certificate, Node, Property, Tree, Violation};

/// The most values of a neuron that are enumerated.
const MAX_VALUES: u64 = 1 << 20;

type Ranges = Vec<Vec<IntegerInterval>>;

/// Checks that a certificate proves a property on a region.
///
/// Returns the number of leaves.
///
/// Guarantee: exact. `Ok` means that the property holds for every input of the region.
///
/// # Errors
///
/// [`CheckError`] names the first node that proves nothing.
pub fn check(
    network: &FixedPointNetwork,
    region: &IntegerRegion,
    property: &Property,
    certificate: &Certificate,
) -> Result<usize, CheckError> {
    let shapes = region.dimension() == network.inputs()
        && property.outputs() == network.outputs()
        && property.violations().len() == certificate.trees.len();
    if !shapes {
        return Err(CheckError::Shape);
    }
    let checker = Checker { network, region };
    let mut ranges = checker.intervals();
    for (index, lemma) in certificate.lemmas.iter().enumerate() {
        let narrowed = checker.lemma(&mut ranges, lemma);
        if !narrowed.ok_or(CheckError::Lemma { index })? {
            // No input at all has these ranges: there is one, the center.
            return Err(CheckError::Lemma { index });
        }
    }
    let trees = property.violations().iter().zip(&certificate.trees).enumerate();
    let mut leaves = 0;
    for (violation, (way, tree)) in trees {
        leaves += checker
            .tree(&ranges, way, tree)
            .map_err(|node| CheckError::Node { violation, node })?;
    }
    Ok(leaves)
}

struct Checker<'a> {
    network: &'a FixedPointNetwork,
    region: &'a IntegerRegion,
}

impl Checker<'_> {
    /// Ranges by interval analysis, of the first layer from the box around the region.
    fn intervals(&self) -> Ranges {
        let first = self.network.layers()[0].neurons();
        let mut ranges: Ranges = vec![first.map(|neuron| self.first(neuron)).collect()];
        for layer in 1..self.network.layers().len() {
            ranges.push(self.next(&ranges, layer));
        }
        ranges
    }

    /// The range of an accumulator of the first layer: the interval of the box, and what the
    /// region says.
    fn first(&self, neuron: Neuron<'_>) -> IntegerInterval {
        let all = neuron.accumulator(self.region.coordinates());
        let bias = i128::from(neuron.bias);
        let negated: Vec<i64> = neuron.weights.iter().map(|w| w.saturating_neg()).collect();
        let upper = self.region.maximum(neuron.weights).saturating_add(bias);
        let lower = bias.saturating_sub(self.region.maximum(&negated));
        narrowed(all, lower, upper).unwrap_or(all)
    }

    fn next(&self, ranges: &Ranges, layer: usize) -> Vec<IntegerInterval> {
        let before = self.network.layers()[layer - 1].neurons().zip(&ranges[layer - 1]);
        let values: Vec<_> = before.map(|(neuron, a)| neuron.requantization.image(*a)).collect();
        self.network.layers()[layer].neurons().map(|neuron| neuron.accumulator(&values)).collect()
    }

    /// Narrows a range and all that follow from it; `false` if one becomes empty, `None` if there
    /// is no such neuron.
    fn narrow(
        &self,
        ranges: &mut Ranges,
        (layer, neuron): (usize, usize),
        (lower, upper): (i128, i128),
    ) -> Option<bool> {
        let range = ranges.get_mut(layer)?.get_mut(neuron)?;
        let Some(both) = narrowed(*range, lower, upper) else { return Some(false) };
        *range = both;
        for layer in layer + 1..self.network.layers().len() {
            let next = self.next(ranges, layer);
            for (range, next) in ranges[layer].iter_mut().zip(next) {
                let Some(both) = range.intersect(next) else { return Some(false) };
                *range = both;
            }
        }
        Some(true)
    }

    /// Checks an end of a range and narrows by it; `None` if it is not proven.
    fn lemma(&self, ranges: &mut Ranges, lemma: &Lemma) -> Option<bool> {
        let Lemma { layer, neuron, side, proof } = lemma;
        let weights = self.network.layers().get(*layer)?;
        if *neuron >= weights.outputs() || proof.multipliers.layers.len() != *layer {
            return None;
        }
        let neuron_of = weights.neuron(*neuron);
        let sign = i128::from(side.sign());
        let form = neuron_of.weights.iter().map(|w| sign * i128::from(*w)).collect();
        let bound = self.bound(ranges, form, proof.scale, &proof.multipliers.layers)?;
        // bound ≤ maximum, in units of 2^-scale, up to the floor that integers allow.
        if bound.div_euclid(1 << proof.scale) > proof.maximum {
            return None;
        }
        let end = proof.maximum.checked_mul(sign)?.checked_add(i128::from(neuron_of.bias))?;
        let ends = match side {
            Side::Upper => (i128::MIN, end),
            Side::Lower => (end, i128::MAX),
        };
        self.narrow(ranges, (*layer, *neuron), ends)
    }

    /// Walks a tree; the error is the index of a node that proves nothing.
    fn tree(&self, root: &Ranges, way: &Violation, tree: &Tree) -> Result<usize, usize> {
        // Ranges of the nodes to come; `None` where they are empty.
        let mut pending = vec![Some(root.clone())];
        let mut leaves = 0;
        for (index, node) in tree.nodes.iter().enumerate() {
            let ranges = pending.pop().ok_or(index)?;
            match node {
                Node::Split { layer, neuron, at } => {
                    let at = i128::from(*at);
                    let half = |ends| -> Result<Option<Ranges>, usize> {
                        let Some(mut half) = ranges.clone() else { return Ok(None) };
                        let left = self.narrow(&mut half, (*layer, *neuron), ends).ok_or(index)?;
                        Ok(left.then_some(half))
                    };
                    pending.push(half((at + 1, i128::MAX))?);
                    pending.push(half((i128::MIN, at))?);
                }
                Node::Lemma(lemma) => {
                    let Some(mut ranges) = ranges else { return Err(index) };
                    let left = self.lemma(&mut ranges, lemma).ok_or(index)?;
                    pending.push(left.then_some(ranges));
                }
                Node::Leaf { weights, scale, multipliers } => {
                    // Closed already where no accumulator is left.
                    if let Some(ranges) = ranges {
                        let closed =
                            self.closes(&ranges, way, weights, *scale, &multipliers.layers);
                        closed.filter(|closed| *closed).ok_or(index)?;
                    }
                    leaves += 1;
                }
                Node::Empty => {
                    if ranges.is_some() {
                        return Err(index);
                    }
                    leaves += 1;
                }
            }
        }
        if pending.is_empty() { Ok(leaves) } else { Err(tree.nodes.len()) }
    }

    /// Whether the weighted rows of a violation stay below their weighted bounds.
    fn closes(
        &self,
        ranges: &Ranges,
        way: &Violation,
        weights: &[i64],
        scale: u32,
        multipliers: &[Vec<i64>],
    ) -> Option<bool> {
        if weights.len() != way.rows.len()
            || weights.iter().any(|weight| *weight < 0)
            || multipliers.len() != ranges.len()
        {
            return None;
        }
        let mut form = vec![0i128; self.network.outputs()];
        let mut needed = 0i128;
        for (row, weight) in way.rows.iter().zip(weights) {
            let weight = i128::from(*weight);
            for (sum, c) in form.iter_mut().zip(&row.coefficients) {
                *sum = sum.checked_add(weight * i128::from(*c))?;
            }
            needed = needed.checked_add(weight * i128::from(row.bound))?;
        }
        let bound = self.bound(ranges, form, scale, multipliers)?;
        Some(bound < needed.checked_mul(1 << scale)?)
    }

    /// `2^scale` times the form is at most this, for values of the layer behind the multipliers.
    fn bound(
        &self,
        ranges: &Ranges,
        form: Vec<i128>,
        scale: u32,
        multipliers: &[Vec<i64>],
    ) -> Option<i128> {
        if scale > 62 {
            return None;
        }
        let scaled: Option<Vec<i128>> = form.iter().map(|c| c.checked_mul(1 << scale)).collect();
        let (mut mu, mut total) = (scaled?, 0i128);
        for (index, lambda) in multipliers.iter().enumerate().rev() {
            let layer = self.network.layers().get(index)?;
            if lambda.len() != layer.outputs() || mu.len() != layer.outputs() {
                return None;
            }
            let mut next = vec![0i128; layer.inputs()];
            for (j, neuron) in layer.neurons().enumerate() {
                let factor = i128::from(lambda[j]);
                total = total.checked_add(factor.checked_mul(i128::from(neuron.bias))?)?;
                total = total.checked_add(largest(
                    neuron.requantization,
                    ranges[index][j],
                    mu[j],
                    factor,
                )?)?;
                for (sum, weight) in next.iter_mut().zip(neuron.weights).filter(|_| factor != 0) {
                    *sum = sum.checked_add(factor.checked_mul(i128::from(*weight))?)?;
                }
            }
            mu = next;
        }
        let mu: Option<Vec<i64>> = mu.iter().map(|c| i64::try_from(*c).ok()).collect();
        let inputs = self.region.maximum(&mu?);
        if inputs == i128::MAX { None } else { total.checked_add(inputs) }
    }
}

/// `max { μ y - λ a : y = step(a), a in the range }`, value by value: for one value, the best
/// accumulator is an end of those that have it.
fn largest(step: &Requantization, range: IntegerInterval, mu: i128, lambda: i128) -> Option<i128> {
    let (first, last) = (step.apply(range.lower()), step.apply(range.upper()));
    if first.abs_diff(last) > MAX_VALUES {
        return None;
    }
    let mut best = i128::MIN;
    for y in first..=last {
        // Values that the step function leaves out have no accumulators.
        let Some(a) = step.preimage(y).and_then(|a| a.intersect(range)) else { continue };
        let end = if lambda > 0 { a.lower() } else { a.upper() };
        let (gain, cost) = (mu.checked_mul(y.into())?, lambda.checked_mul(end.into())?);
        best = best.max(gain.checked_sub(cost)?);
    }
    Some(best)
}

/// What is left of a range between two numbers.
fn narrowed(range: IntegerInterval, lower: i128, upper: i128) -> Option<IntegerInterval> {
    let lower = lower.max(range.lower().into());
    let upper = upper.min(range.upper().into());
    IntegerInterval::new(i64::try_from(lower).ok()?, i64::try_from(upper).ok()?).ok()
}

/// Why a certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Network, region, property and certificate do not belong together.
    #[error("the certificate has another shape than the question")]
    Shape,
    /// An end of a range is not proven.
    #[error("lemma {index} is not proven")]
    Lemma {
        /// The lemma, counted from 0.
        index: usize,
    },
    /// A node is not closed, or missing.
    #[error("violation {violation}: node {node} proves nothing")]
    Node {
        /// The violation.
        violation: usize,
        /// The node, counted from 0.
        node: usize,
    },
}
