//! Bounds of networks in integers, proven in integers.
//!
//! A neuron of a [`FixedPointNetwork`](nncert_core::FixedPointNetwork) is a step function of an
//! integer sum. Nothing about it is rounded that the network itself does not round, so bounds
//! of it can be exact where those of a network in real numbers must be rounded outward:
//!
//! - [`integer_intervals`] is interval analysis: exact about the first layer.
//! - [`FixedPointBounder::bounds`] is CROWN on staircases, with ends tightened to integers, and
//!   α-CROWN when it is given steps.
//! - [`FixedPointBounder::search`] finds multipliers for a linear form of the outputs (a property
//!   row such as `o_i - o_g` directly), and [`FixedPointBounder::prove`] says, in integers, what
//!   they prove.
//!
//! Floats only choose multipliers. [`dual_bound`] turns *any* multipliers into a bound in exact
//! arithmetic, and is all that needs to be believed; CROWN is the choice `λ = slope · μ`, where
//! `slope` is that of an edge of the convex hull of the staircase: of the two lines around the
//! steps, of a chord to a clamp, or of the clamp itself.
//!
//! # References
//!
//! 1. Zhang et al., *QVIP: An ILP-based formal verification approach for quantized neural
//!    networks*, ASE 2022: sections 2.3 and 3.5.
//! 2. Zhang et al., *Efficient neural network robustness certification with general activation
//!    functions* (CROWN), NeurIPS 2018.
//! 3. Camerini, Fratta, Maffioli, *On improving relaxation methods by modified gradient
//!    techniques*, Mathematical Programming Study 3, 1975: the ascent.

mod ascent;
mod bounder;
mod bounds;
mod dual;
mod error;
mod line;
mod region;
mod staircase;

pub use ascent::Ascent;
pub use bounder::{FixedPointBounder, Lemma, Proof, Side};
pub use bounds::{IntegerBounds, integer_intervals};
pub use dual::{Multipliers, dual_bound};
pub use error::FixedPointBoundsError;
pub use line::{Along, LineSearch};
pub use region::{IntegerRegion, IntegerRegionError, Norm};
pub use staircase::cut_gain;
