//! Tails.
#![forbid(unsafe_code)]

mod bernstein;
mod chernoff;
mod confidence;
mod distribution;
mod hoeffding;
mod linear_form;
mod moments;
mod probability;
mod rounding;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod strategies;
mod sub_gaussian;
mod tail;
mod uniform;

pub use crate::confidence::{Confidence, ConfidenceError};
pub use crate::distribution::Distribution;
pub use crate::linear_form::{FormError, LinearForm};
pub use crate::moments::Moments;
pub use crate::probability::{Probability, ProbabilityError};
pub use crate::tail::{ParseTailError, Tail};
pub use crate::uniform::{DistributionError, Uniform};
