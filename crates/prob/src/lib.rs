//! Tails.
#![forbid(unsafe_code)]

mod confidence;
mod distribution;
mod probability;
mod rounding;
mod uniform;

pub use crate::confidence::{Confidence, ConfidenceError};
pub use crate::distribution::Distribution;
pub use crate::probability::{Probability, ProbabilityError};
pub use crate::uniform::{DistributionError, Uniform};
