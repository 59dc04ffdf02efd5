//! Choosing bit-widths with a proof: Quadapter.
//!
//! A [`Strategy`] says how many bits the weights and biases of each layer have; a [`Property`] what
//! must hold of the outputs for all inputs of a set.
//!
//! # What is certified
//!
//! The network with quantized weights and biases, as a function of real numbers: inputs and values
//! of neurons are not rounded. That is the paper's semantics.
//!
//! # References
//!
//! Zhang, Chen, Song, Sun and Dong, *Certified quantization strategy synthesis for neural networks*
//! (Quadapter), FM 2024.

mod abstraction;
mod attack;
mod balanced;
mod certify;
mod chain;
mod forward;
mod half_space;
mod image;
mod least;
mod preimage;
mod property;
mod scaling;
mod search;
mod strategy;
mod synthesis;
mod trigger;

pub use abstraction::Abstraction;
pub use balanced::Balanced;
pub use certify::{
    Certification, CertifyError, CertifyOptions, Proof, Reason, Verdict, Witness, certify,
    certify_in, falsify,
};
pub use half_space::HalfSpace;
pub use image::Image;
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
    Failure, Method, Options, Outcome, Synthesis, SynthesisError, UnderPreimage, synthesize,
};
pub use trigger::Trigger;
