//! Searches for witnesses: steps of the straight-through gradient, annealing, and single coordinates.

use std::sync::OnceLock;

use nalgebra::DMatrix;
use nncert_bounds::fixed_point::{FixedPointBounder, IntegerRegion};
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::FixedPointEvaluator;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::anneal::Annealer;
use crate::climb::{Climber, Score};
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
    /// Moves of simulated annealing from the best, for the first violation; half as many for the
    /// next, and so on.
    pub moves: usize,
    /// Of the random starts.
    pub seed: u64,
}

impl Default for AttackOptions {
    fn default() -> Self {
        Self { starts: 4, steps: 8, sweeps: 6, moves: 200_000, seed: 0 }
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
    annealer: OnceLock<Annealer>,
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
        Self { bounder, region, property, columns, annealer: OnceLock::new() }
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
    /// gradient of the violated rows to the farthest point of the region, again and again, all
    /// starts of all violations in one batch; the best point met of each violation is
    /// then annealed ([`Attacker::anneal`]) and climbed from ([`Attacker::climb`]).
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
        let ways = self.property.violations();
        let ways: Vec<&Violation> = open.iter().filter_map(|way| ways.get(*way)).collect();
        let best = match self.follow(&ways, options, &mut random, watch) {
            Ok(best) => best,
            Err(witness) => return witness,
        };
        let mut moves = options.moves;
        for ((way, index), best) in ways.iter().zip(open).zip(best) {
            let progress =
                Progress { stage: Stage::Attack, violation: *index, nodes: 0, open: ways.len() };
            if watch.stop(&progress).is_some() {
                return None;
            }
            let seed = options.seed.wrapping_add(*index as u64);
            let found = self.anneal(best.clone(), way, moves, seed, watch);
            let found = found.or_else(|| self.climb(best, way, options.sweeps, watch));
            if found.is_some() {
                return found;
            }
            moves /= 2;
        }
        None
    }

    /// Simulated annealing from a point of the region, for so many moves of single coordinates.
    ///
    /// Outputs are flat nearly everywhere, so that a search sees little of what a move is
    /// worth. Here every step function is mixed with the line through its middle: from the line
    /// alone, which has slopes, down to the step alone, in nine tenths of the moves. A move that
    /// loses `Δ` is taken with probability `exp(-Δ / T)`, where `T` falls from 0.005 of an output's
    /// unit to 0.0002. In L0, L1 and L2 a second coordinate goes back toward the center where the
    /// radius is spent.
    ///
    /// Guarantee: exact about what is found, and the same for the same seed; that nothing is
    /// found means nothing. Networks with more than 8192 products after the first layer get fewer
    /// moves, in proportion.
    #[must_use]
    pub fn anneal(
        &self,
        start: Vec<i64>,
        way: &Violation,
        moves: usize,
        seed: u64,
        watch: &Watch<'_>,
    ) -> Option<Witness> {
        let annealer = self.annealer.get_or_init(|| Annealer::new(self.network(), self.region));
        let progress = Progress { stage: Stage::Attack, violation: 0, nodes: 0, open: 1 };
        let stop = || watch.stop(&progress).is_some();
        match annealer.run(start, way, (moves, seed), |x| self.replay(x), stop) {
            Ok(witness) => Some(witness),
            Err(best) => self.climb(best, way, 4, watch),
        }
    }

    /// Follows gradients from all starts at once: the best point of each violation, or what ended
    /// the search.
    fn follow(
        &self,
        ways: &[&Violation],
        options: &AttackOptions,
        random: &mut ChaCha8Rng,
        watch: &Watch<'_>,
    ) -> Result<Vec<Vec<i64>>, Option<Witness>> {
        let mut evaluator = FixedPointEvaluator::new(self.network());
        let mut best = vec![(f64::NEG_INFINITY, self.region.center().to_vec()); ways.len()];
        let mut scores: Vec<_> = ways.iter().map(|way| Score::new(self.network(), way)).collect();
        // For each violation, and each start: the form that is followed, and where it is.
        let mut points: Vec<(usize, Vec<f64>, Vec<i64>)> = Vec::new();
        for (index, way) in ways.iter().enumerate() {
            for start in 0..options.starts {
                let x = if start < 3 { self.region.center().to_vec() } else { self.random(random) };
                points.push((index, side(way, start), x));
            }
        }
        for step in 0..options.steps {
            let progress =
                Progress { stage: Stage::Attack, violation: 0, nodes: step, open: points.len() };
            if watch.stop(&progress).is_some() {
                return Err(None);
            }
            points.retain_mut(|(_, form, x)| {
                let next = self.step(x, form);
                core::mem::replace(x, next) != *x
            });
            if points.is_empty() {
                break;
            }
            let columns: Vec<_> = points.iter().flat_map(|(_, _, x)| x.iter().copied()).collect();
            let batch = DMatrix::from_vec(self.network().inputs(), points.len(), columns);
            // Points of the region are inputs of the network.
            let Ok(outputs) = evaluator.evaluate(&batch) else { return Err(None) };
            for ((index, _, x), outputs) in points.iter().zip(outputs.column_iter()) {
                if self.property.violation(outputs.as_slice()).is_some()
                    && let Some(witness) = self.replay(x)
                {
                    return Err(Some(witness));
                }
                let score = self.score(x, &mut scores[*index]);
                if score > best[*index].0 {
                    best[*index] = (score, x.clone());
                }
            }
        }
        Ok(best.into_iter().map(|(_, x)| x).collect())
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

    /// The point of the region that is farthest along the gradient of a form at `x`.
    fn step(&self, x: &[i64], form: &[f64]) -> Vec<i64> {
        let Ok(trace) = self.network().trace(x) else { return x.to_vec() };
        let accumulators: Vec<_> = trace.iter().skip(1).map(|layer| &*layer.accumulators).collect();
        let gradient = self.bounder.straight_through(form, &accumulators);
        self.region.nearest(&self.region.support(&gradient).1)
    }

    fn score(&self, x: &[i64], score: &mut Score<'_>) -> f64 {
        let first = self.network().layers()[0].neurons();
        let sums: Vec<i64> = first.map(|neuron| neuron.accumulate(x)).collect();
        score.at(&sums)
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
        let score = Score::new(self.network(), way);
        let mut climber = Climber::new(self.region, &self.columns, score, start);
        for _ in 0..sweeps {
            let progress = Progress { stage: Stage::Attack, violation: 0, nodes: 0, open: 1 };
            if watch.stop(&progress).is_some() {
                return None;
            }
            let moved = climber.sweep();
            if climber.best >= 0.0
                && let Some(witness) = self.replay(&climber.x)
            {
                return Some(witness);
            }
            if !moved {
                break;
            }
        }
        self.replay(&climber.x)
    }
}

/// The form that a start follows: the rows, or only what they want more of, or less.
fn side(way: &Violation, start: usize) -> Vec<f64> {
    let mut form = form(way);
    match start {
        1 => form.iter_mut().for_each(|c| *c = c.min(0.0)),
        2 => form.iter_mut().for_each(|c| *c = c.max(0.0)),
        _ => {}
    }
    form
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
