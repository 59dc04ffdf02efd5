//! Backward substitution through one network: the machinery of CROWN.

use nalgebra::DMatrix;
use nncert_core::product::multiply_transposed;
use nncert_core::{Interval, Network, Region};

use crate::dense::{Dense, Image, image, unit};
use crate::intervals::Intervals;
use crate::kernel::{GateLines, through_gate};
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
    /// Their bounds.
    pub(crate) values: Intervals,
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
    unit: f64,
    underflow: f64,
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
            Dense::restricted(&stage.affine, &self.live)
        };
        let unit = unit(&stage.affine, self.stages.len());
        let image = image(None, (&dense, &self.values), unit, self.outward).finite(stage.layer)?;
        Ok(Pending { dense, image, unit })
    }

    /// Bounds `neurons` of a pending layer by affine functions of the input.
    pub(crate) fn rows(&self, pending: &Pending, neurons: &[usize]) -> Rows {
        let Pending { dense, image, unit } = pending;
        let underflow = image.underflow(&self.values);
        let charge = |n: usize| 2.0 * unit * image.reach[n] + underflow;
        let mut rows = Rows::seed(&dense.weight, &dense.bias, neurons, charge);
        for step in self.steps.iter().rev() {
            step.pull(&mut rows, self.outward);
        }
        rows
    }

    /// Moves past the gate of a pending layer, given its lines over all neurons
    /// and the neurons that stay.
    pub(crate) fn relax(
        &mut self,
        pending: &Pending,
        lines: &[Lines],
        live: Vec<usize>,
        values: Intervals,
    ) {
        let underflow = pending.image.underflow(&self.values);
        self.steps.push(Step {
            weight: pending.dense.rows(&live),
            gate: pending.gate(lines, &live),
            unit: pending.unit,
            underflow,
        });
        self.values = values;
        self.live = live;
    }
}

impl Pending {
    /// The gate's arrays over the neurons `live`.
    pub(crate) fn gate(&self, lines: &[Lines], live: &[usize]) -> GateLines {
        let pick = |value: fn(&Lines) -> f64| live.iter().map(|&n| value(&lines[n])).collect();
        GateLines {
            lower_slope: pick(|l| l.lower.slope),
            lower_intercept: pick(|l| l.lower.intercept),
            upper_slope: pick(|l| l.upper.slope),
            upper_intercept: pick(|l| l.upper.intercept),
            bias: live.iter().map(|&n| self.dense.bias[n]).collect(),
            charge: self.image.charges(self.unit, live),
        }
    }
}

impl Step {
    /// Substitutes the stage backward: rows on its output become rows on its input.
    fn pull(&self, rows: &mut Rows, outward: bool) {
        let Rows { coefficients, constants } = rows;
        let mut add = |row: usize, sum: crate::kernel::Charged| {
            constants[row].value += sum.value;
            constants[row].charge += sum.charge + self.underflow;
        };
        if outward {
            through_gate::<true>(coefficients, &self.gate, self.unit, &mut add);
        } else {
            through_gate::<false>(coefficients, &self.gate, self.unit, &mut add);
        }
        let mut next = DMatrix::zeros(self.weight.ncols(), coefficients.ncols());
        multiply_transposed(&mut next, false, &self.weight, coefficients);
        *coefficients = next;
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
