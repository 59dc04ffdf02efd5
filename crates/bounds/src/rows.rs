//! Rows: lower bounds of some neurons as affine functions of an earlier value.

use core::ops::Range;

use nalgebra::DMatrix;
use nncert_core::{Interval, Region};

use crate::envelope::AffineForm;
use crate::intervals::Intervals;
use crate::kernel::{self, Charged};
use crate::rounding::{UNDERFLOW, charged_down, gamma};

/// Which rows belong to a box: `m` neurons and then their negations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    first: usize,
    neurons: usize,
}

impl Span {
    /// The spans of some neurons of each box, one after the other.
    pub(crate) fn of(neurons: &[Vec<usize>]) -> Vec<Self> {
        let mut first = 0;
        let span = |neurons: &Vec<usize>| {
            let span = Self { first, neurons: neurons.len() };
            first += 2 * neurons.len();
            span
        };
        neurons.iter().map(span).collect()
    }

    /// The rows of the box.
    pub(crate) fn columns(self) -> Range<usize> {
        self.first..self.first + 2 * self.neurons
    }

    fn lower(self, neuron: usize) -> usize {
        self.first + neuron
    }

    fn upper(self, neuron: usize) -> usize {
        self.first + self.neurons + neuron
    }

    /// The row of the negation of what a row bounds.
    fn opposite(self, row: usize) -> usize {
        self.first + (row - self.first + self.neurons) % (2 * self.neurons)
    }
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
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) coefficients: DMatrix<f64>,
    pub(crate) constants: Vec<Charged>,
    pub(crate) spans: Vec<Span>,
    /// How many multiplications of matrix products they took.
    pub(crate) products: u64,
}

impl Rows {
    /// The rows of some neurons of each box, by their places, and of their negations.
    pub(crate) fn pick(&self, neurons: &[Vec<usize>]) -> Self {
        let rows = self.spans.iter().zip(neurons).flat_map(|(span, neurons)| {
            let lower = neurons.iter().map(|&n| span.lower(n));
            lower.chain(neurons.iter().map(|&n| span.upper(n)))
        });
        let rows: Vec<usize> = rows.collect();
        Self {
            coefficients: self.coefficients.select_columns(&rows),
            constants: rows.iter().map(|&row| self.constants[row]).collect(),
            spans: Span::of(neurons),
            products: 0,
        }
    }

    /// The coefficients of the rows of a box, one row after the other.
    pub(crate) fn part(&self, index: usize) -> &[f64] {
        let (columns, width) = (self.spans[index].columns(), self.coefficients.nrows());
        &self.coefficients.as_slice()[columns.start * width..columns.end * width]
    }

    /// The least value of every row of a box over its inputs.
    pub(crate) fn least(&self, index: usize, input: &Intervals, outward: bool) -> Vec<f64> {
        let columns = self.spans[index].columns();
        let n = self.coefficients.nrows();
        let (unit, underflow) = (gamma(n + 8), UNDERFLOW * (n + 1) as f64);
        let sums = kernel::least(self.part(index), columns.len(), input);
        let least = sums.iter().zip(&self.constants[columns]).map(|(sum, constant)| {
            let value = constant.value + sum.value;
            if outward {
                let rounding = unit * (sum.charge + constant.value.abs()) + underflow;
                charged_down(value, constant.charge + rounding)
            } else {
                value
            }
        });
        least.collect()
    }

    /// The bounds of each neuron of a box over its inputs.
    pub(crate) fn concretise(
        &self,
        index: usize,
        input: &Intervals,
        outward: bool,
    ) -> Vec<Interval> {
        let least = self.least(index, input, outward);
        let (lower, negated) = least.split_at(self.spans[index].neurons);
        lower.iter().zip(negated).map(|(&low, &neg)| Interval::new(low, -neg)).collect()
    }

    /// Rows that bound `x - y` from rows of `x` and of `y` over the same inputs.
    pub(crate) fn minus(&self, other: &Self, input: &[Intervals]) -> Self {
        let mut difference = self.clone();
        for (span, input) in self.spans.iter().zip(input) {
            let magnitudes = input.magnitudes();
            for row in span.columns() {
                // x - y ≥ lower(x) + lower(-y), and the other way round.
                let opposite = span.opposite(row);
                let mut column = difference.coefficients.column_mut(row);
                let other_column = other.coefficients.column(opposite);
                let mut size = 0.0;
                for ((a, b), magnitude) in column.iter_mut().zip(&other_column).zip(&magnitudes) {
                    *a += b;
                    size += a.abs() * magnitude;
                }
                let (a, b) = (self.constants[row], other.constants[opposite]);
                let rounding = gamma(4) * (size + a.value.abs() + b.value.abs()) + UNDERFLOW;
                let charge = a.charge + b.charge + rounding;
                difference.constants[row] = Charged { value: a.value + b.value, charge };
            }
        }
        difference
    }

    /// The row that bounds a neuron of a box from below, over all the inputs of a region.
    pub(crate) fn lower_form(
        &self,
        index: usize,
        neuron: usize,
        region: &Region,
        free: &[usize],
        outward: bool,
    ) -> AffineForm {
        self.form(self.spans[index].lower(neuron), region, free, outward)
    }

    /// The form that bounds a neuron of a box from above, over all the inputs of a region.
    pub(crate) fn upper_form(
        &self,
        index: usize,
        neuron: usize,
        region: &Region,
        free: &[usize],
        outward: bool,
    ) -> AffineForm {
        self.form(self.spans[index].upper(neuron), region, free, outward).negated()
    }

    fn form(&self, row: usize, region: &Region, free: &[usize], outward: bool) -> AffineForm {
        let mut coefficients = vec![0.0; region.dimension()];
        for (&input, &value) in free.iter().zip(&self.coefficients.column(row)) {
            coefficients[input] = value;
        }
        let Charged { value, charge } = self.constants[row];
        let constant = if outward { charged_down(value, charge) } else { value };
        AffineForm { coefficients, constant }
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
            spans: Span::of(&[vec![0]]),
            products: 0,
        }
    }

    #[test]
    fn a_difference_of_rows_pays_for_its_own_rounding() {
        let input = Intervals { lower: vec![3.0], upper: vec![3.0] };
        // Neither 1 + 2^-60 nor 3 + 2^-60 is a double: the sums lose the small terms.
        let tiny = 2.0f64.powi(-60);
        let difference = bare(1.0, 3.0).minus(&bare(-tiny, -tiny), std::slice::from_ref(&input));
        assert_eq!(difference.coefficients[0], 1.0);
        let Charged { value, charge } = difference.constants[0];
        assert_eq!(value, 3.0);
        assert!(charge >= 3.0 * tiny + tiny);
        let bounds = difference.concretise(0, &input, true);
        assert!(bounds[0].lower < 6.0 && bounds[0].upper > 6.0 + 4.0 * tiny);
    }
}
