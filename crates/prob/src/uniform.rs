//! The uniform law on an interval.

use crate::cdf::LOG_SINC_SERIES;
use crate::distribution::{Distribution, Spectrum};
use crate::rounding::{
    MARGIN_ULPS, add_down, add_up, div_up, half_down, half_up, ln_up, mul_up, one_minus_exp_up,
    sub_up, ulps_up,
};

/// Why two numbers are not the endpoints of a uniform law.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistributionError {
    /// An endpoint is infinite or NaN.
    #[error("support [{lower}, {upper}] is not finite")]
    NotFinite {
        /// The lower endpoint.
        lower: f64,
        /// The upper endpoint.
        upper: f64,
    },
    /// The lower endpoint exceeds the upper one.
    #[error("support [{lower}, {upper}] is empty")]
    Empty {
        /// The lower endpoint.
        lower: f64,
        /// The upper endpoint.
        upper: f64,
    },
}

/// The uniform law on `[l, u]`; the point mass at `l` when `l = u`.
///
/// ```text
/// w = (u - l)/2        E X = (l + u)/2        Var X = w²/3
/// ln E exp(s (X - E X)) = ln(sinh(s w)/(s w)) ≤ s² w²/6
/// ```
///
/// Its variance proxy is its variance, the least that a variance proxy can be.
///
/// Guarantee: the support is exact, every other number sound.
///
/// # Examples
/// ```
/// use nncert_prob::{Distribution, Uniform};
///
/// let pixel = Uniform::new(0.0, 1.0)?;
/// assert_eq!(pixel.mean(), (0.5, 0.5));
/// assert!(pixel.variance() >= 1.0 / 12.0);
/// assert!(Uniform::new(1.0, 0.0).is_err());
/// # Ok::<(), nncert_prob::DistributionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Endpoints", into = "Endpoints"))]
pub struct Uniform {
    lower: f64,
    upper: f64,
}

impl Uniform {
    /// The uniform law on `[lower, upper]`.
    ///
    /// # Errors
    /// [`DistributionError::NotFinite`] when an endpoint is infinite or NaN, [`DistributionError::Empty`] when
    /// `lower > upper`.
    pub fn new(lower: f64, upper: f64) -> Result<Self, DistributionError> {
        if !(lower.is_finite() && upper.is_finite()) {
            Err(DistributionError::NotFinite { lower, upper })
        } else if lower > upper {
            Err(DistributionError::Empty { lower, upper })
        } else {
            Ok(Self { lower, upper })
        }
    }

    /// The lower endpoint `l`.
    #[must_use]
    pub const fn lower(&self) -> f64 {
        self.lower
    }

    /// The upper endpoint `u`.
    #[must_use]
    pub const fn upper(&self) -> f64 {
        self.upper
    }

    /// An upper bound of half the width, `w = (u - l)/2`; exact when representable.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        half_up(sub_up(self.upper, self.lower))
    }
}

impl Distribution for Uniform {
    fn support(&self) -> (f64, f64) {
        (self.lower, self.upper)
    }

    fn mean(&self) -> (f64, f64) {
        let (l, u) = (self.lower, self.upper);
        (half_down(add_down(l, u)).clamp(l, u), half_up(add_up(l, u)).clamp(l, u))
    }

    fn variance(&self) -> f64 {
        let half_width = self.half_width();
        div_up(mul_up(half_width, half_width), 3.0)
    }

    fn variance_proxy(&self) -> f64 {
        self.variance()
    }

    fn log_mgf(&self, s: f64) -> f64 {
        log_sinhc_up(mul_up(s.abs(), self.half_width()))
    }

    fn tilted_moments(&self, s: f64) -> (f64, f64) {
        let half_width = 0.5 * (self.upper - self.lower);
        let (mean, variance) = langevin(s * half_width);
        (half_width * mean, half_width * half_width * variance)
    }

    fn spectrum(&self) -> Spectrum {
        Spectrum::Uniform
    }
}

/// Where the series of [`log_sinhc_up`] hands over to the closed form.
const SERIES_LIMIT: f64 = 0.5;

/// Taylor coefficients of `ln(sinh(a)/a)` in `y = a²`, signs alternating from plus: those of the
/// sine are the same without signs.
const LOG_SINHC_SERIES: &[f64] = LOG_SINC_SERIES.split_at(9).0;

/// An upper bound of `ln(sinh(a)/a)` for `a ≥ 0`.
///
/// ```text
/// a ≤ 1/2:   Σ_{k ≤ 9} (-1)^{k+1} cₖ a^{2k},   an upper bound as it ends on a positive term: the sum is
///            Σₙ ln(1 + a²/(nπ)²), and so are the truncated series of each logarithm
/// a > 1/2:   a + ln((1 - e^{-2a})/(2a))
/// ```
///
/// In the series every nested value lies within 1 % of `1/6` of its coefficient, so that the rounding of coefficients and
/// operations is below four units of roundoff in total; the result is moved by four units in the last place.
fn log_sinhc_up(a: f64) -> f64 {
    if a == 0.0 {
        0.0
    } else if a <= SERIES_LIMIT {
        let y = mul_up(a, a);
        let series =
            LOG_SINHC_SERIES.iter().rev().fold(0.0, |tail, &coefficient| coefficient - y * tail);
        ulps_up(y * series, 2 * MARGIN_ULPS)
    } else if a < f64::INFINITY {
        let ratio = half_up(div_up(one_minus_exp_up(2.0 * a), a));
        add_up(a, ln_up(ratio))
    } else {
        f64::INFINITY
    }
}

/// The Langevin function `coth x - 1/x` and its derivative, to about seven digits.
fn langevin(x: f64) -> (f64, f64) {
    let y = x * x;
    if y <= 1.0 {
        let over_x = (315.0 + 14.0 * y) / (945.0 + y * (105.0 + y));
        (x * over_x, 1.0 - y * over_x * over_x - 2.0 * over_x)
    } else {
        let decay = libm::exp(-2.0 * x.abs());
        let coth = (1.0 + decay) / (1.0 - decay);
        let value = coth - 1.0 / x.abs();
        // coth² - 1 = 1/sinh²
        (value.copysign(x), 1.0 / y - 4.0 * decay / ((1.0 - decay) * (1.0 - decay)))
    }
}

/// The stored form of [`Uniform`].
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Endpoints {
    lower: f64,
    upper: f64,
}

#[cfg(feature = "serde")]
impl TryFrom<Endpoints> for Uniform {
    type Error = DistributionError;

    fn try_from(endpoints: Endpoints) -> Result<Self, Self::Error> {
        Self::new(endpoints.lower, endpoints.upper)
    }
}

#[cfg(feature = "serde")]
impl From<Uniform> for Endpoints {
    fn from(law: Uniform) -> Self {
        Self { lower: law.lower, upper: law.upper }
    }
}
