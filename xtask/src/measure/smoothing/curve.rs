//! What a radius costs: cost against ACR, and the area below.

/// A run of a method over all inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) acr: f64,
    pub(crate) evaluations: f64,
    pub(crate) seconds: f64,
}

/// How much less a method costs than another at equal ACR: the ratio of the areas below the curves, over the ACR that both reach.
///
/// IRS, section 5.2. Where the method begins above all that the baseline reaches, it is the ratio of the costs there, which is too
/// small; `NaN` when it ends below.
pub(super) fn speedup(baseline: &[Point], method: &[Point], cost: fn(&Point) -> f64) -> f64 {
    let (baseline, method) = (frontier(baseline, cost), frontier(method, cost));
    let ends = |curve: &[(f64, f64)]| Some((curve.first()?.0, curve.last()?.0));
    let (Some(a), Some(b)) = (ends(&baseline), ends(&method)) else { return f64::NAN };
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    if let (Some(last), Some(first)) = (baseline.last(), method.first())
        && first.0 >= last.0
    {
        return last.1 / first.1;
    }
    if from < to { area(&baseline, from, to) / area(&method, from, to) } else { f64::NAN }
}

/// The points that no other one betters: ACR and cost, both rising.
fn frontier(points: &[Point], cost: fn(&Point) -> f64) -> Vec<(f64, f64)> {
    let mut points: Vec<_> = points.iter().map(|point| (point.acr, cost(point))).collect();
    points.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if kept.last().is_none_or(|last| point.0 > last.0) {
            kept.push(point);
        }
    }
    kept
}

/// Of the broken line through the points.
fn area(curve: &[(f64, f64)], from: f64, to: f64) -> f64 {
    let pieces = curve.windows(2).map(|two| {
        let ((x0, y0), (x1, y1)) = (two[0], two[1]);
        let (left, right) = (x0.max(from), x1.min(to));
        let at = |x: f64| y0 + (y1 - y0) * (x - x0) / (x1 - x0);
        if left < right { (right - left) * f64::midpoint(at(left), at(right)) } else { 0.0 }
    });
    pieces.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_cost_is_twice_the_speed() {
        let curve = |factor: f64, from: u32| -> Vec<Point> {
            let point = |x| Point { acr: x, evaluations: factor * x * x, seconds: 0.0 };
            (from..=100).map(|i| point(f64::from(i) / 100.0)).collect()
        };
        let evaluations: fn(&Point) -> f64 = |point| point.evaluations;
        let found = speedup(&curve(2.0, 0), &curve(1.0, 50), evaluations);
        assert!((found - 2.0).abs() < 1e-9, "{found}");
        assert!(speedup(&curve(1.0, 50), &curve(1.0, 0)[..10], evaluations).is_nan());
        // More for less, and how much less is not known.
        let found = speedup(&curve(4.0, 0)[..=40], &curve(1.0, 50), evaluations);
        assert!((found - 0.64 / 0.25).abs() < 1e-9, "{found}");
    }

    #[test]
    fn points_that_cost_more_for_less_are_left_out() {
        let point = |acr, evaluations| Point { acr, evaluations, seconds: 0.0 };
        let points = [point(0.1, 1.0), point(0.3, 2.0), point(0.2, 3.0), point(0.4, 4.0)];
        assert_eq!(frontier(&points, |p| p.evaluations), [(0.1, 1.0), (0.3, 2.0), (0.4, 4.0)]);
    }
}
