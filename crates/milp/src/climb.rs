//! Sweeps over single coordinates, fast: only what a move changes is computed again.

use nncert_bounds::fixed_point::IntegerRegion;
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::{Requantization, Rounding};

use crate::closeness::Closeness;
use crate::{Inequality, Violation};

/// A step function, with the frequent case first.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A shift that rounds halves up or downward.
    Shift { half: i64, shift: u32, zero: i64, clamp: (i64, i64) },
    /// Any other.
    Any(Requantization),
}

impl Step {
    fn of(step: &Requantization) -> Self {
        let shift = u32::try_from(step.multiplier.shift()).ok().filter(|shift| *shift < 40);
        let half = shift.and_then(|shift| match step.rounding {
            Rounding::Floor => Some(0),
            Rounding::HalfUp => Some((1i64 << shift) / 2),
            _ => None,
        });
        match (shift, half) {
            (Some(shift), Some(half)) if step.multiplier.is_power_of_two() => {
                let clamp = (step.clamp.lower(), step.clamp.upper());
                Self::Shift { half, shift, zero: step.zero_point, clamp }
            }
            _ => Self::Any(*step),
        }
    }

    fn apply(&self, a: i64) -> i64 {
        match self {
            Self::Shift { half, shift, zero, clamp } => {
                let rounded = a.saturating_add(*half) >> shift;
                rounded.saturating_add(*zero).clamp(clamp.0, clamp.1)
            }
            Self::Any(step) => step.apply(a),
        }
    }
}

/// A violation of a network, ready to be scored from the accumulators of the first layer.
#[derive(Clone, Debug)]
pub(crate) struct Score<'a> {
    network: &'a FixedPointNetwork,
    rows: &'a [Inequality],
    steps: Vec<Vec<Step>>,
    closeness: Closeness,
    /// Scratch.
    values: Vec<i64>,
    next: Vec<i64>,
}

impl<'a> Score<'a> {
    pub(crate) fn new(network: &'a FixedPointNetwork, way: &'a Violation) -> Self {
        let steps = network
            .layers()
            .iter()
            .map(|layer| layer.neurons().map(|neuron| Step::of(neuron.requantization)).collect())
            .collect();
        let (closeness, values, next) = (Closeness::new(way), Vec::new(), Vec::new());
        Self { network, rows: &way.rows, steps, closeness, values, next }
    }

    /// How close the rows are to being met: at least 0 if and only if all are.
    ///
    /// Where some row is not met it is minus how far the outputs are from it, and half of that before
    /// rounding and clamps, which goes on where outputs are flat; for a pair, by the nearest side.
    pub(crate) fn at(&mut self, first: &[i64]) -> f64 {
        let layers = self.network.layers();
        let last = layers.len() - 1;
        self.next.clear();
        self.next.extend_from_slice(first);
        for (layer, steps) in layers[1..].iter().zip(&self.steps) {
            self.values.clear();
            self.values.extend(steps.iter().zip(&self.next).map(|(step, a)| step.apply(*a)));
            self.next.clear();
            if core::ptr::eq(layer, &layers[last]) {
                // Others count for nothing.
                self.next.resize(layer.outputs(), 0);
                for output in &self.closeness.outputs {
                    self.next[*output] = layer.neuron(*output).accumulate(&self.values);
                }
            } else {
                self.next.extend(layer.neurons().map(|neuron| neuron.accumulate(&self.values)));
            }
        }
        let sums = &self.next;
        let real = |output: usize| {
            let step = layers[last].neuron(output).requantization;
            sums[output] as f64 * step.multiplier.value() + step.zero_point as f64
        };
        let mut exact = i128::MAX;
        for row in self.rows {
            let terms = self.closeness.outputs.iter();
            let sum: i128 = terms
                .map(|output| {
                    let value = self.steps[last][*output].apply(sums[*output]);
                    i128::from(row.coefficients[*output]) * i128::from(value)
                })
                .sum();
            exact = exact.min(sum - i128::from(row.bound));
        }
        if exact >= 0 {
            return exact as f64;
        }
        let clamp = |output: usize| {
            let clamp = layers[last].neuron(output).requantization.clamp;
            [clamp.lower() as f64, clamp.upper() as f64]
        };
        // Rows that are not met may be so by rounding alone.
        exact as f64 + 0.5 * (self.closeness.at(real, clamp).min(2.0) - 2.0)
    }
}

/// A point of a region, with its accumulators in the first layer.
#[derive(Clone, Debug)]
pub(crate) struct Climber<'a> {
    region: &'a IntegerRegion,
    /// The weights of the first layer, column by column.
    columns: &'a [i64],
    pub(crate) score: Score<'a>,
    pub(crate) x: Vec<i64>,
    sums: Vec<i64>,
    moved: Vec<i64>,
    pub(crate) best: f64,
}

impl<'a> Climber<'a> {
    pub(crate) fn new(
        region: &'a IntegerRegion,
        columns: &'a [i64],
        mut score: Score<'a>,
        x: Vec<i64>,
    ) -> Self {
        let first = score.network.layers()[0].neurons();
        let sums: Vec<i64> = first.map(|neuron| neuron.accumulate(&x)).collect();
        let best = score.at(&sums);
        let moved = vec![0; sums.len()];
        Self { region, columns, score, x, sums, moved, best }
    }

    fn shift(&mut self, index: usize, step: i64) {
        let column = &self.columns[index * self.sums.len()..][..self.sums.len()];
        for ((moved, sum), weight) in self.moved.iter_mut().zip(&self.sums).zip(column) {
            *moved = sum + weight * step;
        }
    }

    /// Moves every coordinate in turn to where the score is greater; `false` if nothing moved.
    pub(crate) fn sweep(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.x.len() {
            let (range, center) = (self.region.coordinates()[index], self.region.center()[index]);
            let x = self.x[index];
            for target in [range.lower(), range.upper(), center, x - 1, x + 1] {
                let back = self.x[index];
                if target == back || !range.contains(target) {
                    continue;
                }
                self.shift(index, target - back);
                let score = self.score.at(&self.moved);
                if score <= self.best {
                    continue;
                }
                self.x[index] = target;
                if self.region.contains(&self.x) {
                    (self.best, any) = (score, true);
                    core::mem::swap(&mut self.sums, &mut self.moved);
                } else {
                    self.x[index] = back;
                }
                if self.best >= 0.0 {
                    return any;
                }
            }
        }
        any
    }
}
