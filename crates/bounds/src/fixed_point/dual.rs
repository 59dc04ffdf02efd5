//! Upper bounds from multipliers, in exact integers.

use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::FixedPointLayer;

use super::staircase::conjugate;
use super::{IntegerBounds, IntegerRegion};

/// A factor for every accumulator of some layers: any integers at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Multipliers {
    /// For each layer from the first, for each neuron.
    pub layers: Vec<Vec<i64>>,
}

/// An upper bound of a linear form of the values of a layer.
///
/// ```text
/// μ_k = form,   μ_(l-1) = W_lᵀ λ_l
/// bound = max { μ_0 · x : x in the region }
///       + Σ_l Σ_j ( λ_lj b_lj + max { μ_lj y - λ_lj a : y = step_lj(a), a in its range } )
/// ```
///
/// `k` is the number of layers that have multipliers; `form` has a coefficient for each value of
/// layer `k` (of the inputs for 0). This is weak duality: `a = W y + b` is relaxed with the
/// factor `λ`, and every other term is maximised on its own. It holds for *any* multipliers, so
/// whatever found them need not be trusted. CROWN is one choice of them, `λ = slope · μ`.
///
/// `None` if a number grows beyond 62 bits, or shapes do not fit.
///
/// Guarantee: exact in integers, hence sound: the form is at most the bound at every input of the
/// region whose accumulators are in the ranges.
#[must_use]
pub fn dual_bound(
    network: &FixedPointNetwork,
    region: &IntegerRegion,
    bounds: &IntegerBounds,
    form: &[i64],
    multipliers: &Multipliers,
) -> Option<i128> {
    let depth = multipliers.layers.len();
    let layers = network.layers().get(..depth)?;
    let mut mu = form.to_vec();
    let mut total = 0i128;
    for (index, layer) in layers.iter().enumerate().rev() {
        let (lambda, ranges) = (&multipliers.layers[index], bounds.accumulators.get(index)?);
        let width = layer.outputs();
        if lambda.len() != width || ranges.len() != width || mu.len() != width {
            return None;
        }
        for (((neuron, range), mu), lambda) in layer.neurons().zip(ranges).zip(&mu).zip(lambda) {
            let term = conjugate(neuron.requantization, *range, *mu, *lambda);
            total = total.checked_add(i128::from(*lambda) * i128::from(neuron.bias))?;
            total = total.checked_add(term)?;
        }
        mu = transposed(layer, lambda)?;
    }
    if mu.len() != region.dimension() {
        return None;
    }
    let inputs = region.maximum(&mu);
    if inputs == i128::MAX { None } else { total.checked_add(inputs) }
}

/// `Wᵀ λ`, unless a sum may be beyond 62 bits.
fn transposed(layer: &FixedPointLayer, lambda: &[i64]) -> Option<Vec<i64>> {
    let width = layer.inputs();
    let rows = layer.weights().chunks_exact(width).zip(lambda).filter(|(_, l)| **l != 0);
    let mut reach = 0u128;
    let mut sums = vec![0i64; width];
    for (weights, lambda) in rows {
        let largest = weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0);
        reach = reach
            .checked_add(u128::from(largest).checked_mul(u128::from(lambda.unsigned_abs()))?)?;
        if reach > 1 << 62 {
            return None;
        }
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += weight * lambda;
        }
    }
    Some(sums)
}
