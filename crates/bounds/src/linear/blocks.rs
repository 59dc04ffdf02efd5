//! Matrices that are zero but for a few blocks, as pruning neurons leaves them.
//!
//! Without the rows and columns of removed neurons a copy `W'` is one block. `W - W'` is two:
//! the rows of removed neurons, whole, and the columns of removed inputs in the other rows.
//! Together they cost what `W` costs.

use nalgebra::DMatrix;
use nncert_core::product::{multiply, multiply_transposed, reshape};

use super::Room;
use crate::kernel::padded;
use crate::scratch::Scratch;

/// From so many entries on, blocks are looked for.
const LEAST_ENTRIES: usize = 1 << 14;
/// Blocks are worth it up to this share of the entries.
const MOST: f64 = 0.9;
/// Every so many columns one is looked at first: a prime, so as not to meet a pattern.
const SAMPLE: usize = 17;

/// A padded matrix as a sum of blocks.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    rows: usize,
    columns: usize,
    blocks: Vec<Block>,
}

/// Some rows and columns of a matrix, padded.
#[derive(Clone, Debug)]
struct Block {
    rows: Vec<usize>,
    columns: Vec<usize>,
    entries: DMatrix<f64>,
}

impl Blocks {
    /// The blocks of a matrix; the matrix itself where they would not save enough.
    pub(super) fn of(matrix: DMatrix<f64>, scratch: &mut Scratch) -> Result<Self, DMatrix<f64>> {
        if matrix.len() < LEAST_ENTRIES || !may_save(&matrix) {
            return Err(matrix);
        }
        let [mut heavy, mut light] = split_rows(&matrix, scratch);
        let mut columns = [&heavy, &light].map(|rows| used_columns(&matrix, rows, scratch));
        let size = |[a, b]: [&Vec<usize>; 2]| padded(a.len()) * padded(b.len());
        let apart = size([&heavy, &columns[0]]) + size([&light, &columns[1]]);
        if apart as f64 > MOST * matrix.len() as f64 {
            for list in [heavy, light].into_iter().chain(columns) {
                scratch.places.give(list);
            }
            return Err(matrix);
        }
        let [mut first, mut second] = core::mem::take(&mut columns);
        let mut blocks = Vec::with_capacity(2);
        for (rows, columns) in [(&mut heavy, &mut first), (&mut light, &mut second)] {
            let (rows, columns) = (core::mem::take(rows), core::mem::take(columns));
            if rows.is_empty() {
                scratch.places.give(rows);
                scratch.places.give(columns);
            } else {
                blocks.push(Block::new(&matrix, rows, columns, scratch));
            }
        }
        let found = Self { rows: matrix.nrows(), columns: matrix.ncols(), blocks };
        scratch.give(matrix);
        Ok(found)
    }

    pub(super) fn recycle(self, scratch: &mut Scratch) {
        for Block { rows, columns, entries } in self.blocks {
            scratch.places.give(rows);
            scratch.places.give(columns);
            scratch.give(entries);
        }
    }

    /// The number of entries that are multiplied by.
    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.entries.len()).sum()
    }

    pub(super) fn pull(
        &self,
        rows: &DMatrix<f64>,
        out: &mut DMatrix<f64>,
        accumulate: bool,
        room: &mut Room,
    ) {
        let Room { windows: given, products: found, .. } = room;
        let mut fresh = !accumulate;
        for Block { rows: from, columns: to, entries } in &self.blocks {
            let values = if from.len() == self.rows { rows } else { gather(given, rows, from) };
            if to.len() == self.columns {
                multiply_transposed(out, !fresh, entries, values);
            } else {
                if fresh {
                    out.fill(0.0);
                }
                reshape(found, entries.ncols(), rows.ncols());
                multiply_transposed(found, false, entries, values);
                scatter(out, found, to);
            }
            fresh = false;
        }
        if fresh {
            out.fill(0.0);
        }
    }

    /// `out += M values`, in `f32`.
    ///
    /// Guarantee: heuristic.
    pub(super) fn push(&self, values: &DMatrix<f64>, out: &mut DMatrix<f64>) {
        let single = |matrix: &DMatrix<f64>| matrix.map(|entry| entry as f32);
        for Block { rows: to, columns: from, entries } in &self.blocks {
            let mut given = DMatrix::zeros(0, 0);
            let given = gather(&mut given, values, from);
            let mut found = DMatrix::zeros(entries.nrows(), values.ncols());
            multiply(&mut found, false, &single(entries), &single(given));
            scatter(out, &found.map(f64::from), to);
        }
    }
}

impl Block {
    fn new(
        matrix: &DMatrix<f64>,
        rows: Vec<usize>,
        columns: Vec<usize>,
        scratch: &mut Scratch,
    ) -> Self {
        // What has all rows or columns has the matrix's own shape.
        let height = padded(rows.len()).min(matrix.nrows());
        let width = padded(columns.len()).min(matrix.ncols());
        let mut entries = scratch.buffer(height * width);
        for (at, &column) in columns.iter().enumerate() {
            let column = matrix.column(column);
            entries.extend(rows.iter().map(|&row| column[row]));
            entries.resize((at + 1) * height, 0.0);
        }
        entries.resize(height * width, 0.0);
        Self { rows, columns, entries: DMatrix::from_vec(height, width, entries) }
    }
}

/// Whether a few columns have zeros enough.
fn may_save(matrix: &DMatrix<f64>) -> bool {
    let sample = matrix.column_iter().step_by(SAMPLE);
    let used: usize = sample.map(|column| column.iter().filter(|w| **w != 0.0).count()).sum();
    let seen = matrix.ncols().div_ceil(SAMPLE) * matrix.nrows();
    used as f64 <= (1.0 + MOST) / 2.0 * seen as f64
}

/// The rows with many entries, and those with few; without those that are zero.
fn split_rows(matrix: &DMatrix<f64>, scratch: &mut Scratch) -> [Vec<usize>; 2] {
    let mut used = scratch.places.take(matrix.nrows());
    used.resize(matrix.nrows(), 0);
    for column in matrix.column_iter() {
        for (used, weight) in used.iter_mut().zip(column.as_slice()) {
            *used += usize::from(*weight != 0.0);
        }
    }
    let some = used.iter().filter(|used| **used > 0);
    let (least, most) = (some.clone().min().unwrap_or(&0), some.max().unwrap_or(&0));
    let middle = usize::midpoint(*least, *most);
    let chosen = [middle + 1..=usize::MAX, 1..=middle].map(|range| {
        let mut rows = scratch.places.take(matrix.nrows());
        rows.extend((0..matrix.nrows()).filter(|&row| range.contains(&used[row])));
        rows
    });
    scratch.places.give(used);
    chosen
}

/// The columns that are not zero in some rows.
fn used_columns(matrix: &DMatrix<f64>, rows: &[usize], scratch: &mut Scratch) -> Vec<usize> {
    let mut columns = scratch.places.take(matrix.ncols());
    columns.extend((0..matrix.ncols()).filter(|&at| {
        let column = matrix.column(at);
        rows.iter().any(|&row| column[row] != 0.0)
    }));
    columns
}

/// Some rows of a matrix, padded.
fn gather<'r>(room: &'r mut DMatrix<f64>, from: &DMatrix<f64>, rows: &[usize]) -> &'r DMatrix<f64> {
    reshape(room, padded(rows.len()).min(from.nrows()), from.ncols());
    for (mut to, from) in room.column_iter_mut().zip(from.column_iter()) {
        let (to, from) = (to.as_mut_slice(), from.as_slice());
        let (kept, rest) = to.split_at_mut(rows.len());
        kept.iter_mut().zip(rows).for_each(|(to, &row)| *to = from[row]);
        rest.fill(0.0);
    }
    room
}

/// Adds rows to some rows of a matrix.
fn scatter(to: &mut DMatrix<f64>, from: &DMatrix<f64>, rows: &[usize]) {
    for (mut to, from) in to.column_iter_mut().zip(from.column_iter()) {
        let to = to.as_mut_slice();
        rows.iter().zip(from.as_slice()).for_each(|(&row, value)| to[row] += value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 162;

    /// Small integers, so that every sum is exact.
    fn filled(rows: usize, columns: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |i, j| ((i * 31 + j * 17) % 9) as f64 - 4.5)
    }

    fn check(matrix: &DMatrix<f64>, share: f64) {
        let Ok(blocks) = Blocks::of(matrix.clone(), &mut Scratch::default()) else {
            panic!("no blocks");
        };
        assert!((blocks.len() as f64) < share * matrix.len() as f64, "{}", blocks.len());
        let rows = filled(matrix.nrows(), 5);
        for start in [0.0, 1.0] {
            let mut back = DMatrix::from_element(matrix.ncols(), 5, 1.0);
            blocks.pull(&rows, &mut back, start != 0.0, &mut Room::default());
            assert_eq!(back, (matrix.transpose() * &rows).add_scalar(start));
        }
        let values = filled(matrix.ncols(), 5);
        let mut ahead = DMatrix::from_element(matrix.nrows(), 5, 1.0);
        blocks.push(&values, &mut ahead);
        assert_eq!(ahead, (matrix * &values).add_scalar(1.0));
    }

    #[test]
    fn blocks_are_their_matrix() {
        let weight = filled(SIZE, SIZE + 5);
        for every in [2, 3, 6] {
            let is_removed = |at: usize| at % every == 1;
            let mut copy = weight.clone();
            for row in (0..weight.nrows()).filter(|&row| is_removed(row)) {
                copy.row_mut(row).fill(0.0);
            }
            for column in (0..weight.ncols()).filter(|&column| is_removed(column + 3)) {
                copy.column_mut(column).fill(0.0);
            }
            let kept = 1.0 - 1.0 / every as f64;
            check(&copy, kept * kept * 1.2);
            check(&(&weight - &copy), (1.0 - kept * kept) * 1.2);
            // Rows of zeros behind, as padding has them.
            check(&copy.clone().resize_vertically(SIZE + 16, 0.0), kept * kept * 1.2);
        }
        check(&DMatrix::zeros(SIZE, SIZE), 0.01);
    }

    #[test]
    fn what_saves_little_stays_a_matrix() {
        let scratch = &mut Scratch::default();
        assert!(Blocks::of(filled(SIZE, SIZE), scratch).is_err());
        assert!(Blocks::of(DMatrix::zeros(8, 8), scratch).is_err());
        let scattered =
            filled(SIZE, SIZE).map_with_location(|i, j, w| if (i + j) % 2 == 0 { w } else { 0.0 });
        assert!(Blocks::of(scattered, scratch).is_err());
    }
}
