//! Ranges of accumulators, by interval analysis.

use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::{IntegerInterval, Neuron};

use super::{FixedPointBoundsError, IntegerRegion};

/// The range of every accumulator of a network on a region.
///
/// Values follow: the step function of a neuron never falls, so it takes the ends of a range to the
/// ends of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IntegerBounds {
    /// For each layer, for each neuron.
    pub accumulators: Vec<Vec<IntegerInterval>>,
}

/// Interval analysis in integers.
///
/// ```text
/// a_j ∈ [min, max] of W_j x + b_j on the region        the first layer
/// a_j ∈ W_j [y] + b_j                                  every other
/// ```
///
/// Guarantee: exact about the first layer for L0, L1 and L∞ (every range is attained), sound
/// about the others.
///
/// # Errors
///
/// [`FixedPointBoundsError::Region`] for a region of another dimension.
///
/// # Examples
///
/// The worked example of QVIP: values in `[0, 8]` and `[9, 27]`.
///
/// ```
/// use nalgebra::dmatrix;
/// use nncert_bounds::fixed_point::{IntegerRegion, Norm, integer_intervals};
/// use nncert_core::FixedPointNetwork;
/// use nncert_core::fixed_point::{FixedPointLayer, Format, LayerFormats, Rounding};
///
/// let values = Format::unsigned(6, 4)?;
/// let weight = Format::signed(6, 4)?;
/// let formats = LayerFormats { weight, bias: weight, output: values, rounding: Rounding::HalfUp };
/// let layer = |weights| {
///     FixedPointLayer::with_formats(&weights, &[0, 0], values, formats, formats.relu_clamp())
/// };
/// let network = FixedPointNetwork::new(
///     values,
///     vec![layer(dmatrix![9, -20; 24, 17])?, layer(dmatrix![-12, 10; 13, 7])?],
/// )?;
/// let region = IntegerRegion::around(&network, vec![10, 2], Norm::Linf, 4)?;
/// let bounds = integer_intervals(&network, &region)?;
/// let printed: Vec<_> = bounds.values(&network, 0).map(|range| range.to_string()).collect();
/// assert_eq!(printed, ["[0, 8]", "[9, 27]"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// QVIP, section 3.5.
pub fn integer_intervals(
    network: &FixedPointNetwork,
    region: &IntegerRegion,
) -> Result<IntegerBounds, FixedPointBoundsError> {
    FixedPointBoundsError::check(network, region)?;
    let first = network.layers()[0].neurons();
    let mut bounds = IntegerBounds {
        accumulators: vec![first.map(|neuron| on_region(neuron, region)).collect()],
    };
    for layer in 1..network.layers().len() {
        let next = bounds.interval_layer(network, layer);
        bounds.accumulators.push(next);
    }
    Ok(bounds)
}

/// The range of an accumulator of the first layer.
fn on_region(neuron: Neuron<'_>, region: &IntegerRegion) -> IntegerInterval {
    // Ends of sums that a checked network has fit; the interval of the box is what is
    // left where the maximum is not known.
    let boxed = neuron.accumulator(region.coordinates());
    let negated: Vec<i64> = neuron.weights.iter().map(|w| w.saturating_neg()).collect();
    let end = |maximum: i128| maximum.checked_add(0).and_then(|sum| i64::try_from(sum).ok());
    let upper = end(region.maximum(neuron.weights)).and_then(|sum| sum.checked_add(neuron.bias));
    let lower = end(region.maximum(&negated)).and_then(|sum| neuron.bias.checked_sub(sum));
    let ends = IntegerInterval::new(
        lower.unwrap_or(i64::MIN).max(boxed.lower()),
        upper.unwrap_or(i64::MAX).min(boxed.upper()),
    );
    ends.unwrap_or(boxed)
}

impl IntegerBounds {
    /// The range of every value of a layer.
    ///
    /// # Panics
    ///
    /// When there are not so many layers.
    pub fn values<'a>(
        &'a self,
        network: &'a FixedPointNetwork,
        layer: usize,
    ) -> impl Iterator<Item = IntegerInterval> + 'a {
        let neurons = network.layers()[layer].neurons();
        neurons.zip(&self.accumulators[layer]).map(|(neuron, a)| neuron.requantization.image(*a))
    }

    /// The range of every accumulator of a layer from those of the layer before it alone.
    pub(super) fn interval_layer(
        &self,
        network: &FixedPointNetwork,
        layer: usize,
    ) -> Vec<IntegerInterval> {
        let values: Vec<_> = self.values(network, layer - 1).collect();
        network.layers()[layer].neurons().map(|neuron| neuron.accumulator(&values)).collect()
    }

    /// Narrows every range behind a layer by what the ranges before it imply. `false` if one becomes
    /// empty: then no input has all of these ranges.
    ///
    /// Guarantee: sound.
    #[must_use]
    pub fn propagate(&mut self, network: &FixedPointNetwork, layer: usize) -> bool {
        for layer in layer + 1..network.layers().len() {
            let next = self.interval_layer(network, layer);
            for (range, narrower) in self.accumulators[layer].iter_mut().zip(next) {
                match range.intersect(narrower) {
                    Some(both) => *range = both,
                    None => return false,
                }
            }
        }
        true
    }

    /// How many values of neurons there are, in all: one Boolean each in QVIP's encoding.
    #[must_use]
    pub fn value_count(&self, network: &FixedPointNetwork) -> u64 {
        let layers = 0..self.accumulators.len();
        let counts = layers.flat_map(|layer| self.values(network, layer));
        counts.map(|range| range.lower().abs_diff(range.upper()).saturating_add(1)).sum()
    }
}
