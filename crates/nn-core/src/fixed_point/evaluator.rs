//! Batched evaluation: one matrix product a layer for a whole batch.

use nalgebra::DMatrix;

use super::network::check_range;
use super::{FixedPointInputError, FixedPointLayer, FixedPointNetwork, IntegerInterval, class};
use crate::product::{multiply, reshape};
use crate::{InputError, Real};

/// The inputs that are evaluated together.
const CHUNK: usize = 256;

/// A network made ready to evaluate batches, with the same results as
/// [`FixedPointNetwork::evaluate`].
///
/// Products of matrices of integers are exact in floating point as long as no sum is
/// beyond `2^24` in `f32`, `2^53` in `f64`: every partial sum, in any order, is an
/// integer that the type holds. Which type that is for a layer, its reach tells; a
/// layer with a reach beyond both is evaluated in `i64`.
///
/// # Examples
///
/// ```
/// use nalgebra::dmatrix;
/// use nncert_core::FixedPointNetwork;
/// use nncert_core::fixed_point::{
///     FixedPointEvaluator, FixedPointLayer, IntegerInterval, Multiplier, Requantization, Rounding,
/// };
///
/// let step = Requantization {
///     multiplier: Multiplier::power_of_two(1)?,
///     rounding: Rounding::Floor,
///     zero_point: 0,
///     clamp: IntegerInterval::new(-8, 7)?,
/// };
/// let layer = FixedPointLayer::new(&dmatrix![1, -2; 3, 1], vec![1, 0], vec![step])?;
/// let network = FixedPointNetwork::new(IntegerInterval::new(0, 3)?, vec![layer])?;
/// let mut evaluator = FixedPointEvaluator::new(&network);
/// // Three inputs, one a column.
/// let batch = dmatrix![0, 1, 3; 0, 2, 1];
/// assert_eq!(*evaluator.evaluate(&batch)?, dmatrix![0, -1, 1; 0, 2, 5]);
/// assert_eq!(evaluator.classify(&batch)?, [0, 1, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FixedPointEvaluator {
    input: IntegerInterval,
    inputs: usize,
    outputs: usize,
    stages: Vec<Stage>,
    values: DMatrix<i64>,
    next: DMatrix<i64>,
    results: DMatrix<i64>,
}

/// A layer, and its weights in the type in which it is evaluated.
#[derive(Clone, Debug)]
struct Stage {
    layer: FixedPointLayer,
    kernel: Kernel,
}

#[derive(Clone, Debug)]
enum Kernel {
    Single(Product<f32>),
    Double(Product<f64>),
    Integer,
}

/// A matrix product whose every sum is an integer that `T` holds.
#[derive(Clone, Debug)]
struct Product<T: Real> {
    weights: DMatrix<T>,
    /// Whether every value fits an `i32`, from which vectors convert.
    narrow: bool,
    values: DMatrix<T>,
    sums: DMatrix<T>,
}

impl FixedPointEvaluator {
    /// Makes the network ready.
    #[must_use]
    pub fn new(network: &FixedPointNetwork) -> Self {
        let layers = network.layers().iter().zip(network.value_ranges());
        let stages = layers.zip(network.reaches());
        Self {
            input: network.input().interval(),
            inputs: network.inputs(),
            outputs: network.outputs(),
            stages: stages
                .map(|((layer, ranges), reach)| Stage::new(layer, ranges, *reach))
                .collect(),
            values: DMatrix::zeros(0, 0),
            next: DMatrix::zeros(0, 0),
            results: DMatrix::zeros(0, 0),
        }
    }

    /// The outputs for a batch: one column for each column of `inputs`.
    ///
    /// Shapes: `inputs` is `network.inputs() × batch`, the result
    /// `network.outputs() × batch`, valid until the next call.
    ///
    /// Guarantee: exact.
    ///
    /// # Errors
    ///
    /// [`FixedPointInputError`] when the columns have the wrong length, and for an
    /// integer outside the range of the inputs.
    pub fn evaluate(
        &mut self,
        inputs: &DMatrix<i64>,
    ) -> Result<&DMatrix<i64>, FixedPointInputError> {
        InputError::check(self.inputs, inputs.nrows())?;
        let batch = inputs.ncols();
        for column in inputs.as_slice().chunks_exact(self.inputs) {
            check_range(column, self.input)?;
        }
        resize(&mut self.results, self.outputs, batch);
        for start in (0..batch).step_by(CHUNK) {
            let columns = CHUNK.min(batch - start);
            let chunk = &inputs.as_slice()[start * self.inputs..][..columns * self.inputs];
            resize(&mut self.values, self.inputs, columns);
            self.values.as_mut_slice().copy_from_slice(chunk);
            for stage in &mut self.stages {
                stage.run(&self.values, &mut self.next);
                core::mem::swap(&mut self.values, &mut self.next);
            }
            self.results.columns_mut(start, columns).copy_from(&self.values);
        }
        Ok(&self.results)
    }

    /// The class of each column: its largest output, the first of equal ones.
    ///
    /// # Errors
    ///
    /// As [`FixedPointEvaluator::evaluate`].
    pub fn classify(&mut self, inputs: &DMatrix<i64>) -> Result<Vec<usize>, FixedPointInputError> {
        let outputs = self.outputs;
        Ok(self.evaluate(inputs)?.as_slice().chunks_exact(outputs).map(class).collect())
    }
}

impl Stage {
    /// `ranges` and `reach` are those of the layer's inputs and sums.
    fn new(layer: &FixedPointLayer, ranges: &[IntegerInterval], reach: u64) -> Self {
        let kernel = if reach <= 1 << 24 {
            Kernel::Single(Product::new(layer, ranges))
        } else if reach <= 1 << 53 {
            Kernel::Double(Product::new(layer, ranges))
        } else {
            Kernel::Integer
        };
        Self { layer: layer.clone(), kernel }
    }

    /// From the values before the layer to those after it.
    fn run(&mut self, values: &DMatrix<i64>, next: &mut DMatrix<i64>) {
        let Self { layer, kernel } = self;
        resize(next, layer.outputs(), values.ncols());
        match kernel {
            Kernel::Single(product) => product.run(layer, values, next),
            Kernel::Double(product) => product.run(layer, values, next),
            Kernel::Integer => {
                for (before, mut after) in values.column_iter().zip(next.column_iter_mut()) {
                    for (neuron, after) in layer.neurons().zip(after.iter_mut()) {
                        let accumulator = neuron.accumulate(before.as_slice());
                        *after = neuron.requantization.apply(accumulator);
                    }
                }
            }
        }
    }
}

impl<T: Real> Product<T> {
    fn new(layer: &FixedPointLayer, ranges: &[IntegerInterval]) -> Self {
        // A weight that `T` rounds meets values that are all zero.
        let weights = layer.weights().iter().map(|weight| T::nearest(*weight as f64));
        let weights = DMatrix::from_row_iterator(layer.outputs(), layer.inputs(), weights);
        let empty = || DMatrix::from_element(0, 0, T::nearest(0.0));
        let narrow = ranges.iter().all(|range| range.magnitude() <= i32::MAX.unsigned_abs().into());
        Self { weights, narrow, values: empty(), sums: empty() }
    }

    fn run(&mut self, layer: &FixedPointLayer, values: &DMatrix<i64>, next: &mut DMatrix<i64>) {
        reshape(&mut self.values, values.nrows(), values.ncols());
        let numbers = self.values.as_mut_slice().iter_mut().zip(values.as_slice());
        if self.narrow {
            #[allow(clippy::cast_possible_truncation)]
            numbers.for_each(|(number, value)| *number = T::nearest(f64::from(*value as i32)));
        } else {
            // As above: a value that `T` rounds meets weights that are all zero.
            numbers.for_each(|(number, value)| *number = T::nearest(*value as f64));
        }
        reshape(&mut self.sums, next.nrows(), next.ncols());
        multiply(&mut self.sums, false, &self.weights, &self.values);
        for (sums, mut after) in self.sums.column_iter().zip(next.column_iter_mut()) {
            let entries = sums.iter().zip(after.iter_mut());
            for (neuron, (sum, after)) in layer.neurons().zip(entries) {
                // An integer that `T` holds.
                #[allow(clippy::cast_possible_truncation)]
                let sum = sum.widen() as i64;
                *after = neuron.requantization.apply(neuron.bias + sum);
            }
        }
    }
}

/// Gives `matrix` a shape; what it holds is overwritten next.
fn resize(matrix: &mut DMatrix<i64>, rows: usize, columns: usize) {
    if matrix.shape() != (rows, columns) {
        *matrix = DMatrix::zeros(rows, columns);
    }
}
