//! Sound bounds of neural networks, and of the difference between a network and
//! its compressed copy.
//!
//! Each pass takes a [`Network`](nncert_core::Network) or a
//! [`PairedNetworks`](nncert_core::PairedNetworks) and a
//! [`Region`](nncert_core::Region), and returns bounds that hold for every input of
//! the region, in exact real arithmetic, although they are computed in `f64`.
//!
//! # Which pass
//!
//! **[`interval`]** (IBP) pushes intervals forward. Two matrix-vector products a
//! layer: use it when you have millions of regions and can live with bounds that
//! grow by a factor a layer. It fails where neurons depend on each other, which is
//! to say in every network of some depth.
//!
//! **[`crown`]** substitutes backward from the output and keeps every dependency
//! on the input, giving up tightness only at activations that are not linear on the
//! values they may see. It returns affine functions of the input, not only numbers. A
//! matrix product with the weights for every layer and every layer after it, over
//! unstable neurons only. Use it for one network.
//!
//! **[`alpha_crown`]** lets every bound choose its own lower lines by gradient ascent. It
//! costs two passes a step, and is never looser than [`crown`]. Use it when one region
//! matters and the bound just fails.
//!
//! **[`differential`]** does the same as [`crown`] for a pair. The difference of two
//! networks that are almost equal is small although each moves a lot; two separate passes
//! cannot see that, and differ by the width of both. The joint pass can, because
//! its state is the difference itself. Costs a few times [`crown`] on one network,
//! and takes over what two separate passes find where they do better, layer by layer. Use
//! it for every question about a compressed copy. Where the copy is very coarse and the
//! region large, all passes end up loose: cut the region, or let
//! **[`alpha_differential`]** mix both views neuron by neuron.
//!
//! **[`forward`]** is SimCert's propagation, affine functions pushed forward. It is
//! here to be compared with, as the paper's baseline.
//!
//! **[`DifferentialVerifier`]** cuts the region until the question is decided: it
//! proves `|f - f'| ≤ ε` everywhere, or that both networks choose the same class
//! ([`TopOne`]), or finds an input where that fails. Use it when one pass is not enough
//! and the region has few free inputs; the number of boxes grows quickly with their
//! number.
//!
//! Passes for one region after the other ([`crown_in`], [`differential_in`]) take a
//! [`Scratch`] of the caller's, in which they find again what they need beside their
//! results. [`Prepared`] and [`PreparedPair`] keep what does not depend on the region too,
//! and write into bounds that there are: then a pass allocates nothing at all. With feature
//! `rayon` the pieces of a pass and the boxes of a verification run on the threads of the
//! current pool, with the same results.
//!
//! # Which layers
//!
//! All of them, in all passes but [`forward`]: linear layers as they are, activations by
//! lines ([`activation_lines`], [`activation_difference_faces`]), residual blocks by
//! adding what both branches give. The maximum of a window is a tree of
//! `max(a, b) = a + ReLU(b - a)`, which is exact, so that a pass sees what the values of
//! a window have in common. [`forward`] takes chains of linear layers and ReLU; what it
//! cannot take is [`BoundsError::Unsupported`], which names the layer.
//!
//! On a convolutional network of some size CROWN's intermediate bounds are most of the
//! work: a row for every unstable neuron. [`crown_limited`] and [`differential_limited`]
//! take so many rows, for the first layers and the neurons that need them most, and
//! intervals for the others; [`crown_ibp`] takes intervals for all of them and substitutes backward from the
//! outputs alone; [`interval`] is cheaper still.
//!
//! # An envelope
//!
//! What comes out of a pass is an [`Envelope`] for each output: two
//! [`AffineForm`]s below and above, and the [`Interval`](nncert_core::Interval)
//! between them over the region. The forms are what an analysis of your own builds
//! on: they say *how* the bound depends on the input, so they can be maximised over
//! another set, integrated, split or sampled.
//!
//! ```
//! # use nalgebra::{dmatrix, dvector};
//! # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
//! # let network = |w: f64| Network::relu_mlp(vec![
//! #     Affine::new(dmatrix![w, 0.5; -1.0, 1.0], dvector![0.0, 0.5]),
//! #     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
//! # ]);
//! let pair = PairedNetworks::new(&network(1.0)?, &network(1.125)?)?;
//! let region = Region::linf_ball(&[1.0, 0.0], 0.25, &Domain::Everything)?;
//! let bounds = nncert_bounds::differential(&pair, &region)?;
//!
//! let envelope = &bounds.outputs[0];
//! let x = [1.125, -0.25];
//! let difference = pair.original().evaluate(&x)? - pair.compressed().evaluate(&x)?;
//! assert!(envelope.lower.at(&x).lower <= difference[0]);
//! assert!(difference[0] <= envelope.upper.at(&x).upper);
//! assert!(envelope.bounds.contains(difference[0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Soundness
//!
//! Products are computed in round-to-nearest by an ordinary kernel. What rounding
//! can have taken is charged afterwards: if `Ã` is the computed product of
//! coefficients `A` with weights `W`, then `|Ã - A W| ≤ γ_n |A| |W|`, so that on a
//! layer whose inputs are known to be at most `X` in absolute value a row is wrong
//! by at most `γ_n |A| (|W| X)`. The vector `|W| X` is computed once a layer; each
//! row then pays one dot product and goes on as if `Ã` were exact. Fixed inputs,
//! folded biases, `W - W'`, intercepts and the final evaluation on the region are
//! charged in the same way, and underflow by a constant. A row that overflows says
//! nothing (its bound is infinite), and bounds that are infinite to begin with are
//! [`BoundsError::Overflow`].
//!
//! The suites in `tests/soundness.rs` and `tests/layers.rs` sample points in random
//! regions of random pairs and decide each in exact arithmetic, with no slack; they also
//! check that they reject relaxations that are wrong.
//!
//! # Relaxations
//!
//! [`relu_lines`] and [`relu_difference_faces`] are the sound default of every
//! pass for ReLU, [`activation_lines`] and [`activation_difference_faces`] for all
//! others. [`crown_with`] and [`differential_with`] take other [`Relaxations`] of ReLU,
//! to try one: a pass is as sound as they are. [`activation_lines`] and
//! [`activation_difference_faces`] are the same for every
//! [`Activation`](nncert_core::Activation).
//!
//! # Reproducibility
//!
//! A pass gives the same bits every time on one machine. On another machine the
//! matrix product may sum in another order, and the last bits differ; the bounds
//! are sound on both.
//!
//! # References
//!
//! - H. Zhang et al., *Efficient Neural Network Robustness Certification with
//!   General Activation Functions* (CROWN), NeurIPS 2018.
//! - G. Singh et al., *An Abstract Domain for Certifying Neural Networks*
//!   (DeepPoly), POPL 2019.
//! - K. Xu et al., *Fast and Complete: Enabling Complete Neural Network Verification with
//!   Rapid and Massively Parallel Incomplete Verifiers* (α-CROWN), ICLR 2021.
//! - B. Paulsen et al., *NeuroDiff: Scalable Differential Verification of Neural
//!   Networks using Fine-Grained Approximation*, ASE 2020.
//! - J. Li, F. Song, G. Li, *SimCert: Probabilistic Certification for Behavioral
//!   Similarity in Deep Neural Network Compression*.

mod activation;
mod alpha;
mod alpha_difference;
mod bisect;
mod chain;
mod crown;
mod dense;
mod differential;
mod envelope;
mod error;
pub mod fixed_point;
mod forward;
mod free;
mod graph;
mod influence;
mod interval;
mod intervals;
mod joint;
mod joint_refine;
mod joint_rows;
mod kernel;
mod linear;
mod parallel;
mod prepared;
mod relaxations;
mod relu;
mod rounding;
mod rows;
mod scratch;
mod selection;
mod slots;
mod stability;
mod verify;

#[cfg(feature = "proptest")]
pub mod strategies;

pub use activation::{
    activation_difference_faces, activation_difference_interval, activation_interval,
    activation_lines,
};
pub use alpha::AlphaOptions;
pub use bisect::{Bisection, BoundedBox};
pub use crown::{
    NetworkBounds, alpha_crown, crown, crown_ibp, crown_in, crown_limited, crown_with,
};
pub use differential::{
    PairBounds, alpha_differential, differential, differential_in, differential_limited,
    differential_with,
};
pub use envelope::{AffineForm, Envelope};
pub use error::BoundsError;
pub use forward::forward;
pub use interval::interval;
pub use prepared::{Prepared, PreparedPair};
pub use relaxations::Relaxations;
pub use relu::{Face, Faces, Line, Lines, relu_difference_faces, relu_lines};
pub use rounding::Rounding;
pub use scratch::Scratch;
pub use verify::{
    Agreement, DifferentialVerifier, Disagreement, Limits, MAX_CLASSES, Outputs, Progress,
    Property, Report, TopOne, UnknownReason, Verdict, VerifyError, Witness,
};
