//! α-CROWN for staircases: the dual function, minimised.

use super::bounder::{Evaluation, FixedPointBounder, Relaxed};
use super::{IntegerBounds, IntegerRegion};

/// What is left of the distance to the estimated optimum when steps fail.
const LEVEL: f64 = 0.3;
/// The part of the distance to the estimated optimum that subgradients may be wrong by.
const TOLERANCE: f64 = 0.25;
/// How much of a new point goes into the mean.
const MEMORY: f64 = 0.1;
/// The steps without success after which the estimate rises.
const STALL: usize = 12;

/// What a minimisation of the dual function found.
#[derive(Clone, Debug)]
pub struct Ascent {
    /// The best multipliers.
    pub multipliers: Vec<Vec<f64>>,
    /// Their bound, in floats.
    pub value: f64,
    /// An input that is about optimal for the relaxation: a mean of those met.
    pub mean: Vec<f64>,
    /// The accumulators that go with it, for each layer.
    pub accumulators: Vec<Vec<f64>>,
    /// The input that the best bound is attained at.
    pub point: Vec<f64>,
    /// The coefficient of each neuron's value at the best multipliers, for each layer.
    pub coefficients: Vec<Vec<f64>>,
    /// The coefficients of the inputs there.
    pub inputs: Vec<f64>,
    /// The evaluations made.
    pub steps: usize,
}

impl FixedPointBounder<'_> {
    /// Multipliers for a form of the outputs: those of CROWN, or the given ones, and then at most
    /// `steps` of dual ascent, until the bound is below `target`.
    ///
    /// Guarantee: heuristic; [`FixedPointBounder::prove`] says what the multipliers prove.
    #[must_use]
    pub fn search(
        &self,
        region: &IntegerRegion,
        bounds: &IntegerBounds,
        form: &[f64],
        start: Option<&[Vec<f64>]>,
        target: f64,
        steps: usize,
    ) -> Ascent {
        let relaxed = Relaxed::new(self.network(), bounds, bounds.accumulators.len());
        let start = match start {
            Some(start) => start.to_vec(),
            None => self.crown(&relaxed, form),
        };
        self.ascend(region, &relaxed, form, start, target, steps)
    }

    /// The bound of multipliers of all layers, in floats.
    ///
    /// Guarantee: heuristic; [`FixedPointBounder::prove`] says what the multipliers prove.
    #[must_use]
    pub fn value(
        &self,
        region: &IntegerRegion,
        bounds: &IntegerBounds,
        form: &[f64],
        multipliers: &[Vec<f64>],
    ) -> f64 {
        let relaxed = Relaxed::new(self.network(), bounds, bounds.accumulators.len());
        let mut evaluation = Evaluation::default();
        self.evaluate(region, &relaxed, form, multipliers, 0.0, &mut evaluation);
        evaluation.value
    }

    /// [`FixedPointBounder::search`] with the multipliers of the last layer given: only those before
    /// it are searched for.
    ///
    /// Ascent over all layers at once stalls where a multiplier behind others has to change: all of
    /// those before it would have to follow. A caller who knows directions in the space
    /// of the last accumulators, such as the sides of the set where a property fails, gives them
    /// here.
    ///
    /// `start` has multipliers of all layers, of which the last are not used.
    ///
    /// Guarantee: heuristic; [`FixedPointBounder::prove`] says what the multipliers prove.
    #[must_use]
    #[allow(clippy::too_many_arguments)]
    pub fn search_toward(
        &self,
        region: &IntegerRegion,
        bounds: &IntegerBounds,
        form: &[f64],
        last: &[f64],
        start: Option<&[Vec<f64>]>,
        target: f64,
        steps: usize,
    ) -> Ascent {
        let depth = bounds.accumulators.len() - 1;
        let relaxed = Relaxed::new(self.network(), bounds, depth);
        let layer = &self.network().layers()[depth];
        let neurons = layer.neurons().zip(&bounds.accumulators[depth]).zip(form.iter().zip(last));
        // What the last layer adds; the rest is the maximum of a form of the values before it.
        let mut constant = 0.0;
        for ((neuron, range), (mu, lambda)) in neurons {
            let stairs = super::staircase::Stairs::new(neuron.requantization, *range);
            constant += stairs.conjugate(*mu, *lambda, 0.0).0 + lambda * neuron.bias as f64;
        }
        let before = self.transposed(depth, last);
        let start = match start {
            Some(start) => start[..depth].to_vec(),
            None => self.crown(&relaxed, &before),
        };
        let mut found = self.ascend(region, &relaxed, &before, start, target - constant, steps);
        found.value += constant;
        found.multipliers.push(last.to_vec());
        let middle = |range: &nncert_core::fixed_point::IntegerInterval| {
            0.5 * (range.lower() as f64 + range.upper() as f64)
        };
        found.accumulators.push(bounds.accumulators[depth].iter().map(middle).collect());
        found.coefficients.truncate(depth);
        if depth > 0 {
            found.coefficients[depth - 1].clone_from(&before);
        }
        found.coefficients.push(form.to_vec());
        found
    }

    /// Deflected subgradient steps with Polyak's length toward a level.
    pub(super) fn ascend(
        &self,
        region: &IntegerRegion,
        relaxed: &Relaxed,
        form: &[f64],
        start: Vec<Vec<f64>>,
        target: f64,
        steps: usize,
    ) -> Ascent {
        // Accumulators have scales: steps are made in units of their ranges.
        let widths =
            relaxed.layers.iter().map(|layer| layer.iter().map(super::staircase::Stairs::width));
        let units: Vec<Vec<f64>> = widths
            .map(|layer| layer.map(|width| 1.0 / (width * width).max(1.0)).collect())
            .collect();
        let mut lambda = start;
        let mut evaluation = Evaluation::default();
        let neurons = lambda.iter().map(Vec::len).sum::<usize>().max(1) as f64;
        let mut tolerance = 1e-9;
        self.evaluate(region, relaxed, form, &lambda, tolerance, &mut evaluation);
        let mut best = Ascent {
            multipliers: lambda.clone(),
            value: evaluation.value,
            mean: evaluation.point.clone(),
            accumulators: evaluation.accumulators.clone(),
            point: evaluation.point.clone(),
            coefficients: evaluation.mu[1..].to_vec(),
            inputs: evaluation.mu[0].clone(),
            steps: 1,
        };
        let mut direction: Vec<Vec<f64>> = Vec::new();
        let scale = form.iter().map(|c| c.abs()).fold(1.0, f64::max);
        let mut gap = if target.is_finite() {
            (1.5 * (best.value - target)).max(1e-6 * scale)
        } else {
            0.05 * best.value.abs().max(scale)
        };
        let first = (best.value - target).max(1e-6 * scale);
        let mut failures = 0;
        tolerance = TOLERANCE * gap / neurons;
        self.evaluate(region, relaxed, form, &lambda, tolerance, &mut evaluation);
        while best.steps < steps && best.value >= target {
            let gradient = &evaluation.gradient;
            let norm = inner(&units, gradient, gradient);
            if norm <= 0.0 {
                // Optimal up to the tolerance.
                gap *= LEVEL;
                if gap < 1e-6 * scale {
                    break;
                }
                tolerance = TOLERANCE * gap / neurons;
                self.evaluate(region, relaxed, form, &lambda, tolerance, &mut evaluation);
                best.steps += 1;
                direction.clear();
                continue;
            }
            if direction.is_empty() {
                direction = gradient.clone();
            } else {
                // Camerini, Fratta and Maffioli: turned away from the last direction where they
                // oppose each other.
                let (cross, old) =
                    (inner(&units, &direction, gradient), inner(&units, &direction, &direction));
                let beta =
                    if cross < 0.0 { -1.5 * cross / old.max(f64::MIN_POSITIVE) } else { 0.0 };
                for (d, g) in direction.iter_mut().flatten().zip(gradient.iter().flatten()) {
                    *d = g + beta * *d;
                }
            }
            let level = (best.value - gap).max(target - 0.5 * first);
            let length = inner(&units, &direction, &direction);
            let step = (evaluation.value - level) / length.max(f64::MIN_POSITIVE);
            let moves = direction.iter().flatten().zip(units.iter().flatten());
            for (lambda, (d, unit)) in lambda.iter_mut().flatten().zip(moves) {
                *lambda -= step * unit * d;
            }
            self.evaluate(region, relaxed, form, &lambda, tolerance, &mut evaluation);
            best.steps += 1;
            for (mean, x) in best.mean.iter_mut().zip(&evaluation.point) {
                *mean += MEMORY * (x - *mean);
            }
            let means = best.accumulators.iter_mut().flatten();
            for (mean, a) in means.zip(evaluation.accumulators.iter().flatten()) {
                *mean += MEMORY * (a - *mean);
            }
            if evaluation.value < best.value {
                let gained = best.value - evaluation.value;
                failures = if gained > 0.1 * gap { 0 } else { failures + 1 };
                best.value = evaluation.value;
                best.multipliers.clone_from(&lambda);
                best.point.clone_from(&evaluation.point);
                best.coefficients.clear();
                best.coefficients.extend_from_slice(&evaluation.mu[1..]);
                best.inputs.clone_from(&evaluation.mu[0]);
            } else {
                failures += 1;
            }
            if failures >= STALL {
                failures = 0;
                gap *= LEVEL;
                tolerance = TOLERANCE * gap / neurons;
                lambda.clone_from(&best.multipliers);
                self.evaluate(region, relaxed, form, &lambda, tolerance, &mut evaluation);
                direction.clear();
                if gap < 1e-6 * scale {
                    break;
                }
            }
        }
        best
    }
}

fn inner(units: &[Vec<f64>], a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let terms = units.iter().flatten().zip(a.iter().flatten()).zip(b.iter().flatten());
    terms.map(|((unit, a), b)| unit * a * b).sum()
}
