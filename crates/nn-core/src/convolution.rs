//! The convolution: one set of weights for every window of an image.

use nalgebra::{DMatrix, DVector};

use crate::{Affine, LayerError, Shape, Window};

/// A two-dimensional convolution (cross-correlation, as in every framework).
///
/// ```text
/// y_{o,i,j} = b_o + Σ_{c,p,q} W_{o,(c,p,q)} · x_{c', i·stride + p·dilation - before, j·...}
/// ```
///
/// Shapes: `[channels, height, width]` in and out, zeros where a window leaves the
/// image. The channels fall into `groups` of equal size; output channels of a
/// group see the input channels of the same group alone (`c'` is channel `c` of it).
///
/// The filters are held as an [`Affine`], one row an output channel: what is done
/// to the rows of a dense layer (rounding with a scale for each row, pruning)
/// is done to output channels in the same way.
///
/// Evaluation sums in the order of the columns of a filter, beginning with the bias.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Affine, Convolution, Network, Shape, Window};
///
/// let filters = Affine::new(dmatrix![1.0, 10.0, 100.0, 1000.0], dvector![0.5]);
/// let convolution = Convolution::new(filters, Window::new([2, 2]));
/// let network = Network::new(Shape::new([1, 2, 3]), vec![convolution.into()])?;
/// let y = network.evaluate(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!(y.as_slice(), [5421.5, 6532.5]);
/// assert_eq!(network.to_string(), "1x2x3-1x1x2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// One row for each output channel; the columns are `(channel of the group, row,
    /// column)` of the window, the last fastest. One bias for each output channel.
    pub filters: Affine,
    /// The window.
    pub window: Window,
    /// The number of groups; 1 for an ordinary convolution.
    pub groups: usize,
}

impl Convolution {
    /// The convolution in one group.
    #[must_use]
    pub fn new(filters: Affine, window: Window) -> Self {
        Self { filters, window, groups: 1 }
    }

    /// The number of input channels.
    #[must_use]
    pub fn input_channels(&self) -> usize {
        (self.filters.inputs() / self.window.len().max(1)).saturating_mul(self.groups)
    }

    /// The number of output channels.
    #[must_use]
    pub fn output_channels(&self) -> usize {
        self.filters.outputs()
    }

    /// The shape that comes out: `[output channels, rows, columns]`.
    ///
    /// # Errors
    ///
    /// [`LayerError`] when `input` is no image or has other channels, the groups do
    /// not divide the channels, or the window does not fit.
    pub fn output_shape(&self, input: &Shape) -> Result<Shape, LayerError> {
        let [channels, height, width] = input.image()?;
        let (groups, outputs) = (self.groups, self.output_channels());
        let [rows, columns] = self.window.output([height, width])?;
        for (which, found) in [("input", channels), ("output", outputs)] {
            if groups == 0 || !found.is_multiple_of(groups) {
                return Err(LayerError::Groups { groups, which, found });
            }
        }
        let found = self.filters.inputs();
        if !found.is_multiple_of(self.window.len()) {
            let expected = (channels / groups).saturating_mul(self.window.len());
            return Err(LayerError::Filters { expected, found });
        }
        if self.input_channels() != channels {
            let expected = self.input_channels();
            return Err(LayerError::Channels { expected, found: channels });
        }
        Ok(Shape::new([outputs, rows, columns]))
    }

    /// The same map as a dense layer. Large: for tests and small images.
    ///
    /// Guarantee: exact.
    ///
    /// # Errors
    ///
    /// As [`Convolution::output_shape`].
    pub fn to_affine(&self, input: &Shape) -> Result<Affine, LayerError> {
        let [channels, height, width] = input.image()?;
        let output = self.output_shape(input)?;
        let [outputs, rows, columns] = output.image()?;
        let (group_in, group_out) = (channels / self.groups, outputs / self.groups);
        let mut weight = DMatrix::zeros(output.len(), input.len());
        let bias = DVector::from_fn(output.len(), |at, _| self.filters.bias[at / (rows * columns)]);
        for at in 0..output.len() {
            let (o, i, j) = (at / (rows * columns), at / columns % rows, at % columns);
            for c in 0..group_in {
                let channel = o / group_out * group_in + c;
                for (p, row) in self.window.taps(0, i, height) {
                    for (q, column) in self.window.taps(1, j, width) {
                        let tap = (c * self.window.kernel[0] + p) * self.window.kernel[1] + q;
                        let place = (channel * height + row) * width + column;
                        weight[(at, place)] = self.filters.weight[(o, tap)];
                    }
                }
            }
        }
        Ok(Affine::new(weight, bias))
    }
}
