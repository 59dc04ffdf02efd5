//! Randomized smoothing, and its certificates carried over to compressed networks.
//!
//! A classifier `f` is smoothed by noise: `g(x)` is the class that `f(x + ε)` gives most often. From samples follows a radius within which
//! `g` gives no other class. If `f` is compressed to `f'`, most of its samples need not be drawn again: this crate keeps what was
//! seen of `f`, and certifies `f'` with a fraction of them.
//!
//! Every statement is false with a probability of at most the level it was made at, radii are rounded down, and a sample has the same
//! bits on every machine, in every batch and on every thread.
//!
//! ```
//! use nncert_core::{compress, io};
//! use nncert_smoothing::{
//!     BatchClassifier, Cache, CertifyOptions, ErrorBudget, Incremental, Input, NetworkClassifier, Noise,
//!     RecordOptions, Sampling, Smoothed, Smoothing, TransferOptions,
//! };
//!
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
//! let network = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
//! let images = io::read_dataset(format!("{fixtures}/test_images.safetensors"))?;
//! let (image, label) = images.iter().next().expect("a hundred images");
//! let input = Input { id: 0, values: image };
//!
//! // Sample f once, and keep it.
//! let f = NetworkClassifier::new(&network)?;
//! let smoothing = Smoothing::new(Noise::Gaussian, 0.5, 42)?;
//! let smoothed = Smoothed::new(&f, smoothing.clone())?;
//! let mut cache = Cache::new(&smoothed);
//! cache.insert(smoothed.record(input, &RecordOptions { samples: 10_000, ..Default::default() })?)?;
//!
//! // Certify a copy with a few hundred samples.
//! let copy = NetworkClassifier::new(&compress::float16(&network)?.network)?;
//! let budget = ErrorBudget::new(0.001, 1)?;
//! let mut incremental = Incremental::new(&cache, f.fingerprint(), &smoothing, budget)?;
//! let options = TransferOptions { samples: 500, ..Default::default() };
//! let report = incremental.certify_incremental(&copy, input, &options)?;
//! let certificate = report.certification.certificate().expect("a clear digit");
//! assert_eq!(certificate.class, label);
//! assert!(certificate.radius > 0.09 && report.evaluations <= 500, "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which part
//!
//! **[`Noise::Gaussian`]** adds normal numbers in `f32`, which is customary and fast. **[`Noise::Grid`]** draws rounded Gaussians exactly:
//! what is certified is `f ∘ round` on the grid of 8-bit images, without a gap between real arithmetic and floats. Take it
//! for images, and for fixed-point networks; it costs some nanoseconds a pixel, as the other does.
//!
//! **[`Smoothed::certify`]** is Cohen's algorithm, with a fixed number of samples or as many as a radius takes
//! ([`Sampling::Sequential`]). **[`Smoothed::predict`]** gives a class alone.
//!
//! **[`Smoothed::record`]** keeps labels in a [`Cache`], a bit a sample. Shards of inputs or of samples are written by independent jobs
//! and merged in any order.
//!
//! **[`Incremental::certify_incremental`]** carries over. [`Transfer`] lists the ways; the default chooses among them by samples that enter no
//! bound. [`Transfer::Irs`] is the published algorithm, corrected, to be compared with.
//! **[`Incremental::certify_radius`]** asks whether one radius is kept, and stops when that is decided.
//!
//! **[`Agreement`]** spares evaluations where bounds of `f - f'` show what `f'` gives. [`Agreement::by_norms`] takes milliseconds, and
//! fires for fine quantization; [`Agreement::new`] is worth its pass for small networks; for deep ones both are too loose.
//!
//! **[`Allocation`]** spreads samples over the inputs of a set, where they promise the most radius.
//!
//! # What is certified
//!
//! The statement is about the function that was evaluated, `f32` rounding included; the radius is Cohen's, for noise in real arithmetic.
//! With [`Noise::Grid`] both are exact. A classifier must be a function: a label may not depend on the rest of the batch.
//!
//! # Features
//!
//! - `rayon`: batches on the threads of the current pool, with the same results.
//! - `serde`: options and results can be stored.
//! - `proptest`: strategies, in the module `strategies`.
//!
//! # References
//! 1. J. Cohen, E. Rosenfeld, Z. Kolter, *Certified adversarial robustness via randomized smoothing*, ICML 2019.
//! 2. S. Ugare et al., *Incremental randomized smoothing certification*, ICLR 2024.
//! 3. V. Voráček, M. Hein, *Sound randomized smoothing in floating-point arithmetics*, ICLR 2023.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod agreement;
mod cache;
mod certificate;
mod classifier;
mod error;
mod evaluation_error;
mod fingerprint;
mod gaussian;
mod grid;
mod incremental;
mod noise;
mod norms;
mod reach;
mod run;
mod samples;
mod smoothed;
mod spectral;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod strategies;
mod stream;
mod summary;
mod tails;

pub use crate::agreement::{Agreement, AgreementError};
pub use crate::cache::{
    CACHE_VERSION, Cache, CacheError, CacheField, CacheKey, CachePart, CacheReader, CachedInput,
    RecordOptions, Segment,
};
pub use crate::certificate::{
    AbstainReason, Abstention, Certificate, Certification, CertifyReport, certified_radius,
};
pub use crate::classifier::{
    BatchClassifier, ClassifierError, FixedPointClassifier, FnClassifier, NetworkClassifier,
};
pub use crate::error::SmoothingError;
pub use crate::fingerprint::Fingerprint;
pub use crate::incremental::{
    Allocation, BudgetError, ErrorBudget, Expectation, Experience, GammaSwitch, Incremental,
    IncrementalError, RadiusOptions, Transfer, TransferMethod, TransferOptions, TransferReport,
};
pub use crate::noise::{Input, Noise, Smoothing};
pub use crate::norms::LayerNorms;
pub use crate::reach::{Activations, LayerReach, Margins};
pub use crate::run::Progress;
pub use crate::smoothed::{
    CertifyOptions, PredictOptions, Prediction, RunnerUp, Sampling, Smoothed,
};
pub use crate::summary::{average_certified_radius, certified_accuracy};
