//! The lines and faces of ReLU hold between exact real numbers, and touch.

mod exact;

use std::cell::RefCell;
use std::collections::BTreeMap;

use exact::{dyadic, runner};
use nncert_bounds::strategies::{DifferenceCase, difference_intervals, interval_and_points};
use nncert_bounds::{Face, Faces, Line, Lines, relu_difference_faces, relu_lines};
use nncert_core::Interval;
use nncert_core::exact::Dyadic;
use proptest::prelude::*;

/// Points to each interval or case.
const POINTS: usize = 6;

fn relu(x: &Dyadic) -> Dyadic {
    if x.is_negative() { Dyadic::ZERO } else { x.clone() }
}

fn line_at(line: Line, x: &Dyadic) -> Dyadic {
    &(&dyadic(line.slope) * x) + &dyadic(line.intercept)
}

fn face_at(face: Face, delta: &Dyadic, x: &Dyadic) -> Dyadic {
    let slopes = &(&dyadic(face.delta) * delta) + &(&dyadic(face.x) * x);
    &slopes + &dyadic(face.constant)
}

fn lines_hold(lines: Lines, points: &[f64]) -> bool {
    points.iter().all(|x| {
        let x = dyadic(*x);
        line_at(lines.lower, &x) <= relu(&x) && relu(&x) <= line_at(lines.upper, &x)
    })
}

fn faces_hold(faces: Faces, points: &[(f64, f64)]) -> bool {
    points.iter().all(|(x, y)| {
        let (x, y) = (dyadic(*x), dyadic(*y));
        let (delta, g) = (&x - &y, &relu(&x) - &relu(&y));
        face_at(faces.lower, &delta, &x) <= g && g <= face_at(faces.upper, &delta, &x)
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Dead,
    Active,
    Mixed,
}

fn side(x: Interval) -> Side {
    if x.upper <= 0.0 {
        Side::Dead
    } else if x.lower >= 0.0 {
        Side::Active
    } else {
        Side::Mixed
    }
}

#[test]
fn lines_bound_relu_exactly() {
    let sides = RefCell::new(BTreeMap::<Side, u32>::new());
    let result = runner(20_000).run(&interval_and_points(POINTS), |(x, points)| {
        *sides.borrow_mut().entry(side(x)).or_default() += 1;
        prop_assert!(points.iter().all(|point| x.contains(*point)));
        prop_assert!(lines_hold(relu_lines(x), &points), "{x:?}");
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let sides = sides.into_inner();
    assert!(sides.len() == 3 && sides.values().all(|count| *count >= 1_000), "{sides:?}");
}

#[test]
fn faces_bound_the_difference_exactly() {
    let cases = RefCell::new(BTreeMap::<(Side, Side), u32>::new());
    let result = runner(40_000).run(&difference_intervals(POINTS), |case| {
        let DifferenceCase { x, compressed, delta, points } = case;
        *cases.borrow_mut().entry((side(x), side(compressed))).or_default() += 1;
        for (a, b) in &points {
            prop_assert!(x.contains(*a) && compressed.contains(*b));
            prop_assert!((&dyadic(*a) - &dyadic(*b)).is_within(delta));
        }
        prop_assert!(faces_hold(relu_difference_faces(x, compressed, delta), &points));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // Every row of the table, every cell of it in fact.
    let cases = cases.into_inner();
    assert!(cases.len() == 9 && cases.values().all(|count| *count >= 500), "{cases:?}");
}

/// Near the end of the range of `f64` lines become loose, never wrong.
#[test]
fn lines_bound_relu_at_the_end_of_the_range() {
    let huge = [f64::MAX, f64::MAX / 2.0, 1e308];
    let tiny = [0.0, -0.0, f64::from_bits(1), f64::MIN_POSITIVE];
    for &u in huge.iter().chain(&tiny) {
        for &l in huge.iter().chain(&tiny) {
            let lines = relu_lines(Interval::new(-l, u));
            let points = [-l, u, 0.0, -l / 2.0, u / 2.0];
            // A line with an infinite intercept says nothing.
            let finite = lines.upper.intercept.is_finite() && lines.lower.intercept.is_finite();
            assert!(finite || lines.upper.intercept == f64::INFINITY, "{l} {u}");
            assert!(!finite || lines_hold(lines, &points), "{l} {u}");
        }
    }
}

/// The largest distance that counts as touching, for numbers of this size.
fn few_ulps(size: f64) -> Dyadic {
    dyadic(16.0 * f64::EPSILON * size + 4.0 * f64::MIN_POSITIVE)
}

#[test]
fn lines_touch() {
    let result = runner(5_000).run(&interval_and_points(1), |(x, points)| {
        let lines = relu_lines(x);
        let (low, high, point) = (dyadic(x.lower), dyadic(x.upper), dyadic(points[0]));
        match side(x) {
            Side::Mixed => {
                let slack = few_ulps(x.magnitude());
                // The chord touches at both ends, the lower line at the kink and at one end.
                for end in [&low, &high] {
                    prop_assert!(&line_at(lines.upper, end) - &relu(end) <= slack);
                }
                prop_assert_eq!(line_at(lines.lower, &Dyadic::ZERO), Dyadic::ZERO);
                let touches = |end| line_at(lines.lower, end) == relu(end);
                prop_assert!(touches(&low) || touches(&high));
                // The lower slope leaves the smaller triangle.
                prop_assert_eq!(lines.lower.slope == 1.0, x.upper > -x.lower);
            }
            _ => {
                prop_assert_eq!(line_at(lines.lower, &point), relu(&point));
                prop_assert_eq!(line_at(lines.upper, &point), relu(&point));
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn faces_touch() {
    let result = runner(10_000).run(&difference_intervals(1), |case| {
        let DifferenceCase { x, compressed, delta, points } = case;
        let faces = relu_difference_faces(x, compressed, delta);
        let slack = few_ulps(delta.magnitude().max(x.magnitude()).max(compressed.magnitude()));
        let (low, high) = (dyadic(delta.lower), dyadic(delta.upper));
        let zero = Dyadic::ZERO;
        let on_delta = |face: Face, at: &Dyadic, value: Dyadic| {
            let gap = &face_at(face, at, &zero) - &value;
            gap <= slack && -&gap <= slack
        };
        let min = |a: &Dyadic, b: f64| a.clone().min(dyadic(b));
        let max = |a: &Dyadic, b: f64| a.clone().max(dyadic(b));
        match (side(x), side(compressed)) {
            (Side::Dead, Side::Dead) => {
                prop_assert_eq!(faces, Faces::default());
            }
            (Side::Active, Side::Active) => {
                let delta = Face { delta: 1.0, ..Face::default() };
                prop_assert_eq!(faces, Faces { lower: delta, upper: delta });
            }
            // Stable, in a sum that is not.
            (Side::Dead, Side::Active) | (Side::Active, Side::Dead) => {
                let (x, y) = (dyadic(points[0].0), dyadic(points[0].1));
                let g = &relu(&x) - &relu(&y);
                prop_assert_eq!(face_at(faces.lower, &(&x - &y), &x), g.clone());
                prop_assert_eq!(face_at(faces.upper, &(&x - &y), &x), g);
            }
            // At the ends of `x'`, where `g = -ReLU(x')`.
            (Side::Dead, Side::Mixed) => {
                for end in [compressed.lower, compressed.upper] {
                    let (x, y) = (dyadic(x.upper), dyadic(end));
                    let gap = &-&relu(&y) - &face_at(faces.lower, &(&x - &y), &x);
                    prop_assert!(gap <= slack);
                }
            }
            (Side::Mixed, Side::Dead) => {
                for end in [x.lower, x.upper] {
                    let end = dyadic(end);
                    let gap = &face_at(faces.upper, &zero, &end) - &relu(&end);
                    prop_assert!(gap <= slack);
                }
            }
            (Side::Active, Side::Mixed) => {
                for end in [&low, &high] {
                    prop_assert!(on_delta(faces.lower, end, min(end, x.lower)));
                    prop_assert!(on_delta(faces.upper, end, end.clone()));
                }
            }
            (Side::Mixed, Side::Active) => {
                for end in [&low, &high] {
                    prop_assert!(on_delta(faces.upper, end, max(end, -compressed.lower)));
                    prop_assert!(on_delta(faces.lower, end, end.clone()));
                }
            }
            (Side::Mixed, Side::Mixed) => {
                for end in [&low, &high] {
                    prop_assert!(on_delta(faces.lower, end, min(end, 0.0)));
                    prop_assert!(on_delta(faces.upper, end, max(end, 0.0)));
                }
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

type Broken = fn(Interval, Interval, Interval, Faces) -> Faces;

/// What is not zero in the faces of a case, moved to the wrong side.
const WRONG: [(&str, Broken); 6] = [
    ("faces swapped", |_, _, _, f| Faces { lower: f.upper, upper: f.lower }),
    ("lower face too high", |_, _, d, mut f| {
        f.lower.constant += 1e-3 * d.magnitude();
        f
    }),
    ("upper face too low", |_, _, d, mut f| {
        f.upper.constant -= 1e-3 * d.magnitude();
        f
    }),
    ("lower face tilted", |_, _, d, mut f| {
        f.lower.delta += if d.upper > 0.0 { 1e-3 } else { -1e-3 };
        f
    }),
    ("upper face tilted", |_, _, d, mut f| {
        f.upper.delta -= if d.upper > 0.0 { 1e-3 } else { -1e-3 };
        f
    }),
    ("x forgotten", |_, _, _, f| Faces {
        lower: Face { x: 0.0, ..f.lower },
        upper: Face { x: 0.0, ..f.upper },
    }),
];

/// Each cell of the table, broken in each way, is rejected; so the law can fail everywhere.
#[test]
fn broken_tables_are_rejected() {
    let sides = [Side::Dead, Side::Active, Side::Mixed];
    let cells = sides.iter().flat_map(|a| sides.iter().map(move |b| (*a, *b)));
    for cell in cells {
        for (name, broken) in WRONG {
            // Where both faces are one function, or do not have `x`, there is nothing to break.
            let without_x = cell.0 == cell.1
                || matches!(cell, (Side::Active, Side::Mixed) | (Side::Mixed, Side::Active));
            if (name == "faces swapped" && !cell_is_mixed(cell))
                || (name == "x forgotten" && without_x)
            {
                continue;
            }
            let result = runner(10_000).run(&difference_intervals(POINTS), |case| {
                let DifferenceCase { x, compressed, delta, points } = case;
                let mut faces = relu_difference_faces(x, compressed, delta);
                if (side(x), side(compressed)) == cell {
                    faces = broken(x, compressed, delta, faces);
                }
                prop_assert!(faces_hold(faces, &points));
                Ok(())
            });
            assert!(result.is_err(), "{cell:?} passes with: {name}");
        }
    }
}

fn cell_is_mixed((x, compressed): (Side, Side)) -> bool {
    x == Side::Mixed || compressed == Side::Mixed
}

/// A chord one part in a million too low, or without its rounding outward, is rejected.
#[test]
fn broken_chords_are_rejected() {
    type Chord = fn(Interval, Lines) -> Lines;
    let broken: [(&str, Chord); 4] = [
        ("intercept too low", |_, mut lines| {
            lines.upper.intercept *= 1.0 - 1e-6;
            lines
        }),
        ("intercept rounded to nearest", |x, mut lines| {
            lines.upper.intercept = -lines.upper.slope * x.lower;
            lines
        }),
        ("lower line above the kink", |_, mut lines| {
            lines.lower.intercept = f64::MIN_POSITIVE;
            lines
        }),
        ("lower line too steep", |_, mut lines| {
            lines.lower.slope = 1.5;
            lines
        }),
    ];
    for (name, broken) in broken {
        let result = runner(10_000).run(&interval_and_points(POINTS), |(x, points)| {
            let mut lines = relu_lines(x);
            if side(x) == Side::Mixed {
                lines = broken(x, lines);
            }
            prop_assert!(lines_hold(lines, &points));
            Ok(())
        });
        assert!(result.is_err(), "accepted: {name}");
    }
}
