//! α-CROWN: lower slopes chosen by gradient ascent.
//!
//! Every row of a pass may take lower lines of its own at every neuron that is not
//! stable: `α x ≤ ReLU(x)` for each `α` in `[0, 1]`. For the difference it may also mix
//! two sets of faces, those of `δ` and those of the two networks apart. The bound is an
//! expression in these numbers whose derivatives are known in closed form: with `x*`
//! the input at which the row's affine function is least, and `z` the pre-activations
//! that the row's own lines give at `x*`,
//!
//! ```text
//! ∂ least / ∂ α_j = max(a_j, 0) · z_j,    a_j the coefficient on neuron j
//! ```
//!
//! so that a gradient for all rows costs a pass forward.

use nalgebra::DMatrix;

use crate::chain::{Chain, Step};
use crate::dense::Image;
use crate::free::Ascent;
use crate::intervals::Intervals;
use crate::kernel::GateLines;
use crate::rows::{Rows, Span};
use crate::scratch::Scratch;
use crate::selection::Selection;

/// How slopes are optimised.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AlphaOptions {
    /// Steps for the outputs.
    pub iterations: usize,
    /// Steps for the neurons between, each as long as a whole pass; 0 leaves them to CROWN.
    pub intermediate: usize,
    /// The first step, as a share of the range of a slope.
    pub rate: f64,
    /// What a step is multiplied by to give the next.
    pub decay: f64,
}

impl Default for AlphaOptions {
    /// Sixty steps for the outputs, which cost little, and eight for the neurons between:
    /// more of either gains little on wide networks.
    fn default() -> Self {
        Self { iterations: 60, intermediate: 8, rate: 0.5, decay: 0.9 }
    }
}

/// Rows that depend on numbers which may be chosen.
pub(crate) trait Climb {
    /// Rows by the choices as they are; keeps what their gradients need. The first are
    /// those of the gates.
    fn rows(&mut self, scratch: &mut Scratch) -> Rows;

    /// Moves the choices along the gradients of the latest rows; `step` counts from 1.
    fn ascend(&mut self, rows: &Rows, rate: f64, step: i32, scratch: &mut Scratch);
}

/// The best rows that some steps find, each by itself: never worse than the first.
pub(crate) fn climb(
    mut on: impl Climb,
    input: &[Intervals],
    (iterations, options): (usize, &AlphaOptions),
    scratch: &mut Scratch,
) -> Rows {
    let mut rows = on.rows(scratch);
    let mut best = Best::new(&rows, scratch);
    best.offer(&rows, input);
    let mut rate = options.rate;
    for step in 1..=iterations {
        on.ascend(&rows, rate, i32::try_from(step).unwrap_or(i32::MAX), scratch);
        rate *= options.decay;
        rows.recycle(scratch);
        rows = on.rows(scratch);
        best.offer(&rows, input);
    }
    rows.recycle(scratch);
    best.rows
}

/// The best that was found for every row.
struct Best {
    rows: Rows,
    /// The least value of every row.
    least: Vec<f64>,
}

impl Best {
    fn new(rows: &Rows, scratch: &mut Scratch) -> Self {
        let least = vec![f64::NEG_INFINITY; rows.constants.len()];
        Self { rows: Rows { products: 0, ..rows.copy(scratch) }, least }
    }

    /// Takes over the rows that are better.
    fn offer(&mut self, rows: &Rows, input: &[Intervals]) {
        let Self { rows: best, least } = self;
        for (index, input) in input.iter().enumerate() {
            let first = rows.spans[index].columns().start;
            rows.least(index, input, true, |row, new| {
                let row = first + row;
                if new > least[row] {
                    least[row] = new;
                    best.coefficients.set_column(row, &rows.coefficients.column(row));
                    best.constants[row] = rows.constants[row];
                }
            });
        }
        best.products += rows.products;
    }
}

impl Chain<'_> {
    /// Rows of neurons of a pending stage, optimised or not: with the best lower slopes that
    /// some steps find, never worse than those of the gates.
    pub(crate) fn bound(
        &self,
        pending: &[Image],
        neurons: &Selection,
        how: Option<(usize, &AlphaOptions)>,
        scratch: &mut Scratch,
    ) -> Rows {
        let Some(how) = how else { return self.rows(pending, neurons, scratch) };
        let ascents: Vec<Option<Ascent>> =
            self.steps.iter().map(|step| step.ascent(neurons)).collect();
        if ascents.iter().all(Option::is_none) {
            return self.rows(pending, neurons, scratch);
        }
        let tape = vec![None; self.steps.len()];
        let slopes = Slopes { chain: self, pending, neurons, ascents, tape, moved: false };
        climb(slopes, self.input, how, scratch)
    }
}

/// The lower slopes of a chain.
struct Slopes<'c, 'a> {
    chain: &'c Chain<'a>,
    pending: &'c [Image],
    neurons: &'c Selection,
    ascents: Vec<Option<Ascent>>,
    /// The coefficients that the latest rows had before every gate.
    tape: Vec<Option<DMatrix<f64>>>,
    /// Whether they are no longer those of the gates.
    moved: bool,
}

impl Climb for Slopes<'_, '_> {
    fn rows(&mut self, scratch: &mut Scratch) -> Rows {
        let Self { chain, pending, neurons, ascents, tape, moved } = self;
        let outward = chain.outward;
        tape.iter_mut().filter_map(Option::take).for_each(|matrix| scratch.give(matrix));
        chain.rows_through(pending, neurons, scratch, |index, rows, constants, spans, scratch| {
            tape[index] = Some(scratch.copy(rows));
            let slopes = ascents[index].as_ref().filter(|_| *moved);
            chain.steps[index].through_gate(rows, constants, spans, outward, slopes);
        })
    }

    /// A pass forward through the lines that every row has chosen.
    fn ascend(&mut self, rows: &Rows, rate: f64, step: i32, scratch: &mut Scratch) {
        self.moved = true;
        let mut values: Vec<Option<DMatrix<f64>>> = vec![None; self.chain.values.len()];
        values[0] = Some(minimisers(rows, self.chain.input, scratch));
        for (index, relaxed) in self.chain.steps.iter().enumerate() {
            let Some(coefficients) = &self.tape[index] else { continue };
            let mut sums = scratch.zeros(coefficients.nrows(), coefficients.ncols());
            for (value, map) in &relaxed.terms {
                if let Some(input) = &values[*value] {
                    map.push(input, &mut sums, true);
                }
            }
            let biases = relaxed.gates.iter().map(|gate| &gate.bias[..]);
            add_biases(&mut sums, biases, &rows.spans);
            let mut ascent = self.ascents[index].as_mut();
            let gradient = ascent.as_ref().map(|_| {
                let mut gradient = scratch.zeros(sums.nrows(), sums.ncols());
                let entries = coefficients.as_slice().iter().zip(sums.as_slice());
                for (gradient, (a, z)) in gradient.as_mut_slice().iter_mut().zip(entries) {
                    *gradient = a.max(0.0) * z;
                }
                gradient
            });
            // The values are those of the slopes that the rows had.
            let slopes = ascent.as_ref().map(|ascent| &ascent.values);
            through_lines(&mut sums, coefficients, slopes, &relaxed.gates, &rows.spans);
            if let (Some(ascent), Some(gradient)) = (&mut ascent, gradient) {
                ascent.step(&gradient, rate, step);
                scratch.give(gradient);
            }
            values[index + 1] = Some(sums);
        }
        values.into_iter().flatten().for_each(|matrix| scratch.give(matrix));
    }
}

impl Step {
    /// What rows may choose at this gate, if anything.
    fn ascent(&self, neurons: &Selection) -> Option<Ascent> {
        let free = |limits: &Intervals| limits.iter().any(|slope| slope.lower < slope.upper);
        self.limits.iter().any(free).then(|| {
            let groups = self.gates.iter().zip(&*self.limits);
            Ascent::new(groups.map(|(gate, limits)| (&gate.lower_slope[..], limits)), neurons)
        })
    }
}

/// The input at which each row is least.
pub(crate) fn minimisers(rows: &Rows, input: &[Intervals], scratch: &mut Scratch) -> DMatrix<f64> {
    let mut points = scratch.copy(&rows.coefficients);
    for (span, input) in rows.spans.iter().zip(input) {
        for column in span.columns() {
            let ends = input.lower.iter().zip(&input.upper);
            for (entry, (low, high)) in points.column_mut(column).iter_mut().zip(ends) {
                *entry = if *entry >= 0.0 { *low } else { *high };
            }
        }
    }
    points
}

/// Adds the biases of each box.
pub(crate) fn add_biases<'b>(
    sums: &mut DMatrix<f64>,
    biases: impl Iterator<Item = &'b [f64]>,
    spans: &[Span],
) {
    for (span, biases) in spans.iter().zip(biases) {
        for column in span.columns() {
            for (entry, bias) in sums.column_mut(column).iter_mut().zip(biases) {
                *entry += bias;
            }
        }
    }
}

/// Sends pre-activations through the lines that coefficients choose.
fn through_lines(
    sums: &mut DMatrix<f64>,
    coefficients: &DMatrix<f64>,
    slopes: Option<&DMatrix<f64>>,
    gates: &[GateLines],
    spans: &[Span],
) {
    let width = sums.nrows();
    for (span, gate) in spans.iter().zip(gates) {
        for column in span.columns() {
            let part = column * width..(column + 1) * width;
            let signs = &coefficients.as_slice()[part.clone()];
            let own = slopes.map_or(&gate.lower_slope[..], |s| &s.as_slice()[part.clone()]);
            for (j, entry) in sums.as_mut_slice()[part].iter_mut().enumerate() {
                let (slope, intercept) = if signs[j] >= 0.0 {
                    (own[j], gate.lower_intercept[j])
                } else {
                    (gate.upper_slope[j], gate.upper_intercept[j])
                };
                *entry = slope * *entry + intercept;
            }
        }
    }
}
