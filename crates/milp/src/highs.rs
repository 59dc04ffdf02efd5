//! HiGHS as a solver of models.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use highs::{Col, HighsModelStatus, HighsSolutionStatus, RowProblem, Sense};

use crate::model::{Column, Model, ModelError, ModelSink, Row, Variable, check_number};
use crate::solver::{Answer, Solver};

/// The solver HiGHS, on one thread.
///
/// Its options are few, and their defaults are those that decided most: of 20 questions that bounds
/// and attack leave open (P1-6 and P4-6 of QVIP, radii 3 and 4, [`Compact`](crate::Compact), 10 s each)
///
/// | options | decided | seconds |
/// |---|---|---|
/// | as they are by default here | 10 | 142 |
/// | with `symmetry` | 8 | 161 |
/// | with `symmetry`, without `presolve` | 9 | 142 |
/// | with `symmetry`, `heuristics` at HiGHS's own 0.05 | 8 | 157 |
///
/// and, in a run of their own, with a tolerance of `1e-7` 11 in 125 s, of `1e-6` 10 in 136 s, of `1e-9` 11 in
/// 128 s. Heuristics search for witnesses, and the attack has done that.
///
/// Rows are relaxed by [`Highs::margin`]: at integers, where a row holds or is missed by 1 at least,
/// less than a unit changes nothing, and where there is no solution even so, no tolerance is the
/// reason.
///
/// HiGHS has been wrong: its tracker knows feasible models that it calls infeasible. The margin
/// keeps rounding from being why, and no more; what must be certain is decided by [`verify`](crate::verify) alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Highs {
    /// The share of time for heuristics, from 0 to 1.
    pub heuristics: f64,
    /// How far a value may be from an integer.
    pub tolerance: f64,
    /// Whether presolve runs.
    pub presolve: bool,
    /// Whether symmetry is looked for.
    pub symmetry: bool,
    /// What inequalities are relaxed by, below 1.
    pub margin: f64,
}

impl Default for Highs {
    fn default() -> Self {
        Self { heuristics: 0.0, tolerance: 1e-7, presolve: true, symmetry: false, margin: 1e-3 }
    }
}

impl Highs {
    /// The margin; what is none counts as 0.
    fn relaxed_by(&self) -> f64 {
        if (0.0..1.0).contains(&self.margin) { self.margin } else { 0.0 }
    }
}

/// What HiGHS may be late by, beside a tenth of its time.
const GRACE: Duration = Duration::from_millis(500);

/// A problem that an encoding writes to.
#[derive(Debug, Default)]
pub struct HighsSink {
    problem: RowProblem,
    columns: Vec<Col>,
    maximise: Option<Variable>,
    margin: f64,
}

impl ModelSink for HighsSink {
    fn column(&mut self, column: Column) -> Result<Variable, ModelError> {
        let Column { lower, upper, integer, origin } = column;
        if lower > upper {
            return Err(ModelError::Empty { origin });
        }
        check_number(lower)?;
        check_number(upper)?;
        let variable = Variable(self.columns.len());
        let cost = if self.maximise == Some(variable) { 1.0 } else { 0.0 };
        let range = lower as f64..=upper as f64;
        self.columns.push(if integer {
            self.problem.add_integer_column(cost, range)
        } else {
            self.problem.add_column(cost, range)
        });
        Ok(variable)
    }

    fn row(&mut self, row: Row) -> Result<(), ModelError> {
        let mut terms = Vec::with_capacity(row.terms.len());
        for (variable, c) in &row.terms {
            check_number(*c)?;
            let column = self.columns.get(variable.0);
            let missing = ModelError::Variable { variable: variable.0 };
            terms.push((*column.ok_or(missing)?, *c as f64));
        }
        row.lower.into_iter().chain(row.upper).try_for_each(check_number)?;
        let margin = if row.lower == row.upper { 0.0 } else { self.margin };
        let lower = row.lower.map_or(f64::NEG_INFINITY, |lower| lower as f64 - margin);
        let upper = row.upper.map_or(f64::INFINITY, |upper| upper as f64 + margin);
        self.problem.add_row(lower..=upper, terms);
        Ok(())
    }
}

impl Solver for Highs {
    fn name(&self) -> String {
        "HiGHS 1.16 (highs 2.4)".to_owned()
    }

    fn options(&self) -> String {
        let Self { heuristics, tolerance, presolve, symmetry, .. } = self;
        let presolve = if *presolve { "choose" } else { "off" };
        format!(
            "threads=1 mip_heuristic_effort={heuristics} mip_feasibility_tolerance={tolerance:e} \
             primal_feasibility_tolerance={tolerance:e} \
             dual_feasibility_tolerance={tolerance:e} presolve={presolve} \
             mip_detect_symmetry={symmetry}"
        )
    }

    fn margin(&self) -> Option<f64> {
        Some(self.relaxed_by())
    }

    fn solve(
        &self,
        model: &Model,
        maximise: Option<Variable>,
        time: Option<Duration>,
    ) -> Result<Answer, ModelError> {
        if time.is_some_and(|time| time.is_zero()) {
            return Ok(Answer::Unknown);
        }
        // HiGHS has a status of its own for models without columns.
        let empty = |row: &Row| row.terms.is_empty();
        let misses =
            |row: &Row| row.lower.is_some_and(|l| l > 0) || row.upper.is_some_and(|u| u < 0);
        if model.rows.iter().any(|row| empty(row) && misses(row)) {
            return Ok(Answer::Infeasible);
        }
        if model.columns.is_empty() {
            return Ok(Answer::Solution(Vec::new()));
        }
        let mut sink = HighsSink { maximise, margin: self.relaxed_by(), ..HighsSink::default() };
        model.write(&mut sink)?;
        let settings = *self;
        within(time, move || settings.run(sink.problem, time)).unwrap_or(Ok(Answer::Unknown))
    }
}

/// What a solver says, `None` where it says nothing in its time and a bit more.
///
/// HiGHS does not look at its limit everywhere: rounds of propagation went on for minutes past it.
/// It runs on a thread of its own, which is left to end by itself.
pub(crate) fn within<T: Send + 'static>(
    time: Option<Duration>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let Some(time) = time else { return Some(work()) };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens when it is too late.
        let _ = sender.send(work());
    });
    receiver.recv_timeout(time.saturating_add(time / 10).saturating_add(GRACE)).ok()
}

impl Highs {
    fn run(&self, problem: RowProblem, time: Option<Duration>) -> Result<Answer, ModelError> {
        let refused = |_| ModelError::Refused;
        let mut highs = problem.try_optimise(Sense::Maximise).map_err(refused)?;
        self.set_up(&mut highs, time)?;
        let solved = highs.try_solve().map_err(refused)?;
        let found = solved.primal_solution_status() == HighsSolutionStatus::Feasible;
        Ok(match solved.status() {
            HighsModelStatus::Infeasible => Answer::Infeasible,
            _ if found => Answer::Solution(solved.get_solution().columns().to_vec()),
            _ => Answer::Unknown,
        })
    }

    /// Sets the options of a model: one thread, and the time that there is.
    pub(crate) fn set_up(
        &self,
        highs: &mut highs::Model,
        time: Option<Duration>,
    ) -> Result<(), ModelError> {
        let set = |_| ModelError::Refused;
        highs.try_set_option("threads", 1).map_err(set)?;
        highs.try_set_option("parallel", "off").map_err(set)?;
        highs.try_set_option("mip_heuristic_effort", self.heuristics).map_err(set)?;
        highs.try_set_option("mip_feasibility_tolerance", self.tolerance).map_err(set)?;
        highs.try_set_option("primal_feasibility_tolerance", self.tolerance).map_err(set)?;
        highs.try_set_option("dual_feasibility_tolerance", self.tolerance).map_err(set)?;
        let presolve = if self.presolve { "choose" } else { "off" };
        highs.try_set_option("presolve", presolve).map_err(set)?;
        highs.try_set_option("mip_detect_symmetry", self.symmetry).map_err(set)?;
        if let Some(time) = time {
            highs.try_set_option("time_limit", time.as_secs_f64()).map_err(set)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_late_is_nothing() {
        let late = || thread::sleep(Duration::from_secs(60));
        assert_eq!(within(Some(Duration::ZERO), late), None);
        assert_eq!(within(Some(Duration::from_secs(60)), || 1), Some(1));
        assert_eq!(within(None, || 2), Some(2));
    }
}
