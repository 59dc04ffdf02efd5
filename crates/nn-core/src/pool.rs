//! Pooling: averages and maxima of windows, channel by channel.

use crate::{LayerError, LayerKind, Real, Shape, Window};

/// The average or the largest of the values in each window of each channel.
///
/// ```text
/// average:        y_{c,i,j} = Σ_{window} x_{c,·,·} · w,  w the f64 nearest to 1 / count
/// global average: y_c       = Σ_{image}  x_{c,·,·} · w,  w the f64 nearest to 1 / (height · width)
/// max:            y_{c,i,j} = max_{window} x_{c,·,·}
/// ```
///
/// An average is a linear map *with `f64` weights*, like any other: what is
/// certified is that map. Where the count is a power of two it is the exact average;
/// elsewhere it is off by a relative `2^-53`.
///
/// Maxima never look at padding. Averages see zeros there.
///
/// # Examples
///
/// ```
/// use nncert_core::{Network, Pool, Shape, Window};
/// let image = Shape::new([1, 2, 3]);
/// let window = Window::new([2, 2]);
/// let x = [1.0, 2.0, 3.0, 4.0, 5.0, 7.0];
/// let average = Pool::Average { window, count_include_pad: true };
/// let network = Network::new(image.clone(), vec![average.into()])?;
/// assert_eq!(network.evaluate(&x)?.as_slice(), [3.0, 4.25]);
/// let network = Network::new(image, vec![Pool::Max { window }.into()])?;
/// assert_eq!(network.evaluate(&x)?.as_slice(), [5.0, 7.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pool {
    /// The average of each window.
    Average {
        /// The window.
        window: Window,
        /// Whether the padding counts: then the sum is always divided by the size
        /// of the window, otherwise by the number of values in it.
        count_include_pad: bool,
    },
    /// The average of each channel; the result is `[channels, 1, 1]`.
    GlobalAverage,
    /// The largest value of each window.
    Max {
        /// The window.
        window: Window,
    },
}

impl Pool {
    /// The kind of a layer with this pooling.
    #[must_use]
    pub const fn kind(&self) -> LayerKind {
        match self {
            Self::Average { .. } => LayerKind::AveragePool,
            Self::GlobalAverage => LayerKind::GlobalAveragePool,
            Self::Max { .. } => LayerKind::MaxPool,
        }
    }

    /// The shape that comes out: `[channels, rows, columns]`.
    ///
    /// # Errors
    ///
    /// [`LayerError`] when `input` is no image, the window does not fit, or an
    /// output would look at padding alone.
    pub fn output_shape(&self, input: &Shape) -> Result<Shape, LayerError> {
        let [channels, height, width] = input.image()?;
        let window = self.window([height, width]);
        let [rows, columns] = window.output([height, width])?;
        // Where the padding counts, an average of padding is 0.
        if !matches!(self, Self::Average { count_include_pad: true, .. }) {
            window.check_covers([height, width])?;
        }
        Ok(Shape::new([channels, rows, columns]))
    }

    /// The window; for a global average, the whole image.
    #[must_use]
    pub const fn window(&self, image: [usize; 2]) -> Window {
        match self {
            Self::Average { window, .. } | Self::Max { window } => *window,
            Self::GlobalAverage => Window::new(image),
        }
    }

    /// The weight of each value in a window that holds `inside` of them; `None`
    /// for a maximum.
    #[must_use]
    pub fn weight(&self, window: &Window, inside: usize) -> Option<f64> {
        match self {
            Self::Average { count_include_pad: true, .. } | Self::GlobalAverage => {
                Some(1.0 / window.len() as f64)
            }
            Self::Average { .. } => Some(1.0 / inside as f64),
            Self::Max { .. } => None,
        }
    }

    /// Calls `visit` with every window of one channel, in the order of the outputs:
    /// the places in the channel, and the weight of each, `None` for a maximum.
    pub fn for_each_window(&self, image: [usize; 2], mut visit: impl FnMut(&[usize], Option<f64>)) {
        let window = self.window(image);
        let Ok([rows, columns]) = window.output(image) else { return };
        let taps = |axis: usize, outputs| -> Vec<Vec<usize>> {
            let places = |output| window.taps(axis, output, image[axis]).map(|(_, at)| at);
            (0..outputs).map(|output| places(output).collect()).collect()
        };
        let (vertical, horizontal) = (taps(0, rows), taps(1, columns));
        let mut places = Vec::with_capacity(vertical.len().min(64) * horizontal.len().min(64));
        for at_rows in &vertical {
            for at_columns in &horizontal {
                places.clear();
                for row in at_rows {
                    places.extend(at_columns.iter().map(|column| row * image[1] + column));
                }
                visit(&places, self.weight(&window, places.len()));
            }
        }
    }
}

/// Pools one input, channel by channel; both slices are row-major.
pub(crate) fn apply<T: Real>(pool: &Pool, [_, height, width]: [usize; 3], x: &[T], y: &mut [T]) {
    let channels = x.len() / (height * width);
    let outputs = y.len() / channels;
    let mut output = 0;
    pool.for_each_window([height, width], |places, weight| {
        for channel in 0..channels {
            let image = &x[channel * height * width..][..height * width];
            let values = places.iter().map(|place| image[*place]);
            y[channel * outputs + output] = match weight {
                Some(weight) => {
                    let sum = values.fold(T::nearest(0.0), |sum, value| sum + value);
                    sum * T::nearest(weight)
                }
                None => values.fold(T::nearest(f64::NEG_INFINITY), larger),
            };
        }
        output += 1;
    });
}

/// The larger of two numbers; NaN if either is.
fn larger<T: Real>(a: T, b: T) -> T {
    #[allow(clippy::eq_op)]
    if a > b || a != a { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_counted_or_not_and_never_the_largest() {
        let window = Window { stride: [2, 2], ..Window::new([2, 2]) }.padded(1);
        let x = [-1.0, -2.0, -3.0, -4.0];
        let run = |pool: Pool| {
            let mut y = [0.0f64; 4];
            apply(&pool, [1, 2, 2], &x, &mut y);
            y
        };
        assert_eq!(run(Pool::Max { window }), x);
        assert_eq!(run(Pool::Average { window, count_include_pad: false }), x);
        let quarters = [-0.25, -0.5, -0.75, -1.0];
        assert_eq!(run(Pool::Average { window, count_include_pad: true }), quarters);
        let mut y = [0.0];
        apply(&Pool::GlobalAverage, [1, 2, 2], &x, &mut y);
        assert_eq!(y, [-2.5]);
    }

    #[test]
    fn shapes() {
        let shape = |pool: Pool, input: &[usize]| pool.output_shape(&Shape::new(input));
        assert_eq!(shape(Pool::GlobalAverage, &[3, 4, 5]), Ok(Shape::new([3, 1, 1])));
        assert!(matches!(shape(Pool::GlobalAverage, &[3, 4]), Err(LayerError::Image { .. })));
        let padding = Window { stride: [2, 2], ..Window::new([1, 1]) }.padded(1);
        let bare = Err(LayerError::Bare { axis: "height", index: 0 });
        assert_eq!(shape(Pool::Max { window: padding }, &[1, 2, 2]), bare);
        let counted = Pool::Average { window: padding, count_include_pad: true };
        assert_eq!(shape(counted, &[1, 2, 2]), Ok(Shape::new([1, 2, 2])));
    }
}
