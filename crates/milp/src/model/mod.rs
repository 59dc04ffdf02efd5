//! Integer linear models, and where encodings write them to.
//!
//! Every coefficient and bound is an integer, so that a row either holds or fails by at least 1:
//! no tolerance of a solver can turn one into the other, as long as numbers are small beside
//! its precision. Larger ones are refused.

mod lp;
mod mps;

pub use lp::write_lp;
pub use mps::write_mps;

use core::fmt;

/// Coefficients and bounds of rows are below this: `10^9`.
pub const MAX_NUMBER: u64 = 1_000_000_000;

/// What a column stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// An input.
    Input(usize),
    /// How far an input is from the center: `|d|`, whether it moved, or `d²`, by the norm.
    Distance(usize),
    /// The accumulator of a neuron.
    Accumulator {
        /// The layer.
        layer: usize,
        /// The neuron.
        neuron: usize,
    },
    /// The value of a neuron.
    Value {
        /// The layer.
        layer: usize,
        /// The neuron.
        neuron: usize,
    },
    /// Whether a neuron is at its least value and its accumulator below what that value needs.
    Below {
        /// The layer.
        layer: usize,
        /// The neuron.
        neuron: usize,
    },
    /// Whether a neuron is at its greatest value and its accumulator above it.
    Above {
        /// The layer.
        layer: usize,
        /// The neuron.
        neuron: usize,
    },
    /// Whether a neuron has this value.
    Is {
        /// The layer.
        layer: usize,
        /// The neuron.
        neuron: usize,
        /// The value.
        value: i64,
    },
    /// Whether a violation occurs.
    Violation(usize),
    /// A value that one output does not exceed, and another reaches.
    Threshold,
}

/// `x3`, `d3`, `a0_7`, `y0_7`, `l0_7`, `u0_7`, `v0_7_p12`, `w2`, `t`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(index) => write!(f, "x{index}"),
            Self::Distance(index) => write!(f, "d{index}"),
            Self::Accumulator { layer, neuron } => write!(f, "a{layer}_{neuron}"),
            Self::Value { layer, neuron } => write!(f, "y{layer}_{neuron}"),
            Self::Below { layer, neuron } => write!(f, "l{layer}_{neuron}"),
            Self::Above { layer, neuron } => write!(f, "u{layer}_{neuron}"),
            Self::Is { layer, neuron, value } => {
                let sign = if *value < 0 { 'm' } else { 'p' };
                write!(f, "v{layer}_{neuron}_{sign}{}", value.unsigned_abs())
            }
            Self::Violation(index) => write!(f, "w{index}"),
            Self::Threshold => write!(f, "t"),
        }
    }
}

/// A variable of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its least value.
    pub lower: i64,
    /// Its greatest value.
    pub upper: i64,
    /// Whether only integers are meant.
    pub integer: bool,
    /// What it stands for.
    pub origin: Origin,
}

/// A column by its place in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variable(pub usize);

/// A row of a model: `lower ≤ Σ c_i v_i ≤ upper`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The coefficients.
    pub terms: Vec<(Variable, i64)>,
    /// The least sum, if there is one.
    pub lower: Option<i64>,
    /// The greatest sum, if there is one.
    pub upper: Option<i64>,
}

/// Where an encoding writes a model.
///
/// Encodings know no solver: they write columns and rows, and a sink does with them what it likes.
pub trait ModelSink {
    /// Adds a column.
    ///
    /// # Errors
    ///
    /// [`ModelError`] for numbers that are too large, and a column without values.
    fn column(&mut self, column: Column) -> Result<Variable, ModelError>;

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// [`ModelError`] for numbers that are too large, and columns that there are not.
    fn row(&mut self, row: Row) -> Result<(), ModelError>;
}

/// A model in memory, and the exact checker of points.
///
/// # Examples
///
/// ```
/// use nncert_milp::{Column, Model, ModelSink, Origin, Row};
///
/// let mut model = Model::default();
/// let column = Column { lower: 0, upper: 9, integer: true, origin: Origin::Input(0) };
/// let x = model.column(column)?;
/// model.row(Row { terms: vec![(x, 3)], lower: Some(10), upper: None })?;
/// assert_eq!(model.first_violated(&[4]), None);
/// assert_eq!(model.first_violated(&[3]), Some(nncert_milp::Violated::Row(0)));
/// # Ok::<(), nncert_milp::ModelError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// What a point of integers violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violated {
    /// The point has another length than the model has columns.
    Length,
    /// The range of a column.
    Column(usize),
    /// A row.
    Row(usize),
}

impl Model {
    /// The first thing that a point violates; `None` if it is a solution.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn first_violated(&self, point: &[i64]) -> Option<Violated> {
        if point.len() != self.columns.len() {
            return Some(Violated::Length);
        }
        let outside =
            |(column, value): (&Column, &i64)| *value < column.lower || column.upper < *value;
        if let Some(column) = self.columns.iter().zip(point).position(outside) {
            return Some(Violated::Column(column));
        }
        let broken = |row: &Row| {
            let product =
                |(variable, c): &(Variable, i64)| i128::from(*c) * i128::from(point[variable.0]);
            let sum: i128 = row.terms.iter().map(product).sum();
            row.lower.is_some_and(|lower| sum < i128::from(lower))
                || row.upper.is_some_and(|upper| sum > i128::from(upper))
        };
        self.rows.iter().position(broken).map(Violated::Row)
    }

    /// The columns of integers with two values, inputs left out.
    #[must_use]
    pub fn booleans(&self) -> usize {
        let is_boolean = |column: &&Column| {
            let is_input = matches!(column.origin, Origin::Input(_));
            column.integer && !is_input && column.upper - column.lower == 1
        };
        self.columns.iter().filter(is_boolean).count()
    }

    /// The coefficients of all rows.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.rows.iter().map(|row| row.terms.len()).sum()
    }

    /// Writes the model to another sink.
    ///
    /// # Errors
    ///
    /// As the sink.
    pub fn write(&self, sink: &mut impl ModelSink) -> Result<(), ModelError> {
        self.columns.iter().try_for_each(|column| sink.column(*column).map(|_| ()))?;
        self.rows.iter().try_for_each(|row| sink.row(row.clone()))
    }
}

impl ModelSink for Model {
    fn column(&mut self, column: Column) -> Result<Variable, ModelError> {
        if column.lower > column.upper {
            return Err(ModelError::Empty { origin: column.origin });
        }
        check_number(column.lower)?;
        check_number(column.upper)?;
        self.columns.push(column);
        Ok(Variable(self.columns.len() - 1))
    }

    fn row(&mut self, row: Row) -> Result<(), ModelError> {
        for (variable, c) in &row.terms {
            if variable.0 >= self.columns.len() {
                return Err(ModelError::Variable { variable: variable.0 });
            }
            check_number(*c)?;
        }
        row.lower.into_iter().chain(row.upper).try_for_each(check_number)?;
        self.rows.push(row);
        Ok(())
    }
}

/// Refuses numbers that a solver in floating point may not tell apart.
pub(crate) fn check_number(number: i64) -> Result<(), ModelError> {
    if number.unsigned_abs() < MAX_NUMBER { Ok(()) } else { Err(ModelError::Number { number }) }
}

/// Why a model cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A number is [`MAX_NUMBER`] or more.
    #[error("{number} is not below {MAX_NUMBER} in absolute value")]
    Number {
        /// The number.
        number: i64,
    },
    /// A column has no values.
    #[error("column {origin} has no values")]
    Empty {
        /// What it stands for.
        origin: Origin,
    },
    /// A row names a column that there is not.
    #[error("there is no column {variable}")]
    Variable {
        /// The column.
        variable: usize,
    },
    /// A neuron has too many values for a Boolean each.
    #[error("neuron {neuron} of layer {layer} has {values} values, more than the limit of {limit}")]
    Values {
        /// The layer.
        layer: usize,
        /// The neuron.
        neuron: usize,
        /// Its values.
        values: u64,
        /// The most that are taken.
        limit: u64,
    },
    /// Network, region, bounds and violations do not belong together.
    #[error("network, region, bounds and violations do not belong together")]
    Shape,
    /// The solver refuses a part of the model.
    #[error("the solver refuses the model")]
    Refused,
}
