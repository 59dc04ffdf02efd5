//! What must hold of the outputs.

use core::fmt;

use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::class;

/// The most ways in which a property may fail.
pub const MAX_VIOLATIONS: usize = 1 << 12;
/// The largest coefficient of an inequality: `2^31`.
pub const MAX_COEFFICIENT: u64 = 1 << 31;

/// A linear inequality over integer outputs.
///
/// ```text
/// Σ coefficients_i · o_i ≥ bound
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Inequality {
    /// One for each output.
    pub coefficients: Vec<i64>,
    /// What the sum must reach.
    pub bound: i64,
}

impl Inequality {
    /// `o_a - o_b ≥ bound`.
    #[must_use]
    pub fn difference(outputs: usize, a: usize, b: usize, bound: i64) -> Self {
        let coefficient = |output| i64::from(output == a) - i64::from(output == b);
        Self { coefficients: (0..outputs).map(coefficient).collect(), bound }
    }

    /// The outputs of a row `o_a - o_b ≥ δ`.
    pub(crate) fn pair(&self) -> Option<(usize, usize)> {
        let mut others = self.coefficients.iter().filter(|c| **c != 0);
        let (first, second) = (others.next()?, others.next()?);
        if others.next().is_some() || first + second != 0 || first.abs() != 1 {
            return None;
        }
        let place = |sign| self.coefficients.iter().position(|c| *c == sign);
        Some((place(1)?, place(-1)?))
    }

    /// How far the sum is above the bound; negative where the inequality fails.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn slack(&self, outputs: &[i64]) -> i128 {
        let products = self.coefficients.iter().zip(outputs);
        let sum: i128 = products.map(|(c, o)| i128::from(*c) * i128::from(*o)).sum();
        sum - i128::from(self.bound)
    }

    /// The opposite: `-Σ c_i o_i ≥ 1 - bound`, since all are integers.
    #[must_use]
    pub fn negated(&self) -> Self {
        let coefficients = self.coefficients.iter().map(|c| -c).collect();
        Self { coefficients, bound: 1 - self.bound }
    }
}

/// A combination of linear inequalities.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Formula {
    /// One inequality.
    AtLeast(Inequality),
    /// All of them; holds if there are none.
    All(Vec<Formula>),
    /// One of them at least; fails if there are none.
    Any(Vec<Formula>),
}

/// A property of outputs, with the ways in which it can fail.
///
/// # Examples
///
/// ```
/// use nncert_milp::{Formula, Inequality, Property};
///
/// // The first of equal outputs is the class: with three outputs, class 1 stays.
/// let property = Property::same_class(3, 1)?;
/// assert!(property.holds(&[4, 7, 7]) && !property.holds(&[7, 7, 4]));
/// assert_eq!(property.violations().len(), 2);
///
/// // o_0 ≥ 3, or o_1 + o_2 ≥ 5.
/// let at_least = |coefficients: [i64; 3], bound| {
///     Formula::AtLeast(Inequality { coefficients: coefficients.to_vec(), bound })
/// };
/// let formula = Formula::Any(vec![at_least([1, 0, 0], 3), at_least([0, 1, 1], 5)]);
/// let property = Property::formula(3, &formula)?;
/// assert!(property.holds(&[0, 2, 3]) && !property.holds(&[2, 2, 2]));
/// # Ok::<(), nncert_milp::PropertyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Property {
    outputs: usize,
    violations: Vec<Violation>,
}

/// One way in which a property fails: all of these hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Violation {
    /// The inequalities.
    pub rows: Vec<Inequality>,
}

impl Violation {
    /// Whether outputs fail the property in this way.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn is_met(&self, outputs: &[i64]) -> bool {
        self.rows.iter().all(|row| row.slack(outputs) >= 0)
    }
}

impl Property {
    /// The class stays `class`: no other output is larger, and none before it is as large.
    ///
    /// # Errors
    ///
    /// [`PropertyError::Class`] for a class that there is not.
    pub fn same_class(outputs: usize, class: usize) -> Result<Self, PropertyError> {
        if class >= outputs {
            return Err(PropertyError::Class { class, outputs });
        }
        let others = (0..outputs).filter(|other| *other != class);
        let wins = |other| {
            let bound = i64::from(other > class);
            Violation { rows: vec![Inequality::difference(outputs, other, class, bound)] }
        };
        Ok(Self { outputs, violations: others.map(wins).collect() })
    }

    /// The class of an input stays.
    ///
    /// # Errors
    ///
    /// [`PropertyError::Input`] for an input that the network does not take.
    pub fn same_class_as(network: &FixedPointNetwork, x: &[i64]) -> Result<Self, PropertyError> {
        let outputs = network.evaluate(x).map_err(|_| PropertyError::Input)?;
        Self::same_class(outputs.len(), class(&outputs))
    }

    /// All outputs stay these.
    ///
    /// # Errors
    ///
    /// [`PropertyError::Number`] for values beyond `2^62`.
    pub fn same_outputs(values: &[i64]) -> Result<Self, PropertyError> {
        let outputs = values.len();
        let mut violations = Vec::with_capacity(2 * outputs);
        for (output, value) in values.iter().enumerate() {
            for sign in [1, -1] {
                let coefficient = |index| if index == output { sign } else { 0 };
                let coefficients = (0..outputs).map(coefficient).collect();
                let bound = value.checked_mul(sign).and_then(|value| value.checked_add(1));
                let bound = bound.ok_or(PropertyError::Number)?;
                violations.push(Violation { rows: vec![Inequality { coefficients, bound }] });
            }
        }
        Self { outputs, violations }.checked()
    }

    /// A formula holds.
    ///
    /// # Errors
    ///
    /// [`PropertyError`] for inequalities of another length, numbers that are too large, and a
    /// formula that can fail in more than [`MAX_VIOLATIONS`] ways.
    pub fn formula(outputs: usize, formula: &Formula) -> Result<Self, PropertyError> {
        let violations = failures(formula)?;
        Self { outputs, violations }.checked()
    }

    fn checked(self) -> Result<Self, PropertyError> {
        for row in self.violations.iter().flat_map(|violation| &violation.rows) {
            let (expected, found) = (self.outputs, row.coefficients.len());
            if expected != found {
                return Err(PropertyError::Length { expected, found });
            }
            let large = row.coefficients.iter().any(|c| c.unsigned_abs() > MAX_COEFFICIENT);
            if large || row.bound.unsigned_abs() > 1 << 62 {
                return Err(PropertyError::Number);
            }
        }
        Ok(self)
    }

    /// The number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The ways in which it can fail.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Whether outputs have the property.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn holds(&self, outputs: &[i64]) -> bool {
        self.violation(outputs).is_none()
    }

    /// The first way in which outputs fail.
    #[must_use]
    pub fn violation(&self, outputs: &[i64]) -> Option<usize> {
        self.violations.iter().position(|violation| violation.is_met(outputs))
    }
}

/// The ways in which a formula fails: a disjunction of conjunctions.
fn failures(formula: &Formula) -> Result<Vec<Violation>, PropertyError> {
    match formula {
        Formula::AtLeast(row) => {
            let large = row.coefficients.iter().any(|c| c.unsigned_abs() > MAX_COEFFICIENT);
            if large || row.bound.unsigned_abs() > 1 << 62 {
                return Err(PropertyError::Number);
            }
            Ok(vec![Violation { rows: vec![row.negated()] }])
        }
        Formula::All(parts) => {
            let mut ways = Vec::new();
            for part in parts {
                ways.extend(failures(part)?);
                check_count(ways.len())?;
            }
            Ok(ways)
        }
        Formula::Any(parts) => {
            let mut ways = vec![Violation { rows: Vec::new() }];
            for part in parts {
                let more = failures(part)?;
                check_count(ways.len().saturating_mul(more.len()))?;
                let both = |way: &Violation| {
                    let joined = |other: &Violation| {
                        let rows = way.rows.iter().chain(&other.rows).cloned().collect();
                        Violation { rows }
                    };
                    more.iter().map(joined).collect::<Vec<_>>()
                };
                ways = ways.iter().flat_map(both).collect();
            }
            Ok(ways)
        }
    }
}

fn check_count(found: usize) -> Result<(), PropertyError> {
    if found > MAX_VIOLATIONS { Err(PropertyError::TooMany { found }) } else { Ok(()) }
}

impl fmt::Display for Inequality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (index, c) in self.coefficients.iter().enumerate().filter(|(_, c)| **c != 0) {
            let sign = if *c < 0 {
                "-"
            } else if first {
                ""
            } else {
                "+"
            };
            match c.unsigned_abs() {
                1 => write!(f, "{sign}o{index} ")?,
                size => write!(f, "{sign}{size}·o{index} ")?,
            }
            first = false;
        }
        if first {
            write!(f, "0 ")?;
        }
        write!(f, "≥ {}", self.bound)
    }
}

/// Why something is not a [`Property`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// A class that there is not.
    #[error("there is no class {class} among {outputs}")]
    Class {
        /// The class, counted from 0.
        class: usize,
        /// The outputs.
        outputs: usize,
    },
    /// An inequality has another number of coefficients than there are outputs.
    #[error("expected {expected} coefficients, found {found}")]
    Length {
        /// The outputs.
        expected: usize,
        /// The coefficients.
        found: usize,
    },
    /// A coefficient is beyond `2^31`, or a bound beyond `2^62`.
    #[error("a number of an inequality is too large")]
    Number,
    /// The formula can fail in too many ways.
    #[error("a formula with {found} ways to fail is beyond the limit of {MAX_VIOLATIONS}")]
    TooMany {
        /// The ways, as far as they were counted.
        found: usize,
    },
    /// The network does not take the input.
    #[error("the network does not take the input")]
    Input,
}
