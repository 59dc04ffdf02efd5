//! Sound bounds of neural networks and of the difference between a network and
//! its compressed copy.

mod chain;
mod crown;
mod dense;
mod differential;
mod envelope;
mod error;
mod forward;
mod interval;
mod intervals;
mod kernel;
mod relaxations;
mod relu;
mod rounding;
mod rows;
mod stage;

#[cfg(feature = "proptest")]
pub mod strategies;

pub use crown::{NetworkBounds, crown, crown_with};
pub use differential::{PairBounds, differential, differential_with};
pub use envelope::{AffineForm, Envelope};
pub use error::BoundsError;
pub use forward::forward;
pub use interval::interval;
pub use relaxations::Relaxations;
pub use relu::{Face, Faces, Line, Lines, relu_difference_faces, relu_lines};
pub use rounding::Rounding;
