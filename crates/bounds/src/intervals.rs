//! One interval for each neuron of a layer.

use nncert_core::{Interval, Region};

use crate::scratch::Scratch;

/// One interval for each neuron, as two arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Intervals {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
}

impl Intervals {
    /// Some coordinates of a region.
    pub(crate) fn of(region: &Region, coordinates: &[usize]) -> Self {
        coordinates.iter().map(|&i| region.interval(i)).collect()
    }

    /// [`Intervals::of`] in room of the caller's.
    pub(crate) fn of_in(region: &Region, coordinates: &[usize], scratch: &mut Scratch) -> Self {
        let n = coordinates.len();
        let mut intervals = Self { lower: scratch.buffer(n), upper: scratch.buffer(n) };
        intervals.fill(coordinates.iter().map(|&i| region.interval(i)));
        intervals
    }

    /// Gives its storage back.
    pub(crate) fn recycle(self, scratch: &mut Scratch) {
        scratch.give_buffer(self.lower);
        scratch.give_buffer(self.upper);
    }

    /// Other intervals in the same storage.
    pub(crate) fn fill(&mut self, intervals: impl IntoIterator<Item = Interval>) {
        self.lower.clear();
        self.upper.clear();
        for Interval { lower, upper } in intervals {
            self.lower.push(lower);
            self.upper.push(upper);
        }
    }

    /// As many zeros.
    pub(crate) fn fill_zeros(&mut self, length: usize) {
        self.fill(core::iter::repeat_n(Interval::point(0.0), length));
    }

    /// Encloses the largest of some entries.
    pub(crate) fn largest(&self, entries: &[usize]) -> Interval {
        let most =
            |values: &[f64]| entries.iter().map(|&at| values[at]).fold(f64::NEG_INFINITY, f64::max);
        Interval::new(most(&self.lower), most(&self.upper))
    }

    /// The hull of some entries.
    pub(crate) fn hull(&self, entries: &[usize]) -> Interval {
        let least = entries.iter().map(|&at| self.lower[at]).fold(f64::INFINITY, f64::min);
        Interval::new(least, self.largest(entries).upper)
    }

    pub(crate) fn len(&self) -> usize {
        self.lower.len()
    }

    pub(crate) fn get(&self, neuron: usize) -> Interval {
        Interval::new(self.lower[neuron], self.upper[neuron])
    }

    pub(crate) fn set(&mut self, neuron: usize, interval: Interval) {
        self.lower[neuron] = interval.lower;
        self.upper[neuron] = interval.upper;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Interval> {
        self.lower.iter().zip(&self.upper).map(|(&lower, &upper)| Interval { lower, upper })
    }

    /// Adds as many zeros as make `length`.
    pub(crate) fn pad(&mut self, length: usize) {
        self.lower.resize(length, 0.0);
        self.upper.resize(length, 0.0);
    }

    /// The largest absolute value of each neuron.
    pub(crate) fn magnitudes(&self) -> Vec<f64> {
        self.iter().map(Interval::magnitude).collect()
    }
}

impl FromIterator<Interval> for Intervals {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let mut all = Self::default();
        all.fill(intervals);
        all
    }
}
