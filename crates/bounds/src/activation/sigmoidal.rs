//! Lines around sigmoid and tanh: convex to the left of zero, concave to the right.
//!
//! A line below with slope `s` on `[l, u]`, `h = min(u, 0)`. On `[0, u]` the function
//! minus `s x` is concave, and least at an end. On `[l, h]` it is convex, so that for
//! any `q` in there
//!
//! ```text
//! f(x) - s x ≥ f(q) - s q + (f'(q) - s) (x - q)
//! ```
//!
//! which is least at `l` or `h`. With enclosures of `f(q)` and `f'(q)` that is a proof
//! whatever `q` is; where `q` is about the point at which `s` touches it costs nothing.
//! Slopes and touching points may therefore be found in any way. A line above `f` is a
//! line below `-f(-x)`, which is convex to the left of zero as well.

use nncert_core::Interval;
use nncert_core::directed::{add_down, mul_down, mul_up, sub_down, sub_up};
use nncert_core::elementary::{
    sigmoid_down, sigmoid_slope_down, sigmoid_slope_up, sigmoid_up, tanh_down, tanh_slope_down,
    tanh_slope_up, tanh_up,
};

use crate::relu::{Line, Lines};

/// Derivatives vanish in `f64` beyond this.
const FAR: f64 = 800.0;

/// Steps on the way to a tangent: a few of Newton, or as many as halve `[-FAR, 0]` to nothing.
const STEPS: usize = 60;

/// Sigmoid or tanh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sigmoidal {
    Sigmoid,
    Tanh,
}

impl Sigmoidal {
    fn down(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid_down(x),
            Self::Tanh => tanh_down(x),
        }
    }

    fn up(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid_up(x),
            Self::Tanh => tanh_up(x),
        }
    }

    fn slope_down(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid_slope_down(x),
            Self::Tanh => tanh_slope_down(x),
        }
    }

    fn slope_up(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid_slope_up(x),
            Self::Tanh => tanh_slope_up(x),
        }
    }

    /// About the second derivative.
    fn bend(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => (1.0 - 2.0 * self.down(x)) * self.slope_down(x),
            Self::Tanh => -2.0 * self.down(x) * self.slope_down(x),
        }
    }

    /// The values on an interval.
    pub(super) fn interval(self, x: Interval) -> Interval {
        Interval::new(self.down(x.lower), self.up(x.upper))
    }

    /// Encloses all difference quotients on an interval.
    pub(super) fn slopes(self, x: Interval) -> (f64, f64) {
        let nearest_zero = 0.0f64.max(x.lower).min(x.upper);
        let least = self.slope_down(x.lower).min(self.slope_down(x.upper));
        (least, self.slope_up(nearest_zero))
    }

    /// Lines around the function on an interval of finite ends.
    pub(super) fn lines(self, x: Interval) -> Lines {
        let lower = Curve { of: self, turned: false }.line_below(x);
        let Line { slope, intercept } =
            Curve { of: self, turned: true }.line_below(Interval::new(-x.upper, -x.lower));
        Lines { lower, upper: Line { slope, intercept: -intercept } }
    }
}

/// `f(x)`, or `-f(-x)`.
#[derive(Clone, Copy, Debug)]
struct Curve {
    of: Sigmoidal,
    turned: bool,
}

impl Curve {
    fn down(self, x: f64) -> f64 {
        if self.turned { -self.of.up(-x) } else { self.of.down(x) }
    }

    /// The closest line found, or the constant where that is closer.
    fn line_below(self, x: Interval) -> Line {
        let (slope, touch) = self.slope_below(x);
        let line = Line { slope, intercept: self.intercept_below(x, slope, touch) };
        let constant = Line { slope: 0.0, intercept: self.down(x.lower) };
        let middle = x.lower / 2.0 + x.upper / 2.0;
        if slope * middle + line.intercept > constant.intercept { line } else { constant }
    }

    /// The slope of a line below, and about where on `[l, min(u, 0)]` it touches.
    ///
    /// A tangent is the closer to the middle the more it touches there, but must not
    /// pass above the end at `u`. Where all do, the chord.
    fn slope_below(self, x: Interval) -> (f64, f64) {
        let (l, u) = (x.lower, x.upper);
        if l >= 0.0 {
            let bounds = (self.of.slope_down(u), self.of.slope_up(l));
            return (self.chord(x).max(bounds.0).min(bounds.1), l);
        }
        let middle = l / 2.0 + u / 2.0;
        let slope = |at: f64| self.of.slope_down(at);
        let tangent = |at: f64| (slope(at), at);
        let end = self.down(u);
        // How far above the end a tangent passes; grows with the place it touches.
        let miss = |at: f64| self.down(at) + slope(at) * (u - at) - end;
        if u <= 0.0 || (middle < 0.0 && miss(middle) <= 0.0) {
            return tangent(middle);
        }
        if miss(l).is_nan() || miss(l) > 0.0 {
            return (self.chord(x).clamp(0.0, 1.0), l);
        }
        let (mut low, mut high) = (l.max(-FAR), middle.min(0.0));
        // Where it is for a cubic.
        let mut at = (-0.5 * u).max(low).min(high);
        for _ in 0..STEPS {
            let missed = miss(at);
            *(if missed > 0.0 { &mut high } else { &mut low }) = at;
            let newton = at - missed / (self.of.bend(at) * (u - at));
            let inside = low < newton && newton < high;
            // Newton squares its error.
            let settled = inside && (newton - at).abs() <= 1e-8 * at.abs();
            at = if inside { newton } else { low / 2.0 + high / 2.0 };
            if settled {
                break;
            }
        }
        tangent(at)
    }

    /// The slope from end to end, to nearest.
    fn chord(self, x: Interval) -> f64 {
        let run = x.upper - x.lower;
        if run > 0.0 { (self.down(x.upper) - self.down(x.lower)) / run } else { 0.0 }
    }

    /// The largest intercept that is known to be right for a slope.
    fn intercept_below(self, x: Interval, slope: f64, touch: f64) -> f64 {
        let rest = |at: f64| sub_down(self.down(at), mul_up(slope, at));
        let ends = rest(x.lower).min(rest(x.upper));
        if x.lower >= 0.0 {
            return ends;
        }
        let (l, h) = (x.lower, x.upper.min(0.0));
        let q = touch.max(l).min(h);
        let steeper = sub_up(self.of.slope_up(q), slope).max(0.0);
        let flatter = sub_down(self.of.slope_down(q), slope).min(0.0);
        let tilt = mul_down(steeper, sub_down(l, q)).min(mul_down(flatter, sub_up(h, q)));
        ends.min(add_down(rest(q), tilt))
    }
}
