//! Independent pieces of work, on the threads of the current pool if there is one.
//!
//! What is a piece never depends on the number of threads, so that results do not.

use crate::scratch::Scratch;

/// Runs so many pieces of work, and hands over their results in order.
///
/// `run` sees the state as `take` leaves it after the pieces before, or as it was before
/// all of them: it must not matter.
#[cfg(feature = "rayon")]
pub(crate) fn in_parallel<C: Sync, R: Send>(
    count: usize,
    state: &mut C,
    scratch: &mut Scratch,
    run: impl Fn(&C, &mut Scratch, usize) -> R + Sync + Send,
    take: impl FnMut(&mut C, &mut Scratch, usize, R),
) {
    use rayon::prelude::*;
    if count < 2 || rayon::current_num_threads() < 2 {
        return one_by_one(count, state, scratch, run, take);
    }
    let (seen, mut take) = (&*state, take);
    let results: Vec<R> = (0..count)
        .into_par_iter()
        .map_init(Scratch::default, |scratch, piece| run(seen, scratch, piece))
        .collect();
    for (piece, result) in results.into_iter().enumerate() {
        take(state, scratch, piece, result);
    }
}

#[cfg(not(feature = "rayon"))]
pub(crate) use one_by_one as in_parallel;

/// Runs so many pieces of work on this thread.
pub(crate) fn one_by_one<C, R>(
    count: usize,
    state: &mut C,
    scratch: &mut Scratch,
    run: impl Fn(&C, &mut Scratch, usize) -> R,
    mut take: impl FnMut(&mut C, &mut Scratch, usize, R),
) {
    for piece in 0..count {
        let result = run(state, scratch, piece);
        take(state, scratch, piece, result);
    }
}
