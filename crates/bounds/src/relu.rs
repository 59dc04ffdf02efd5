//! Linear relaxations of ReLU and of the difference of two ReLUs.
//!
//! Slopes are chosen first, in round-to-nearest; intercepts are then rounded
//! outward for the slopes that were chosen, so that each line bounds the exact
//! function on all of its interval.

use nncert_core::Interval;
use nncert_core::directed::{add_down, add_up, sub_down, sub_up};

/// A function `slope · x + intercept` of one pre-activation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// The slope.
    pub slope: f64,
    /// The intercept.
    pub intercept: f64,
}

/// Two lines around a function of one pre-activation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lines {
    /// At most the function, on the interval it was made for.
    pub lower: Line,
    /// At least the function, on the interval it was made for.
    pub upper: Line,
}

/// A function `delta · δ + x · x + constant` of a neuron's difference and its
/// pre-activation in the original network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Face {
    /// The coefficient of `δ`.
    pub delta: f64,
    /// The coefficient of `x`.
    pub x: f64,
    /// The constant.
    pub constant: f64,
}

/// Two faces around `ReLU(x) - ReLU(x - δ)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faces {
    /// At most the difference, on the intervals it was made for.
    pub lower: Face,
    /// At least the difference, on the intervals it was made for.
    pub upper: Face,
}

impl Line {
    const ZERO: Self = Self { slope: 0.0, intercept: 0.0 };
    const IDENTITY: Self = Self { slope: 1.0, intercept: 0.0 };
}

impl Face {
    const ZERO: Self = Self { delta: 0.0, x: 0.0, constant: 0.0 };
    const DELTA: Self = Self { delta: 1.0, x: 0.0, constant: 0.0 };

    const fn of_delta(line: Line) -> Self {
        Self { delta: line.slope, x: 0.0, constant: line.intercept }
    }

    const fn of_x(line: Line) -> Self {
        Self { delta: 0.0, x: line.slope, constant: line.intercept }
    }

    /// `-line(x')`, where `x' = x - δ`.
    const fn of_minus_compressed(line: Line) -> Self {
        Self { delta: line.slope, x: -line.slope, constant: -line.intercept }
    }
}

/// CROWN's relaxation of `ReLU` on an interval, with the adaptive lower slope.
///
/// ```text
/// u ≤ 0        0 ≤ ReLU(x) ≤ 0
/// l ≥ 0        x ≤ ReLU(x) ≤ x
/// l < 0 < u    a x ≤ ReLU(x) ≤ u (x - l) / (u - l),   a = 1 if u > -l, else 0
/// ```
///
/// Guarantee: sound (the chord's intercept is rounded up).
///
/// # References
///
/// Zhang et al., *Efficient Neural Network Robustness Certification with General
/// Activation Functions* (CROWN), 2018.
#[must_use]
pub fn relu_lines(x: Interval) -> Lines {
    let (l, u) = (x.lower, x.upper);
    if u <= 0.0 {
        return Lines { lower: Line::ZERO, upper: Line::ZERO };
    }
    if l >= 0.0 {
        return Lines { lower: Line::IDENTITY, upper: Line::IDENTITY };
    }
    let lower = if u > -l { Line::IDENTITY } else { Line::ZERO };
    Lines { lower, upper: chord_above((l, 0.0), (u, u)) }
}

/// The faces of `g = ReLU(x) - ReLU(x')`, `δ = x - x'`.
///
/// ```text
/// x, x' ≤ 0             g = 0
/// x, x' ≥ 0             g = δ
/// x ≤ 0                 g = -ReLU(x')       lines of ReLU(x')
/// x' ≤ 0                g = ReLU(x)         lines of ReLU(x)
/// x ≥ 0, x' mixed       g = min(δ, x)       chord of min(δ, l) .. δ
/// x mixed, x' ≥ 0       g = max(δ, -x')     δ .. chord of max(δ, -l')
/// both mixed            min(0, δ) ≤ g ≤ max(0, δ)   chords
/// ```
///
/// Guarantee: sound on `x`, `compressed` (`x'`) and `delta` (`δ`).
///
/// # References
///
/// Paulsen et al., *NeuroDiff*, 2020, for the chords of `δ`.
#[must_use]
pub fn relu_difference_faces(x: Interval, compressed: Interval, delta: Interval) -> Faces {
    let (dead, active) = (x.upper <= 0.0, x.lower >= 0.0);
    let (dead_c, active_c) = (compressed.upper <= 0.0, compressed.lower >= 0.0);
    let (d, e) = (delta.lower, delta.upper);
    if dead && dead_c {
        Faces { lower: Face::ZERO, upper: Face::ZERO }
    } else if active && active_c {
        Faces { lower: Face::DELTA, upper: Face::DELTA }
    } else if dead {
        let lines = relu_lines(compressed);
        Faces {
            lower: Face::of_minus_compressed(lines.upper),
            upper: Face::of_minus_compressed(lines.lower),
        }
    } else if dead_c {
        let lines = relu_lines(x);
        Faces { lower: Face::of_x(lines.lower), upper: Face::of_x(lines.upper) }
    } else if active {
        let chord = chord_below((d, d.min(x.lower)), (e, e.min(x.lower)));
        Faces { lower: Face::of_delta(chord), upper: Face::DELTA }
    } else if active_c {
        let floor = -compressed.lower;
        let chord = chord_above((d, d.max(floor)), (e, e.max(floor)));
        Faces { lower: Face::DELTA, upper: Face::of_delta(chord) }
    } else {
        let below = chord_below((d, d.min(0.0)), (e, e.min(0.0)));
        let above = chord_above((d, d.max(0.0)), (e, e.max(0.0)));
        Faces { lower: Face::of_delta(below), upper: Face::of_delta(above) }
    }
}

/// A line at or above both points: above any convex function through them.
pub(crate) fn chord_above(a: (f64, f64), b: (f64, f64)) -> Line {
    let slope = chord_slope(a, b);
    let over = |(x, y): (f64, f64)| match slope * x {
        // Flat, also where an end is infinite.
        _ if slope == 0.0 => y + residue(0.0, 0.0, y),
        run => y - run + residue(slope, x, y),
    };
    // A NaN is not a bound.
    let known = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
    Line { slope, intercept: known(over(a)).max(known(over(b))) }
}

/// A line at or below both points: below any concave function through them.
pub(crate) fn chord_below(a: (f64, f64), b: (f64, f64)) -> Line {
    let Line { slope, intercept } = chord_above((a.0, -a.1), (b.0, -b.1));
    Line { slope: -slope, intercept: -intercept }
}

/// More than what rounding takes from `y - slope · x`, itself included.
fn residue(slope: f64, x: f64, y: f64) -> f64 {
    2.0 * f64::EPSILON * (y.abs() + (slope * x).abs()) + f64::MIN_POSITIVE
}

/// The slope from `a` to `b`, in `[-1, 1]`: every function here is 1-Lipschitz.
fn chord_slope(a: (f64, f64), b: (f64, f64)) -> f64 {
    let run = b.0 - a.0;
    if run > 0.0 && run.is_finite() { ((b.1 - a.1) / run).clamp(-1.0, 1.0) } else { 0.0 }
}

/// Encloses `ReLU(x) - ReLU(x')`.
pub(crate) fn relu_difference_interval(
    x: Interval,
    compressed: Interval,
    delta: Interval,
) -> Interval {
    let (a, b) = (relu_interval(x), relu_interval(compressed));
    let apart = Interval::new(sub_down(a.lower, b.upper), sub_up(a.upper, b.lower));
    // ReLU is monotone and 1-Lipschitz.
    let lipschitz = Interval::new(delta.lower.min(0.0), delta.upper.max(0.0));
    let joint = if x.lower >= 0.0 && compressed.lower >= 0.0 { delta } else { lipschitz };
    apart.intersect(joint)
}

/// Tightens `x`, `x'` and `δ = x - x'` by each other.
pub(crate) fn reconcile(x: &mut Interval, compressed: &mut Interval, delta: &mut Interval) {
    *delta = delta.intersect(Interval::new(
        sub_down(x.lower, compressed.upper),
        sub_up(x.upper, compressed.lower),
    ));
    *x = x.intersect(Interval::new(
        add_down(compressed.lower, delta.lower),
        add_up(compressed.upper, delta.upper),
    ));
    *compressed = compressed
        .intersect(Interval::new(sub_down(x.lower, delta.upper), sub_up(x.upper, delta.lower)));
}

/// What a ReLU does to an interval, exactly.
pub(crate) fn relu_interval(x: Interval) -> Interval {
    Interval::new(x.lower.max(0.0), x.upper.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_that_are_no_numbers_make_no_lines() {
        for upper in [f64::INFINITY, f64::NAN] {
            let lines = relu_lines(Interval::new(-1.0, upper));
            assert_eq!((lines.upper.slope, lines.upper.intercept), (0.0, f64::INFINITY));
        }
    }
}
