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
use crate::free::{Ascent, through_free_gate};
use crate::intervals::Intervals;
use crate::kernel::GateLines;
use crate::rows::{Rows, Span};
use crate::scratch::Scratch;

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

/// The best that was found for every row.
#[derive(Debug)]
pub(crate) struct Best {
    pub(crate) rows: Rows,
    /// The least value of every row, box by box.
    least: Vec<Vec<f64>>,
}

impl Best {
    /// Keeps what a first pass gave.
    pub(crate) fn new(rows: Rows, input: &[Intervals]) -> Self {
        let least = input.iter().enumerate().map(|(index, x)| rows.least(index, x, true)).collect();
        Self { rows, least }
    }

    /// Takes over the rows that are better.
    pub(crate) fn offer(&mut self, rows: &Rows, input: &[Intervals]) {
        for (index, input) in input.iter().enumerate() {
            let offered = rows.least(index, input, true);
            let columns = self.rows.spans[index].columns();
            for ((known, new), row) in self.least[index].iter_mut().zip(offered).zip(columns) {
                if new > *known {
                    *known = new;
                    let column = rows.coefficients.column(row);
                    self.rows.coefficients.set_column(row, &column);
                    self.rows.constants[row] = rows.constants[row];
                }
            }
        }
    }
}

impl Chain<'_> {
    /// [`Chain::rows`] with the best lower slopes that some steps find: never worse than
    /// those of the gates.
    pub(crate) fn rows_alpha(
        &self,
        pending: &[Image],
        neurons: &[Vec<usize>],
        (iterations, options): (usize, &AlphaOptions),
        scratch: &mut Scratch,
    ) -> Best {
        let spans = Span::of(neurons);
        let columns: Vec<usize> = spans.iter().map(|span| span.columns().len()).collect();
        let mut ascents: Vec<Option<Ascent>> =
            self.steps.iter().map(|step| step.ascent(&columns)).collect();
        if ascents.iter().all(Option::is_none) {
            return Best::new(self.rows(pending, neurons, scratch), self.input);
        }
        let mut best: Option<Best> = None;
        let (mut rate, outward) = (options.rate, self.outward);
        // The first pass has the slopes of the gates.
        for iteration in 0..=iterations {
            let mut tape: Vec<Option<DMatrix<f64>>> = vec![None; self.steps.len()];
            let rows = self.rows_through(
                pending,
                neurons,
                scratch,
                |index, step, rows, constants, spans| {
                    tape[index] = Some(rows.clone());
                    match &ascents[index] {
                        None => step.through_gate(rows, constants, spans, outward),
                        Some(ascent) => {
                            let width = rows.nrows();
                            for (at, span) in spans.iter().enumerate() {
                                let columns = span.columns();
                                let part = columns.start * width..columns.end * width;
                                through_free_gate(
                                    &mut rows.as_mut_slice()[part.clone()],
                                    &ascent.values.as_slice()[part],
                                    &mut constants[columns],
                                    &step.gates[at],
                                    step.tolls[at],
                                );
                            }
                        }
                    }
                },
            );
            match &mut best {
                Some(best) => {
                    best.offer(&rows, self.input);
                    best.rows.products += rows.products;
                }
                None => best = Some(Best::new(rows.clone(), self.input)),
            }
            if iteration < iterations {
                let ahead = Ahead { chain: self, spans: &spans };
                let gradients = ahead.gradients(&rows, &tape, &ascents, scratch);
                let step = i32::try_from(iteration + 1).unwrap_or(i32::MAX);
                for (ascent, gradient) in ascents.iter_mut().zip(gradients) {
                    if let (Some(ascent), Some(gradient)) = (ascent, gradient) {
                        ascent.step(&gradient, rate, step);
                        scratch.give(gradient);
                    }
                }
                rate *= options.decay;
            }
            tape.into_iter().flatten().for_each(|matrix| scratch.give(matrix));
            scratch.give(rows.coefficients);
        }
        best.unwrap_or_else(|| Best::new(self.rows(pending, neurons, scratch), self.input))
    }

    /// Tightens the pending bounds of some neurons by optimised back substitution.
    pub(crate) fn refine_alpha(
        &mut self,
        pending: &mut [Image],
        neurons: &[Vec<usize>],
        how: (usize, &AlphaOptions),
        scratch: &mut Scratch,
    ) -> Rows {
        let Best { rows, .. } = self.rows_alpha(pending, neurons, how, scratch);
        self.take_over(pending, neurons, &rows);
        rows
    }
}

impl Step {
    /// What rows may choose at this gate, if anything.
    fn ascent(&self, columns: &[usize]) -> Option<Ascent> {
        let free =
            |(lower, upper): &(Vec<f64>, Vec<f64>)| lower.iter().zip(upper).any(|(a, b)| a < b);
        self.limits.iter().any(free).then(|| {
            let groups = self.gates.iter().zip(&self.limits).map(|(gate, (lower, upper))| {
                (gate.lower_slope.clone(), lower.clone(), upper.clone())
            });
            Ascent::new(groups.collect(), columns)
        })
    }
}

/// A pass forward through the lines that every row has chosen.
struct Ahead<'c, 'a> {
    chain: &'c Chain<'a>,
    spans: &'c [Span],
}

impl Ahead<'_, '_> {
    /// The gradients of the least values by the slopes, stage by stage.
    fn gradients(
        &self,
        rows: &Rows,
        tape: &[Option<DMatrix<f64>>],
        ascents: &[Option<Ascent>],
        scratch: &mut Scratch,
    ) -> Vec<Option<DMatrix<f64>>> {
        let mut values: Vec<Option<DMatrix<f64>>> = vec![None; self.chain.values.len()];
        values[0] = Some(minimisers(rows, self.chain.input));
        let mut gradients = Vec::with_capacity(tape.len());
        for (index, step) in self.chain.steps.iter().enumerate() {
            let Some(coefficients) = &tape[index] else {
                gradients.push(None);
                continue;
            };
            let mut sums = scratch.zeros(coefficients.nrows(), coefficients.ncols());
            for (value, map) in &step.terms {
                if let Some(input) = &values[*value] {
                    map.push(input, &mut sums, true);
                }
            }
            add_biases(&mut sums, &step.gates, self.spans);
            let ascent = ascents[index].as_ref();
            gradients.push(ascent.map(|_| {
                let mut gradient = scratch.zeros(sums.nrows(), sums.ncols());
                let entries = coefficients.as_slice().iter().zip(sums.as_slice());
                for (gradient, (a, z)) in gradient.as_mut_slice().iter_mut().zip(entries) {
                    *gradient = a.max(0.0) * z;
                }
                gradient
            }));
            let slopes = ascent.map(|ascent| &ascent.values);
            through_lines(&mut sums, coefficients, slopes, &step.gates, self.spans);
            values[index + 1] = Some(sums);
        }
        values.into_iter().flatten().for_each(|matrix| scratch.give(matrix));
        gradients
    }
}

/// The input at which each row is least.
pub(crate) fn minimisers(rows: &Rows, input: &[Intervals]) -> DMatrix<f64> {
    let mut points = rows.coefficients.clone();
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

/// Adds the biases of the gates of each box.
pub(crate) fn add_biases(sums: &mut DMatrix<f64>, gates: &[GateLines], spans: &[Span]) {
    for (span, gate) in spans.iter().zip(gates) {
        for column in span.columns() {
            for (entry, bias) in sums.column_mut(column).iter_mut().zip(&gate.bias) {
                *entry += bias;
            }
        }
    }
}

/// Sends pre-activations through the lines that coefficients choose.
pub(crate) fn through_lines(
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
