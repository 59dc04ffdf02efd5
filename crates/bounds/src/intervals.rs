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

    /// The free coordinates of a region.
    pub(crate) fn of_free(region: &Region) -> Self {
        let pick = |corner: &[f64]| region.free().iter().map(|&i| corner[i]).collect();
        Self { lower: pick(region.lower()), upper: pick(region.upper()) }
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
