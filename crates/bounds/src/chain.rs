//! Backward substitution through one network: the machinery of CROWN.

use nalgebra::DMatrix;
use nncert_core::{Activation, Interval};

use crate::activation::{activation_interval, activation_lines, free_lower_slope};
use crate::dense::Image;
use crate::free::{Ascent, through_free_gate};
use crate::graph::{Gate, Graph, Stage};
use crate::intervals::Intervals;
use crate::kernel::{Before, Charged, GateLines, Toll, least, padded, through_gate};
use crate::linear::Compact;
use crate::relaxations::Relaxations;
use crate::relu::{Line, Lines, relu_interval};
use crate::rows::{Rows, Span};
use crate::scratch::Scratch;
use crate::selection::Selection;
use crate::slots::Slots;
use crate::stability::Stability;
use crate::{BoundsError, Rounding};

/// A network on some boxes, seen from the end of the stages that have been relaxed.
///
/// The boxes share every matrix product: each has columns of its own in it.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    pub(crate) graph: &'a Graph<'a>,
    pub(crate) outward: bool,
    /// The free inputs, box by box.
    pub(crate) input: &'a [Intervals],
    /// The input and what comes out of every relaxed stage.
    pub(crate) values: Slots<Value>,
    /// The relaxed stages.
    pub(crate) steps: Slots<Step>,
    /// Multiplications in matrix products so far.
    pub(crate) products: u64,
    /// What is known of each box from a larger one, if anything.
    pub(crate) known: &'a [Option<&'a [Stability; 2]>],
    /// What is found on each, where that is asked for.
    pub(crate) found: Vec<Stability>,
    /// Whether rows will choose lower slopes of their own.
    pub(crate) free: bool,
    /// Which network of a pair it is.
    which: usize,
}

/// What a chain keeps of the stages behind it.
#[derive(Debug, Default)]
pub(crate) struct Relaxed {
    values: Slots<Value>,
    steps: Slots<Step>,
}

/// A value between stages, over the neurons that are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    /// The neurons that are not dead in every box.
    pub(crate) live: Vec<usize>,
    /// How many numbers hold them, with padding.
    pub(crate) width: usize,
    /// Their bounds, padded, box by box.
    pub(crate) bounds: Slots<Intervals>,
}

/// A relaxed stage, over live neurons only.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// The values that it adds up, and by which maps.
    pub(crate) terms: Vec<(usize, Compact)>,
    /// The lines of each box.
    pub(crate) gates: Slots<GateLines>,
    pub(crate) tolls: Vec<Toll>,
    /// What a sum that coefficients are added to costs, relatively.
    pub(crate) unit: f64,
    /// Which lower slopes rows may choose on each box, padded; nothing unless they are to.
    pub(crate) limits: Slots<Intervals>,
}

/// Coefficients of rows on values that have not been substituted yet.
pub(crate) type Frontier = Vec<Option<DMatrix<f64>>>;

impl<'a> Chain<'a> {
    /// The first network of a pair, or the second.
    pub(crate) fn new(
        which: usize,
        graph: &'a Graph<'a>,
        input: &'a [Intervals],
        rounding: Rounding,
        scratch: &mut Scratch,
    ) -> Self {
        let Relaxed { mut values, mut steps } = core::mem::take(&mut scratch.chains[which]);
        values.clear();
        steps.clear();
        let mut value = values.spare();
        value.set_live(&graph.free, graph.free.len());
        for input in input {
            value.push(input.len(), input.iter());
        }
        values.push(value);
        Self {
            graph,
            outward: rounding.is_outward(),
            input,
            values,
            steps,
            products: 0,
            known: &[],
            found: Vec::new(),
            free: false,
            which,
        }
    }

    /// The stage that comes next.
    pub(crate) fn stage(&self) -> &'a Stage<'a> {
        &self.graph.stages[self.steps.len()]
    }

    /// The gate of the next stage; `None` for the last, which is the output.
    pub(crate) fn gate(&self) -> Option<Gate> {
        (self.steps.len() + 1 < self.graph.stages.len()).then(|| self.stage().gate)
    }

    /// The interval bounds of the next stage before its gate, box by box.
    pub(crate) fn pending(
        &self,
        images: &mut Slots<Image>,
        scratch: &mut Scratch,
    ) -> Result<(), BoundsError> {
        images.clear();
        for index in 0..self.input.len() {
            let values = |value: usize| {
                let Value { live, bounds, .. } = &self.values[value];
                (&live[..], &bounds[index])
            };
            let mut image = images.spare();
            self.stage().image(&mut image, values, self.outward, scratch)?;
            if let Some(Some(known)) = self.known.get(index) {
                known[self.which].clip(self.steps.len(), &mut image.bounds);
            }
            images.push(image);
        }
        Ok(())
    }

    /// How many neurons are bounded at once, so that memory stays bounded.
    pub(crate) fn batch(&self) -> usize {
        let widest = self.values.iter().map(|value| value.width).max().unwrap_or(1);
        (MAX_ENTRIES / widest.max(1)).max(8)
    }

    /// Bounds neurons of a pending stage by affine functions of the input: some of each box.
    pub(crate) fn rows(
        &self,
        pending: &[Image],
        neurons: &Selection,
        scratch: &mut Scratch,
    ) -> Rows {
        let outward = self.outward;
        self.rows_through(pending, neurons, scratch, |index, rows, constants, spans, _| {
            self.steps[index].through_gate(rows, constants, spans, outward, None);
        })
    }

    /// [`Chain::rows`] through gates of the caller's: `gate` moves rows past a stage.
    pub(crate) fn rows_through(
        &self,
        pending: &[Image],
        neurons: &Selection,
        scratch: &mut Scratch,
        mut gate: impl FnMut(usize, &mut DMatrix<f64>, &mut [Charged], &[Span], &mut Scratch),
    ) -> Rows {
        let spans = Span::of(neurons, scratch);
        let stage = self.stage();
        let mut frontier = self.frontier(scratch);
        for term in &stage.terms {
            let Value { live, width, .. } = &self.values[term.value];
            let seed = |neurons: &[usize], out: &mut [f64], scratch: &mut Scratch| {
                term.seed(neurons, live, out, scratch);
            };
            add_seed(&mut frontier[term.value], *width, neurons, &spans, scratch, seed);
        }
        let mut constants = seed_constants(&stage.bias.value, pending, neurons, scratch);
        let bounds = |value: usize| &self.values[value].bounds[..];
        charge_doubles(&mut constants, stage, &frontier, bounds, &spans);
        let mut products = 0;
        for index in (0..self.steps.len()).rev() {
            let Some(mut rows) = frontier[index + 1].take() else { continue };
            gate(index, &mut rows, &mut constants, &spans, scratch);
            products += self.pull(index, rows, &mut frontier, &mut constants, &spans, scratch);
        }
        let (width, columns) = (self.values[0].width, constants.len());
        let coefficients = frontier[0].take();
        let coefficients = coefficients.unwrap_or_else(|| scratch.zeros(width, columns));
        scratch.frontiers.give(frontier);
        Rows { coefficients, constants, spans, products }
    }

    /// No coefficients on any value yet.
    pub(crate) fn frontier(&self, scratch: &mut Scratch) -> Frontier {
        let mut frontier = scratch.frontiers.take(self.values.len());
        frontier.resize_with(self.values.len(), || None);
        frontier
    }

    /// Substitutes the sum of a relaxed stage: rows on it become rows on its terms. Returns
    /// how many multiplications that took.
    pub(crate) fn pull(
        &self,
        index: usize,
        rows: DMatrix<f64>,
        frontier: &mut Frontier,
        constants: &mut [Charged],
        spans: &[Span],
        scratch: &mut Scratch,
    ) -> u64 {
        let (step, mut products) = (&self.steps[index], 0);
        for (value, map) in &step.terms {
            let Value { width, bounds, .. } = &self.values[*value];
            products += map.products(rows.ncols());
            match &mut frontier[*value] {
                Some(sum) => {
                    if self.outward {
                        charge(constants, sum, bounds, step.unit, spans);
                    }
                    map.pull(&rows, sum, true, &mut scratch.room);
                }
                slot => {
                    let mut sum = scratch.zeros(*width, rows.ncols());
                    map.pull(&rows, &mut sum, false, &mut scratch.room);
                    *slot = Some(sum);
                }
            }
        }
        scratch.give(rows);
        products
    }

    /// Tightens the pending bounds of some neurons by rows of them.
    pub(crate) fn take_over(
        &mut self,
        pending: &mut [Image],
        neurons: &Selection,
        rows: &Rows,
        scratch: &mut Scratch,
    ) {
        self.products += rows.products;
        let bounds = rows.bounds(self.input, self.outward, scratch);
        tighten(pending, neurons, &bounds);
        scratch.intervals.give(bounds);
    }

    /// Moves past the gate of the pending stage, keeping the neurons `live`.
    pub(crate) fn pass(
        &mut self,
        pending: &[Image],
        relaxations: &Relaxations,
        live: &[usize],
        scratch: &mut Scratch,
    ) {
        let (stage, width) = (self.stage(), padded(live.len()));
        let (mut step, mut value) = (self.steps.spare(), self.values.spare());
        value.set_live(live, width);
        step.gates.clear();
        step.limits.clear();
        step.tolls.clear();
        step.unit = stage.unit;
        for (index, image) in pending.iter().enumerate() {
            let bounds = live.iter().map(|&n| image.bounds.get(n));
            let neurons = live.iter().zip(bounds.clone()).map(|(&n, x)| {
                let before = Before { bias: stage.bias.value[n], charge: image.charge(n) };
                (lines(stage.gate, relaxations, x), before)
            });
            let mut gate = step.gates.spare();
            gate.fill(neurons);
            if self.free {
                let mut limits = step.limits.spare();
                limits.fill(slope_limits(stage.gate, bounds.clone(), &gate));
                limits.pad(width);
                step.limits.push(limits);
            }
            step.gates.push(gate);
            step.tolls.push(Toll { unit: image.unit, underflow: image.underflow });
            value.push(width, bounds.map(|x| through(stage.gate, x)));
            if let Some(found) = self.found.get_mut(index) {
                found.push(&image.bounds);
            }
        }
        for term in &stage.terms {
            let Value { live: inputs, width, .. } = &self.values[term.value];
            step.terms.push((term.value, term.compact(live, inputs, *width, scratch)));
        }
        self.steps.push(step);
        self.values.push(value);
    }

    /// Gives back what it holds.
    pub(crate) fn recycle(&mut self, scratch: &mut Scratch) {
        for step in &mut *self.steps {
            step.terms.drain(..).for_each(|(_, map)| map.recycle(scratch));
        }
        let (values, steps) = (&mut self.values, &mut self.steps);
        let (values, steps) = (core::mem::take(values), core::mem::take(steps));
        scratch.chains[self.which] = Relaxed { values, steps };
    }

    /// Whether dead neurons of the pending stage may be left out.
    pub(crate) fn is_compact(&self) -> bool {
        let stage = self.stage();
        stage.compact && stage.gate == Gate::Activation(Activation::Relu)
    }

    /// The neurons of the pending stage that are kept: those that are not dead in every box.
    pub(crate) fn alive(&self, pending: &[Image], scratch: &mut Scratch) -> Vec<usize> {
        let alive = |n: &usize| !self.is_compact() || is_alive(pending, *n);
        let mut live = scratch.places.take(self.stage().width);
        live.extend((0..self.stage().width).filter(alive));
        live
    }
}

/// Whether a neuron may be above 0 in some box.
pub(crate) fn is_alive(pending: &[Image], neuron: usize) -> bool {
    pending.iter().any(|image| image.bounds.upper[neuron] > 0.0)
}

impl Value {
    /// Other neurons, on no box yet.
    fn set_live(&mut self, live: &[usize], width: usize) {
        self.live.clear();
        self.live.extend_from_slice(live);
        self.width = width;
        self.bounds.clear();
    }

    /// The next box.
    fn push(&mut self, width: usize, intervals: impl Iterator<Item = Interval>) {
        let mut bounds = self.bounds.spare();
        bounds.fill(intervals);
        bounds.pad(width);
        self.bounds.push(bounds);
    }
}

/// Takes over bounds of some neurons of every box.
pub(crate) fn tighten(pending: &mut [Image], neurons: &Selection, bounds: &[Interval]) {
    let mut bounds = bounds.iter();
    for (image, neurons) in pending.iter_mut().zip(neurons.iter()) {
        for (&neuron, bound) in neurons.iter().zip(&mut bounds) {
            image.tighten(neuron, *bound);
        }
    }
}

/// The most coefficients on one value that are held at once.
const MAX_ENTRIES: usize = 1 << 24;

/// Adds the coefficients that rows of some neurons of each box start with on a value of
/// this width: `seed` sets them for one box.
pub(crate) fn add_seed(
    slot: &mut Option<DMatrix<f64>>,
    width: usize,
    neurons: &Selection,
    spans: &[Span],
    scratch: &mut Scratch,
    seed: impl Fn(&[usize], &mut [f64], &mut Scratch),
) {
    let columns = spans.last().map_or(0, |span| span.columns().end);
    let mut coefficients = scratch.zeros(width, columns);
    for (neurons, span) in neurons.iter().zip(spans) {
        let part = span.columns().start * width..span.columns().end * width;
        seed(neurons, &mut coefficients.as_mut_slice()[part], scratch);
    }
    match slot {
        Some(sum) => {
            *sum += &coefficients;
            scratch.give(coefficients);
        }
        None => *slot = Some(coefficients),
    }
}

/// The constants that rows of some neurons start with, box by box.
pub(crate) fn seed_constants(
    bias: &[f64],
    pending: &[Image],
    neurons: &Selection,
    scratch: &mut Scratch,
) -> Vec<Charged> {
    let mut constants = scratch.charges.take(2 * neurons.len());
    for (image, neurons) in pending.iter().zip(neurons.iter()) {
        for sign in [1.0, -1.0] {
            // The bias may itself be rounded: charge as for a coefficient of 1.
            constants.extend(neurons.iter().map(|&n| Charged {
                value: sign * bias[n],
                charge: image.charge(n) + image.underflow,
            }));
        }
    }
    constants
}

/// Charges rows for the seeds of several terms on one value, which were added; `bounds`
/// has those of a value, box by box.
pub(crate) fn charge_doubles<'b>(
    constants: &mut [Charged],
    stage: &Stage<'_>,
    frontier: &Frontier,
    bounds: impl Fn(usize) -> &'b [Intervals],
    spans: &[Span],
) {
    for (value, coefficients) in frontier.iter().enumerate() {
        let terms = stage.terms.iter().filter(|term| term.value == value).count();
        if let (Some(coefficients), true) = (coefficients, terms > 1) {
            charge(constants, coefficients, bounds(value), 2.0 * stage.unit, spans);
        }
    }
}

/// Charges rows in proportion to their coefficients on a value with these bounds.
pub(crate) fn charge(
    constants: &mut [Charged],
    rows: &DMatrix<f64>,
    bounds: &[Intervals],
    unit: f64,
    spans: &[Span],
) {
    let width = rows.nrows();
    for (span, bounds) in spans.iter().zip(bounds) {
        let columns = span.columns();
        let part = &rows.as_slice()[columns.start * width..columns.end * width];
        let constants = &mut constants[columns];
        least(part, constants.len(), bounds, |row, sum| {
            constants[row].charge += unit * sum.charge;
        });
    }
}

impl Step {
    /// Moves rows past the gate, each by the lines of its box, or by lower slopes of its own.
    pub(crate) fn through_gate(
        &self,
        rows: &mut DMatrix<f64>,
        constants: &mut [Charged],
        spans: &[Span],
        outward: bool,
        slopes: Option<&Ascent>,
    ) {
        let width = rows.nrows();
        for (span, (gate, &toll)) in spans.iter().zip(self.gates.iter().zip(&self.tolls)) {
            let columns = span.columns();
            let part = columns.start * width..columns.end * width;
            let rows = &mut rows.as_mut_slice()[part.clone()];
            let constants = &mut constants[columns];
            match slopes {
                Some(Ascent { values, .. }) => {
                    through_free_gate(rows, &values.as_slice()[part], constants, gate, toll);
                }
                None if outward => through_gate::<true>(rows, constants, gate, toll),
                None => through_gate::<false>(rows, constants, gate, toll),
            }
        }
    }
}

/// The lines of a gate.
pub(crate) fn lines(gate: Gate, relaxations: &Relaxations, x: Interval) -> Lines {
    match gate {
        Gate::Open => OPEN,
        Gate::Activation(Activation::Relu) => (relaxations.relu)(x),
        Gate::Activation(activation) => activation_lines(activation, x),
    }
}

/// What a gate does to an interval.
pub(crate) fn through(gate: Gate, x: Interval) -> Interval {
    match gate {
        Gate::Open => x,
        Gate::Activation(Activation::Relu) => relu_interval(x),
        Gate::Activation(activation) => activation_interval(activation, x),
    }
}

/// Which lower slopes are sound with the intercepts that the lines of a gate have.
fn slope_limits(
    gate: Gate,
    bounds: impl Iterator<Item = Interval>,
    lines: &GateLines,
) -> impl Iterator<Item = Interval> {
    let below = lines.lower_slope.iter().zip(&lines.lower_intercept);
    bounds.zip(below).map(move |(x, (&slope, &intercept))| match gate {
        // Such lines go through the kink, at 0.
        Gate::Activation(activation) if intercept == 0.0 => {
            let limits = free_lower_slope(activation, x);
            limits.map_or(Interval::point(slope), |(low, high)| Interval::new(low, high))
        }
        _ => Interval::point(slope),
    })
}

/// The lines of an open gate.
const OPEN: Lines = Lines {
    lower: Line { slope: 1.0, intercept: 0.0 },
    upper: Line { slope: 1.0, intercept: 0.0 },
};
