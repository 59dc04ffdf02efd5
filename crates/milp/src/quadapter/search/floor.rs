//! How accurate a quantized network must stay.

use std::collections::HashMap;

use nalgebra::DMatrix;
use nncert_core::{Evaluator, InputError, Network};

use super::super::Strategy;

/// Images that are evaluated together.
const BATCH: usize = 500;

/// An accuracy on given data that a strategy must not fall below.
///
/// Accuracy is a count, on the data that it is given and in `f32`; nothing is certified by it.
#[derive(Debug)]
pub struct Floor<'a> {
    inputs: &'a DMatrix<f32>,
    labels: &'a [usize],
    least: usize,
    known: HashMap<Strategy, usize>,
}

impl<'a> Floor<'a> {
    /// At least `least` of the inputs, one a column, have the largest output at their label.
    ///
    /// # Errors
    ///
    /// [`FloorError`] for as many labels as there are no inputs, and for more than there are.
    pub fn new(
        inputs: &'a DMatrix<f32>,
        labels: &'a [usize],
        least: usize,
    ) -> Result<Self, FloorError> {
        let (columns, labelled) = (inputs.ncols(), labels.len());
        if columns != labelled {
            return Err(FloorError::Labels { inputs: columns, labels: labelled });
        }
        if least > labelled {
            return Err(FloorError::Least { least, inputs: labelled });
        }
        Ok(Self { inputs, labels, least, known: HashMap::new() })
    }

    /// At most `lost` percentage points below the accuracy of a network.
    ///
    /// # Errors
    ///
    /// As [`Floor::new`], for a loss that is no number of points, and for inputs that are none
    /// of the network.
    pub fn below(
        network: &Network,
        inputs: &'a DMatrix<f32>,
        labels: &'a [usize],
        lost: f64,
    ) -> Result<Self, FloorError> {
        if !(0.0..=100.0).contains(&lost) {
            return Err(FloorError::Lost { lost });
        }
        let mut floor = Self::new(inputs, labels, 0)?;
        let correct = floor.count(network)?;
        let allowed = (lost / 100.0 * labels.len() as f64).floor();
        // A share of a count: below 2^53.
        floor.least = correct.saturating_sub(allowed as usize);
        Ok(floor)
    }

    /// The fewest inputs that must be classified as labelled.
    #[must_use]
    pub fn least(&self) -> usize {
        self.least
    }

    /// How many inputs there are.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.labels.len()
    }

    /// How many inputs a network classifies as labelled; of equal outputs the first counts.
    ///
    /// # Errors
    ///
    /// [`FloorError`] for inputs that are none of the network.
    pub fn count(&self, network: &Network) -> Result<usize, FloorError> {
        let mut evaluator = Evaluator::<f32>::new(network)?;
        let mut correct = 0;
        for (first, labels) in (0..).step_by(BATCH).zip(self.labels.chunks(BATCH)) {
            let part = self.inputs.columns(first, labels.len()).into_owned();
            let outputs = evaluator.evaluate(&part)?;
            let classes = outputs.column_iter().map(|column| {
                let better = |best: (usize, f32), (at, &value): (usize, &f32)| {
                    if value > best.1 { (at, value) } else { best }
                };
                column.iter().enumerate().fold((0, f32::NEG_INFINITY), better).0
            });
            correct += classes.zip(labels).filter(|(class, label)| class == *label).count();
        }
        Ok(correct)
    }

    /// [`Floor::count`] of a strategy's network, counted once.
    pub(super) fn known(
        &mut self,
        strategy: &Strategy,
        network: &Network,
    ) -> Result<usize, FloorError> {
        if let Some(known) = self.known.get(strategy) {
            return Ok(*known);
        }
        let count = self.count(network)?;
        self.known.insert(strategy.clone(), count);
        Ok(count)
    }
}

/// Why something is no floor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FloorError {
    /// Inputs and labels do not pair up.
    #[error("{inputs} inputs have {labels} labels")]
    Labels {
        /// The inputs.
        inputs: usize,
        /// The labels.
        labels: usize,
    },
    /// More inputs must be right than there are.
    #[error("{least} of {inputs} inputs cannot be right")]
    Least {
        /// How many must be.
        least: usize,
        /// How many there are.
        inputs: usize,
    },
    /// The loss is no number of percentage points.
    #[error("{lost} is not a number of percentage points")]
    Lost {
        /// The loss.
        lost: f64,
    },
    /// The inputs are none of the network.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The network cannot be evaluated in `f32`.
    #[error(transparent)]
    Evaluator(#[from] nncert_core::EvaluatorError),
}
