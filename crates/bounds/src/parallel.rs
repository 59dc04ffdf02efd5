//! Independent pieces of work, on the threads of the current pool if there is one.
//!
//! What is a piece never depends on the number of threads, so that results do not.

use crate::scratch::Scratch;

/// The results of pieces of work, in their order.
#[cfg(feature = "rayon")]
pub(crate) fn in_parallel<T: Sync, R: Send>(
    pieces: &[T],
    scratch: &mut Scratch,
    run: impl Fn(&mut Scratch, &T) -> R + Sync + Send,
) -> Vec<R> {
    use rayon::prelude::*;
    if pieces.len() < 2 || rayon::current_num_threads() < 2 {
        return pieces.iter().map(|piece| run(scratch, piece)).collect();
    }
    pieces.par_iter().map_init(Scratch::default, run).collect()
}

/// The results of pieces of work, in their order.
#[cfg(not(feature = "rayon"))]
pub(crate) fn in_parallel<T, R>(
    pieces: &[T],
    scratch: &mut Scratch,
    run: impl Fn(&mut Scratch, &T) -> R,
) -> Vec<R> {
    pieces.iter().map(|piece| run(scratch, piece)).collect()
}

/// Some neurons of every box, in parts of at most `size` rows.
pub(crate) fn parts(
    neurons: Vec<Vec<usize>>,
    size: usize,
) -> impl Iterator<Item = Vec<Vec<usize>>> {
    let size = (size / (2 * neurons.len().max(1))).max(1);
    let longest = neurons.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest.div_ceil(size)).map(move |part| {
        let piece = |all: &Vec<usize>| all.iter().copied().skip(part * size).take(size).collect();
        neurons.iter().map(piece).collect()
    })
}
