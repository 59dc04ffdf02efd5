//! The state of a joint pass: two networks in step, and their difference.

use nncert_core::{Activation, Interval, Region};

use crate::activation::{
    activation_difference_faces, activation_difference_interval, hull, is_linear_on, minus,
};
use crate::alpha::AlphaOptions;
use crate::alpha_difference::{Freedom, mixing_charge, other_faces};
use crate::chain::{Chain, lines};
use crate::dense::Image;
use crate::differential::{Lessons, PairBounds};
use crate::envelope::Envelope;
use crate::graph::{Gate, PairGraph, Stage, StageDifference};
use crate::influence::{Influence, face_gap, line_gap};
use crate::intervals::Intervals;
use crate::kernel::{Before, GateFaces, Toll, padded};
use crate::linear::Compact;
use crate::parallel::parts;
use crate::relaxations::Relaxations;
use crate::relu::{Face, Faces, reconcile, relu_difference_interval};
use crate::rows::Rows;
use crate::scratch::Scratch;
use crate::{BoundsError, Rounding};

/// From this share of a neuron's own interval on, a difference is not small.
const COARSE: f64 = 1.0 / 64.0;

/// Both networks and the difference on some boxes, as far as they have been relaxed.
///
/// The two chains keep the same neurons, those that are not dead in both networks,
/// so that the weights of one serve the other.
pub(crate) struct Joint<'a> {
    pair: &'a PairGraph<'a>,
    pub(crate) original: Chain<'a>,
    pub(crate) compressed: Chain<'a>,
    pub(crate) steps: Vec<JointStep>,
    /// The bounds of `δ̂` of every value, padded, box by box.
    pub(crate) differences: Vec<Vec<Intervals>>,
    /// Multiplications in matrix products so far, beside those of the chains.
    products: u64,
    /// Whether most differences were coarse in the stage before.
    coarse: bool,
    /// What the bounds of each box owe to each input; empty when it is not asked for.
    pub(crate) influence: Vec<Influence>,
    /// How rows are optimised, if they are.
    pub(crate) alpha: Option<AlphaOptions>,
}

/// The next stage before its gates are relaxed, box by box.
pub(crate) struct JointPending {
    pub(crate) original: Vec<Image>,
    pub(crate) compressed: Vec<Image>,
    /// The bounds of `δ` so far.
    pub(crate) difference: Vec<Image>,
}

/// What a relaxed stage of the pair has beside those of the two chains.
pub(crate) struct JointStep {
    /// `L - L'` of every term; `None` where that is zero.
    pub(crate) differences: Vec<Option<Compact>>,
    pub(crate) faces: Vec<GateFaces>,
    pub(crate) tolls: Vec<Toll>,
    /// What rows may choose on each box; nothing unless they are to.
    pub(crate) freedom: Vec<Freedom>,
}

impl<'a> Joint<'a> {
    pub(crate) fn new(pair: &'a PairGraph<'a>, input: &'a [Intervals], rounding: Rounding) -> Self {
        let zeros = |input: &Intervals| Intervals::zeros(input.len());
        Self {
            pair,
            original: Chain::new(&pair.original, input, rounding),
            compressed: Chain::new(&pair.compressed, input, rounding),
            steps: Vec::new(),
            differences: vec![input.iter().map(zeros).collect()],
            products: 0,
            coarse: false,
            influence: Vec::new(),
            alpha: None,
        }
    }

    /// Bounds some outputs, or all of them, on every box.
    pub(crate) fn run(
        mut self,
        relaxations: &Relaxations,
        outputs: Option<&[usize]>,
        regions: &[Region],
        scratch: &mut Scratch,
    ) -> Result<Vec<(PairBounds, Lessons)>, BoundsError> {
        loop {
            let mut layer = self.pending()?;
            let Some(gate) = self.original.gate() else {
                let all: Vec<usize> = (0..self.original.stage().width).collect();
                return Ok(self.outputs(layer, outputs.unwrap_or(&all), regions, scratch));
            };
            if let Gate::Activation(activation) = gate {
                self.refine(&mut layer, activation, scratch);
            }
            self.pass(&layer, gate, relaxations, scratch);
        }
    }

    /// The next stage of both networks, and how they differ.
    pub(crate) fn stage(&self) -> (&'a Stage<'a>, &'a Stage<'a>, &'a StageDifference<'a>) {
        let index = self.steps.len();
        let PairGraph { original, compressed, differences } = self.pair;
        (&original.stages[index], &compressed.stages[index], &differences[index])
    }

    fn pending(&self) -> Result<JointPending, BoundsError> {
        let (original, compressed) = (self.original.pending()?, self.compressed.pending()?);
        let difference = (0..original.len())
            .map(|index| self.difference(index, &original[index], &compressed[index]))
            .collect::<Result<_, _>>()?;
        Ok(JointPending { original, compressed, difference })
    }

    /// The interval bounds of the difference on a box.
    fn difference(&self, index: usize, x: &Image, y: &Image) -> Result<Image, BoundsError> {
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
        let image = Image::new(&difference.bias, terms, x.unit, self.original.outward);
        let mut image = image.finite(stage.layer)?;
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
        Ok(image)
    }

    /// Tightens the bounds of `x`, `x'` and `δ` of a pending stage.
    fn refine(&mut self, layer: &mut JointPending, activation: Activation, scratch: &mut Scratch) {
        let mixed = layer.select(|at| layer.is_mixed(at, activation));
        let mut coarse = (0, 0);
        for part in parts(mixed, self.original.batch()) {
            self.refine_part(layer, &part, activation, scratch);
            for (index, neurons) in part.iter().enumerate() {
                coarse.1 += neurons.len();
                coarse.0 += neurons.iter().filter(|&&n| layer.is_coarse((index, n))).count();
            }
        }
        self.coarse = 2 * coarse.0 > coarse.1;
    }

    fn refine_part(
        &mut self,
        layer: &mut JointPending,
        mixed: &[Vec<usize>],
        activation: Activation,
        scratch: &mut Scratch,
    ) {
        let how = self.between();
        let f = refine_chain(&mut self.original, &mut layer.original, mixed, how, scratch);
        for (index, influence) in self.influence.iter_mut().enumerate() {
            let bounds = &layer.original[index].bounds;
            influence.remember(&mixed[index], f.part(index), bounds);
        }
        // What was coarse in the stage before is likely to be so in this one: then the
        // two passes apart come first, and leave fewer neurons to the joint one.
        if self.coarse {
            self.refine_apart(layer, mixed, &f, scratch);
            let rest: Vec<Vec<usize>> = mixed
                .iter()
                .enumerate()
                .map(|(index, neurons)| {
                    let mixed = |n: &usize| layer.is_mixed((index, *n), activation);
                    neurons.iter().copied().filter(mixed).collect()
                })
                .collect();
            self.refine_jointly(layer, &rest, scratch);
        } else {
            self.refine_jointly(layer, mixed, scratch);
            // Where the difference is small, `x - δ` bounds `x'` as well as a pass of its own.
            let places: Vec<Vec<usize>> = mixed
                .iter()
                .enumerate()
                .map(|(index, neurons)| {
                    let coarse = |&place: &usize| {
                        let at = (index, neurons[place]);
                        layer.is_mixed(at, activation) && layer.is_coarse(at)
                    };
                    (0..neurons.len()).filter(coarse).collect()
                })
                .collect();
            if places.iter().any(|places| !places.is_empty()) {
                let neurons = |(neurons, places): (&Vec<usize>, &Vec<usize>)| {
                    places.iter().map(|&place| neurons[place]).collect()
                };
                let neurons: Vec<Vec<usize>> = mixed.iter().zip(&places).map(neurons).collect();
                self.refine_apart(layer, &neurons, &f.pick(&places), scratch);
            }
        }
        scratch.give(f.coefficients);
    }

    /// How the neurons between are optimised, if they are.
    fn between(&self) -> Option<(usize, AlphaOptions)> {
        let options = self.alpha.filter(|options| options.intermediate > 0)?;
        Some((options.intermediate, options))
    }

    /// Tightens the bounds of some neurons by the joint pass.
    fn refine_jointly(
        &mut self,
        layer: &mut JointPending,
        neurons: &[Vec<usize>],
        scratch: &mut Scratch,
    ) {
        let rows = match self.between() {
            Some(how) => self.rows_alpha(layer, neurons, (how.0, &how.1), scratch),
            None => self.rows(layer, neurons, scratch),
        };
        self.tighten(layer, neurons, &rows);
        scratch.give(rows.coefficients);
    }

    /// Tightens the bounds of some neurons by a pass over `f'`, and by how far it stays
    /// from the pass over `f` that gave `f`.
    fn refine_apart(
        &mut self,
        layer: &mut JointPending,
        neurons: &[Vec<usize>],
        f: &Rows,
        scratch: &mut Scratch,
    ) {
        let how = self.between();
        let g = refine_chain(&mut self.compressed, &mut layer.compressed, neurons, how, scratch);
        self.tighten(layer, neurons, &f.minus(&g, self.original.input));
        scratch.give(g.coefficients);
    }

    /// Takes over what rows of the difference say on every box.
    fn tighten(&mut self, layer: &mut JointPending, neurons: &[Vec<usize>], rows: &Rows) {
        self.products += rows.products;
        for (index, neurons) in neurons.iter().enumerate() {
            let input = &self.original.input[index];
            layer.tighten(index, neurons, &rows.concretise(index, input, self.original.outward));
        }
    }

    fn outputs(
        mut self,
        mut layer: JointPending,
        outputs: &[usize],
        regions: &[Region],
        scratch: &mut Scratch,
    ) -> Vec<(PairBounds, Lessons)> {
        let neurons = vec![outputs.to_vec(); regions.len()];
        let outward = self.original.outward;
        let how = self.alpha.map(|options| (options.iterations, options));
        let f = refine_chain(&mut self.original, &mut layer.original, &neurons, how, scratch);
        let g = refine_chain(&mut self.compressed, &mut layer.compressed, &neurons, how, scratch);
        let joint = match how {
            Some((steps, options)) => self.rows_alpha(&layer, &neurons, (steps, &options), scratch),
            None => self.output_rows(&layer, &neurons, scratch),
        };
        let apart = f.minus(&g, self.original.input);
        self.tighten(&mut layer, &neurons, &apart);
        self.tighten(&mut layer, &neurons, &joint);
        let free = &self.pair.original.free;
        let products = self.products + self.original.products + self.compressed.products;
        let mut influence = core::mem::take(&mut self.influence).into_iter();
        let mut results = Vec::with_capacity(regions.len());
        for (index, region) in regions.iter().enumerate() {
            let input = &self.original.input[index];
            let joint_bounds = joint.concretise(index, input, outward);
            let apart_bounds = apart.concretise(index, input, outward);
            let envelopes = outputs.iter().enumerate().map(|(row, &output)| {
                let (j, a) = (joint_bounds[row], apart_bounds[row]);
                let lower = if j.lower >= a.lower { &joint } else { &apart };
                let upper = if j.upper <= a.upper { &joint } else { &apart };
                Envelope {
                    lower: lower.lower_form(index, row, region, free, outward),
                    upper: upper.upper_form(index, row, region, free, outward),
                    bounds: layer.difference[index].bounds.get(output),
                }
            });
            let bounds_of = |image: &Image| outputs.iter().map(|&o| image.bounds.get(o)).collect();
            let bounds = PairBounds {
                region: region.clone(),
                outputs: envelopes.collect(),
                original: bounds_of(&layer.original[index]),
                compressed: bounds_of(&layer.compressed[index]),
                products,
            };
            let influence = influence.next().map_or_else(Vec::new, |mut influence| {
                influence.spread(joint.part(index));
                influence.scores()
            });
            let stability = [&mut self.original, &mut self.compressed]
                .map(|c| core::mem::take(&mut c.found[index]));
            results.push((bounds, Lessons { influence, stability }));
        }
        for rows in [f, g, joint, apart] {
            scratch.give(rows.coefficients);
        }
        self.original.recycle(scratch);
        self.compressed.recycle(scratch);
        for step in self.steps.drain(..) {
            step.differences.into_iter().flatten().for_each(|map| map.recycle(scratch));
        }
        results
    }

    /// Moves past the gates of the pending stage.
    fn pass(
        &mut self,
        layer: &JointPending,
        gate: Gate,
        relaxations: &Relaxations,
        scratch: &mut Scratch,
    ) {
        let (stage, _, difference) = self.stage();
        let live = self.alive(layer, stage);
        let (mut faces, mut bounds, mut freedom) = (Vec::new(), Vec::new(), Vec::new());
        for (index, image) in layer.difference.iter().enumerate() {
            let at = |n: usize| {
                let (x, y, d) = layer.at((index, n));
                faces_of(gate, relaxations, x, y, d)
            };
            let before =
                |n: usize| Before { bias: difference.bias.value[n], charge: image.charge(n) };
            let neurons: Vec<_> = live.iter().map(|&n| (at(n), before(n))).collect();
            if self.alpha.is_some() {
                let bounds = live.iter().map(|&n| layer.at((index, n)));
                freedom.push(freedom_of(gate, bounds, &neurons));
            }
            faces.push(GateFaces::new(&neurons));
            let through = |&n: &usize| {
                let (x, y, d) = layer.at((index, n));
                through_difference(gate, x, y, d)
            };
            let values = live.iter().map(through).collect::<Intervals>();
            bounds.push(values.padded(padded(live.len())));
            if let Some(influence) = self.influence.get_mut(index) {
                influence.gate(&live, |n| {
                    let (x, _, d) = layer.at((index, n));
                    (face_gap(&at(n), x, d), line_gap(&lines(gate, relaxations, x), x))
                });
            }
        }
        let differences = stage.terms.iter().zip(&difference.maps).map(|(term, map)| {
            let value = &self.original.values[term.value];
            map.as_ref().map(|map| map.compact(&live, &value.live, value.width, scratch))
        });
        let differences = differences.collect();
        let toll = |image: &Image| Toll { unit: image.unit, underflow: image.underflow };
        let tolls = layer.difference.iter().map(toll).collect();
        self.steps.push(JointStep { differences, faces, tolls, freedom });
        self.differences.push(bounds);
        self.original.pass(&layer.original, relaxations, live.clone(), scratch);
        self.compressed.pass(&layer.compressed, relaxations, live, scratch);
    }

    /// The neurons that are kept: those that are not dead in both networks on every box.
    fn alive(&self, layer: &JointPending, stage: &Stage<'_>) -> Vec<usize> {
        let original = self.original.alive(&layer.original);
        if original.len() == stage.width {
            return original;
        }
        let mut live = self.compressed.alive(&layer.compressed);
        live.extend(original);
        live.sort_unstable();
        live.dedup();
        live
    }
}

/// Tightens the pending bounds of some neurons of one network.
fn refine_chain(
    chain: &mut Chain<'_>,
    pending: &mut [Image],
    neurons: &[Vec<usize>],
    how: Option<(usize, AlphaOptions)>,
    scratch: &mut Scratch,
) -> Rows {
    match how {
        Some((steps, options)) => chain.refine_alpha(pending, neurons, (steps, &options), scratch),
        None => chain.refine(pending, neurons, scratch),
    }
}

/// What rows may choose at a gate.
fn freedom_of(
    gate: Gate,
    bounds: impl Iterator<Item = (Interval, Interval, Interval)>,
    neurons: &[(Faces, Before)],
) -> Freedom {
    let (mut others, mut charge, mut share) = (Vec::new(), Vec::new(), Vec::new());
    for ((x, y, d), (faces, before)) in bounds.zip(neurons) {
        let other = match gate {
            Gate::Activation(activation) if !is_linear_on(activation, hull(x, y)) => {
                other_faces(activation, faces, (x, y, d))
            }
            _ => *faces,
        };
        let differ = other != *faces;
        share.push(if differ { 1.0 } else { 0.0 });
        charge.push(mixing_charge(faces, &other, x, d));
        others.push((other, *before));
    }
    share.resize(padded(neurons.len()), 0.0);
    charge.resize(padded(neurons.len()), 0.0);
    Freedom { others: GateFaces::new(&others), charge, share }
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
    fn at(&self, (index, neuron): At) -> (Interval, Interval, Interval) {
        let x = self.original[index].bounds.get(neuron);
        let y = self.compressed[index].bounds.get(neuron);
        (x, y, self.difference[index].bounds.get(neuron))
    }

    /// Some neurons of every box.
    fn select(&self, wanted: impl Fn(At) -> bool) -> Vec<Vec<usize>> {
        let neurons = |(index, image): (usize, &Image)| {
            (0..image.bounds.len()).filter(|&neuron| wanted((index, neuron))).collect()
        };
        self.difference.iter().enumerate().map(neurons).collect()
    }

    /// Whether the two networks are not both known to be on one piece of the activation.
    fn is_mixed(&self, at: At, activation: Activation) -> bool {
        let (x, y, _) = self.at(at);
        !is_linear_on(activation, hull(x, y))
    }

    /// Whether the difference of a neuron is not small beside the neuron itself.
    fn is_coarse(&self, at: At) -> bool {
        let (x, _, d) = self.at(at);
        d.width() > COARSE * x.width()
    }

    /// Takes over bounds of the differences of some neurons of a box.
    fn tighten(&mut self, index: usize, neurons: &[usize], bounds: &[Interval]) {
        for (&neuron, bound) in neurons.iter().zip(bounds) {
            let (mut x, mut y, d) = self.at((index, neuron));
            let mut d = d.intersect(*bound);
            reconcile(&mut x, &mut y, &mut d);
            self.original[index].bounds.set(neuron, x);
            self.compressed[index].bounds.set(neuron, y);
            self.difference[index].bounds.set(neuron, d);
        }
    }
}
