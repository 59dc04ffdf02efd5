//! The state of a joint pass: two networks in step, and their difference.

use nncert_core::{Activation, Interval};

use crate::BoundsError;
use crate::activation::{
    activation_difference_faces, activation_difference_interval, hull, is_linear_on, minus,
};
use crate::alpha::AlphaOptions;
use crate::alpha_difference::{Freedom, mixing_charge, other_faces};
use crate::chain::{Chain, is_alive, lines};
use crate::crown::How;
use crate::dense::Image;
use crate::differential::PairBounds;
use crate::envelope::Envelope;
use crate::graph::{Gate, PairGraph, Stage, StageDifference};
use crate::influence::{Influence, face_gap, line_gap};
use crate::intervals::Intervals;
use crate::joint_refine::{Triple, tighten_difference};
use crate::kernel::{Before, GateFaces, Toll, padded};
use crate::linear::Compact;
use crate::relaxations::Relaxations;
use crate::relu::{Face, Faces, relu_difference_interval};
use crate::rows::{Rows, Side};
use crate::scratch::Scratch;
use crate::selection::Selection;
use crate::slots::Slots;

/// Both networks and the difference on some boxes, as far as they have been relaxed.
///
/// The two chains keep the same neurons, those that are not dead in both networks,
/// so that the weights of one serve the other.
pub(crate) struct Joint<'a> {
    pair: &'a PairGraph<'a>,
    pub(crate) original: Chain<'a>,
    pub(crate) compressed: Chain<'a>,
    pub(crate) steps: Slots<JointStep>,
    /// The bounds of `δ̂` of every value, padded, box by box.
    pub(crate) differences: Slots<Slots<Intervals>>,
    /// Multiplications in matrix products so far, beside those of the chains.
    pub(crate) products: u64,
    /// Whether most differences were coarse in the stage before.
    pub(crate) coarse: bool,
    /// What the bounds of each box owe to each input; empty when it is not asked for.
    pub(crate) influence: Vec<Influence>,
    pub(crate) how: How,
    /// How many neurons may still have rows.
    pub(crate) left: usize,
}

/// The next stage before its gates are relaxed, box by box.
#[derive(Debug, Default)]
pub(crate) struct JointPending {
    pub(crate) original: Slots<Image>,
    pub(crate) compressed: Slots<Image>,
    /// The bounds of `δ` so far.
    pub(crate) difference: Slots<Image>,
}

/// What a relaxed stage of the pair has beside those of the two chains.
#[derive(Debug, Default)]
pub(crate) struct JointStep {
    /// `L - L'` of every term; `None` where that is zero.
    pub(crate) differences: Vec<Option<Compact>>,
    pub(crate) faces: Slots<GateFaces>,
    pub(crate) tolls: Vec<Toll>,
    /// What rows may choose on each box; nothing unless they are to.
    pub(crate) freedom: Slots<Freedom>,
}

/// What a joint pass keeps of the stages behind it.
#[derive(Debug, Default)]
pub(crate) struct JointRelaxed {
    steps: Slots<JointStep>,
    differences: Slots<Slots<Intervals>>,
}

impl<'a> Joint<'a> {
    pub(crate) fn new(
        pair: &'a PairGraph<'a>,
        input: &'a [Intervals],
        how: How,
        scratch: &mut Scratch,
    ) -> Self {
        let JointRelaxed { mut steps, mut differences } = core::mem::take(&mut scratch.joint);
        steps.clear();
        differences.clear();
        let mut none = differences.spare();
        none.clear();
        for input in input {
            let mut zeros = none.spare();
            zeros.fill_zeros(input.len());
            none.push(zeros);
        }
        differences.push(none);
        let mut joint = Self {
            pair,
            original: Chain::new(0, &pair.original, input, how.rounding, scratch),
            compressed: Chain::new(1, &pair.compressed, input, how.rounding, scratch),
            steps,
            differences,
            products: 0,
            coarse: false,
            influence: Vec::new(),
            how,
            left: how.rows,
        };
        joint.original.free = how.alpha.is_some();
        joint.compressed.free = how.alpha.is_some();
        joint
    }

    /// Bounds some outputs, or all of them, on every box: one result for each.
    pub(crate) fn run(
        &mut self,
        outputs: Option<&[usize]>,
        results: &mut [PairBounds],
        scratch: &mut Scratch,
    ) -> Result<(), BoundsError> {
        let mut layer = core::mem::take(&mut scratch.joint_images);
        loop {
            self.pending(&mut layer, scratch)?;
            let Some(gate) = self.original.gate() else { break };
            if let (Gate::Activation(activation), 1..) = (gate, self.left) {
                self.refine(&mut layer, activation, scratch);
            }
            self.pass(&layer, gate, scratch);
        }
        let mut chosen = Selection::new(scratch);
        let width = self.original.stage().width;
        for _ in 0..results.len() {
            match outputs {
                Some(outputs) => chosen.push(outputs.iter().copied()),
                None => chosen.push(0..width),
            }
        }
        self.outputs(&mut layer, &chosen, results, scratch);
        chosen.recycle(scratch);
        scratch.joint_images = layer;
        self.recycle(scratch);
        Ok(())
    }

    /// Gives back what it holds.
    fn recycle(&mut self, scratch: &mut Scratch) {
        self.original.recycle(scratch);
        self.compressed.recycle(scratch);
        for step in &mut *self.steps {
            step.differences.drain(..).flatten().for_each(|map| map.recycle(scratch));
        }
        let (steps, differences) = (&mut self.steps, &mut self.differences);
        let (steps, differences) = (core::mem::take(steps), core::mem::take(differences));
        scratch.joint = JointRelaxed { steps, differences };
    }

    /// The next stage of both networks, and how they differ.
    pub(crate) fn stage(&self) -> (&'a Stage<'a>, &'a Stage<'a>, &'a StageDifference<'a>) {
        let index = self.steps.len();
        let PairGraph { original, compressed, differences } = self.pair;
        (&original.stages[index], &compressed.stages[index], &differences[index])
    }

    fn pending(&self, layer: &mut JointPending, scratch: &mut Scratch) -> Result<(), BoundsError> {
        self.original.pending(&mut layer.original, scratch)?;
        self.compressed.pending(&mut layer.compressed, scratch)?;
        layer.difference.clear();
        for (index, (x, y)) in layer.original.iter().zip(&*layer.compressed).enumerate() {
            let mut image = layer.difference.spare();
            self.difference(&mut image, index, (x, y), scratch)?;
            layer.difference.push(image);
        }
        Ok(())
    }

    /// The interval bounds of the difference on a box.
    fn difference(
        &self,
        image: &mut Image,
        index: usize,
        (x, y): (&Image, &Image),
        scratch: &mut Scratch,
    ) -> Result<(), BoundsError> {
        let (stage, copy, difference) = self.stage();
        let terms = stage.terms.iter().zip(&copy.terms).zip(&difference.maps);
        let terms = terms.flat_map(|((term, copy), map)| {
            let value = &self.original.values[term.value];
            let change = (map.as_ref(), &value.live[..], &value.bounds[index]);
            // The input does not differ.
            let carried =
                (copy.map.as_ref(), &value.live[..], &self.differences[term.value][index]);
            let change = map.is_some().then_some(change);
            change.into_iter().chain((term.value > 0).then_some(carried))
        });
        image.fill(&difference.bias, terms, (x.unit, self.original.outward), scratch);
        image.check_finite(stage.layer)?;
        for neuron in 0..image.bounds.len() {
            image.tighten(neuron, minus(x.bounds.get(neuron), y.bounds.get(neuron)));
        }
        if let Some(largest) = &stage.largest {
            // Maxima differ by no more than what they are taken of.
            let differences = &self.differences[largest.value][index];
            for (neuron, window) in largest.windows.iter().enumerate() {
                image.tighten(neuron, differences.hull(window));
            }
        }
        image.underflow += x.underflow;
        Ok(())
    }

    /// Bounds some outputs of the pending stage.
    fn outputs(
        &mut self,
        layer: &mut JointPending,
        outputs: &Selection,
        results: &mut [PairBounds],
        scratch: &mut Scratch,
    ) {
        let how = self.how.alpha.map(|options| (options.iterations, options));
        let f = refine_chain(&mut self.original, &mut layer.original, outputs, how, scratch);
        let g = refine_chain(&mut self.compressed, &mut layer.compressed, outputs, how, scratch);
        let joint = match &how {
            Some((steps, options)) => self.bound(layer, outputs, Some((*steps, options)), scratch),
            None => self.output_rows(layer, outputs, scratch),
        };
        self.products += joint.products;
        let (input, outward) = (self.original.input, self.original.outward);
        let apart = f.minus(&g, input, scratch);
        let [by_joint, by_apart] = [&joint, &apart].map(|rows| {
            let bounds = rows.bounds(input, outward, scratch);
            layer.tighten(outputs, &bounds);
            bounds
        });
        let products = self.products + self.original.products + self.compressed.products;
        for (index, result) in results.iter_mut().enumerate() {
            let neurons = outputs.of(index);
            let range = joint.spans[index].neurons();
            let choices = by_joint[range.clone()].iter().zip(&by_apart[range]);
            result.outputs.resize_with(neurons.len(), Envelope::blank);
            for (row, (envelope, (j, a))) in result.outputs.iter_mut().zip(choices).enumerate() {
                let lower = if j.lower >= a.lower { &joint } else { &apart };
                let upper = if j.upper <= a.upper { &joint } else { &apart };
                for (rows, side, form) in [
                    (lower, Side::Below, &mut envelope.lower),
                    (upper, Side::Above, &mut envelope.upper),
                ] {
                    let free = &self.pair.original.free;
                    rows.write_form((index, row, side), &result.region, free, outward, form);
                }
                envelope.bounds = layer.difference[index].bounds.get(neurons[row]);
            }
            for (known, image) in [
                (&mut result.original, &layer.original[index]),
                (&mut result.compressed, &layer.compressed[index]),
            ] {
                known.clear();
                known.extend(neurons.iter().map(|&output| image.bounds.get(output)));
            }
            result.products = products;
            if let Some(influence) = self.influence.get_mut(index) {
                influence.spread(joint.part(index));
            }
        }
        scratch.intervals.give(by_joint);
        scratch.intervals.give(by_apart);
        for rows in [f, g, joint, apart] {
            rows.recycle(scratch);
        }
    }

    /// Moves past the gates of the pending stage.
    fn pass(&mut self, layer: &JointPending, gate: Gate, scratch: &mut Scratch) {
        let (stage, _, difference) = self.stage();
        let relaxations = &self.how.relaxations;
        let live = self.alive(layer, scratch);
        let width = padded(live.len());
        let (mut step, mut values) = (self.steps.spare(), self.differences.spare());
        step.faces.clear();
        step.freedom.clear();
        step.tolls.clear();
        values.clear();
        for (index, image) in layer.difference.iter().enumerate() {
            let at = |n: usize| {
                let (x, y, d) = layer.at((index, n));
                faces_of(gate, relaxations, x, y, d)
            };
            let before =
                |n: usize| Before { bias: difference.bias.value[n], charge: image.charge(n) };
            let mut faces = step.faces.spare();
            faces.fill(live.iter().map(|&n| (at(n), before(n))));
            step.faces.push(faces);
            step.tolls.push(Toll { unit: image.unit, underflow: image.underflow });
            if self.how.alpha.is_some() {
                let mut freedom = step.freedom.spare();
                let neurons = live.iter().map(|&n| (at(n), before(n), layer.at((index, n))));
                freedom.fill(gate, neurons);
                step.freedom.push(freedom);
            }
            let mut bounds = values.spare();
            bounds.fill(live.iter().map(|&n| {
                let (x, y, d) = layer.at((index, n));
                through_difference(gate, x, y, d)
            }));
            bounds.pad(width);
            values.push(bounds);
            if let Some(influence) = self.influence.get_mut(index) {
                influence.gate(&live, |n| {
                    let (x, _, d) = layer.at((index, n));
                    (face_gap(&at(n), x, d), line_gap(&lines(gate, relaxations, x), x))
                });
            }
        }
        for (term, map) in stage.terms.iter().zip(&difference.maps) {
            let value = &self.original.values[term.value];
            let map = map.as_ref();
            let map = map.map(|map| map.compact(&live, &value.live, value.width, scratch));
            step.differences.push(map);
        }
        self.original.pass(&layer.original, relaxations, &live, scratch);
        self.compressed.pass(&layer.compressed, relaxations, &live, scratch);
        self.steps.push(step);
        self.differences.push(values);
        scratch.places.give(live);
    }

    /// The neurons that are kept: those that are not dead in both networks on every box.
    fn alive(&self, layer: &JointPending, scratch: &mut Scratch) -> Vec<usize> {
        let JointPending { original, compressed, .. } = layer;
        let all = !(self.original.is_compact() && self.compressed.is_compact());
        let alive = |n: &usize| all || is_alive(original, *n) || is_alive(compressed, *n);
        let width = self.original.stage().width;
        let mut live = scratch.places.take(width);
        live.extend((0..width).filter(alive));
        live
    }
}

/// Tightens the pending bounds of some neurons of one network by rows of them.
fn refine_chain(
    chain: &mut Chain<'_>,
    pending: &mut [Image],
    neurons: &Selection,
    how: Option<(usize, AlphaOptions)>,
    scratch: &mut Scratch,
) -> Rows {
    let how = how.as_ref().map(|(steps, options)| (*steps, options));
    let rows = chain.bound(pending, neurons, how, scratch);
    chain.take_over(pending, neurons, &rows, scratch);
    rows
}

impl Freedom {
    /// What rows may choose at a gate, in the same storage: neurons with the faces that
    /// the gate has and their bounds.
    fn fill(
        &mut self,
        gate: Gate,
        neurons: impl Iterator<Item = (Faces, Before, (Interval, Interval, Interval))> + Clone,
    ) {
        let others = neurons.map(|(faces, before, (x, y, d))| {
            let other = match gate {
                Gate::Activation(activation) if !is_linear_on(activation, hull(x, y)) => {
                    other_faces(activation, &faces, (x, y, d))
                }
                _ => faces,
            };
            (faces, other, before, x, d)
        });
        self.others.fill(others.clone().map(|(_, other, before, ..)| (other, before)));
        self.charge.clear();
        let charges = others.clone();
        self.charge.extend(charges.map(|(one, other, _, x, d)| mixing_charge(&one, &other, x, d)));
        let share = |differ: bool| Interval::new(0.0, if differ { 1.0 } else { 0.0 });
        self.shares.fill(others.map(|(one, other, ..)| share(one != other)));
        let width = padded(self.charge.len());
        self.charge.resize(width, 0.0);
        self.shares.pad(width);
    }
}

/// The faces of a gate.
fn faces_of(
    gate: Gate,
    relaxations: &Relaxations,
    x: Interval,
    compressed: Interval,
    delta: Interval,
) -> Faces {
    const DELTA: Face = Face { delta: 1.0, x: 0.0, constant: 0.0 };
    match gate {
        Gate::Open => Faces { lower: DELTA, upper: DELTA },
        Gate::Activation(Activation::Relu) => (relaxations.relu_difference)(x, compressed, delta),
        Gate::Activation(activation) => {
            activation_difference_faces(activation, x, compressed, delta)
        }
    }
}

/// What a gate does to the difference.
fn through_difference(gate: Gate, x: Interval, compressed: Interval, delta: Interval) -> Interval {
    match gate {
        Gate::Open => delta,
        Gate::Activation(Activation::Relu) => relu_difference_interval(x, compressed, delta),
        Gate::Activation(activation) => {
            activation_difference_interval(activation, x, compressed, delta)
        }
    }
}

/// A neuron of a box.
type At = (usize, usize);

impl JointPending {
    /// The bounds of `x`, `x'` and `δ` of a neuron.
    pub(crate) fn at(&self, (index, neuron): At) -> Triple {
        let x = self.original[index].bounds.get(neuron);
        let y = self.compressed[index].bounds.get(neuron);
        (x, y, self.difference[index].bounds.get(neuron))
    }

    /// Takes over the bounds of `x`, `x'` and `δ` of a neuron.
    pub(crate) fn set(&mut self, (index, neuron): At, (x, y, d): Triple) {
        self.original[index].bounds.set(neuron, x);
        self.compressed[index].bounds.set(neuron, y);
        self.difference[index].bounds.set(neuron, d);
    }

    /// Takes over bounds of the differences of some neurons, box by box.
    fn tighten(&mut self, neurons: &Selection, bounds: &[Interval]) {
        let mut bounds = bounds.iter();
        for (index, neurons) in neurons.iter().enumerate() {
            for (&neuron, bound) in neurons.iter().zip(&mut bounds) {
                let mut known = self.at((index, neuron));
                tighten_difference(&mut known, *bound);
                self.set((index, neuron), known);
            }
        }
    }
}
