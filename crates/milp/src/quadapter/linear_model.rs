//! Mixed-integer linear models in real numbers, to be minimised.

use core::time::Duration;

use super::SynthesisError;

/// A column: its range, and whether only integers are meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearColumn {
    /// Its least value.
    pub lower: f64,
    /// Its greatest value.
    pub upper: f64,
    /// Whether only integers are meant.
    pub integer: bool,
}

/// A row: `Σ c_i v_i ≤ upper`, by the places of its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearRow {
    /// Columns and coefficients.
    pub terms: Vec<(usize, f64)>,
    /// What the sum must not exceed.
    pub upper: f64,
}

/// A model in which one column is to be as small as possible.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearModel {
    /// The columns.
    pub columns: Vec<LinearColumn>,
    /// The rows.
    pub rows: Vec<LinearRow>,
    /// The column that is minimised.
    pub objective: usize,
}

impl LinearModel {
    pub(super) fn column(&mut self, lower: f64, upper: f64, integer: bool) -> usize {
        self.columns.push(LinearColumn { lower, upper, integer });
        self.columns.len() - 1
    }

    pub(super) fn row(&mut self, terms: Vec<(usize, f64)>, upper: f64) {
        self.rows.push(LinearRow { terms, upper });
    }

    /// Whether a point satisfies all ranges and rows, up to `tolerance`.
    #[must_use]
    pub fn admits(&self, point: &[f64], tolerance: f64) -> bool {
        let inside = |(column, value): (&LinearColumn, &f64)| {
            let whole = !column.integer || (value - value.round()).abs() <= tolerance;
            whole && column.lower - tolerance <= *value && *value <= column.upper + tolerance
        };
        let holds = |row: &LinearRow| {
            let sum: f64 = row.terms.iter().map(|(at, c)| c * point[*at]).sum();
            sum <= row.upper + tolerance
        };
        point.len() == self.columns.len()
            && self.columns.iter().zip(point).all(inside)
            && self.rows.iter().all(holds)
    }
}

/// What a [`Minimizer`] proves.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum DualBound {
    /// The model has no solution.
    Infeasible,
    /// The objective is at least this. Never the value of a solution that was found.
    AtLeast(f64),
    /// Nothing, in the time that there was.
    Nothing,
}

/// What minimises models, and proves bounds.
pub trait Minimizer {
    /// A proven bound from below of the least objective, as good as the effort allows.
    ///
    /// # Errors
    ///
    /// [`SynthesisError::Model`] if the solver refuses the model.
    fn dual_bound(&self, model: &LinearModel, effort: &Effort)
    -> Result<DualBound, SynthesisError>;
}

/// When a [`Minimizer`] may stop. What it has proven until then is a bound all the same, if not the
/// largest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Effort {
    /// The time that there is; none for as long as it takes.
    pub time: Option<Duration>,
    /// The most nodes of a search tree; none for as many as it takes.
    pub nodes: Option<u32>,
    /// How close to the optimum a bound is enough, as a share of it.
    pub gap: f64,
}
