//! Networks in integers: fixed-point formats, requantization, exact evaluation.
//!
//! A compressed network of [`compress`](crate::compress) is still a function of real
//! numbers. What runs on a device computes in integers, and rounds after every layer;
//! the two differ in classes, not only in digits. A [`FixedPointNetwork`] *is* the
//! integer computation, and all that is proven about it is proven about the device.
//!
//! ```text
//! a = Σ w · y + b                                        the accumulator, an integer
//! y' = clamp(round(multiplier · a) + zero_point)         the value: a Requantization
//! ```
//!
//! - A [`Format`] is QVIP's `⟨sign, Q, F⟩`. [`FixedPointLayer::with_formats`] takes
//!   integers in formats, and works out biases in units of the accumulator and the shift;
//!   [`FixedPointLayer::with_scales`] does so for the scales and zero points of int8 runtimes.
//! - A [`Requantization`] is a step function that never falls: a shift of fixed-point
//!   arithmetic, or the real [`Multiplier`] of an int8 runtime with its zero point, and one
//!   of four [`Rounding`]s. [`Requantization::threshold`] says where it steps, which
//!   is all that an encoding needs.
//! - [`FixedPointNetwork::new`] checks that nothing can overflow.
//!   [`FixedPointNetwork::from_network`] rounds a [`Network`](crate::Network) to a
//!   [`FixedPointConfig`]; [`io::fixed_point`](crate::io::fixed_point) reads and writes
//!   files.
//! - [`FixedPointNetwork::evaluate`] is the reference; [`FixedPointEvaluator`] does the
//!   same for batches, many times as fast.
//!
//! # For verifiers
//!
//! [`FixedPointLayer::neurons`] gives integer weights, the bias in units of the
//! accumulator, and the step function with its clamp; [`FixedPointNetwork::value_ranges`] the
//! range of every input of every layer; [`Neuron::accumulator`] the range of the
//! accumulator for tighter ones, [`Requantization::image`] that of the value, and
//! [`Requantization::preimage`] the accumulators of one value.
//!
//! # References
//!
//! 1. Zhang et al., *QVIP: An ILP-based formal verification approach for quantized
//!    neural networks*, ASE 2022: section 2.2.
//! 2. Jacob et al., *Quantization and training of neural networks for efficient
//!    integer-arithmetic-only inference*, CVPR 2018: section 2.

mod config;
mod error;
mod evaluator;
mod format;
mod formats;
mod integer_interval;
mod layer;
mod multiplier;
mod network;
mod requantization;
mod rounding;
mod scales;

pub use config::{FixedPointConfig, FixedPointConfigError};
pub use error::{FixedPointInputError, FixedPointLayerError, FixedPointNetworkError};
pub use evaluator::FixedPointEvaluator;
pub use format::{Format, ParseFormatError, Sign};
pub use formats::LayerFormats;
pub use integer_interval::{EmptyInterval, IntegerInterval};
pub(crate) use layer::Formats;
pub use layer::{FixedPointLayer, Neuron};
pub use multiplier::{MAX_LEFT_SHIFT, MAX_MANTISSA_BITS, MAX_SHIFT, Multiplier, MultiplierError};
pub use network::{FixedPointNetwork, InputRange, LayerTrace, class};
pub use requantization::Requantization;
pub use rounding::{ParseRoundingError, Rounding};
pub use scales::{LayerScales, Scale};
