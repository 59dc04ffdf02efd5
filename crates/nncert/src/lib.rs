//! Certify compressed neural networks.
//!
//! You have a network `f` and a quantized or pruned copy `f'` for a small device,
//! and must show that `f'` still behaves. nncert reads both, bounds how far they
//! can be apart, turns that into a probability or a certified radius, and every
//! number that it returns holds in floating point: bounds are rounded outward,
//! probabilities downward.
//!
//! This crate only brings the others together:
//!
//! | module | crate | what it is for |
//! |---|---|---|
//! | [`core`] | `nncert-core` | networks, regions, compression, file formats |
//! | [`bounds`] | `nncert-bounds` | interval, CROWN and differential bounds |
//! | [`prob`] | `nncert-prob` | tails of linear forms of random inputs |
//! | [`similarity`] | `nncert-similarity` | probability intervals, certified radii |
//! | [`smoothing`] | `nncert-smoothing` | randomized smoothing, carried over to copies |
//! | `milp` (feature) | `nncert-milp` | exact verification of fixed-point networks |
//!
//! Depend on the single crates if you need only some of them.
//!
//! # Tutorial
//!
//! Everything that is used here is in the [`prelude`].
//!
//! **A network** is a sequence of layers. Read one with
//! [`io::read_network`](core::io::read_network), or build it. This one was trained
//! on 8x8 images of handwritten digits:
//!
//! ```
//! use nncert::prelude::*;
//!
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
//! let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
//! assert_eq!(f.to_string(), "64-32-32-10");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Compress it**, or read the copy that your own tools made. A copy with the
//! same layers becomes a pair with [`PairedNetworks::new`](core::PairedNetworks::new);
//! one that lost neurons with
//! [`PairedNetworks::with_removed`](core::PairedNetworks::with_removed), whether or
//! not the rest was fine-tuned.
//!
//! ```
//! # use nncert::prelude::*;
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
//! # let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
//! let int8 = compress::int8(&f, Granularity::PerChannel)?;
//! println!("{}", int8.summary);
//! let pair = int8.pair(&f)?;
//! # assert_eq!(pair.outputs(), 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Bound the difference** on a region. For each output you get two affine
//! functions of the input, and the range between them:
//!
//! ```
//! # use nncert::prelude::*;
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
//! # let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
//! # let pair = compress::int8(&f, Granularity::PerChannel)?.pair(&f)?;
//! let images = io::read_dataset(format!("{fixtures}/test_images.safetensors"))?;
//! let (image, _label) = images.iter().next().expect("a hundred images");
//! let region = Region::linf_ball(image, 0.05, &Domain::unit())?;
//!
//! let bounds = differential(&pair, &region)?;
//! let first = &bounds.outputs[0];
//! println!("f_0 - f'_0 is in {:.4}", first.bounds);
//! assert_eq!(first.lower.coefficients.len(), 64);
//! // No output differs by more than this, anywhere in the region.
//! assert!(bounds.epsilon() < 0.7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Ask for a probability** when the worst case is too strict. If the input is
//! uniform on the region, how likely do all outputs agree to `ε`?
//!
//! ```
//! # use nncert::prelude::*;
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
//! # let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
//! # let pair = compress::int8(&f, Granularity::PerChannel)?.pair(&f)?;
//! # let images = io::read_dataset(format!("{fixtures}/test_images.safetensors"))?;
//! # let (image, _label) = images.iter().next().expect("a hundred images");
//! # let region = Region::linf_ball(image, 0.05, &Domain::unit())?;
//! let interval = probability_interval(&pair, &region, 0.4, Method::default())?;
//! println!("{interval}");
//! assert!(interval.lower.get() > 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Ask for a radius** when you know the confidence that you need:
//!
//! ```
//! # use nncert::prelude::*;
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
//! # let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
//! # let pair = compress::int8(&f, Granularity::PerChannel)?.pair(&f)?;
//! # let images = io::read_dataset(format!("{fixtures}/test_images.safetensors"))?;
//! # let (image, _label) = images.iter().next().expect("a hundred images");
//! let balls = Balls::around(image).within(Domain::unit());
//! let (gamma, search) = (Confidence::new(0.9999)?, RadiusSearch::default());
//!
//! let worst = worst_case_radius(&pair, &balls, 0.4, Method::default(), &search)?;
//! let likely = certified_radius(&pair, &balls, 0.4, gamma, Method::default(), &search)?;
//! println!("{likely}");
//! assert!(likely.radius() > worst.radius() && worst.radius() > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Prove it** for a region with few free inputs, such as a patch of four pixels:
//!
//! ```
//! # use nncert::prelude::*;
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
//! # let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
//! # let pair = compress::int8(&f, Granularity::PerChannel)?.pair(&f)?;
//! # let images = io::read_dataset(format!("{fixtures}/test_images.safetensors"))?;
//! # let (image, _label) = images.iter().next().expect("a hundred images");
//! let patch = Region::ball_on(image, 0.5, &[27, 28, 35, 36], &Domain::unit())?;
//! let report = DifferentialVerifier::new(Agreement::within(0.15)).verify(&pair, &patch)?;
//! println!("{report}");
//! assert_eq!(report.verdict, Verdict::Certified);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Smooth it**, when no bound reaches as far as you need: what most samples under noise say
//! holds within a radius. Samples of `f` are kept, and certify its copy with a fraction of them:
//!
//! ```
//! # use nncert::prelude::*;
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
//! # let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
//! # let copy = compress::int8(&f, Granularity::PerChannel)?.network;
//! # let images = io::read_dataset(format!("{fixtures}/test_images.safetensors"))?;
//! # let (image, _label) = images.iter().next().expect("a hundred images");
//! let (f, copy) = (NetworkClassifier::new(&f)?, NetworkClassifier::new(&copy)?);
//! let smoothing = Smoothing::new(Noise::Gaussian, 0.5, 42)?;
//! let smoothed = Smoothed::new(&f, smoothing.clone())?;
//! let input = Input { id: 0, values: image };
//! let mut cache = Cache::new(&smoothed);
//! cache.insert(smoothed.record(input, &RecordOptions { samples: 5000, ..Default::default() })?)?;
//!
//! let budget = ErrorBudget::new(0.001, 1)?;
//! let mut incremental = Incremental::new(&cache, f.fingerprint(), &smoothing, budget)?;
//! let options = TransferOptions { samples: 300, ..Default::default() };
//! let report = incremental.certify_incremental(&copy, input, &options)?;
//! println!("{report}");
//! assert!(report.certification.radius() > 0.09);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Check what you got.** A result carries what it rests on: the region, the
//! affine functions, the method. With feature `exact` networks are evaluated
//! without any rounding, which is how the bounds are tested.
//!
//! # Features
//!
//! - `exact`: exact evaluation, [`core::exact`](nncert_core).
//! - `milp`: exact verification of fixed-point networks, `milp::verify`. The solver HiGHS is a feature of
//!   `nncert-milp` itself, and needs cmake, a C++ compiler and libclang; nothing here does.
//! - `onnx`: [`core::io`] reads ONNX models.
//! - `rayon`: passes and the verifier use the threads of the current pool.
//! - `serde`: results and regions can be stored. With `serde_json` turn on its
//!   `float_roundtrip`: without it numbers come back an ulp off, on either side.
//! - `proptest`: strategies for networks, pairs and regions, to test what you build on top.
//!
//! # Guarantees
//!
//! Functions say one of three things: *exact*, *sound* (true, and rounded to the
//! safe side), or *heuristic*. Input is validated at construction and bad input is
//! a typed error. No function here prints, panics on its input, or reads files
//! outside [`core::io`].

#[doc(inline)]
pub use nncert_bounds as bounds;
#[doc(inline)]
pub use nncert_core as core;
#[cfg(feature = "milp")]
#[doc(inline)]
pub use nncert_milp as milp;
#[doc(inline)]
pub use nncert_prob as prob;
#[doc(inline)]
pub use nncert_similarity as similarity;
#[doc(inline)]
pub use nncert_smoothing as smoothing;

/// What most programs need: `use nncert::prelude::*`.
pub mod prelude {
    #[doc(no_inline)]
    pub use nncert_bounds::{
        AffineForm, Agreement, AlphaOptions, DifferentialVerifier, Envelope, NetworkBounds,
        PairBounds, TopOne, Verdict, alpha_crown, alpha_differential, crown, differential, forward,
        interval,
    };
    #[doc(no_inline)]
    pub use nncert_core::compress::{self, Compressed, FixedPointFormat, Granularity, Scope};
    #[doc(no_inline)]
    pub use nncert_core::{
        Activation, Affine, Domain, Evaluator, Interval, Layer, Network, PairedNetworks, Region, io,
    };
    #[doc(no_inline)]
    pub use nncert_prob::{Confidence, LinearForm, Probability, Tail, Uniform};
    #[doc(no_inline)]
    pub use nncert_similarity::{
        Balls, BranchOptions, Method, Outputs, ProbabilityInterval, Propagation, RadiusSearch,
        RadiusVerdict, branch_and_bound, certified_curve, certified_radius, probability_interval,
        top_one_probability, worst_case_radius,
    };
    #[doc(no_inline)]
    pub use nncert_smoothing::{
        BatchClassifier, Cache, CertifyOptions, ErrorBudget, Incremental, Input, NetworkClassifier,
        Noise, RecordOptions, Smoothed, Smoothing, TransferOptions,
    };
}

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
