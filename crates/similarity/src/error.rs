//! What is wrong with a question about similarity.

use nncert_bounds::BoundsError;
use nncert_core::{Interval, RegionError};

/// What is wrong with a question about similarity.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SimilarityError {
    /// `ε` is negative, NaN or infinite.
    #[error("an epsilon of {epsilon} is not a finite number of at least 0")]
    Epsilon {
        /// The `ε`.
        epsilon: f64,
    },
    /// An output that the networks do not have.
    #[error("there is no output {output} among {outputs}")]
    Output {
        /// The output, counted from 0.
        output: usize,
        /// The outputs of the networks.
        outputs: usize,
    },
    /// Fewer than two classes, or more than [`MAX_CLASSES`](nncert_bounds::MAX_CLASSES).
    #[error("{classes} outputs are not 2 to {} classes", nncert_bounds::MAX_CLASSES)]
    Classes {
        /// The outputs of the networks.
        classes: usize,
    },
    /// There is not one law for each free input.
    #[error("{laws} laws for {free} free inputs")]
    Laws {
        /// The laws.
        laws: usize,
        /// The free inputs of the region.
        free: usize,
    },
    /// A law leaves the region.
    #[error("input {input} lies between {} and {}, its law between {} and {}",
        region.lower, region.upper, support.0, support.1)]
    Support {
        /// The input.
        input: usize,
        /// Between which values the law says it is.
        support: (f64, f64),
        /// Between which values the region has it.
        region: Interval,
    },
    /// The options of a search are out of range.
    #[error("{option} is {value}, which is not {expected}")]
    Search {
        /// The option.
        option: &'static str,
        /// Its value.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// The centre or the domain is not right.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The difference cannot be bounded.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}
