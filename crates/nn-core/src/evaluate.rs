//! Batched evaluation: one matrix product a layer for a whole batch.

use nalgebra::DMatrix;

use crate::{
    Activation, InputError, Layer, Network, Real,
    product::{multiply, reshape},
};

/// A network made ready to evaluate batches in `T`.
///
/// Holds the weights rounded to `T` and two buffers, so that repeated batches
/// of one size allocate nothing.
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
    stages: Vec<Stage<T>>,
    buffers: [DMatrix<T>; 2],
}

#[derive(Clone, Debug)]
enum Stage<T> {
    Affine { weight: DMatrix<T>, bias: Vec<T> },
    Activation(Activation),
}

impl<T: Real> Evaluator<T> {
    /// Rounds the weights of `network` to the nearest `T`.
    ///
    /// # Errors
    ///
    /// [`EvaluatorError`] when a weight is beyond the range of `T`.
    pub fn new(network: &Network) -> Result<Self, EvaluatorError> {
        let mut stages = Vec::with_capacity(network.layers().len());
        for (index, layer) in network.layers().iter().enumerate() {
            stages.push(match layer {
                Layer::Affine(affine) => {
                    let values = affine.weight.iter().chain(&affine.bias);
                    if let Some(value) = values.copied().find(|value| value.abs() > T::LARGEST) {
                        return Err(EvaluatorError { layer: index, value });
                    }
                    Stage::Affine {
                        weight: affine.weight.map(T::nearest),
                        bias: affine.bias.iter().copied().map(T::nearest).collect(),
                    }
                }
                Layer::Activation(activation) => Stage::Activation(*activation),
            });
        }
        let empty = || DMatrix::from_element(0, 0, T::nearest(0.0));
        Ok(Self { inputs: network.inputs(), stages, buffers: [empty(), empty()] })
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
        InputError::check(self.inputs, inputs.nrows())?;
        let zero = T::nearest(0.0);
        let [current, next] = &mut self.buffers;
        reshape(current, inputs.nrows(), inputs.ncols());
        current.copy_from(inputs);
        for stage in &self.stages {
            match stage {
                Stage::Affine { weight, bias } => {
                    reshape(next, weight.nrows(), current.ncols());
                    for mut column in next.column_iter_mut() {
                        column.as_mut_slice().copy_from_slice(bias);
                    }
                    multiply(next, true, weight, current);
                    core::mem::swap(current, next);
                }
                Stage::Activation(Activation::Relu) => {
                    for value in current.as_mut_slice() {
                        *value = if *value < zero { zero } else { *value };
                    }
                }
            }
        }
        Ok(current)
    }
}

/// A weight that the element type of an [`Evaluator`] cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("layer {layer}: {value} is beyond the range of the evaluation type")]
pub struct EvaluatorError {
    /// The layer, counted from 0.
    pub layer: usize,
    /// The weight or bias.
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
