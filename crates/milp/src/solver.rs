//! The solver stage: models of what is open, and candidates that are repaired exactly.

use std::time::Duration;

use nncert_bounds::fixed_point::{FixedPointBounder, IntegerBounds, IntegerRegion};
use nncert_core::FixedPointNetwork;

use crate::attack::Attacker;
use crate::cascade::Cascade;
use crate::encoding::{Encoding, Question};
use crate::model::{Column, Model, ModelError, ModelSink, Origin, Row, Variable};
use crate::{
    Evidence, Progress, Property, Report, Stage, UnknownReason, Verdict, VerifyError,
    VerifyOptions, Watch, Witness,
};

/// The part of the time that the stages before the solver may take.
const BRANCH_SHARE: f64 = 0.5;

/// What solves models.
pub trait Solver: Sync {
    /// Its name and version.
    fn name(&self) -> String;

    /// The options that are not its defaults.
    fn options(&self) -> String;

    /// By how much every inequality of a model may be missed in what it calls infeasible, if it
    /// solves models so relaxed.
    fn margin(&self) -> Option<f64> {
        None
    }

    /// Solves a model: any solution, or one at which a column is largest.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if the solver refuses the model.
    fn solve(
        &self,
        model: &Model,
        maximise: Option<Variable>,
        time: Option<Duration>,
    ) -> Result<Answer, ModelError>;
}

/// What a solver says of a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// It has no solution.
    Infeasible,
    /// It has this one, in floats: a value for each column.
    Solution(Vec<f64>),
    /// It is not known.
    Unknown,
}

/// How one question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SolverEnd {
    /// The solver says that no open violation occurs.
    Infeasible,
    /// One occurs here.
    Witness(Witness),
    /// It is not known.
    Open(UnknownReason),
}

/// A question for the solver.
#[derive(Clone, Copy)]
pub struct SolverQuestion<'a> {
    /// The network.
    pub bounder: &'a FixedPointBounder<'a>,
    /// The region.
    pub region: &'a IntegerRegion,
    /// The property.
    pub property: &'a Property,
    /// Ranges on the region.
    pub bounds: &'a IntegerBounds,
    /// The violations that are asked about.
    pub open: &'a [usize],
}

impl SolverQuestion<'_> {
    /// Asks the solver.
    ///
    /// Inputs are real numbers at first, since a model with fewer integers is solved sooner. That it
    /// has no solution is as good an answer; a solution is rounded and replayed, and where
    /// that is no witness, repaired: hidden values are fixed, the least slack of their
    /// accumulators is maximised, and what comes back is rounded and replayed. If that
    /// fails, inputs are integers in a second model.
    ///
    /// Guarantee: exact about a witness, which is replayed in integers. `Infeasible` is the word of
    /// the solver.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if the question cannot be encoded, or the solver refuses it.
    pub fn ask(
        &self,
        solver: &dyn Solver,
        encoding: &dyn Encoding,
        watch: &Watch<'_>,
    ) -> Result<SolverEnd, ModelError> {
        let attacker = Attacker::new(self.bounder, self.region, self.property);
        for integer_inputs in [false, true] {
            let progress = Progress {
                stage: Stage::Solver,
                violation: self.open.first().copied().unwrap_or(0),
                nodes: usize::from(integer_inputs),
                open: self.open.len(),
            };
            if let Some(reason) = watch.stop(&progress) {
                return Ok(SolverEnd::Open(reason));
            }
            let mut model = Model::default();
            self.question(integer_inputs).encode(encoding, &mut model)?;
            let point = match solver.solve(&model, None, watch.left())? {
                Answer::Infeasible => return Ok(SolverEnd::Infeasible),
                Answer::Unknown => {
                    let late = watch.left().is_some_and(|left| left.is_zero());
                    let reason = if late { UnknownReason::Time } else { UnknownReason::Solver };
                    return Ok(SolverEnd::Open(reason));
                }
                Answer::Solution(point) => point,
            };
            let x = self.inputs(&model, &point);
            let rounded = self.region.nearest(&x);
            if let Some(witness) = attacker.replay(&rounded) {
                return Ok(SolverEnd::Witness(witness));
            }
            if let Some(way) = self.open.first()
                && let Some(witness) =
                    attacker.climb(rounded, &self.property.violations()[*way], 20, watch)
            {
                return Ok(SolverEnd::Witness(witness));
            }
            if let Some(witness) = self.repair(solver, &attacker, &x, watch)? {
                return Ok(SolverEnd::Witness(witness));
            }
        }
        Ok(SolverEnd::Open(UnknownReason::Repair))
    }

    fn network(&self) -> &FixedPointNetwork {
        self.bounder.network()
    }

    fn question(&self, integer_inputs: bool) -> Question<'_> {
        Question {
            network: self.network(),
            region: self.region,
            bounds: self.bounds,
            property: self.property,
            open: self.open,
            integer_inputs,
        }
    }

    /// The inputs of a point; those that have no column are fixed.
    fn inputs(&self, model: &Model, point: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = self.region.center().iter().map(|u| *u as f64).collect();
        for (column, value) in model.columns.iter().zip(point) {
            if let Origin::Input(index) = column.origin {
                x[index] = *value;
            }
        }
        x
    }

    /// Fixes the values of the first layer where a relaxed input has them, and looks for the input
    /// whose accumulators are farthest from the next value.
    fn repair(
        &self,
        solver: &dyn Solver,
        attacker: &Attacker<'_>,
        x: &[f64],
        watch: &Watch<'_>,
    ) -> Result<Option<Witness>, ModelError> {
        let sums = self.bounder.first_accumulators(x);
        let layer = &self.network().layers()[0];
        let mut model = Model::default();
        let mut columns = Vec::new();
        for (index, range) in self.region.coordinates().iter().enumerate() {
            let (lower, upper, origin) = (range.lower(), range.upper(), Origin::Input(index));
            columns.push(model.column(Column { lower, upper, integer: false, origin })?);
        }
        let widest = 1 << 20;
        let slack =
            Column { lower: -widest, upper: widest, integer: false, origin: Origin::Threshold };
        let slack = model.column(slack)?;
        for (neuron, sum) in layer.neurons().zip(&sums) {
            // Saturates.
            #[allow(clippy::cast_possible_truncation)]
            let value = neuron.requantization.apply(sum.round() as i64);
            let Some(held) = neuron.requantization.preimage(value) else { continue };
            let weights = neuron.weights.iter().zip(&columns).filter(|(w, _)| **w != 0);
            let terms: Vec<_> = weights.map(|(w, x)| (*x, *w)).collect();
            if held.lower() > i64::MIN {
                let row = [terms.clone(), vec![(slack, -1)]].concat();
                model.row(Row {
                    terms: row,
                    lower: Some(held.lower() - neuron.bias),
                    upper: None,
                })?;
            }
            if held.upper() < i64::MAX {
                let row = [terms, vec![(slack, 1)]].concat();
                model.row(Row {
                    terms: row,
                    lower: None,
                    upper: Some(held.upper() - neuron.bias),
                })?;
            }
        }
        let Answer::Solution(point) = solver.solve(&model, Some(slack), watch.left())? else {
            return Ok(None);
        };
        let rounded = self.region.nearest(&point[..columns.len()]);
        Ok(attacker.replay(&rounded).or_else(|| {
            let way = &self.property.violations()[*self.open.first()?];
            attacker.climb(rounded, way, 20, watch)
        }))
    }
}

impl Question<'_> {
    fn encode(&self, encoding: &dyn Encoding, model: &mut Model) -> Result<(), ModelError> {
        encoding.encode(self, model)
    }
}

/// Decides a property on a region: the stages of [`verify`](crate::verify), and a solver for what
/// they leave open.
///
/// A `Robust` verdict then rests on exact bounds for some violations and on the word of
/// the solver for the others: [`Report::evidence`] tells which. The encoding writes one problem for
/// each violation.
///
/// # Errors
///
/// As [`verify`](crate::verify). A model that the solver refuses is an unknown verdict.
pub fn verify_with_solver(
    network: &FixedPointNetwork,
    region: &IntegerRegion,
    property: &Property,
    options: &VerifyOptions,
    (solver, encoding): (&dyn Solver, &dyn Encoding),
    watch: &Watch<'_>,
) -> Result<Report, VerifyError> {
    let limited = options.time.map(|time| watch.at_most(time));
    let watch = limited.as_ref().unwrap_or(watch);
    let bounder = FixedPointBounder::new(network);
    let mut cascade = Cascade::new(&bounder, region, property, options)?;
    let share = watch.left().map(|left| watch.at_most(left.mul_f64(BRANCH_SHARE)));
    cascade.run(share.as_ref().unwrap_or(watch));
    let open_ended = match cascade.verdict {
        None | Some(Verdict::Unknown(UnknownReason::Nodes | UnknownReason::Repair)) => true,
        // The share is over, and not the time.
        Some(Verdict::Unknown(UnknownReason::Time)) => {
            watch.left().is_none_or(|left| !left.is_zero())
        }
        Some(_) => false,
    };
    if open_ended {
        cascade.verdict = None;
        cascade.stage = Stage::Solver;
        let mut unknown = None;
        for way in cascade.open() {
            let question = SolverQuestion {
                bounder: &bounder,
                region,
                property,
                bounds: &cascade.bounds,
                open: &[way],
            };
            match question.ask(solver, encoding, watch) {
                Ok(SolverEnd::Infeasible) => {
                    cascade.closed[way] = Some(Evidence::Solver {
                        solver: solver.name(),
                        options: solver.options(),
                        status: "infeasible".to_owned(),
                        margin: solver.margin(),
                    });
                }
                Ok(SolverEnd::Witness(witness)) => {
                    cascade.verdict = Some(Verdict::Falsified(witness));
                    break;
                }
                Ok(SolverEnd::Open(reason)) => unknown = Some(reason),
                Err(_) => unknown = Some(UnknownReason::Solver),
            }
        }
        cascade.settle();
        if let (None, Some(reason)) = (&cascade.verdict, unknown) {
            cascade.verdict = Some(Verdict::Unknown(reason));
        }
    }
    Ok(cascade.report())
}

impl core::fmt::Debug for SolverQuestion<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SolverQuestion")
            .field("region", &self.region)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}
