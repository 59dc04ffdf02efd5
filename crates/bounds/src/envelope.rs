//! What a pass returns: affine forms around each output, and its bounds.

use nncert_core::directed::{add_down, add_up, mul_down, mul_up};
use nncert_core::{Interval, Region};

/// An affine function `c · x + d` of a network's input.
///
/// Shape: one coefficient per input. Coordinates that the region fixes have
/// coefficient zero: their share is in the constant.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AffineForm {
    /// `c`.
    pub coefficients: Vec<f64>,
    /// `d`.
    pub constant: f64,
}

impl AffineForm {
    /// `-c · x - d`.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self {
            coefficients: self.coefficients.iter().map(|value| -value).collect(),
            constant: -self.constant,
        }
    }

    /// Encloses the value at `x`.
    ///
    /// Guarantee: sound, to a unit in the last place per operation.
    ///
    /// # Panics
    ///
    /// When `x` does not have one entry per coefficient.
    #[must_use]
    pub fn at(&self, x: &[f64]) -> Interval {
        assert_eq!(x.len(), self.coefficients.len(), "inputs of an affine form");
        let start = Interval::point(self.constant);
        self.coefficients.iter().zip(x).fold(start, |sum, (c, x)| {
            Interval::new(add_down(sum.lower, mul_down(*c, *x)), add_up(sum.upper, mul_up(*c, *x)))
        })
    }

    /// Encloses all values on a region.
    ///
    /// Guarantee: sound, to a unit in the last place per operation.
    ///
    /// # Panics
    ///
    /// When the region does not have one coordinate per coefficient.
    #[must_use]
    pub fn range(&self, region: &Region) -> Interval {
        assert_eq!(region.dimension(), self.coefficients.len(), "inputs of an affine form");
        let start = Interval::point(self.constant);
        self.coefficients.iter().enumerate().fold(start, |sum, (index, c)| {
            let x = region.interval(index);
            let (least, most) = if *c >= 0.0 { (x.lower, x.upper) } else { (x.upper, x.lower) };
            Interval::new(
                add_down(sum.lower, mul_down(*c, least)),
                add_up(sum.upper, mul_up(*c, most)),
            )
        })
    }
}

/// Two affine forms around a function on a region, and its bounds there.
///
/// ```text
/// lower(x) ≤ g(x) ≤ upper(x)   and   g(x) in bounds,   for all x in the region
/// ```
///
/// Guarantee: sound; the inequalities hold between exact real numbers. Up to a
/// few roundings the bounds are at least as tight as the ranges of the forms.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Envelope {
    /// At most the function.
    pub lower: AffineForm,
    /// At least the function.
    pub upper: AffineForm,
    /// Encloses the function.
    pub bounds: Interval,
}

impl Envelope {
    /// To be written to.
    pub(crate) fn blank() -> Self {
        let form = AffineForm::default();
        Self { lower: form.clone(), upper: form, bounds: Interval::EVERYTHING }
    }

    /// The better side of each of two envelopes of one function.
    pub(crate) fn meet(self, other: Self) -> Self {
        let bounds = self.bounds.intersect(other.bounds);
        let lower = if self.bounds.lower >= other.bounds.lower { self.lower } else { other.lower };
        let upper = if self.bounds.upper <= other.bounds.upper { self.upper } else { other.upper };
        Self { lower, upper, bounds }
    }
}
