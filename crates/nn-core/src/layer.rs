//! Layers: what a network is a sequence of.

use core::fmt;

use crate::{Affine, Shape};

/// One layer of a [`Network`](crate::Network).
///
/// Passes match on this and return a typed error for a kind that they do not
/// know; callers that only build, load, compress and certify never match.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// `y = W x + b`.
    Affine(Affine),
    /// A function applied to every neuron.
    Activation(Activation),
}

/// A function of one number, applied to every neuron of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
}

/// The kind of a layer, for messages and summaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerKind {
    /// [`Layer::Affine`].
    Affine,
    /// [`Activation::Relu`].
    Relu,
}

impl Layer {
    /// The kind of this layer.
    #[must_use]
    pub fn kind(&self) -> LayerKind {
        match self {
            Self::Affine(_) => LayerKind::Affine,
            Self::Activation(Activation::Relu) => LayerKind::Relu,
        }
    }

    /// The affine layer inside, if this is one.
    #[must_use]
    pub fn as_affine(&self) -> Option<&Affine> {
        match self {
            Self::Affine(affine) => Some(affine),
            Self::Activation(_) => None,
        }
    }

    /// The shape that comes out when `input` goes in, or the input length that
    /// was expected instead.
    pub(crate) fn output_shape(&self, input: &Shape) -> Result<Shape, usize> {
        match self {
            Self::Affine(affine) if affine.inputs() == input.len() => Ok(affine.outputs().into()),
            Self::Affine(affine) => Err(affine.inputs()),
            Self::Activation(_) => Ok(input.clone()),
        }
    }
}

impl From<Affine> for Layer {
    fn from(affine: Affine) -> Self {
        Self::Affine(affine)
    }
}

impl From<Activation> for Layer {
    fn from(activation: Activation) -> Self {
        Self::Activation(activation)
    }
}

impl Activation {
    /// The function's value at `x`; NaN stays NaN.
    #[must_use]
    pub fn apply<T: crate::Real>(self, x: T) -> T {
        match self {
            Self::Relu if x < T::nearest(0.0) => T::nearest(0.0),
            Self::Relu => x,
        }
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Affine => "affine",
            Self::Relu => "ReLU",
        })
    }
}
