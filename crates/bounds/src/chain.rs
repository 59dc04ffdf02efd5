//! Backward substitution through one network: the machinery of CROWN.

use nalgebra::DMatrix;
use nncert_core::product::{multiply_transposed, reshape};
use nncert_core::{Interval, Network, Region};

use crate::dense::{Dense, Image, image, padded_rows, unit};
use crate::intervals::Intervals;
use crate::kernel::{Before, GateLines, Toll, padded, through_gate};
use crate::relu::{Line, Lines};
use crate::rows::Rows;
use crate::stage::{Stage, stages};
use crate::{BoundsError, Rounding};

/// A network seen from the end of the stages that have been relaxed so far.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    pub(crate) stages: Vec<Stage<'a>>,
    pub(crate) region: &'a Region,
    pub(crate) outward: bool,
    /// The free inputs.
    pub(crate) input: Intervals,
    /// The relaxed stages.
    steps: Vec<Step>,
    /// The neurons after the last relaxed stage that are not dead.
    pub(crate) live: Vec<usize>,
    /// Their bounds, padded.
    pub(crate) values: Intervals,
    /// Room for one product.
    scratch: DMatrix<f64>,
    /// Multiplications in matrix products so far.
    pub(crate) products: u64,
}

/// The affine layer of the next stage, before its gate is relaxed.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) dense: Dense,
    pub(crate) image: Image,
    pub(crate) unit: f64,
}

/// A relaxed stage, over live neurons only.
#[derive(Debug)]
struct Step {
    weight: DMatrix<f64>,
    gate: GateLines,
    toll: Toll,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(
        network: &'a Network,
        region: &'a Region,
        rounding: Rounding,
    ) -> Result<Self, BoundsError> {
        if region.dimension() != network.inputs() {
            let (expected, found) = (network.inputs(), region.dimension());
            return Err(BoundsError::Region { expected, found });
        }
        let input = Intervals::of_free(region);
        Ok(Self {
            stages: stages(network)?,
            region,
            outward: rounding.is_outward(),
            values: input.clone(),
            input,
            steps: Vec::new(),
            live: region.free().to_vec(),
            scratch: DMatrix::zeros(0, 0),
            products: 0,
        })
    }

    /// The number of stages relaxed so far.
    pub(crate) fn relaxed(&self) -> usize {
        self.steps.len()
    }

    /// The affine layer of the next stage and its interval bounds.
    pub(crate) fn pending(&self) -> Result<Pending, BoundsError> {
        let stage = &self.stages[self.steps.len()];
        let dense = if self.steps.is_empty() {
            Dense::folded(&stage.affine, self.region)
        } else {
            Dense::restricted(&stage.affine, &self.live, self.values.len())
        };
        let unit = unit(&stage.affine, self.stages.len());
        let image = image(None, (&dense, &self.values), unit, self.outward).finite(stage.layer)?;
        Ok(Pending { dense, image, unit })
    }

    /// Bounds `neurons` of a pending layer by affine functions of the input.
    pub(crate) fn rows(&mut self, pending: &Pending, neurons: &[usize]) -> Rows {
        let Pending { dense, image, unit } = pending;
        let underflow = image.underflow(&self.values);
        let charge = |n: usize| image.charge(*unit, n) + underflow;
        let mut rows = Rows::seed(&dense.weight, &dense.bias, neurons, charge);
        for step in self.steps.iter().rev() {
            step.pull(&mut rows, &mut self.scratch, self.outward);
            self.products += (step.weight.len() * rows.coefficients.ncols()) as u64;
        }
        rows
    }

    /// Moves past the gate of a pending layer, given its lines over the neurons that stay.
    pub(crate) fn relax(
        &mut self,
        pending: &Pending,
        lines: &GateLines,
        live: Vec<usize>,
        values: Intervals,
    ) {
        self.steps.push(Step {
            weight: padded_rows(&pending.dense.weight, &live),
            gate: lines.clone(),
            toll: Toll { unit: pending.unit, underflow: pending.image.underflow(&self.values) },
        });
        self.values = values.padded(padded(live.len()));
        self.live = live;
    }
}

impl Pending {
    /// A gate over the neurons `live`.
    pub(crate) fn gate(&self, live: &[usize], lines: impl Fn(usize) -> Lines) -> GateLines {
        let neurons: Vec<_> = live.iter().map(|&n| (lines(n), self.before(n))).collect();
        GateLines::new(&neurons)
    }

    fn before(&self, neuron: usize) -> Before {
        Before { bias: self.dense.bias[neuron], charge: self.image.charge(self.unit, neuron) }
    }
}

impl Step {
    /// Substitutes the stage backward: rows on its output become rows on its input.
    fn pull(&self, rows: &mut Rows, scratch: &mut DMatrix<f64>, outward: bool) {
        let Rows { coefficients, constants } = rows;
        if outward {
            through_gate::<true>(coefficients, constants, &self.gate, self.toll);
        } else {
            through_gate::<false>(coefficients, constants, &self.gate, self.toll);
        }
        reshape(scratch, self.weight.ncols(), coefficients.ncols());
        multiply_transposed(scratch, false, &self.weight, coefficients);
        core::mem::swap(coefficients, scratch);
    }
}

/// The lines of an open gate.
pub(crate) const OPEN: Lines = Lines {
    lower: Line { slope: 1.0, intercept: 0.0 },
    upper: Line { slope: 1.0, intercept: 0.0 },
};

/// Whether a ReLU's input may have either sign.
pub(crate) fn unstable(x: Interval) -> bool {
    x.lower < 0.0 && x.upper > 0.0
}
