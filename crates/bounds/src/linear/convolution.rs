//! Convolutions, backward and forward.

use std::sync::Arc;

use nalgebra::DMatrix;
use nncert_core::product::{multiply, reshape};
use nncert_core::{Convolution, Shape, Window};

use super::Room;
use super::sparse::Sparse;
use crate::intervals::Intervals;
use crate::kernel::Sums;
use crate::scratch::Scratch;

/// The map of a convolution: filters that slide over images of one size.
#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    /// For each group one row an output channel, one column a tap: `(channel, row, column)`.
    filters: Arc<Vec<DMatrix<f64>>>,
    window: Window,
    /// `[channels, height, width]`.
    input: [usize; 3],
    output: [usize; 3],
}

/// How many positions are multiplied at a time: their products stay in cache.
const POSITIONS: usize = 1024;

/// Some rows and columns of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patch {
    rows: [usize; 2],
    columns: [usize; 2],
}

impl Patch {
    fn len(&self) -> usize {
        (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])
    }
}

impl Correlation {
    /// The map and the bias of a convolution of inputs of this shape.
    pub(crate) fn new(
        convolution: &Convolution,
        input: &Shape,
        output: &Shape,
    ) -> Option<(Self, Vec<f64>)> {
        let Convolution { filters, window, groups } = convolution;
        let (input, output) = (input.image().ok()?, output.image().ok()?);
        let per_group = output[0] / groups;
        let group = |group: usize| filters.weight.rows(group * per_group, per_group).into_owned();
        let all = (0..*groups).map(group).collect();
        let positions = output[1] * output[2];
        let bias = filters.bias.iter().flat_map(|&b| core::iter::repeat_n(b, positions)).collect();
        Some((Self { filters: Arc::new(all), window: *window, input, output }, bias))
    }

    /// `self - other`; `None` when they differ in more than the values of their filters.
    pub(crate) fn minus(&self, other: &Self) -> Option<Self> {
        let structure = |map: &Self| {
            let shapes: Vec<_> = map.filters.iter().map(DMatrix::shape).collect();
            (map.window, map.input, map.output, shapes)
        };
        if structure(self) != structure(other) {
            return None;
        }
        let filters = self.filters.iter().zip(other.filters.iter()).map(|(f, g)| f - g).collect();
        Some(Self { filters: Arc::new(filters), ..self.clone() })
    }

    pub(crate) fn inputs(&self) -> usize {
        self.input.iter().product()
    }

    pub(crate) fn terms(&self) -> usize {
        // Forward over taps and channels in, backward over taps and channels out.
        self.taps() + self.filters[0].nrows() * self.window.len()
    }

    pub(crate) fn products(&self) -> usize {
        self.output.iter().product::<usize>() * self.taps()
    }

    fn taps(&self) -> usize {
        self.filters[0].ncols()
    }

    /// Calls `add` with the inputs and weights of a neuron.
    pub(crate) fn for_each_weight(&self, neuron: usize, add: &mut dyn FnMut(usize, f64)) {
        let [_, rows, columns] = self.output;
        let [_, height, width] = self.input;
        let (channel, i, j) =
            (neuron / (rows * columns), neuron / columns % rows, neuron % columns);
        let per_group = self.filters[0].nrows();
        let filters = &self.filters[channel / per_group];
        let channels = self.input[0] / self.filters.len();
        let first = channel / per_group * channels;
        let [kernel_rows, kernel_columns] = self.window.kernel;
        for c in 0..channels {
            for (p, row) in self.window.taps(0, i, height) {
                for (q, column) in self.window.taps(1, j, width) {
                    let tap = (c * kernel_rows + p) * kernel_columns + q;
                    let place = ((first + c) * height + row) * width + column;
                    add(place, filters[(channel % per_group, tap)]);
                }
            }
        }
    }

    /// The map of some inputs, weight by weight.
    pub(crate) fn to_sparse(&self, inputs: &[usize]) -> Sparse {
        let mut wanted = vec![false; self.inputs()];
        inputs.iter().for_each(|&input| wanted[input] = true);
        let outputs = self.output.iter().product();
        let mut entries = Vec::new();
        for output in 0..outputs {
            self.for_each_weight(output, &mut |input, weight| {
                if wanted[input] {
                    entries.push((output, input, weight));
                }
            });
        }
        Sparse::new(outputs, self.inputs(), entries)
    }

    pub(crate) fn add_image(
        &self,
        live: &[usize],
        input: &Intervals,
        sums: &mut Sums,
        scratch: &mut Scratch,
    ) {
        // Entries that are not there are zero.
        let mut around = [(); 3].map(|()| {
            let mut values = scratch.buffer(self.inputs());
            values.resize(self.inputs(), 0.0);
            values
        });
        for (&at, interval) in live.iter().zip(input.iter()) {
            let numbers = Sums::around(interval);
            around.iter_mut().zip(numbers).for_each(|(values, number)| values[at] = number);
        }
        let [centre, radius, size] = &around;
        self.for_each_line(|weight, from, to| {
            let (centre, radius, size) =
                (&centre[from.start..], &radius[from.start..], &size[from.start..]);
            for (sums, weight, numbers) in [
                (&mut sums.middle, weight, centre),
                (&mut sums.spread, weight.abs(), radius),
                (&mut sums.reach, weight.abs(), size),
            ] {
                from.add(weight, numbers, &mut sums[to.clone()]);
            }
        });
        around.into_iter().for_each(|values| scratch.give_buffer(values));
    }

    /// Forward: `out += M values`, one image a column.
    pub(super) fn push(&self, values: &DMatrix<f64>, out: &mut DMatrix<f64>) {
        let (width, height) = (values.nrows(), out.nrows());
        let columns = values.as_slice().chunks_exact(width);
        for (values, out) in columns.zip(out.as_mut_slice().chunks_exact_mut(height)) {
            self.for_each_line(|weight, from, to| {
                from.add(weight, &values[from.start..], &mut out[to]);
            });
        }
    }

    /// Calls with every weight and every row of outputs that it has a part in.
    fn for_each_line(&self, mut visit: impl FnMut(f64, Line, core::ops::Range<usize>)) {
        let [outputs, rows, columns] = self.output;
        let [_, height, width] = self.input;
        let per_group = self.filters[0].nrows();
        let channels = self.input[0] / self.filters.len();
        let [kernel_rows, kernel_columns] = self.window.kernel;
        for output in 0..outputs {
            let filters = &self.filters[output / per_group];
            for tap in 0..self.taps() {
                let (p, q) = (tap / kernel_columns % kernel_rows, tap % kernel_columns);
                let channel = output / per_group * channels + tap / (kernel_columns * kernel_rows);
                let weight = filters[(output % per_group, tap)];
                let (vertical, horizontal) = (self.inside(0, p), self.inside(1, q));
                for row in vertical.clone().filter(|row| *row < rows) {
                    let from = horizontal.start.min(columns)..horizontal.end.min(columns);
                    if from.is_empty() {
                        continue;
                    }
                    let y = self.source(0, row, p);
                    let x = self.source(1, from.start, q);
                    let start = (channel * height + y) * width + x;
                    let to = (output * rows + row) * columns;
                    let line = Line { start, step: self.window.stride[1] };
                    visit(weight, line, to + from.start..to + from.end);
                }
            }
        }
    }

    /// The outputs along an axis whose tap `place` is inside the image.
    fn inside(&self, axis: usize, place: usize) -> core::ops::Range<usize> {
        let (stride, before) = (self.window.stride[axis], self.window.padding[axis][0]);
        let (shift, size) = (place * self.window.dilation[axis], self.input[axis + 1]);
        before.saturating_sub(shift).div_ceil(stride)
            ..(size + before).saturating_sub(shift).div_ceil(stride).min(self.output[axis + 1])
    }

    /// Where a tap of an output is that is inside the image.
    fn source(&self, axis: usize, output: usize, place: usize) -> usize {
        output * self.window.stride[axis] + place * self.window.dilation[axis]
            - self.window.padding[axis][0]
    }

    /// Backward: `out += Mᵀ rows`, one image of coefficients a column.
    ///
    /// Rows that come from one neuron are zero outside a small patch, which is all that is
    /// multiplied.
    pub(super) fn pull(&self, rows: &DMatrix<f64>, out: &mut DMatrix<f64>, room: &mut Room) {
        let [outputs, height, width] = self.output;
        let positions = height * width;
        let per_group = self.filters[0].nrows();
        let (stride, target) = (rows.nrows(), out.nrows());
        let row = |index: usize| &rows.as_slice()[index * stride..][..outputs * positions];
        let Room { windows, products, patches } = room;
        let mut first = 0;
        while first < rows.ncols() {
            // As many rows as have some positions together.
            let mut count = 0;
            patches.clear();
            while first + patches.len() < rows.ncols() && (count == 0 || count < POSITIONS) {
                let patch = self.patch(row(first + patches.len()));
                count += patch.len();
                patches.push(patch);
            }
            for (group, filters) in self.filters.iter().enumerate() {
                if count == 0 {
                    continue;
                }
                reshape(windows, count, per_group);
                for (channel, block) in windows.as_mut_slice().chunks_exact_mut(count).enumerate() {
                    let plane = (group * per_group + channel) * positions;
                    let mut block = block;
                    for (at, patch) in patches.iter().enumerate() {
                        let image = &row(first + at)[plane..][..positions];
                        for y in patch.rows[0]..patch.rows[1] {
                            let line = &image[y * width..][patch.columns[0]..patch.columns[1]];
                            let (now, later) = block.split_at_mut(line.len());
                            now.copy_from_slice(line);
                            block = later;
                        }
                    }
                }
                reshape(products, count, filters.ncols());
                multiply(products, false, windows, filters);
                for (tap, block) in products.as_slice().chunks_exact(count).enumerate() {
                    let mut block = block;
                    for (at, patch) in patches.iter().enumerate() {
                        let out = &mut out.as_mut_slice()[(first + at) * target..][..target];
                        let (now, later) = block.split_at(patch.len());
                        self.add_tap(group, tap, *patch, now, out);
                        block = later;
                    }
                }
            }
            first += patches.len();
        }
    }

    /// The least patch outside which an image is zero in all channels. NaN is not zero.
    fn patch(&self, image: &[f64]) -> Patch {
        let [_, height, width] = self.output;
        let (mut rows, mut columns) = ([height, 0], [width, 0]);
        for (line, values) in image.chunks_exact(width).enumerate() {
            let Some(left) = values.iter().position(|value| *value != 0.0) else { continue };
            let right = values.iter().rposition(|value| *value != 0.0).map_or(left, |at| at) + 1;
            let y = line % height;
            rows = [rows[0].min(y), rows[1].max(y + 1)];
            columns = [columns[0].min(left), columns[1].max(right)];
        }
        if rows[1] == 0 { Patch { rows: [0, 0], columns: [0, 0] } } else { Patch { rows, columns } }
    }

    /// Adds what one tap takes from a patch of coefficients to where it looks.
    fn add_tap(&self, group: usize, tap: usize, patch: Patch, block: &[f64], out: &mut [f64]) {
        let [kernel_rows, kernel_columns] = self.window.kernel;
        let [_, height, width] = self.input;
        let (p, q) = (tap / kernel_columns % kernel_rows, tap % kernel_columns);
        let channels = self.input[0] / self.filters.len();
        let channel = group * channels + tap / (kernel_columns * kernel_rows);
        let (vertical, horizontal) = (self.inside(0, p), self.inside(1, q));
        let [left, right] = patch.columns;
        let from = horizontal.start.clamp(left, right);
        let to = horizontal.end.clamp(from, right);
        if from == to {
            return;
        }
        let x = self.source(1, from, q);
        for (y, line) in (patch.rows[0]..patch.rows[1]).zip(block.chunks_exact(right - left)) {
            if !vertical.contains(&y) {
                continue;
            }
            let start = (channel * height + self.source(0, y, p)) * width + x;
            let line = &line[from - left..to - left];
            if self.window.stride[1] == 1 {
                let target = &mut out[start..start + line.len()];
                target.iter_mut().zip(line).for_each(|(target, value)| *target += value);
            } else {
                let target = out[start..].iter_mut().step_by(self.window.stride[1]);
                target.zip(line).for_each(|(target, value)| *target += value);
            }
        }
    }
}

/// Where the values are that a weight meets in a row of outputs.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: usize,
    step: usize,
}

impl Line {
    /// Adds a weight times the values from its start on to sums.
    fn add(self, weight: f64, values: &[f64], sums: &mut [f64]) {
        if self.step == 1 {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        } else {
            let values = values.iter().step_by(self.step);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{Compact, Linear, linear_of_layer};
    use nalgebra::DVector;
    use nncert_core::{Affine, Interval, Layer};
    use proptest::prelude::*;

    /// A convolution with small integers, and the shape of its input.
    fn convolution() -> impl Strategy<Value = (Convolution, Shape)> {
        let pair = |most: usize| [1..=most, 1..=most];
        let padding = [[0..=2usize, 0..=2], [0..=2, 0..=2]];
        (pair(3), pair(2), pair(2), padding.map(|axis| axis), 1..=2usize, 1..=2usize, 1..=2usize)
            .prop_flat_map(|(kernel, stride, dilation, padding, groups, ins, outs)| {
                let window = Window { kernel, stride, dilation, padding };
                let least = [0, 1].map(|axis| {
                    let extent = (kernel[axis] - 1) * dilation[axis] + 1;
                    extent.saturating_sub(padding[axis][0] + padding[axis][1]).max(1)
                });
                let size = [least[0]..least[0] + 4, least[1]..least[1] + 4];
                let taps = ins * kernel[0] * kernel[1];
                let weights = prop::collection::vec(-4i32..5, taps * outs * groups);
                (size, weights).prop_map(move |(size, weights)| {
                    let mut weights = weights.into_iter().map(f64::from);
                    let weight =
                        DMatrix::from_fn(outs * groups, taps, |_, _| weights.next().unwrap());
                    let filters = Affine::new(weight, DVector::zeros(outs * groups));
                    (
                        Convolution { filters, window, groups },
                        Shape::new([ins * groups, size[0], size[1]]),
                    )
                })
            })
    }

    proptest! {
        // Small integers: every way to sum them is exact.
        #[test]
        fn a_convolution_is_its_matrix(
            (convolution, input) in convolution(),
            numbers in prop::collection::vec(-4i32..5, 64),
            keep in 1..5usize,
        ) {
            let Ok(affine) = convolution.to_affine(&input) else { return Ok(()) };
            let output = convolution.output_shape(&input).unwrap();
            let layer = Layer::from(convolution);
            let (map, _) = linear_of_layer(&layer, &input, &output).unwrap();
            let at = |k: usize| f64::from(numbers[k % numbers.len()]);
            let (m, n) = (output.len(), input.len());
            let rows = DMatrix::from_fn(m, 5, |i, j| if i % keep == j % keep { at(i * 5 + j) } else { 0.0 });
            let values = DMatrix::from_fn(n, 3, |i, j| at(i * 3 + j));
            let all = |count: usize| (0..count).collect::<Vec<_>>();
            let mut scratch = Scratch::default();
            let compact = map.compact(&all(m), &all(n), n, &mut scratch);
            let mut room = Room::default();
            let mut back = DMatrix::from_element(n, 5, 1.0);
            compact.pull(&rows, &mut back, true, &mut room);
            prop_assert_eq!(&back, &(affine.weight.transpose() * &rows).add_scalar(1.0));
            compact.pull(&rows, &mut back, false, &mut room);
            prop_assert_eq!(&back, &(affine.weight.transpose() * &rows));
            let mut ahead = DMatrix::zeros(m, 3);
            compact.push(&values, &mut ahead, false);
            prop_assert_eq!(&ahead, &(&affine.weight * &values));

            // Padded values: what is beyond the map stays out of it.
            let padded_rows = rows.clone().resize_vertically(m + 3, 0.0);
            let mut back = DMatrix::from_element(n + 2, 5, 1.0);
            compact.pull(&padded_rows, &mut back, false, &mut room);
            let expected = affine.weight.transpose() * &rows;
            prop_assert_eq!(&back, &expected.resize_vertically(n + 2, 0.0));
            let padded_values = values.clone().resize_vertically(n + 2, 7.0);
            let mut ahead = DMatrix::from_element(m + 3, 3, 1.0);
            compact.push(&padded_values, &mut ahead, false);
            let expected = &affine.weight * &values;
            prop_assert_eq!(&ahead, &expected.resize_vertically(m + 3, 0.0));

            // As a sparse map of some of the inputs.
            let some: Vec<usize> = (0..n).filter(|i| i % 2 == 0).collect();
            let sparse = Linear::Sparse(map.to_sparse(&some).unwrap());
            let Compact::Sparse(between) = sparse.compact(&all(m), &some, some.len(), &mut scratch) else {
                panic!("a sparse map stays sparse");
            };
            let mut back = DMatrix::zeros(some.len(), 5);
            between.pull(&rows, &mut back, false);
            prop_assert_eq!(back, (affine.weight.transpose() * &rows).select_rows(&some));

            // The sums of intervals, and the rows that start here.
            let input: Intervals =
                (0..n).map(|i| Interval::new(at(i) - 1.0, at(i) + 1.0)).collect();
            let zero = crate::dense::Bias::zeros(m);
            let (mut sums, mut expected) = (Sums::new(&zero), Sums::new(&zero));
            map.add_image(&all(n), &input, &mut sums, true, &mut scratch);
            let dense = Linear::Dense(crate::dense::Weights::Plain(&affine.weight));
            dense.add_image(&all(n), &input, &mut expected, true, &mut scratch);
            prop_assert_eq!(&sums.middle, &expected.middle);
            prop_assert_eq!(&sums.reach, &expected.reach);
            let neurons: Vec<usize> = (0..m).filter(|i| i % 3 == 0).collect();
            let zeros = vec![0.0; 2 * neurons.len() * (some.len() + 1)];
            let (mut seed, mut expected) = (zeros.clone(), zeros);
            map.seed(&neurons, &some, &mut seed, &mut scratch);
            dense.seed(&neurons, &some, &mut expected, &mut scratch);
            prop_assert_eq!(seed, expected);
        }
    }

    #[test]
    fn differences_want_the_same_structure() {
        let map = |size: [usize; 3], window: Window, groups: usize, value: f64| {
            let input = Shape::new(size);
            let weight = DMatrix::from_element(2, size[0] / groups * window.len(), value);
            let filters = Affine::new(weight, DVector::zeros(2));
            let convolution = Convolution { filters, window, groups };
            let output = convolution.output_shape(&input).unwrap();
            Correlation::new(&convolution, &input, &output).unwrap().0
        };
        let window = Window::new([2, 2]);
        let f = map([2, 5, 5], window, 1, 3.0);
        let difference = f.minus(&map([2, 5, 5], window, 1, 1.0)).unwrap();
        assert_eq!(*difference.filters, [DMatrix::from_element(2, 8, 2.0)]);
        let others = [
            map([2, 5, 6], window, 1, 1.0),
            map([2, 5, 5], window, 2, 1.0),
            map([2, 5, 5], Window { stride: [2, 1], ..window }, 1, 1.0),
            map([2, 5, 5], window.padded(1), 1, 1.0),
            map([2, 5, 5], Window::new([1, 4]), 1, 1.0),
        ];
        for other in others {
            assert!(f.minus(&other).is_none(), "{other:?}");
        }
    }
}
