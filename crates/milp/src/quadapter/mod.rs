//! Choosing bit-widths with a proof: Quadapter.
//!
//! A [`Strategy`] says how many bits the weights and biases of each layer have; a [`Property`] what
//! must hold of the outputs for all inputs of a set. [`synthesize`] looks for a strategy with few
//! bits under which the quantized network has the property.
//!
//! # What is certified
//!
//! The network with quantized weights and biases, as a function of real numbers: inputs and values
//! of neurons are not rounded. That is the paper's semantics. A device rounds values too;
//! [`Deployment`] makes a network in integers of a strategy and certifies that one.
//!
//! Every strategy that comes out was verified by [`certify`], which knows nothing of how it was found:
//! the quantized network is bounded from scratch, with bounds that are rounded outward.
//!
//! # Which method
//!
//! A preimage is a set of values of a hidden layer that the layers behind it map into the
//! outputs that are asked for. Layers are quantized from the first on, each with the fewest bits with
//! which its bounds stay in its preimage.
//!
//! **[`Abstraction`]** finds preimages backward, by bounds: tenths of a second a task.
//!
//! **[`MixedInteger`]** does so by models that a solver bounds ([`Minimizer`], with feature
//! `highs` HiGHS). Larger preimages in front, and seconds to minutes.
//!
//! **[`Balanced`]** finds all preimages at once, from the front. It is as fast as the first, and solves
//! more where networks are deep.
//!
//! **Relaxed** ([`Options::relaxed`], and as the paper has it [`Options::quarter`]): some ends of hidden
//! neurons may leave their preimage, never those of the output. Fewer bits, and as sound, since what is
//! certified is the output.
//!
//! # Backdoors
//!
//! [`synthesize_backdoor_free`] is algorithm 2: a sequential test on random images, a strategy for those
//! that were certified, and the test again on fresh images. What comes out is a
//! [`BackdoorStatement`], which says what was tested, and at which levels of error.
//!
//! # References
//!
//! 1. Zhang, Chen, Song, Sun and Dong, *Certified quantization strategy synthesis for neural networks*
//!    (Quadapter), FM 2024.
//! 2. Singh et al., *An abstract domain for certifying neural networks* (DeepPoly), POPL 2019.

mod abstraction;
mod attack;
mod backdoor;
mod balanced;
mod certify;
mod chain;
mod complete;
mod deployment;
mod forward;
mod half_space;
#[cfg(feature = "highs")]
mod highs;
mod image;
mod least;
mod linear_model;
mod mixed_integer;
mod preimage;
mod property;
mod scaling;
mod search;
mod strategy;
mod synthesis;
mod trigger;

pub use abstraction::Abstraction;
pub use backdoor::{
    Backdoor, BackdoorError, BackdoorLevels, BackdoorOutcome, BackdoorStatement,
    confirm_backdoor_free, synthesize_backdoor_free,
};
pub use balanced::Balanced;
pub use certify::{
    Certification, CertifyError, CertifyOptions, Proof, Reason, Verdict, Witness, certify,
    certify_in, falsify,
};
pub use complete::{TOLERANCE, certify_by_model};
pub use deployment::{Deployment, DeploymentError};
pub use half_space::HalfSpace;
pub use image::Image;
pub use linear_model::{DualBound, Effort, LinearColumn, LinearModel, LinearRow, Minimizer};
pub use mixed_integer::{MARGIN, MixedInteger};
pub use preimage::{Preimage, Step};
pub use property::{Inputs, Outputs, Property, PropertyError};
pub use scaling::Scaling;
#[cfg(feature = "similarity")]
pub use search::Similar;
pub use search::{
    Cost, Floor, FloorError, Found, Kept, Requirement, Search, SearchError, SearchOptions,
};
pub use strategy::{Strategy, fitting_layer};
pub use synthesis::{
    Failure, Method, Options, Outcome, Synthesis, SynthesisError, UnderPreimage, find_preimages,
    synthesize,
};
pub use trigger::Trigger;
