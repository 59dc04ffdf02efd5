//! The affine (dense, fully connected) layer.

use nalgebra::{DMatrix, DVector};

/// `y = W x + b`.
///
/// Shapes: `W` is `outputs × inputs`, `b` has `outputs` entries. The fields are
/// plain data; [`Network::new`](crate::Network::new) checks them once for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// `W`, one row per output neuron.
    pub weight: DMatrix<f64>,
    /// `b`, one entry per output neuron.
    pub bias: DVector<f64>,
}

impl Affine {
    /// The layer with these weights and biases.
    #[must_use]
    pub fn new(weight: DMatrix<f64>, bias: DVector<f64>) -> Self {
        Self { weight, bias }
    }

    /// The number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.weight.ncols()
    }

    /// The number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.weight.nrows()
    }
}
