//! Rows: lower bounds of some neurons as affine functions of an earlier value.

use core::ops::Range;

use nalgebra::DMatrix;
use nncert_core::{Interval, Region};

use crate::envelope::AffineForm;
use crate::intervals::Intervals;
use crate::kernel::{self, Charged};
use crate::rounding::{UNDERFLOW, charged_down, gamma};
use crate::scratch::Scratch;
use crate::selection::Selection;

/// Which rows belong to a box: `m` neurons and then their negations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    first: usize,
    neurons: usize,
}

impl Span {
    /// The spans of some neurons of each box, one after the other.
    pub(crate) fn of(neurons: &Selection, scratch: &mut Scratch) -> Vec<Self> {
        let (mut spans, mut first) = (scratch.spans.take(neurons.boxes()), 0);
        for neurons in neurons.iter() {
            spans.push(Self { first, neurons: neurons.len() });
            first += 2 * neurons.len();
        }
        spans
    }

    /// The rows of the box.
    pub(crate) fn columns(self) -> Range<usize> {
        self.first..self.first + 2 * self.neurons
    }

    /// Where its neurons are in one list of those of all boxes.
    pub(crate) fn neurons(self) -> Range<usize> {
        self.first / 2..self.first / 2 + self.neurons
    }

    /// The row that bounds a neuron from a side.
    fn row(self, neuron: usize, side: Side) -> usize {
        match side {
            Side::Below => self.first + neuron,
            Side::Above => self.first + self.neurons + neuron,
        }
    }

    /// The row of the negation of what a row bounds.
    fn opposite(self, row: usize) -> usize {
        self.first + (row - self.first + self.neurons) % (2 * self.neurons)
    }
}

/// A side of what is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Below,
    Above,
}

/// Lower bounds of neurons and of their negations, one a column:
///
/// ```text
/// x_s ≥ a_s · v + c_s - charge_s,   -x_s ≥ a'_s · v + c'_s - charge'_s
/// ```
///
/// `v` is the value that the rows have reached; at the end, the free inputs.
/// The coefficients are exact numbers: what rounding took from them has been
/// charged. Every box has columns of its own, neurons before negations.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) coefficients: DMatrix<f64>,
    pub(crate) constants: Vec<Charged>,
    pub(crate) spans: Vec<Span>,
    /// How many multiplications of matrix products they took.
    pub(crate) products: u64,
}

impl Rows {
    /// Gives back what they take.
    pub(crate) fn recycle(self, scratch: &mut Scratch) {
        scratch.give(self.coefficients);
        scratch.charges.give(self.constants);
        scratch.spans.give(self.spans);
    }

    /// A copy of them.
    pub(crate) fn copy(&self, scratch: &mut Scratch) -> Self {
        let mut constants = scratch.charges.take(self.constants.len());
        constants.extend_from_slice(&self.constants);
        let mut spans = scratch.spans.take(self.spans.len());
        spans.extend_from_slice(&self.spans);
        let coefficients = scratch.copy(&self.coefficients);
        Self { coefficients, constants, spans, products: self.products }
    }

    /// The rows of some neurons of each box, by their places, and of their negations.
    pub(crate) fn pick(&self, neurons: &Selection, scratch: &mut Scratch) -> Self {
        let (width, count) = (self.coefficients.nrows(), 2 * neurons.len());
        let mut coefficients = scratch.zeros(width, count);
        let mut constants = scratch.charges.take(count);
        for (span, neurons) in self.spans.iter().zip(neurons.iter()) {
            for side in [Side::Below, Side::Above] {
                for &neuron in neurons {
                    let row = span.row(neuron, side);
                    let column = self.coefficients.column(row);
                    coefficients.column_mut(constants.len()).copy_from(&column);
                    constants.push(self.constants[row]);
                }
            }
        }
        Self { coefficients, constants, spans: Span::of(neurons, scratch), products: 0 }
    }

    /// The coefficients of the rows of a box, one row after the other.
    pub(crate) fn part(&self, index: usize) -> &[f64] {
        let (columns, width) = (self.spans[index].columns(), self.coefficients.nrows());
        &self.coefficients.as_slice()[columns.start * width..columns.end * width]
    }

    /// Calls with every row of a box, counted from its first, and its least value over
    /// the box's inputs.
    pub(crate) fn least(
        &self,
        index: usize,
        input: &Intervals,
        outward: bool,
        mut visit: impl FnMut(usize, f64),
    ) {
        let columns = self.spans[index].columns();
        let n = self.coefficients.nrows();
        let (unit, underflow) = (gamma(n + 8), UNDERFLOW * (n + 1) as f64);
        let (count, constants) = (columns.len(), &self.constants[columns]);
        kernel::least(self.part(index), count, input, |row, sum| {
            let constant = constants[row];
            let value = constant.value + sum.value;
            let least = if outward {
                let rounding = unit * (sum.charge + constant.value.abs()) + underflow;
                charged_down(value, constant.charge + rounding)
            } else {
                value
            };
            visit(row, least);
        });
    }

    /// The bounds of each neuron over the inputs of its box, box by box.
    pub(crate) fn bounds(
        &self,
        input: &[Intervals],
        outward: bool,
        scratch: &mut Scratch,
    ) -> Vec<Interval> {
        let count = self.constants.len() / 2;
        let mut bounds = scratch.intervals.take(count);
        bounds.resize(count, Interval::EVERYTHING);
        for (index, (span, input)) in self.spans.iter().zip(input).enumerate() {
            let bounds = &mut bounds[span.neurons()];
            self.least(index, input, outward, |row, least| match row.checked_sub(span.neurons) {
                None => bounds[row].lower = least,
                Some(neuron) => bounds[neuron].upper = -least,
            });
        }
        bounds
    }

    /// Rows that bound `x - y` from rows of `x` and of `y` over the same inputs.
    pub(crate) fn minus(&self, other: &Self, input: &[Intervals], scratch: &mut Scratch) -> Self {
        let mut difference = self.copy(scratch);
        for (span, input) in self.spans.iter().zip(input) {
            for row in span.columns() {
                // x - y ≥ lower(x) + lower(-y), and the other way round.
                let opposite = span.opposite(row);
                let mut column = difference.coefficients.column_mut(row);
                let other_column = other.coefficients.column(opposite);
                let mut size = 0.0;
                for ((a, b), x) in column.iter_mut().zip(&other_column).zip(input.iter()) {
                    *a += b;
                    size += a.abs() * x.magnitude();
                }
                let (a, b) = (self.constants[row], other.constants[opposite]);
                let rounding = gamma(4) * (size + a.value.abs() + b.value.abs()) + UNDERFLOW;
                let charge = a.charge + b.charge + rounding;
                difference.constants[row] = Charged { value: a.value + b.value, charge };
            }
        }
        difference
    }

    /// Writes the row that bounds a neuron of a box from a side, as a function of all the
    /// inputs of a region, of which `free` are the rows'.
    pub(crate) fn write_form(
        &self,
        (index, neuron, side): (usize, usize, Side),
        region: &Region,
        free: &[usize],
        outward: bool,
        form: &mut AffineForm,
    ) {
        let row = self.spans[index].row(neuron, side);
        let sign = if side == Side::Below { 1.0 } else { -1.0 };
        form.coefficients.clear();
        form.coefficients.resize(region.dimension(), 0.0);
        for (&input, &value) in free.iter().zip(&self.coefficients.column(row)) {
            form.coefficients[input] = sign * value;
        }
        let Charged { value, charge } = self.constants[row];
        form.constant = sign * if outward { charged_down(value, charge) } else { value };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::dmatrix;

    /// Rows without any charge yet: what `minus` itself loses has to show.
    fn bare(coefficient: f64, value: f64) -> Rows {
        let constant = |value| Charged { value, charge: 0.0 };
        Rows {
            coefficients: dmatrix![coefficient, -coefficient],
            constants: vec![constant(value), constant(-value)],
            spans: vec![Span { first: 0, neurons: 1 }],
            products: 0,
        }
    }

    #[test]
    fn a_difference_of_rows_pays_for_its_own_rounding() {
        let input = Intervals { lower: vec![3.0], upper: vec![3.0] };
        // Neither 1 + 2^-60 nor 3 + 2^-60 is a double: the sums lose the small terms.
        let tiny = 2.0f64.powi(-60);
        let (input, scratch) = (std::slice::from_ref(&input), &mut Scratch::default());
        let difference = bare(1.0, 3.0).minus(&bare(-tiny, -tiny), input, scratch);
        assert_eq!(difference.coefficients[0], 1.0);
        let Charged { value, charge } = difference.constants[0];
        assert_eq!(value, 3.0);
        assert!(charge >= 3.0 * tiny + tiny);
        let bounds = difference.bounds(input, true, scratch);
        assert!(bounds[0].lower < 6.0 && bounds[0].upper > 6.0 + 4.0 * tiny);
    }
}
