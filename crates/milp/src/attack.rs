//! Searches for witnesses: steps of the straight-through gradient, and of single coordinates.

use nncert_bounds::fixed_point::{FixedPointBounder, IntegerRegion};
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::Requantization;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Progress, Property, Stage, Violation, Watch, Witness};

/// How hard an attack tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AttackOptions {
    /// Points that it starts from, for each violation.
    pub starts: usize,
    /// Gradient steps from each.
    pub steps: usize,
    /// Sweeps over all coordinates from the best.
    pub sweeps: usize,
    /// Of the random starts.
    pub seed: u64,
}

impl Default for AttackOptions {
    fn default() -> Self {
        Self { starts: 4, steps: 8, sweeps: 6, seed: 0 }
    }
}

/// A network made ready to be attacked on a region.
#[derive(Clone, Debug)]
pub struct Attacker<'a> {
    bounder: &'a FixedPointBounder<'a>,
    region: &'a IntegerRegion,
    property: &'a Property,
    /// The weights of the first layer, column by column.
    columns: Vec<i64>,
}

impl<'a> Attacker<'a> {
    /// Makes the network ready.
    #[must_use]
    pub fn new(
        bounder: &'a FixedPointBounder<'a>,
        region: &'a IntegerRegion,
        property: &'a Property,
    ) -> Self {
        let first = &bounder.network().layers()[0];
        let (inputs, outputs) = (first.inputs(), first.outputs());
        let entry = |index: usize| first.weights()[(index % outputs) * inputs + index / outputs];
        let columns = (0..inputs * outputs).map(entry).collect();
        Self { bounder, region, property, columns }
    }

    fn network(&self) -> &'a FixedPointNetwork {
        self.bounder.network()
    }

    /// Whether a point is a witness.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn replay(&self, x: &[i64]) -> Option<Witness> {
        Witness::replay(self.network(), self.region, self.property, x)
    }

    /// Searches for a witness of one of the `open` violations.
    ///
    /// Every start (the center, and random points of the region) follows the straight-through
    /// gradient of the violated rows to the farthest point of the region, again and again; the best
    /// point met is then climbed from ([`Attacker::climb`]).
    ///
    /// Guarantee: exact about what is found; that nothing is found means nothing.
    #[must_use]
    pub fn run(
        &self,
        open: &[usize],
        options: &AttackOptions,
        watch: &Watch<'_>,
    ) -> Option<Witness> {
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        if let Some(witness) = self.replay(self.region.center()) {
            return Some(witness);
        }
        for violation in open {
            let way = self.property.violations().get(*violation)?;
            let mut best = (f64::NEG_INFINITY, self.region.center().to_vec());
            for start in 0..options.starts {
                let progress =
                    Progress { stage: Stage::Attack, violation: *violation, nodes: start, open: 1 };
                if watch.stop(&progress).is_some() {
                    return None;
                }
                let mut x = if start == 0 {
                    self.region.center().to_vec()
                } else {
                    self.random(&mut random)
                };
                for _ in 0..options.steps {
                    let next = self.step(&x, way);
                    if let Some(witness) = self.replay(&next) {
                        return Some(witness);
                    }
                    let score = self.score(&next, way);
                    if score > best.0 {
                        best = (score, next.clone());
                    }
                    if next == x {
                        break;
                    }
                    x = next;
                }
            }
            if let Some(witness) = self.climb(best.1, way, options.sweeps, watch) {
                return Some(witness);
            }
        }
        None
    }

    /// A random point of the region: each coordinate at an end of its range, or where it was.
    fn random(&self, random: &mut ChaCha8Rng) -> Vec<i64> {
        let ends = self.region.coordinates().iter().zip(self.region.center());
        let point: Vec<f64> = ends
            .map(|(ends, u)| match random.random_range(0..3) {
                0 => ends.lower() as f64,
                1 => ends.upper() as f64,
                _ => *u as f64,
            })
            .collect();
        self.region.nearest(&point)
    }

    /// The point of the region that is farthest along the gradient at `x`.
    fn step(&self, x: &[i64], way: &Violation) -> Vec<i64> {
        let Ok(trace) = self.network().trace(x) else { return x.to_vec() };
        let accumulators: Vec<_> = trace.iter().skip(1).map(|layer| &*layer.accumulators).collect();
        let gradient = self.bounder.straight_through(&form(way), &accumulators);
        self.region.nearest(&self.region.support(&gradient).1)
    }

    fn score(&self, x: &[i64], way: &Violation) -> f64 {
        let first = self.network().layers()[0].neurons();
        let sums: Vec<i64> = first.map(|neuron| neuron.accumulate(x)).collect();
        self.score_at(&sums, way)
    }

    /// How close the rows of a violation are to being met, from the accumulators of the first
    /// layer: the least slack, and a little of what the clamped sums before rounding say.
    fn score_at(&self, first: &[i64], way: &Violation) -> f64 {
        let layers = self.network().layers();
        let mut sums = first.to_vec();
        for (layer, next) in layers.iter().zip(&layers[1..]) {
            let steps = layer.neurons().zip(&sums);
            let values: Vec<i64> = steps.map(|(n, a)| n.requantization.apply(*a)).collect();
            sums = next.neurons().map(|neuron| neuron.accumulate(&values)).collect();
        }
        let last = layers[layers.len() - 1].neurons().zip(&sums);
        let (outputs, smooth): (Vec<i64>, Vec<f64>) = last
            .map(|(n, a)| (n.requantization.apply(*a), before_rounding(n.requantization, *a)))
            .unzip();
        let slack = |row: &crate::Inequality| {
            let products = row.coefficients.iter().zip(&smooth);
            let sum: f64 = products.map(|(c, o)| *c as f64 * o).sum();
            row.slack(&outputs) as f64 + 0.5 * (sum - row.bound as f64)
        };
        way.rows.iter().map(slack).fold(f64::INFINITY, f64::min)
    }

    /// Moves single coordinates as long as that brings a violation closer, for at most so many
    /// sweeps.
    #[must_use]
    pub fn climb(
        &self,
        start: Vec<i64>,
        way: &Violation,
        sweeps: usize,
        watch: &Watch<'_>,
    ) -> Option<Witness> {
        let mut x = start;
        let first = &self.network().layers()[0];
        let width = first.outputs();
        let mut sums: Vec<i64> = first.neurons().map(|neuron| neuron.accumulate(&x)).collect();
        let mut best = self.score_at(&sums, way);
        let mut moved = vec![0; width];
        for _ in 0..sweeps {
            let before = best;
            let progress = Progress { stage: Stage::Attack, violation: 0, nodes: 0, open: 1 };
            if watch.stop(&progress).is_some() {
                return None;
            }
            for index in 0..x.len() {
                let range = self.region.coordinates()[index];
                let column = &self.columns[index * width..][..width];
                let old = x[index];
                for target in [range.lower(), range.upper(), self.region.center()[index]] {
                    let step = target - x[index];
                    if step == 0 {
                        continue;
                    }
                    for ((moved, sum), weight) in moved.iter_mut().zip(&sums).zip(column) {
                        *moved = sum + weight * step;
                    }
                    let score = self.score_at(&moved, way);
                    if score <= best {
                        continue;
                    }
                    let back = x[index];
                    x[index] = target;
                    if self.region.contains(&x) {
                        best = score;
                        sums.copy_from_slice(&moved);
                    } else {
                        x[index] = back;
                    }
                }
                if x[index] != old
                    && best >= 0.0
                    && let Some(witness) = self.replay(&x)
                {
                    return Some(witness);
                }
            }
            if best <= before {
                break;
            }
        }
        self.replay(&x)
    }
}

/// The sum of the rows of a violation, in floats.
pub(crate) fn form(way: &Violation) -> Vec<f64> {
    let width = way.rows.first().map_or(0, |row| row.coefficients.len());
    let mut sum = vec![0.0; width];
    for row in &way.rows {
        sum.iter_mut().zip(&row.coefficients).for_each(|(sum, c)| *sum += *c as f64);
    }
    sum
}

/// The value before it is rounded, clamped.
fn before_rounding(step: &Requantization, a: i64) -> f64 {
    let value = a as f64 * step.multiplier.value() + step.zero_point as f64;
    value.clamp(step.clamp.lower() as f64 - 0.5, step.clamp.upper() as f64 + 0.5)
}
