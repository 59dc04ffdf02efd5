//! HiGHS as a minimiser.

use highs::{HighsModelStatus, RowProblem, Sense};

use super::{DualBound, Effort, LinearModel, Minimizer, SynthesisError};
use crate::highs::within;
use crate::{Highs, ModelError};

/// Those that run without any effort being asked for.
const HEURISTICS: [&str; 4] = [
    "mip_heuristic_run_rens",
    "mip_heuristic_run_rins",
    "mip_heuristic_run_root_reduced_cost",
    "mip_heuristic_run_feasibility_jump",
];

impl Minimizer for Highs {
    fn dual_bound(
        &self,
        model: &LinearModel,
        effort: &Effort,
    ) -> Result<DualBound, SynthesisError> {
        if effort.time.is_some_and(|time| time.is_zero()) {
            return Ok(DualBound::Nothing);
        }
        let mut problem = RowProblem::default();
        let mut columns = Vec::with_capacity(model.columns.len());
        for (at, column) in model.columns.iter().enumerate() {
            let cost = if at == model.objective { 1.0 } else { 0.0 };
            let range = column.lower..=column.upper;
            columns.push(if column.integer {
                problem.add_integer_column(cost, range)
            } else {
                problem.add_column(cost, range)
            });
        }
        for row in &model.rows {
            problem.add_row(..=row.upper, row.terms.iter().map(|(at, c)| (columns[*at], *c)));
        }
        let (settings, asked) = (*self, *effort);
        let whole = model.columns.iter().any(|column| column.integer);
        let run = move || settings.minimise(problem, &asked, whole);
        within(effort.time, run).unwrap_or(Ok(DualBound::Nothing))
    }
}

impl Highs {
    fn minimise(
        &self,
        problem: RowProblem,
        effort: &Effort,
        whole: bool,
    ) -> Result<DualBound, SynthesisError> {
        let refused = |_| SynthesisError::Model(ModelError::Refused);
        let mut highs = problem.try_optimise(Sense::Minimise).map_err(refused)?;
        self.set_up(&mut highs, effort.time)?;
        let set = |_| SynthesisError::Model(ModelError::Refused);
        highs.try_set_option("mip_rel_gap", effort.gap).map_err(set)?;
        if let Some(nodes) = effort.nodes {
            let nodes = i32::try_from(nodes).unwrap_or(i32::MAX);
            highs.try_set_option("mip_max_nodes", nodes).map_err(set)?;
        }
        // Heuristics look for solutions, and a bound needs none.
        for heuristic in HEURISTICS.into_iter().filter(|_| self.heuristics == 0.0) {
            highs.try_set_option(heuristic, false).map_err(set)?;
        }
        let solved = highs.try_solve().map_err(refused)?;
        Ok(match solved.status() {
            HighsModelStatus::Infeasible => DualBound::Infeasible,
            // Without integers there is no tree, and the optimum of the simplex is the bound.
            HighsModelStatus::Optimal if !whole => DualBound::AtLeast(solved.objective_value()),
            _ if whole => match solved.double_info_value(c"mip_dual_bound") {
                Ok(bound) if bound.is_finite() => DualBound::AtLeast(bound),
                _ => DualBound::Nothing,
            },
            _ => DualBound::Nothing,
        })
    }
}
