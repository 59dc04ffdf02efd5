//! One interval for each neuron of a layer.

use nncert_core::{Interval, Region};

/// One interval for each neuron, as two arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Intervals {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
}

impl Intervals {
    pub(crate) fn zeros(length: usize) -> Self {
        Self { lower: vec![0.0; length], upper: vec![0.0; length] }
    }

    /// Some coordinates of a region.
    pub(crate) fn of(region: &Region, coordinates: &[usize]) -> Self {
        let pick = |corner: &[f64]| coordinates.iter().map(|&i| corner[i]).collect();
        Self { lower: pick(region.lower()), upper: pick(region.upper()) }
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

    /// The intervals with as many zeros after them as make `length`.
    pub(crate) fn padded(mut self, length: usize) -> Self {
        self.lower.resize(length, 0.0);
        self.upper.resize(length, 0.0);
        self
    }

    /// The largest absolute value of each neuron.
    pub(crate) fn magnitudes(&self) -> Vec<f64> {
        self.iter().map(Interval::magnitude).collect()
    }
}

impl FromIterator<Interval> for Intervals {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let (lower, upper) = intervals.into_iter().map(|i| (i.lower, i.upper)).unzip();
        Self { lower, upper }
    }
}
