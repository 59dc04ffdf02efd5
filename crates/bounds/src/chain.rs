//! Backward substitution through one network: the machinery of CROWN.

use nalgebra::DMatrix;
use nncert_core::{Activation, Interval};

use crate::activation::{activation_interval, activation_lines, free_lower_slope};
use crate::dense::Image;
use crate::graph::{Gate, Graph, Stage};
use crate::intervals::Intervals;
use crate::kernel::{Before, Charged, GateLines, Toll, least, padded, through_gate};
use crate::linear::Compact;
use crate::relaxations::Relaxations;
use crate::relu::{Line, Lines, relu_interval};
use crate::rows::{Rows, Span};
use crate::scratch::Scratch;
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
    pub(crate) values: Vec<Value>,
    /// The relaxed stages.
    pub(crate) steps: Vec<Step>,
    /// Multiplications in matrix products so far.
    pub(crate) products: u64,
    /// What is known of each box from a larger one.
    pub(crate) known: Vec<Option<&'a Stability>>,
    /// What has been found on each.
    pub(crate) found: Vec<Stability>,
    /// Whether rows will choose lower slopes of their own.
    pub(crate) free: bool,
}

/// A value between stages, over the neurons that are kept.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// The neurons that are not dead in every box.
    pub(crate) live: Vec<usize>,
    /// How many numbers hold them, with padding.
    pub(crate) width: usize,
    /// Their bounds, padded, box by box.
    pub(crate) bounds: Vec<Intervals>,
}

/// A relaxed stage, over live neurons only.
#[derive(Debug)]
pub(crate) struct Step {
    /// The values that it adds up, and by which maps.
    pub(crate) terms: Vec<(usize, Compact)>,
    /// The lines of each box.
    pub(crate) gates: Vec<GateLines>,
    pub(crate) tolls: Vec<Toll>,
    /// What a sum that coefficients are added to costs, relatively.
    pub(crate) unit: f64,
    /// Which lower slopes rows may choose on each box; nothing unless they are to.
    pub(crate) limits: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Coefficients of rows on values that have not been substituted yet.
pub(crate) type Frontier = Vec<Option<DMatrix<f64>>>;

impl<'a> Chain<'a> {
    pub(crate) fn new(graph: &'a Graph<'a>, input: &'a [Intervals], rounding: Rounding) -> Self {
        let live = graph.free.clone();
        let value = Value { width: live.len(), live, bounds: input.to_vec() };
        Self {
            graph,
            outward: rounding.is_outward(),
            input,
            values: vec![value],
            steps: Vec::new(),
            products: 0,
            known: vec![None; input.len()],
            found: vec![Stability::default(); input.len()],
            free: false,
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
    pub(crate) fn pending(&self) -> Result<Vec<Image>, BoundsError> {
        let stage = self.stage();
        let image = |index: usize| {
            let values = |value: usize| {
                let Value { live, bounds, .. } = &self.values[value];
                (&live[..], &bounds[index])
            };
            let mut image = stage.image(values, self.outward)?;
            if let Some(known) = self.known[index] {
                known.clip(self.steps.len(), &mut image.bounds);
            }
            Ok(image)
        };
        (0..self.input.len()).map(image).collect()
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
        neurons: &[Vec<usize>],
        scratch: &mut Scratch,
    ) -> Rows {
        let outward = self.outward;
        self.rows_through(pending, neurons, scratch, |_, step, rows, constants, spans| {
            step.through_gate(rows, constants, spans, outward);
        })
    }

    /// [`Chain::rows`] through gates of the caller's: `gate` moves rows past a stage.
    pub(crate) fn rows_through(
        &self,
        pending: &[Image],
        neurons: &[Vec<usize>],
        scratch: &mut Scratch,
        mut gate: impl FnMut(usize, &Step, &mut DMatrix<f64>, &mut [Charged], &[Span]),
    ) -> Rows {
        let spans = Span::of(neurons);
        let stage = self.stage();
        let mut frontier = self.frontier();
        for term in &stage.terms {
            let Value { live, width, .. } = &self.values[term.value];
            let seed = |neurons: &[usize], out: &mut [f64]| term.seed(neurons, live, out);
            add_seed(&mut frontier[term.value], *width, neurons, &spans, scratch, seed);
        }
        let mut constants = seed_constants(&stage.bias.value, pending, neurons);
        let bounds = |value: usize| &self.values[value].bounds[..];
        charge_doubles(&mut constants, stage, &frontier, bounds, &spans);
        let mut products = 0;
        for index in (0..self.steps.len()).rev() {
            let Some(mut rows) = frontier[index + 1].take() else { continue };
            gate(index, &self.steps[index], &mut rows, &mut constants, &spans);
            products += self.pull(index, rows, &mut frontier, &mut constants, &spans, scratch);
        }
        let columns = constants.len();
        let coefficients =
            frontier[0].take().unwrap_or_else(|| DMatrix::zeros(self.values[0].width, columns));
        Rows { coefficients, constants, spans, products }
    }

    /// No coefficients on any value yet.
    pub(crate) fn frontier(&self) -> Frontier {
        vec![None; self.values.len()]
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

    /// Tightens the pending bounds of some neurons by back substitution.
    pub(crate) fn refine(
        &mut self,
        pending: &mut [Image],
        neurons: &[Vec<usize>],
        scratch: &mut Scratch,
    ) -> Rows {
        let rows = self.rows(pending, neurons, scratch);
        self.take_over(pending, neurons, &rows);
        rows
    }

    /// Tightens the pending bounds of some neurons by rows of them.
    pub(crate) fn take_over(&mut self, pending: &mut [Image], neurons: &[Vec<usize>], rows: &Rows) {
        self.products += rows.products;
        tighten(pending, neurons, &rows.bounds(self.input, self.outward));
    }

    /// Moves past the gate of the pending stage, keeping the neurons `live`.
    pub(crate) fn pass(
        &mut self,
        pending: &[Image],
        relaxations: &Relaxations,
        live: Vec<usize>,
        scratch: &mut Scratch,
    ) {
        let stage = self.stage();
        let (mut gates, mut bounds, mut limits) = (Vec::new(), Vec::new(), Vec::new());
        let width = padded(live.len());
        for (image, found) in pending.iter().zip(&mut self.found) {
            let lines = |n: usize| lines(stage.gate, relaxations, image.bounds.get(n));
            let before = |n: usize| Before { bias: stage.bias.value[n], charge: image.charge(n) };
            let neurons: Vec<_> = live.iter().map(|&n| (lines(n), before(n))).collect();
            if self.free {
                let x = |&n: &usize| image.bounds.get(n);
                limits.push(slope_limits(stage.gate, live.iter().map(x), &neurons));
            }
            gates.push(GateLines::new(&neurons));
            let value = |&n: &usize| through(stage.gate, image.bounds.get(n));
            bounds.push(live.iter().map(value).collect::<Intervals>().padded(width));
            found.push(&image.bounds);
        }
        let terms = stage.terms.iter().map(|term| {
            let Value { live: inputs, width, .. } = &self.values[term.value];
            (term.value, term.compact(&live, inputs, *width, scratch))
        });
        let terms = terms.collect();
        let toll = |image: &Image| Toll { unit: image.unit, underflow: image.underflow };
        let tolls = pending.iter().map(toll).collect();
        self.steps.push(Step { terms, gates, tolls, unit: stage.unit, limits });
        self.values.push(Value { live, width, bounds });
    }

    /// Gives back the matrices that it holds.
    pub(crate) fn recycle(&mut self, scratch: &mut Scratch) {
        for step in self.steps.drain(..) {
            step.terms.into_iter().for_each(|(_, map)| map.recycle(scratch));
        }
    }

    /// The neurons of the pending stage that are kept: those that are not dead in every box.
    pub(crate) fn alive(&self, pending: &[Image]) -> Vec<usize> {
        let stage = self.stage();
        let alive = |n: &usize| pending.iter().any(|image| image.bounds.upper[*n] > 0.0);
        let all = 0..stage.width;
        if stage.compact && stage.gate == Gate::Activation(Activation::Relu) {
            all.filter(alive).collect()
        } else {
            all.collect()
        }
    }
}

/// Takes over bounds of some neurons of every box.
pub(crate) fn tighten(pending: &mut [Image], neurons: &[Vec<usize>], bounds: &[Vec<Interval>]) {
    for (image, (neurons, bounds)) in pending.iter_mut().zip(neurons.iter().zip(bounds)) {
        for (&neuron, bound) in neurons.iter().zip(bounds) {
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
    neurons: &[Vec<usize>],
    spans: &[Span],
    scratch: &mut Scratch,
    seed: impl Fn(&[usize], &mut [f64]),
) {
    let columns = spans.last().map_or(0, |span| span.columns().end);
    let mut coefficients = scratch.zeros(width, columns);
    for (neurons, span) in neurons.iter().zip(spans) {
        let part = span.columns().start * width..span.columns().end * width;
        seed(neurons, &mut coefficients.as_mut_slice()[part]);
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
    neurons: &[Vec<usize>],
) -> Vec<Charged> {
    let mut constants = Vec::new();
    for (image, neurons) in pending.iter().zip(neurons) {
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
        let sums = least(part, columns.len(), bounds);
        for (constant, sum) in constants[columns].iter_mut().zip(sums) {
            constant.charge += unit * sum.charge;
        }
    }
}

impl Step {
    /// Moves rows past the gate, each by the lines of its box.
    pub(crate) fn through_gate(
        &self,
        rows: &mut DMatrix<f64>,
        constants: &mut [Charged],
        spans: &[Span],
        outward: bool,
    ) {
        let width = rows.nrows();
        for (span, (gate, &toll)) in spans.iter().zip(self.gates.iter().zip(&self.tolls)) {
            let columns = span.columns();
            let part = &mut rows.as_mut_slice()[columns.start * width..columns.end * width];
            let constants = &mut constants[columns];
            if outward {
                through_gate::<true>(part, constants, gate, toll);
            } else {
                through_gate::<false>(part, constants, gate, toll);
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

/// Which lower slopes are sound with the intercepts that the lines have, padded.
fn slope_limits(
    gate: Gate,
    bounds: impl Iterator<Item = Interval>,
    neurons: &[(Lines, Before)],
) -> (Vec<f64>, Vec<f64>) {
    let limits = bounds.zip(neurons).map(|(x, (lines, _))| {
        let fixed = (lines.lower.slope, lines.lower.slope);
        match gate {
            // Such lines go through the kink, at 0.
            Gate::Activation(activation) if lines.lower.intercept == 0.0 => {
                free_lower_slope(activation, x).unwrap_or(fixed)
            }
            _ => fixed,
        }
    });
    let (mut lower, mut upper): (Vec<f64>, Vec<f64>) = limits.unzip();
    lower.resize(padded(neurons.len()), 0.0);
    upper.resize(padded(neurons.len()), 0.0);
    (lower, upper)
}

/// The lines of an open gate.
const OPEN: Lines = Lines {
    lower: Line { slope: 1.0, intercept: 0.0 },
    upper: Line { slope: 1.0, intercept: 0.0 },
};
