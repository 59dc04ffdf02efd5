//! Shapes of the values that flow between layers.

use core::fmt;

use crate::LayerError;

/// The shape of a value: `[n]` for a vector, `[channels, height, width]` for an image.
///
/// Values are stored flat, row-major: the last axis runs fastest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape with these axes.
    #[must_use]
    pub fn new(axes: impl Into<Vec<usize>>) -> Self {
        Self(axes.into())
    }

    /// The axes, outermost first.
    #[must_use]
    pub fn axes(&self) -> &[usize] {
        &self.0
    }

    /// The number of values; saturates instead of overflowing.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().fold(1, |product, axis| product.saturating_mul(*axis))
    }

    /// The axes of an image: `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// [`LayerError::Image`] for another number of axes.
    pub fn image(&self) -> Result<[usize; 3], LayerError> {
        <[usize; 3]>::try_from(self.axes()).map_err(|_| LayerError::Image { found: self.clone() })
    }

    /// Whether some axis is zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<usize> for Shape {
    fn from(length: usize) -> Self {
        Self(vec![length])
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, axis) in self.0.iter().enumerate() {
            if index > 0 {
                write!(f, "x")?;
            }
            write!(f, "{axis}")?;
        }
        Ok(())
    }
}
