//! What may be asked about a pair.

use core::fmt;

/// What is to be shown of a network and its copy.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Property {
    /// The outputs stay together.
    Agreement(Agreement),
    /// The class stays.
    TopOne(TopOne),
}

/// The outputs stay together.
///
/// ```text
/// |f_o(x) - f'_o(x)| ≤ ε   (or < ε)   for all x in the region and the chosen outputs o
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Agreement {
    /// `ε`, in units of the outputs.
    pub epsilon: f64,
    /// Whether the difference has to stay strictly below `ε`.
    pub strict: bool,
    /// The outputs that have to agree.
    pub outputs: Outputs,
}

/// Which outputs have to agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outputs {
    /// All of them at once: the L∞ distance of the output vectors.
    #[default]
    All,
    /// One, counted from 0.
    One(usize),
}

impl Outputs {
    /// Whether an output counts.
    #[must_use]
    pub fn includes(self, output: usize) -> bool {
        match self {
            Self::All => true,
            Self::One(chosen) => chosen == output,
        }
    }

    /// Those of so many outputs that are meant; `None` when there is no such output.
    #[must_use]
    pub fn of(self, count: usize) -> Option<Vec<usize>> {
        match self {
            Self::All => Some((0..count).collect()),
            Self::One(output) => (output < count).then(|| vec![output]),
        }
    }
}

/// The class stays: the same output is the largest, the first of several.
///
/// ```text
/// argmax f(x) = argmax f'(x)   for all x in the region (with softmax f(x) ≥ δ at the top)
/// ```
///
/// With a confidence `δ` above 0 only those inputs count at which `f` is at least so
/// sure of its class (δ-top-1). Shown through `f_i - f_j ≥ ln(δ / (1 - δ))`, which
/// every such input satisfies for its class `i` and all others.
///
/// # References
///
/// Teuber et al., *Revisiting Differential Verification: Equivalence Verification with
/// Confidence*, 2024, for δ-top-1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TopOne {
    /// `δ`, in `[0, 1)`.
    pub confidence: f64,
}

/// The most classes that [`TopOne`] compares, two by two.
pub const MAX_CLASSES: usize = 64;

impl Agreement {
    /// All outputs stay within `ε`.
    #[must_use]
    pub const fn within(epsilon: f64) -> Self {
        Self { epsilon, strict: false, outputs: Outputs::All }
    }

    /// The same for one output only.
    #[must_use]
    pub const fn of_output(self, output: usize) -> Self {
        Self { outputs: Outputs::One(output), ..self }
    }

    /// The same with `<` in place of `≤`.
    #[must_use]
    pub const fn strictly(self) -> Self {
        Self { strict: true, ..self }
    }
}

impl TopOne {
    /// Where `f` is at least so confident, `f'` agrees.
    #[must_use]
    pub const fn with_confidence(confidence: f64) -> Self {
        Self { confidence }
    }
}

impl From<Agreement> for Property {
    fn from(agreement: Agreement) -> Self {
        Self::Agreement(agreement)
    }
}

impl From<TopOne> for Property {
    fn from(top: TopOne) -> Self {
        Self::TopOne(top)
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agreement(Agreement { epsilon, strict, outputs }) => {
                let sign = if *strict { "<" } else { "<=" };
                write!(f, "|f - f'| {sign} {epsilon}")?;
                match outputs {
                    Outputs::All => Ok(()),
                    Outputs::One(output) => write!(f, " at output {output}"),
                }
            }
            Self::TopOne(TopOne { confidence }) => {
                f.write_str("argmax f = argmax f'")?;
                if *confidence > 0.0 { write!(f, " where f is {confidence} sure") } else { Ok(()) }
            }
        }
    }
}
