//! Networks, regions, compression and file formats for verifiers of compressed
//! neural networks.
//!
//! This crate says what a question is about; the crates above it answer.
//!
//! - A [`Network`] is a validated sequence of [`Layer`]s with weights in `f64`, in
//!   which `f32`, `f16` and `bf16` weights are exact. [`Network::evaluate`] is for
//!   one input, an [`Evaluator`] for batches in `f32` or `f64`, and
//!   [`exact::evaluate`](https://docs.rs/nncert-core/latest/nncert_core/exact) (feature `exact`)
//!   for what the network computes without any rounding.
//! - Layers are [`Affine`], [`Convolution`], [`Pool`], [`Scale`], [`Select`], flatten,
//!   [`Activation`], and [`Residual`] blocks of two such sequences.
//! - A [`Region`] is a box of inputs: built from corners, as an L∞ ball clipped to
//!   a [`Domain`], or as a ball on some coordinates. It knows which of its
//!   coordinates are free, tests membership and draws samples.
//! - [`compress`] makes the copy `f'`: fixed point, int8, 16-bit floats, pruned
//!   weights, removed neurons. Each returns the network and what was done.
//! - [`PairedNetworks`] aligns `f` and `f'` neuron by neuron, whatever was removed.
//!   It is all that a differential analysis accepts.
//! - A [`FixedPointNetwork`] computes in integers alone, as devices do: what is
//!   proven about it needs no allowance for rounding. [`fixed_point`] makes one of a
//!   [`Network`], and is exact about shifts and real multipliers alike.
//! - [`io`] reads and writes `.nnet` and safetensors, and reads ONNX.
//!
//! ```
//! use nalgebra::{dmatrix, dvector};
//! use nncert_core::{Affine, Domain, Network, Region, compress};
//!
//! let f = Network::relu_mlp(vec![
//!     Affine::new(dmatrix![0.31, -0.82; 0.53, 0.17], dvector![0.1, 0.0]),
//!     Affine::new(dmatrix![1.03, -0.71], dvector![0.05]),
//! ])?;
//! let half = compress::float16(&f)?;
//! let pair = half.pair(&f)?;
//! let region = Region::linf_ball(&[0.5, 0.5], 0.1, &Domain::unit())?;
//! assert_eq!(pair.inputs(), region.dimension());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Everything is checked when it is built: shapes, sizes, NaN, infinite and absurd
//! numbers. Errors are small enums that carry the layer, the neuron and the value.
//! After that nothing panics, and passes need no checks of their own.
//!
//! # Features
//!
//! - `exact`: exact evaluation in dyadic rationals.
//! - `onnx`: reading ONNX models.
//! - `proptest`: strategies for networks, pairs, regions and points in them.
//! - `serde`: regions, intervals and summaries can be stored.

pub mod compress;
pub mod directed;
pub mod elementary;
#[cfg(feature = "exact")]
pub mod exact;
pub mod fixed_point;
pub mod io;
pub mod product;
#[cfg(feature = "proptest")]
pub mod strategies;

mod activation;
mod affine;
mod convolution;
mod convolver;
mod evaluate;
mod interval;
mod lanes;
mod layer;
mod layer_error;
mod network;
mod pair;
mod pool;
mod real;
mod region;
mod residual;
mod scale;
mod select;
mod shape;
mod window;

pub use activation::Activation;
pub use affine::Affine;
pub use convolution::Convolution;
pub use evaluate::{Entering, Evaluator, EvaluatorError};
pub use fixed_point::FixedPointNetwork;
pub use interval::Interval;
pub use layer::{Layer, LayerKind};
pub use layer_error::LayerError;
pub use network::{
    InputError, MAX_LAYERS, MAX_MAGNITUDE, MAX_NESTING, MAX_PARAMETERS, MAX_WIDTH, Network,
    NetworkError,
};
pub use pair::{PairError, PairedNetworks};
pub use pool::Pool;
pub use real::Real;
pub use region::{Domain, Region, RegionError};
pub use residual::{Branch, Residual};
pub use scale::Scale;
pub use select::Select;
pub use shape::Shape;
pub use window::Window;
