//! Rows: lower bounds of some neurons as affine functions of an earlier value.

use nalgebra::DMatrix;
use nncert_core::{Interval, Region};

use crate::dense::{Bias, Image};
use crate::envelope::AffineForm;
use crate::intervals::Intervals;
use crate::kernel::{self, Charged};
use crate::rounding::{UNDERFLOW, charged_down, gamma};

/// Lower bounds of neurons and of their negations, one a column:
///
/// ```text
/// column s < m:   x_s ≥ a_s · v + c_s - charge_s
/// column m + s:  -x_s ≥ a_s · v + c_s - charge_s
/// ```
///
/// `v` is the value that the rows have reached; at the end, the free inputs.
/// The coefficients are exact numbers: what rounding took from them has been
/// charged.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) coefficients: DMatrix<f64>,
    pub(crate) constants: Vec<Charged>,
}

impl Rows {
    /// Rows on the inputs of a layer that bound some of its outputs.
    ///
    /// `coefficients` come from [`Weights::seed`](crate::dense::Weights::seed).
    pub(crate) fn seed(
        coefficients: DMatrix<f64>,
        bias: &Bias,
        image: &Image,
        neurons: &[usize],
    ) -> Self {
        let signed = |sign: f64| {
            // The bias may itself be rounded: charge as for a coefficient of 1.
            let charge = |n: usize| image.charge(n) + image.underflow;
            let constant =
                move |&n: &usize| Charged { value: sign * bias.value[n], charge: charge(n) };
            neurons.iter().map(constant)
        };
        Self { coefficients, constants: signed(1.0).chain(signed(-1.0)).collect() }
    }

    /// The rows of some neurons, by their places, and of their negations.
    pub(crate) fn pick(&self, neurons: &[usize]) -> Self {
        let m = self.neurons();
        let rows: Vec<usize> =
            neurons.iter().copied().chain(neurons.iter().map(|&n| m + n)).collect();
        Self {
            coefficients: self.coefficients.select_columns(&rows),
            constants: rows.iter().map(|&row| self.constants[row]).collect(),
        }
    }

    /// The number of neurons, half the number of rows.
    pub(crate) fn neurons(&self) -> usize {
        self.constants.len() / 2
    }

    /// The bounds of each neuron over a box of inputs.
    pub(crate) fn concretise(&self, input: &Intervals, outward: bool) -> Vec<Interval> {
        let n = self.coefficients.nrows();
        let (unit, underflow) = (gamma(n + 8), UNDERFLOW * (n + 1) as f64);
        let sums = kernel::least(&self.coefficients, input);
        let least = sums.iter().zip(&self.constants).map(|(sum, constant)| {
            let value = constant.value + sum.value;
            if outward {
                let rounding = unit * (sum.charge + constant.value.abs()) + underflow;
                charged_down(value, constant.charge + rounding)
            } else {
                value
            }
        });
        let least: Vec<f64> = least.collect();
        let (lower, negated) = least.split_at(self.neurons());
        lower.iter().zip(negated).map(|(&low, &neg)| Interval::new(low, -neg)).collect()
    }

    /// Rows that bound `x - y` from rows of `x` and of `y` over the same inputs.
    pub(crate) fn minus(&self, other: &Self, input: &Intervals) -> Self {
        let m = self.neurons();
        let magnitudes = input.magnitudes();
        let unit = gamma(4);
        let mut coefficients = self.coefficients.clone();
        let constants = self.constants.iter().enumerate().map(|(row, a)| {
            // x - y ≥ lower(x) + lower(-y), and the other way round.
            let opposite = (row + m) % (2 * m);
            let (mut column, other_column) =
                (coefficients.column_mut(row), other.coefficients.column(opposite));
            let mut size = 0.0;
            for ((a, b), magnitude) in column.iter_mut().zip(&other_column).zip(&magnitudes) {
                *a += b;
                size += a.abs() * magnitude;
            }
            let b = other.constants[opposite];
            let rounding = unit * (size + a.value.abs() + b.value.abs()) + UNDERFLOW;
            Charged { value: a.value + b.value, charge: a.charge + b.charge + rounding }
        });
        let constants = constants.collect();
        Self { coefficients, constants }
    }

    /// The row that bounds neuron `index` from below, over all the inputs of a region.
    pub(crate) fn lower_form(&self, index: usize, region: &Region, outward: bool) -> AffineForm {
        self.form(index, region, outward)
    }

    /// The form that bounds neuron `index` from above, over all the inputs of a region.
    pub(crate) fn upper_form(&self, index: usize, region: &Region, outward: bool) -> AffineForm {
        self.form(self.neurons() + index, region, outward).negated()
    }

    fn form(&self, row: usize, region: &Region, outward: bool) -> AffineForm {
        let mut coefficients = vec![0.0; region.dimension()];
        for (&input, &value) in region.free().iter().zip(&self.coefficients.column(row)) {
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
        }
    }

    #[test]
    fn a_difference_of_rows_pays_for_its_own_rounding() {
        let input = Intervals { lower: vec![3.0], upper: vec![3.0] };
        // Neither 1 + 2^-60 nor 3 + 2^-60 is a double: the sums lose the small terms.
        let tiny = 2.0f64.powi(-60);
        let difference = bare(1.0, 3.0).minus(&bare(-tiny, -tiny), &input);
        assert_eq!(difference.coefficients[0], 1.0);
        let Charged { value, charge } = difference.constants[0];
        assert_eq!(value, 3.0);
        assert!(charge >= 3.0 * tiny + tiny);
        let bounds = difference.concretise(&input, true);
        assert!(bounds[0].lower < 6.0 && bounds[0].upper > 6.0 + 4.0 * tiny);
    }
}
