//! A network made ready to search for multipliers, in floats.

use nncert_core::FixedPointNetwork;

use super::staircase::{Edge, Stairs};
use super::{IntegerBounds, IntegerRegion, Multipliers, dual_bound};

/// The bits that exact sums may grow to.
const EXACT_BITS: i32 = 60;

/// A network made ready to bound: its weights in floats, by rows and by columns.
///
/// What is searched for in floats is multipliers; what they prove is then computed in integers
/// ([`dual_bound`]), so that no float needs to be trusted.
#[derive(Clone, Debug)]
pub struct FixedPointBounder<'a> {
    network: &'a FixedPointNetwork,
    layers: Vec<Dense>,
}

/// The weights of a layer.
#[derive(Clone, Debug)]
struct Dense {
    inputs: usize,
    outputs: usize,
    rows: Vec<f64>,
    columns: Vec<f64>,
    bias: Vec<f64>,
}

/// A proven upper bound of an integer linear form, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Proof {
    /// Form and multipliers are in units of `2^-scale`.
    pub scale: u32,
    /// The multipliers.
    pub multipliers: Multipliers,
    /// The bound: `⌊dual bound / 2^scale⌋`.
    pub maximum: i128,
}

impl Proof {
    /// What the multipliers prove about a form of the values of a layer, computed again.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn check(
        scale: u32,
        multipliers: &Multipliers,
        network: &FixedPointNetwork,
        region: &IntegerRegion,
        bounds: &IntegerBounds,
        form: &[i64],
    ) -> Option<i128> {
        if scale > 62 {
            return None;
        }
        let scaled: Option<Vec<i64>> = form.iter().map(|c| c.checked_mul(1 << scale)).collect();
        Some(dual_bound(network, region, bounds, &scaled?, multipliers)? >> scale)
    }
}

/// Scratch and results of an evaluation of the dual function.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluation {
    /// The value, in floats.
    pub(super) value: f64,
    /// Of the value, with respect to the multipliers: a subgradient.
    pub(super) gradient: Vec<Vec<f64>>,
    /// The input that the last term is largest at.
    pub(super) point: Vec<f64>,
    /// Its accumulators in the first layer, kept up to date.
    first: Vec<f64>,
    /// For each layer, where its terms are largest.
    edges: Vec<Vec<Edge>>,
    /// For each layer, the accumulators of the values that were chosen before it.
    pub(super) accumulators: Vec<Vec<f64>>,
    /// The coefficients of the values before each layer, and of the form.
    pub(super) mu: Vec<Vec<f64>>,
}

/// The staircases of all neurons on some ranges.
#[derive(Clone, Debug)]
pub(super) struct Relaxed {
    pub(super) layers: Vec<Vec<Stairs>>,
}

impl Relaxed {
    pub(super) fn new(network: &FixedPointNetwork, bounds: &IntegerBounds, depth: usize) -> Self {
        let layers = 0..depth;
        Self { layers: layers.map(|layer| staircases(network, bounds, layer)).collect() }
    }
}

/// The staircases of a layer.
pub(super) fn staircases(
    network: &FixedPointNetwork,
    bounds: &IntegerBounds,
    layer: usize,
) -> Vec<Stairs> {
    let neurons = network.layers()[layer].neurons().zip(&bounds.accumulators[layer]);
    neurons.map(|(neuron, range)| Stairs::new(neuron.requantization, *range)).collect()
}

impl<'a> FixedPointBounder<'a> {
    /// Makes the network ready.
    #[must_use]
    pub fn new(network: &'a FixedPointNetwork) -> Self {
        let dense = |layer: &nncert_core::fixed_point::FixedPointLayer| {
            let (inputs, outputs) = (layer.inputs(), layer.outputs());
            let rows: Vec<f64> = layer.weights().iter().map(|w| *w as f64).collect();
            let entry = |index: usize| rows[(index % outputs) * inputs + index / outputs];
            let columns = (0..rows.len()).map(entry).collect();
            let bias = layer.bias().iter().map(|b| *b as f64).collect();
            Dense { inputs, outputs, rows, columns, bias }
        };
        Self { network, layers: network.layers().iter().map(dense).collect() }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &'a FixedPointNetwork {
        self.network
    }

    /// The accumulators of the first layer, at an input that need not be one of integers.
    #[must_use]
    pub fn first_accumulators(&self, x: &[f64]) -> Vec<f64> {
        let mut sums = self.layers[0].bias.clone();
        self.layers[0].forward(x, &mut sums);
        sums
    }

    /// The gradient of a form of the outputs with rounding left out: from the accumulators of every
    /// layer, of which those beyond a clamp stop it. Outputs do not: a form of them that is flat here
    /// would tell nothing.
    ///
    /// Guarantee: heuristic.
    #[must_use]
    pub fn straight_through(&self, form: &[f64], accumulators: &[&[i64]]) -> Vec<f64> {
        let mut mu = form.to_vec();
        let layers = self.network.layers().iter().zip(&self.layers).zip(accumulators);
        for (behind, ((layer, dense), sums)) in layers.rev().enumerate() {
            let slope =
                |((neuron, mu), a): ((nncert_core::fixed_point::Neuron<'_>, &f64), &i64)| {
                    let (step, clamp) = (neuron.requantization, neuron.requantization.clamp);
                    let y = step.apply(*a);
                    // At an end there is a way back, if the coefficient goes there.
                    let stuck =
                        (y == clamp.lower() && *mu < 0.0) || (y == clamp.upper() && *mu > 0.0);
                    let far = step.apply(a.saturating_add(1)) == y
                        && step.apply(a.saturating_sub(1)) == y;
                    let outside = y == clamp.lower() || y == clamp.upper();
                    let stops = behind > 0 && (stuck || (outside && far));
                    if stops { 0.0 } else { mu * step.multiplier.value() }
                };
            let lambda: Vec<f64> = layer.neurons().zip(&mu).zip(*sums).map(slope).collect();
            mu = vec![0.0; dense.inputs];
            dense.backward(&lambda, &mut mu);
        }
        mu
    }

    /// The bounds that [`integer_intervals`](super::integer_intervals) gives, tightened layer by
    /// layer by CROWN in integers.
    ///
    /// The second layer on is bounded by [`FixedPointBounder::prove`] with the multipliers of
    /// CROWN; `steps` of dual ascent follow for each bound (α-CROWN). What is returned beside
    /// are the proofs, in an order in which each needs the ones before it alone.
    ///
    /// Guarantee: sound.
    ///
    /// # Errors
    ///
    /// [`FixedPointBoundsError`](super::FixedPointBoundsError) for a region of another dimension.
    pub fn bounds(
        &self,
        region: &IntegerRegion,
        steps: usize,
    ) -> Result<(IntegerBounds, Vec<Lemma>), super::FixedPointBoundsError> {
        let mut bounds = super::integer_intervals(self.network, region)?;
        let mut lemmas = Vec::new();
        for layer in 1..self.layers.len() {
            self.tighten(region, &mut bounds, layer, steps, &mut lemmas);
            // An exact range cannot become empty.
            let _ = bounds.propagate(self.network, layer);
        }
        Ok((bounds, lemmas))
    }

    /// Tightens the ranges of a layer; ranges that the step function maps to one value stay. What
    /// proves them is added to `lemmas`.
    ///
    /// # Panics
    ///
    /// When there are not so many layers.
    pub fn tighten(
        &self,
        region: &IntegerRegion,
        bounds: &mut IntegerBounds,
        layer: usize,
        steps: usize,
        lemmas: &mut Vec<Lemma>,
    ) {
        let relaxed = Relaxed::new(self.network, bounds, layer);
        for (index, neuron) in self.network.layers()[layer].neurons().enumerate() {
            for side in [Side::Upper, Side::Lower] {
                let range = bounds.accumulators[layer][index];
                let (low, high) = (
                    neuron.requantization.apply(range.lower()),
                    neuron.requantization.apply(range.upper()),
                );
                if low == high {
                    continue;
                }
                let form: Vec<i64> = neuron.weights.iter().map(|w| side.sign() * w).collect();
                let floats: Vec<f64> = form.iter().map(|c| *c as f64).collect();
                let mut lambda = self.crown(&relaxed, &floats);
                if steps > 0 {
                    let target = f64::NEG_INFINITY;
                    lambda =
                        self.ascend(region, &relaxed, &floats, lambda, target, steps).multipliers;
                }
                let Some(proof) = self.prove(region, bounds, &form, &lambda) else { continue };
                let lemma = Lemma { layer, neuron: index, side, proof };
                if lemma.apply(self.network, bounds) {
                    lemmas.push(lemma);
                }
            }
        }
    }

    /// The multipliers of CROWN for a form of the values of the last relaxed layer.
    pub(super) fn crown(&self, relaxed: &Relaxed, form: &[f64]) -> Vec<Vec<f64>> {
        let mut mu = form.to_vec();
        let mut multipliers = Vec::with_capacity(relaxed.layers.len());
        for (stairs, dense) in relaxed.layers.iter().zip(&self.layers).rev() {
            let slopes = stairs.iter().zip(&mu).map(|(stairs, mu)| mu * stairs.slope(*mu > 0.0));
            let lambda: Vec<f64> = slopes.collect();
            mu = vec![0.0; dense.inputs];
            dense.backward(&lambda, &mut mu);
            multipliers.push(lambda);
        }
        multipliers.reverse();
        multipliers
    }

    /// The weights and the bias of a neuron.
    pub(super) fn row(&self, layer: usize, neuron: usize) -> (&[f64], f64) {
        let dense = &self.layers[layer];
        (&dense.rows[neuron * dense.inputs..][..dense.inputs], dense.bias[neuron])
    }

    /// `Wᵀ λ` of a layer.
    pub(super) fn transposed(&self, layer: usize, lambda: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.layers[layer].inputs];
        self.layers[layer].backward(lambda, &mut sums);
        sums
    }

    /// The value of the dual function, and a subgradient: of the corners within `tolerance` of the
    /// best, the point between them that is closest to the accumulator before it is taken.
    pub(super) fn evaluate(
        &self,
        region: &IntegerRegion,
        relaxed: &Relaxed,
        form: &[f64],
        lambda: &[Vec<f64>],
        tolerance: f64,
        result: &mut Evaluation,
    ) {
        let depth = lambda.len();
        result.gradient.resize(depth, Vec::new());
        result.accumulators.resize(depth, Vec::new());
        result.edges.resize(depth, Vec::new());
        result.mu.resize(depth + 1, Vec::new());
        result.mu[depth].clear();
        result.mu[depth].extend_from_slice(form);
        let mut total = 0.0;
        for layer in (0..depth).rev() {
            let (dense, stairs) = (&self.layers[layer], &relaxed.layers[layer]);
            result.edges[layer].clear();
            for (j, stairs) in stairs.iter().enumerate() {
                let (mu, lambda) = (result.mu[layer + 1][j], lambda[layer][j]);
                let (value, edge) = stairs.conjugate(mu, lambda, tolerance);
                total += value + lambda * dense.bias[j];
                result.edges[layer].push(edge);
            }
            let mut mu = core::mem::take(&mut result.mu[layer]);
            mu.clear();
            mu.resize(dense.inputs, 0.0);
            dense.backward(&lambda[layer], &mut mu);
            result.mu[layer] = mu;
        }
        let (value, point) = region.support(&result.mu[0]);
        result.value = total + value;
        self.move_to(point, result);
        let mut values: Vec<f64> = Vec::new();
        for (layer, dense) in self.layers[..depth].iter().enumerate() {
            let sums = &mut result.accumulators[layer];
            if layer == 0 {
                sums.clone_from(&result.first);
            } else {
                sums.clone_from(&dense.bias);
                dense.forward(&values, sums);
            }
            values.clear();
            result.gradient[layer].clear();
            for (sum, edge) in sums.iter().zip(&result.edges[layer]) {
                let (a, y) = edge.closest(*sum);
                result.gradient[layer].push(sum - a);
                values.push(y);
            }
        }
    }

    /// Keeps the accumulators of the first layer in step with the point.
    fn move_to(&self, point: Vec<f64>, result: &mut Evaluation) {
        let dense = &self.layers[0];
        if result.point.len() == point.len() {
            let moved = point.iter().zip(&result.point).enumerate();
            for (index, (new, old)) in moved {
                if new != old {
                    let column = &dense.columns[index * dense.outputs..][..dense.outputs];
                    axpy(new - old, column, &mut result.first);
                }
            }
        } else {
            result.first = self.first_accumulators(&point);
        }
        result.point = point;
    }

    /// What multipliers prove about an integer form of the values of a layer.
    ///
    /// `lambda` has an entry for each layer from the first to the one whose values `form`
    /// weighs.
    ///
    /// Guarantee: exact in integers. `None` where numbers are too large.
    #[must_use]
    pub fn prove(
        &self,
        region: &IntegerRegion,
        bounds: &IntegerBounds,
        form: &[i64],
        lambda: &[Vec<f64>],
    ) -> Option<Proof> {
        // The largest number that the exact pass may meet, in units of the form.
        let mut reach = form.iter().map(|c| c.unsigned_abs() as f64).fold(1.0, f64::max);
        for (dense, lambda) in self.layers.iter().zip(lambda) {
            let rows = dense.rows.chunks_exact(dense.inputs).zip(lambda);
            let largest = |row: &[f64]| row.iter().fold(0.0f64, |m, w| m.max(w.abs()));
            let sum: f64 = rows.map(|(row, lambda)| (lambda.abs() + 1.0) * largest(row)).sum();
            reach = reach.max(sum);
        }
        if !reach.is_finite() {
            return None;
        }
        // Heuristic: an exponent that is too large is refused by the exact pass.
        #[allow(clippy::cast_possible_truncation)]
        let scale = (EXACT_BITS - reach.log2().ceil() as i32).clamp(0, 44).unsigned_abs();
        let unit = (1i64 << scale) as f64;
        #[allow(clippy::cast_possible_truncation)]
        let integers = |row: &Vec<f64>| row.iter().map(|l| (l * unit).round() as i64).collect();
        let multipliers = Multipliers { layers: lambda.iter().map(integers).collect() };
        let maximum = Proof::check(scale, &multipliers, self.network, region, bounds, form)?;
        Some(Proof { scale, multipliers, maximum })
    }
}

impl Dense {
    /// Adds `W x`.
    fn forward(&self, x: &[f64], sums: &mut [f64]) {
        combine(x, &self.columns, sums);
    }

    /// Adds `Wᵀ λ`.
    fn backward(&self, lambda: &[f64], sums: &mut [f64]) {
        combine(lambda, &self.rows, sums);
    }
}

/// Adds `Σ factor_k · row_k`, in the widest vectors that the machine has.
fn combine(factors: &[f64], rows: &[f64], sums: &mut [f64]) {
    let width = sums.len();
    pulp::Arch::new().dispatch(|| {
        for (factor, row) in factors.iter().zip(rows.chunks_exact(width)) {
            if *factor != 0.0 {
                axpy(*factor, row, sums);
            }
        }
    });
}

/// `y += a x`
#[inline(always)]
fn axpy(a: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Side {
    /// The greatest accumulator.
    Upper,
    /// The least.
    Lower,
}

impl Side {
    /// 1 for the upper end, -1 for the lower.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Upper => 1,
            Self::Lower => -1,
        }
    }
}

/// A proven end of the range of an accumulator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lemma {
    /// The layer, counted from 0.
    pub layer: usize,
    /// The neuron.
    pub neuron: usize,
    /// The end.
    pub side: Side,
    /// What proves it: of the form `± W_j y` over the values of the layer before.
    pub proof: Proof,
}

impl Lemma {
    /// Narrows the range of the neuron, and tells whether that changed it. An end that would leave
    /// nothing is not taken.
    pub fn apply(&self, network: &FixedPointNetwork, bounds: &mut IntegerBounds) -> bool {
        let Self { layer, neuron, side, proof } = self;
        let bias = network.layers().get(*layer).and_then(|layer| layer.bias().get(*neuron));
        let range = bounds.accumulators.get_mut(*layer).and_then(|layer| layer.get_mut(*neuron));
        let (Some(bias), Some(range)) = (bias, range) else { return false };
        let Some(end) = proof.maximum.checked_add(i128::from(bias * side.sign())) else {
            return false;
        };
        let narrower = match side {
            Side::Upper => {
                let upper = i64::try_from(end).unwrap_or(i64::MAX).min(range.upper());
                nncert_core::fixed_point::IntegerInterval::new(range.lower(), upper)
            }
            Side::Lower => {
                let lower = i64::try_from(-end).unwrap_or(i64::MIN).max(range.lower());
                nncert_core::fixed_point::IntegerInterval::new(lower, range.upper())
            }
        };
        match narrower {
            Ok(narrower) if narrower != *range => {
                *range = narrower;
                true
            }
            _ => false,
        }
    }
}
