//! An affine layer as a pass sees it: over the inputs that matter.

use nalgebra::DMatrix;
use nncert_core::{Affine, Interval, Region};

use crate::BoundsError;
use crate::intervals::Intervals;
use crate::kernel::{Sums, padded};
use crate::rounding::{UNDERFLOW, charged_down, charged_up, gamma};

/// The weights of a layer, or those of a layer less those of its copy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weights<'a> {
    /// `W`.
    Plain(&'a DMatrix<f64>),
    /// `W - W'`, entry by entry, rounded to nearest when it is read.
    Difference(&'a DMatrix<f64>, &'a DMatrix<f64>),
}

impl<'a> Weights<'a> {
    /// A column, and what is subtracted from it.
    pub(crate) fn column(self, input: usize) -> (&'a [f64], Option<&'a [f64]>) {
        let column = |matrix: &'a DMatrix<f64>| {
            let rows = matrix.nrows();
            &matrix.as_slice()[input * rows..(input + 1) * rows]
        };
        match self {
            Self::Plain(weight) => (column(weight), None),
            Self::Difference(weight, copy) => (column(weight), Some(column(copy))),
        }
    }

    /// The rows `outputs` and the columns `inputs`, padded with zeros to `width` columns.
    pub(crate) fn compact(self, outputs: &[usize], inputs: &[usize], width: usize) -> DMatrix<f64> {
        let rows = padded(outputs.len());
        let mut values = Vec::with_capacity(rows * width);
        for &input in inputs {
            match self.column(input) {
                (column, None) => values.extend(outputs.iter().map(|&row| column[row])),
                (column, Some(copy)) => {
                    values.extend(outputs.iter().map(|&row| column[row] - copy[row]));
                }
            }
            values.resize(values.len() + rows - outputs.len(), 0.0);
        }
        values.resize(rows * width, 0.0);
        DMatrix::from_vec(rows, width, values)
    }

    /// The coefficients of rows that start at this layer: the rows `neurons` of the
    /// weights and their negations, one a column, over the inputs `live`.
    pub(crate) fn seed(self, neurons: &[usize], live: &[usize], width: usize) -> DMatrix<f64> {
        let m = neurons.len();
        let mut coefficients = DMatrix::zeros(width, 2 * m);
        for (j, &input) in live.iter().enumerate() {
            let (column, copy) = self.column(input);
            for (row, &neuron) in neurons.iter().enumerate() {
                let weight = column[neuron] - copy.map_or(0.0, |copy| copy[neuron]);
                coefficients[(j, row)] = weight;
                coefficients[(j, m + row)] = -weight;
            }
        }
        coefficients
    }
}

/// A bias, into which the fixed inputs of the first layer have been folded.
#[derive(Clone, Debug)]
pub(crate) struct Bias {
    /// The bias, rounded where something was folded in.
    pub(crate) value: Vec<f64>,
    /// At least its terms in absolute value.
    pub(crate) reach: Vec<f64>,
}

impl Bias {
    /// The bias of a layer, less that of its copy if there is one.
    pub(crate) fn new(affine: &Affine, copy: Option<&Affine>) -> Self {
        let value: Vec<f64> = match copy {
            None => affine.bias.iter().copied().collect(),
            Some(copy) => (&affine.bias - &copy.bias).iter().copied().collect(),
        };
        let reach = value.iter().map(|value| value.abs()).collect();
        Self { value, reach }
    }

    /// Adds the share of the inputs that a region fixes.
    pub(crate) fn fold(mut self, weights: Weights<'_>, region: &Region) -> Self {
        let mut free = region.free().iter().copied().peekable();
        for (input, &value) in region.lower().iter().enumerate() {
            if free.next_if_eq(&input).is_none() && value != 0.0 {
                self.add(weights.column(input), value);
            }
        }
        self
    }

    fn add(&mut self, (column, copy): (&[f64], Option<&[f64]>), input: f64) {
        for (row, weight) in column.iter().enumerate() {
            let term = (weight - copy.map_or(0.0, |copy| copy[row])) * input;
            self.value[row] += term;
            self.reach[row] += term.abs();
        }
    }
}

/// What a layer maps a box to.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Encloses the outputs.
    pub(crate) bounds: Intervals,
    /// `|W| X + |b|`, where `X` bounds the inputs: rounding is charged in proportion.
    pub(crate) reach: Vec<f64>,
    /// The relative cost of the roundings that a sum over the layer can meet.
    pub(crate) unit: f64,
    /// What underflow costs every row that passes this layer, whatever its coefficients.
    pub(crate) underflow: f64,
}

/// The relative cost of the roundings that a sum over a layer can meet.
pub(crate) fn unit(affine: &Affine, depth: usize) -> f64 {
    gamma(2 * (affine.inputs() + affine.outputs()) + depth + 32)
}

impl Image {
    /// Interval propagation through `y = Σ W_i x_i + b`, over the inputs `live`.
    ///
    /// One term for a single network; two, `W' δ̂ + (W - W') x̂`, for a difference.
    pub(crate) fn new(
        bias: &Bias,
        live: &[usize],
        terms: &[(Weights<'_>, &Intervals)],
        unit: f64,
        outward: bool,
    ) -> Self {
        let mut sums = Sums::new(bias);
        let mut size = 0.0;
        for (weights, input) in terms {
            sums.add(*weights, live, input, outward);
            size += input.magnitudes().iter().sum::<f64>();
        }
        let Sums { middle, spread, reach } = sums;
        let bounds = middle.iter().zip(&spread).zip(&reach).map(|((y, t), reach)| {
            if outward {
                let charge = 2.0 * unit * reach + f64::MIN_POSITIVE;
                Interval::new(charged_down(y - t, charge), charged_up(y + t, charge))
            } else {
                Interval::new(y - t, y + t)
            }
        });
        let bounds = bounds.collect();
        let width = (terms.len() * (reach.len() + live.len())) as f64;
        let underflow = UNDERFLOW * width * (1.0 + size + reach.iter().sum::<f64>());
        Self { bounds, reach, unit, underflow }
    }

    /// Fails on the first output whose bounds are not finite.
    pub(crate) fn finite(self, layer: usize) -> Result<Self, BoundsError> {
        let finite = |interval: Interval| interval.lower.is_finite() && interval.upper.is_finite();
        let first = self.bounds.iter().position(|interval| !finite(interval));
        match first {
            Some(neuron) => Err(BoundsError::Overflow { layer, neuron }),
            None => Ok(self),
        }
    }

    /// What rounding costs per unit of coefficient on an output.
    pub(crate) fn charge(&self, neuron: usize) -> f64 {
        2.0 * self.unit * self.reach[neuron] + f64::MIN_POSITIVE
    }
}
