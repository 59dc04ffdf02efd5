//! Backward substitution through one network: the machinery of CROWN.

use nalgebra::DMatrix;
use nncert_core::product::{multiply_transposed, reshape};
use nncert_core::{Interval, Network, Region};

use crate::dense::{Bias, Image, Weights, unit};
use crate::intervals::Intervals;
use crate::kernel::{Before, GateLines, Toll, padded, through_gate};
use crate::relaxations::Relaxations;
use crate::relu::{Line, Lines, relu_interval};
use crate::rows::Rows;
use crate::stability::Stability;
use crate::stage::{Gate, Stage, stages};
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
    pub(crate) steps: Vec<Step>,
    /// The neurons after the last relaxed stage that are kept.
    pub(crate) live: Vec<usize>,
    /// Their bounds, padded.
    pub(crate) values: Intervals,
    /// Room for one product.
    scratch: DMatrix<f64>,
    /// Multiplications in matrix products so far.
    pub(crate) products: u64,
    /// What is known from a larger region.
    pub(crate) known: Option<&'a Stability>,
    /// What has been found on this one.
    pub(crate) found: Stability,
}

/// The affine layer of the next stage, before its gate is relaxed.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) bias: Bias,
    pub(crate) image: Image,
}

/// A relaxed stage, over live neurons only.
#[derive(Debug)]
pub(crate) struct Step {
    /// One row per live neuron, one column per live input, padded.
    pub(crate) weight: DMatrix<f64>,
    pub(crate) gate: GateLines,
    pub(crate) toll: Toll,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(
        network: &'a Network,
        region: &'a Region,
        rounding: Rounding,
    ) -> Result<Self, BoundsError> {
        BoundsError::check_region(network.inputs(), region)?;
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
            known: None,
            found: Stability::default(),
        })
    }

    /// The stage that comes next.
    pub(crate) fn stage(&self) -> &Stage<'a> {
        &self.stages[self.steps.len()]
    }

    /// The gate of the next stage; `None` for the last, which is the output.
    pub(crate) fn gate(&self) -> Option<Gate> {
        (self.steps.len() + 1 < self.stages.len()).then(|| self.stage().gate)
    }

    /// The affine layer of the next stage and its interval bounds.
    pub(crate) fn pending(&self) -> Result<Pending, BoundsError> {
        let fold = self.steps.is_empty().then_some(self.region);
        let depth = self.stages.len();
        let live = (&self.live[..], &self.values);
        let mut pending = Pending::new(self.stage(), fold, live, depth, self.outward)?;
        if let Some(known) = self.known {
            known.clip(self.steps.len(), &mut pending.image.bounds);
        }
        Ok(pending)
    }

    /// Bounds `neurons` of a pending layer by affine functions of the input.
    pub(crate) fn rows(&mut self, pending: &Pending, neurons: &[usize]) -> Rows {
        let weights = Weights::Plain(&self.stage().affine.weight);
        let coefficients = weights.seed(neurons, &self.live, self.values.len());
        let mut rows = Rows::seed(coefficients, &pending.bias, &pending.image, neurons);
        for step in self.steps.iter().rev() {
            step.pull(&mut rows, &mut self.scratch, self.outward);
            self.products += (step.weight.len() * rows.coefficients.ncols()) as u64;
        }
        rows
    }

    /// Tightens the pending bounds of some neurons by back substitution.
    pub(crate) fn refine(&mut self, pending: &mut Pending, neurons: &[usize]) -> Rows {
        let rows = self.rows(pending, neurons);
        let bounds = rows.concretise(&self.input, self.outward);
        for (&neuron, bound) in neurons.iter().zip(bounds) {
            let tighter = pending.image.bounds.get(neuron).intersect(bound);
            pending.image.bounds.set(neuron, tighter);
        }
        rows
    }

    /// Moves past a ReLU, keeping the neurons `live`; the others are dead.
    pub(crate) fn pass_relu(
        &mut self,
        pending: &Pending,
        relaxations: &Relaxations,
        live: Vec<usize>,
    ) {
        let bounds = &pending.image.bounds;
        let lines = pending.gate(&live, |n| (relaxations.relu)(bounds.get(n)));
        let values = live.iter().map(|&n| relu_interval(bounds.get(n))).collect();
        self.pass(pending, lines, live, values);
    }

    /// Moves past an open gate.
    pub(crate) fn pass_open(&mut self, pending: &Pending) {
        let live: Vec<usize> = (0..pending.image.bounds.len()).collect();
        let lines = pending.gate(&live, |_| OPEN);
        self.pass(pending, lines, live, pending.image.bounds.clone());
    }

    /// Moves past a gate with these lines and values over the neurons `live`.
    pub(crate) fn pass(
        &mut self,
        Pending { image, .. }: &Pending,
        gate: GateLines,
        live: Vec<usize>,
        values: Intervals,
    ) {
        self.found.push(&image.bounds);
        let weights = Weights::Plain(&self.stage().affine.weight);
        let weight = weights.compact(&live, &self.live, self.values.len());
        let toll = Toll { unit: image.unit, underflow: image.underflow };
        self.steps.push(Step { weight, gate, toll });
        self.values = values.padded(padded(live.len()));
        self.live = live;
    }
}

impl Pending {
    /// The affine layer of a stage over its live inputs, one of `depth` stages.
    ///
    /// In the first stage the inputs that the region `fold` fixes fold into the bias.
    pub(crate) fn new(
        Stage { layer, affine, .. }: &Stage<'_>,
        fold: Option<&Region>,
        (live, values): (&[usize], &Intervals),
        depth: usize,
        outward: bool,
    ) -> Result<Self, BoundsError> {
        let weights = Weights::Plain(&affine.weight);
        let bias = Bias::new(affine, None);
        let bias = fold.into_iter().fold(bias, |bias, region| bias.fold(weights, region));
        let unit = unit(affine, depth);
        let image = Image::new(&bias, live, &[(weights, values)], unit, outward).finite(*layer)?;
        Ok(Self { bias, image })
    }

    /// A gate over the neurons `live`.
    pub(crate) fn gate(&self, live: &[usize], lines: impl Fn(usize) -> Lines) -> GateLines {
        let before = |n: usize| Before { bias: self.bias.value[n], charge: self.image.charge(n) };
        GateLines::new(&live.iter().map(|&n| (lines(n), before(n))).collect::<Vec<_>>())
    }

    /// The neurons that may be on either side of a ReLU's kink.
    pub(crate) fn unstable(&self) -> Vec<usize> {
        let bounds = &self.image.bounds;
        (0..bounds.len()).filter(|&n| unstable(bounds.get(n))).collect()
    }

    /// The neurons that a ReLU may let through.
    pub(crate) fn alive(&self) -> Vec<usize> {
        let bounds = &self.image.bounds;
        (0..bounds.len()).filter(|&n| bounds.upper[n] > 0.0).collect()
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
const OPEN: Lines = Lines {
    lower: Line { slope: 1.0, intercept: 0.0 },
    upper: Line { slope: 1.0, intercept: 0.0 },
};

/// Whether a ReLU's input may have either sign.
pub(crate) fn unstable(x: Interval) -> bool {
    x.lower < 0.0 && x.upper > 0.0
}
