//! Randomized smoothing, and its certificates carried over to compressed networks.

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
mod run;
mod smoothed;
mod stream;
mod summary;

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
pub use crate::run::Progress;
pub use crate::smoothed::{
    CertifyOptions, PredictOptions, Prediction, RunnerUp, Sampling, Smoothed,
};
pub use crate::summary::{average_certified_radius, certified_accuracy};
