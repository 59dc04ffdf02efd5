//! Convolutions of batches, without a matrix of all windows.
//!
//! Of each image there are copies, one for each column of the window (and, when the
//! window moves by several rows, for each row of it too): copy `q` has at `(i, j)` the
//! value that column `q` of the window sees at column `j` of the outputs. Then what
//! one tap of the window sees at all positions in turn is contiguous, and so are the
//! outputs of a channel:
//!
//! ```text
//! y[o][t] = b[o] + Σ_k W[o][k] · copies[start_k + t]
//! ```
//!
//! summed for some channels and two vectors of positions at a time, in the order of `k`
//! for every position of every image.

use core::ops::Range;

use nalgebra::DMatrix;
use pulp::{Arch, Simd, WithSimd};

use crate::product::reshape;
use crate::{Convolution, Real, Shape, Window};

/// How many numbers the copies hold at most, unless one row of outputs needs more.
const COPIED: usize = 1 << 16;

/// How many output channels are stored side by side.
const BLOCK: usize = 8;

/// The widest vector of any machine, in numbers.
const WIDEST: usize = 16;

/// A convolution ready to evaluate batches in `T`.
#[derive(Clone, Debug)]
pub(crate) struct Convolver<T> {
    geometry: Geometry,
    /// Where the values of each tap begin in the copies: `start_k`.
    starts: Vec<usize>,
    /// For each group, for each block of its channels, for each tap: one number a channel.
    filters: Vec<T>,
    bias: Vec<T>,
    rectified: bool,
}

#[derive(Clone, Copy, Debug)]
struct Geometry {
    window: Window,
    groups: usize,
    input: [usize; 3],
    output: [usize; 3],
    /// How many rows of outputs are computed from one set of copies.
    rows: usize,
    /// How many rows a copy has.
    lines: usize,
    /// How many rows of the window have copies of their own.
    phases: usize,
}

impl Geometry {
    fn new(window: Window, groups: usize, input: [usize; 3], output: [usize; 3]) -> Self {
        let shared = window.stride[0] == 1;
        let phases = if shared { 1 } else { window.kernel[0] };
        let beyond = if shared { (window.kernel[0] - 1) * window.dilation[0] } else { 0 };
        let line = input[0] / groups * phases * window.kernel[1] * output[2];
        let rows = (COPIED / line.max(1)).saturating_sub(beyond).clamp(1, output[1].max(1));
        Self { window, groups, input, output, rows, lines: rows + beyond, phases }
    }

    fn starts(&self) -> Vec<usize> {
        let [kernel_rows, kernel_columns] = self.window.kernel;
        let [_, _, columns] = self.output;
        let taps = self.input[0] / self.groups * self.window.len();
        let start = |tap: usize| {
            let (p, q) = (tap / kernel_columns % kernel_rows, tap % kernel_columns);
            let channel = tap / self.window.len();
            let (phase, line) =
                if self.phases == 1 { (0, p * self.window.dilation[0]) } else { (p, 0) };
            let copy = (channel * self.phases + phase) * kernel_columns + q;
            (copy * self.lines + line) * columns
        };
        (0..taps).map(start).collect()
    }

    /// The outputs whose tap at `shift` is inside an image of `size` values, on one axis.
    fn inside(&self, axis: usize, shift: usize, size: usize, outputs: usize) -> Range<usize> {
        let (before, stride) = (self.window.padding[axis][0], self.window.stride[axis]);
        let start = before.saturating_sub(shift).div_ceil(stride).min(outputs);
        let end = (size + before).saturating_sub(shift).div_ceil(stride).min(outputs);
        start..end.max(start)
    }

    /// Copies what the windows of the outputs in `rows` rows from `first` see of a group.
    fn copy<T: Real>(
        &self,
        image: &[T],
        group: usize,
        first: usize,
        rows: usize,
        copies: &mut [T],
    ) {
        let zero = T::nearest(0.0);
        let [channels, height, width] = self.input;
        let columns = self.output[2];
        let [vertical, horizontal] = self.window.stride;
        let [[above, _], [left, _]] = self.window.padding;
        let kernel_columns = self.window.kernel[1];
        let used = rows + self.lines - self.rows;
        let group_channels = channels / self.groups;
        for (copy, target) in copies.chunks_exact_mut(self.lines * columns).enumerate() {
            let (q, phase) = (copy % kernel_columns, copy / kernel_columns % self.phases);
            let channel = group * group_channels + copy / (kernel_columns * self.phases);
            let source = &image[channel * height * width..][..height * width];
            let (down, right) = (phase * self.window.dilation[0], q * self.window.dilation[1]);
            let inner = self.inside(1, right, width, columns);
            let within = self.inside(0, down, height, first + used);
            let within = within.start.max(first)..within.end.max(first);
            let target = &mut target[..used * columns];
            if inner.is_empty() || within.is_empty() {
                target.fill(zero);
                continue;
            }
            let (before, target) = target.split_at_mut((within.start - first) * columns);
            let (target, after) = target.split_at_mut(within.len() * columns);
            before.fill(zero);
            after.fill(zero);
            let row = within.start * vertical + down - above;
            let corner = row * width + inner.start * horizontal + right - left;
            if vertical == 1 && horizontal == 1 && columns == width {
                // All rows at once; what comes from a neighbouring row is overwritten.
                let target = &mut target[inner.start..];
                let count = target.len() - (columns - inner.end);
                target[..count].copy_from_slice(&source[corner..][..count]);
            } else {
                for (line, target) in target.chunks_exact_mut(columns).enumerate() {
                    let source = &source[corner + line * vertical * width..];
                    let target = &mut target[inner.clone()];
                    if horizontal == 1 {
                        target.copy_from_slice(&source[..target.len()]);
                    } else {
                        let source = source.iter().step_by(horizontal);
                        target.iter_mut().zip(source).for_each(|(target, value)| *target = *value);
                    }
                }
            }
            if inner.len() < columns {
                for target in target.chunks_exact_mut(columns) {
                    target[..inner.start].fill(zero);
                    target[inner.end..].fill(zero);
                }
            }
        }
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
        let geometry = Geometry::new(*window, *groups, input, output);
        let mut packed = Vec::with_capacity(filters.weight.len());
        let per_group = filters.outputs() / groups;
        for group in 0..*groups {
            for first in (0..per_group).step_by(BLOCK) {
                let (row, width) = (group * per_group + first, BLOCK.min(per_group - first));
                for value in filters.weight.rows(row, width).iter() {
                    packed.push(T::narrow(*value)?);
                }
            }
        }
        Ok(Self {
            starts: geometry.starts(),
            geometry,
            filters: packed,
            bias: filters.bias.iter().map(|value| T::narrow(*value)).collect::<Result<_, f64>>()?,
            rectified: false,
        })
    }

    /// Applies ReLU to the outputs from now on.
    pub(crate) fn rectify(&mut self) {
        self.rectified = true;
    }

    /// `output` has one column for each column of `input`, and is overwritten.
    pub(crate) fn run(&self, input: &DMatrix<T>, output: &mut DMatrix<T>, copies: &mut Vec<T>) {
        let Geometry { window, groups, rows: step, lines, phases, .. } = self.geometry;
        let [outputs, rows, columns] = self.geometry.output;
        let (positions, per_group) = (rows * columns, outputs / groups);
        let count = self.geometry.input[0] / groups * phases * window.kernel[1] * lines * columns;
        // The last vector may look beyond the end.
        copies.resize(count + WIDEST, T::nearest(0.0));
        reshape(output, outputs * positions, input.ncols());
        for (image, mut output) in input.column_iter().zip(output.column_iter_mut()) {
            for group in 0..groups {
                let channels = group * per_group..(group + 1) * per_group;
                let output = &mut output.as_mut_slice()
                    [channels.start * positions..channels.end * positions];
                let filters = &self.filters[channels.start * self.starts.len()..];
                for first in (0..rows).step_by(step) {
                    let rows = step.min(rows - first);
                    self.geometry.copy(image.as_slice(), group, first, rows, &mut copies[..count]);
                    Arch::new().dispatch(Tile {
                        starts: &self.starts,
                        filters: &filters[..per_group * self.starts.len()],
                        bias: &self.bias[channels.clone()],
                        copies,
                        channel: positions,
                        range: first * columns..(first + rows) * columns,
                        rectified: self.rectified,
                        output,
                    });
                }
            }
        }
    }
}

/// The outputs of one group at some positions of one image.
struct Tile<'a, T> {
    starts: &'a [usize],
    filters: &'a [T],
    bias: &'a [T],
    copies: &'a [T],
    /// How far the channels of the output are apart.
    channel: usize,
    /// The positions in the image; the first is where the copies begin.
    range: Range<usize>,
    rectified: bool,
    output: &'a mut [T],
}

impl<T: Real> WithSimd for Tile<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut at = 0;
        while at < self.range.len() {
            if self.range.len() - at > T::lanes::<S>() {
                self.panel::<S, 2>(simd, at);
                at += 2 * T::lanes::<S>();
            } else {
                self.panel::<S, 1>(simd, at);
                at += T::lanes::<S>();
            }
        }
    }
}

impl<T: Real> Tile<'_, T> {
    /// All channels at `VECTORS` vectors of positions.
    #[inline(always)]
    fn panel<S: Simd, const VECTORS: usize>(&mut self, simd: S, at: usize) {
        let mut channel = 0;
        while channel < self.bias.len() {
            let left = (self.bias.len() - channel).min(BLOCK - channel % BLOCK);
            // So many sums as registers hold.
            channel += match left {
                8.. if S::REGISTER_COUNT >= 32 => self.sums::<S, 8, VECTORS>(simd, channel, at),
                4.. => self.sums::<S, 4, VECTORS>(simd, channel, at),
                2.. => self.sums::<S, 2, VECTORS>(simd, channel, at),
                _ => self.sums::<S, 1, VECTORS>(simd, channel, at),
            };
        }
    }

    /// `CHANNELS` channels at `VECTORS` vectors of positions; returns `CHANNELS`.
    #[inline(always)]
    fn sums<S: Simd, const CHANNELS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        first: usize,
        at: usize,
    ) -> usize {
        let lanes = T::lanes::<S>();
        let block = first / BLOCK * BLOCK;
        let width = BLOCK.min(self.bias.len() - block);
        let filters = &self.filters[block * self.starts.len()..][..width * self.starts.len()];
        let mut sums = [[T::repeat(simd, self.bias[first]); VECTORS]; CHANNELS];
        for (sum, bias) in sums.iter_mut().zip(&self.bias[first..]) {
            *sum = [T::repeat(simd, *bias); VECTORS];
        }
        for (start, weights) in self.starts.iter().zip(filters.chunks_exact(width)) {
            let values = &self.copies[start + at..][..VECTORS * lanes];
            let weights = &weights[first - block..][..CHANNELS];
            let values: [_; VECTORS] =
                core::array::from_fn(|v| T::load::<S>(&values[v * lanes..][..lanes]));
            for c in 0..CHANNELS {
                let weight = T::repeat(simd, weights[c]);
                for v in 0..VECTORS {
                    sums[c][v] = T::multiply_add(simd, weight, values[v], sums[c][v]);
                }
            }
        }
        for (c, sums) in sums.into_iter().enumerate() {
            let output = &mut self.output[(first + c) * self.channel..][self.range.clone()][at..];
            for (output, sum) in output.chunks_mut(lanes).zip(sums) {
                let sum = if self.rectified { T::rectify(simd, sum) } else { sum };
                T::store(simd, output, sum);
            }
        }
        CHANNELS
    }
}
