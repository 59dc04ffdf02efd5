//! The convolution: one set of weights for every window of an image.

use nalgebra::{DMatrix, DVector};

use crate::product::{multiply, reshape};
use crate::{Affine, LayerError, Real, Shape, Window};

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
/// Evaluation copies windows into a matrix, some thousand at a time from the whole
/// batch, and takes one product for each.
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

/// How many numbers the matrix of windows holds at most, unless one window has more.
const PATCH_ENTRIES: usize = 1 << 17;

/// A convolution ready to evaluate batches in `T`.
#[derive(Clone, Debug)]
pub(crate) struct Convolver<T> {
    geometry: Geometry,
    /// For each group: one column an output channel.
    filters: Vec<DMatrix<T>>,
    bias: Vec<T>,
}

/// What a convolver needs besides its weights; reused.
#[derive(Clone, Debug)]
pub(crate) struct Patches<T> {
    runs: Vec<Run>,
    windows: DMatrix<T>,
    products: DMatrix<T>,
}

#[derive(Clone, Copy, Debug)]
struct Geometry {
    window: Window,
    groups: usize,
    input: [usize; 3],
    output: [usize; 3],
}

impl<T: Real> Patches<T> {
    pub(crate) fn new() -> Self {
        let empty = || DMatrix::from_element(0, 0, T::nearest(0.0));
        Self { runs: Vec::new(), windows: empty(), products: empty() }
    }
}

impl<T: Real> Convolver<T> {
    /// Fails with a number that `T` cannot hold.
    ///
    /// `input` is a shape that the layer was checked with.
    pub(crate) fn new(convolution: &Convolution, input: &Shape) -> Result<Self, f64> {
        let Convolution { filters, window, groups } = convolution;
        let output = convolution.output_shape(input).and_then(|shape| shape.image());
        let (Ok(input), Ok(output)) = (input.image(), output) else { return Err(f64::NAN) };
        let per_group = filters.outputs() / groups;
        let narrow = |value: f64| T::narrow(value);
        let rows = |group: usize| filters.weight.rows(group * per_group, per_group).transpose();
        let group = |group: usize| {
            let numbers: Result<Vec<T>, f64> = rows(group).iter().copied().map(narrow).collect();
            Ok(DMatrix::from_vec(filters.inputs(), per_group, numbers?))
        };
        Ok(Self {
            geometry: Geometry { window: *window, groups: *groups, input, output },
            filters: (0..*groups).map(group).collect::<Result<_, f64>>()?,
            bias: filters.bias.iter().copied().map(narrow).collect::<Result<_, f64>>()?,
        })
    }

    /// `output` has one column for each column of `input`, and is overwritten.
    pub(crate) fn run(
        &self,
        input: &DMatrix<T>,
        output: &mut DMatrix<T>,
        patches: &mut Patches<T>,
    ) {
        let [outputs, rows, columns] = self.geometry.output;
        let positions = rows * columns;
        reshape(output, outputs * positions, input.ncols());
        let per_group = outputs / self.geometry.groups;
        for (group, filters) in self.filters.iter().enumerate() {
            let step = (PATCH_ENTRIES / filters.nrows()).max(1);
            let mut first = 0;
            while first < positions * input.ncols() {
                let count = step.min(positions * input.ncols() - first);
                reshape(&mut patches.windows, count, filters.nrows());
                self.geometry.runs(first, count, &mut patches.runs);
                self.geometry.gather(input.as_slice(), group, &patches.runs, &mut patches.windows);
                reshape(&mut patches.products, count, per_group);
                multiply(&mut patches.products, false, &patches.windows, filters);
                self.scatter(group, first, &patches.products, output);
                first += count;
            }
        }
    }

    /// Adds the biases and puts the products where they belong: each image whole,
    /// channel by channel.
    fn scatter(&self, group: usize, first: usize, products: &DMatrix<T>, output: &mut DMatrix<T>) {
        let [outputs, rows, columns] = self.geometry.output;
        let positions = rows * columns;
        for (channel, values) in products.as_slice().chunks_exact(products.nrows()).enumerate() {
            let channel = group * products.ncols() + channel;
            let (mut position, mut rest) = (first, values);
            while !rest.is_empty() {
                let (image, at) = (position / positions, position % positions);
                let (now, later) = rest.split_at(rest.len().min(positions - at));
                let place = (image * outputs + channel) * positions + at;
                let target = &mut output.as_mut_slice()[place..][..now.len()];
                for (target, value) in target.iter_mut().zip(now) {
                    *target = *value + self.bias[channel];
                }
                position += now.len();
                rest = later;
            }
        }
    }
}

/// Some windows of one row of outputs.
#[derive(Clone, Copy, Debug)]
struct Run {
    image: usize,
    row: usize,
    column: usize,
    len: usize,
}

impl Geometry {
    /// The windows of a row of outputs or part of it, for `count` positions from `first`.
    fn runs(&self, first: usize, count: usize, runs: &mut Vec<Run>) {
        let [_, rows, columns] = self.output;
        runs.clear();
        let (mut position, end) = (first, first + count);
        while position < end {
            let (row, column) = (position / columns, position % columns);
            let len = (columns - column).min(end - position);
            runs.push(Run { image: row / rows, row: row % rows, column, len });
            position += len;
        }
    }

    /// Fills one row of `windows` for each position: the values that the window
    /// there looks at, zero in the padding.
    fn gather<T: Real>(&self, input: &[T], group: usize, runs: &[Run], windows: &mut DMatrix<T>) {
        let [channels, height, width] = self.input;
        let [kernel_rows, kernel_columns] = self.window.kernel;
        let [vertical, horizontal] = self.window.stride;
        let [[above, _], [left, _]] = self.window.padding;
        let group_channels = channels / self.groups;
        let count = windows.nrows();
        for (tap, target) in windows.as_mut_slice().chunks_exact_mut(count).enumerate() {
            let (p, q) = (tap / kernel_columns % kernel_rows, tap % kernel_columns);
            let channel = group * group_channels + tap / (kernel_columns * kernel_rows);
            let (down, right) = (p * self.window.dilation[0], q * self.window.dilation[1]);
            // The output columns whose tap is inside the image.
            let inside = left.saturating_sub(right).div_ceil(horizontal)
                ..(width + left).saturating_sub(right).div_ceil(horizontal);
            let mut rest = target;
            for run in runs {
                let (part, later) = rest.split_at_mut(run.len);
                rest = later;
                let row =
                    (run.row * vertical + down).checked_sub(above).filter(|row| *row < height);
                let from = inside.start.clamp(run.column, run.column + run.len);
                let to = inside.end.clamp(from, run.column + run.len);
                let (Some(row), true) = (row, from < to) else {
                    part.fill(T::nearest(0.0));
                    continue;
                };
                let line = ((run.image * channels + channel) * height + row) * width;
                let source = &input[line..][..width][from * horizontal + right - left..];
                let (before, part) = part.split_at_mut(from - run.column);
                let (part, after) = part.split_at_mut(to - from);
                before.fill(T::nearest(0.0));
                after.fill(T::nearest(0.0));
                if horizontal == 1 {
                    part.copy_from_slice(&source[..part.len()]);
                } else {
                    for (target, value) in part.iter_mut().zip(source.iter().step_by(horizontal)) {
                        *target = *value;
                    }
                }
            }
        }
    }
}
