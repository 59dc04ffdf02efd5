//! How fast this machine multiplies matrices, on one thread.

use std::time::Instant;

use nalgebra::DMatrix;
use nncert_core::product::multiply;

/// The most multiplications a second that a product of `1024 × 1024` matrices
/// reaches in a few runs.
pub(crate) fn products_per_second() -> f64 {
    const N: usize = 1024;
    let matrix = DMatrix::from_fn(N, N, |i, j| ((i * 7 + j * 3) % 11) as f64 - 5.0);
    let mut product = DMatrix::zeros(N, N);
    let run = |product: &mut DMatrix<f64>| {
        let start = Instant::now();
        multiply(product, false, &matrix, &matrix);
        (N * N * N) as f64 / start.elapsed().as_secs_f64()
    };
    (0..8).map(|_| run(&mut product)).fold(0.0, f64::max)
}
