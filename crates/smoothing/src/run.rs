//! Samples through a classifier: a batch at a time, on the threads of the current pool if there is one.
//!
//! What is a batch, and in which order labels arrive, never depends on the number of threads.

use core::ops::ControlFlow;

use nalgebra::DMatrix;

use crate::noise::Samples;
use crate::{BatchClassifier, SmoothingError};

/// Batches that are on their way at once, with feature `rayon`.
const GROUP: usize = 8;

/// The most columns of a batch.
const MAX_BATCH: usize = 1 << 20;

/// The most classes.
const MAX_CLASSES: usize = 1 << 16;

/// The most samples.
pub(crate) const MOST_SAMPLES: u64 = (1 << 31) - 1;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The samples that have been classified.
    pub done: u64,
    /// The samples that will be, at most.
    pub total: u64,
}

/// Sees every batch, and may end the run.
pub(crate) type Observer<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Goes on.
pub(crate) fn unobserved(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A classifier at work for one question.
pub(crate) struct Run<'a, C: ?Sized> {
    classifier: &'a C,
    batch: usize,
    progress: Progress,
    observer: Observer<'a>,
    room: DMatrix<f32>,
}

impl<'a, C: BatchClassifier + ?Sized> Run<'a, C> {
    /// For `total` samples at most.
    pub(crate) fn new(
        classifier: &'a C,
        batch: usize,
        total: u64,
        observer: Observer<'a>,
    ) -> Result<Self, SmoothingError> {
        if !(1..=MAX_BATCH).contains(&batch) {
            return Err(SmoothingError::Batch { batch });
        }
        check_classes(classifier.classes())?;
        let progress = Progress { done: 0, total };
        Ok(Self { classifier, batch, progress, observer, room: DMatrix::zeros(0, 0) })
    }

    /// The samples that were classified.
    pub(crate) fn done(&self) -> u64 {
        self.progress.done
    }

    /// Classifies samples and hands over their labels, in the order of the indices; `None` for one that is undecided.
    pub(crate) fn labels(
        &mut self,
        samples: &Samples<'_>,
        indices: impl IntoIterator<Item = u64>,
        mut sink: impl FnMut(u64, Option<usize>),
    ) -> Result<(), SmoothingError> {
        let (expected, found) = (self.classifier.inputs(), samples.len());
        if expected != found {
            return Err(SmoothingError::Inputs { expected, found });
        }
        let mut indices = indices.into_iter();
        let group = if cfg!(feature = "rayon") { GROUP * self.batch } else { self.batch };
        let mut some: Vec<u64> = Vec::new();
        loop {
            some.clear();
            some.extend(indices.by_ref().take(group));
            if some.is_empty() {
                return Ok(());
            }
            let labels = self.group(samples, &some)?;
            some.iter().zip(labels).for_each(|(index, label)| sink(*index, label));
            self.progress.done += some.len() as u64;
            if (self.observer)(self.progress).is_break() {
                return Err(SmoothingError::Stopped { done: self.progress.done });
            }
        }
    }

    #[cfg(feature = "rayon")]
    fn group(
        &mut self,
        samples: &Samples<'_>,
        indices: &[u64],
    ) -> Result<Vec<Option<usize>>, SmoothingError> {
        use rayon::prelude::*;
        let classifier = self.classifier;
        if rayon::current_num_threads() < 2 || indices.len() <= self.batch {
            let mut labels = Vec::with_capacity(indices.len());
            for batch in indices.chunks(self.batch) {
                labels.extend(classified(classifier, samples, batch, &mut self.room)?);
            }
            return Ok(labels);
        }
        let pieces: Vec<_> = indices
            .par_chunks(self.batch)
            .map_init(
                || DMatrix::zeros(0, 0),
                |room, batch| classified(classifier, samples, batch, room),
            )
            .collect();
        // The first error in the order of the samples.
        let pieces: Vec<_> = pieces.into_iter().collect::<Result<_, _>>()?;
        Ok(pieces.concat())
    }

    #[cfg(not(feature = "rayon"))]
    fn group(
        &mut self,
        samples: &Samples<'_>,
        indices: &[u64],
    ) -> Result<Vec<Option<usize>>, SmoothingError> {
        classified(self.classifier, samples, indices, &mut self.room)
    }
}

pub(crate) fn check_classes(classes: usize) -> Result<(), SmoothingError> {
    if (1..=MAX_CLASSES).contains(&classes) {
        Ok(())
    } else {
        Err(SmoothingError::Classes { classes })
    }
}

pub(crate) fn check_samples(name: &'static str, samples: u64) -> Result<(), SmoothingError> {
    if (1..=MOST_SAMPLES).contains(&samples) {
        Ok(())
    } else {
        Err(SmoothingError::Samples { name, samples })
    }
}

/// The labels of one batch.
fn classified<C: BatchClassifier + ?Sized>(
    classifier: &C,
    samples: &Samples<'_>,
    indices: &[u64],
    room: &mut DMatrix<f32>,
) -> Result<Vec<Option<usize>>, SmoothingError> {
    if room.shape() != (samples.len(), indices.len()) {
        *room = DMatrix::zeros(samples.len(), indices.len());
    }
    let columns = indices.iter().zip(room.column_iter_mut());
    let decided: Vec<bool> =
        columns.map(|(index, mut column)| samples.fill(*index, column.as_mut_slice())).collect();
    let found = classifier.classify(room)?;
    if found.len() != indices.len() {
        return Err(SmoothingError::Labels { expected: indices.len(), found: found.len() });
    }
    let classes = classifier.classes();
    if let Some(label) = found.iter().copied().find(|label| *label >= classes) {
        return Err(SmoothingError::Label { label, classes });
    }
    Ok(found.into_iter().zip(decided).map(|(label, decided)| decided.then_some(label)).collect())
}
