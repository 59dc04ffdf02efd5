//! Layers: what a network is a sequence of.

use core::fmt;

use crate::{Activation, Affine, Convolution, LayerError, Pool, Residual, Scale, Select, Shape};

/// One layer of a [`Network`](crate::Network).
///
/// Passes match on this and return a typed error for a kind that they do not
/// know; callers that only build, load, compress and certify never match.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// `y = W x + b`.
    Affine(Affine),
    /// The same weights for every window of an image.
    Convolution(Convolution),
    /// Averages or maxima of windows.
    Pool(Pool),
    /// A factor and an offset for every channel.
    Scale(Scale),
    /// Every output one of the inputs, or zero.
    Select(Select),
    /// The same values as a vector.
    Flatten,
    /// The sum of two branches.
    Residual(Residual),
    /// A function applied to every neuron.
    Activation(Activation),
}

/// The kind of a layer, for messages and summaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerKind {
    /// [`Layer::Affine`].
    Affine,
    /// [`Layer::Convolution`].
    Convolution,
    /// [`Pool::Average`].
    AveragePool,
    /// [`Pool::GlobalAverage`].
    GlobalAveragePool,
    /// [`Pool::Max`].
    MaxPool,
    /// [`Layer::Scale`].
    Scale,
    /// [`Layer::Select`].
    Select,
    /// [`Layer::Flatten`].
    Flatten,
    /// [`Layer::Residual`].
    Residual,
    /// [`Activation::Relu`].
    Relu,
    /// [`Activation::LeakyRelu`].
    LeakyRelu,
    /// [`Activation::Sigmoid`].
    Sigmoid,
    /// [`Activation::Tanh`].
    Tanh,
    /// [`Activation::Clip`].
    Clip,
}

impl Layer {
    /// The kind of this layer.
    #[must_use]
    pub fn kind(&self) -> LayerKind {
        match self {
            Self::Affine(_) => LayerKind::Affine,
            Self::Convolution(_) => LayerKind::Convolution,
            Self::Pool(pool) => pool.kind(),
            Self::Scale(_) => LayerKind::Scale,
            Self::Select(_) => LayerKind::Select,
            Self::Flatten => LayerKind::Flatten,
            Self::Residual(_) => LayerKind::Residual,
            Self::Activation(activation) => activation.kind(),
        }
    }

    /// The affine layer inside, if this is one.
    #[must_use]
    pub fn as_affine(&self) -> Option<&Affine> {
        match self {
            Self::Affine(affine) => Some(affine),
            _ => None,
        }
    }

    /// The weights and biases of this layer as a matrix and a vector: an affine
    /// layer itself, the filters of a convolution.
    ///
    /// `None` for a block: its layers have weights.
    #[must_use]
    pub fn weights(&self) -> Option<&Affine> {
        match self {
            Self::Affine(affine) => Some(affine),
            Self::Convolution(convolution) => Some(&convolution.filters),
            Self::Pool(_)
            | Self::Scale(_)
            | Self::Select(_)
            | Self::Flatten
            | Self::Residual(_)
            | Self::Activation(_) => None,
        }
    }

    /// The shape that comes out when `input` goes in.
    ///
    /// # Errors
    ///
    /// [`LayerError`] when the layer does not fit that shape, or itself.
    pub fn output_shape(&self, input: &Shape) -> Result<Shape, LayerError> {
        match self {
            Self::Affine(affine) if affine.inputs() == input.len() => Ok(affine.outputs().into()),
            Self::Affine(affine) => {
                Err(LayerError::Inputs { expected: affine.inputs(), found: input.len() })
            }
            Self::Convolution(convolution) => convolution.output_shape(input),
            Self::Pool(pool) => pool.output_shape(input),
            Self::Scale(scale) => scale.output_shape(input),
            Self::Select(select) => select.output_shape(input),
            Self::Flatten => Ok(input.len().into()),
            Self::Residual(block) => block.output_shape(input),
            Self::Activation(_) => Ok(input.clone()),
        }
    }

    /// Whether the two layers are the same up to their weights, biases and scales.
    ///
    /// The layers of a block are not compared, only that both are blocks.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Affine(_), Self::Affine(_))
            | (Self::Scale(_), Self::Scale(_))
            | (Self::Flatten, Self::Flatten)
            | (Self::Residual(_), Self::Residual(_)) => true,
            (Self::Convolution(a), Self::Convolution(b)) => {
                (a.window, a.groups) == (b.window, b.groups)
            }
            (Self::Pool(a), Self::Pool(b)) => a == b,
            (Self::Select(a), Self::Select(b)) => a == b,
            (Self::Activation(a), Self::Activation(b)) => a == b,
            _ => false,
        }
    }
}

/// Calls `visit` with every layer, those of a block after the block, body first.
pub(crate) fn walk<'a>(layers: &'a [Layer], visit: &mut impl FnMut(&'a Layer)) {
    for layer in layers {
        visit(layer);
        if let Layer::Residual(block) = layer {
            for (_, layers) in block.branches() {
                walk(layers, visit);
            }
        }
    }
}

/// The same layers, with every one that is no block replaced; in the order of [`walk`].
pub(crate) fn map(layers: &[Layer], change: &mut impl FnMut(&Layer) -> Layer) -> Vec<Layer> {
    let each = |layer: &Layer| match layer {
        Layer::Residual(block) => Layer::Residual(Residual {
            body: map(&block.body, change),
            shortcut: map(&block.shortcut, change),
        }),
        layer => change(layer),
    };
    layers.iter().map(each).collect()
}

macro_rules! from {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Layer {
            fn from(layer: $kind) -> Self {
                Self::$kind(layer)
            }
        }
    )*};
}

from!(Affine, Convolution, Pool, Scale, Select, Residual, Activation);

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Affine => "affine",
            Self::Convolution => "convolution",
            Self::AveragePool => "average pooling",
            Self::GlobalAveragePool => "global average pooling",
            Self::MaxPool => "max pooling",
            Self::Scale => "scale",
            Self::Select => "selection",
            Self::Flatten => "flatten",
            Self::Residual => "residual block",
            Self::Relu => "ReLU",
            Self::LeakyRelu => "LeakyReLU",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Clip => "clip",
        })
    }
}
