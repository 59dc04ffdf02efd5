//! Certificates of a changed classifier, from the samples of the original.

mod allocation;
mod budget;
mod experience;
mod method;
mod radius;
mod transfer;

use core::fmt;
use core::ops::ControlFlow;

use nncert_prob::Count;

pub use self::allocation::Allocation;
pub use self::budget::{BudgetError, ErrorBudget};
pub use self::experience::Experience;
use self::method::{Criticals, Prospect};
pub use self::method::{Expectation, GammaSwitch, Transfer, TransferMethod};
pub use self::radius::RadiusOptions;
use self::transfer::Session;
use crate::cache::digest;
use crate::run::{Known, Observer, Progress, Sure, check_samples, unobserved};
use crate::{
    Agreement, BatchClassifier, Cache, CacheError, CacheField, CachedInput, Certification,
    Fingerprint, Input, Smoothing, SmoothingError,
};

/// Certifies changed classifiers around inputs whose samples are cached.
///
/// The class is that of the original, whatever the changed classifier gives. Several changed classifiers share the cache; the error
/// budget says how many, and refuses one more.
///
/// # Examples
/// ```
/// use nncert_smoothing::{
///     BatchClassifier, Cache, ErrorBudget, FnClassifier, Incremental, Input, Noise, RecordOptions,
///     Smoothed, Smoothing, TransferOptions,
/// };
///
/// // f cuts at 0, its copy a little to the right.
/// let cut = |at: f32, name| FnClassifier::new(2, 2, name, move |batch| {
///     batch.column_iter().map(|x| usize::from(x[0] > at)).collect()
/// });
/// let (f, copy) = (cut(0.0, "f"), cut(0.01, "copy"));
///
/// let smoothing = Smoothing::new(Noise::Gaussian, 0.5, 1)?;
/// let smoothed = Smoothed::new(&f, smoothing.clone())?;
/// let input = Input { id: 0, values: &[0.4, 0.7] };
/// let mut cache = Cache::new(&smoothed);
/// cache.insert(smoothed.record(input, &RecordOptions { samples: 10_000, ..Default::default() })?)?;
///
/// let budget = ErrorBudget::new(0.001, 1)?;
/// let mut incremental = Incremental::new(&cache, f.fingerprint(), &smoothing, budget)?;
/// let options = TransferOptions { samples: 500, ..Default::default() };
/// let report = incremental.certify_incremental(&copy, input, &options)?;
/// // True is 0.39; five hundred samples of the copy alone show about 0.31.
/// assert!(report.certification.radius() > 0.32 && report.certification.radius() <= 0.39, "{report}");
/// assert!(report.evaluations <= 500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// S. Ugare et al., *Incremental randomized smoothing certification*, ICLR 2024.
#[derive(Clone, Debug)]
pub struct Incremental<'a> {
    cache: &'a Cache,
    smoothing: Smoothing,
    budget: ErrorBudget,
    /// At the level of the budget.
    criticals: Criticals,
}

/// How a certificate is carried over.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TransferOptions {
    /// From which counts.
    pub method: Transfer,
    /// The samples on which the changed classifier is run, at most (`n_p`).
    ///
    /// May depend on everything that is cached (see [`Allocation`]), and on nothing that the changed classifier says
    /// about this input.
    pub samples: u64,
    /// The samples for which the method is chosen, where that is another number. It must not depend on the cached samples.
    pub nominal: Option<u64>,
    /// The samples of a batch.
    pub batch: usize,
}

impl Default for TransferOptions {
    /// The method by choice, 1000 samples.
    fn default() -> Self {
        let method = Transfer::Automatic(Expectation::default());
        Self { method, samples: 1000, nominal: None, batch: 256 }
    }
}

/// What was certified, and from what.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TransferReport {
    /// What was certified.
    pub certification: Certification,
    /// From which counts.
    pub method: TransferMethod,
    /// How often the original gave the class.
    pub cached: Count,
    /// What was counted of the changed classifier: answers of the class that were lost, where the original is used; answers of the
    /// class among new samples otherwise. For [`TransferMethod::Disagreement`] the disagreements.
    pub changed: Count,
    /// For [`TransferMethod::FisherThree`] the answers of the class that were gained.
    pub gained: Option<Count>,
    /// How many samples the changed classifier was run on.
    pub evaluations: u64,
    /// How many samples it was not run on because bounds show what it gives.
    pub skipped: u64,
}

/// Why nothing can be carried over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IncrementalError {
    /// The cache is not of this classifier, noise or input.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The agreement is about other networks than those at hand.
    #[error("the agreement is about other networks")]
    Agreement,
    /// All models of the error budget have had their share.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// An option, an input or a classifier is not right.
    #[error(transparent)]
    Smoothing(#[from] SmoothingError),
}

impl<'a> Incremental<'a> {
    /// From the cache of the classifier `original` under this noise.
    ///
    /// # Errors
    /// [`CacheError::Mismatch`] when the cache is of another classifier, deviation, noise or seed.
    pub fn new(
        cache: &'a Cache,
        original: Fingerprint,
        smoothing: &Smoothing,
        budget: ErrorBudget,
    ) -> Result<Self, IncrementalError> {
        cache.key().expect(original, smoothing)?;
        let criticals = Criticals::new(budget.level());
        Ok(Self { cache, smoothing: smoothing.clone(), budget, criticals })
    }

    /// The error budget.
    #[must_use]
    pub fn budget(&self) -> &ErrorBudget {
        &self.budget
    }

    /// The class of the original at an input, and a radius on which the changed classifier gives it.
    ///
    /// Guarantee: sound, false with a probability of at most [`ErrorBudget::level`], if the number of cached samples was fixed
    /// beforehand.
    ///
    /// # Errors
    /// [`IncrementalError`] for an input that is not cached or has other values, a model more than the budget allows, options out of
    /// range, and a classifier that does not take the input, has other classes, or fails.
    pub fn certify_incremental<C: BatchClassifier + ?Sized>(
        &mut self,
        changed: &C,
        input: Input<'_>,
        options: &TransferOptions,
    ) -> Result<TransferReport, IncrementalError> {
        self.certify_incremental_observed(changed, input, options, unobserved)
    }

    /// [`Incremental::certify_incremental`] with an observer that sees every batch and may end the run.
    ///
    /// # Errors
    /// As [`Incremental::certify_incremental`], and [`SmoothingError::Stopped`] when the observer ends it.
    pub fn certify_incremental_observed<C: BatchClassifier + ?Sized>(
        &mut self,
        changed: &C,
        input: Input<'_>,
        options: &TransferOptions,
        mut observer: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<TransferReport, IncrementalError> {
        self.certify(changed, None, input, options, &mut observer)
    }

    /// [`Incremental::certify_incremental`] that does not run the changed classifier where bounds show what it gives.
    ///
    /// The cache needs margins ([`RecordOptions::margins`](crate::RecordOptions::margins)). More cached samples are counted than the
    /// classifier is run on, as many as the selection samples lead to expect.
    ///
    /// Guarantee: as [`Incremental::certify_incremental`].
    ///
    /// # Errors
    /// As [`Incremental::certify_incremental_observed`], and [`IncrementalError::Agreement`] for one about other networks.
    pub fn certify_agreeing<C: BatchClassifier + ?Sized>(
        &mut self,
        changed: &C,
        agreement: &Agreement,
        input: Input<'_>,
        options: &TransferOptions,
        mut observer: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<TransferReport, IncrementalError> {
        if !agreement.is_of(self.cache.key().classifier, changed.fingerprint()) {
            return Err(IncrementalError::Agreement);
        }
        self.certify(changed, Some(agreement), input, options, &mut observer)
    }

    fn certify<C: BatchClassifier + ?Sized>(
        &mut self,
        changed: &C,
        agreement: Option<&Agreement>,
        input: Input<'_>,
        options: &TransferOptions,
        observer: Observer<'_>,
    ) -> Result<TransferReport, IncrementalError> {
        options.method.check()?;
        check_samples("samples", options.samples)?;
        let nominal = options.nominal.unwrap_or(options.samples);
        check_samples("nominal samples", nominal)?;
        let cached = self.cached(changed, input)?;
        let alpha = self.budget.admit(changed.fingerprint())?;
        // How many samples are drawn is settled by those that chose the class, and not by those that are counted.
        let expected = agreement.map(|agreement| agreement.expected(cached));
        let prospect = Prospect {
            selection: cached.selection(),
            cached: cached.count().trials(),
            samples: nominal,
            known: expected.map_or(0.0, |needed| cached.share_above(needed)),
            criticals: self.criticals,
        };
        let method = match options.method {
            Transfer::Automatic(expected) => prospect.chosen(expected, cached.count()),
            method => method,
        };
        let samples = match method {
            // The baseline counts what it runs.
            Transfer::Fresh | Transfer::Irs { .. } => options.samples,
            // Not what depends on labels.
            Transfer::Replay => prospect.drawn(),
            _ => Prospect { samples: options.samples, ..prospect }.drawn(),
        };
        let needed = agreement.map_or(f32::INFINITY, |agreement| agreement.needed(cached));
        let enough = |index: u64| (cached.margin(index) > needed).then_some(cached.class());
        let known = |index: u64, sample: &[f32]| {
            enough(index).filter(|_| agreement.is_some_and(|agreement| agreement.covers(sample)))
        };
        let smoothing = &self.smoothing;
        // Margins are those of cached samples.
        let agreement = agreement.filter(|_| {
            needed < f32::INFINITY && !matches!(method, Transfer::Fresh | Transfer::Irs { .. })
        });
        let (known, sure): (Option<Known<'_>>, Option<Sure<'_>>) = match agreement {
            Some(agreement) if agreement.covers_all() => (None, Some(&enough)),
            Some(_) => (Some(&known), None),
            None => (None, None),
        };
        let session = Session { smoothing, changed, cached, input, alpha, known, sure };
        session.run(method, samples, options.batch, observer)
    }

    /// The samples of an input, if they are of this input and fit the changed classifier.
    fn cached<C: BatchClassifier + ?Sized>(
        &self,
        changed: &C,
        input: Input<'_>,
    ) -> Result<&'a CachedInput, IncrementalError> {
        let mismatch = |field| Err(CacheError::Mismatch { field }.into());
        let cached = self.cache.get(input.id).ok_or(CacheError::NoInput { id: input.id })?;
        if cached.digest != digest(input.values) {
            return mismatch(CacheField::Values);
        }
        if changed.classes() != cached.key().classes {
            return mismatch(CacheField::Classes);
        }
        if changed.inputs() != cached.key().inputs {
            return mismatch(CacheField::Inputs);
        }
        Ok(cached)
    }
}

impl fmt::Display for TransferReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certification, method, cached, changed, evaluations, skipped, .. } = self;
        let ((k, n), (d, m)) =
            ((cached.successes(), cached.trials()), (changed.successes(), changed.trials()));
        write!(f, "{certification}; {method:?}, original {k} of {n}, changed {d} of {m}, ")?;
        write!(f, "{evaluations} evaluations, {skipped} skipped")
    }
}
