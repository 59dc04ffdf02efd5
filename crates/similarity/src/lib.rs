//! Probabilistic certificates that a compressed network stays close to the
//! original: SimCert, with every bound sound in floating point.
//!
//! Let `f` be a network, `f'` its compressed copy, and `X` uniform on a region.
//! Three questions are answered:
//!
//! - **How likely is it that the outputs agree to `ε`?** [`probability_interval`]
//!   returns `[γ_min, γ_max]` with `γ_min ≤ P(|f(X) - f'(X)| ≤ ε) ≤ γ_max`, from one pass;
//!   [`branch_and_bound`] cuts the region until the interval is as narrow as asked for;
//!   [`probability_interval_of`] takes inputs that are not uniform.
//! - **How likely is it that both choose the same class?** [`top_one_probability`] bounds
//!   `P(argmax f(X) = argmax f'(X))`, by cuts too.
//! - **How far from an input does that stay at least `γ`?** [`certified_radius`]
//!   searches for the largest ball, [`worst_case_radius`] for the largest one on
//!   which the outputs agree for certain, [`certified_curve`] for those at several `γ`.
//!
//! They take a [`Method`]: how the difference is bounded (a [`Propagation`]), how
//! the tails of those bounds are ([`Tail`]), and which outputs count
//! ([`Outputs`]). The default is the tightest of each. The paper's own method is
//! [`Method::SIMCERT`], that of PROVEN [`Method::PROVEN`]; they are here to be
//! measured against.
//!
//! # How it works
//!
//! A pass over both networks encloses the difference between two affine functions
//! of the input, `δᴸ(x) ≤ f(x) - f'(x) ≤ δᵁ(x)`. For random `X` these are sums of
//! independent bounded terms, whose tails have sharp bounds. With `m` outputs, events of
//! the inputs are joined by a bound that sees which imply which, and is never looser than
//! the union bound:
//!
//! ```text
//! P(|δ| ≤ ε) ≥ 1 - P(some δᵁ > ε or some δᴸ < -ε)
//! P(|δ| ≤ ε) ≤ min over outputs of 1 - P(δᴸ > ε) - P(δᵁ < -ε)
//! ```
//!
//! # Examples
//!
//! ```
//! use nalgebra::{dmatrix, dvector};
//! use nncert_core::{Affine, Domain, Network, compress};
//! use nncert_similarity::{Balls, Confidence, Method, RadiusSearch, RadiusVerdict, certified_radius};
//!
//! let network = Network::relu_mlp(vec![
//!     Affine::new(dmatrix![0.31, -0.82; 0.53, 0.17; -0.44, 0.61], dvector![0.1, 0.0, -0.2]),
//!     Affine::new(dmatrix![1.03, -0.71, 0.38], dvector![0.05]),
//! ])?;
//! let pair = compress::int8(&network, compress::Granularity::PerTensor)?.pair(&network)?;
//!
//! let balls = Balls::around(&[0.5, 0.5]).within(Domain::unit());
//! let gamma = Confidence::new(0.9999)?;
//! let search = RadiusSearch::default();
//! let verdict = certified_radius(&pair, &balls, 0.005, gamma, Method::default(), &search)?;
//! let RadiusVerdict::Certified(certified) = verdict else { panic!("{verdict:?}") };
//! assert!(certified.radius > 0.1 && certified.probability.lower.get() >= 0.9999);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # References
//!
//! J. Li, F. Song, G. Li, *SimCert: Probabilistic Certification for Behavioral
//! Similarity in Deep Neural Network Compression*.

mod balls;
mod branch;
mod curve;
mod error;
mod guess;
mod method;
mod probability;
mod radius;
#[cfg(feature = "proptest")]
pub mod strategies;
mod top_one;
mod union;

pub use balls::Balls;
pub use branch::{
    BranchEnd, BranchOptions, BranchProgress, BranchReport, branch_and_bound,
    branch_and_bound_observed,
};
pub use curve::{CertifiedCurve, CurvePoint, certified_curve, certified_curve_observed};
pub use error::SimilarityError;
pub use method::{Method, Propagation};
#[doc(inline)]
pub use nncert_bounds::Outputs;
pub use nncert_prob::{Confidence, Probability, Tail};
pub use probability::{
    ProbabilityInterval, probability_interval, probability_interval_of, probability_within,
};
pub use radius::{
    CertifiedRadius, Probe, RadiusSearch, RadiusVerdict, UnknownRadius, certified_radius,
    certified_radius_observed, worst_case_radius,
};
pub use top_one::{TopOneReport, top_one_probability, top_one_probability_observed};
