//! The channel-wise affine layer: normalisations that were not folded.

use crate::{LayerError, Real, Shape};

/// `y = factor · x + offset`, with numbers of its own for every channel.
///
/// ```text
/// y_{c,i,j} = factor_c · x_{c,i,j} + offset_c
/// ```
///
/// The first axis of the shape is the channels; for a vector, every entry is one.
/// There can also be a number for every single value of an image. A diagonal
/// matrix: passes need no product for it.
///
/// What normalises inputs is kept in this form: folding it into the next layer
/// would round the weights of that, and is wrong beside zero padding.
///
/// # Examples
///
/// ```
/// use nncert_core::{Network, Scale, Shape};
/// let scale = Scale { factor: vec![2.0, 4.0], offset: vec![-1.0, 0.0] };
/// let network = Network::new(Shape::new([2, 1, 2]), vec![scale.into()])?;
/// assert_eq!(network.evaluate(&[1.0, 2.0, 3.0, 4.0])?.as_slice(), [1.0, 3.0, 12.0, 16.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// What a channel is multiplied by.
    pub factor: Vec<f64>,
    /// What is added to it.
    pub offset: Vec<f64>,
}

impl Scale {
    /// The shape that comes out: the one that goes in.
    ///
    /// # Errors
    ///
    /// [`LayerError`] when there are not as many numbers as channels (or values).
    pub fn output_shape(&self, input: &Shape) -> Result<Shape, LayerError> {
        let found = self.factor.len();
        if self.offset.len() != found {
            return Err(LayerError::Channels { expected: found, found: self.offset.len() });
        }
        let channels = input.axes().first().copied().unwrap_or(1);
        if found == channels || found == input.len() {
            Ok(input.clone())
        } else {
            Err(LayerError::Channels { expected: found, found: channels })
        }
    }

    /// The number that belongs to every value: `(factor, offset)`, in order.
    pub fn entries(&self, values: usize) -> impl Iterator<Item = (f64, f64)> {
        let run = values / self.factor.len().max(1);
        let pairs = self.factor.iter().copied().zip(self.offset.iter().copied());
        pairs.flat_map(move |pair| core::iter::repeat_n(pair, run))
    }
}

/// Scales the values of one input in place.
pub(crate) fn apply<T: Real>(factor: &[T], offset: &[T], values: &mut [T]) {
    let run = (values.len() / factor.len().max(1)).max(1);
    for (chunk, (factor, offset)) in values.chunks_mut(run).zip(factor.iter().zip(offset)) {
        for value in chunk {
            *value = *factor * *value + *offset;
        }
    }
}
