//! Selections: slices, zero padding, changes of shape.

use crate::{LayerError, Shape};

/// Every output is one of the inputs, or zero.
///
/// ```text
/// y_i = x_{source(i)}, or 0
/// ```
///
/// A matrix with at most one entry a row, which is 1. The shortcut of a CIFAR
/// ResNet (every second pixel, channels of zeros around) is one selection, and
/// so is any chain of slices, zero padding and reshapes. As a list of places, not
/// a sparse matrix of numbers: a pass substitutes backward by *moving* columns of
/// coefficients, without a product and, unless an input is selected twice, without
/// rounding.
///
/// # Examples
///
/// ```
/// use nncert_core::{Network, Select, Shape};
/// let input = Shape::new([1, 2, 2]);
/// // Every second row and column, and a channel of zeros before and after.
/// let select = Select::shortcut(&input, 2, [1, 1])?;
/// let network = Network::new(input, vec![select.into()])?;
/// assert_eq!(network.evaluate(&[1.0, 2.0, 3.0, 4.0])?.as_slice(), [0.0, 1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2016,
/// section 4.2 (option A).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Select {
    /// The number of inputs.
    pub inputs: usize,
    /// The shape that comes out.
    pub output: Shape,
    /// The input that each output is, or `None` for zero; one for each value of `output`.
    pub sources: Vec<Option<usize>>,
}

impl Select {
    /// The same values, in the same order, in another shape.
    #[must_use]
    pub fn reshape(output: Shape) -> Self {
        let inputs = output.len();
        Self { inputs, output, sources: (0..inputs).map(Some).collect() }
    }

    /// The shortcut without parameters of CIFAR ResNets (option A).
    ///
    /// Every `stride`-th row and column, from the first, with so many channels of
    /// zeros `[before, after]`.
    ///
    /// # Errors
    ///
    /// [`LayerError`] when `input` is no image, or `stride` is 0.
    pub fn shortcut(
        input: &Shape,
        stride: usize,
        channels: [usize; 2],
    ) -> Result<Self, LayerError> {
        input.image()?;
        let rows = Self::slice(input, 1, 0, usize::MAX, stride)?;
        let sliced = rows.then(&Self::slice(&rows.output, 2, 0, usize::MAX, stride)?);
        let pads = [channels, [0, 0], [0, 0]];
        Ok(sliced.then(&Self::pad(&sliced.output, &pads)?))
    }

    /// The entries `start, start + step, ...` before `end` of one axis.
    ///
    /// An `end` beyond the axis is its end.
    ///
    /// # Errors
    ///
    /// [`LayerError::Size`] for an axis that is not there, and for a step of 0.
    pub fn slice(
        input: &Shape,
        axis: usize,
        start: usize,
        end: usize,
        step: usize,
    ) -> Result<Self, LayerError> {
        let axes = input.axes();
        let size = *axes.get(axis).ok_or(LayerError::Size { field: "axis", found: axis })?;
        if step == 0 {
            return Err(LayerError::Size { field: "step", found: step });
        }
        let kept: Vec<usize> = (start..end.min(size)).step_by(step).collect();
        let mut output = axes.to_vec();
        output[axis] = kept.len();
        let inner: usize = axes[axis + 1..].iter().product();
        let outer: usize = axes[..axis].iter().product();
        let mut sources = Vec::with_capacity(outer * kept.len() * inner);
        for block in 0..outer {
            for place in &kept {
                let first = (block * size + place) * inner;
                sources.extend((first..first + inner).map(Some));
            }
        }
        Ok(Self { inputs: input.len(), output: Shape::new(output), sources })
    }

    /// Zeros `[before, after]` each axis.
    ///
    /// # Errors
    ///
    /// [`LayerError::Size`] when there is not one pair for each axis, or the result
    /// would be wider than any layer.
    pub fn pad(input: &Shape, pads: &[[usize; 2]]) -> Result<Self, LayerError> {
        let axes = input.axes();
        if pads.len() != axes.len() {
            return Err(LayerError::Size { field: "padding's axis count", found: pads.len() });
        }
        let sum = |(axis, [before, after]): (&usize, &[usize; 2])| {
            axis.saturating_add(*before).saturating_add(*after)
        };
        let output = Shape::new(axes.iter().zip(pads).map(sum).collect::<Vec<_>>());
        if output.len() > crate::MAX_WIDTH {
            return Err(LayerError::Size { field: "padded shape", found: output.len() });
        }
        let place = |mut index: usize| {
            let (mut source, mut unit) = (0, 1);
            for (axis, (size, [before, _])) in axes.iter().zip(pads).enumerate().rev() {
                let at = (index % output.axes()[axis]).checked_sub(*before)?;
                if at >= *size {
                    return None;
                }
                index /= output.axes()[axis];
                source += at * unit;
                unit *= size;
            }
            Some(source)
        };
        let sources = (0..output.len()).map(place).collect();
        Ok(Self { inputs: input.len(), output, sources })
    }

    /// This selection, then `next`, as one.
    ///
    /// # Panics
    ///
    /// When `next` selects beyond the outputs of this one.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let sources = next.sources.iter().map(|source| source.and_then(|at| self.sources[at]));
        Self { inputs: self.inputs, output: next.output.clone(), sources: sources.collect() }
    }

    /// Whether the values come out as they went in.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.inputs == self.sources.len()
            && self.sources.iter().enumerate().all(|(index, source)| *source == Some(index))
    }

    /// The shape that comes out, whatever the shape of the inputs is.
    ///
    /// # Errors
    ///
    /// [`LayerError`] for another number of inputs, or sources that do not fit.
    pub fn output_shape(&self, input: &Shape) -> Result<Shape, LayerError> {
        let (inputs, found) = (self.inputs, self.sources.len());
        if input.len() != inputs {
            return Err(LayerError::Inputs { expected: inputs, found: input.len() });
        }
        if self.output.len() != found {
            let (expected, shape) = (self.output.len(), self.output.clone());
            return Err(LayerError::Entries { expected, found, shape });
        }
        for (output, source) in self.sources.iter().enumerate() {
            if let Some(source_index) = source.filter(|source| *source >= inputs) {
                return Err(LayerError::Source { output, source_index, inputs });
            }
        }
        Ok(self.output.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_pads_of_every_axis() {
        let shape = Shape::new([2, 3]);
        let sources = |select: Select| (select.output.to_string(), select.sources);
        let some = |places: &[usize]| places.iter().copied().map(Some).collect::<Vec<_>>();
        let columns = Select::slice(&shape, 1, 0, 9, 2).unwrap();
        assert_eq!(sources(columns), ("2x2".to_owned(), some(&[0, 2, 3, 5])));
        let row = Select::slice(&shape, 0, 1, 2, 1).unwrap();
        assert_eq!(sources(row.clone()), ("1x3".to_owned(), some(&[3, 4, 5])));
        let padded = row.then(&Select::pad(&row.output, &[[1, 0], [0, 1]]).unwrap());
        let expected = [None, None, None, None, Some(3), Some(4), Some(5), None];
        assert_eq!(sources(padded), ("2x4".to_owned(), expected.to_vec()));
        assert!(Select::slice(&shape, 2, 0, 1, 1).is_err());
        assert!(Select::slice(&shape, 0, 0, 1, 0).is_err());
        assert!(Select::pad(&shape, &[[0, usize::MAX], [0, 0]]).is_err());
        assert!(Select::reshape(Shape::new([3, 2])).is_identity());
    }

    #[test]
    fn sources_that_do_not_fit_are_named() {
        let mut select = Select::reshape(Shape::new([2, 2]));
        let error = select.output_shape(&3.into()).unwrap_err();
        assert_eq!(error.to_string(), "expected 4 inputs, found 3");
        select.sources[1] = Some(4);
        let error = select.output_shape(&4.into()).unwrap_err();
        assert_eq!(error.to_string(), "output 1 is input 4, which is not one of 4");
        select.sources.pop();
        let error = select.output_shape(&4.into()).unwrap_err();
        assert_eq!(error.to_string(), "expected 4 entries for the shape 2x2, found 3");
    }
}
