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

pub(crate) use self::sincs::LOG_SINC_SERIES;
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

/// A disturbance of this size by the smaller terms is borne, so that the closed form for the larger ones comes first.
const DISTURBANCE: f64 = 1e-13;

/// The distribution function of one linear form, prepared for many thresholds.
///
/// ```text
/// F(z) = P(Z ≤ z),   Z = c·X + d
/// ```
///
/// Preparation is `n log n` in the number of inputs. A threshold then costs a dozen terms of a series for many inputs of
/// similar weight, and at most some milliseconds where a few inputs outweigh all others together.
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

/// An event `Z ≤ z`, `Z < z` or `Z ≥ z`; the last as `-Z ≤ -z`.
#[derive(Clone, Copy)]
struct Event {
    /// Whether form and threshold are negated.
    mirrored: bool,
    /// The threshold, negated if the form is.
    threshold: f64,
    /// Whether the threshold itself belongs to the event.
    closed: bool,
}

impl Event {
    /// An interval of the form, in the direction of the event.
    fn directed(self, (low, high): (f64, f64)) -> (f64, f64) {
        if self.mirrored { (-high, -low) } else { (low, high) }
    }

    /// `1`, or `-1` if the form is negated.
    fn sign(self) -> f64 {
        if self.mirrored { -1.0 } else { 1.0 }
    }
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
        self.bracket(Event { mirrored: false, threshold, closed: true })
    }

    /// A bracket of `P(Z < threshold)`; it differs from [`at`](Self::at) where the form has atoms.
    ///
    /// Guarantee: sound.
    #[must_use]
    pub fn below(&self, threshold: f64) -> ProbabilityBracket {
        self.bracket(Event { mirrored: false, threshold, closed: false })
    }

    /// A bracket of `P(Z ≥ threshold)`: far out it is narrower than what [`below`](Self::below) leaves over.
    ///
    /// Guarantee: sound.
    #[must_use]
    pub fn above(&self, threshold: f64) -> ProbabilityBracket {
        self.bracket(Event { mirrored: true, threshold: -threshold, closed: true })
    }

    fn bracket(&self, event: Event) -> ProbabilityBracket {
        let (least, greatest) = event.directed(self.form.moments().range);
        let Event { threshold, closed, .. } = event;
        if threshold.is_nan() {
            return ProbabilityBracket::unknown();
        }
        if threshold == f64::INFINITY || threshold > greatest || (closed && threshold == greatest) {
            return ProbabilityBracket::certain(Probability::ONE);
        }
        if threshold == f64::NEG_INFINITY || threshold < least || (!closed && threshold == least) {
            return ProbabilityBracket::certain(Probability::ZERO);
        }
        let bracket = match &self.scaled {
            Ok(scaled) => self.series(scaled, event),
            Err(Unscaled::Constant | Unscaled::Unknown) => ProbabilityBracket::unknown(),
        };
        let inside = bracket.lower > Probability::ZERO && bracket.upper < Probability::ONE;
        if bracket.is_tight() && inside {
            return bracket;
        }
        let bracket = match enumeration::cdf(self.form, event) {
            Some(values) => bracket.intersect(values),
            None => bracket,
        };
        bracket.intersect(self.tails(event))
    }

    /// The two Chernoff bounds. They hold whether or not the threshold belongs to the event.
    fn tails(&self, event: Event) -> ProbabilityBracket {
        let (lower_tail, upper_tail) = if event.mirrored {
            let threshold = -event.threshold;
            (
                self.form.upper_tail(threshold, Tail::Best),
                self.form.lower_tail(threshold, Tail::Best),
            )
        } else {
            let threshold = event.threshold;
            (
                self.form.lower_tail(threshold, Tail::Best),
                self.form.upper_tail(threshold, Tail::Best),
            )
        };
        ProbabilityBracket {
            lower: upper_tail.complement_down(),
            upper: lower_tail,
            method: CdfMethod::Tails,
        }
    }

    fn series(&self, scaled: &Scaled<'_>, event: Event) -> ProbabilityBracket {
        let mean = event.directed(self.form.moments().mean);
        let (low, high) = (sub_down(event.threshold, mean.1), sub_up(event.threshold, mean.0));
        let (low, high) = (scaled.scaled(low), scaled.scaled(high));
        let x = 0.5 * (low + high);
        // Half the width of the threshold, the rounding of x and of a subnormal scaling, and what the terms are off.
        let shift = 1.001 * ((high - x).max(x - low)) + scaled.disturbance + 1e-300;
        let radius = mul_up(1.001 * shift, scaled.density);
        if !(radius < 1.0 && x.is_finite()) {
            return ProbabilityBracket::unknown();
        }
        let spread = 1.001 * scaled.scaled(mean.1 - mean.0) + 1e-300;
        self.centred(scaled, x, spread, event.sign()).widened(radius)
    }

    /// A bracket of `P(±Y ≤ x)` for the scaled terms `Y`, whose mean is within `spread` of zero.
    fn centred(&self, scaled: &Scaled<'_>, x: f64, spread: f64, sign: f64) -> ProbabilityBracket {
        let uniforms = &scaled.uniforms;
        let mut bracket = ProbabilityBracket::unknown();
        let closed_form = scaled.others.is_empty() && !uniforms.is_empty();
        if closed_form {
            // The closed form is exact if the terms are that few.
            let first = disturbance::cdf(uniforms, x, DISTURBANCE)
                .or_else(|| disturbance::bend(uniforms, x));
            bracket = first.unwrap_or(bracket);
        }
        if bracket.width() <= NARROW {
            return bracket;
        }
        let series = Series {
            sincs: &scaled.sincs,
            others: &scaled.others,
            sign,
            shift: spread + scaled.disturbance,
            proxy: scaled.proxy,
            range: scaled.range,
        };
        bracket = bracket.intersect(series.cdf(x));
        if bracket.width() > NARROW
            && closed_form
            && let Some(found) = disturbance::closest(uniforms, x)
        {
            bracket = bracket.intersect(found);
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
