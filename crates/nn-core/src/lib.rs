//! Networks, regions, compression and file formats for verifiers of compressed
//! neural networks.

pub mod compress;
pub mod directed;
#[cfg(feature = "exact")]
pub mod exact;
pub mod io;
pub mod product;
#[cfg(feature = "proptest")]
pub mod strategies;

mod affine;
mod evaluate;
mod interval;
mod layer;
mod network;
mod pair;
mod real;
mod region;
mod shape;

pub use affine::Affine;
pub use evaluate::{Evaluator, EvaluatorError};
pub use interval::Interval;
pub use layer::{Activation, Layer, LayerKind};
pub use network::{
    InputError, MAX_LAYERS, MAX_MAGNITUDE, MAX_PARAMETERS, MAX_WIDTH, Network, NetworkError,
};
pub use pair::{PairError, PairedNetworks};
pub use real::Real;
pub use region::{Domain, Region, RegionError};
pub use shape::Shape;
