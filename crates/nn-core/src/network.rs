//! Networks: validated sequences of layers.

use core::fmt;

use nalgebra::{DMatrix, DVector};

use crate::{Affine, Layer, LayerKind, Shape};

/// The most layers that a network may have.
pub const MAX_LAYERS: usize = 4096;
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
        if layers.is_empty() {
            return Err(NetworkError::NoLayers);
        }
        if layers.len() > MAX_LAYERS {
            return Err(NetworkError::TooManyLayers { found: layers.len() });
        }
        let mut shapes = vec![input.into()];
        check_width(&shapes[0], None)?;
        let mut parameters = 0usize;
        for (index, layer) in layers.iter().enumerate() {
            let shape = &shapes[index];
            let output = layer.output_shape(shape).map_err(|expected| NetworkError::Shape {
                layer: index,
                kind: layer.kind(),
                expected,
                found: shape.len(),
            })?;
            check_width(&output, Some(index))?;
            if let Layer::Affine(affine) = layer {
                check_affine(affine, index)?;
                parameters = parameters
                    .saturating_add(affine.weight.len())
                    .saturating_add(affine.bias.len());
            }
            shapes.push(output);
        }
        if parameters > MAX_PARAMETERS {
            return Err(NetworkError::TooManyParameters { found: parameters });
        }
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

    /// The number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.shapes[self.layers.len()].len()
    }

    /// The affine layers, first to last.
    pub fn affine_layers(&self) -> impl Iterator<Item = &Affine> {
        self.layers.iter().filter_map(Layer::as_affine)
    }

    /// The number of weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.affine_layers().map(|affine| affine.weight.len() + affine.bias.len()).sum()
    }

    /// The same network with every affine layer replaced by `change(index, layer)`,
    /// where `index` counts affine layers from 0.
    ///
    /// # Errors
    ///
    /// As [`Network::new`], when the new layers do not make a network.
    pub fn map_affine(
        &self,
        mut change: impl FnMut(usize, &Affine) -> Affine,
    ) -> Result<Self, NetworkError> {
        let mut index = 0;
        let layers = self.layers.iter().map(|layer| match layer {
            Layer::Affine(affine) => {
                index += 1;
                Layer::Affine(change(index - 1, affine))
            }
            Layer::Activation(_) => layer.clone(),
        });
        Self::new(self.shapes[0].clone(), layers.collect())
    }
}

/// Widths as in `784-100-10`, for reports.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shapes[0])?;
        for (layer, shape) in self.layers.iter().zip(&self.shapes[1..]) {
            if layer.kind() == LayerKind::Affine {
                write!(f, "-{shape}")?;
            }
        }
        Ok(())
    }
}

/// Why layers do not make a [`Network`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// There is no layer.
    #[error("a network needs at least one layer")]
    NoLayers,
    /// More than [`MAX_LAYERS`].
    #[error("{found} layers are more than the limit of {MAX_LAYERS}")]
    TooManyLayers {
        /// How many there are.
        found: usize,
    },
    /// More than [`MAX_PARAMETERS`].
    #[error("{found} parameters are more than the limit of {MAX_PARAMETERS}")]
    TooManyParameters {
        /// How many there are.
        found: usize,
    },
    /// A layer does not fit the one before it.
    #[error("layer {layer} ({kind}): expected {expected} inputs, found {found}")]
    Shape {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
        /// The inputs that it takes.
        expected: usize,
        /// The values that it is given.
        found: usize,
    },
    /// A bias does not have one entry per row of the weight.
    #[error("layer {layer}: expected {expected} biases, found {found}")]
    Bias {
        /// The layer, counted from 0.
        layer: usize,
        /// The rows of the weight.
        expected: usize,
        /// The entries of the bias.
        found: usize,
    },
    /// A width is zero or above [`MAX_WIDTH`].
    #[error("{}: a width of {found} is outside 1 to {MAX_WIDTH}", place(*.layer))]
    Width {
        /// The layer whose output it is, or `None` for the network's input.
        layer: Option<usize>,
        /// The width.
        found: usize,
    },
    /// A weight is NaN, infinite or above [`MAX_MAGNITUDE`].
    #[error(
        "layer {layer}: weight[{row}, {column}] is {value}, which is not a number of at most {MAX_MAGNITUDE:e}"
    )]
    Weight {
        /// The layer, counted from 0.
        layer: usize,
        /// The output neuron.
        row: usize,
        /// The input neuron.
        column: usize,
        /// The weight.
        value: f64,
    },
    /// A bias entry is NaN, infinite or above [`MAX_MAGNITUDE`].
    #[error(
        "layer {layer}: bias[{row}] is {value}, which is not a number of at most {MAX_MAGNITUDE:e}"
    )]
    BiasValue {
        /// The layer, counted from 0.
        layer: usize,
        /// The output neuron.
        row: usize,
        /// The bias.
        value: f64,
    },
}

fn place(layer: Option<usize>) -> String {
    layer.map_or_else(|| "input".to_owned(), |index| format!("layer {index}"))
}

fn check_width(shape: &Shape, layer: Option<usize>) -> Result<(), NetworkError> {
    match shape.len() {
        1..=MAX_WIDTH => Ok(()),
        found => Err(NetworkError::Width { layer, found }),
    }
}

fn check_affine(affine: &Affine, layer: usize) -> Result<(), NetworkError> {
    if affine.bias.len() != affine.outputs() {
        let (expected, found) = (affine.outputs(), affine.bias.len());
        return Err(NetworkError::Bias { layer, expected, found });
    }
    if let Some((row, column, value)) = first_absurd(&affine.weight) {
        return Err(NetworkError::Weight { layer, row, column, value });
    }
    if let Some((row, value)) = absurd(affine.bias.as_slice()) {
        return Err(NetworkError::BiasValue { layer, row, value });
    }
    Ok(())
}

fn first_absurd(weight: &DMatrix<f64>) -> Option<(usize, usize, f64)> {
    let (index, value) = absurd(weight.as_slice())?;
    Some((index % weight.nrows(), index / weight.nrows(), value))
}

fn absurd(values: &[f64]) -> Option<(usize, f64)> {
    let fine = |value: &f64| value.abs() <= MAX_MAGNITUDE; // false for NaN
    let index = values.iter().position(|value| !fine(value))?;
    Some((index, values[index]))
}

impl Network {
    /// `f(x)` in `f64`, rounded as it comes.
    ///
    /// For many inputs use an [`Evaluator`](crate::Evaluator); for the exact value
    /// [`exact::evaluate`](crate::exact::evaluate).
    ///
    /// # Errors
    ///
    /// [`InputError`] when `x` does not have [`Network::inputs`] entries.
    pub fn evaluate(&self, x: &[f64]) -> Result<DVector<f64>, InputError> {
        InputError::check(self.inputs(), x.len())?;
        let mut value = DVector::from_column_slice(x);
        for layer in &self.layers {
            match layer {
                Layer::Affine(affine) => value = &affine.weight * value + &affine.bias,
                Layer::Activation(activation) => {
                    value.apply(|entry| *entry = activation.apply(*entry));
                }
            }
        }
        Ok(value)
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
