//! The probability of an error, shared by several models.

use nncert_prob::Probability;

use crate::{Fingerprint, SmoothingError};

/// The probability that any of several statements is false, divided among the models that they are about.
///
/// ```text
/// P(any of the K statements about an input is false) ≤ K · α/K = α
/// ```
///
/// All models may use the same cache, and the same samples: the union bound asks for no independence. A certificate of the original
/// itself is a statement too; count it as a model where it is to hold with the others. The probability is that of one input.
///
/// # Examples
/// ```
/// use nncert_smoothing::{ErrorBudget, Fingerprint};
///
/// let mut budget = ErrorBudget::new(0.002, 2)?;
/// let (int8, pruned) = (Fingerprint::of_bytes(b"int8"), Fingerprint::of_bytes(b"pruned"));
/// assert!(budget.admit(int8)? <= 0.001);
/// budget.admit(pruned)?;
/// budget.admit(int8)?;
/// assert!(budget.admit(Fingerprint::of_bytes(b"a third")).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorBudget {
    alpha: f64,
    models: usize,
    admitted: Vec<Fingerprint>,
}

/// A model more than the budget has a share for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the error budget is for {models} models, and all have had their share")]
pub struct BudgetError {
    /// The models.
    pub models: usize,
}

/// The most models.
const MAX_MODELS: usize = 1 << 20;

impl ErrorBudget {
    /// An error probability of `alpha` for statements about `models` models.
    ///
    /// # Errors
    /// [`SmoothingError`] for an `alpha` outside (0, 1), and for no models or more than 2^20.
    pub fn new(alpha: f64, models: usize) -> Result<Self, SmoothingError> {
        crate::smoothed::level("alpha", alpha)?;
        if !(1..=MAX_MODELS).contains(&models) {
            let expected = "a number of models within 1 and 2^20";
            return Err(SmoothingError::Option { name: "models", value: models as f64, expected });
        }
        Ok(Self { alpha, models, admitted: Vec::new() })
    }

    /// The error probability of all statements.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The number of models.
    #[must_use]
    pub fn models(&self) -> usize {
        self.models
    }

    /// The error probability of the statement about one model, rounded down.
    #[must_use]
    pub fn level(&self) -> f64 {
        if self.models == 1 { self.alpha } else { (self.alpha / self.models as f64).next_down() }
    }

    /// The level for a model; the same model may come again, for other inputs.
    ///
    /// # Errors
    /// [`BudgetError`] for a model more than there are shares.
    pub fn admit(&mut self, model: Fingerprint) -> Result<f64, BudgetError> {
        if !self.admitted.contains(&model) {
            if self.admitted.len() >= self.models {
                return Err(BudgetError { models: self.models });
            }
            self.admitted.push(model);
        }
        Ok(self.level())
    }
}

/// Two levels whose sum is at most `level`, the first a share of it.
pub(super) fn split(level: f64, share: f64) -> (Probability, Probability) {
    let first = level * share;
    let rest = (level - first).next_down();
    (crate::smoothed::rounded_level(first), crate::smoothed::rounded_level(rest))
}
