//! What is smoothed: anything that maps a batch of inputs to labels.

use core::error::Error;
use std::sync::Mutex;

use nalgebra::DMatrix;
use nncert_core::fixed_point::{FixedPointEvaluator, FixedPointInputError};
use nncert_core::{Evaluator, EvaluatorError, FixedPointNetwork, InputError, Network};

use crate::Fingerprint;
use crate::reach::{Activations, Look, Margins};

/// Inputs that a network is evaluated on together: always as many, so that the bits of a result do
/// not depend on the batch that it came in.
const BLOCK: usize = 64;

/// A base classifier: a batch of inputs in, a label for each out.
///
/// The label of an input must not depend on what else is in the batch. Batches come from several threads at once with the feature
/// `rayon`.
///
/// # Examples
/// ```
/// use nalgebra::DMatrix;
/// use nncert_smoothing::{BatchClassifier, ClassifierError, Fingerprint};
///
/// /// Is the sum positive?
/// struct Sign(usize);
///
/// impl BatchClassifier for Sign {
///     fn inputs(&self) -> usize {
///         self.0
///     }
///     fn classes(&self) -> usize {
///         2
///     }
///     fn fingerprint(&self) -> Fingerprint {
///         Fingerprint::of_bytes(b"sign of the sum")
///     }
///     fn classify(&self, batch: &DMatrix<f32>) -> Result<Vec<usize>, ClassifierError> {
///         Ok(batch.column_iter().map(|x| usize::from(x.sum() > 0.0)).collect())
///     }
/// }
/// ```
pub trait BatchClassifier: Sync {
    /// The numbers of one input.
    fn inputs(&self) -> usize;

    /// The number of classes; labels count from 0.
    fn classes(&self) -> usize;

    /// What tells this classifier from others.
    fn fingerprint(&self) -> Fingerprint;

    /// The label of each column.
    ///
    /// Shapes: `batch` is `inputs() × samples`; as many labels as samples.
    ///
    /// # Errors
    /// Whatever keeps it from classifying.
    fn classify(&self, batch: &DMatrix<f32>) -> Result<Vec<usize>, ClassifierError>;

    /// The label of each column, and by how much its output exceeds all others, for classifiers that have outputs: the caches of such
    /// can spare evaluations of copies (see [`Agreement`](crate::Agreement)). Networks tell too how far what enters their layers
    /// goes, and how far from the activations `around`.
    ///
    /// # Errors
    /// As [`BatchClassifier::classify`].
    fn margins(
        &self,
        batch: &DMatrix<f32>,
        around: Option<&Activations>,
    ) -> Result<Option<Margins>, ClassifierError> {
        let _ = (batch, around);
        Ok(None)
    }

    /// What enters the layers of a network at one input.
    ///
    /// # Errors
    /// As [`BatchClassifier::classify`].
    fn activations(&self, input: &[f32]) -> Result<Option<Activations>, ClassifierError> {
        let _ = input;
        Ok(None)
    }
}

/// Why a classifier failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// An input of the wrong length.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An input that the fixed-point network does not take.
    #[error(transparent)]
    FixedPoint(#[from] FixedPointInputError),
    /// Whatever a classifier of the user says.
    #[error(transparent)]
    Other(#[from] Box<dyn Error + Send + Sync>),
}

/// A network, evaluated in `f32`.
///
/// The label is the first of the largest outputs; NaN is smaller than all. Batches are evaluated in blocks of one size, so that
/// labels do not depend on how samples are batched. They may depend on the machine where outputs are equal but for rounding:
/// certificates speak of the function that was evaluated.
///
/// # Examples
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network};
/// use nncert_smoothing::{BatchClassifier, NetworkClassifier};
///
/// let network = Network::relu_mlp(vec![Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.0])])?;
/// let classifier = NetworkClassifier::new(&network)?;
/// assert_eq!(classifier.classify(&dmatrix![0.5, -0.5, 2.0])?, [0, 1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NetworkClassifier {
    inputs: usize,
    classes: usize,
    fingerprint: Fingerprint,
    evaluator: Evaluator<f32>,
    idle: Mutex<Vec<(Evaluator<f32>, DMatrix<f32>)>>,
}

impl NetworkClassifier {
    /// The classifier with the weights of a network, rounded to `f32`.
    ///
    /// # Errors
    /// [`EvaluatorError`] when a weight is beyond the range of `f32`.
    pub fn new(network: &Network) -> Result<Self, EvaluatorError> {
        Ok(Self {
            inputs: network.inputs(),
            classes: network.outputs(),
            fingerprint: Fingerprint::of_network(network),
            evaluator: Evaluator::new(network)?,
            idle: Mutex::default(),
        })
    }
}

impl BatchClassifier for NetworkClassifier {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn classify(&self, batch: &DMatrix<f32>) -> Result<Vec<usize>, ClassifierError> {
        self.each(batch, largest, None)
    }

    fn margins(
        &self,
        batch: &DMatrix<f32>,
        around: Option<&Activations>,
    ) -> Result<Option<Margins>, ClassifierError> {
        let mut look = Look::new(around);
        let labels = self.each(batch, margin, Some(&mut look))?;
        Ok(Some(Margins { labels, reach: look.reach() }))
    }

    fn activations(&self, input: &[f32]) -> Result<Option<Activations>, ClassifierError> {
        let batch = DMatrix::from_column_slice(input.len(), 1, input);
        check_inputs(self.inputs, &batch)?;
        activations(&mut self.evaluator.clone(), &batch).map(Some)
    }
}

impl NetworkClassifier {
    /// Something of the outputs of each column; with a look at what enters layers, if there is one.
    fn each<T>(
        &self,
        batch: &DMatrix<f32>,
        of: impl Fn(&[f32]) -> T,
        mut look: Option<&mut Look<'_>>,
    ) -> Result<Vec<T>, ClassifierError> {
        check_inputs(self.inputs, batch)?;
        let (mut evaluator, mut block) = taken(&self.idle)
            .unwrap_or_else(|| (self.evaluator.clone(), DMatrix::zeros(self.inputs, BLOCK)));
        let mut found = Vec::with_capacity(batch.ncols());
        for first in (0..batch.ncols()).step_by(BLOCK) {
            let count = BLOCK.min(batch.ncols() - first);
            block.columns_mut(0, count).copy_from(&batch.columns(first, count));
            block.columns_mut(count, BLOCK - count).fill(0.0);
            let outputs = evaluator.evaluate_seen(&block, |entering| {
                if let Some(look) = &mut look {
                    look.see(&entering);
                }
            })?;
            found.extend(outputs.column_iter().take(count).map(|y| of(y.as_slice())));
            if let Some(look) = &mut look {
                look.end_block(count);
            }
        }
        returned(&self.idle, (evaluator, block));
        Ok(found)
    }
}

/// What enters the layers for the only column of a batch.
pub(crate) fn activations(
    evaluator: &mut Evaluator<f32>,
    input: &DMatrix<f32>,
) -> Result<Activations, ClassifierError> {
    let mut found = Activations::default();
    evaluator.evaluate_seen(input, |entering| {
        found.layers.push(entering.values.iter().copied().collect());
    })?;
    Ok(found)
}

fn check_inputs(expected: usize, batch: &DMatrix<f32>) -> Result<(), InputError> {
    let found = batch.nrows();
    if expected == found { Ok(()) } else { Err(InputError { expected, found }) }
}

/// The label, and how far its output is above the others; NaN where one of them is NaN.
fn margin(outputs: &[f32]) -> (usize, f32) {
    let best = largest(outputs);
    let others = outputs.iter().enumerate().filter(|(index, _)| *index != best);
    let least =
        others.map(|(_, output)| outputs[best] - output).fold(f32::INFINITY, |least, gap| {
            if gap.is_nan() || gap < least { gap } else { least }
        });
    (best, least)
}

/// The first of the largest, NaN aside.
fn largest(outputs: &[f32]) -> usize {
    let mut best = 0;
    for (index, output) in outputs.iter().enumerate() {
        if *output > outputs[best] || outputs[best].is_nan() && !output.is_nan() {
            best = index;
        }
    }
    best
}

/// A fixed-point network, evaluated in integers: `f ∘ round`, exactly.
///
/// An input `x` becomes the integer nearest to `scale · x`, halves upward, clamped to what the network takes. With
/// [`Noise::Grid`](crate::Noise::Grid) of `levels = scale` that is the integer that was drawn.
///
/// Guarantee: exact.
#[derive(Debug)]
pub struct FixedPointClassifier {
    network: FixedPointNetwork,
    scale: f64,
    fingerprint: Fingerprint,
    idle: Mutex<Vec<(FixedPointEvaluator, DMatrix<i64>)>>,
}

impl FixedPointClassifier {
    /// The classifier of a network whose inputs have a format, which says what an integer stands for.
    ///
    /// # Errors
    /// [`FixedPointInputError::NoFormat`] when they have none.
    pub fn new(network: &FixedPointNetwork) -> Result<Self, FixedPointInputError> {
        let format = network.input().format().ok_or(FixedPointInputError::NoFormat)?;
        Ok(Self::with_scale(network, libm::exp2(f64::from(format.fraction()))))
    }

    /// The classifier of a network whose input `k` stands for `k/scale`: 255 for the grey values of an image.
    #[must_use]
    pub fn with_scale(network: &FixedPointNetwork, scale: f64) -> Self {
        Self {
            network: network.clone(),
            scale,
            fingerprint: Fingerprint::of_fixed_point(network),
            idle: Mutex::default(),
        }
    }

    /// The integer that stands for a number; NaN is 0, or next to it.
    fn integer(&self, x: f32) -> i64 {
        let range = self.network.input().interval();
        #[allow(clippy::cast_possible_truncation)]
        let integer = (f64::from(x) * self.scale + 0.5).floor() as i64;
        integer.clamp(range.lower(), range.upper())
    }
}

impl BatchClassifier for FixedPointClassifier {
    fn inputs(&self) -> usize {
        self.network.inputs()
    }

    fn classes(&self) -> usize {
        self.network.outputs()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn classify(&self, batch: &DMatrix<f32>) -> Result<Vec<usize>, ClassifierError> {
        check_inputs(self.network.inputs(), batch)?;
        let (mut evaluator, _) = taken(&self.idle)
            .unwrap_or_else(|| (FixedPointEvaluator::new(&self.network), DMatrix::zeros(0, 0)));
        let integers = batch.map(|x| self.integer(x));
        let labels = evaluator.classify(&integers)?;
        returned(&self.idle, (evaluator, integers));
        Ok(labels)
    }
}

/// A closure as a classifier.
///
/// # Examples
/// ```
/// use nncert_smoothing::{BatchClassifier, FnClassifier};
///
/// let sign = FnClassifier::new(3, 2, "sign of the sum", |batch| {
///     batch.column_iter().map(|x| usize::from(x.sum() > 0.0)).collect()
/// });
/// assert_eq!(sign.classes(), 2);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FnClassifier<F> {
    inputs: usize,
    classes: usize,
    fingerprint: Fingerprint,
    function: F,
}

impl<F: Fn(&DMatrix<f32>) -> Vec<usize> + Sync> FnClassifier<F> {
    /// The classifier `function`, with a name that tells it from others.
    pub fn new(inputs: usize, classes: usize, name: &str, function: F) -> Self {
        Self { inputs, classes, fingerprint: Fingerprint::of_bytes(name.as_bytes()), function }
    }
}

impl<F: Fn(&DMatrix<f32>) -> Vec<usize> + Sync> BatchClassifier for FnClassifier<F> {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn classify(&self, batch: &DMatrix<f32>) -> Result<Vec<usize>, ClassifierError> {
        Ok((self.function)(batch))
    }
}

impl<C: BatchClassifier + ?Sized> BatchClassifier for &C {
    fn inputs(&self) -> usize {
        (**self).inputs()
    }

    fn classes(&self) -> usize {
        (**self).classes()
    }

    fn fingerprint(&self) -> Fingerprint {
        (**self).fingerprint()
    }

    fn classify(&self, batch: &DMatrix<f32>) -> Result<Vec<usize>, ClassifierError> {
        (**self).classify(batch)
    }

    fn margins(
        &self,
        batch: &DMatrix<f32>,
        around: Option<&Activations>,
    ) -> Result<Option<Margins>, ClassifierError> {
        (**self).margins(batch, around)
    }

    fn activations(&self, input: &[f32]) -> Result<Option<Activations>, ClassifierError> {
        (**self).activations(input)
    }
}

/// Room that no thread uses now. A thread that panicked left none behind.
fn taken<T>(idle: &Mutex<Vec<T>>) -> Option<T> {
    idle.lock().ok()?.pop()
}

fn returned<T>(idle: &Mutex<Vec<T>>, room: T) {
    if let Ok(mut idle) = idle.lock() {
        idle.push(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest() {
        assert_eq!(largest(&[1.0, 3.0, 3.0, 2.0]), 1);
        assert_eq!(largest(&[f32::NAN, -3.0, -2.0]), 2);
        assert_eq!(largest(&[0.0, f32::NAN]), 0);
        assert_eq!(largest(&[f32::NAN, f32::NAN]), 0);
    }
}
