//! Windows: what slides over an image in convolutions and pooling.

use crate::{LayerError, MAX_WIDTH};

/// A window that slides over the height and the width of an image.
///
/// ```text
/// output row y looks at input rows  y · stride + i · dilation - before,  i = 0, ..., kernel - 1
/// output rows = ⌊(before + rows + after - (kernel - 1) · dilation - 1) / stride⌋ + 1
/// ```
///
/// and columns likewise. Every pair is `[height, width]`, rows before columns.
/// The fields are plain data; [`Network::new`](crate::Network::new) checks them.
///
/// # Examples
///
/// ```
/// use nncert_core::Window;
/// let window = Window { stride: [2, 2], ..Window::new([3, 3]) }.padded(1);
/// assert_eq!(window.output([28, 28])?, [14, 14]);
/// assert_eq!(window.taps(0, 0, 28).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
/// # Ok::<(), nncert_core::LayerError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// How many values it looks at.
    pub kernel: [usize; 2],
    /// How far it moves from one output to the next.
    pub stride: [usize; 2],
    /// How far the values that it looks at are apart.
    pub dilation: [usize; 2],
    /// What is added `[before, after]` the image, for each axis.
    pub padding: [[usize; 2]; 2],
}

/// The two axes, for messages.
pub(crate) const AXES: [&str; 2] = ["height", "width"];

impl Window {
    /// A window of this size that moves by one, without gaps and padding.
    #[must_use]
    pub const fn new(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: [1, 1], dilation: [1, 1], padding: [[0, 0], [0, 0]] }
    }

    /// The same window with this padding on all four sides.
    #[must_use]
    pub const fn padded(self, padding: usize) -> Self {
        Self { padding: [[padding, padding], [padding, padding]], ..self }
    }

    /// The number of values that the window looks at.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1])
    }

    /// Whether the window looks at nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The height and width that come out for those that go in.
    ///
    /// # Errors
    ///
    /// [`LayerError`] for a field that is zero or absurd, and for a window that is
    /// larger than the padded image.
    pub fn output(&self, input: [usize; 2]) -> Result<[usize; 2], LayerError> {
        self.check()?;
        let mut output = [0; 2];
        for axis in 0..2 {
            let [before, after] = self.padding[axis];
            // Every summand is at most MAX_WIDTH, so nothing but the product can be large.
            let size = input[axis].saturating_add(before).saturating_add(after);
            let extent = self.extent(axis);
            if extent > size {
                return Err(LayerError::Window { axis: AXES[axis], extent, found: size });
            }
            output[axis] = (size - extent) / self.stride[axis] + 1;
        }
        Ok(output)
    }

    /// Where the window of one output lies on an axis (0 for the height, 1 for the
    /// width): the place in the kernel and the place in the input, without padding.
    pub fn taps(
        &self,
        axis: usize,
        output: usize,
        size: usize,
    ) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (stride, dilation) = (self.stride[axis], self.dilation[axis]);
        let before = self.padding[axis][0];
        (0..self.kernel[axis]).filter_map(move |place| {
            let input = (output * stride + place * dilation).checked_sub(before)?;
            (input < size).then_some((place, input))
        })
    }

    /// From the first value that the window looks at to the last.
    fn extent(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1).saturating_mul(self.dilation[axis]).saturating_add(1)
    }

    fn check(&self) -> Result<(), LayerError> {
        let fields =
            [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)];
        for (field, values) in fields {
            if let Some(&found) = values.iter().find(|value| !(1..=MAX_WIDTH).contains(*value)) {
                return Err(LayerError::Size { field, found });
            }
        }
        match self.padding.as_flattened().iter().find(|value| **value > MAX_WIDTH) {
            Some(&found) => Err(LayerError::Size { field: "padding", found }),
            None => Ok(()),
        }
    }

    /// Fails when some output would look at padding alone.
    pub(crate) fn check_covers(&self, input: [usize; 2]) -> Result<(), LayerError> {
        let output = self.output(input)?;
        for axis in 0..2 {
            let bare = |index: &usize| self.taps(axis, *index, input[axis]).next().is_none();
            if let Some(index) = (0..output[axis]).find(bare) {
                return Err(LayerError::Bare { axis: AXES[axis], index });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_formula() {
        let dilated = Window { dilation: [2, 3], ..Window::new([3, 2]) };
        assert_eq!(dilated.output([5, 4]), Ok([1, 1]));
        let error = dilated.output([5, 3]).unwrap_err();
        assert_eq!(error.to_string(), "a window of 4 is larger than the padded width of 3");
        let uneven = Window { padding: [[1, 0], [0, 2]], stride: [2, 1], ..Window::new([2, 2]) };
        assert_eq!(uneven.output([4, 4]), Ok([2, 5]));
    }

    #[test]
    fn absurd_fields_are_named() {
        let message = |window: Window| window.output([4, 4]).unwrap_err().to_string();
        assert!(message(Window::new([0, 1])).starts_with("a kernel of 0"));
        assert!(message(Window { stride: [1, 0], ..Window::new([1, 1]) }).starts_with("a stride"));
        assert!(message(Window::new([1, 1]).padded(usize::MAX)).starts_with("a padding of"));
        // Both taps of the second output miss the one row.
        let gap = Window { dilation: [2, 1], ..Window::new([2, 1]) };
        let gap = Window { padding: [[1, 1], [0, 0]], ..gap };
        assert_eq!(gap.output([1, 4]), Ok([1, 4]));
        assert_eq!(gap.check_covers([1, 4]), Err(LayerError::Bare { axis: "height", index: 0 }));
    }
}
