//! Samples through a classifier: a batch at a time, on the threads of the current pool if there is one.
//!
//! What is a batch, and in which order labels arrive, never depends on the number of threads.

use core::ops::ControlFlow;

use nalgebra::DMatrix;

use crate::reach::{Activations, Margins, Reach, add, norm_up, rounded};
use crate::samples::Samples;
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

/// The label of a sample, where it is known without the classifier.
pub(crate) type Known<'a> = &'a (dyn Fn(u64, &[f32]) -> Option<usize> + Sync);

/// The same, from the index alone: then the sample is not even drawn.
pub(crate) type Sure<'a> = &'a (dyn Fn(u64) -> Option<usize> + Sync);

/// A classifier at work for one question.
pub(crate) struct Run<'a, C: ?Sized> {
    classifier: &'a C,
    batch: usize,
    progress: Progress,
    observer: Observer<'a>,
    known: Option<Known<'a>>,
    sure: Option<Sure<'a>>,
    /// Whether margins are asked for, and how far from these activations values go.
    margins: bool,
    around: Option<Activations>,
    skipped: u64,
    /// Of the samples so far, where margins are asked for.
    reach: Option<Reach>,
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
        let room = DMatrix::zeros(0, 0);
        Ok(Self {
            classifier,
            batch,
            progress,
            observer,
            known: None,
            sure: None,
            margins: false,
            around: None,
            skipped: 0,
            reach: None,
            room,
        })
    }

    /// Does not run the classifier where its label is known.
    pub(crate) fn with_known(self, known: Option<Known<'a>>) -> Self {
        Self { known, ..self }
    }

    /// Does not draw a sample whose label is known from its index.
    pub(crate) fn with_sure(self, sure: Option<Sure<'a>>) -> Self {
        Self { sure, ..self }
    }

    /// Asks for margins too, if they are wanted, and how far samples go: from 0 and from this input.
    pub(crate) fn with_margins(self, margins: bool, input: &[f64]) -> Result<Self, SmoothingError> {
        if !margins {
            return Ok(self);
        }
        self.check_inputs(input.len())?;
        let around = self.classifier.activations(rounded(input).as_slice())?;
        Ok(Self { margins, around, ..self })
    }

    fn check_inputs(&self, found: usize) -> Result<(), SmoothingError> {
        let expected = self.classifier.inputs();
        if expected == found { Ok(()) } else { Err(SmoothingError::Inputs { expected, found }) }
    }

    /// The samples that the classifier was run on.
    pub(crate) fn evaluations(&self) -> u64 {
        self.progress.done - self.skipped
    }

    /// The samples whose label was known without it.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How far the samples since the last call went; unknown where margins were not asked for.
    pub(crate) fn take_reach(&mut self) -> Reach {
        self.reach.take().unwrap_or_else(Reach::unknown)
    }

    /// Classifies samples and hands over their labels, in the order of the indices; `None` for one that is undecided.
    pub(crate) fn labels(
        &mut self,
        samples: &Samples<'_>,
        indices: impl IntoIterator<Item = u64>,
        mut sink: impl FnMut(u64, Option<usize>),
    ) -> Result<(), SmoothingError> {
        self.labels_and_margins(samples, indices, |index, label, _| sink(index, label))
    }

    /// [`Run::labels`] with margins; NaN where there are none.
    pub(crate) fn labels_and_margins(
        &mut self,
        samples: &Samples<'_>,
        indices: impl IntoIterator<Item = u64>,
        mut sink: impl FnMut(u64, Option<usize>, f32),
    ) -> Result<(), SmoothingError> {
        self.check_inputs(samples.len())?;
        let mut indices = indices.into_iter();
        let group = if cfg!(feature = "rayon") { GROUP * self.batch } else { self.batch };
        let mut some: Vec<u64> = Vec::new();
        loop {
            some.clear();
            some.extend(indices.by_ref().take(group));
            if some.is_empty() {
                return Ok(());
            }
            for part in self.group(samples, &some)? {
                self.skipped += part.skipped;
                if let Some(next) = part.reach {
                    add(&mut self.reach, next, Reach::join);
                }
                part.labels
                    .into_iter()
                    .for_each(|(index, label, margin)| sink(index, label, margin));
            }
            self.progress.done += some.len() as u64;
            if (self.observer)(self.progress).is_break() {
                return Err(SmoothingError::Stopped { done: self.progress.done });
            }
        }
    }

    fn work(&self) -> Work<'_, C> {
        let Self { classifier, known, sure, margins, .. } = *self;
        Work { classifier, known, sure, margins, around: self.around.as_ref() }
    }

    #[cfg(feature = "rayon")]
    fn group(
        &mut self,
        samples: &Samples<'_>,
        indices: &[u64],
    ) -> Result<Vec<Part>, SmoothingError> {
        use rayon::prelude::*;
        if rayon::current_num_threads() < 2 || indices.len() <= self.batch {
            let mut room = core::mem::replace(&mut self.room, DMatrix::zeros(0, 0));
            let work = self.work();
            let batches = indices.chunks(self.batch);
            let parts = batches.map(|batch| work.part(samples, batch, &mut room)).collect();
            self.room = room;
            return parts;
        }
        let work = self.work();
        let parts: Vec<_> = indices
            .par_chunks(self.batch)
            .map_init(|| DMatrix::zeros(0, 0), |room, batch| work.part(samples, batch, room))
            .collect();
        // The first error in the order of the samples.
        parts.into_iter().collect()
    }

    #[cfg(not(feature = "rayon"))]
    fn group(
        &mut self,
        samples: &Samples<'_>,
        indices: &[u64],
    ) -> Result<Vec<Part>, SmoothingError> {
        let mut room = core::mem::replace(&mut self.room, DMatrix::zeros(0, 0));
        let part = self.work().part(samples, indices, &mut room);
        self.room = room;
        Ok(vec![part?])
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

/// The labels and margins of one batch.
struct Part {
    labels: Vec<(u64, Option<usize>, f32)>,
    skipped: u64,
    /// Where margins were asked for.
    reach: Option<Reach>,
}

/// What is done with a batch.
struct Work<'a, C: ?Sized> {
    classifier: &'a C,
    known: Option<Known<'a>>,
    sure: Option<Sure<'a>>,
    margins: bool,
    around: Option<&'a Activations>,
}

impl<C: BatchClassifier + ?Sized> Work<'_, C> {
    fn part(
        &self,
        samples: &Samples<'_>,
        indices: &[u64],
        room: &mut DMatrix<f32>,
    ) -> Result<Part, SmoothingError> {
        let length = samples.len();
        let mut skipped = 0;
        // Those whose labels are known from the index are not drawn.
        let mut labels: Vec<(u64, Option<usize>, f32)> = Vec::with_capacity(indices.len());
        let (mut drawn, mut places) = (Vec::with_capacity(indices.len()), Vec::new());
        for index in indices {
            let label = self.sure.and_then(|sure| sure(*index));
            if label.is_none() {
                drawn.push(*index);
                places.push(labels.len());
            }
            labels.push((*index, label, f32::NAN));
        }
        skipped += (indices.len() - drawn.len()) as u64;
        let mut columns = take(room, length * drawn.len());
        let decided = samples.fill(&drawn, &mut columns);
        let mut reach = self.margins.then_some(Reach { sample: 0.0, layers: Vec::new() });
        // Samples that are run move up; the others leave their columns to them.
        let mut run = 0;
        for from in 0..drawn.len() {
            let (column, place) = (from * length..(from + 1) * length, places[from]);
            if !decided[from] {
                continue;
            }
            let known = self.known.and_then(|known| known(drawn[from], &columns[column.clone()]));
            if let Some(label) = known {
                labels[place].1 = Some(label);
                skipped += 1;
                continue;
            }
            if let Some(reach) = &mut reach {
                reach.sample = reach.sample.max(norm_up(&columns[column.clone()]));
            }
            if run < from {
                columns.copy_within(column, run * length);
            }
            places[run] = place;
            run += 1;
        }
        places.truncate(run);
        columns.truncate(places.len() * length);
        *room = DMatrix::from_vec(length, places.len(), columns);
        if places.is_empty() {
            return Ok(Part { labels, skipped, reach: None });
        }
        let Margins { labels: found, reach: layers } = self.classify(room)?;
        if let Some(reach) = &mut reach {
            reach.layers = layers;
        }
        if found.len() != places.len() {
            return Err(SmoothingError::Labels { expected: places.len(), found: found.len() });
        }
        let classes = self.classifier.classes();
        for (place, (label, margin)) in places.into_iter().zip(found) {
            if label >= classes {
                return Err(SmoothingError::Label { label, classes });
            }
            (labels[place].1, labels[place].2) = (Some(label), margin);
        }
        Ok(Part { labels, skipped, reach })
    }

    fn classify(&self, batch: &DMatrix<f32>) -> Result<Margins, SmoothingError> {
        if self.margins
            && let Some(found) = self.classifier.margins(batch, self.around)?
        {
            return Ok(found);
        }
        let labels = self.classifier.classify(batch)?;
        let labels = labels.into_iter().map(|label| (label, f32::NAN)).collect();
        Ok(Margins { labels, reach: Vec::new() })
    }
}

/// The storage of a matrix, with a new length.
fn take(room: &mut DMatrix<f32>, length: usize) -> Vec<f32> {
    let mut storage: Vec<f32> = core::mem::replace(room, DMatrix::zeros(0, 0)).data.into();
    storage.resize(length, 0.0);
    storage
}
