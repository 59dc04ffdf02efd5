//! Some neurons of every box.

use crate::scratch::Scratch;

/// Some neurons of every box, box by box, in one list.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    neurons: Vec<usize>,
    /// Where the list of each box ends.
    ends: Vec<usize>,
}

impl Selection {
    /// No boxes yet.
    pub(crate) fn new(scratch: &mut Scratch) -> Self {
        Self { neurons: scratch.places.take(0), ends: scratch.ends.take(0) }
    }

    /// Gives its storage back.
    pub(crate) fn recycle(self, scratch: &mut Scratch) {
        scratch.places.give(self.neurons);
        scratch.ends.give(self.ends);
    }

    /// The next box, with these neurons.
    pub(crate) fn push(&mut self, neurons: impl IntoIterator<Item = usize>) {
        self.neurons.extend(neurons);
        self.ends.push(self.neurons.len());
    }

    /// The next box, with those of some neurons that score most, at most `limit` of them;
    /// of equal ones the first. Neurons are in order.
    pub(crate) fn push_best(
        &mut self,
        neurons: impl IntoIterator<Item = usize>,
        limit: usize,
        score: impl Fn(usize) -> f64,
    ) {
        let start = self.neurons.len();
        self.neurons.extend(neurons);
        let all = &mut self.neurons[start..];
        if all.len() > limit {
            all.sort_unstable_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
            all[..limit].sort_unstable();
            self.neurons.truncate(start + limit);
        }
        self.ends.push(self.neurons.len());
    }

    /// The number of boxes.
    pub(crate) fn boxes(&self) -> usize {
        self.ends.len()
    }

    /// The number of neurons in all boxes.
    pub(crate) fn len(&self) -> usize {
        self.neurons.len()
    }

    /// The neurons of a box.
    pub(crate) fn of(&self, index: usize) -> &[usize] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.neurons[start..self.ends[index]]
    }

    /// The neurons of each box.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        (0..self.boxes()).map(|index| self.of(index))
    }

    /// In how many parts of at most `rows` rows it is bounded, and how many neurons of
    /// each box are in one.
    pub(crate) fn parts(&self, rows: usize) -> (usize, usize) {
        let size = (rows / (2 * self.boxes().max(1))).max(1);
        let longest = self.iter().map(<[usize]>::len).max().unwrap_or(0);
        (longest.div_ceil(size), size)
    }

    /// A part with so many neurons of each box.
    pub(crate) fn part(&self, part: usize, size: usize, scratch: &mut Scratch) -> Self {
        let mut piece = Self::new(scratch);
        for neurons in self.iter() {
            piece.push(neurons.iter().copied().skip(part * size).take(size));
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_up_the_whole() {
        let scratch = &mut Scratch::default();
        let mut all = Selection::new(scratch);
        all.push([1, 4, 5]);
        all.push([]);
        all.push([2, 3, 7, 8, 9]);
        let (count, size) = all.parts(12);
        assert_eq!((count, size), (3, 2));
        let parts: Vec<Selection> = (0..count).map(|k| all.part(k, size, scratch)).collect();
        for index in 0..3 {
            let joined: Vec<usize> = parts.iter().flat_map(|p| p.of(index).to_vec()).collect();
            assert_eq!(joined, all.of(index));
        }
    }

    #[test]
    fn the_best_are_kept_in_order() {
        let mut best = Selection::new(&mut Scratch::default());
        best.push([9]);
        best.push_best(0..6, 3, |n| [1.0, 5.0, 2.0, 2.0, 7.0, f64::NEG_INFINITY][n]);
        assert_eq!(best.of(1), [1, 2, 4]);
        best.push_best(0..2, 3, |_| 0.0);
        assert_eq!((best.of(2), best.len()), (&[0, 1][..], 6));
    }
}
