//! What is kept of one input.

use core::ops::ControlFlow;

use nncert_prob::{Count, clopper_pearson_lower};
use sha2::{Digest, Sha256};

use super::labels::Labels;
use super::margins::Margins;
use super::{CacheError, CacheKey};
use crate::reach::Reach;
use crate::run::{MOST_SAMPLES, Progress, Run, check_samples, unobserved};
use crate::samples::Samples;
use crate::smoothed::{largest, level};
use crate::stream::Purpose;
use crate::{BatchClassifier, Cache, Certification, Input, Smoothed, SmoothingError};

/// What of an input is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordOptions {
    /// The samples that choose the class (`n0`). Every shard of an input draws the same ones.
    pub selection: u64,
    /// The first sample that is counted.
    pub first: u64,
    /// How many are counted.
    pub samples: u64,
    /// The samples of a batch.
    pub batch: usize,
    /// Whether to keep a byte a sample for its margin, with which an [`Agreement`](crate::Agreement) spares evaluations of copies.
    pub margins: bool,
}

impl Default for RecordOptions {
    /// As Cohen et al.: `n0 = 100`, `n = 100,000`; without margins.
    fn default() -> Self {
        Self { selection: 100, first: 0, samples: 100_000, batch: 256, margins: false }
    }
}

/// The samples of one input: its class, how often it came, and a bit for each sample.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedInput {
    pub(super) key: CacheKey,
    pub(super) id: u64,
    /// Of the values of the input.
    pub(crate) digest: [u8; 32],
    pub(super) class: usize,
    pub(super) selection: Count,
    /// Of the selection samples that had the class.
    pub(super) selection_margins: Margins,
    /// How far the selection samples went.
    pub(super) selection_reach: Reach,
    /// In the order of the samples.
    pub(super) segments: Vec<Segment>,
}

/// A range of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub(super) first: u64,
    /// How often each class came; fewer than there are bits when samples were undecided.
    pub(super) counts: Vec<u64>,
    pub(super) labels: Labels,
    /// One for each sample, or none at all.
    pub(super) margins: Margins,
    /// How far the samples went; unknown without margins.
    pub(super) reach: Reach,
}

impl Segment {
    /// The first sample.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// How often each class came.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// For each sample whether it had the class of the input.
    pub fn labels(&self) -> impl Iterator<Item = bool> {
        self.labels.iter()
    }

    /// The number of samples.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.labels.len()
    }

    /// The sample after the last.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.labels.len())
    }
}

impl<C: BatchClassifier> Smoothed<C> {
    /// Samples an input for a [`Cache`]: the class, and which of the samples have it.
    ///
    /// # Errors
    /// [`SmoothingError`] for no samples or too many, or an input that the classifier or the noise does not take.
    pub fn record(
        &self,
        input: Input<'_>,
        options: &RecordOptions,
    ) -> Result<CachedInput, SmoothingError> {
        self.record_observed(input, options, unobserved)
    }

    /// [`Smoothed::record`] with an observer that sees every batch and may end the run.
    ///
    /// # Errors
    /// As [`Smoothed::record`], and [`SmoothingError::Stopped`] when the observer ends it.
    pub fn record_observed(
        &self,
        input: Input<'_>,
        options: &RecordOptions,
        mut observer: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<CachedInput, SmoothingError> {
        let RecordOptions { selection: n0, first, samples: n, batch, margins } = *options;
        check_samples("selection samples", n0)?;
        check_samples("samples", n)?;
        let Some(end) = first.checked_add(n) else {
            return Err(SmoothingError::Samples { name: "samples", samples: n });
        };
        let run = Run::new(self.classifier(), batch, n0 + n, &mut observer)?;
        let mut run = run.with_margins(margins, input.values)?;
        let selection = Samples::new(self.smoothing(), input, Purpose::Selection)?;
        let mut chosen = vec![0; self.classifier().classes()];
        let mut chosen_margins = Vec::new();
        run.labels_and_margins(&selection, 0..n0, |_, label, margin| {
            if let Some(label) = label {
                chosen[label] += 1;
                chosen_margins.push((label, margin));
            }
        })?;
        let selection_reach = run.take_reach();
        let class = largest(&chosen, None);
        let of_class = chosen_margins.into_iter().filter(|(label, _)| *label == class);
        let selection_margins = of_class.map(|(_, margin)| margin).filter(|_| margins);
        let (mut labels, mut kept) = (Labels::default(), Margins::default());
        let mut counts = vec![0; self.classifier().classes()];
        let samples = Samples::new(self.smoothing(), input, Purpose::Certification)?;
        run.labels_and_margins(&samples, first..end, |_, label, margin| {
            labels.push(label == Some(class));
            if margins {
                kept.push(if label == Some(class) { margin } else { f32::NAN });
            }
            if let Some(label) = label {
                counts[label] += 1;
            }
        })?;
        Ok(CachedInput {
            key: *Cache::new(self).key(),
            id: input.id,
            digest: digest(input.values),
            class,
            selection: Count::new(chosen[class], n0)?,
            selection_margins: selection_margins.collect(),
            selection_reach,
            segments: vec![Segment {
                first,
                counts,
                labels,
                margins: kept,
                reach: run.take_reach(),
            }],
        })
    }
}

impl CachedInput {
    /// What it has in common with the other inputs of its cache.
    #[must_use]
    pub fn key(&self) -> &CacheKey {
        &self.key
    }

    /// The number of the input.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The class that most of the selection samples had.
    #[must_use]
    pub fn class(&self) -> usize {
        self.class
    }

    /// How many of the selection samples had the class. Independent of everything else.
    #[must_use]
    pub fn selection(&self) -> Count {
        self.selection
    }

    /// How many samples had the class.
    #[must_use]
    pub fn count(&self) -> Count {
        let ones = self.segments.iter().map(|segment| segment.labels.ones()).sum();
        let samples = self.segments.iter().map(Segment::samples).sum();
        // The constructors bound the samples.
        Count::new(ones, samples).unwrap_or(self.selection)
    }

    /// The ranges of samples, in their order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Each sample, by its index, and whether it had the class.
    pub fn labels(&self) -> impl Iterator<Item = (u64, bool)> {
        self.segments.iter().flat_map(|segment| (segment.first..).zip(segment.labels()))
    }

    /// By how much the class exceeded all others in a sample, at least; 0 where it did not, or nothing is known.
    pub(crate) fn margin(&self, index: u64) -> f32 {
        let after = self.segments.partition_point(|segment| segment.first <= index);
        let segment = after.checked_sub(1).map(|place| &self.segments[place]);
        segment.map_or(0.0, |segment| segment.margins.at(index - segment.first))
    }

    /// How far the samples went.
    pub(crate) fn reach(&self) -> Reach {
        Reach::of_all(self.segments.iter().map(|segment| &segment.reach))
    }

    /// How far the selection samples went: about as far, and independent of the samples that are counted.
    pub(crate) fn selection_reach(&self) -> &Reach {
        &self.selection_reach
    }

    /// Of the selection samples, the share whose margin exceeds `needed`; below 1, by one sample at least.
    pub(crate) fn share_above(&self, needed: f32) -> f64 {
        let above = self.selection_margins.iter().filter(|margin| *margin > needed).count();
        above as f64 / (self.selection.trials() as f64 + 1.0)
    }

    /// Cohen's certificate from the samples.
    ///
    /// Guarantee: sound, false with a probability of at most `α`, if the number of samples was fixed beforehand.
    ///
    /// # Errors
    /// [`CacheError::Smoothing`] for an `α` outside (0, 1).
    pub fn certification(&self, alpha: f64) -> Result<Certification, CacheError> {
        let level = level("alpha", alpha)?;
        let p = clopper_pearson_lower(self.count(), level);
        Ok(Certification::one_sided(self.class, self.key.sigma, p, alpha))
    }

    /// Both together; the keys are the same.
    pub(super) fn joined(&self, other: &Self) -> Result<Self, CacheError> {
        let conflict = |what| Err(CacheError::Conflict { id: self.id, what });
        if self.digest != other.digest {
            return conflict("values");
        }
        if self.selection.trials() != other.selection.trials() {
            return conflict("numbers of selection samples");
        }
        if (self.class, self.selection, &self.selection_margins)
            != (other.class, other.selection, &other.selection_margins)
        {
            return conflict("selection samples");
        }
        let mut segments = [&self.segments[..], &other.segments[..]].concat();
        segments.sort_by_key(|segment| (segment.first, segment.samples()));
        segments.dedup();
        let mut joined = Self { segments, ..self.clone() };
        // Of the same samples; on another machine the last bits may differ.
        joined.selection_reach.join(&other.selection_reach);
        joined.check()?;
        Ok(joined)
    }

    /// Ranges do not overlap, and hold no more samples than bounds are stated for.
    pub(super) fn check(&self) -> Result<(), CacheError> {
        for two in self.segments.windows(2) {
            if two[0].end() > two[1].first {
                return Err(CacheError::Overlap { id: self.id, first: two[1].first });
            }
        }
        let samples = self.segments.iter().map(Segment::samples).fold(0, u64::saturating_add);
        if samples > MOST_SAMPLES {
            return Err(SmoothingError::Samples { name: "samples", samples }.into());
        }
        Ok(())
    }
}

/// Tells an input from others.
pub(crate) fn digest(values: &[f64]) -> [u8; 32] {
    let mut hash = Sha256::new();
    values.iter().for_each(|value| hash.update(value.to_bits().to_le_bytes()));
    hash.finalize().into()
}
