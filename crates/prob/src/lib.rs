//! Tails.
#![forbid(unsafe_code)]

mod confidence;
mod probability;
mod rounding;

pub use crate::confidence::{Confidence, ConfidenceError};
pub use crate::probability::{Probability, ProbabilityError};
