//! Which lines and faces the passes draw around ReLUs.

use nncert_core::Interval;

use crate::relu::{Faces, Lines, relu_difference_faces, relu_lines};

/// The relaxations of a pass.
///
/// The default is the sound set of this crate. Another function may be put in its
/// place, to try a relaxation or to check that a test suite rejects a wrong one:
/// a pass is exactly as sound as its relaxations.
#[derive(Clone, Copy, Debug)]
pub struct Relaxations {
    /// Lines around `ReLU(x)` for `x` in an interval.
    pub relu: fn(Interval) -> Lines,
    /// Faces around `ReLU(x) - ReLU(x')` for `x`, `x'` and `x - x'` in intervals.
    pub relu_difference: fn(Interval, Interval, Interval) -> Faces,
}

impl Default for Relaxations {
    fn default() -> Self {
        Self { relu: relu_lines, relu_difference: relu_difference_faces }
    }
}
