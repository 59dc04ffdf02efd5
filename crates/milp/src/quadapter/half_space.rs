//! Half-spaces: the linear inequalities that properties consist of.

use nncert_bounds::AffineForm;
use nncert_core::Interval;

/// `coefficients · v ≥ bound`, or `>` where it is strict.
///
/// Guarantee: exact about what it says: the numbers are the doubles that they are.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HalfSpace {
    /// One for each input, or for each output.
    pub coefficients: Vec<f64>,
    /// What the sum must reach.
    pub bound: f64,
    /// Whether it must be above the bound.
    pub strict: bool,
}

impl HalfSpace {
    /// `coefficients · v ≥ bound`.
    #[must_use]
    pub fn at_least(coefficients: Vec<f64>, bound: f64) -> Self {
        Self { coefficients, bound, strict: false }
    }

    /// `v_a > v_b`, among `length` values.
    #[must_use]
    pub fn above(length: usize, a: usize, b: usize) -> Self {
        let coefficient = |index| f64::from(u8::from(index == a)) - f64::from(u8::from(index == b));
        Self { coefficients: (0..length).map(coefficient).collect(), bound: 0.0, strict: true }
    }

    /// Whether a bound from below of `coefficients · v - bound` shows that the inequality holds.
    #[must_use]
    pub fn is_shown_by(&self, least: f64) -> bool {
        if self.strict { least > 0.0 } else { least >= 0.0 }
    }

    /// Whether a bound from above of `coefficients · v - bound` shows that the inequality fails.
    #[must_use]
    pub fn is_refuted_by(&self, most: f64) -> bool {
        if self.strict { most <= 0.0 } else { most < 0.0 }
    }

    /// `coefficients · v - bound`.
    #[must_use]
    pub fn form(&self) -> AffineForm {
        AffineForm { coefficients: self.coefficients.clone(), constant: -self.bound }
    }
}

/// Encloses `a / b`; exact where the quotient is a double.
pub(super) fn divide(a: f64, b: f64) -> Interval {
    let quotient = a / b;
    // Where `a` is not tiny, the error of the quotient is a double.
    let exact = a == 0.0 || (a.abs() > 1e-200 && quotient.mul_add(b, -a) == 0.0);
    if exact && quotient.is_finite() {
        return Interval::point(quotient);
    }
    Interval::new(quotient.next_down(), quotient.next_up())
}
