//! Two numbers that enclose a probability.

use crate::probability::Probability;
use crate::rounding::{sub_down, sub_up};

/// How a bracket of the distribution function was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum CdfMethod {
    /// The form is a constant, or the threshold lies beyond its range.
    Range,
    /// The closed form over the vertices of the cube, for a few uniform inputs.
    Vertices,
    /// The Fourier series of a square wave, for characteristic functions that decay.
    Fourier,
    /// The largest terms in closed form, the others as a small disturbance.
    Disturbance,
    /// Every value of discrete inputs.
    Enumeration,
    /// Tail bounds of both sides.
    Tails,
}

/// A lower and an upper bound of a probability, and how they were found.
///
/// Guarantee: sound, `lower ≤ p ≤ upper`.
///
/// # Examples
/// ```
/// use nncert_prob::{LinearForm, Uniform};
///
/// let inputs = [Uniform::new(-1.0, 1.0)?; 40];
/// let bracket = LinearForm::new(&[0.5; 40], 0.0, &inputs)?.cdf(0.0);
/// assert!(bracket.contains(0.5) && bracket.width() < 1e-12 && bracket.is_tight());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ProbabilityBracket {
    /// A lower bound of the probability.
    pub lower: Probability,
    /// An upper bound of the probability.
    pub upper: Probability,
    /// The method that narrowed it most.
    pub method: CdfMethod,
}

impl ProbabilityBracket {
    /// The width up to which a bracket counts as exact, `1e-9`.
    pub const TARGET_WIDTH: f64 = 1e-9;

    pub(crate) const fn unknown() -> Self {
        Self { lower: Probability::ZERO, upper: Probability::ONE, method: CdfMethod::Tails }
    }

    pub(crate) const fn certain(value: Probability) -> Self {
        Self { lower: value, upper: value, method: CdfMethod::Range }
    }

    /// The bracket of all numbers within `radius` of `value`, cut to `[0, 1]`.
    pub(crate) fn around(value: f64, radius: f64, method: CdfMethod) -> Self {
        if !(value.is_finite() && radius >= 0.0) {
            return Self::unknown();
        }
        Self {
            lower: Probability::from_lower_bound(sub_down(value, radius)),
            upper: Probability::from_upper_bound(sub_up(value, -radius)),
            method,
        }
    }

    /// The bracket of every number within `radius` of one in it.
    pub(crate) fn widened(self, radius: f64) -> Self {
        if radius == 0.0 {
            return self;
        }
        Self {
            lower: Probability::from_lower_bound(sub_down(self.lower.get(), radius)),
            upper: Probability::from_upper_bound(sub_up(self.upper.get(), -radius)),
            ..self
        }
    }

    /// What both brackets say; the method is that of the narrower one.
    pub(crate) fn intersect(self, other: Self) -> Self {
        let method = if other.width() < self.width() { other.method } else { self.method };
        Self { lower: self.lower.max(other.lower), upper: self.upper.min(other.upper), method }
    }

    /// An upper bound of `upper - lower`.
    #[must_use]
    pub fn width(&self) -> f64 {
        sub_up(self.upper.get(), self.lower.get())
    }

    /// Whether the number lies in the bracket.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.lower.get() <= value && value <= self.upper.get()
    }

    /// Whether the bracket is at most [`TARGET_WIDTH`](Self::TARGET_WIDTH) wide. Where it is not, the terms that the series may
    /// cost were not enough, or the laws do not tell what it needs.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.width() <= Self::TARGET_WIDTH
    }
}
