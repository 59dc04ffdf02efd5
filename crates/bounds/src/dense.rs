//! An affine layer as a pass sees it: restricted to the inputs that matter.

use nalgebra::DMatrix;
use nncert_core::{Affine, Interval, Region};

use crate::BoundsError;
use crate::intervals::Intervals;
use crate::kernel::{self, padded};
use crate::rounding::{UNDERFLOW, charged_down, charged_up, gamma};

/// `y = W x + b` over the live inputs of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    /// One row per output, one column per live input.
    pub(crate) weight: DMatrix<f64>,
    /// `b`; in the first layer with the fixed inputs folded in (rounded).
    pub(crate) bias: Vec<f64>,
    /// At least `|b|`, and what was folded into it in absolute value.
    pub(crate) bias_reach: Vec<f64>,
}

/// What a layer maps a box to.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Encloses the outputs.
    pub(crate) bounds: Intervals,
    /// `|W| X + |b|`, where `X` bounds the inputs: rounding is charged in proportion.
    pub(crate) reach: Vec<f64>,
}

impl Dense {
    /// The layer over all its inputs.
    pub(crate) fn all(affine: &Affine) -> Self {
        let live: Vec<usize> = (0..affine.inputs()).collect();
        Self::restricted(affine, &live, live.len())
    }

    /// The layer over the inputs `live` and as many zero columns as make `width`.
    pub(crate) fn restricted(affine: &Affine, live: &[usize], width: usize) -> Self {
        let rows = affine.outputs();
        let mut weight = Vec::with_capacity(rows * width);
        for &input in live {
            weight.extend_from_slice(affine.weight.column(input).as_slice());
        }
        weight.resize(rows * width, 0.0);
        let weight = DMatrix::from_vec(rows, width, weight);
        let bias: Vec<f64> = affine.bias.iter().copied().collect();
        let bias_reach = bias.iter().map(|value| value.abs()).collect();
        Self { weight, bias, bias_reach }
    }

    /// The first layer over the free inputs of `region`, the fixed ones folded into `b`.
    pub(crate) fn folded(affine: &Affine, region: &Region) -> Self {
        let mut dense = Self::restricted(affine, region.free(), region.free().len());
        let mut free = region.free().iter().copied().peekable();
        for (input, &value) in region.lower().iter().enumerate() {
            if free.next_if_eq(&input).is_some() || value == 0.0 {
                continue;
            }
            let column = affine.weight.column(input);
            for ((weight, bias), reach) in
                column.iter().zip(&mut dense.bias).zip(&mut dense.bias_reach)
            {
                let term = weight * value;
                *bias += term;
                *reach += term.abs();
            }
        }
        dense
    }
}

/// The rows `live` of a weight, padded with zero rows.
pub(crate) fn padded_rows(weight: &DMatrix<f64>, live: &[usize]) -> DMatrix<f64> {
    let rows = padded(live.len());
    let mut values = Vec::with_capacity(rows * weight.ncols());
    for column in weight.as_slice().chunks_exact(weight.nrows()) {
        values.extend(live.iter().map(|&row| column[row]));
        values.resize(values.len() + rows - live.len(), 0.0);
    }
    DMatrix::from_vec(rows, weight.ncols(), values)
}

/// How many roundings a sum over a layer can meet, and what they cost.
pub(crate) fn unit(affine: &Affine, depth: usize) -> f64 {
    gamma(2 * (affine.inputs() + affine.outputs()) + depth + 32)
}

/// `W - W'` and `b - b'`, entry by entry, rounded to nearest.
pub(crate) fn difference(original: &Affine, compressed: &Affine) -> Affine {
    Affine::new(&original.weight - &compressed.weight, &original.bias - &compressed.bias)
}

/// Interval propagation through `y = Σ W_i x_i + b`.
///
/// One term for a single network; two, `W' δ̂ + (W - W') x̂`, for a difference.
/// `b` is that of `last`, the last term's layer.
pub(crate) fn image(
    first: Option<(&Dense, &Intervals)>,
    last: (&Dense, &Intervals),
    unit: f64,
    outward: bool,
) -> Image {
    let outputs = last.0.bias.len();
    let mut sums = kernel::Sums::new(&last.0.bias, &last.0.bias_reach);
    for (dense, input) in first.into_iter().chain([last]) {
        if outward {
            sums.add::<true>(&dense.weight, input);
        } else {
            sums.add::<false>(&dense.weight, input);
        }
    }
    let kernel::Sums { middle, spread, reach } = sums;
    let bounds = (0..outputs)
        .map(|row| {
            let (y, t) = (middle[row], spread[row]);
            if outward {
                let charge = 2.0 * unit * reach[row] + f64::MIN_POSITIVE;
                Interval::new(charged_down(y - t, charge), charged_up(y + t, charge))
            } else {
                Interval::new(y - t, y + t)
            }
        })
        .collect();
    Image { bounds, reach }
}

impl Image {
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
    pub(crate) fn charge(&self, unit: f64, neuron: usize) -> f64 {
        2.0 * unit * self.reach[neuron] + f64::MIN_POSITIVE
    }

    /// What underflow costs every row that passes this layer, whatever its coefficients.
    pub(crate) fn underflow(&self, inputs: &Intervals) -> f64 {
        let width = (self.reach.len() + inputs.len()) as f64;
        let values: f64 = self.reach.iter().sum::<f64>() + inputs.magnitudes().iter().sum::<f64>();
        UNDERFLOW * width * (1.0 + values)
    }
}
