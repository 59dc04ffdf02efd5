//! Spectral norms, from above.
//!
//! The norm of a convolution is at most that of its filters times the root of the number of windows that a value is in. It is also
//! at most that of the convolution of the plane, whose frequencies do not mix: the greatest norm of the matrices
//!
//! ```text
//! A(ω) = Σ_q W[s q + r] exp(i ω·q),    a row an output channel, a column an input channel and a phase r of the stride s
//! ```
//!
//! `u* A(ω) v` is a trigonometric polynomial in each coordinate of `ω`, of degree `d = (k - 1)/2` for `k` values of `q`, up to a factor of
//! modulus 1. From its greatest value to the next of `n` places it falls by no more than `cos(πd/n)`.
//!
//! # References
//! 1. H. Sedghi, V. Gupta, P. Long, *The singular values of convolutional layers*, ICLR 2019: the matrices.
//! 2. R. Duffin, A. Schaeffer, *Some properties of functions of exponential type*, Bull. AMS 44, 1938: the cosine.

use nalgebra::DMatrix;
use nncert_core::product::{multiply, multiply_transposed};
use nncert_core::{Convolution, Window};

use crate::evaluation_error::SLACK;

/// Products for which the frequencies of a convolution are looked at, at most.
const MOST_PRODUCTS: f64 = 4e9;

/// Places for each degree: `cos(π/16)` on each axis.
const PLACES: usize = 8;

/// In how many windows a value is, at most.
pub(crate) fn overlap(window: &Window) -> f64 {
    let along = |axis: usize| {
        let (kernel, stride) = (window.kernel[axis], window.stride[axis].max(1));
        if window.dilation[axis] == 1 { kernel.div_ceil(stride) } else { kernel }
    };
    (along(0) * along(1)) as f64
}

pub(crate) fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// The spectral norm of a convolution with these filters, from above.
pub(crate) fn convolution_norm(
    convolution: &Convolution,
    filters: &DMatrix<f64>,
    squarings: usize,
) -> f64 {
    let window = &convolution.window;
    let by_windows = spectral_norm(filters, squarings) * overlap(window).sqrt() * SLACK;
    if convolution.groups != 1 || window.dilation != [1, 1] {
        return by_windows;
    }
    let (kernel, stride) = (window.kernel, window.stride.map(|stride| stride.max(1)));
    let taps = [0, 1].map(|axis| kernel[axis].div_ceil(stride[axis]).max(1));
    let phases = [0, 1].map(|axis| kernel[axis].min(stride[axis]));
    let places = taps.map(|taps| if taps == 1 { 1 } else { PLACES * (taps - 1) });
    let channels = filters.ncols() / window.len().max(1);
    let (rows, columns) = (filters.nrows(), channels * phases[0] * phases[1]);
    let order = 2.0 * rows.min(columns) as f64;
    // Of a matrix and its conjugate one is enough.
    let half = places[0] / 2 + 1;
    let matrices = (half * places[1]) as f64;
    let gram = order * order * 2.0 * rows.max(columns) as f64;
    if matrices * (gram + squarings as f64 * order.powi(3)) > MOST_PRODUCTS {
        return by_windows;
    }
    let angle = |axis: usize, place: usize| {
        2.0 * core::f64::consts::PI * place as f64 / places[axis] as f64
    };
    let mut most = 0.0_f64;
    for (first, second) in (0..half).flat_map(|first| (0..places[1]).map(move |j| (first, j))) {
        // The complex matrix as one of real numbers, [[C, -S], [S, C]].
        let mut matrix = DMatrix::zeros(2 * rows, 2 * columns);
        for (tap, weights) in filters.column_iter().enumerate() {
            let (channel, p, q) =
                (tap / window.len(), tap % window.len() / kernel[1], tap % kernel[1]);
            let turn = angle(0, first) * (p / stride[0]) as f64
                + angle(1, second) * (q / stride[1]) as f64;
            let (sine, cosine) = (libm::sin(turn), libm::cos(turn));
            let phase = (p % stride[0]) * phases[1] + q % stride[1];
            let column = channel * phases[0] * phases[1] + phase;
            for (row, weight) in weights.iter().enumerate() {
                matrix[(row, column)] += cosine * weight;
                matrix[(rows + row, columns + column)] += cosine * weight;
                matrix[(rows + row, column)] += sine * weight;
                matrix[(row, columns + column)] -= sine * weight;
            }
        }
        let norm = spectral_norm(&matrix, squarings);
        most = if norm.is_nan() { f64::INFINITY } else { most.max(norm) };
    }
    let falls = [0, 1].map(|axis| {
        let degree = 0.5 * (taps[axis] - 1) as f64;
        libm::cos(core::f64::consts::PI * degree / places[axis] as f64)
    });
    // Sines and cosines are off by less than the slack, in terms of all weights.
    let off = 1e-12 * frobenius(filters) * (window.len() as f64).sqrt();
    let by_frequencies = (most + off) / (falls[0] * falls[1]) * SLACK;
    if by_frequencies.is_nan() { by_windows } else { by_windows.min(by_frequencies) }
}

/// Of the absolute values: the root of the greatest sums of rows and of columns.
pub(crate) fn absolute_norm(matrix: &DMatrix<f64>) -> f64 {
    let sums = |most: f64, sum: f64| most.max(sum);
    let columns = matrix.column_iter().map(|column| column.abs().sum()).fold(0.0, sums);
    let mut rows = vec![0.0; matrix.nrows()];
    for column in matrix.column_iter() {
        rows.iter_mut().zip(column.iter()).for_each(|(row, value)| *row += value.abs());
    }
    (columns * rows.into_iter().fold(0.0, sums)).sqrt() * SLACK
}

/// An upper bound of the spectral norm: `|A|² = |AᵀA|`, and a symmetric matrix has the root of the norm of its square, which is at most its
/// Frobenius norm.
pub(crate) fn spectral_norm(matrix: &DMatrix<f64>, squarings: usize) -> f64 {
    let whole = frobenius(matrix);
    if whole == 0.0 || !whole.is_finite() {
        return if whole == 0.0 { 0.0 } else { f64::INFINITY };
    }
    let unit = matrix / whole;
    let least = unit.nrows().min(unit.ncols());
    let mut gram = DMatrix::zeros(least, least);
    if unit.nrows() <= unit.ncols() {
        multiply(&mut gram, false, &unit, &unit.transpose());
    } else {
        multiply_transposed(&mut gram, false, &unit, &unit);
    }
    let terms = unit.nrows().max(unit.ncols());
    whole * (symmetric_norm(gram, squarings) + product_error(terms)).sqrt() * SLACK
}

fn symmetric_norm(matrix: DMatrix<f64>, squarings: usize) -> f64 {
    let whole = frobenius(&matrix);
    if squarings == 0 || whole == 0.0 {
        return whole;
    }
    let unit = matrix / whole;
    let mut square = DMatrix::zeros(unit.nrows(), unit.nrows());
    multiply(&mut square, false, &unit, &unit);
    let error = product_error(unit.nrows());
    whole * (symmetric_norm(square, squarings - 1) + error).sqrt() * SLACK
}

/// How far a product of matrices of Frobenius norm 1 is off in that norm, at most.
fn product_error(terms: usize) -> f64 {
    2.0 * f64::EPSILON * (terms as f64 + 8.0)
}

fn frobenius(matrix: &DMatrix<f64>) -> f64 {
    norm(matrix.iter().copied()) * SLACK
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DVector;
    use nncert_core::{Affine, Evaluator, Network, Shape};

    fn matrix(rows: usize, columns: usize) -> DMatrix<f64> {
        let entry = |i: usize, j: usize| ((i * 31 + j * 17 + i * j) % 23) as f64 / 11.0 - 1.0;
        DMatrix::from_fn(rows, columns, entry)
    }

    /// Convolutions as matrices, whose norms are known.
    #[test]
    fn norms_of_convolutions_are_above_and_close() {
        for (channels, filters, kernel, stride, size) in [
            (1, 4, [3, 3], [1, 1], 9),
            (3, 5, [3, 3], [2, 2], 8),
            (2, 3, [1, 1], [2, 2], 7),
            (2, 2, [5, 2], [1, 3], 9),
            (1, 1, [2, 2], [3, 3], 9),
        ] {
            let weights = matrix(filters, channels * kernel[0] * kernel[1]);
            let window = Window { stride, ..Window::new(kernel) }.padded(1);
            let affine = Affine::new(weights.clone(), DVector::zeros(filters));
            let convolution = Convolution::new(affine, window);
            let shape = Shape::new([channels, size, size]);
            let network = Network::new(shape, vec![convolution.clone().into()]).unwrap();
            let unit = DMatrix::<f64>::identity(network.inputs(), network.inputs());
            let operator =
                Evaluator::<f64>::new(&network).unwrap().evaluate(&unit).unwrap().clone();
            let exact = operator.svd(false, false).singular_values.max();
            for (squarings, close) in [(5, 1.3), (1, 1.9)] {
                let found = convolution_norm(&convolution, &weights, squarings);
                assert!(
                    found >= exact && found <= close * exact,
                    "{found} for {exact}, {stride:?}"
                );
            }
        }
    }

    #[test]
    fn norms_are_above_and_close() {
        for (rows, columns) in [(1, 1), (7, 40), (40, 7), (30, 30)] {
            let a = matrix(rows, columns);
            let exact = a.clone().svd(false, false).singular_values.max();
            for (squarings, close) in [(0, 2.5), (1, 1.6), (3, 1.15), (5, 1.06)] {
                let found = spectral_norm(&a, squarings);
                assert!(found >= exact && found <= close * exact, "{found} for {exact}");
            }
            assert!(absolute_norm(&a) >= exact);
        }
        assert_eq!(spectral_norm(&DMatrix::zeros(3, 2), 2), 0.0);
        assert!(spectral_norm(&DMatrix::from_element(2, 2, f64::NAN), 1).is_infinite());
    }
}
