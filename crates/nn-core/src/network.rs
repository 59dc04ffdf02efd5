//! Networks: validated sequences of layers.

use core::fmt;

mod check;
mod error;

use nalgebra::DVector;

pub use self::error::NetworkError;
use crate::{Affine, Layer, LayerKind, Shape, evaluate, layer};

/// The most layers that a network may have, blocks and what they hold.
pub const MAX_LAYERS: usize = 4096;
/// How deep residual blocks may be nested.
pub const MAX_NESTING: usize = 8;
/// The most neurons that a layer may have.
pub const MAX_WIDTH: usize = 1 << 24;
/// The most weights and biases that a network may have.
pub const MAX_PARAMETERS: usize = 1 << 30;
/// The largest absolute value of a weight or a bias.
///
/// Far above anything trained; it keeps the products of the passes finite in
/// networks of any ordinary depth. A pass that overflows all the same says so.
pub const MAX_MAGNITUDE: f64 = 1e100;

/// A feed-forward network: a sequence of [`Layer`]s with fitting shapes.
///
/// ```text
/// f(x) = layer_L( ... layer_2(layer_1(x)) )
/// ```
///
/// Everything is checked once, here: at least one layer, shapes that fit,
/// finite weights no larger than [`MAX_MAGNITUDE`], sizes within [`MAX_LAYERS`],
/// [`MAX_WIDTH`] and [`MAX_PARAMETERS`]. After that every pass relies on it, so
/// a network cannot be changed in place.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Activation, Affine, Network};
///
/// let network = Network::new(2, vec![
///     Affine::new(dmatrix![1.0, -1.0; 0.5, 2.0], dvector![0.0, -1.0]).into(),
///     Activation::Relu.into(),
///     Affine::new(dmatrix![1.0, 1.0], dvector![0.25]).into(),
/// ])?;
/// assert_eq!(network.evaluate(&[1.0, 2.0])?.as_slice(), [3.75]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layers: Vec<Layer>,
    /// The shape before layer `k`, and after the last.
    shapes: Vec<Shape>,
}

impl Network {
    /// The network with this input shape and these layers.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] names the layer (counted from 0) and what is wrong with it.
    pub fn new(input: impl Into<Shape>, layers: Vec<Layer>) -> Result<Self, NetworkError> {
        let shapes = check::check(input.into(), &layers)?;
        Ok(Self { layers, shapes })
    }

    /// The multilayer perceptron whose affine layers are these, with ReLU between them.
    ///
    /// # Errors
    ///
    /// As [`Network::new`].
    pub fn relu_mlp(affine: Vec<Affine>) -> Result<Self, NetworkError> {
        let input = affine.first().ok_or(NetworkError::NoLayers)?.inputs();
        let mut layers = Vec::with_capacity(2 * affine.len());
        for layer in affine {
            if !layers.is_empty() {
                layers.push(crate::Activation::Relu.into());
            }
            layers.push(layer.into());
        }
        Self::new(input, layers)
    }

    /// The layers, first to last.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The shape before each layer, and after the last: one more than the layers.
    #[must_use]
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.shapes[0].len()
    }

    /// The network with its output flattened and an affine layer behind it: differences of
    /// classes, say, or one score out of many.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] for a layer that does not take the network's outputs, or has weights
    /// that are not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// # use nalgebra::{dmatrix, dvector};
    /// # use nncert_core::{Affine, Network};
    /// let network = Network::relu_mlp(vec![Affine::new(dmatrix![1.0; 3.0], dvector![0.0, 0.5])])?;
    /// let margin = network.followed_by(Affine::new(dmatrix![1.0, -1.0], dvector![0.0]))?;
    /// assert_eq!(margin.evaluate(&[1.0])?.as_slice(), [-2.5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn followed_by(&self, last: Affine) -> Result<Self, NetworkError> {
        let behind = [Layer::Flatten, last.into()];
        let layers = self.layers.iter().cloned().chain(behind).collect();
        Self::new(self.shapes[0].clone(), layers)
    }

    /// The number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.shapes[self.layers.len()].len()
    }

    /// The affine (dense) layers, first to last, those of blocks included.
    pub fn affine_layers(&self) -> impl Iterator<Item = &Affine> {
        self.flat().into_iter().filter_map(Layer::as_affine)
    }

    /// The weights and biases of every layer that has some, first to last: affine
    /// layers, and the filters of convolutions with a row for each output channel.
    ///
    /// In a block, those of the body come before those of the shortcut. A
    /// [`Scale`](crate::Scale) is not among them.
    pub fn weights(&self) -> impl Iterator<Item = &Affine> {
        self.flat().into_iter().filter_map(Layer::weights)
    }

    /// The number of weights and biases, factors and offsets.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.flat().into_iter().map(check::numbers).sum()
    }

    /// The same network with every affine layer replaced by `change(index, layer)`,
    /// where `index` counts [`affine_layers`](Self::affine_layers) from 0.
    ///
    /// # Errors
    ///
    /// As [`Network::new`], when the new layers do not make a network.
    pub fn map_affine(
        &self,
        mut change: impl FnMut(usize, &Affine) -> Affine,
    ) -> Result<Self, NetworkError> {
        let mut index = 0;
        self.map(&mut |layer| match layer {
            Layer::Affine(affine) => {
                index += 1;
                Layer::Affine(change(index - 1, affine))
            }
            layer => layer.clone(),
        })
    }

    /// The same network with the weights and biases of every layer that has some
    /// replaced by `change(index, weights)`, where `index` counts
    /// [`weights`](Self::weights) from 0.
    ///
    /// # Errors
    ///
    /// As [`Network::new`], when the new layers do not make a network.
    pub fn map_weights(
        &self,
        mut change: impl FnMut(usize, &Affine) -> Affine,
    ) -> Result<Self, NetworkError> {
        let mut index = 0;
        self.map(&mut |layer| {
            let mut layer = layer.clone();
            let weights = match &mut layer {
                Layer::Affine(affine) => affine,
                Layer::Convolution(convolution) => &mut convolution.filters,
                _ => return layer,
            };
            *weights = change(index, weights);
            index += 1;
            layer
        })
    }

    fn map(&self, change: &mut impl FnMut(&Layer) -> Layer) -> Result<Self, NetworkError> {
        Self::new(self.shapes[0].clone(), layer::map(&self.layers, change))
    }

    /// Every layer, those of a block after the block, body first.
    pub(crate) fn flat(&self) -> Vec<&Layer> {
        let mut layers = Vec::with_capacity(self.layers.len());
        layer::walk(&self.layers, &mut |layer| layers.push(layer));
        layers
    }

    /// The first layer that is neither affine nor an activation, if there is one.
    pub(crate) fn first_beyond_chain(&self) -> Option<(usize, LayerKind)> {
        let chain = |layer: &Layer| matches!(layer, Layer::Affine(_) | Layer::Activation(_));
        let index = self.layers.iter().position(|layer| !chain(layer))?;
        Some((index, self.layers[index].kind()))
    }
}

/// Widths as in `784-100-10` and `1x28x28-16x14x14-10`, for reports; only layers with
/// weights, pooling and blocks count.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shapes[0])?;
        for (layer, shape) in self.layers.iter().zip(&self.shapes[1..]) {
            let counts = matches!(layer, Layer::Pool(_) | Layer::Residual(_));
            if counts || layer.weights().is_some() {
                write!(f, "-{shape}")?;
            }
        }
        Ok(())
    }
}

impl Network {
    /// `f(x)` in `f64`, rounded as it comes.
    ///
    /// For many inputs use an [`Evaluator`](crate::Evaluator); for the exact value
    /// [`exact::evaluate`](https://docs.rs/nncert-core/latest/nncert_core/exact).
    ///
    /// # Errors
    ///
    /// [`InputError`] when `x` does not have [`Network::inputs`] entries.
    pub fn evaluate(&self, x: &[f64]) -> Result<DVector<f64>, InputError> {
        InputError::check(self.inputs(), x.len())?;
        let value = DVector::from_column_slice(x);
        Ok(evaluate::layers(&self.layers, &self.shapes[0], value))
    }
}

/// An input of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} inputs, found {found}")]
pub struct InputError {
    /// The inputs that the network takes.
    pub expected: usize,
    /// The inputs that it was given.
    pub found: usize,
}

impl InputError {
    pub(crate) fn check(expected: usize, found: usize) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self { expected, found }) }
    }
}
