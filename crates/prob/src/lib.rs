//! Tails.
#![forbid(unsafe_code)]

mod confidence;
mod distribution;
mod moments;
mod probability;
mod rounding;
mod uniform;

pub use crate::confidence::{Confidence, ConfidenceError};
pub use crate::distribution::Distribution;
pub use crate::moments::Moments;
pub use crate::probability::{Probability, ProbabilityError};
pub use crate::uniform::{DistributionError, Uniform};
