//! Tighter bounds of the neurons of a pending stage of a pair.
//!
//! Neurons are bounded in parts, on the threads of the current pool: what the rows of a
//! neuron say does not depend on the bounds of the others of its stage.

use nncert_core::{Activation, Interval};

use crate::activation::{hull, is_linear_on};
use crate::alpha::AlphaOptions;
use crate::chain::Chain;
use crate::crown::PART;
use crate::dense::Image;
use crate::joint::{Joint, JointPending};
use crate::parallel::in_parallel;
use crate::relu::reconcile;
use crate::rows::Rows;
use crate::scratch::Scratch;
use crate::selection::Selection;

/// From this share of a neuron's own interval on, a difference is not small.
const COARSE: f64 = 1.0 / 64.0;

/// The bounds of `x`, `x'` and `δ` of a neuron.
pub(crate) type Triple = (Interval, Interval, Interval);

/// Some neurons of every box, and what is known of them.
struct Part {
    neurons: Selection,
    /// Box by box.
    bounds: Vec<Triple>,
    /// The multiplications that it took: of `f`, of `f'` and of both together.
    products: [u64; 3],
    /// The rows of `f`, where influence is asked for, and the widths of `x` by them.
    rows: Option<(Rows, Vec<f64>)>,
}

impl Joint<'_> {
    /// Tightens the bounds of `x`, `x'` and `δ` of a pending stage.
    pub(crate) fn refine(
        &mut self,
        layer: &mut JointPending,
        activation: Activation,
        scratch: &mut Scratch,
    ) {
        let mut mixed = Selection::new(scratch);
        for index in 0..layer.difference.len() {
            let all = (0..layer.difference[index].bounds.len())
                .filter(|&neuron| is_mixed(&layer.at((index, neuron)), activation));
            let width = |neuron| layer.difference[index].bounds.get(neuron).width();
            mixed.push_best(all, self.left, width);
        }
        self.left -= mixed.iter().map(<[usize]>::len).max().unwrap_or(0);
        let (count, size) = mixed.parts(self.original.batch().min(PART));
        let (mut coarse, mut all) = (0, 0);
        let mut state = (&mut *self, layer);
        in_parallel(
            count,
            &mut state,
            scratch,
            |(joint, layer), scratch, at| {
                let part = Part::new(layer, mixed.part(at, size, scratch), scratch);
                joint.refine_part(layer, part, activation, scratch)
            },
            |(joint, layer), scratch, _, part| {
                coarse += part.bounds.iter().filter(|bounds| is_coarse(bounds)).count();
                all += part.bounds.len();
                joint.take_over(layer, part, scratch);
            },
        );
        self.coarse = 2 * coarse > all;
        mixed.recycle(scratch);
    }

    fn refine_part(
        &self,
        layer: &JointPending,
        mut part: Part,
        activation: Activation,
        scratch: &mut Scratch,
    ) -> Part {
        let all = part.places(|_| true, scratch);
        let f = self.rows_of(&self.original, &layer.original, &part.neurons, scratch);
        part.products[0] += f.products;
        part.tighten(&all, &f, self, scratch, |(x, ..), bound| *x = x.intersect(bound));
        let widths = part.bounds.iter().map(|(x, ..)| x.width());
        let widths = (!self.influence.is_empty()).then(|| widths.collect());
        // What was coarse in the stage before is likely to be so in this one: then the
        // two passes apart come first, and leave fewer neurons to the joint one.
        if self.coarse {
            self.refine_apart(layer, &mut part, (&all, &f), scratch);
            let rest = part.places(|bounds| is_mixed(bounds, activation), scratch);
            self.refine_jointly(layer, &mut part, &rest, scratch);
            rest.recycle(scratch);
        } else {
            self.refine_jointly(layer, &mut part, &all, scratch);
            // Where the difference is small, `x - δ` bounds `x'` as well as a pass of its own.
            let coarse = |bounds: &Triple| is_mixed(bounds, activation) && is_coarse(bounds);
            let places = part.places(coarse, scratch);
            if places.len() > 0 {
                let rows = f.pick(&places, scratch);
                self.refine_apart(layer, &mut part, (&places, &rows), scratch);
                rows.recycle(scratch);
            }
            places.recycle(scratch);
        }
        all.recycle(scratch);
        match widths {
            Some(widths) => part.rows = Some((f, widths)),
            None => f.recycle(scratch),
        }
        part
    }

    /// How the neurons between are optimised, if they are.
    fn between(&self) -> Option<(usize, &AlphaOptions)> {
        let options = self.how.alpha.as_ref().filter(|options| options.intermediate > 0)?;
        Some((options.intermediate, options))
    }

    /// Rows of some neurons of one network.
    fn rows_of(
        &self,
        chain: &Chain<'_>,
        pending: &[Image],
        neurons: &Selection,
        scratch: &mut Scratch,
    ) -> Rows {
        chain.bound(pending, neurons, self.between(), scratch)
    }

    /// Tightens the bounds of some neurons of a part by the joint pass.
    fn refine_jointly(
        &self,
        layer: &JointPending,
        part: &mut Part,
        places: &Selection,
        scratch: &mut Scratch,
    ) {
        let neurons = part.at(places, scratch);
        let rows = self.bound(layer, &neurons, self.between(), scratch);
        part.products[2] += rows.products;
        part.tighten(places, &rows, self, scratch, tighten_difference);
        rows.recycle(scratch);
        neurons.recycle(scratch);
    }

    /// Tightens the bounds of some neurons of a part by a pass over `f'`, and by how far it
    /// stays from the pass over `f` that gave `f`.
    fn refine_apart(
        &self,
        layer: &JointPending,
        part: &mut Part,
        (places, f): (&Selection, &Rows),
        scratch: &mut Scratch,
    ) {
        let neurons = part.at(places, scratch);
        let g = self.rows_of(&self.compressed, &layer.compressed, &neurons, scratch);
        part.products[1] += g.products;
        part.tighten(places, &g, self, scratch, |(_, y, _), bound| *y = y.intersect(bound));
        let apart = f.minus(&g, self.original.input, scratch);
        part.tighten(places, &apart, self, scratch, tighten_difference);
        apart.recycle(scratch);
        g.recycle(scratch);
        neurons.recycle(scratch);
    }

    /// Takes over what is known of a part.
    fn take_over(&mut self, layer: &mut JointPending, part: Part, scratch: &mut Scratch) {
        let [f, g, both] = part.products;
        self.original.products += f;
        self.compressed.products += g;
        self.products += both;
        let mut bounds = part.bounds.iter();
        for (index, neurons) in part.neurons.iter().enumerate() {
            for (&neuron, bounds) in neurons.iter().zip(&mut bounds) {
                layer.set((index, neuron), *bounds);
            }
        }
        if let Some((rows, widths)) = part.rows {
            let mut widths = &widths[..];
            for (index, influence) in self.influence.iter_mut().enumerate() {
                let neurons = part.neurons.of(index);
                let (here, rest) = widths.split_at(neurons.len());
                influence.remember(neurons, rows.part(index), here);
                widths = rest;
            }
            rows.recycle(scratch);
        }
        scratch.triples.give(part.bounds);
        part.neurons.recycle(scratch);
    }
}

impl Part {
    fn new(layer: &JointPending, neurons: Selection, scratch: &mut Scratch) -> Self {
        let mut bounds = scratch.triples.take(neurons.len());
        for (index, neurons) in neurons.iter().enumerate() {
            bounds.extend(neurons.iter().map(|&neuron| layer.at((index, neuron))));
        }
        Self { neurons, bounds, products: [0; 3], rows: None }
    }

    /// The places of some of its neurons, among those of each box.
    fn places(&self, chosen: impl Fn(&Triple) -> bool, scratch: &mut Scratch) -> Selection {
        let (mut places, mut first) = (Selection::new(scratch), 0);
        for neurons in self.neurons.iter() {
            let bounds = &self.bounds[first..first + neurons.len()];
            first += neurons.len();
            places.push((0..neurons.len()).filter(|&place| chosen(&bounds[place])));
        }
        places
    }

    /// The neurons at some places.
    fn at(&self, places: &Selection, scratch: &mut Scratch) -> Selection {
        let mut chosen = Selection::new(scratch);
        for (neurons, places) in self.neurons.iter().zip(places.iter()) {
            chosen.push(places.iter().map(|&place| neurons[place]));
        }
        chosen
    }

    /// Takes over what rows of the neurons at some places say.
    fn tighten(
        &mut self,
        places: &Selection,
        rows: &Rows,
        joint: &Joint<'_>,
        scratch: &mut Scratch,
        take: impl Fn(&mut Triple, Interval),
    ) {
        let found = rows.bounds(joint.original.input, joint.original.outward, scratch);
        let (mut bounds, mut first) = (found.iter(), 0);
        for (neurons, places) in self.neurons.iter().zip(places.iter()) {
            for (&place, bound) in places.iter().zip(&mut bounds) {
                take(&mut self.bounds[first + place], *bound);
            }
            first += neurons.len();
        }
        scratch.intervals.give(found);
    }
}

/// Takes over a bound of `δ`, and what follows of `x` and `x'`.
pub(crate) fn tighten_difference((x, y, d): &mut Triple, bound: Interval) {
    *d = d.intersect(bound);
    reconcile(x, y, d);
}

/// Whether the two networks are not both known to be on one piece of the activation.
fn is_mixed(&(x, y, _): &Triple, activation: Activation) -> bool {
    !is_linear_on(activation, hull(x, y))
}

/// Whether the difference of a neuron is not small beside the neuron itself.
fn is_coarse((x, _, d): &Triple) -> bool {
    d.width() > COARSE * x.width()
}
