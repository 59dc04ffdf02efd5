//! The dual function along the multiplier of one neuron.

use nncert_core::fixed_point::IntegerInterval;

use super::bounder::staircases;
use super::staircase::Stairs;
use super::{Ascent, FixedPointBounder, IntegerBounds, IntegerRegion, Norm};

/// Evaluations of a line search.
const EVALUATIONS: usize = 24;

/// Searches along single multipliers, for a network and a region.
///
/// A change of one multiplier changes the coefficients before its layer by a multiple of one row, so
/// that an evaluation costs a row and not all weights.
#[derive(Clone, Debug)]
pub struct LineSearch<'a> {
    bounder: &'a FixedPointBounder<'a>,
    region: &'a IntegerRegion,
    /// The least and greatest input, where the region is a box.
    ends: Option<(Vec<f64>, Vec<f64>)>,
}

/// What a line search found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Along {
    /// By how much the bound falls.
    pub gain: f64,
    /// The multiplier at which it does.
    pub multiplier: f64,
}

/// A point of a convex function: argument, value, derivative.
#[derive(Clone, Copy, Debug)]
struct Tangent {
    at: f64,
    value: f64,
    slope: f64,
}

impl Tangent {
    /// Where two tangents meet.
    fn meets(self, other: Self) -> f64 {
        let intercept = |tangent: Self| tangent.value - tangent.slope * tangent.at;
        (intercept(other) - intercept(self)) / (self.slope - other.slope)
    }
}

impl<'a> LineSearch<'a> {
    /// Makes a region ready.
    #[must_use]
    pub fn new(bounder: &'a FixedPointBounder<'a>, region: &'a IntegerRegion) -> Self {
        let ends = (region.norm() == Norm::Linf).then(|| {
            let ranges = region.coordinates().iter();
            ranges.map(|range| (range.lower() as f64, range.upper() as f64)).unzip()
        });
        Self { bounder, region, ends }
    }

    /// By how much a bound falls when the range of one neuron becomes `part`, and the multiplier of
    /// that neuron alone follows.
    ///
    /// ```text
    /// min over λ of  max { μ y - λ a : y = step(a), a in part } + λ b + G(ν + (λ - λ_0) W_j)
    /// ```
    ///
    /// `G` is what the layers before contribute with their multipliers as they are: the support
    /// function of the region, or the staircases of the layer before. The sum is convex in
    /// `λ`; tangents bracket its minimum. The search ends when the bound is below
    /// `target`.
    ///
    /// Guarantee: heuristic; [`FixedPointBounder::prove`] says what the multipliers prove.
    ///
    /// # Panics
    ///
    /// When `ascent` is not about this network, or there is no such neuron.
    #[must_use]
    pub fn cut(
        &self,
        bounds: &IntegerBounds,
        ascent: &Ascent,
        (layer, neuron): (usize, usize),
        part: IntegerInterval,
        target: f64,
    ) -> Along {
        let step = self.bounder.network().layers()[layer].neuron(neuron).requantization;
        let (mu, start) = (ascent.coefficients[layer][neuron], ascent.multipliers[layer][neuron]);
        let (row, bias) = self.bounder.row(layer, neuron);
        let stairs = |range| Stairs::new(step, range);
        // What the layers before contribute is compared between the same two multipliers.
        let before: Vec<Stairs> = match layer {
            0 => Vec::new(),
            _ => staircases(self.bounder.network(), bounds, layer - 1),
        };
        let rest = |move_by: f64| -> (f64, f64) {
            let Some(previous) = layer.checked_sub(1) else {
                return self.support(&ascent.inputs, row, move_by);
            };
            let (nu, lambda) = (&ascent.coefficients[previous], &ascent.multipliers[previous]);
            let (mut value, mut slope) = (0.0, 0.0);
            for (((stairs, nu), lambda), weight) in before.iter().zip(nu).zip(lambda).zip(row) {
                let (term, y) = stairs.largest(nu + move_by * weight, *lambda);
                value += term;
                slope += weight * y.1;
            }
            (value, slope)
        };
        let whole = stairs(bounds.accumulators[layer][neuron]);
        let old = whole.largest(mu, start).0 + start * bias + rest(0.0).0;
        let needed = old - (ascent.value - target);
        let part = stairs(part);
        let evaluate = |lambda: f64| {
            let (term, (a, _)) = part.largest(mu, lambda);
            let (value, slope) = rest(lambda - start);
            Tangent { at: lambda, value: term + lambda * bias + value, slope: bias - a + slope }
        };
        let best = descend(evaluate, start, mu.abs() * step.multiplier.value(), needed);
        Along { gain: old - best.value, multiplier: best.at }
    }

    /// The support function of the region at `c + t w`, and its derivative by `t`.
    fn support(&self, c: &[f64], w: &[f64], t: f64) -> (f64, f64) {
        let Some((lower, upper)) = &self.ends else {
            let moved: Vec<f64> = c.iter().zip(w).map(|(c, w)| c + t * w).collect();
            let (value, point) = self.region.support(&moved);
            return (value, point.iter().zip(w).map(|(x, w)| x * w).sum());
        };
        pulp::Arch::new().dispatch(|| {
            const LANES: usize = 8;
            let (mut values, mut slopes) = ([0.0; LANES], [0.0; LANES]);
            let whole = c.len() - c.len() % LANES;
            for from in (0..whole).step_by(LANES) {
                let part = from..from + LANES;
                let (c, w) = (&c[part.clone()], &w[part.clone()]);
                let (lower, upper) = (&lower[part.clone()], &upper[part]);
                for lane in 0..LANES {
                    let m = c[lane] + t * w[lane];
                    let x = if m > 0.0 { upper[lane] } else { lower[lane] };
                    values[lane] += m * x;
                    slopes[lane] += w[lane] * x;
                }
            }
            let (mut value, mut slope): (f64, f64) = (values.iter().sum(), slopes.iter().sum());
            for index in whole..c.len() {
                let m = c[index] + t * w[index];
                let x = if m > 0.0 { upper[index] } else { lower[index] };
                value += m * x;
                slope += w[index] * x;
            }
            (value, slope)
        })
    }
}

/// Minimises a convex function from a start, in steps of about `unit` at first, until it is below
/// `target`.
fn descend(evaluate: impl Fn(f64) -> Tangent, start: f64, unit: f64, target: f64) -> Tangent {
    let mut near = evaluate(start);
    let mut best = near;
    let mut far: Option<Tangent> = None;
    let mut step = -near.slope.signum() * (0.5 * unit).max(1e-3 * start.abs()).max(1e-9);
    for _ in 1..EVALUATIONS {
        if best.value < target || near.slope == 0.0 {
            break;
        }
        let at = match far {
            None => near.at + step,
            Some(far) => near.meets(far),
        };
        let next = evaluate(at);
        if next.value < best.value {
            best = next;
        }
        match &mut far {
            None if next.slope * near.slope > 0.0 => {
                near = next;
                step *= 2.0;
            }
            None => far = Some(next),
            Some(far) => {
                // No tangent is above the function.
                let model = near.value + near.slope * (at - near.at);
                let above = next.value - model;
                if above.is_nan() || above <= 1e-6 * model.abs().max(1.0) {
                    break;
                }
                if next.slope * near.slope > 0.0 { near = next } else { *far = next }
            }
        }
    }
    best
}
