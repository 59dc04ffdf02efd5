//! An affine layer as a pass sees it: over the inputs that matter.

use nalgebra::DMatrix;
use nncert_core::Interval;

use crate::BoundsError;
use crate::graph::add_image;
use crate::intervals::Intervals;
use crate::kernel::{Sums, padded};
use crate::linear::Linear;
use crate::rounding::{UNDERFLOW, charged_down, charged_up};
use crate::scratch::Scratch;

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
    pub(crate) fn compact(
        self,
        outputs: &[usize],
        inputs: &[usize],
        width: usize,
        scratch: &mut Scratch,
    ) -> DMatrix<f64> {
        let rows = padded(outputs.len());
        let mut values = scratch.buffer(rows * width);
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

    /// Sets the coefficients of rows that start at this layer: the rows `neurons` of the
    /// weights and their negations, one after the other, over the inputs `live`.
    pub(crate) fn seed(self, neurons: &[usize], live: &[usize], out: &mut [f64]) {
        let m = neurons.len();
        let width = out.len() / (2 * m).max(1);
        for (j, &input) in live.iter().enumerate() {
            let (column, copy) = self.column(input);
            for (row, &neuron) in neurons.iter().enumerate() {
                let weight = column[neuron] - copy.map_or(0.0, |copy| copy[neuron]);
                out[row * width + j] = weight;
                out[(m + row) * width + j] = -weight;
            }
        }
    }
}

/// A bias, into which the fixed inputs have been folded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bias {
    /// The bias, rounded where something was folded in.
    pub(crate) value: Vec<f64>,
    /// At least its terms in absolute value.
    pub(crate) reach: Vec<f64>,
}

impl Bias {
    /// The bias of a layer.
    pub(crate) fn of(value: Vec<f64>) -> Self {
        let reach = value.iter().map(|value| value.abs()).collect();
        Self { value, reach }
    }

    /// No bias.
    pub(crate) fn zeros(width: usize) -> Self {
        Self::of(vec![0.0; width])
    }

    /// Whether there is none.
    pub(crate) fn is_zero(&self) -> bool {
        self.reach.iter().all(|reach| *reach == 0.0)
    }

    /// The sum of two, rounded.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let (a, b) = (self.entries(), other.entries());
        let sum = a.zip(b).map(|((a, x), (b, y))| {
            // A reach above the value tells that the value is rounded.
            let exact = a == 0.0 || b == 0.0;
            (a + b, if exact { x + y } else { (x + y).next_up() })
        });
        let (value, reach) = sum.unzip();
        Self { value, reach }
    }

    /// The difference of two, rounded.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let (a, b) = (self.entries(), other.entries());
        let difference = a.zip(b).map(|((a, x), (b, y))| {
            let exact = a.abs() == x && b.abs() == y;
            (a - b, if exact { (a - b).abs() } else { x + y })
        });
        let (value, reach) = difference.unzip();
        Self { value, reach }
    }

    fn entries(&self) -> impl Iterator<Item = (f64, f64)> {
        self.value.iter().copied().zip(self.reach.iter().copied())
    }
}

/// What a layer maps a box to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    /// Encloses the outputs.
    pub(crate) bounds: Intervals,
    /// `reach` is `|W| X + |b|`, where `X` bounds the inputs: rounding is charged in
    /// proportion.
    sums: Sums,
    /// The relative cost of the roundings that a sum over the layer can meet.
    pub(crate) unit: f64,
    /// What underflow costs every row that passes this layer, whatever its coefficients.
    pub(crate) underflow: f64,
}

impl Image {
    /// The image of a box under the sum of some maps (`None` is the identity).
    ///
    /// Each comes with the neurons that it is applied to and their bounds: `W x̂ + b` for
    /// one network, `W' δ̂ + (W - W') x̂` for a difference.
    pub(crate) fn fill<'v>(
        &mut self,
        bias: &Bias,
        terms: impl IntoIterator<Item = (Option<&'v Linear<'v>>, &'v [usize], &'v Intervals)>,
        (unit, outward): (f64, bool),
        scratch: &mut Scratch,
    ) {
        let sums = &mut self.sums;
        sums.start(bias);
        let (mut size, mut width) = (0.0, 0);
        for (map, live, input) in terms {
            add_image(map, live, input, sums, outward, scratch);
            size += input.iter().map(Interval::magnitude).sum::<f64>();
            width += bias.value.len() + live.len();
        }
        let Sums { middle, spread, reach } = sums;
        let bounds = middle.iter().zip(&*spread).zip(&*reach).map(|((y, t), reach)| {
            if outward {
                let charge = 2.0 * unit * reach + f64::MIN_POSITIVE;
                Interval::new(charged_down(y - t, charge), charged_up(y + t, charge))
            } else {
                Interval::new(y - t, y + t)
            }
        });
        self.bounds.fill(bounds);
        self.underflow = UNDERFLOW * width as f64 * (1.0 + size + reach.iter().sum::<f64>());
        self.unit = unit;
    }

    /// Fails on the first output whose bounds are not finite.
    pub(crate) fn check_finite(&self, layer: usize) -> Result<(), BoundsError> {
        let finite = |interval: Interval| interval.lower.is_finite() && interval.upper.is_finite();
        let first = self.bounds.iter().position(|interval| !finite(interval));
        first.map_or(Ok(()), |neuron| Err(BoundsError::Overflow { layer, neuron }))
    }

    /// Takes over a bound of a neuron.
    pub(crate) fn tighten(&mut self, neuron: usize, bound: Interval) {
        self.bounds.set(neuron, self.bounds.get(neuron).intersect(bound));
    }

    /// What rounding costs per unit of coefficient on an output.
    pub(crate) fn charge(&self, neuron: usize) -> f64 {
        2.0 * self.unit * self.sums.reach[neuron] + f64::MIN_POSITIVE
    }
}
