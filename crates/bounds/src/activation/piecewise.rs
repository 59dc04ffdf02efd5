//! Piecewise linear activations: pieces, kinks, and lines around them.
//!
//! A line is below a piecewise linear function on an interval if it is below at the
//! ends and at the kinks between them. So a slope is all that is chosen; the
//! intercept is the least of four numbers, rounded down.

use nncert_core::directed::{add_down, add_up, mul_down, mul_up, sub_down, sub_up};
use nncert_core::{Activation, Interval};

use crate::relu::{Line, Lines};

/// A piece `slope · x + offset` of a function, on a closed interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    on: Interval,
    pub(super) slope: f64,
    pub(super) offset: f64,
}

/// A continuous function of at most three pieces, from left to right.
///
/// A function of fewer pieces has empty ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piecewise {
    pieces: [Option<Piece>; 3],
    /// Where pieces meet; infinite where there are none.
    knots: [f64; 2],
}

/// A term `weight · ReLU(x - at)` of a function, its weight enclosed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kink {
    pub(super) at: f64,
    pub(super) weight: Interval,
}

impl Piece {
    fn new(from: f64, to: f64, slope: f64, offset: f64) -> Option<Self> {
        (from < to).then_some(Self { on: Interval::new(from, to), slope, offset })
    }

    /// A bound below of `piece(x) - slope · x`; exact where the slope is the piece's.
    fn rest_down(self, slope: f64, x: f64) -> f64 {
        let (low, high) = (sub_down(self.slope, slope), sub_up(self.slope, slope));
        add_down(mul_down(low, x).min(mul_down(high, x)), self.offset)
    }

    fn rest_up(self, slope: f64, x: f64) -> f64 {
        let (low, high) = (sub_down(self.slope, slope), sub_up(self.slope, slope));
        add_up(mul_up(low, x).max(mul_up(high, x)), self.offset)
    }

    pub(super) const fn line(self) -> Line {
        Line { slope: self.slope, intercept: self.offset }
    }
}

impl Piecewise {
    /// The pieces of an activation; none for sigmoid, tanh, and parameters that make no function.
    pub(super) fn of(activation: Activation) -> Option<Self> {
        const END: f64 = f64::INFINITY;
        let two = |slope| Self {
            pieces: [Piece::new(-END, 0.0, slope, 0.0), None, Piece::new(0.0, END, 1.0, 0.0)],
            knots: [0.0, 0.0],
        };
        match activation {
            Activation::Relu => Some(two(0.0)),
            Activation::LeakyRelu { slope: 1.0 } => Some(Self {
                pieces: [Piece::new(-END, END, 1.0, 0.0), None, None],
                knots: [-END, END],
            }),
            Activation::LeakyRelu { slope } if slope.is_finite() => Some(two(slope)),
            Activation::Clip { lower, upper } if lower == upper && lower.is_finite() => {
                Some(Self {
                    pieces: [Piece::new(-END, END, 0.0, lower), None, None],
                    knots: [-END, END],
                })
            }
            Activation::Clip { lower, upper } if lower < upper => Some(Self {
                pieces: [
                    Piece::new(-END, lower, 0.0, lower),
                    Piece::new(lower, upper, 1.0, 0.0),
                    Piece::new(upper, END, 0.0, upper),
                ],
                knots: [lower, upper],
            }),
            _ => None,
        }
    }

    /// The one piece that holds the interval.
    pub(super) fn single(&self, x: Interval) -> Option<Piece> {
        self.pieces.iter().flatten().find(|piece| x.is_within(piece.on)).copied()
    }

    /// The least and the greatest slope on an interval.
    pub(super) fn slopes(&self, x: Interval) -> (f64, f64) {
        if let Some(piece) = self.single(x) {
            return (piece.slope, piece.slope);
        }
        let met = self.pieces.iter().flatten();
        met.filter(|piece| x.lower < piece.on.upper && x.upper > piece.on.lower)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), piece| {
                (least.min(piece.slope), greatest.max(piece.slope))
            })
    }

    /// The ends of an interval and the kinks between them; ends stand in for kinks elsewhere.
    fn vertices(&self, x: Interval) -> [(f64, Piece); 4] {
        let inside = |knot: f64| knot.max(x.lower).min(x.upper);
        let [a, b] = self.knots;
        [x.lower, inside(a), inside(b), x.upper].map(|at| (at, self.piece_at(at)))
    }

    fn piece_at(&self, x: f64) -> Piece {
        let held = self.pieces.iter().flatten().find(|piece| piece.on.contains(x));
        *held.expect("the pieces cover all numbers")
    }

    /// The values on an interval.
    pub(super) fn interval(&self, x: Interval) -> Interval {
        let vertices = self.vertices(x);
        let low = vertices.map(|(at, piece)| piece.rest_down(0.0, at));
        let high = vertices.map(|(at, piece)| piece.rest_up(0.0, at));
        Interval::new(
            low.into_iter().fold(f64::INFINITY, f64::min),
            high.into_iter().fold(f64::NEG_INFINITY, f64::max),
        )
    }

    /// Lines around the function on an interval of finite ends.
    ///
    /// Of all lines through two vertices, and all pieces, those that are closest at
    /// the middle of the interval: they leave the smallest area.
    pub(super) fn lines(&self, x: Interval) -> Lines {
        if let Some(piece) = self.single(x) {
            return Lines { lower: piece.line(), upper: piece.line() };
        }
        let vertices = self.vertices(x);
        let middle = x.lower / 2.0 + x.upper / 2.0;
        let pieces = vertices.iter().map(|(_, piece)| piece.slope);
        let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
        let chords = pairs.iter().map(|(a, b)| chord(vertices[*a], vertices[*b]));
        let mut best = Lines { lower: nothing_below(), upper: nothing_above() };
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for slope in std::iter::once(0.0).chain(pieces).chain(chords).filter(|s| s.is_finite()) {
            let rests = vertices.map(|(at, piece)| piece.rest_down(slope, at));
            let lower = Line { slope, intercept: rests.into_iter().fold(f64::INFINITY, f64::min) };
            if lower.slope * middle + lower.intercept > low {
                low = lower.slope * middle + lower.intercept;
                best.lower = lower;
            }
            let rests = vertices.map(|(at, piece)| piece.rest_up(slope, at));
            let upper =
                Line { slope, intercept: rests.into_iter().fold(f64::NEG_INFINITY, f64::max) };
            if upper.slope * middle + upper.intercept < high {
                high = upper.slope * middle + upper.intercept;
                best.upper = upper;
            }
        }
        best
    }
}

/// The slope between two vertices, to nearest; not finite between one and itself.
fn chord(a: (f64, Piece), b: (f64, Piece)) -> f64 {
    // Halves, lest the difference overflow.
    let half = |(at, piece): (f64, Piece)| piece.slope * (at / 2.0) + piece.offset / 2.0;
    (half(b) - half(a)) / (b.0 / 2.0 - a.0 / 2.0)
}

pub(super) const fn nothing_below() -> Line {
    Line { slope: 0.0, intercept: f64::NEG_INFINITY }
}

pub(super) const fn nothing_above() -> Line {
    Line { slope: 0.0, intercept: f64::INFINITY }
}

/// An activation as `slope · x + constant + Σ weight · ReLU(x - at)`: the slope and the terms.
pub(super) fn kinks(activation: Activation) -> Option<(f64, [Option<Kink>; 2])> {
    Piecewise::of(activation)?;
    let kink = |at: f64, weight| at.is_finite().then_some(Kink { at, weight });
    let one = Interval::point(1.0);
    match activation {
        Activation::Relu => Some((0.0, [kink(0.0, one), None])),
        Activation::LeakyRelu { slope } => {
            let weight = Interval::new(sub_down(1.0, slope), sub_up(1.0, slope));
            Some((slope, [kink(0.0, weight), None]))
        }
        Activation::Clip { lower, upper } => {
            let slope = if lower.is_finite() { 0.0 } else { 1.0 };
            Some((slope, [kink(lower, one), kink(upper, Interval::point(-1.0))]))
        }
        _ => None,
    }
}
