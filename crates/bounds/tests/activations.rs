//! Lines and faces of every activation hold, and touch.
//!
//! Piecewise linear activations are decided in exact arithmetic. Sigmoid and tanh are
//! refuted where a proven enclosure of the value lies on the wrong side, and, at the
//! arguments of a table, where the value to 40 digits does.

mod exact;

use exact::{dyadic, runner};
use nncert_bounds::strategies::{DifferenceCase, difference_intervals, interval_and_points};
use nncert_bounds::{
    Face, Faces, Line, Lines, activation_difference_faces, activation_difference_interval,
    activation_interval, activation_lines, relu_difference_faces, relu_lines,
};
use nncert_core::directed::{add_down, add_up, sub_down, sub_up};
use nncert_core::elementary::{sigmoid_down, sigmoid_up, tanh_down, tanh_up};
use nncert_core::exact::Dyadic;
use nncert_core::{Activation, Interval};
use proptest::collection::vec;
use proptest::prelude::*;

/// Points to each interval or case.
const POINTS: usize = 6;

const INFINITY: f64 = f64::INFINITY;

/// The least and the greatest that the value at `x` can be; one number where it is exact.
fn value(activation: Activation, x: f64) -> (Dyadic, Dyadic) {
    let exact = match activation {
        Activation::Sigmoid => return (dyadic(sigmoid_down(x)), dyadic(sigmoid_up(x))),
        Activation::Tanh => return (dyadic(tanh_down(x)), dyadic(tanh_up(x))),
        Activation::Relu => dyadic(x.max(0.0)),
        Activation::LeakyRelu { slope } if x < 0.0 => &dyadic(slope) * &dyadic(x),
        Activation::LeakyRelu { .. } => dyadic(x),
        Activation::Clip { lower, upper } => dyadic(x.max(lower).min(upper)),
        other => panic!("{other:?}"),
    };
    (exact.clone(), exact)
}

/// Kinks of an activation.
fn kinks(activation: Activation) -> Vec<f64> {
    match activation {
        Activation::Clip { lower, upper } => vec![lower, upper, 0.0],
        _ => vec![0.0],
    }
}

/// Points of an interval at which a bound is the most likely to fail.
fn corners(activation: Activation, x: Interval) -> Vec<f64> {
    let mut corners = kinks(activation);
    corners.extend(corners.clone().iter().flat_map(|k| [k.next_up(), k.next_down()]));
    corners.extend([x.lower, x.upper, x.lower / 2.0 + x.upper / 2.0]);
    corners.retain(|corner| x.contains(*corner) && corner.is_finite());
    corners
}

fn below(constant: f64, rest: &Dyadic, greatest: &Dyadic) -> bool {
    constant == -INFINITY || &(rest + &dyadic(constant)) <= greatest
}

fn above(constant: f64, rest: &Dyadic, least: &Dyadic) -> bool {
    constant == INFINITY || &(rest + &dyadic(constant)) >= least
}

fn slope_at(line: Line, x: f64) -> Dyadic {
    &dyadic(line.slope) * &dyadic(x)
}

fn lines_hold(activation: Activation, lines: Lines, points: &[f64]) -> bool {
    points.iter().all(|&x| {
        let (least, greatest) = value(activation, x);
        below(lines.lower.intercept, &slope_at(lines.lower, x), &greatest)
            && above(lines.upper.intercept, &slope_at(lines.upper, x), &least)
    })
}

fn slopes_at(face: Face, delta: &Dyadic, x: f64) -> Dyadic {
    &(&dyadic(face.delta) * delta) + &(&dyadic(face.x) * &dyadic(x))
}

/// The least and the greatest that the difference at `(x, x')` can be.
fn difference(activation: Activation, x: f64, y: f64) -> (Dyadic, Dyadic) {
    let (a, b) = (value(activation, x), value(activation, y));
    (&a.0 - &b.1, &a.1 - &b.0)
}

fn faces_hold(activation: Activation, faces: Faces, points: &[(f64, f64)]) -> bool {
    points.iter().all(|&(x, y)| {
        let (least, greatest) = difference(activation, x, y);
        let delta = &dyadic(x) - &dyadic(y);
        below(faces.lower.constant, &slopes_at(faces.lower, &delta, x), &greatest)
            && above(faces.upper.constant, &slopes_at(faces.upper, &delta, x), &least)
    })
}

fn encloses(bounds: Interval, (least, greatest): &(Dyadic, Dyadic)) -> bool {
    greatest.compare(bounds.lower).is_some_and(std::cmp::Ordering::is_ge)
        && least.compare(bounds.upper).is_some_and(std::cmp::Ordering::is_le)
}

fn leaky() -> impl Strategy<Value = Activation> + Clone {
    let slopes = vec![0.0, 0.01, 0.1, 0.3, 1.0, 1.5, -0.25, -3.7, 1e-300, 1e10, -1e10];
    prop_oneof![
        proptest::sample::select(slopes),
        Just(1.0f64.next_down()),
        Just(1.0f64.next_up()),
        -2.0..2.0f64,
    ]
    .prop_map(|slope| Activation::LeakyRelu { slope })
}

fn clip() -> impl Strategy<Value = Activation> + Clone {
    let bounds = vec![
        (0.0, 6.0),
        (-1.0, 1.0),
        (-INFINITY, 0.3),
        (0.1, INFINITY),
        (-INFINITY, INFINITY),
        (0.3, 0.3),
        (1e-300, 1e-3),
        (-1e100, 1e3),
        (-0.1, 1e100),
    ];
    let random = (-2.0..2.0f64, 0.0..3.0f64).prop_map(|(lower, width)| (lower, lower + width));
    prop_oneof![proptest::sample::select(bounds), random]
        .prop_map(|(lower, upper)| Activation::Clip { lower, upper })
}

fn piecewise() -> impl Strategy<Value = Activation> + Clone {
    prop_oneof![1 => Just(Activation::Relu), 3 => leaky(), 3 => clip()]
}

fn sigmoidal() -> impl Strategy<Value = Activation> + Clone {
    prop_oneof![Just(Activation::Sigmoid), Just(Activation::Tanh)]
}

fn any_activation() -> impl Strategy<Value = Activation> + Clone {
    prop_oneof![piecewise(), sigmoidal()]
}

/// `lower` to `lower + width` on scales at which activations bend, and points in it.
fn ordinary(points: usize) -> impl Strategy<Value = (Interval, Vec<f64>)> + Clone {
    let scale = (-6..=6i32).prop_map(|e| 2.0f64.powi(e));
    let narrow = (0..=50i32).prop_map(|e| 2.0f64.powi(-e));
    let width = prop_oneof![0.0..2.0f64, narrow, Just(0.0)];
    (scale, -1.5..1.0f64, width, vec(0.0..1.0f64, points)).prop_map(|(scale, from, width, at)| {
        let x = Interval::new(scale * from, scale * (from + width));
        let points = at.iter().map(|t| (x.lower + t * (x.upper - x.lower)).min(x.upper));
        (x, points.collect())
    })
}

fn intervals() -> impl Strategy<Value = (Interval, Vec<f64>)> + Clone {
    prop_oneof![3 => ordinary(POINTS), 1 => interval_and_points(POINTS)]
}

/// A neuron on an ordinary scale, and a copy that is near or not.
fn ordinary_differences(points: usize) -> impl Strategy<Value = DifferenceCase> + Clone {
    let size = (-30..=2i32).prop_map(|e| 2.0f64.powi(e));
    (ordinary(points), -1.0..1.0f64, 0.0..1.0f64, size, vec(0.0..1.0f64, points)).prop_map(
        |((x, points), centre, radius, size, at)| {
            let delta = Interval::new(size * (centre - radius), size * (centre + radius));
            let compressed =
                Interval::new(sub_down(x.lower, delta.upper), sub_up(x.upper, delta.lower));
            let pairs: Vec<_> = points
                .iter()
                .zip(&at)
                .map(|(x, t)| (*x, x - (delta.lower + t * (delta.upper - delta.lower))))
                .collect();
            // x - δ was rounded.
            let delta = pairs.iter().fold(delta, |delta, (x, y)| {
                Interval::new(delta.lower.min(sub_down(*x, *y)), delta.upper.max(sub_up(*x, *y)))
            });
            let compressed = pairs.iter().fold(compressed, |all, (_, y)| {
                Interval::new(all.lower.min(*y), all.upper.max(*y))
            });
            DifferenceCase { x, compressed, delta, points: pairs }
        },
    )
}

fn differences() -> impl Strategy<Value = DifferenceCase> + Clone {
    prop_oneof![3 => ordinary_differences(POINTS), 1 => difference_intervals(POINTS)]
}

/// The points of a case, and all pairs of corners that are possible.
fn pairs(activation: Activation, case: &DifferenceCase) -> Vec<(f64, f64)> {
    let mut pairs = case.points.clone();
    let mut xs = corners(activation, case.x);
    let ys = corners(activation, case.compressed);
    // Corners at which δ is at an end.
    for y in &ys {
        for delta in [case.delta.lower, case.delta.upper] {
            xs.extend([add_down(*y, delta), add_up(*y, delta)]);
        }
    }
    for x in xs.into_iter().filter(|x| case.x.contains(*x) && x.is_finite()) {
        let ends = [case.delta.lower, case.delta.upper].map(|d| [sub_down(x, d), sub_up(x, d)]);
        for &y in ys.iter().chain(ends.as_flattened()) {
            let possible = y.is_finite() && (&dyadic(x) - &dyadic(y)).is_within(case.delta);
            if case.compressed.contains(y) && possible {
                pairs.push((x, y));
            }
        }
    }
    pairs
}

fn finite_slopes(lines: Lines) -> bool {
    let Lines { lower, upper } = lines;
    lower.slope.is_finite()
        && upper.slope.is_finite()
        && lower.intercept < INFINITY
        && upper.intercept > -INFINITY
}

fn finite_slopes_of_faces(faces: Faces) -> bool {
    let Faces { lower, upper } = faces;
    [lower, upper].iter().all(|face| face.delta.is_finite() && face.x.is_finite())
        && lower.constant < INFINITY
        && upper.constant > -INFINITY
}

#[test]
fn lines_and_intervals_hold() {
    let result = runner(20_000).run(&(any_activation(), intervals()), |(activation, case)| {
        let (x, mut points) = case;
        points.extend(corners(activation, x));
        let lines = activation_lines(activation, x);
        prop_assert!(finite_slopes(lines), "{lines:?}");
        prop_assert!(lines_hold(activation, lines, &points), "{lines:?}");
        let bounds = activation_interval(activation, x);
        for point in points {
            prop_assert!(encloses(bounds, &value(activation, point)), "{bounds:?} {point:e}");
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn faces_and_difference_intervals_hold() {
    let result = runner(20_000).run(&(any_activation(), differences()), |(activation, case)| {
        let points = pairs(activation, &case);
        let DifferenceCase { x, compressed, delta, .. } = case;
        let faces = activation_difference_faces(activation, x, compressed, delta);
        prop_assert!(finite_slopes_of_faces(faces), "{faces:?}");
        prop_assert!(faces_hold(activation, faces, &points), "{faces:?}");
        let bounds = activation_difference_interval(activation, x, compressed, delta);
        for (a, b) in points {
            let g = difference(activation, a, b);
            prop_assert!(encloses(bounds, &g), "{bounds:?} {a:e} {b:e}");
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Values of sigmoid and tanh to 40 digits, between neighbouring doubles.
fn table(name: &str) -> Vec<(f64, f64)> {
    let bits = |text: &str| f64::from_bits(u64::from_str_radix(text, 16).unwrap());
    let lines = include_str!("../../nn-core/tests/data/elementary.txt").lines();
    let words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    words.filter(|words| words[0] == name).map(|words| (bits(words[1]), bits(words[2]))).collect()
}

#[test]
fn lines_hold_at_the_values_of_a_table() {
    for (name, activation) in [("sigmoid", Activation::Sigmoid), ("tanh", Activation::Tanh)] {
        let table = table(name);
        for (l, _) in table.iter().step_by(19) {
            for (u, _) in table.iter().step_by(23).filter(|(u, _)| l <= u) {
                let lines = activation_lines(activation, Interval::new(*l, *u));
                for (x, below_value) in table.iter().step_by(3).filter(|(x, _)| l <= x && x <= u) {
                    let (least, greatest) = (dyadic(*below_value), dyadic(below_value.next_up()));
                    let lower = slope_at(lines.lower, *x);
                    let upper = slope_at(lines.upper, *x);
                    assert!(below(lines.lower.intercept, &lower, &greatest), "{name} {l} {u} {x}");
                    assert!(above(lines.upper.intercept, &upper, &least), "{name} {l} {u} {x}");
                }
            }
        }
    }
}

#[test]
fn relu_is_what_it_was() {
    let result = runner(2_000).run(&difference_intervals(1), |case| {
        let DifferenceCase { x, compressed, delta, .. } = case;
        prop_assert_eq!(activation_lines(Activation::Relu, x), relu_lines(x));
        prop_assert_eq!(
            activation_difference_faces(Activation::Relu, x, compressed, delta),
            relu_difference_faces(x, compressed, delta)
        );
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn ends_that_are_no_numbers_say_nothing() {
    let activations = [
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.1 },
        Activation::LeakyRelu { slope: -2.0 },
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::RELU6,
        Activation::Clip { lower: -INFINITY, upper: 1.0 },
    ];
    let ends = [-INFINITY, -f64::MAX, -1.0, 0.0, 1.0, f64::MAX, INFINITY, f64::NAN];
    let all = ends.iter().flat_map(|l| ends.map(|u| Interval::new(*l, u)));
    let holds_a_number =
        |x: &Interval| !(x.lower > x.upper || x.lower == INFINITY || x.upper == -INFINITY);
    let all: Vec<_> = all.filter(holds_a_number).collect();
    let points = [-f64::MAX, -1e3, -1.0, -0.5, 0.0, 0.5, 1.0, 7.0, f64::MAX];
    let inside = |x: Interval, p: f64| x.intersect(Interval::EVERYTHING).contains(p);
    for activation in activations {
        for &x in &all {
            let held: Vec<_> = points.iter().copied().filter(|p| inside(x, *p)).collect();
            let lines = activation_lines(activation, x);
            assert!(finite_slopes(lines), "{activation:?} {x:?}");
            assert!(lines_hold(activation, lines, &held), "{activation:?} {x:?} {lines:?}");
            for &y in &all {
                let delta = Interval::new(-INFINITY, f64::NAN);
                let faces = activation_difference_faces(activation, x, y, delta);
                assert!(finite_slopes_of_faces(faces), "{activation:?} {x:?} {y:?}");
                let others = points.iter().filter(|p| inside(y, **p));
                let pairs: Vec<_> =
                    others.flat_map(|b| held.iter().map(move |a| (*a, *b))).collect();
                assert!(faces_hold(activation, faces, &pairs), "{activation:?} {x:?} {y:?}");
            }
        }
    }
    let absurd = Activation::Clip { lower: 1.0, upper: 0.0 };
    assert_eq!(activation_interval(absurd, Interval::point(0.0)), Interval::EVERYTHING);
    let absurd = Activation::LeakyRelu { slope: f64::NAN };
    assert_eq!(activation_lines(absurd, Interval::point(0.0)).upper.intercept, INFINITY);
}

/// Where a piecewise linear activation is one line, its lines and faces are that line.
#[test]
fn lines_of_linear_activations_are_exact() {
    let result = runner(5_000).run(&(piecewise(), differences()), |(activation, case)| {
        let straight =
            |x: Interval| kinks(activation).iter().all(|k| !(x.lower < *k && *k < x.upper));
        let lines = activation_lines(activation, case.x);
        if straight(case.x) {
            for point in corners(activation, case.x) {
                let exact = value(activation, point).0;
                for line in [lines.lower, lines.upper] {
                    prop_assert_eq!(
                        &slope_at(line, point) + &dyadic(line.intercept),
                        exact.clone()
                    );
                }
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

fn gap(line: Line, activation: Activation, x: f64) -> f64 {
    (line.slope * x + line.intercept - activation.apply(x)).abs()
}

#[test]
fn lines_of_sigmoids_touch() {
    let result = runner(5_000).run(&(sigmoidal(), ordinary(1)), |(activation, (x, _))| {
        let Lines { lower, upper } = activation_lines(activation, x);
        let (l, u) = (x.lower, x.upper);
        let points: Vec<f64> =
            (0..=4096).map(|i| l + (u - l) * (f64::from(i) / 4096.0)).chain([u]).collect();
        for line in [lower, upper] {
            let closest = points.iter().map(|p| gap(line, activation, *p)).fold(INFINITY, f64::min);
            // A tangent misses the closest point of the grid by the square of its step.
            let step = (u - l) / 4096.0;
            let size = activation.apply(l).abs().max(activation.apply(u).abs());
            prop_assert!(closest <= step * step + 1e-13 * (size + line.slope * x.magnitude()));
        }
        // No worse than constants in the middle.
        let (low, high) = (activation.apply(l), activation.apply(u));
        let middle = l / 2.0 + u / 2.0;
        prop_assert!(lower.slope * middle + lower.intercept >= low - 1e-14);
        prop_assert!(upper.slope * middle + upper.intercept <= high + 1e-14);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Lines are closer than constants everywhere, and much closer in the middle.
#[test]
fn lines_of_sigmoids_are_close() {
    for activation in [Activation::Sigmoid, Activation::Tanh] {
        for (l, u) in [(-4.0, -2.0), (-1.0, 0.0), (0.5, 1.0), (-0.5, 0.75), (-1e-3, 1e-3)] {
            let lines = activation_lines(activation, Interval::new(l, u));
            let range = activation.apply(u) - activation.apply(l);
            for (x, share) in [(l, 0.65), ((l + u) / 2.0, 0.4), (u, 0.65)] {
                let width = (lines.upper.slope - lines.lower.slope) * x
                    + (lines.upper.intercept - lines.lower.intercept);
                assert!(width <= share * range, "{activation:?} {l} {u} {x}: {width} of {range}");
            }
        }
    }
}

#[test]
fn faces_at_a_point_are_nearly_exact() {
    let result = runner(5_000).run(&(any_activation(), ordinary_differences(1)), |(f, case)| {
        let (x, y) = case.points[0];
        let delta = Interval::new(sub_down(x, y), sub_up(x, y));
        let faces = activation_difference_faces(f, Interval::point(x), Interval::point(y), delta);
        let g = f.apply(x) - f.apply(y);
        let at = |face: Face| face.delta * (x - y) + face.x * x + face.constant;
        let size =
            1e-13 * (f.apply(x).abs() + f.apply(y).abs() + x.abs().max(y.abs()) * steepest(f));
        prop_assert!((at(faces.lower) - g).abs() <= size, "{faces:?}");
        prop_assert!((at(faces.upper) - g).abs() <= size, "{faces:?}");
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

fn steepest(activation: Activation) -> f64 {
    if let Activation::LeakyRelu { slope } = activation { slope.abs().max(1.0) } else { 1.0 }
}

type BrokenLines = fn(Interval, Lines) -> Lines;

const WRONG_LINES: [(&str, BrokenLines); 5] = [
    ("lines swapped", |_, lines| Lines { lower: lines.upper, upper: lines.lower }),
    ("lower too high", |x, mut lines| {
        lines.lower.intercept += 1e-9 * x.magnitude();
        lines
    }),
    ("upper too low", |x, mut lines| {
        lines.upper.intercept -= 1e-9 * x.magnitude();
        lines
    }),
    ("lower tilted", |_, mut lines| {
        lines.lower.slope *= 1.001;
        lines
    }),
    ("upper tilted", |_, mut lines| {
        lines.upper.slope *= 1.001;
        lines
    }),
];

#[test]
fn broken_lines_are_rejected() {
    let families = [leaky().boxed(), clip().boxed(), sigmoidal().boxed()];
    for (name, broken) in WRONG_LINES {
        for family in &families {
            let law = (family.clone(), ordinary(POINTS));
            let result = runner(10_000).run(&law, |(activation, (x, mut points))| {
                points.extend(corners(activation, x));
                let lines = broken(x, activation_lines(activation, x));
                prop_assert!(lines_hold(activation, lines, &points));
                Ok(())
            });
            assert!(result.is_err(), "accepted: {name}");
        }
    }
}

type BrokenFaces = fn(Interval, Faces) -> Faces;

const WRONG_FACES: [(&str, BrokenFaces); 5] = [
    ("faces swapped", |_, faces| Faces { lower: faces.upper, upper: faces.lower }),
    ("lower too high", |delta, mut faces| {
        faces.lower.constant += 1e-6 * delta.magnitude();
        faces
    }),
    ("upper too low", |delta, mut faces| {
        faces.upper.constant -= 1e-6 * delta.magnitude();
        faces
    }),
    ("lower tilted", |_, mut faces| {
        faces.lower.delta *= 1.001;
        faces
    }),
    ("upper tilted", |_, mut faces| {
        faces.upper.delta *= 1.001;
        faces
    }),
];

#[test]
fn broken_faces_are_rejected() {
    let families = [leaky().boxed(), clip().boxed(), sigmoidal().boxed()];
    for (name, broken) in WRONG_FACES {
        for family in &families {
            let law = (family.clone(), ordinary_differences(POINTS));
            let result = runner(10_000).run(&law, |(activation, case)| {
                let points = pairs(activation, &case);
                let DifferenceCase { x, compressed, delta, .. } = case;
                let faces = activation_difference_faces(activation, x, compressed, delta);
                prop_assert!(faces_hold(activation, broken(delta, faces), &points));
                Ok(())
            });
            assert!(result.is_err(), "accepted: {name}");
        }
    }
}
