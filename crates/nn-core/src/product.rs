//! Matrix products: the one place that knows which kernel computes them.
//!
//! Storage is nalgebra's (column-major); the kernel is faer's. Every entry of
//! a product is a plain sum of `k` products in *some* order, possibly fused.
//! That is all that the rounding analysis of `nncert-bounds` relies on, and it
//! is why a fast algorithm of Strassen's kind must never be used here.

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use nalgebra::DMatrix;

use crate::Real;

/// `out = a · b`, or `out += a · b` when `accumulate` is set.
///
/// Shapes: `a` is `m × k`, `b` is `k × n`, `out` is `m × n`.
///
/// # Panics
///
/// When the shapes do not fit.
///
/// # Examples
///
/// ```
/// use nalgebra::dmatrix;
/// let (a, b) = (dmatrix![1.0, 2.0; 3.0, 4.0], dmatrix![1.0; -1.0]);
/// let mut out = dmatrix![0.0; 0.0];
/// nncert_core::product::multiply(&mut out, false, &a, &b);
/// assert_eq!(out, dmatrix![-1.0; -1.0]);
/// ```
pub fn multiply<T: Real>(out: &mut DMatrix<T>, accumulate: bool, a: &DMatrix<T>, b: &DMatrix<T>) {
    assert_eq!(a.ncols(), b.nrows(), "inner dimensions");
    assert_eq!(out.shape(), (a.nrows(), b.ncols()), "outer dimensions");
    run(out, accumulate, view(a), view(b));
}

/// `out = aᵀ · b`, or `out += aᵀ · b` when `accumulate` is set.
///
/// Shapes: `a` is `k × m`, `b` is `k × n`, `out` is `m × n`.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn multiply_transposed<T: Real>(
    out: &mut DMatrix<T>,
    accumulate: bool,
    a: &DMatrix<T>,
    b: &DMatrix<T>,
) {
    assert_eq!(a.nrows(), b.nrows(), "inner dimensions");
    assert_eq!(out.shape(), (a.ncols(), b.ncols()), "outer dimensions");
    run(out, accumulate, view(a).transpose(), view(b));
}

/// Gives `matrix` a shape, keeping its storage but not its contents.
pub fn reshape<T: Real>(matrix: &mut DMatrix<T>, rows: usize, columns: usize) {
    if matrix.shape() != (rows, columns) {
        let zero = T::nearest(0.0);
        let storage = core::mem::replace(matrix, DMatrix::from_element(0, 0, zero));
        let mut values: Vec<T> = storage.data.into();
        values.resize(rows * columns, zero);
        *matrix = DMatrix::from_vec(rows, columns, values);
    }
}

fn view<T: Real>(m: &DMatrix<T>) -> MatRef<'_, T> {
    MatRef::from_column_major_slice(m.as_slice(), m.nrows(), m.ncols())
}

fn run<T: Real>(out: &mut DMatrix<T>, accumulate: bool, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let (m, n) = out.shape();
    let out = MatMut::from_column_major_slice_mut(out.as_mut_slice(), m, n);
    let mode = if accumulate { Accum::Add } else { Accum::Replace };
    matmul(out, mode, a, b, T::nearest(1.0), Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(rows: usize, columns: usize, seed: usize) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |i, j| ((i * 31 + j * 17 + seed) % 23) as f64 - 11.0)
    }

    #[test]
    fn small_integers_are_multiplied_exactly() {
        for (m, k, n) in [(1, 1, 1), (5, 3, 2), (17, 40, 9), (64, 65, 66), (3, 0, 4)] {
            let (a, b) = (filled(m, k, 1), filled(k, n, 2));
            let mut out = DMatrix::from_element(m, n, 1.0);
            multiply(&mut out, true, &a, &b);
            let expected = DMatrix::from_fn(m, n, |i, j| {
                1.0 + (0..k).map(|l| a[(i, l)] * b[(l, j)]).sum::<f64>()
            });
            assert_eq!(out, expected);
            multiply_transposed(&mut out, false, &a.transpose(), &b);
            assert_eq!(out, expected.add_scalar(-1.0));
        }
    }
}
