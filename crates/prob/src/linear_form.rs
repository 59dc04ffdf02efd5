//! Linear forms of independent bounded inputs, and their tails.

use crate::bernstein::bernstein;
use crate::cdf::ExactCdf;
use crate::chernoff::chernoff;
use crate::distribution::Distribution;
use crate::hoeffding::{hoeffding, hoeffding_printed};
use crate::moments::Moments;
use crate::probability::Probability;
use crate::rounding::sub_down;
use crate::sub_gaussian::sub_gaussian;
use crate::tail::Tail;

/// Why coefficients, a constant and inputs are not a linear form.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// There are not as many coefficients as inputs.
    #[error("{coefficients} coefficients for {inputs} inputs")]
    LengthMismatch {
        /// The number of coefficients.
        coefficients: usize,
        /// The number of inputs.
        inputs: usize,
    },
    /// A coefficient is infinite or NaN.
    #[error("coefficient {index} is {value}")]
    CoefficientNotFinite {
        /// The index of the first such coefficient.
        index: usize,
        /// The coefficient.
        value: f64,
    },
    /// The constant is infinite or NaN.
    #[error("constant is {value}")]
    ConstantNotFinite {
        /// The constant.
        value: f64,
    },
}

/// The random variable `Z = c·X + d`, for independent bounded inputs `X`.
///
/// ```text
/// Z = Σ cᵢ Xᵢ + d
/// ```
///
/// Coefficients, constant and supports are taken as the exact real numbers that the floats are. Construction and every
/// method but [`Tail::Exact`] are linear in the number of inputs at most, and allocate nothing.
///
/// Guarantee: sound. Tails are upper bounds, with all rounding errors accounted for, and 1 when nothing better is known.
///
/// # Examples
/// ```
/// use nncert_prob::{LinearForm, Tail, Uniform};
///
/// let inputs = [Uniform::new(-1.0, 1.0)?, Uniform::new(0.0, 2.0)?];
/// let form = LinearForm::new(&[0.5, -0.25], 0.25, &inputs)?;
/// assert_eq!(form.moments().mean, (0.0, 0.0));
/// assert_eq!(form.moments().range, (-0.75, 0.75));
///
/// let bound = form.upper_tail(0.5, Tail::Best);     // P(Z ≥ 0.5) = 1/16
/// assert!(bound.get() > 0.0625 && bound.get() < 0.25);
/// assert_eq!(form.upper_tail(0.7500001, Tail::Best).get(), 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LinearForm<'a, D> {
    coefficients: &'a [f64],
    constant: f64,
    inputs: &'a [D],
    moments: Moments,
}

/// A side of the mean.
#[derive(Clone, Copy)]
enum Side {
    Above,
    Below,
}

impl<'a, D: Distribution> LinearForm<'a, D> {
    /// The linear form with the given coefficients, constant and laws of the inputs.
    ///
    /// No inputs at all are allowed, and make a constant.
    ///
    /// # Errors
    /// [`FormError::LengthMismatch`] when there are not as many coefficients as inputs,
    /// [`FormError::CoefficientNotFinite`] and [`FormError::ConstantNotFinite`] when a number is infinite or NaN.
    pub fn new(coefficients: &'a [f64], constant: f64, inputs: &'a [D]) -> Result<Self, FormError> {
        if coefficients.len() != inputs.len() {
            return Err(FormError::LengthMismatch {
                coefficients: coefficients.len(),
                inputs: inputs.len(),
            });
        }
        if let Some(index) = coefficients.iter().position(|c| !c.is_finite()) {
            return Err(FormError::CoefficientNotFinite { index, value: coefficients[index] });
        }
        if !constant.is_finite() {
            return Err(FormError::ConstantNotFinite { value: constant });
        }
        Ok(Self {
            coefficients,
            constant,
            inputs,
            moments: Moments::of(coefficients, constant, inputs),
        })
    }

    /// The coefficients `c`.
    #[must_use]
    pub const fn coefficients(&self) -> &'a [f64] {
        self.coefficients
    }

    /// The constant `d`.
    #[must_use]
    pub const fn constant(&self) -> f64 {
        self.constant
    }

    /// The laws of the inputs `X`.
    #[must_use]
    pub const fn inputs(&self) -> &'a [D] {
        self.inputs
    }

    /// Mean, range, variance and deviations, computed at construction.
    #[must_use]
    pub const fn moments(&self) -> &Moments {
        &self.moments
    }

    /// An upper bound of the upper tail `P(Z ≥ threshold)`.
    ///
    /// ```text
    /// t = threshold - E Z:    1 for t ≤ 0 (but of the exact tail),    0 for threshold > max Z,    else the method's bound
    /// ```
    ///
    /// Guarantee: sound for every threshold; at NaN it is 1.
    ///
    /// # Examples
    /// ```
    /// use nncert_prob::{LinearForm, Tail, Uniform};
    ///
    /// let inputs = [Uniform::new(-1.0, 1.0)?; 100];
    /// let mean = LinearForm::new(&[0.01; 100], 0.0, &inputs)?;
    /// assert!(mean.upper_tail(0.3, Tail::Chernoff) <= mean.upper_tail(0.3, Tail::Hoeffding));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn upper_tail(&self, threshold: f64, method: Tail) -> Probability {
        self.clipped_tail(Side::Above, threshold, method)
    }

    /// An upper bound of the lower tail `P(Z ≤ threshold)`.
    ///
    /// ```text
    /// t = E Z - threshold:    1 for t ≤ 0 (but of the exact tail),    0 for threshold < min Z,    else the method's bound
    /// ```
    ///
    /// Guarantee: sound for every threshold; at NaN it is 1.
    #[must_use]
    pub fn lower_tail(&self, threshold: f64, method: Tail) -> Probability {
        self.clipped_tail(Side::Below, threshold, method)
    }

    /// The bound of [`upper_tail`](Self::upper_tail) without the zero beyond the largest value.
    ///
    /// This is what the inequalities say as printed, for comparisons with publications that leave it out. [`Tail::WorstCase`] is the
    /// zero itself and stays; [`Tail::Best`] is the least of the others without it. Chernoff's bound beyond the largest deviation is
    /// its infimum, which is zero.
    ///
    /// Guarantee: sound, and no less than the clipped bound.
    #[must_use]
    pub fn upper_tail_unclipped(&self, threshold: f64, method: Tail) -> Probability {
        self.unclipped_tail(Side::Above, threshold, method)
    }

    /// The bound of [`lower_tail`](Self::lower_tail) without the zero beyond the least value.
    ///
    /// As [`upper_tail_unclipped`](Self::upper_tail_unclipped).
    ///
    /// Guarantee: sound, and no less than the clipped bound.
    #[must_use]
    pub fn lower_tail_unclipped(&self, threshold: f64, method: Tail) -> Probability {
        self.unclipped_tail(Side::Below, threshold, method)
    }

    fn clipped_tail(&self, side: Side, threshold: f64, method: Tail) -> Probability {
        if self.out_of_range(side, threshold) {
            Probability::ZERO
        } else {
            self.unclipped_tail(side, threshold, method)
        }
    }

    /// Whether no value of the form is provably as far out as the threshold.
    fn out_of_range(&self, side: Side, threshold: f64) -> bool {
        match side {
            Side::Above => threshold == f64::INFINITY || threshold > self.moments.range.1,
            Side::Below => threshold == f64::NEG_INFINITY || threshold < self.moments.range.0,
        }
    }

    /// A lower bound of the distance from the mean out to the threshold.
    fn distance(&self, side: Side, threshold: f64) -> f64 {
        match side {
            Side::Above => sub_down(threshold, self.moments.mean.1),
            Side::Below => sub_down(self.moments.mean.0, threshold),
        }
    }

    fn unclipped_tail(&self, side: Side, threshold: f64, method: Tail) -> Probability {
        if threshold.is_infinite() {
            return if self.out_of_range(side, threshold) {
                Probability::ZERO
            } else {
                Probability::ONE
            };
        }
        if method == Tail::WorstCase {
            return if self.out_of_range(side, threshold) {
                Probability::ZERO
            } else {
                Probability::ONE
            };
        }
        if method == Tail::Exact {
            return match side {
                Side::Above => ExactCdf::new(self).above(threshold).upper,
                Side::Below => ExactCdf::new(self).at(threshold).upper,
            };
        }
        let t = self.distance(side, threshold);
        if t > 0.0 { self.inequality(side, t, method) } else { Probability::ONE }
    }

    /// The bound of `P(Z - E Z ≥ t)`, or of `P(E Z - Z ≥ t)`, for `t > 0`.
    fn inequality(&self, side: Side, t: f64, method: Tail) -> Probability {
        let moments = &self.moments;
        let (sign, term_deviation) = match side {
            Side::Above => (1.0, moments.term_deviation_above),
            Side::Below => (-1.0, moments.term_deviation_below),
        };
        Probability::from_upper_bound(match method {
            Tail::HoeffdingPrinted => hoeffding_printed(t, moments),
            Tail::Hoeffding => hoeffding(t, moments),
            Tail::BernsteinWhole => bernstein(t, moments.variance, moments.largest_deviation()),
            Tail::Bernstein => bernstein(t, moments.variance, term_deviation),
            Tail::SubGaussian => sub_gaussian(t, moments.variance_proxy),
            Tail::Chernoff => chernoff(t, sign, self.coefficients, self.inputs, moments),
            Tail::Best => {
                let others = Tail::ALL
                    .into_iter()
                    .filter(|&other| other != Tail::Best && other != Tail::Exact);
                return others
                    .map(|other| self.inequality(side, t, other))
                    .min()
                    .unwrap_or(Probability::ONE);
            }
            Tail::WorstCase | Tail::Exact => 1.0,
        })
    }
}
