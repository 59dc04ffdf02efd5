//! Simulated annealing over inputs, on steps that are straightened less and less.

use nncert_bounds::fixed_point::{IntegerRegion, Norm};
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::{FixedPointLayer, IntegerInterval, Rounding};
use pulp::NullaryFnOnce;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Violation;
use crate::closeness::Closeness;

/// Neurons that are computed at once; layers are padded to a multiple.
const LANES: usize = 16;
/// After so many moves the sums are computed again: the steps have changed, and floats drift.
const ROUND: usize = 256;
/// The share of the moves after which no line is left.
const STEPS_ALONE: f32 = 0.9;
/// With more products than this a move, there are fewer moves.
const PRODUCTS: usize = 1 << 13;
/// What a move may lose, at first and at last, in units of an output.
const LOSS: [f32; 2] = [0.005, 0.0002];

/// A layer in floats.
#[derive(Clone, Debug)]
struct Smooth {
    /// A row for each neuron, padded with zeros.
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// Of each neuron: what its accumulator is multiplied by, and what is added before the value
    /// is rounded down; the least and the greatest value.
    scale: Vec<f32>,
    offset: Vec<f32>,
    lower: Vec<f32>,
    upper: Vec<f32>,
}

impl Smooth {
    /// `by_column`: a column for each input instead.
    fn new(layer: &FixedPointLayer, by_column: bool) -> Self {
        let (inputs, outputs) = (layer.inputs(), layer.outputs());
        let (wide, high) = (inputs.next_multiple_of(LANES), outputs.next_multiple_of(LANES));
        let mut weights = vec![0.0; if by_column { inputs * high } else { outputs * wide }];
        for (index, weight) in layer.weights().iter().enumerate() {
            let (row, column) = (index / inputs, index % inputs);
            let place = if by_column { column * high + row } else { row * wide + column };
            weights[place] = *weight as f32;
        }
        let steps = || layer.neurons().map(|neuron| neuron.requantization);
        let padded = |values: &mut dyn Iterator<Item = f32>| {
            let mut values: Vec<f32> = values.collect();
            values.resize(high, 0.0);
            values
        };
        let offset = |rounding: Rounding| if rounding == Rounding::Floor { 0.0 } else { 0.5 };
        Self {
            weights,
            bias: padded(&mut layer.bias().iter().map(|b| *b as f32)),
            scale: padded(&mut steps().map(|step| step.multiplier.value() as f32)),
            offset: padded(&mut steps().map(|step| step.zero_point as f32 + offset(step.rounding))),
            lower: padded(&mut steps().map(|step| step.clamp.lower() as f32)),
            upper: padded(&mut steps().map(|step| step.clamp.upper() as f32)),
        }
    }

    fn width(&self) -> usize {
        self.bias.len()
    }

    /// The values for accumulators, with so much of a straight line in place of each step.
    #[inline(always)]
    fn values(&self, sums: &[f32], line: f32, values: &mut [f32]) {
        let width = values.len();
        let steps = self.scale[..width].iter().zip(&self.offset[..width]);
        let clamps = self.lower[..width].iter().zip(&self.upper[..width]);
        let each = values.iter_mut().zip(&sums[..width]).zip(steps).zip(clamps);
        for (((value, sum), (scale, offset)), (lower, upper)) in each {
            let raised = sum * scale + offset;
            let step = raised.floor();
            *value = (step + line * (raised - 0.5 - step)).max(*lower).min(*upper);
        }
    }

    /// The accumulator of one neuron.
    #[inline(always)]
    fn sum(&self, neuron: usize, values: &[f32]) -> f32 {
        let row = &self.weights[neuron * values.len()..][..values.len()];
        let mut lanes = [0.0f32; LANES];
        for (row, values) in row.as_chunks::<LANES>().0.iter().zip(values.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                lanes[lane] += row[lane] * values[lane];
            }
        }
        let mut sum = self.bias[neuron];
        for lane in lanes {
            sum += lane;
        }
        sum
    }
}

/// A network and a region, ready for [`Annealer::run`].
#[derive(Clone, Debug)]
pub(crate) struct Annealer {
    layers: Vec<Smooth>,
    outputs: usize,
    center: Vec<i64>,
    ranges: Vec<IntegerInterval>,
    /// The inputs that can move, and change something.
    free: Vec<usize>,
    norm: Norm,
    budget: u128,
}

impl Annealer {
    pub(crate) fn new(network: &FixedPointNetwork, region: &IntegerRegion) -> Self {
        let first = |index| index == 0;
        let layers = network.layers().iter().enumerate();
        let layers: Vec<_> = layers.map(|(i, layer)| Smooth::new(layer, first(i))).collect();
        let (ranges, high) = (region.coordinates().to_vec(), layers[0].width());
        let matters = |input: &usize| {
            let column = &layers[0].weights[input * high..][..high];
            ranges[*input].lower() < ranges[*input].upper() && column.iter().any(|w| *w != 0.0)
        };
        let free = (0..ranges.len()).filter(matters).collect();
        let (norm, budget) = (region.norm(), region.budget());
        let (outputs, center) = (network.outputs(), region.center().to_vec());
        Self { layers, outputs, center, ranges, free, norm, budget }
    }

    /// Moves single inputs (pairs, where the norm wants it) from a point of the region: where that
    /// brings the violation closer, and at first also where it costs little. Every step of the
    /// network is mixed with a straight line, from the line alone down to none of it, so that there
    /// is a way up where the outputs are flat. Whatever seems to be a witness is shown to `replay`,
    /// which ends the search if it is one; so does `stop`. Else: the best point of the last moves.
    ///
    /// Sums are in floats, with the same bits everywhere; nothing rests on them.
    pub(crate) fn run<T>(
        &self,
        start: Vec<i64>,
        way: &Violation,
        (moves, seed): (usize, u64),
        replay: impl FnMut(&[i64]) -> Option<T>,
        stop: impl FnMut() -> bool,
    ) -> Result<T, Vec<i64>> {
        if self.free.is_empty() {
            return Err(start);
        }
        let mut walk = Walk::new(self, start, way);
        let (moves, random) = (self.affordable(moves), ChaCha8Rng::seed_from_u64(seed));
        let anneal = Anneal { walk: &mut walk, moves, random, replay, stop };
        pulp::Arch::new().dispatch(anneal).ok_or(walk.best)
    }

    /// Fewer moves where each takes long.
    fn affordable(&self, moves: usize) -> usize {
        let products: usize = self.layers[1..].iter().map(|layer| layer.weights.len()).sum();
        moves / (products / PRODUCTS).max(1)
    }
}

/// A point on its way.
struct Walk<'a> {
    of: &'a Annealer,
    way: Closeness,
    x: Vec<i64>,
    /// The best point since the steps are what they are.
    best: Vec<i64>,
    spent: u128,
    sums: Vec<f32>,
    moved: Vec<f32>,
    /// Scratch.
    values: Vec<Vec<f32>>,
    inner: Vec<f32>,
    real: Vec<f32>,
    rounded: Vec<f32>,
}

impl<'a> Walk<'a> {
    fn new(of: &'a Annealer, x: Vec<i64>, way: &Violation) -> Self {
        let hidden = &of.layers[..of.layers.len() - 1];
        let widest = of.layers.iter().map(Smooth::width).max().unwrap_or(0);
        let pay = |(x, center): (&i64, &i64)| of.norm.cost(x.abs_diff(*center));
        let spent = x.iter().zip(&of.center).map(pay).sum();
        let width = of.layers[0].width();
        Self {
            of,
            way: Closeness::new(way),
            best: x.clone(),
            x,
            spent,
            sums: vec![0.0; width],
            moved: vec![0.0; width],
            values: hidden.iter().map(|layer| vec![0.0; layer.width()]).collect(),
            inner: vec![0.0; widest],
            real: vec![0.0; of.outputs],
            rounded: vec![0.0; of.outputs],
        }
    }

    /// Computes the sums, and `moved` as where they are.
    #[inline(always)]
    fn again(&mut self) {
        let first = &self.of.layers[0];
        self.moved.copy_from_slice(&first.bias);
        for input in 0..self.x.len() {
            let x = self.x[input] as f32;
            if x != 0.0 {
                self.shift(input, x);
            }
        }
        self.sums.copy_from_slice(&self.moved);
    }

    /// Adds a move of one input to `moved`.
    #[inline(always)]
    fn shift(&mut self, input: usize, step: f32) {
        let width = self.moved.len();
        let column = &self.of.layers[0].weights[input * width..][..width];
        for (moved, weight) in self.moved.iter_mut().zip(column) {
            *moved += step * weight;
        }
    }

    /// How close `moved` is to the violation.
    #[inline(always)]
    fn score(&mut self, line: f32) -> f32 {
        let layers = &self.of.layers;
        let last = layers.len() - 1;
        for (index, layer) in layers[..last].iter().enumerate() {
            let (before, rest) = self.values.split_at_mut(index);
            let sums: &[f32] = match before.last() {
                None => &self.moved,
                Some(from) => {
                    let width = layer.bias.len();
                    let rows = layer.weights.len() / from.len().max(1);
                    for neuron in 0..rows {
                        self.inner[neuron] = layer.sum(neuron, from);
                    }
                    self.inner[rows..width].fill(0.0);
                    &self.inner
                }
            };
            layer.values(sums, line, &mut rest[0]);
        }
        let layer = &layers[last];
        for output in &self.way.outputs {
            let sum = match self.values.last() {
                None => self.moved[*output],
                Some(from) => layer.sum(*output, from),
            };
            let raised = sum * layer.scale[*output] + layer.offset[*output];
            self.real[*output] = raised - 0.5;
            let (lower, upper) = (layer.lower[*output], layer.upper[*output]);
            self.rounded[*output] = raised.floor().max(lower).min(upper);
        }
        let clamp = |output: usize| [layer.lower[output].into(), layer.upper[output].into()];
        self.way.at(|output| self.real[output].into(), clamp) as f32
    }

    /// Whether the outputs of the last score meet the violation.
    #[inline(always)]
    fn is_met(&self) -> bool {
        self.way.is_met(|output| self.rounded[output].into())
    }

    /// Another value for an input.
    #[inline(always)]
    fn target(&self, input: usize, draw: u32) -> Option<i64> {
        let (x, range) = (self.x[input], self.of.ranges[input]);
        let (lower, upper) = (range.lower(), range.upper());
        let target = match draw % 4 {
            0 if x == upper => lower,
            0 => upper,
            1 if x == lower => upper,
            1 => lower,
            2 => x - 1,
            _ => x + 1,
        };
        (target != x && range.contains(target)).then_some(target)
    }

    /// What the coordinates cost after a move, and what must be taken back for it to stay in the
    /// region: another input and its value.
    #[inline(always)]
    fn pay(
        &self,
        input: usize,
        target: i64,
        random: &mut ChaCha8Rng,
    ) -> Option<(u128, Option<(usize, i64)>)> {
        let Annealer { norm, budget, free, center, .. } = self.of;
        if *norm == Norm::Linf {
            return Some((0, None));
        }
        // Distances are at most 2^31.
        let cost = |input: usize, x: i64| norm.cost(x.abs_diff(center[input]));
        let spent = self.spent - cost(input, self.x[input]) + cost(input, target);
        if spent <= *budget {
            return Some((spent, None));
        }
        for _ in 0..16 {
            let other = free[random.random_range(0..free.len())];
            let (x, center) = (self.x[other], center[other]);
            let others = spent - cost(other, x);
            if other == input || x == center || others > *budget {
                continue;
            }
            let kept = norm.kept(budget - others).cast_signed();
            let back = if x > center { center + kept } else { center - kept };
            return Some((others + cost(other, back), Some((other, back))));
        }
        None
    }
}

/// A walk with vector instructions.
struct Anneal<'w, 'a, R, S> {
    walk: &'w mut Walk<'a>,
    moves: usize,
    random: ChaCha8Rng,
    replay: R,
    stop: S,
}

impl<T, R, S> NullaryFnOnce for Anneal<'_, '_, R, S>
where
    R: FnMut(&[i64]) -> Option<T>,
    S: FnMut() -> bool,
{
    type Output = Option<T>;

    #[inline(always)]
    fn call(self) -> Option<T> {
        let Self { walk, moves, mut random, mut replay, mut stop } = self;
        let free = &walk.of.free;
        let (mut line, mut loss, mut now, mut best) = (0.0, 0.0, 0.0, f32::NEG_INFINITY);
        for step in 0..moves {
            if step % ROUND == 0 {
                if stop() {
                    return None;
                }
                let done = step as f32 / moves as f32;
                let left = (1.0 - done / STEPS_ALONE).max(0.0);
                line = left * left;
                loss = LOSS[0] * libm::powf(LOSS[1] / LOSS[0], done);
                walk.again();
                now = walk.score(line);
            }
            let draw: u32 = random.random();
            let place = (u64::from(draw >> 2) * free.len() as u64) >> 30;
            let input = free[place as usize];
            let Some(target) = walk.target(input, draw) else { continue };
            let Some((spent, other)) = walk.pay(input, target, &mut random) else { continue };
            walk.moved.copy_from_slice(&walk.sums);
            walk.shift(input, (target - walk.x[input]) as f32);
            if let Some((other, back)) = other {
                walk.shift(other, (back - walk.x[other]) as f32);
            }
            let score = walk.score(line);
            let is_met = line == 0.0 && walk.is_met();
            if score < now && !is_met {
                let luck: f32 = random.random();
                if now - score > -loss * libm::logf(luck.max(1e-6)) {
                    continue;
                }
            }
            walk.x[input] = target;
            if let Some((other, back)) = other {
                walk.x[other] = back;
            }
            (walk.spent, now) = (spent, score);
            core::mem::swap(&mut walk.sums, &mut walk.moved);
            if line > 0.0 {
                continue;
            }
            if score > best {
                best = score;
                walk.best.copy_from_slice(&walk.x);
            }
            if is_met && let Some(found) = replay(&walk.x) {
                return Some(found);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, dmatrix};
    use nncert_bounds::fixed_point::FixedPointBounder;
    use nncert_core::fixed_point::{Format, Multiplier, Requantization};
    use proptest::prelude::*;

    use super::*;
    use crate::strategies::{Asked, question};
    use crate::{Attacker, Property, Watch};

    proptest! {
        #[test]
        fn a_walk_stays_in_the_region(asked in question(), seed: u64) {
            let Asked { network, region, property } = asked;
            let annealer = Annealer::new(&network, &region);
            for way in property.violations() {
                let start = region.center().to_vec();
                let seen = |x: &[i64]| {
                    assert!(region.contains(x), "{x:?} is outside");
                    None::<()>
                };
                let best = annealer.run(start, way, (3000, seed), seen, || false).unwrap_err();
                prop_assert!(region.contains(&best));
            }
        }
    }

    /// `o_1 = round((x_1 + .. + x_16) / 16) > o_0 = 0`: flat until half of the inputs have moved.
    #[test]
    fn a_line_leads_over_flat_steps() {
        let layer = |weights: DMatrix<i64>, shift| {
            let step = Requantization {
                multiplier: Multiplier::power_of_two(shift).unwrap(),
                rounding: Rounding::HalfUp,
                zero_point: 0,
                clamp: IntegerInterval::new(0, 15).unwrap(),
            };
            let bias = vec![0; weights.nrows()];
            FixedPointLayer::new(&weights, bias, vec![step]).unwrap()
        };
        let hidden = layer(DMatrix::repeat(1, 16, 1), 4);
        let layers = vec![hidden, layer(dmatrix![0; 1], 0)];
        let network = FixedPointNetwork::new(Format::unsigned(1, 0).unwrap(), layers).unwrap();
        let property = Property::same_class(2, 0).unwrap();
        let (way, watch) = (&property.violations()[0], Watch::default());
        let bounder = FixedPointBounder::new(&network);
        for (norm, least) in [(Norm::Linf, 1), (Norm::L0, 8), (Norm::L1, 8), (Norm::L2, 3)] {
            let region = IntegerRegion::around(&network, vec![0; 16], norm, least).unwrap();
            let attacker = Attacker::new(&bounder, &region, &property);
            assert!(attacker.climb(vec![0; 16], way, 20, &watch).is_none());
            let witness = attacker.anneal(vec![0; 16], way, 20_000, 1, &watch);
            assert!(witness.is_some_and(|witness| witness.outputs[1] == 1), "{norm:?}");
        }
    }
}
