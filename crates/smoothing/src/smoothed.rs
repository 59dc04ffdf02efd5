//! A smoothed classifier: its class at an input, and the radius on which it keeps it.

use core::ops::ControlFlow;

use nncert_prob::{
    Count, Probability, SidedProbability, clopper_pearson_lower, clopper_pearson_upper,
    sequence_lower,
};

use crate::certificate::{AbstainReason, Abstention, Certification, CertifyReport};
use crate::run::{MOST_SAMPLES, Progress, Run, check_classes, check_samples, unobserved};
use crate::samples::Samples;
use crate::stream::Purpose;
use crate::{BatchClassifier, Input, Smoothing, SmoothingError, certified_radius};

/// A base classifier under noise.
///
/// ```text
/// g(x) = the class c with the largest P(f(x + ε) = c),    ε ~ N(0, σ² I)
/// ```
///
/// # Examples
/// ```
/// use nncert_smoothing::{CertifyOptions, FnClassifier, Input, Noise, Sampling, Smoothed, Smoothing};
///
/// // The half-space x₀ > 0: its smoothed classifier is itself, and the radius is the distance to 0.
/// let half = FnClassifier::new(2, 2, "half", |batch| {
///     batch.column_iter().map(|x| usize::from(x[0] > 0.0)).collect()
/// });
/// let smoothed = Smoothed::new(half, Smoothing::new(Noise::Gaussian, 0.5, 1)?)?;
/// let input = Input { id: 0, values: &[0.4, 0.7] };
/// let options = CertifyOptions { sampling: Sampling::Fixed { samples: 10_000 }, ..Default::default() };
/// let report = smoothed.certify(input, &options)?;
/// let radius = report.certification.radius();
/// assert!(radius > 0.37 && radius <= 0.4, "{report}");
/// # Ok::<(), nncert_smoothing::SmoothingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Smoothed<C> {
    classifier: C,
    smoothing: Smoothing,
}

/// How a radius is certified.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CertifyOptions {
    /// The probability of an error.
    pub alpha: f64,
    /// The samples that choose the class (`n0`); they are not counted.
    pub selection: u64,
    /// The samples that are counted (`n`).
    pub sampling: Sampling,
    /// What is known of the other classes.
    pub runner_up: RunnerUp,
    /// The samples of a batch: memory, and no result, depends on it.
    pub batch: usize,
}

impl Default for CertifyOptions {
    /// As Cohen et al.: `α = 0.001`, `n0 = 100`, `n = 100,000`, `p_B = 1 - p_A`.
    fn default() -> Self {
        Self {
            alpha: 0.001,
            selection: 100,
            sampling: Sampling::Fixed { samples: 100_000 },
            runner_up: RunnerUp::Rest,
            batch: 256,
        }
    }
}

/// How many samples are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Sampling {
    /// As many, fixed beforehand.
    Fixed {
        /// How many.
        samples: u64,
    },
    /// Until a radius is certified, or is known to be out of reach; a confidence sequence makes every look valid.
    ///
    /// What is certified is the radius that the samples show then. Looks are at sizes that do not depend on the batch.
    Sequential {
        /// The radius.
        radius: f64,
        /// The most samples.
        most: u64,
    },
}

/// What is assumed of the classes other than the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum RunnerUp {
    /// One of them has all the rest: `p_B = 1 - p_A`.
    Rest,
    /// Each is bounded from its own count; half of `α` is theirs. Better where the rest is spread over several classes. Only for
    /// [`Sampling::Fixed`]; a sequential run takes the rest.
    Counted,
}

/// How a class is predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PredictOptions {
    /// The probability of an error.
    pub alpha: f64,
    /// The samples.
    pub samples: u64,
    /// The samples of a batch.
    pub batch: usize,
}

impl Default for PredictOptions {
    /// As Cohen et al.: `α = 0.001`, 1000 samples.
    fn default() -> Self {
        Self { alpha: 0.001, samples: 1000, batch: 256 }
    }
}

/// What the smoothed classifier gives at an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Prediction {
    /// This class, in error with a probability of at most `α`.
    Class(usize),
    /// The two best classes are too close.
    Abstained,
}

/// The looks of a sequential run: the first, and each a quarter later than the one before.
const FIRST_LOOK: u64 = 64;

impl<C: BatchClassifier> Smoothed<C> {
    /// A classifier under this noise.
    ///
    /// # Errors
    /// [`SmoothingError::Classes`] for a classifier with no class, or more than 2^16.
    pub fn new(classifier: C, smoothing: Smoothing) -> Result<Self, SmoothingError> {
        check_classes(classifier.classes())?;
        Ok(Self { classifier, smoothing })
    }

    /// The base classifier.
    pub fn classifier(&self) -> &C {
        &self.classifier
    }

    /// The noise.
    #[must_use]
    pub fn smoothing(&self) -> &Smoothing {
        &self.smoothing
    }

    /// The class at an input (PREDICT of Cohen et al.).
    ///
    /// Guarantee: sound. A class that the smoothed classifier does not give is returned with a probability of at most `α`.
    ///
    /// # Errors
    /// [`SmoothingError`] for an `α` outside (0, 1), no samples, or an input that the classifier or the noise does not take.
    pub fn predict(
        &self,
        input: Input<'_>,
        options: &PredictOptions,
    ) -> Result<Prediction, SmoothingError> {
        let alpha = level("alpha", options.alpha)?;
        check_samples("samples", options.samples)?;
        let mut observer = unobserved;
        let mut run = Run::new(&self.classifier, options.batch, options.samples, &mut observer)?;
        let samples = Samples::new(&self.smoothing, input, Purpose::Prediction)?;
        let counts = self.counts(&mut run, &samples, 0..options.samples)?;
        let first = largest(&counts, None);
        let second = largest(&counts, Some(first));
        let runner_up = if second == first { 0 } else { counts[second] };
        let count = Count::new(counts[first], counts[first] + runner_up)?;
        // The two-sided test of one half.
        let decided = clopper_pearson_lower(count, rounded_level(0.5 * alpha.get())).down() >= 0.5;
        Ok(if decided { Prediction::Class(first) } else { Prediction::Abstained })
    }

    /// The class at an input, and a radius on which it does not change (CERTIFY of Cohen et al.).
    ///
    /// Guarantee: sound, false with a probability of at most `α`; the radius is rounded down.
    ///
    /// # Errors
    /// [`SmoothingError`] for an `α` outside (0, 1), no samples or too many, or an input that the classifier or the noise does not
    /// take.
    pub fn certify(
        &self,
        input: Input<'_>,
        options: &CertifyOptions,
    ) -> Result<CertifyReport, SmoothingError> {
        self.certify_observed(input, options, unobserved)
    }

    /// [`Smoothed::certify`] with an observer that sees every batch and may end the run.
    ///
    /// # Errors
    /// As [`Smoothed::certify`], and [`SmoothingError::Stopped`] when the observer ends it.
    pub fn certify_observed(
        &self,
        input: Input<'_>,
        options: &CertifyOptions,
        mut observer: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<CertifyReport, SmoothingError> {
        let alpha = level("alpha", options.alpha)?;
        check_samples("selection samples", options.selection)?;
        let most = match options.sampling {
            Sampling::Fixed { samples } => samples,
            Sampling::Sequential { radius, most } => {
                check_radius(radius)?;
                most
            }
        };
        check_samples("samples", most)?;
        let total = most + options.selection;
        let mut run = Run::new(&self.classifier, options.batch, total, &mut observer)?;
        let selection = Samples::new(&self.smoothing, input, Purpose::Selection)?;
        let counts = self.counts(&mut run, &selection, 0..options.selection)?;
        let class = largest(&counts, None);
        let samples = Samples::new(&self.smoothing, input, Purpose::Certification)?;
        let (certification, count) = match options.sampling {
            Sampling::Fixed { .. } => {
                let counts = self.counts(&mut run, &samples, 0..most)?;
                let count = Count::new(counts[class], most)?;
                (self.fixed(class, &counts, count, alpha, options.runner_up)?, count)
            }
            Sampling::Sequential { radius, .. } => {
                self.sequential(&mut run, &samples, class, radius, most, alpha)?
            }
        };
        Ok(CertifyReport { certification, count, evaluations: run.evaluations() })
    }

    /// Counts of the labels of some samples; undecided ones are nowhere.
    pub(crate) fn counts(
        &self,
        run: &mut Run<'_, C>,
        samples: &Samples<'_>,
        indices: core::ops::Range<u64>,
    ) -> Result<Vec<u64>, SmoothingError> {
        let mut counts = vec![0; self.classifier.classes()];
        run.labels(samples, indices, |_, label| {
            if let Some(label) = label {
                counts[label] += 1;
            }
        })?;
        Ok(counts)
    }

    fn fixed(
        &self,
        class: usize,
        counts: &[u64],
        count: Count,
        alpha: Probability,
        runner_up: RunnerUp,
    ) -> Result<Certification, SmoothingError> {
        let sigma = self.smoothing.sigma();
        match runner_up {
            RunnerUp::Rest => {
                let p = clopper_pearson_lower(count, alpha);
                Ok(Certification::one_sided(class, sigma, p, alpha.get()))
            }
            RunnerUp::Counted => {
                let half = 0.5 * alpha.get();
                let p = clopper_pearson_lower(count, rounded_level(half));
                // Half of α for all others together.
                let others = counts.len().saturating_sub(1).max(1);
                let each = rounded_level((half / others as f64).next_down());
                // A sample that is undecided may be of any class.
                let undecided = count.trials() - counts.iter().sum::<u64>();
                let mut best = SidedProbability::ZERO;
                for (_, found) in counts.iter().enumerate().filter(|(label, _)| *label != class) {
                    let other = Count::new(found + undecided, count.trials())?;
                    best = best.max(clopper_pearson_upper(other, each));
                }
                Ok(Certification::two_sided(class, sigma, p, best, alpha.get()))
            }
        }
    }

    fn sequential(
        &self,
        run: &mut Run<'_, C>,
        samples: &Samples<'_>,
        class: usize,
        radius: f64,
        most: u64,
        alpha: Probability,
    ) -> Result<(Certification, Count), SmoothingError> {
        let sigma = self.smoothing.sigma();
        let (mut seen, mut successes) = (0, 0);
        for look in looks(most) {
            run.labels(samples, seen..look, |_, label| {
                successes += u64::from(label == Some(class));
            })?;
            seen = look;
            let count = Count::new(successes, seen)?;
            let lower = sequence_lower(count, alpha)?;
            // Whether to go on costs nothing: what is certified is the lower bound alone.
            let reachable = sequence_lower(count.complement(), alpha)?.complement();
            let decided = certified_radius(sigma, lower) >= radius
                || certified_radius(sigma, reachable) < radius;
            if decided || seen == most {
                let found = Certification::one_sided(class, sigma, lower, alpha.get());
                return Ok((short_of(found, class, radius), count));
            }
        }
        // There is a look at `most`, which is at least 1.
        let abstention = Abstention { class, reason: AbstainReason::NotMajority };
        Ok((Certification::Abstained(abstention), Count::new(0, 0)?))
    }
}

/// A run for a radius that shows no majority says that the radius was not reached.
fn short_of(found: Certification, class: usize, radius: f64) -> Certification {
    match found {
        Certification::Abstained(_) if radius > 0.0 => {
            Certification::Abstained(Abstention { class, reason: AbstainReason::Radius })
        }
        found => found,
    }
}

/// Sample sizes at which a sequential run decides: they grow by a quarter, and end with `most`.
pub(crate) fn looks(most: u64) -> impl Iterator<Item = u64> {
    let grow = |size: &u64| Some(size + size / 4);
    core::iter::successors(Some(FIRST_LOOK), grow)
        .take_while(move |size| *size < most)
        .take_while(|size| *size < MOST_SAMPLES)
        .chain([most])
}

pub(crate) fn level(name: &'static str, value: f64) -> Result<Probability, SmoothingError> {
    let inside = value > 0.0 && value < 1.0;
    let found = if inside { Probability::new(value).ok() } else { None };
    found.ok_or(SmoothingError::Level { name, value })
}

/// A level that was computed, and rounded down where it had to be.
pub(crate) fn rounded_level(value: f64) -> Probability {
    Probability::new(value.clamp(0.0, 1.0)).unwrap_or(Probability::ZERO)
}

pub(crate) fn check_radius(radius: f64) -> Result<(), SmoothingError> {
    if radius >= 0.0 && radius.is_finite() {
        Ok(())
    } else {
        let expected = "a finite number of at least 0";
        Err(SmoothingError::Option { name: "radius", value: radius, expected })
    }
}

/// The first of the largest counts, one class aside if there are others.
pub(crate) fn largest(counts: &[u64], aside: Option<usize>) -> usize {
    let mut best = None;
    for (label, count) in counts.iter().enumerate().filter(|(label, _)| Some(*label) != aside) {
        if best.is_none_or(|(_, most)| *count > most) {
            best = Some((label, *count));
        }
    }
    best.map_or(aside.unwrap_or(0), |(label, _)| label)
}
