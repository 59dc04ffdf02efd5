//! Activations: functions of one number, applied to every neuron.

use crate::elementary::sigmoid;
use crate::{LayerKind, MAX_MAGNITUDE, Real};

/// A function of one number, applied to every neuron of a layer.
///
/// All but [`Sigmoid`](Self::Sigmoid) and [`Tanh`](Self::Tanh) are piecewise
/// linear. Parameters are compared as numbers, hence no `Eq`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// `x` where `x ≥ 0`, `slope · x` elsewhere.
    LeakyRelu {
        /// The slope on negative numbers; any finite number.
        slope: f64,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `min(max(x, lower), upper)`; an infinite bound is none. [`Activation::RELU6`] is one.
    Clip {
        /// The least value.
        lower: f64,
        /// The greatest value, at least `lower`.
        upper: f64,
    },
}

impl Activation {
    /// `min(max(x, 0), 6)`.
    pub const RELU6: Self = Self::Clip { lower: 0.0, upper: 6.0 };

    /// The function's value at `x`; NaN stays NaN.
    ///
    /// Guarantee: piecewise linear activations are exact, but for the rounding of
    /// parameters to `T` and of one product; sigmoid and tanh are computed in
    /// `f64` with the same bits on every machine, and rounded to `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// use nncert_core::Activation;
    /// assert_eq!(Activation::LeakyRelu { slope: 0.25 }.apply(-2.0), -0.5);
    /// assert_eq!(Activation::RELU6.apply(7.5f32), 6.0);
    /// assert_eq!(Activation::Sigmoid.apply(0.0), 0.5);
    /// ```
    #[must_use]
    pub fn apply<T: Real>(self, x: T) -> T {
        let (zero, number) = (T::nearest(0.0), T::nearest);
        match self {
            Self::Relu => {
                if x < zero {
                    zero
                } else {
                    x
                }
            }
            Self::LeakyRelu { slope } => {
                if x < zero {
                    number(slope) * x
                } else {
                    x
                }
            }
            Self::Sigmoid => number(sigmoid(x.widen())),
            Self::Tanh => number(libm::tanh(x.widen())),
            Self::Clip { lower, .. } if x < number(lower) => number(lower),
            Self::Clip { upper, .. } if x > number(upper) => number(upper),
            Self::Clip { .. } => x,
        }
    }

    /// Whether the function consists of finitely many lines.
    #[must_use]
    pub const fn is_piecewise_linear(self) -> bool {
        !matches!(self, Self::Sigmoid | Self::Tanh)
    }

    /// The kind of a layer with this function.
    #[must_use]
    pub const fn kind(self) -> LayerKind {
        match self {
            Self::Relu => LayerKind::Relu,
            Self::LeakyRelu { .. } => LayerKind::LeakyRelu,
            Self::Sigmoid => LayerKind::Sigmoid,
            Self::Tanh => LayerKind::Tanh,
            Self::Clip { .. } => LayerKind::Clip,
        }
    }

    /// The name and value of the first parameter that makes no function.
    pub(crate) fn absurd(self) -> Option<(&'static str, f64)> {
        match self {
            Self::LeakyRelu { slope } if slope.is_nan() || slope.abs() > MAX_MAGNITUDE => {
                Some(("slope", slope))
            }
            Self::Clip { lower, upper: _ } if lower.is_nan() || lower == f64::INFINITY => {
                Some(("lower bound", lower))
            }
            Self::Clip { lower, upper } if upper.is_nan() || upper < lower => {
                Some(("upper bound", upper))
            }
            Self::Clip { lower: _, upper } if upper == f64::NEG_INFINITY => {
                Some(("upper bound", upper))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_the_ends() {
        let all = [Activation::Relu, Activation::Sigmoid, Activation::Tanh, Activation::RELU6];
        for activation in all {
            assert!(activation.apply(f64::NAN).is_nan(), "{activation:?}");
            assert!(activation.apply(-1e300f64).is_finite());
        }
        assert_eq!((sigmoid(1e4), sigmoid(-1e4)), (1.0, 0.0));
        assert!((sigmoid(-2.0) + sigmoid(2.0) - 1.0).abs() < 1e-15);
        let half_open = Activation::Clip { lower: f64::NEG_INFINITY, upper: 1.0 };
        assert_eq!((half_open.apply(-9.0f32), half_open.apply(2.0f32)), (-9.0, 1.0));
    }

    #[test]
    fn absurd_parameters_are_found() {
        let clip = |lower, upper| Activation::Clip { lower, upper }.absurd();
        assert_eq!(clip(1.0, 0.0), Some(("upper bound", 0.0)));
        assert!(clip(f64::NAN, 0.0).is_some() && clip(f64::INFINITY, f64::INFINITY).is_some());
        assert_eq!(clip(f64::NEG_INFINITY, f64::INFINITY), None);
        assert!(Activation::LeakyRelu { slope: f64::NAN }.absurd().is_some());
    }
}
