//! Linear relaxations of all activations, and of their differences.
//!
//! Slopes are chosen first, in round-to-nearest; intercepts are then rounded
//! outward for the slopes that were chosen. An end that is infinite or NaN says
//! nothing, and what comes of it is constant, if need be infinite.

mod difference;
mod piecewise;
mod sigmoidal;

use nncert_core::{Activation, Interval};

use crate::relu::{Face, Faces, Line, Lines, relu_difference_faces, relu_lines};
pub(crate) use difference::minus;
use difference::{Neuron, apart, by_kinks, closest, constant, lipschitz, times};
use piecewise::Piecewise;
use sigmoidal::Sigmoidal;

/// What an activation is made of.
enum Family {
    Piecewise(Piecewise),
    Sigmoidal(Sigmoidal),
    /// An activation that this crate does not know.
    Unknown,
}

impl Family {
    fn of(activation: Activation) -> Self {
        match activation {
            Activation::Sigmoid => Self::Sigmoidal(Sigmoidal::Sigmoid),
            Activation::Tanh => Self::Sigmoidal(Sigmoidal::Tanh),
            _ => Piecewise::of(activation).map_or(Self::Unknown, Self::Piecewise),
        }
    }
}

/// The values of an activation on an interval.
///
/// Guarantee: sound; exact for ReLU and clips, and within one rounding for leaky ReLU.
///
/// # Examples
///
/// ```
/// use nncert_bounds::activation_interval;
/// use nncert_core::{Activation, Interval};
/// let bent = Activation::LeakyRelu { slope: -0.5 };
/// assert_eq!(activation_interval(bent, Interval::new(-2.0, 0.5)), Interval::new(0.0, 1.0));
/// ```
#[must_use]
pub fn activation_interval(activation: Activation, x: Interval) -> Interval {
    let x = known(x);
    match Family::of(activation) {
        Family::Piecewise(function) => function.interval(x),
        Family::Sigmoidal(function) => function.interval(x),
        Family::Unknown => Interval::EVERYTHING,
    }
}

/// Two lines around an activation on an interval.
///
/// ```text
/// ReLU               as `relu_lines`
/// leaky ReLU, clip   through kinks and ends, closest at the middle
/// sigmoid, tanh      tangent at the middle, or through the far end; else the chord
/// ```
///
/// Guarantee: sound; exact where the activation is one line on the interval.
///
/// # Examples
///
/// ```
/// use nncert_bounds::activation_lines;
/// use nncert_core::{Activation, Interval};
/// let lines = activation_lines(Activation::Tanh, Interval::new(-1.0, 2.0));
/// for x in [-1.0f64, 0.0, 0.5, 2.0] {
///     assert!(lines.lower.slope * x + lines.lower.intercept <= x.tanh() + 1e-12);
///     assert!(lines.upper.slope * x + lines.upper.intercept >= x.tanh() - 1e-12);
/// }
/// ```
///
/// # References
///
/// Zhang et al., *Efficient Neural Network Robustness Certification with General
/// Activation Functions* (CROWN), 2018.
#[must_use]
pub fn activation_lines(activation: Activation, x: Interval) -> Lines {
    if !is_finite(x) {
        let values = activation_interval(activation, x);
        return Lines { lower: flat(values.lower), upper: flat(values.upper) };
    }
    match Family::of(activation) {
        _ if activation == Activation::Relu => relu_lines(x),
        Family::Piecewise(function) => function.lines(x),
        Family::Sigmoidal(function) => function.lines(x),
        Family::Unknown => Lines { lower: flat(f64::NEG_INFINITY), upper: flat(f64::INFINITY) },
    }
}

/// Encloses `σ(x) - σ(x')`, `δ = x - x'`.
///
/// ```text
/// σ(x) - σ(x')   and   [m, M] · δ,   m, M the extreme slopes of σ between x and x'
/// ```
///
/// Guarantee: sound on `x`, `compressed` (`x'`) and `delta` (`δ`).
#[must_use]
pub fn activation_difference_interval(
    activation: Activation,
    x: Interval,
    compressed: Interval,
    delta: Interval,
) -> Interval {
    let (x, compressed, delta) = (known(x), known(compressed), known(delta));
    let values = [x, compressed].map(|x| activation_interval(activation, x));
    let (least, greatest) = slope_range(activation, hull(x, compressed));
    let joint = times(Interval::new(least, greatest), delta);
    known(minus(values[0], values[1])).intersect(known(joint))
}

/// Two faces around `σ(x) - σ(x')`, `δ = x - x'`.
///
/// ```text
/// ReLU               as `relu_difference_faces`
/// one line           k δ
/// otherwise          of each side the closest at the middle of
///                      the chord of the extreme slopes times δ
///                      the faces of its ReLUs, of a piecewise linear activation
///                      the line of σ(x) minus the line of σ(x')
///                      a constant
/// ```
///
/// Guarantee: sound on `x`, `compressed` (`x'`) and `delta` (`δ`); exact where the
/// activation is one line on `x` and `x'`.
///
/// # References
///
/// Paulsen et al., *NeuroDiff*, 2020, for the chords of `δ`.
#[must_use]
pub fn activation_difference_faces(
    activation: Activation,
    x: Interval,
    compressed: Interval,
    delta: Interval,
) -> Faces {
    let values = || constant(activation_difference_interval(activation, x, compressed, delta));
    if ![x, compressed, delta].into_iter().all(is_finite) {
        return values();
    }
    if activation == Activation::Relu {
        return relu_difference_faces(x, compressed, delta);
    }
    let (least, greatest) = slope_range(activation, hull(x, compressed));
    if !(least.is_finite() && greatest.is_finite()) {
        return values();
    }
    if least == greatest {
        let face = Face { delta: least, x: 0.0, constant: 0.0 };
        return Faces { lower: face, upper: face };
    }
    let neuron = Neuron { x, compressed, delta };
    let candidates = [
        Some(lipschitz((least, greatest), delta)),
        by_kinks(activation, &neuron),
        Some(apart_faces(activation, x, compressed, delta)),
        Some(values()),
    ];
    closest(&neuron, candidates.into_iter().flatten())
}

/// Faces from a line around `σ(x)` and a line around `σ(x')`.
pub(crate) fn apart_faces(
    activation: Activation,
    x: Interval,
    compressed: Interval,
    delta: Interval,
) -> Faces {
    if ![x, compressed, delta].into_iter().all(is_finite) {
        return constant(activation_difference_interval(activation, x, compressed, delta));
    }
    let [original, copy] = [x, compressed].map(|x| activation_lines(activation, x));
    apart(original, copy, &Neuron { x, compressed, delta })
}

/// Encloses all difference quotients of an activation on an interval.
pub(crate) fn slope_range(activation: Activation, x: Interval) -> (f64, f64) {
    let x = known(x);
    match Family::of(activation) {
        Family::Piecewise(function) => function.slopes(x),
        Family::Sigmoidal(function) => function.slopes(x),
        Family::Unknown => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

/// The slopes, from least to greatest, of lines through zero that are below the
/// activation on all of the interval; `None` unless it bends upward at zero.
pub(crate) fn free_lower_slope(activation: Activation, x: Interval) -> Option<(f64, f64)> {
    match slope_on_the_left(activation)? {
        slope if slope <= 1.0 && straddles_zero(x) => Some((slope, 1.0)),
        _ => None,
    }
}

/// Whether the activation is one line on the interval, so that its lines are exact.
pub(crate) fn is_linear_on(activation: Activation, x: Interval) -> bool {
    if activation == Activation::Relu {
        return x.lower >= 0.0 || x.upper <= 0.0;
    }
    Piecewise::of(activation).is_some_and(|function| function.single(known(x)).is_some())
}

/// The slope of a ReLU, leaky or not, on negative numbers.
fn slope_on_the_left(activation: Activation) -> Option<f64> {
    match activation {
        Activation::Relu => Some(0.0),
        Activation::LeakyRelu { slope } => Some(slope),
        _ => None,
    }
}

fn straddles_zero(x: Interval) -> bool {
    x.lower < 0.0 && x.upper > 0.0
}

/// The interval, with infinite ends in the place of NaN.
fn known(x: Interval) -> Interval {
    x.intersect(Interval::EVERYTHING)
}

fn is_finite(x: Interval) -> bool {
    x.lower.is_finite() && x.upper.is_finite()
}

/// The least interval that holds both.
pub(crate) fn hull(a: Interval, b: Interval) -> Interval {
    Interval::new(a.lower.min(b.lower), a.upper.max(b.upper))
}

const fn flat(intercept: f64) -> Line {
    Line { slope: 0.0, intercept }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAKY: Activation = Activation::LeakyRelu { slope: 0.25 };
    const STEEP: Activation = Activation::LeakyRelu { slope: 4.0 };
    const BENT: Activation = Activation::LeakyRelu { slope: -0.5 };
    const MIXED: Interval = Interval::new(-2.0, 8.0);

    #[test]
    fn free_slopes_are_those_of_both_pieces() {
        assert_eq!(free_lower_slope(Activation::Relu, MIXED), Some((0.0, 1.0)));
        assert_eq!(free_lower_slope(LEAKY, MIXED), Some((0.25, 1.0)));
        assert_eq!(free_lower_slope(BENT, MIXED), Some((-0.5, 1.0)));
        assert_eq!(free_lower_slope(STEEP, MIXED), None);
        assert_eq!(free_lower_slope(Activation::RELU6, MIXED), None);
        assert_eq!(free_lower_slope(LEAKY, Interval::new(0.0, 1.0)), None);
    }

    #[test]
    fn free_slopes_make_lines_on_the_right_side() {
        for activation in [Activation::Relu, LEAKY, BENT] {
            let range = free_lower_slope(activation, MIXED).unwrap();
            for slope in [range.0, range.1, 0.5 * (range.0 + range.1)] {
                for x in [MIXED.lower, -1.0, 0.0, 1.0, MIXED.upper] {
                    assert!(activation.apply(x) - slope * x >= 0.0, "{activation:?}");
                }
            }
        }
    }

    #[test]
    fn slopes_are_those_of_the_pieces_met() {
        let range = |activation, l, u| slope_range(activation, Interval::new(l, u));
        assert_eq!(range(BENT, -1.0, 0.0), (-0.5, -0.5));
        assert_eq!(range(BENT, -1.0, 1.0), (-0.5, 1.0));
        assert_eq!(range(Activation::RELU6, 0.0, 6.0), (1.0, 1.0));
        assert_eq!(range(Activation::RELU6, 6.0, 9.0), (0.0, 0.0));
        assert_eq!(range(Activation::RELU6, -1.0, 9.0), (0.0, 1.0));
        let (least, greatest) = range(Activation::Tanh, -1.0, 2.0);
        assert!(least <= 0.070_650_824_853_164_5 && least > 0.07 && greatest == 1.0);
    }

    #[test]
    fn lines_and_constants_are_recognised() {
        let flat = Activation::Clip { lower: 0.5, upper: 0.5 };
        assert!(is_linear_on(flat, MIXED) && is_linear_on(BENT, Interval::new(-1.0, 0.0)));
        assert!(is_linear_on(Activation::LeakyRelu { slope: 1.0 }, MIXED));
        assert!(!is_linear_on(BENT, MIXED) && !is_linear_on(Activation::Tanh, MIXED));
    }
}
