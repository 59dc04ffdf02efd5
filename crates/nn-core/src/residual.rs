//! Residual blocks: two branches whose results are added.

use core::fmt;

use crate::{Layer, LayerError, Shape};

/// `y = body(x) + shortcut(x)`.
///
/// Both branches are sequences of layers, which may hold blocks themselves; an
/// empty one is the identity.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Activation, Affine, Network, Residual};
///
/// let body = vec![Affine::new(dmatrix![-2.0], dvector![0.0]).into(), Activation::Relu.into()];
/// let block = Residual { body, shortcut: vec![] };
/// let network = Network::new(1, vec![block.into()])?;
/// assert_eq!(network.evaluate(&[-3.0])?.as_slice(), [3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Residual {
    /// The first branch.
    pub body: Vec<Layer>,
    /// The second; empty for an identity shortcut.
    pub shortcut: Vec<Layer>,
}

/// A branch of a [`Residual`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Branch {
    /// [`Residual::body`].
    Body,
    /// [`Residual::shortcut`].
    Shortcut,
}

impl Residual {
    /// Both branches, the body first.
    #[must_use]
    pub fn branches(&self) -> [(Branch, &[Layer]); 2] {
        [(Branch::Body, &self.body), (Branch::Shortcut, &self.shortcut)]
    }

    /// The shape that comes out of both branches.
    ///
    /// # Errors
    ///
    /// [`LayerError`] for a layer that does not fit, and for branches that give
    /// different shapes.
    pub fn output_shape(&self, input: &Shape) -> Result<Shape, LayerError> {
        let [body, shortcut] = self.branches().map(|(branch, layers)| {
            let mut shape = input.clone();
            for (layer, inner) in layers.iter().enumerate() {
                shape = inner.output_shape(&shape).map_err(|error| LayerError::Block {
                    branch,
                    layer,
                    kind: inner.kind(),
                    error: Box::new(error),
                })?;
            }
            Ok(shape)
        });
        let (body, shortcut) = (body?, shortcut?);
        if body == shortcut { Ok(body) } else { Err(LayerError::Branches { body, shortcut }) }
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "body",
            Self::Shortcut => "shortcut",
        })
    }
}
