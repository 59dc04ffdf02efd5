//! Faces around `σ(x) - σ(x')`, from what is known of `σ` alone.
//!
//! Each function makes faces that are sound by themselves; [`closest`] takes the
//! better of each side. Coefficients are enclosed first; what lies between the
//! enclosure and the coefficient that is taken is charged to the constant.

use nncert_core::directed::{add_down, add_up, mul_down, mul_up, sub_down, sub_up};
use nncert_core::{Activation, Interval};

use super::piecewise::kinks;
use crate::relu::{Face, Faces, Line, Lines, relu_difference_faces};

/// What is known of a neuron and its copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neuron {
    pub(super) x: Interval,
    pub(super) compressed: Interval,
    pub(super) delta: Interval,
}

/// A face whose numbers are only enclosed.
#[derive(Clone, Copy, Debug)]
struct Enclosed {
    delta: Interval,
    x: Interval,
    constant: Interval,
}

impl Enclosed {
    /// A face below all that is enclosed, for the values of a neuron.
    fn below(self, neuron: &Neuron) -> Face {
        let (delta, lost_delta) = settle(self.delta, neuron.delta);
        let (x, lost_x) = settle(self.x, neuron.x);
        let constant = sub_down(sub_down(self.constant.lower, lost_delta), lost_x);
        Face { delta, x, constant }
    }

    fn above(self, neuron: &Neuron) -> Face {
        let (delta, lost_delta) = settle(self.delta, neuron.delta);
        let (x, lost_x) = settle(self.x, neuron.x);
        let constant = add_up(add_up(self.constant.upper, lost_delta), lost_x);
        Face { delta, x, constant }
    }
}

/// A coefficient of an enclosure, and at least what it is off times what it multiplies.
fn settle(coefficient: Interval, values: Interval) -> (f64, f64) {
    let Interval { lower, upper } = coefficient;
    if lower == upper {
        return (lower, 0.0);
    }
    let taken = lower / 2.0 + upper / 2.0;
    if !taken.is_finite() {
        return (0.0, f64::INFINITY);
    }
    let off = sub_up(upper, taken).max(sub_up(taken, lower));
    (taken, mul_up(off, values.magnitude()))
}

/// Faces from lines around `σ(x)` and around `σ(x')`.
///
/// ```text
/// s x + b - (s' (x - δ) + b') = s' δ + (s - s') x + (b - b')
/// ```
pub(super) fn apart(original: Lines, compressed: Lines, neuron: &Neuron) -> Faces {
    let face = |line: Line, other: Line| Enclosed {
        delta: Interval::point(other.slope),
        x: minus(Interval::point(line.slope), Interval::point(other.slope)),
        constant: minus(Interval::point(line.intercept), Interval::point(other.intercept)),
    };
    Faces {
        lower: face(original.lower, compressed.upper).below(neuron),
        upper: face(original.upper, compressed.lower).above(neuron),
    }
}

/// Chords of `min(m δ, M δ)` and `max(m δ, M δ)`, for quotients in `[m, M]`.
pub(super) fn lipschitz((least, greatest): (f64, f64), delta: Interval) -> Faces {
    let Interval { lower: d, upper: e } = delta;
    let through = |slope| Face { delta: slope, x: 0.0, constant: 0.0 };
    if d >= 0.0 {
        return Faces { lower: through(least), upper: through(greatest) };
    }
    if e <= 0.0 {
        return Faces { lower: through(greatest), upper: through(least) };
    }
    // Halves, lest the run overflow; between the slopes of both sides.
    let (left, right) = (-d / 2.0, e / 2.0);
    let mix = |at_d: f64, at_e: f64| {
        let slope = at_d * (left / (left + right)) + at_e * (right / (left + right));
        if slope.is_finite() { slope } else { 0.0 }
    };
    let (below, above) = (mix(greatest, least), mix(least, greatest));
    let low = |slope: f64, s: f64, at: f64| {
        mul_down(sub_down(slope, s), at).min(mul_down(sub_up(slope, s), at))
    };
    let high = |slope: f64, s: f64, at: f64| {
        mul_up(sub_down(slope, s), at).max(mul_up(sub_up(slope, s), at))
    };
    Faces {
        lower: Face {
            delta: below,
            x: 0.0,
            constant: low(greatest, below, d).min(low(least, below, e)),
        },
        upper: Face {
            delta: above,
            x: 0.0,
            constant: high(least, above, d).max(high(greatest, above, e)),
        },
    }
}

/// Faces that do not depend on anything.
pub(super) const fn constant(g: Interval) -> Faces {
    Faces {
        lower: Face { delta: 0.0, x: 0.0, constant: g.lower },
        upper: Face { delta: 0.0, x: 0.0, constant: g.upper },
    }
}

/// Faces of a piecewise linear activation from the faces of its ReLUs.
///
/// ```text
/// σ(x) = k x + c + Σ w ReLU(x - t),    g = k δ + Σ w (ReLU(x - t) - ReLU(x' - t))
/// ```
pub(super) fn by_kinks(activation: Activation, neuron: &Neuron) -> Option<Faces> {
    let (slope, terms) = kinks(activation)?;
    let zero = Interval::point(0.0);
    let start = Enclosed { delta: Interval::point(slope), x: zero, constant: zero };
    let (mut lower, mut upper) = (start, start);
    for kink in terms.into_iter().flatten() {
        let moved =
            |x: Interval| Interval::new(sub_down(x.lower, kink.at), sub_up(x.upper, kink.at));
        let (x, compressed) = (moved(neuron.x), moved(neuron.compressed));
        let relu = relu_difference_faces(x, compressed, neuron.delta);
        let ends = [x.lower, x.upper, compressed.lower, compressed.upper];
        let constants = [relu.lower.constant, relu.upper.constant];
        if !ends.into_iter().chain(constants).all(f64::is_finite) {
            return None;
        }
        let (under, over) = if kink.weight.upper > 0.0 {
            (relu.lower, relu.upper)
        } else {
            (relu.upper, relu.lower)
        };
        for (sum, face) in [(&mut lower, under), (&mut upper, over)] {
            // face.x (x - t) has the constant -face.x t.
            let back = times(Interval::point(-face.x), Interval::point(kink.at));
            let constant = plus(Interval::point(face.constant), back);
            sum.delta = plus(sum.delta, times(kink.weight, Interval::point(face.delta)));
            sum.x = plus(sum.x, times(kink.weight, Interval::point(face.x)));
            sum.constant = plus(sum.constant, times(kink.weight, constant));
        }
    }
    Some(Faces { lower: lower.below(neuron), upper: upper.above(neuron) })
}

/// Of each side the face that is closest in the middle; the first among equals.
pub(super) fn closest(neuron: &Neuron, candidates: impl IntoIterator<Item = Faces>) -> Faces {
    let middle = |x: Interval| x.lower / 2.0 + x.upper / 2.0;
    let (delta, x) = (middle(neuron.delta), middle(neuron.x));
    let value = |face: Face| face.delta * delta + face.x * x + face.constant;
    let mut best = constant(Interval::EVERYTHING);
    for Faces { lower, upper } in candidates {
        if value(lower) > value(best.lower) {
            best.lower = lower;
        }
        if value(upper) < value(best.upper) {
            best.upper = upper;
        }
    }
    best
}

/// Encloses sums.
fn plus(a: Interval, b: Interval) -> Interval {
    Interval::new(add_down(a.lower, b.lower), add_up(a.upper, b.upper))
}

/// Encloses differences.
pub(crate) fn minus(a: Interval, b: Interval) -> Interval {
    Interval::new(sub_down(a.lower, b.upper), sub_up(a.upper, b.lower))
}

/// Encloses products.
pub(super) fn times(a: Interval, b: Interval) -> Interval {
    let pairs = [(a.lower, b.lower), (a.lower, b.upper), (a.upper, b.lower), (a.upper, b.upper)];
    Interval::new(
        pairs.iter().map(|(p, q)| mul_down(*p, *q)).fold(f64::INFINITY, f64::min),
        pairs.iter().map(|(p, q)| mul_up(*p, *q)).fold(f64::NEG_INFINITY, f64::max),
    )
}
