//! Maps with few weights.

use std::sync::Arc;

use nalgebra::DMatrix;
use nncert_core::{Pool, Shape};

use crate::intervals::Intervals;
use crate::kernel::{Sums, padded};
use crate::scratch::Scratch;

/// Weights by their outputs.
#[derive(Clone, Debug)]
pub(crate) struct Sparse {
    inputs: usize,
    rows: Arc<Lists>,
    /// The longest list by inputs.
    fan_out: usize,
}

/// For each of some neurons a list of others and of weights.
#[derive(Clone, Debug, Default, PartialEq)]
struct Lists {
    /// Where each list begins, and where the last ends.
    starts: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

impl Lists {
    /// Lists for `count` neurons of pairs `(neuron, other, weight)`, in their order.
    fn new(
        count: usize,
        pairs: impl Iterator<Item = (usize, usize, f64)> + Clone,
        scratch: &mut Scratch,
    ) -> Self {
        let (mut starts, mut next) = (scratch.ends.take(count + 1), scratch.ends.take(count + 1));
        starts.resize(count + 1, 0);
        for (neuron, ..) in pairs.clone() {
            starts[neuron + 1] += 1;
        }
        for neuron in 0..count {
            starts[neuron + 1] += starts[neuron];
        }
        next.extend_from_slice(&starts);
        let mut entries = scratch.lists.take(starts[count]);
        entries.resize(starts[count], (0, 0.0));
        for (neuron, other, weight) in pairs {
            entries[next[neuron]] = (other, weight);
            next[neuron] += 1;
        }
        scratch.ends.give(next);
        Self { starts, entries }
    }

    fn recycle(self, scratch: &mut Scratch) {
        scratch.ends.give(self.starts);
        scratch.lists.give(self.entries);
    }

    fn count(&self) -> usize {
        self.starts.len() - 1
    }

    fn of(&self, neuron: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[neuron]..self.starts[neuron + 1]]
    }

    fn longest(&self) -> usize {
        self.starts.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0)
    }

    /// All triples `(neuron, other, weight)`.
    fn triples(&self) -> impl Iterator<Item = (usize, usize, f64)> + Clone {
        (0..self.count())
            .flat_map(|neuron| self.of(neuron).iter().map(move |&(other, w)| (neuron, other, w)))
    }

    /// `out[i] (+)= Σ w_ij v[j]` for every column; what has no list becomes zero.
    fn apply(&self, values: &DMatrix<f64>, out: &mut DMatrix<f64>, accumulate: bool) {
        for (values, mut out) in values.column_iter().zip(out.column_iter_mut()) {
            let values = values.as_slice();
            let (lists, rest) = out.as_mut_slice().split_at_mut(self.count());
            for (ends, out) in self.starts.windows(2).zip(lists) {
                let start = if accumulate { *out } else { 0.0 };
                let entries = &self.entries[ends[0]..ends[1]];
                *out = entries.iter().fold(start, |sum, (at, weight)| sum + weight * values[*at]);
            }
            if !accumulate {
                rest.fill(0.0);
            }
        }
    }
}

impl Sparse {
    /// A map of triples `(output, input, weight)`.
    pub(crate) fn new(outputs: usize, inputs: usize, entries: Vec<(usize, usize, f64)>) -> Self {
        let columns = entries.iter().map(|&(to, from, weight)| (from, to, weight));
        let scratch = &mut Scratch::default();
        let fan_out = Lists::new(inputs, columns, scratch).longest();
        let rows = Arc::new(Lists::new(outputs, entries.iter().copied(), scratch));
        Self { inputs, rows, fan_out }
    }

    /// The averages of windows; `None` for maxima.
    pub(crate) fn average(pool: &Pool, input: &Shape, output: &Shape) -> Option<Self> {
        let [channels, height, width] = input.image().ok()?;
        let per_channel = output.len() / channels;
        let (mut entries, mut window, mut linear) = (Vec::new(), 0, true);
        pool.for_each_window([height, width], |places, share| {
            linear &= share.is_some();
            for channel in 0..channels {
                let (to, from) = (channel * per_channel + window, channel * height * width);
                let shares =
                    share.into_iter().flat_map(|share| places.iter().map(move |p| (p, share)));
                entries.extend(shares.map(|(place, share)| (to, from + place, share)));
            }
            window += 1;
        });
        linear.then(|| Self::new(output.len(), input.len(), entries))
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn terms(&self) -> usize {
        self.rows.longest() + self.fan_out
    }

    /// `self - other`; `None` unless both have their weights at the same places.
    pub(crate) fn minus(&self, other: &Self) -> Option<Self> {
        let (a, b) = (&self.rows, &other.rows);
        if self.inputs != other.inputs || a.starts != b.starts {
            return None;
        }
        let entries = a.entries.iter().zip(&b.entries);
        let entries = entries.map(|((at, a), (also, b))| (at == also).then_some((*at, a - b)));
        let rows =
            Arc::new(Lists { starts: a.starts.clone(), entries: entries.collect::<Option<_>>()? });
        Some(Self { inputs: self.inputs, rows, fan_out: self.fan_out })
    }

    /// Calls `add` with the inputs and weights of a neuron.
    pub(crate) fn for_each_weight(&self, neuron: usize, add: &mut dyn FnMut(usize, f64)) {
        self.rows.of(neuron).iter().for_each(|&(input, weight)| add(input, weight));
    }

    pub(crate) fn add_image(
        &self,
        live: &[usize],
        input: &Intervals,
        sums: &mut Sums,
        scratch: &mut Scratch,
    ) {
        let place = places(self.inputs, live, scratch);
        for (output, from, weight) in self.rows.triples() {
            if let Some(at) = place[from] {
                sums.add_term(output, weight, input.get(at));
            }
        }
        scratch.found.give(place);
    }

    /// The map between some neurons, in `width` numbers of input.
    pub(crate) fn between(
        &self,
        outputs: &[usize],
        inputs: &[usize],
        width: usize,
        scratch: &mut Scratch,
    ) -> SparseBetween {
        let place = places(self.inputs, inputs, scratch);
        let kept = outputs.iter().enumerate().flat_map(|(to, &output)| {
            let entries = self.rows.of(output).iter();
            let place = &place;
            entries.filter_map(move |&(from, weight)| Some((to, place[from]?, weight)))
        });
        let between = SparseBetween::new(kept, width, outputs.len(), scratch);
        scratch.found.give(place);
        between
    }
}

/// A sparse map between live neurons, by outputs and by inputs.
#[derive(Clone, Debug)]
pub(crate) struct SparseBetween {
    backward: Lists,
    forward: Lists,
}

impl SparseBetween {
    /// A map of triples `(output, input, weight)`, in `width` numbers of input.
    fn new(
        entries: impl Iterator<Item = (usize, usize, f64)> + Clone,
        width: usize,
        outputs: usize,
        scratch: &mut Scratch,
    ) -> Self {
        let columns = entries.clone().map(|(to, from, weight)| (from, to, weight));
        let backward = Lists::new(width, columns, scratch);
        let forward = Lists::new(padded(outputs), entries, scratch);
        Self { backward, forward }
    }

    /// The identity between some neurons, in `width` numbers of input.
    pub(super) fn identity(
        outputs: &[usize],
        inputs: &[usize],
        width: usize,
        scratch: &mut Scratch,
    ) -> Self {
        let place = places(beyond(outputs, inputs), inputs, scratch);
        let kept = outputs.iter().enumerate();
        let kept = kept.filter_map(|(to, &output)| Some((to, place[output]?, 1.0)));
        let between = Self::new(kept, width, outputs.len(), scratch);
        scratch.found.give(place);
        between
    }

    pub(super) fn recycle(self, scratch: &mut Scratch) {
        self.backward.recycle(scratch);
        self.forward.recycle(scratch);
    }

    pub(super) fn pull(&self, rows: &DMatrix<f64>, out: &mut DMatrix<f64>, accumulate: bool) {
        self.backward.apply(rows, out, accumulate);
    }

    pub(super) fn push(&self, values: &DMatrix<f64>, out: &mut DMatrix<f64>, accumulate: bool) {
        self.forward.apply(values, out, accumulate);
    }

    /// The number of weights.
    pub(super) fn len(&self) -> usize {
        self.backward.entries.len()
    }
}

/// Where each of `count` neurons is among the live ones.
pub(super) fn places(count: usize, live: &[usize], scratch: &mut Scratch) -> Vec<Option<usize>> {
    let mut places = scratch.found.take(count);
    places.resize(count, None);
    for (at, &neuron) in live.iter().enumerate() {
        if let Some(place) = places.get_mut(neuron) {
            *place = Some(at);
        }
    }
    places
}

/// A number above all of these neurons.
pub(super) fn beyond(some: &[usize], others: &[usize]) -> usize {
    some.iter().chain(others).max().map_or(0, |last| last + 1)
}

/// Sets the coefficients of rows over live inputs, and of their negations: `weights` calls
/// with the inputs and weights of a neuron.
pub(super) fn seed(
    inputs: usize,
    (neurons, live): (&[usize], &[usize]),
    out: &mut [f64],
    scratch: &mut Scratch,
    weights: impl Fn(usize, &mut dyn FnMut(usize, f64)),
) {
    let (place, m) = (places(inputs, live, scratch), neurons.len());
    let width = out.len() / (2 * m).max(1);
    for (row, &neuron) in neurons.iter().enumerate() {
        weights(neuron, &mut |input, weight| {
            if let Some(at) = place[input] {
                out[row * width + at] += weight;
                out[(m + row) * width + at] -= weight;
            }
        });
    }
    scratch.found.give(place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{Compact, Linear, Room, linear_of_layer};
    use nncert_core::{Layer, Scale, Select, Window};

    /// Small integers, so that every sum is exact.
    fn filled(rows: usize, columns: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |i, j| ((i * 31 + j * 17) % 9) as f64 - 4.0)
    }

    /// One column for each input: what the layer makes of a one there, less the bias.
    fn matrix(layer: &Layer, input: &Shape) -> DMatrix<f64> {
        let network = nncert_core::Network::new(input.clone(), vec![layer.clone()]).unwrap();
        let bias = network.evaluate(&vec![0.0; input.len()]).unwrap();
        let columns: Vec<_> = (0..input.len())
            .map(|at| {
                let mut unit = vec![0.0; input.len()];
                unit[at] = 1.0;
                network.evaluate(&unit).unwrap() - &bias
            })
            .collect();
        DMatrix::from_columns(&columns)
    }

    fn sparse(layer: &Layer, input: &Shape) -> Sparse {
        let output = layer.output_shape(input).unwrap();
        match linear_of_layer(layer, input, &output) {
            Some((Linear::Sparse(map), _)) => map,
            other => panic!("{other:?}"),
        }
    }

    /// Layers whose weights are few and powers of two or small integers.
    fn layers() -> (Shape, Vec<Layer>) {
        let image = Shape::new([2, 4, 6]);
        let pool = |window: Window, count_include_pad| Pool::Average { window, count_include_pad };
        let halves = Window { stride: [2, 2], ..Window::new([2, 2]) };
        let layers = vec![
            pool(halves, false).into(),
            pool(halves.padded(1), true).into(),
            pool(Window { stride: [1, 2], ..Window::new([1, 4]) }, false).into(),
            Scale { factor: vec![2.0, -3.0], offset: vec![1.0, 5.0] }.into(),
            Select::shortcut(&image, 2, [1, 1]).unwrap().into(),
        ];
        (image, layers)
    }

    #[test]
    fn a_sparse_map_is_its_matrix() {
        let (input, layers) = layers();
        for layer in layers {
            let (map, dense) = (sparse(&layer, &input), matrix(&layer, &input));
            let some = |count: usize, step: usize| (0..count).step_by(step).collect::<Vec<_>>();
            for (every, each) in [(1, 1), (2, 1), (1, 3), (3, 2)] {
                let (outputs, inputs) = (some(dense.nrows(), every), some(dense.ncols(), each));
                let kept = dense.select_rows(&outputs).select_columns(&inputs);
                // Padded on both sides; rows beyond the map are zero.
                let (width, height) = (padded(inputs.len()) + 8, padded(outputs.len()));
                let compact = Linear::Sparse(map.clone()).compact(
                    &outputs,
                    &inputs,
                    width,
                    &mut Scratch::default(),
                );
                assert!(matches!(compact, Compact::Sparse(_)));
                let rows = filled(outputs.len(), 3).resize_vertically(height, 0.0);
                let values = filled(inputs.len(), 3).resize_vertically(width, 0.0);
                let padded = kept.resize(height, width, 0.0);
                for start in [0.0, 1.0] {
                    let mut back = DMatrix::from_element(width, 3, 1.0);
                    compact.pull(&rows, &mut back, start != 0.0, &mut Room::default());
                    assert_eq!(back, (padded.transpose() * &rows).add_scalar(start), "{layer:?}");
                    let mut ahead = DMatrix::from_element(height, 3, 1.0);
                    compact.push(&values, &mut ahead, start != 0.0);
                    assert_eq!(ahead, (&padded * &values).add_scalar(start), "{layer:?}");
                }
            }
        }
    }

    #[test]
    fn terms_are_the_longest_lists() {
        let map = Sparse::new(2, 3, vec![(0, 0, 1.0), (0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0)]);
        assert_eq!(map.terms(), 3 + 2);
    }

    #[test]
    fn differences_want_the_same_places() {
        let map = |inputs, entries: &[_]| Sparse::new(2, inputs, entries.to_vec());
        let f = map(3, &[(0, 0, 5.0), (0, 2, 1.0), (1, 1, -2.0)]);
        let g = map(3, &[(0, 0, 3.0), (0, 2, 1.0), (1, 1, 4.0)]);
        let difference = f.minus(&g).unwrap();
        let triples: Vec<_> = difference.rows.triples().collect();
        assert_eq!(triples, [(0, 0, 2.0), (0, 2, 0.0), (1, 1, -6.0)]);
        let others = [
            map(4, &[(0, 0, 3.0), (0, 2, 1.0), (1, 1, 4.0)]),
            map(3, &[(0, 0, 3.0), (0, 1, 1.0), (1, 1, 4.0)]),
            map(3, &[(0, 0, 3.0), (1, 1, 4.0), (1, 2, 1.0)]),
            map(3, &[(0, 0, 3.0), (0, 2, 1.0)]),
        ];
        for other in others {
            assert!(f.minus(&other).is_none(), "{other:?}");
            let (f, other) = (Linear::Sparse(f.clone()), Linear::Sparse(other));
            assert!(Linear::difference(&f, &other).is_none());
        }
    }
}
