//! Enclosures of sigmoid and tanh against 40-digit values, with no slack.

use nncert_core::elementary::{
    sigmoid_down, sigmoid_slope_down, sigmoid_slope_up, sigmoid_up, tanh_down, tanh_slope_down,
    tanh_slope_up, tanh_up,
};

type Function = fn(f64) -> f64;

const FUNCTIONS: [(&str, Function, Function); 4] = [
    ("sigmoid", sigmoid_down, sigmoid_up),
    ("sigmoid_slope", sigmoid_slope_down, sigmoid_slope_up),
    ("tanh", tanh_down, tanh_up),
    ("tanh_slope", tanh_slope_down, tanh_slope_up),
];

/// An argument, and the closest doubles at most and at least the value of a function there.
struct Entry {
    x: f64,
    below: f64,
    above: f64,
}

/// Written by `data/elementary.py`.
fn table(function: &str) -> Vec<Entry> {
    let bits = |text: &str| f64::from_bits(u64::from_str_radix(text, 16).unwrap());
    let lines = include_str!("data/elementary.txt").lines();
    let words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
    words
        .filter(|words| words[0] == function)
        .map(|words| {
            let below = bits(words[2]);
            let above = if words.len() == 4 { below } else { below.next_up() };
            Entry { x: bits(words[1]), below, above }
        })
        .collect()
}

/// How many doubles lie between two, `low ≤ high`.
fn steps(low: f64, high: f64) -> u32 {
    let places = std::iter::successors(Some(low), |at| Some(at.next_up()));
    places.take_while(|at| *at < high).take(1_000).count() as u32
}

#[test]
fn enclosures_hold_and_are_tight() {
    for (name, down, up) in FUNCTIONS {
        let table = table(name);
        assert!(table.len() > 600, "{name}: {}", table.len());
        for Entry { x, below, above } in table {
            let (low, high) = (down(x), up(x));
            assert!(low <= below && above <= high, "{name}({x:e}): {low:e} {high:e}");
            // Four times as many where the factor 4 of tanh meets subnormal numbers.
            assert!(
                steps(low, high) <= if high < f64::MIN_POSITIVE { 70 } else { 40 },
                "{name}({x:e}): {low:e} {high:e}"
            );
        }
    }
}

/// The bound that is derived, six steps, is not reached: half the margin would do.
#[test]
fn the_margin_is_generous() {
    for (name, down, up) in FUNCTIONS {
        for Entry { x, below, above } in table(name) {
            let (mut low, mut high) = (down(x), up(x));
            // Clamped values are at the end of the range.
            if low == 0.0 || high == 0.0 || high.abs() == 1.0 || low.abs() == 1.0 || x.abs() < 1e-7
            {
                continue;
            }
            for _ in 0..4 {
                (low, high) = (low.next_up(), high.next_down());
            }
            assert!(low <= below && above <= high, "{name}({x:e}): {low:e} {high:e}");
        }
    }
}

#[test]
fn ends_of_the_line() {
    let far = [f64::INFINITY, f64::MAX, 1e300];
    for x in far {
        assert_eq!((sigmoid_up(x), sigmoid_down(-x)), (1.0, 0.0));
        assert_eq!((tanh_up(x), tanh_down(-x)), (1.0, -1.0));
        assert_eq!((sigmoid_slope_down(x), tanh_slope_down(-x)), (0.0, 0.0));
        assert!(sigmoid_down(x) > 0.999 && sigmoid_up(-x) < 1e-300 && tanh_up(-x) < -0.999);
    }
    assert_eq!((sigmoid_down(f64::NAN), sigmoid_up(f64::NAN)), (0.0, 1.0));
    assert_eq!((tanh_down(f64::NAN), tanh_up(f64::NAN)), (-1.0, 1.0));
    assert_eq!((tanh_slope_down(f64::NAN), tanh_slope_up(f64::NAN)), (0.0, 1.0));
}
