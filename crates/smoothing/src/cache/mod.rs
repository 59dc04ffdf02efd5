//! What is kept of a certification, so that other classifiers can be compared with it.

mod codec;
mod error;
mod file;
mod labels;
mod margins;
mod record;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

pub use self::error::{CacheError, CacheField, CachePart};
pub use self::file::{CACHE_VERSION, CacheReader};
pub(crate) use self::record::digest;
pub use self::record::{CachedInput, RecordOptions, Segment};
use crate::{BatchClassifier, Fingerprint, Noise, Smoothed, Smoothing};

/// What all inputs of a cache have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CacheKey {
    /// The seed of the noise.
    pub seed: u64,
    /// The kind of noise.
    pub noise: Noise,
    /// The deviation of the noise.
    pub sigma: f64,
    /// The classifier that was sampled.
    pub classifier: Fingerprint,
    /// Its classes.
    pub classes: usize,
    /// The numbers of an input.
    pub inputs: usize,
}

/// The samples of a classifier, of many inputs: class, counts, and a bit a sample.
///
/// A bit says whether the sample had the class of its input. Noise is not stored; the seed finds it again. Caches of different
/// inputs, or of different samples of the same input, are joined by [`Cache::merge`].
///
/// # Examples
/// ```
/// use nncert_smoothing::{Cache, FnClassifier, Input, Noise, RecordOptions, Smoothed, Smoothing};
///
/// let half = FnClassifier::new(2, 2, "half", |batch| {
///     batch.column_iter().map(|x| usize::from(x[0] > 0.0)).collect()
/// });
/// let smoothed = Smoothed::new(half, Smoothing::new(Noise::Gaussian, 0.5, 1)?)?;
/// let input = Input { id: 0, values: &[0.4, 0.7] };
///
/// // Two shards, merged in either order.
/// let shard = |first| {
///     let mut cache = Cache::new(&smoothed);
///     let options = RecordOptions { first, samples: 500, ..Default::default() };
///     cache.insert(smoothed.record(input, &options)?)?;
///     Ok::<_, Box<dyn std::error::Error>>(cache)
/// };
/// let mut cache = shard(500)?;
/// cache.merge(shard(0)?)?;
/// assert_eq!(cache.get(0).expect("input 0").count().trials(), 1000);
/// let certification = cache.certification(0, 0.001)?;
/// assert!(certification.radius() > 0.3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    key: CacheKey,
    inputs: BTreeMap<u64, CachedInput>,
}

impl CacheKey {
    /// Whether this is the key of that classifier under that noise.
    ///
    /// # Errors
    /// [`CacheError::Mismatch`] names the first field that differs.
    pub fn expect(&self, classifier: Fingerprint, smoothing: &Smoothing) -> Result<(), CacheError> {
        let noise = (smoothing.noise(), smoothing.sigma(), smoothing.seed());
        self.same(&Self { classifier, noise: noise.0, sigma: noise.1, seed: noise.2, ..*self })
    }

    fn same(&self, other: &Self) -> Result<(), CacheError> {
        let fields = [
            (CacheField::Classifier, self.classifier == other.classifier),
            (CacheField::Sigma, self.sigma.to_bits() == other.sigma.to_bits()),
            (CacheField::Noise, self.noise == other.noise),
            (CacheField::Seed, self.seed == other.seed),
            (CacheField::Classes, self.classes == other.classes),
            (CacheField::Inputs, self.inputs == other.inputs),
        ];
        match fields.into_iter().find(|(_, same)| !same) {
            Some((field, _)) => Err(CacheError::Mismatch { field }),
            None => Ok(()),
        }
    }

    /// The noise of the cache.
    ///
    /// # Errors
    /// [`SmoothingError`](crate::SmoothingError) for a key that no noise has.
    pub fn smoothing(&self) -> Result<Smoothing, crate::SmoothingError> {
        Smoothing::new(self.noise, self.sigma, self.seed)
    }
}

impl Cache {
    /// An empty cache for a classifier under its noise.
    pub fn new<C: BatchClassifier>(smoothed: &Smoothed<C>) -> Self {
        let (classifier, smoothing) = (smoothed.classifier(), smoothed.smoothing());
        let key = CacheKey {
            seed: smoothing.seed(),
            noise: smoothing.noise(),
            sigma: smoothing.sigma(),
            classifier: classifier.fingerprint(),
            classes: classifier.classes(),
            inputs: classifier.inputs(),
        };
        Self { key, inputs: BTreeMap::new() }
    }

    /// What all inputs have in common.
    #[must_use]
    pub fn key(&self) -> &CacheKey {
        &self.key
    }

    /// Adds what was recorded for an input; further samples of one that is there are joined.
    ///
    /// # Errors
    /// [`CacheError::Mismatch`] when it was recorded for another classifier or noise, and as [`Cache::merge`].
    pub fn insert(&mut self, input: CachedInput) -> Result<(), CacheError> {
        self.key.same(input.key())?;
        self.join(input)
    }

    fn join(&mut self, input: CachedInput) -> Result<(), CacheError> {
        match self.inputs.entry(input.id()) {
            Entry::Vacant(place) => {
                place.insert(input);
                Ok(())
            }
            Entry::Occupied(mut place) => {
                let joined = place.get().joined(&input)?;
                place.insert(joined);
                Ok(())
            }
        }
    }

    /// Adds everything of another cache. Associative and free of order: any tree of merges of the same shards gives the same
    /// cache; the same shard may come twice.
    ///
    /// # Errors
    /// [`CacheError::Mismatch`] when the caches are not of one classifier and noise, [`CacheError::Conflict`] when they disagree about an
    /// input, [`CacheError::Overlap`] when ranges of samples overlap without being the same. The cache is then as it was.
    pub fn merge(&mut self, other: Self) -> Result<(), CacheError> {
        self.key.same(&other.key)?;
        let mut merged = self.clone();
        other.inputs.into_values().try_for_each(|input| merged.join(input))?;
        *self = merged;
        Ok(())
    }

    /// What is known of an input.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&CachedInput> {
        self.inputs.get(&id)
    }

    /// The inputs, by their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &CachedInput> {
        self.inputs.values()
    }

    /// The number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there are no inputs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Cohen's certificate for an input, from all samples that are cached.
    ///
    /// Guarantee: sound, false with a probability of at most `α`, if the number of samples was fixed beforehand.
    ///
    /// # Errors
    /// [`CacheError::NoInput`] for an input that is not there, [`CacheError::Smoothing`] for an `α` outside (0, 1).
    pub fn certification(&self, id: u64, alpha: f64) -> Result<crate::Certification, CacheError> {
        self.get(id).ok_or(CacheError::NoInput { id })?.certification(alpha)
    }
}
