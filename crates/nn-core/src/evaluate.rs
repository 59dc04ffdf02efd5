//! Batched evaluation: one matrix product a layer for a whole batch.

use nalgebra::{DMatrix, DVector};

use crate::convolver::Convolver;
use crate::product::{multiply, reshape};
use crate::{Activation, InputError, Layer, Network, Pool, Real, Residual, Shape, pool, scale};

/// A network made ready to evaluate batches in `T`.
///
/// Holds the weights rounded to `T` and its buffers, so that repeated batches
/// of one size allocate nothing. Before the first dense layer it takes a few inputs
/// at a time, whose values stay in the cache.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Network, Evaluator};
/// # let network = Network::relu_mlp(vec![Affine::new(dmatrix![1.0, 2.0], dvector![0.5])])?;
/// let mut evaluator = Evaluator::<f32>::new(&network)?;
/// // Two inputs, one a column.
/// let batch = dmatrix![1.0, 0.0; 1.0, -1.0];
/// assert_eq!(evaluator.evaluate(&batch)?.as_slice(), [3.5, -1.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluator<T: Real> {
    inputs: usize,
    /// The stages before the first dense layer, what comes out of them, and how many
    /// inputs they take at a time.
    front: Vec<Stage<T>>,
    features: usize,
    step: usize,
    /// From the first dense layer on: one product for the whole batch.
    stages: Vec<Stage<T>>,
    /// Whether an input is a row from there on: a product whose larger factor lies as it is read
    /// need not copy it.
    rows: bool,
    buffers: Buffers<T>,
}

/// How many values the inputs taken at a time have at most before the first dense layer,
/// unless one has more.
const CACHED: usize = 1 << 16;

/// A layer with its numbers in `T`.
#[derive(Clone, Debug)]
enum Stage<T> {
    Affine {
        weight: DMatrix<T>,
        bias: Vec<T>,
    },
    /// The same for inputs that are rows: `weight` is transposed.
    AffineOfRows {
        weight: DMatrix<T>,
        bias: Vec<T>,
        rectified: bool,
    },
    Convolution(Convolver<T>),
    Pool {
        pool: Pool,
        image: [usize; 3],
        outputs: usize,
    },
    Scale {
        factor: Vec<T>,
        offset: Vec<T>,
    },
    Select(Vec<Option<usize>>),
    Flatten,
    Residual {
        body: Vec<Stage<T>>,
        shortcut: Vec<Stage<T>>,
        saved: DMatrix<T>,
        rectified: bool,
    },
    Activation(Activation),
}

/// Where values go on their way; the result of a stage is in `current`.
#[derive(Clone, Debug)]
struct Buffers<T> {
    current: DMatrix<T>,
    next: DMatrix<T>,
    joined: DMatrix<T>,
    copies: Vec<T>,
}

impl<T: Real> Buffers<T> {
    fn new() -> Self {
        Self { current: empty(), next: empty(), joined: empty(), copies: Vec::new() }
    }

    fn transpose(&mut self) {
        let (rows, columns) = self.current.shape();
        reshape(&mut self.next, columns, rows);
        self.current.transpose_to(&mut self.next);
        core::mem::swap(&mut self.current, &mut self.next);
    }
}

fn empty<T: Real>() -> DMatrix<T> {
    DMatrix::from_element(0, 0, T::nearest(0.0))
}

impl<T: Real> Evaluator<T> {
    /// Rounds the weights of `network` to the nearest `T`.
    ///
    /// # Errors
    ///
    /// [`EvaluatorError`] when a weight is beyond the range of `T`.
    pub fn new(network: &Network) -> Result<Self, EvaluatorError> {
        let layers = network.layers().iter().zip(network.shapes()).enumerate();
        let stage = |(layer, (kind, input)): (usize, (&Layer, &Shape))| {
            Stage::new(kind, input).map_err(|value| EvaluatorError { layer, value })
        };
        let mut front: Vec<_> = layers.map(stage).collect::<Result<_, _>>()?;
        let dense = front.iter().position(Stage::is_dense).unwrap_or(front.len());
        let mut stages = front.split_off(dense);
        let rows = stages.iter().all(Stage::is_blind_to_order);
        if rows {
            stages = stages.into_iter().map(Stage::of_rows).collect();
        }
        let shapes = &network.shapes()[..=dense];
        let widest = shapes.iter().map(Shape::len).max().unwrap_or(0);
        Ok(Self {
            inputs: network.inputs(),
            front: fuse(front),
            features: shapes.last().map_or(0, Shape::len),
            step: (CACHED / widest.max(1)).max(1),
            stages: fuse(stages),
            rows,
            buffers: Buffers::new(),
        })
    }

    /// The outputs for a batch: one column for each column of `inputs`.
    ///
    /// Shapes: `inputs` is `network.inputs() × batch`, the result
    /// `network.outputs() × batch`, valid until the next call.
    ///
    /// # Errors
    ///
    /// [`InputError`] when the columns have the wrong length.
    pub fn evaluate(&mut self, inputs: &DMatrix<T>) -> Result<&DMatrix<T>, InputError> {
        self.evaluate_seen(inputs, |_| {})
    }

    /// [`Evaluator::evaluate`] with a look at what enters each layer with weights, and each block.
    ///
    /// Layers come in their order; each is seen for all inputs, of which it may be given a few at a
    /// time. Blocks are seen as a whole, not inside. The outputs have the same bits.
    ///
    /// # Errors
    ///
    /// As [`Evaluator::evaluate`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use nalgebra::{dmatrix, dvector};
    /// # use nncert_core::{Affine, Network, Evaluator};
    /// let first = Affine::new(dmatrix![1.0; -1.0], dvector![0.5, 0.0]);
    /// let network = Network::relu_mlp(vec![first, Affine::new(dmatrix![1.0, 1.0], dvector![0.0])])?;
    /// let mut hidden = Vec::new();
    /// Evaluator::<f32>::new(&network)?.evaluate_seen(&dmatrix![2.0], |entering| {
    ///     if entering.layer == 1 {
    ///         hidden.extend(entering.values.iter().copied());
    ///     }
    /// })?;
    /// assert_eq!(hidden, [2.5, 0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evaluate_seen(
        &mut self,
        inputs: &DMatrix<T>,
        mut see: impl FnMut(Entering<'_, T>),
    ) -> Result<&DMatrix<T>, InputError> {
        InputError::check(self.inputs, inputs.nrows())?;
        let Self { front, features, step, buffers, .. } = self;
        let weighted = front.iter().filter(|stage| stage.is_seen()).count();
        if front.is_empty() {
            reshape(&mut buffers.current, inputs.nrows(), inputs.ncols());
            buffers.current.copy_from(inputs);
        } else {
            let mut joined = core::mem::replace(&mut buffers.joined, empty());
            reshape(&mut joined, *features, inputs.ncols());
            for first in (0..inputs.ncols()).step_by(*step) {
                let count = (*step).min(inputs.ncols() - first);
                reshape(&mut buffers.current, inputs.nrows(), count);
                buffers.current.copy_from(&inputs.columns(first, count));
                run_seen(front, buffers, (0, first, false), &mut see);
                joined.columns_mut(first, count).copy_from(&buffers.current);
            }
            buffers.joined = core::mem::replace(&mut buffers.current, joined);
        }
        if self.rows {
            self.buffers.transpose();
        }
        run_seen(&mut self.stages, &mut self.buffers, (weighted, 0, self.rows), &mut see);
        if self.rows {
            self.buffers.transpose();
        }
        Ok(&self.buffers.current)
    }
}

/// Runs stages, and shows what enters those that are seen: from layer `layer` on, for the inputs
/// from `first` on.
fn run_seen<T: Real>(
    stages: &mut [Stage<T>],
    buffers: &mut Buffers<T>,
    (mut layer, first, rows): (usize, usize, bool),
    see: &mut impl FnMut(Entering<'_, T>),
) {
    for stage in stages {
        if stage.is_seen() {
            see(Entering { layer, first, values: &buffers.current, rows });
            layer += 1;
        }
        stage.run(buffers);
    }
}

/// What enters a layer with weights, or a block, for some inputs of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Entering<'a, T> {
    /// Which of the layers with weights and of the blocks, counted from 0.
    pub layer: usize,
    /// The place of the first of these inputs in the batch.
    pub first: usize,
    /// The values, an input a column, or a row.
    pub values: &'a DMatrix<T>,
    /// Whether an input is a row.
    pub rows: bool,
}

impl<T: Real> Stage<T> {
    /// Fails with a number that `T` cannot hold. `input` is what the layer was checked with.
    fn new(layer: &Layer, input: &Shape) -> Result<Self, f64> {
        Ok(match layer {
            Layer::Affine(affine) => {
                let (rows, columns) = affine.weight.shape();
                let weight = DMatrix::from_vec(rows, columns, narrow(affine.weight.as_slice())?);
                Self::Affine { weight, bias: narrow(affine.bias.as_slice())? }
            }
            Layer::Convolution(convolution) => {
                Self::Convolution(Convolver::new(convolution, input)?)
            }
            Layer::Pool(pool) => {
                let outputs = layer.output_shape(input).map_or(0, |shape| shape.len());
                Self::Pool { pool: *pool, image: input.image().unwrap_or_default(), outputs }
            }
            Layer::Scale(scale) => {
                Self::Scale { factor: narrow(&scale.factor)?, offset: narrow(&scale.offset)? }
            }
            Layer::Select(select) => Self::Select(select.sources.clone()),
            Layer::Flatten => Self::Flatten,
            Layer::Residual(Residual { body, shortcut }) => Self::Residual {
                body: Self::branch(body, input)?,
                shortcut: Self::branch(shortcut, input)?,
                saved: empty(),
                rectified: false,
            },
            Layer::Activation(activation) => Self::Activation(*activation),
        })
    }

    fn branch(layers: &[Layer], input: &Shape) -> Result<Vec<Self>, f64> {
        let mut shape = input.clone();
        let stage = |layer: &Layer| {
            let stage = Self::new(layer, &shape)?;
            shape = layer.output_shape(&shape).unwrap_or_else(|_| shape.clone());
            Ok(stage)
        };
        layers.iter().map(stage).collect::<Result<_, _>>().map(fuse)
    }

    /// Whether it can take inputs that are rows.
    fn is_blind_to_order(&self) -> bool {
        matches!(self, Self::Affine { .. } | Self::Activation(_) | Self::Flatten)
    }

    /// The same for inputs that are rows.
    fn of_rows(self) -> Self {
        match self {
            Self::Affine { weight, bias } => {
                Self::AffineOfRows { weight: weight.transpose(), bias, rectified: false }
            }
            other => other,
        }
    }

    /// Whether [`Evaluator::evaluate_seen`] shows what enters it.
    fn is_seen(&self) -> bool {
        matches!(
            self,
            Self::Affine { .. }
                | Self::AffineOfRows { .. }
                | Self::Convolution(_)
                | Self::Residual { .. }
        )
    }

    /// Whether there is a product in it that is faster for many inputs.
    fn is_dense(&self) -> bool {
        match self {
            Self::Affine { .. } => true,
            Self::Residual { body, shortcut, .. } => {
                body.iter().chain(shortcut).any(Self::is_dense)
            }
            _ => false,
        }
    }

    fn run(&mut self, buffers: &mut Buffers<T>) {
        let Buffers { current, next, copies, .. } = buffers;
        let batch = current.ncols();
        match self {
            Self::Affine { weight, bias } => {
                reshape(next, weight.nrows(), batch);
                for mut column in next.column_iter_mut() {
                    column.as_mut_slice().copy_from_slice(bias);
                }
                multiply(next, true, weight, current);
            }
            Self::AffineOfRows { weight, bias, rectified } => {
                let inputs = current.nrows();
                reshape(next, inputs, weight.ncols());
                for (mut column, bias) in next.column_iter_mut().zip(&*bias) {
                    column.fill(*bias);
                }
                multiply(next, true, current, weight);
                if *rectified {
                    activate(Activation::Relu, next.as_mut_slice());
                }
            }
            Self::Convolution(convolver) => convolver.run(current, next, copies),
            Self::Pool { pool, image, outputs } => {
                reshape(next, *outputs, batch);
                for (x, mut y) in current.column_iter().zip(next.column_iter_mut()) {
                    pool::apply(pool, *image, x.as_slice(), y.as_mut_slice());
                }
            }
            Self::Select(sources) => {
                reshape(next, sources.len(), batch);
                for (x, mut y) in current.column_iter().zip(next.column_iter_mut()) {
                    for (target, source) in y.iter_mut().zip(sources.iter()) {
                        *target = source.map_or(T::nearest(0.0), |source| x[source]);
                    }
                }
            }
            Self::Flatten => return,
            Self::Scale { factor, offset } => {
                for mut column in current.column_iter_mut() {
                    scale::apply(factor, offset, column.as_mut_slice());
                }
                return;
            }
            Self::Activation(activation) => {
                activate(*activation, current.as_mut_slice());
                return;
            }
            Self::Residual { body, shortcut, saved, rectified } => {
                reshape(saved, current.nrows(), batch);
                saved.copy_from(current);
                body.iter_mut().for_each(|stage| stage.run(buffers));
                core::mem::swap(&mut buffers.current, saved);
                shortcut.iter_mut().for_each(|stage| stage.run(buffers));
                for (sum, value) in buffers.current.as_mut_slice().iter_mut().zip(saved.as_slice())
                {
                    let value = *sum + *value;
                    *sum = if *rectified { Activation::Relu.apply(value) } else { value };
                }
                return;
            }
        }
        core::mem::swap(current, next);
    }
}

/// Lets convolutions and sums apply the ReLU that follows them.
fn fuse<T: Real>(stages: Vec<Stage<T>>) -> Vec<Stage<T>> {
    let mut fused: Vec<Stage<T>> = Vec::with_capacity(stages.len());
    for stage in stages {
        match (fused.last_mut(), &stage) {
            (Some(Stage::Convolution(convolver)), Stage::Activation(Activation::Relu)) => {
                convolver.rectify();
            }
            (
                Some(Stage::Residual { rectified, .. } | Stage::AffineOfRows { rectified, .. }),
                Stage::Activation(Activation::Relu),
            ) => *rectified = true,
            _ => fused.push(stage),
        }
    }
    fused
}

fn activate<T: Real>(activation: Activation, values: &mut [T]) {
    for value in values {
        *value = activation.apply(*value);
    }
}

fn narrow<T: Real>(values: &[f64]) -> Result<Vec<T>, f64> {
    values.iter().copied().map(T::narrow).collect()
}

/// What a sequence of checked layers makes of one input, in `f64`.
pub(crate) fn layers(layers: &[Layer], input: &Shape, mut value: DVector<f64>) -> DVector<f64> {
    let mut shape = input.clone();
    let mut buffers = Buffers::new();
    for layer in layers {
        let output = layer.output_shape(&shape).unwrap_or_else(|_| shape.clone());
        value = match layer {
            Layer::Affine(affine) => &affine.weight * value + &affine.bias,
            Layer::Residual(Residual { body, shortcut }) => {
                self::layers(body, &shape, value.clone()) + self::layers(shortcut, &shape, value)
            }
            layer => {
                buffers.current = DMatrix::from_column_slice(value.len(), 1, value.as_slice());
                if let Ok(mut stage) = Stage::<f64>::new(layer, &shape) {
                    stage.run(&mut buffers);
                }
                buffers.current.column(0).into_owned()
            }
        };
        shape = output;
    }
    value
}

/// A weight that the element type of an [`Evaluator`] cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("layer {layer}: {value} is beyond the range of the evaluation type")]
pub struct EvaluatorError {
    /// The layer of the network, counted from 0; a block is one.
    pub layer: usize,
    /// The weight, bias, factor or offset.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Affine};
    use nalgebra::{dmatrix, dvector};

    fn network() -> Network {
        Network::relu_mlp(vec![
            Affine::new(dmatrix![1.0, -2.0; 0.5, 0.25; -1.0, 1.0], dvector![0.5, 0.0, -1.0]),
            Affine::new(dmatrix![1.0, 2.0, 4.0], dvector![0.125]),
        ])
        .unwrap()
    }

    #[test]
    fn batches_agree_with_single_inputs() {
        let network = network();
        assert_eq!(network.layers()[1], Activation::Relu.into());
        let mut evaluator = Evaluator::<f64>::new(&network).unwrap();
        for columns in [3, 1, 7] {
            let batch = DMatrix::from_fn(2, columns, |i, j| (i as f64 - 0.5) * (j as f64 - 2.0));
            let outputs = evaluator.evaluate(&batch).unwrap();
            for (column, output) in batch.column_iter().zip(outputs.column_iter()) {
                assert_eq!(network.evaluate(column.as_slice()).unwrap(), output);
            }
        }
    }

    /// What enters each layer is what comes out of those before it.
    #[test]
    fn what_is_seen_is_what_enters() {
        use crate::{Convolution, Window};

        let entry = |i: usize, j: usize| ((i * 7 + j * 5) % 11) as f64 / 8.0 - 0.5;
        let convolution = |outputs: usize, inputs: usize| -> Layer {
            let filters = Affine::new(
                DMatrix::from_fn(outputs, 9 * inputs, entry),
                DVector::from_fn(outputs, |i, _| entry(i, 1)),
            );
            Convolution::new(filters, Window::new([3, 3]).padded(1)).into()
        };
        let relu = || Layer::from(Activation::Relu);
        let block = Residual { body: vec![convolution(2, 2), relu()], shortcut: vec![] };
        let affine = |outputs, inputs| -> Layer {
            Affine::new(DMatrix::from_fn(outputs, inputs, entry), DVector::zeros(outputs)).into()
        };
        // Dense layers at the end take rows, unless something else is between them.
        let scale = crate::Scale { factor: vec![2.0; 5], offset: vec![0.5; 5] };
        for middle in [vec![], vec![Layer::from(scale)]] {
            let mut layers = vec![convolution(2, 1), relu(), block.clone().into(), relu()];
            layers.extend([Layer::Flatten, affine(5, 32), relu()]);
            layers.extend(middle);
            layers.push(affine(3, 5));
            let shape = Shape::new([1, 4, 4]);
            let network = Network::new(shape.clone(), layers.clone()).unwrap();
            let mut evaluator = Evaluator::<f64>::new(&network).unwrap();
            let batch = DMatrix::from_fn(16, 3, |i, j| entry(i, j + 2));
            let mut seen: Vec<Vec<DVector<f64>>> = Vec::new();
            let outputs = evaluator
                .evaluate_seen(&batch, |entering| {
                    let columns = match entering.rows {
                        true => entering.values.transpose(),
                        false => entering.values.clone(),
                    };
                    seen.resize(seen.len().max(entering.layer + 1), Vec::new());
                    assert_eq!(seen[entering.layer].len(), entering.first);
                    seen[entering.layer]
                        .extend(columns.column_iter().map(nalgebra::Matrix::into_owned));
                })
                .unwrap()
                .clone();
            assert_eq!(
                outputs,
                *Evaluator::<f64>::new(&network).unwrap().evaluate(&batch).unwrap()
            );
            let weighted = |layer: &Layer| {
                matches!(layer, Layer::Affine(_) | Layer::Convolution(_) | Layer::Residual(_))
            };
            let places: Vec<usize> = (0..layers.len()).filter(|i| weighted(&layers[*i])).collect();
            assert_eq!(seen.len(), places.len());
            for (seen, place) in seen.iter().zip(places) {
                for (column, seen) in batch.column_iter().zip(seen) {
                    let entering = super::layers(&layers[..place], &shape, column.into_owned());
                    assert!((seen - entering).amax() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn bad_inputs_are_named() {
        let mut evaluator = Evaluator::<f64>::new(&network()).unwrap();
        let error = evaluator.evaluate(&DMatrix::zeros(3, 1)).unwrap_err();
        assert_eq!(error.to_string(), "expected 2 inputs, found 3");
        let large = Network::relu_mlp(vec![Affine::new(dmatrix![1e39], dvector![0.0])]).unwrap();
        assert_eq!(
            Evaluator::<f32>::new(&large).unwrap_err(),
            EvaluatorError { layer: 0, value: 1e39 }
        );
    }
}
