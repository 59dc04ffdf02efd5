//! Models as text, in free MPS format.

use core::fmt::{self, Write};

use super::Model;

/// Writes a model in free MPS format, without an objective.
///
/// # Errors
///
/// What the writer says.
///
/// # Examples
///
/// ```
/// use nncert_milp::{Column, Model, ModelSink, Origin, Row, write_mps};
///
/// let mut model = Model::default();
/// let column = Column { lower: -2, upper: 9, integer: true, origin: Origin::Input(0) };
/// let x = model.column(column)?;
/// model.row(Row { terms: vec![(x, 3)], lower: Some(10), upper: Some(20) })?;
/// let mut text = String::new();
/// write_mps(&model, &mut text)?;
/// assert!(text.contains(" x0 r0 3\n") && text.contains(" RNG r0 10\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_mps(model: &Model, text: &mut impl Write) -> fmt::Result {
    writeln!(text, "NAME nncert\nROWS\n N obj")?;
    for (index, row) in model.rows.iter().enumerate() {
        let kind = match (row.lower, row.upper) {
            (Some(lower), Some(upper)) if lower == upper => "E",
            (Some(_), _) => "G",
            (None, Some(_)) => "L",
            (None, None) => "N",
        };
        writeln!(text, " {kind} r{index}")?;
    }
    writeln!(text, "COLUMNS")?;
    let mut entries = vec![Vec::new(); model.columns.len()];
    for (index, row) in model.rows.iter().enumerate() {
        for (variable, c) in &row.terms {
            entries[variable.0].push((index, *c));
        }
    }
    for (column, entries) in model.columns.iter().zip(&entries) {
        if column.integer {
            writeln!(text, " M{} 'MARKER' 'INTORG'", column.origin)?;
        }
        writeln!(text, " {} obj 0", column.origin)?;
        for (row, c) in entries {
            writeln!(text, " {} r{row} {c}", column.origin)?;
        }
        if column.integer {
            writeln!(text, " E{} 'MARKER' 'INTEND'", column.origin)?;
        }
    }
    writeln!(text, "RHS")?;
    for (index, row) in model.rows.iter().enumerate() {
        if let Some(side) = row.lower.or(row.upper) {
            writeln!(text, " RHS r{index} {side}")?;
        }
    }
    writeln!(text, "RANGES")?;
    for (index, row) in model.rows.iter().enumerate() {
        if let (Some(lower), Some(upper)) = (row.lower, row.upper)
            && lower != upper
        {
            writeln!(text, " RNG r{index} {}", i128::from(upper) - i128::from(lower))?;
        }
    }
    writeln!(text, "BOUNDS")?;
    for column in &model.columns {
        writeln!(text, " LO BND {} {}", column.origin, column.lower)?;
        writeln!(text, " UP BND {} {}", column.origin, column.upper)?;
    }
    writeln!(text, "ENDATA")
}
