//! What a step function adds to a dual bound, and the lines around it.

use nncert_core::fixed_point::{IntegerInterval, Requantization, Rounding};

/// The values that are enumerated; longer staircases are taken by their ends.
const ENUMERATED: i128 = 8;

/// The largest value of a linear form of value and accumulator.
///
/// ```text
/// max { μ y - λ a : y = step(a), a in the range }
/// ```
///
/// The maximum is at a corner of the staircase. Corners of a shift lie on a line, so that three
/// of them tell; those of a real multiplier, or with ties that depend on the value, lie
/// within one accumulator of a line, and the bound is `|λ|` above the ends of it.
///
/// Guarantee: exact for shifts that round halves up or downward and for at most eight values,
/// else sound.
pub(super) fn conjugate(
    step: &Requantization,
    range: IntegerInterval,
    value: i64,
    accumulator: i64,
) -> i128 {
    let (mu, lambda) = (i128::from(value), i128::from(accumulator));
    let at = |a: i64, y: i64| mu * i128::from(y) - lambda * i128::from(a);
    let (lower, upper) = (range.lower(), range.upper());
    let (first, last) = (step.apply(lower), step.apply(upper));
    let ends = at(lower, first).max(at(upper, last));
    if first == last {
        return ends;
    }
    // With a positive sign the first accumulator of a value counts, else the last of it.
    let corners: [i64; 2] = match (mu > 0, lambda > 0) {
        (true, true) => [first + 1, last],
        (false, false) if mu < 0 => [first, last - 1],
        // Both terms grow, or fall, along the range.
        _ => return ends,
    };
    let corner = |y: i64| {
        let a = if mu > 0 { step.threshold(y) } else { before(step.threshold(y + 1)) };
        // There is one, since the range holds accumulators on both sides of it.
        a.map_or(i128::MAX, |a| at(range.clamp(a), y))
    };
    let [from, to] = corners;
    if i128::from(to) - i128::from(from) < ENUMERATED {
        return (from..=to).map(corner).fold(ends, i128::max);
    }
    let slack = if on_a_line(step) { 0 } else { lambda.abs() };
    let along = corner(from).max(corner(to)).saturating_add(slack);
    ends.max(along)
}

/// The accumulator before one.
fn before(a: Option<i64>) -> Option<i64> {
    a.and_then(|a| a.checked_sub(1))
}

/// Whether all steps are equally long.
fn on_a_line(step: &Requantization) -> bool {
    let shift = step.multiplier.shift();
    step.multiplier.is_power_of_two()
        && match step.rounding {
            Rounding::Floor => shift >= 0,
            Rounding::HalfUp => shift >= 1,
            Rounding::HalfEven | Rounding::HalfAway => false,
        }
}

/// The staircase on a range, in floats, for passes that search.
#[derive(Clone, Debug)]
pub(super) struct Stairs {
    /// Corners above, from left to right: first and last accumulator of the range, first
    /// accumulators of the second and of the last value.
    upper: [(f64, f64); 4],
    /// Corners below: ends of the range, last accumulators of the first and of the last but one
    /// value.
    lower: [(f64, f64); 4],
}

impl Stairs {
    pub(super) fn new(step: &Requantization, range: IntegerInterval) -> Self {
        let (l, u) = (range.lower(), range.upper());
        let (first, last) = (step.apply(l), step.apply(u));
        let point = |a: i64, y: i64| (a as f64, y as f64);
        let (start, end) = (point(l, first), point(u, last));
        if first == last {
            return Self { upper: [start, start, end, end], lower: [start, start, end, end] };
        }
        let threshold = |y: i64| range.clamp(step.threshold(y).unwrap_or(l));
        let upper =
            [start, point(threshold(first + 1), first + 1), point(threshold(last), last), end];
        let lower = [
            start,
            point(threshold(first + 1) - 1, first),
            point(threshold(last) - 1, last - 1),
            end,
        ];
        Self { upper, lower }
    }

    /// The slope of the tightest line above (below for a negative sign), in the middle of the
    /// range.
    pub(super) fn slope(&self, above: bool) -> f64 {
        let corners = if above { &self.upper } else { &self.lower };
        let middle = 0.5 * (corners[0].0 + corners[3].0);
        let sign = if above { 1.0 } else { -1.0 };
        // The edge of the hull over the middle: of all lines between corners that have no
        // corner beyond them, the one that is least there.
        let (mut best, mut slope) = (f64::INFINITY, 0.0);
        for (index, p) in corners.iter().enumerate() {
            for q in &corners[index + 1..] {
                if q.0 <= p.0 {
                    continue;
                }
                let candidate = (q.1 - p.1) / (q.0 - p.0);
                let over = corners.iter().map(|c| sign * (c.1 - candidate * c.0));
                let intercept = over.fold(f64::NEG_INFINITY, f64::max);
                let height = intercept + sign * candidate * middle;
                if height < best {
                    (best, slope) = (height, candidate);
                }
            }
        }
        slope
    }

    /// The largest `μ y - λ a`, and accumulator and value where it is.
    pub(super) fn largest(&self, mu: f64, lambda: f64) -> (f64, (f64, f64)) {
        let corners = if mu > 0.0 { &self.upper } else { &self.lower };
        let value = |(a, y): (f64, f64)| mu * y - lambda * a;
        let mut best = (value(corners[0]), corners[0]);
        for corner in &corners[1..] {
            let term = value(*corner);
            if term > best.0 {
                best = (term, *corner);
            }
        }
        best
    }

    /// Where `μ y - λ a` is largest, and the corners from left to right where it is less by at
    /// most `tolerance`: the value of the term, and the first and last of them.
    pub(super) fn conjugate(&self, mu: f64, lambda: f64, tolerance: f64) -> (f64, Edge) {
        let corners = if mu > 0.0 { &self.upper } else { &self.lower };
        let values = corners.map(|(a, y)| mu * y - lambda * a);
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut edge: Option<Edge> = None;
        for (corner, value) in corners.iter().zip(values) {
            if value >= best - tolerance {
                let both = edge.get_or_insert(Edge { from: *corner, to: *corner });
                if corner.0 > both.to.0 {
                    both.to = *corner;
                }
                if corner.0 < both.from.0 {
                    both.from = *corner;
                }
            }
        }
        (best, edge.unwrap_or(Edge { from: corners[0], to: corners[0] }))
    }
}

/// The line between two corners.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    from: (f64, f64),
    to: (f64, f64),
}

impl Edge {
    /// The point of the edge with the accumulator that is closest to `a`.
    pub(super) fn closest(&self, a: f64) -> (f64, f64) {
        let (length, a) = (self.to.0 - self.from.0, a.clamp(self.from.0, self.to.0));
        let share = if length > 0.0 { (a - self.from.0) / length } else { 0.0 };
        (a, self.from.1 + share * (self.to.1 - self.from.1))
    }
}

impl Stairs {
    /// How long the range is.
    pub(super) fn width(&self) -> f64 {
        self.upper[3].0 - self.upper[0].0
    }
}

impl Stairs {
    /// The hull of the staircase at `a`: its concave envelope for `above`, else the convex one.
    pub(super) fn hull(&self, above: bool, a: f64) -> f64 {
        let corners = if above { &self.upper } else { &self.lower };
        let sign = if above { 1.0 } else { -1.0 };
        let mut best = f64::NEG_INFINITY;
        for (index, p) in corners.iter().enumerate() {
            for q in &corners[index..] {
                let (left, right) = if p.0 <= q.0 { (p, q) } else { (q, p) };
                if left.0 <= a && a <= right.0 {
                    let share =
                        if right.0 > left.0 { (a - left.0) / (right.0 - left.0) } else { 0.0 };
                    best = best.max(sign * (left.1 + share * (right.1 - left.1)));
                }
            }
        }
        sign * best
    }
}

/// How much a cut of a range lowers the hull of `μ y` at an accumulator, in floats.
///
/// The cut is between `at` and `at + 1`. Guarantee: heuristic.
#[must_use]
pub fn cut_gain(
    step: &Requantization,
    range: IntegerInterval,
    coefficient: f64,
    accumulator: f64,
    at: i64,
) -> f64 {
    let (lower, upper) = (range.lower() as f64, range.upper() as f64);
    let a = accumulator.clamp(lower, upper);
    let half = if a <= at as f64 {
        IntegerInterval::new(range.lower(), at)
    } else if a >= (at + 1) as f64 {
        IntegerInterval::new(at + 1, range.upper())
    } else {
        // Between two integers: in neither half.
        return 0.0;
    };
    let Ok(half) = half else { return 0.0 };
    let above = coefficient > 0.0;
    let hulls = (Stairs::new(step, range).hull(above, a), Stairs::new(step, half).hull(above, a));
    coefficient.abs() * (hulls.0 - hulls.1).abs()
}
