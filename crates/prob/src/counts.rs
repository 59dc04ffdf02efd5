//! Successes among trials.

/// More trials than this are not evaluated.
pub(crate) const MOST_TRIALS: u64 = 1 << 31;

/// Why two numbers are not a count of successes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CountError {
    /// More successes than trials.
    #[error("{successes} successes in {trials} trials")]
    TooManySuccesses {
        /// The successes.
        successes: u64,
        /// The trials.
        trials: u64,
    },
    /// More trials than the error bounds are stated for.
    #[error("{trials} trials, more than 2^31")]
    TooManyTrials {
        /// The trials.
        trials: u64,
    },
}

/// A number of successes among independent trials, at most 2^31.
///
/// # Examples
/// ```
/// use nncert_prob::Count;
///
/// assert_eq!(Count::new(990, 1000)?.failures(), 10);
/// assert!(Count::new(2, 1).is_err());
/// # Ok::<(), nncert_prob::CountError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "(u64, u64)", into = "(u64, u64)"))]
pub struct Count {
    successes: u64,
    trials: u64,
}

impl Count {
    /// So many successes among so many trials.
    ///
    /// # Errors
    /// [`CountError`] when there are more successes than trials, or more than 2^31 trials.
    pub const fn new(successes: u64, trials: u64) -> Result<Self, CountError> {
        if successes > trials {
            return Err(CountError::TooManySuccesses { successes, trials });
        }
        if trials > MOST_TRIALS {
            return Err(CountError::TooManyTrials { trials });
        }
        Ok(Self { successes, trials })
    }

    /// The successes.
    #[must_use]
    pub const fn successes(self) -> u64 {
        self.successes
    }

    /// The trials.
    #[must_use]
    pub const fn trials(self) -> u64 {
        self.trials
    }

    /// The trials that were no success.
    #[must_use]
    pub const fn failures(self) -> u64 {
        self.trials - self.successes
    }

    /// The failures among the trials.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self { successes: self.trials - self.successes, trials: self.trials }
    }
}

impl TryFrom<(u64, u64)> for Count {
    type Error = CountError;

    /// Successes and trials.
    fn try_from((successes, trials): (u64, u64)) -> Result<Self, CountError> {
        Self::new(successes, trials)
    }
}

impl From<Count> for (u64, u64) {
    fn from(count: Count) -> Self {
        (count.successes, count.trials)
    }
}
