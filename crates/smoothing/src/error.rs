//! What is wrong with a question about a smoothed classifier.

use nncert_prob::CountError;

use crate::classifier::ClassifierError;

/// What is wrong with a question about a smoothed classifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmoothingError {
    /// `σ` is not a positive finite number.
    #[error("a sigma of {sigma} is not a positive finite number")]
    Sigma {
        /// The `σ`.
        sigma: f64,
    },
    /// `σ` times the levels of the grid is too small or too large.
    #[error("a deviation of {deviation} grid steps is not within 1/16 and 32768")]
    Deviation {
        /// `σ` in steps of the grid.
        deviation: f64,
    },
    /// The grid has no step, or more than 2^20.
    #[error("{levels} levels are not within 1 and 2^20")]
    Levels {
        /// The levels.
        levels: u32,
    },
    /// The input has another length than the classifier expects.
    #[error("expected {expected} inputs, found {found}")]
    Inputs {
        /// What the classifier expects.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// A number of the input is NaN or beyond 10^6.
    #[error("input {coordinate} is {value}, not a number of at most 10^6")]
    Value {
        /// The coordinate.
        coordinate: usize,
        /// Its value.
        value: f64,
    },
    /// A number of the input is not on the grid.
    #[error("input {coordinate} is {value}, no multiple of 1/{levels}")]
    OffGrid {
        /// The coordinate.
        coordinate: usize,
        /// Its value.
        value: f64,
        /// The levels of the grid.
        levels: u32,
    },
    /// An error probability that is not strictly between 0 and 1.
    #[error("{name} is {value}, not strictly between 0 and 1")]
    Level {
        /// Which one.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// No samples, or more than 2^31 - 1.
    #[error("{samples} {name} are not within 1 and 2^31 - 1")]
    Samples {
        /// Which ones.
        name: &'static str,
        /// How many.
        samples: u64,
    },
    /// A batch without a column, or with more than 2^20.
    #[error("a batch of {batch} is not within 1 and 2^20")]
    Batch {
        /// The columns.
        batch: usize,
    },
    /// A target radius, or another option, that is negative or not finite.
    #[error("{name} is {value}, which is not {expected}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// A classifier with no classes, or more than 2^16.
    #[error("{classes} classes are not within 1 and 2^16")]
    Classes {
        /// The classes.
        classes: usize,
    },
    /// A classifier that gave another number of labels than there were inputs.
    #[error("the classifier gave {found} labels for {expected} inputs")]
    Labels {
        /// The inputs.
        expected: usize,
        /// The labels.
        found: usize,
    },
    /// A classifier that gave a label outside its classes.
    #[error("the classifier gave the label {label}, and has {classes} classes")]
    Label {
        /// The label.
        label: usize,
        /// The classes.
        classes: usize,
    },
    /// The observer ended the run.
    #[error("stopped by the observer after {done} samples")]
    Stopped {
        /// The samples that were classified.
        done: u64,
    },
    /// The classifier failed.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// Counts that do not fit.
    #[error(transparent)]
    Count(#[from] CountError),
}
