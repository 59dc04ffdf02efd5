//! The distribution function of a linear form, between two bounds.
//!
//! The form is centred and scaled; all rounding errors of that move the threshold only, and the density turns a move of the
//! threshold into a move of the probability. What is left is `P(Y ≤ x)` for floats that are taken as exact, by the closed
//! form over vertices, by a Fourier series, or by both.

mod disturbance;
mod double_double;
mod enumeration;
mod fourier;
mod sincs;
mod spectrum;
mod vertices;

use crate::bracket::{CdfMethod, ProbabilityBracket};
use crate::distribution::Distribution;
use crate::linear_form::LinearForm;
use crate::probability::Probability;
use crate::rounding::{mul_up, sub_down, sub_up};
use crate::tail::Tail;
use fourier::Series;
use spectrum::{Scaled, Unscaled};

/// A bracket of this width needs no second method.
const NARROW: f64 = 2e-12;

/// The closed form comes first for this many inputs.
const FEW: usize = 5;

/// The distribution function of one linear form, prepared for many thresholds.
///
/// ```text
/// F(z) = P(Z ≤ z),   Z = c·X + d
/// ```
///
/// Preparation is `n log n` in the number of inputs. A threshold then costs a dozen terms of a series for many inputs of
/// similar weight, and some thousands where one input outweighs all others together.
///
/// Guarantee: sound.
///
/// # Examples
/// ```
/// use nncert_prob::{ExactCdf, LinearForm, Uniform};
///
/// let inputs = [Uniform::new(-1.0, 1.0)?; 3];
/// let form = LinearForm::new(&[1.0, 0.5, 0.25], 0.0, &inputs)?;
/// let cdf = ExactCdf::new(&form);
/// assert!(cdf.at(0.0).contains(0.5));
/// assert!(cdf.at(-1.0).upper < cdf.at(1.0).lower);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ExactCdf<'a, D> {
    form: &'a LinearForm<'a, D>,
    scaled: Result<Scaled<'a>, Unscaled>,
}

/// Which inequality.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    /// `Z ≤ z`.
    Closed,
    /// `Z < z`.
    Open,
}

impl<'a, D: Distribution> ExactCdf<'a, D> {
    /// The distribution function of the form.
    #[must_use]
    pub fn new(form: &'a LinearForm<'a, D>) -> Self {
        Self { form, scaled: Scaled::new(form) }
    }

    /// A bracket of `P(Z ≤ threshold)`; of everything at NaN.
    ///
    /// Guarantee: sound.
    #[must_use]
    pub fn at(&self, threshold: f64) -> ProbabilityBracket {
        self.bracket(threshold, Edge::Closed)
    }

    /// A bracket of `P(Z < threshold)`; it differs from [`at`](Self::at) where the form has atoms.
    ///
    /// Guarantee: sound.
    #[must_use]
    pub fn below(&self, threshold: f64) -> ProbabilityBracket {
        self.bracket(threshold, Edge::Open)
    }

    fn bracket(&self, threshold: f64, edge: Edge) -> ProbabilityBracket {
        let (least, greatest) = self.form.moments().range;
        if threshold.is_nan() {
            return ProbabilityBracket::unknown();
        }
        let inside =
            if edge == Edge::Closed { threshold >= greatest } else { threshold > greatest };
        let outside = if edge == Edge::Closed { threshold < least } else { threshold <= least };
        if inside || outside || threshold.is_infinite() {
            let certain = inside || threshold > 0.0 && threshold.is_infinite();
            return ProbabilityBracket::certain(if certain {
                Probability::ONE
            } else {
                Probability::ZERO
            });
        }
        let bracket = match &self.scaled {
            Ok(scaled) => self.series(scaled, threshold),
            Err(Unscaled::Constant | Unscaled::Unknown) => ProbabilityBracket::unknown(),
        };
        if bracket.is_tight()
            && bracket.lower > Probability::ZERO
            && bracket.upper < Probability::ONE
        {
            return bracket;
        }
        let bracket = match enumeration::cdf(self.form, threshold, edge == Edge::Closed) {
            Some(values) => bracket.intersect(values),
            None => bracket,
        };
        bracket.intersect(self.tails(threshold))
    }

    /// The two Chernoff bounds. They hold for both inequalities.
    fn tails(&self, threshold: f64) -> ProbabilityBracket {
        ProbabilityBracket {
            lower: self.form.upper_tail(threshold, Tail::Best).complement_down(),
            upper: self.form.lower_tail(threshold, Tail::Best),
            method: CdfMethod::Tails,
        }
    }

    fn series(&self, scaled: &Scaled<'_>, threshold: f64) -> ProbabilityBracket {
        let mean = self.form.moments().mean;
        let (low, high) = (sub_down(threshold, mean.1), sub_up(threshold, mean.0));
        let (low, high) = (scaled.scaled(low), scaled.scaled(high));
        let x = 0.5 * (low + high);
        // Half the width of the threshold, the rounding of x and of a subnormal scaling, and what the terms are off.
        let shift = 1.001 * ((high - x).max(x - low)) + scaled.disturbance + 1e-300;
        let radius = mul_up(1.001 * shift, scaled.density);
        let spread = self.form.moments().mean.1 - self.form.moments().mean.0;
        if !(radius < 1.0 && x.is_finite()) {
            return ProbabilityBracket::unknown();
        }
        self.centred(scaled, x, 1.001 * scaled.scaled(spread) + 1e-300).widened(radius)
    }

    /// A bracket of `P(Y ≤ x)` for the scaled terms `Y`.
    fn centred(&self, scaled: &Scaled<'_>, x: f64, shift: f64) -> ProbabilityBracket {
        let uniforms = &scaled.uniforms;
        let only_uniforms = scaled.others.is_empty();
        let few = only_uniforms && uniforms.len() <= vertices::MAX_TERMS;
        if few && uniforms.len() <= FEW {
            let bracket = vertices::cdf(uniforms, x);
            if bracket.width() <= NARROW {
                return bracket;
            }
        }
        let series = Series {
            sincs: &scaled.sincs,
            others: &scaled.others,
            proxy: scaled.proxy,
            shift: shift + scaled.disturbance,
            range: scaled.range,
        };
        let mut bracket = series.cdf(x);
        if bracket.width() > NARROW && few {
            bracket = bracket.intersect(vertices::cdf(uniforms, x));
        }
        if bracket.width() > NARROW && only_uniforms {
            bracket = bracket.intersect(disturbance::cdf(uniforms, x));
        }
        bracket
    }
}

impl<D: Distribution> LinearForm<'_, D> {
    /// A bracket of the distribution function `P(Z ≤ threshold)`.
    ///
    /// For uniform inputs with weights as they occur in networks it is some `1e-13` wide; [`ProbabilityBracket::is_tight`] says
    /// whether it is. For many thresholds prepare an [`ExactCdf`].
    ///
    /// Guarantee: sound for every threshold; at NaN it is `[0, 1]`.
    ///
    /// # Examples
    /// ```
    /// use nncert_prob::{LinearForm, Uniform};
    ///
    /// // The worked example of SimCert: 0.03x + 0.40 ≤ 0.5 for 0.09x - 0.45 ≥ -0.5, x uniform on [-1, 1].
    /// let inputs = [Uniform::new(-1.0, 1.0)?];
    /// let lower = LinearForm::new(&[0.09], -0.45, &inputs)?;
    /// assert!((lower.cdf(-0.5).upper.get() - 0.222_222_222).abs() < 1e-9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cdf(&self, threshold: f64) -> ProbabilityBracket {
        ExactCdf::new(self).at(threshold)
    }
}
