//! Models as text, in CPLEX's LP format.

use core::fmt::{self, Write};

use super::{Column, Model, Row};

/// Writes a model in LP format, without an objective: is there a solution?
///
/// # Errors
///
/// What the writer says.
///
/// # Examples
///
/// ```
/// use nncert_milp::{Column, Model, ModelSink, Origin, Row, write_lp};
///
/// let mut model = Model::default();
/// let column = Column { lower: -2, upper: 9, integer: true, origin: Origin::Input(0) };
/// let x = model.column(column)?;
/// model.row(Row { terms: vec![(x, 3)], lower: Some(10), upper: None })?;
/// let mut text = String::new();
/// write_lp(&model, &mut text)?;
/// assert!(text.contains(" r0: +3 x0 >= 10\n") && text.contains(" -2 <= x0 <= 9\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_lp(model: &Model, text: &mut impl Write) -> fmt::Result {
    writeln!(text, "Minimize\n obj: 0 {}\nSubject To", name(model, 0))?;
    for (index, row) in model.rows.iter().enumerate() {
        let Row { terms, lower, upper } = row;
        match (lower, upper) {
            (Some(lower), Some(upper)) if lower == upper => {
                line(model, text, &format!("r{index}"), terms, "=", *lower)?;
            }
            (lower, upper) => {
                if let Some(lower) = lower {
                    line(model, text, &format!("r{index}"), terms, ">=", *lower)?;
                }
                if let Some(upper) = upper {
                    let suffix = if lower.is_some() { "u" } else { "" };
                    line(model, text, &format!("r{index}{suffix}"), terms, "<=", *upper)?;
                }
            }
        }
    }
    writeln!(text, "Bounds")?;
    for Column { lower, upper, origin, .. } in &model.columns {
        writeln!(text, " {lower} <= {origin} <= {upper}")?;
    }
    writeln!(text, "General")?;
    for column in model.columns.iter().filter(|column| column.integer) {
        writeln!(text, " {}", column.origin)?;
    }
    writeln!(text, "End")
}

fn name(model: &Model, index: usize) -> String {
    model.columns.get(index).map_or_else(|| "none".to_owned(), |column| column.origin.to_string())
}

fn line(
    model: &Model,
    text: &mut impl Write,
    label: &str,
    terms: &[(super::Variable, i64)],
    sign: &str,
    bound: i64,
) -> fmt::Result {
    write!(text, " {label}:")?;
    if terms.is_empty() {
        write!(text, " 0 {}", name(model, 0))?;
    }
    for (place, (variable, c)) in terms.iter().enumerate() {
        // Lines of the format are short.
        let space = if place % 8 == 7 { "\n  " } else { " " };
        write!(text, "{space}{c:+} {}", name(model, variable.0))?;
    }
    writeln!(text, " {sign} {bound}")
}
