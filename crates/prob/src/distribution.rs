//! What a tail bound needs to know about the law of one input coordinate.

use crate::rounding::{half_up, mul_up, sub_up};

/// What the exact distribution function can use of a law; see [`LinearForm::cdf`](crate::LinearForm::cdf).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Spectrum {
    /// The law is uniform on its support, exactly: its characteristic function is a sinc.
    Uniform,
    /// [`Distribution::characteristic`] knows the characteristic function `φ`, and
    ///
    /// ```text
    /// |φ(s)| ≤ (scale/|s|)^order,      density ≤ peak
    /// ```
    ///
    /// A law with atoms has order 0 and an infinite peak.
    Decaying {
        /// The order of the decay, `≥ 0`.
        order: f64,
        /// From where it decays.
        scale: f64,
        /// A bound of the density.
        peak: f64,
    },
    /// Nothing: the bracket comes from the tail bounds.
    Unknown,
}

/// The characteristic function of a law at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs)]
pub struct Characteristic {
    /// The real part.
    pub real: f64,
    /// The imaginary part.
    pub imaginary: f64,
    /// A bound of the distance from the true value, in the complex plane.
    pub error: f64,
}

/// A value of a discrete law, and bounds of its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs)]
pub struct Atom {
    /// The value.
    pub value: f64,
    /// A lower and an upper bound of its probability.
    pub probability: (f64, f64),
}

/// The law of one bounded input coordinate `X`, as numbers that are each sound in the stated direction.
///
/// Only the support and the mean have to be given. The default of every other number follows from those two, and a
/// law that knows better says so: the tail bounds get tighter and stay sound.
///
/// The trait may be used as an object: `&dyn Distribution` is itself a `Distribution`, so that one linear form can
/// have inputs of several laws.
///
/// # Soundness
/// The tail bounds of [`LinearForm`](crate::LinearForm) are as sound as these numbers are. No number makes them panic.
///
/// # Examples
/// A fair coin that shows `-1` or `1`:
/// ```
/// use nncert_prob::{Distribution, LinearForm, Tail};
///
/// #[derive(Debug)]
/// struct Sign;
///
/// impl Distribution for Sign {
///     fn support(&self) -> (f64, f64) {
///         (-1.0, 1.0)
///     }
///     fn mean(&self) -> (f64, f64) {
///         (0.0, 0.0)
///     }
/// }
///
/// let coins = [Sign, Sign, Sign, Sign];
/// let heads = LinearForm::new(&[1.0; 4], 0.0, &coins)?;
/// let bound = heads.upper_tail(4.0, Tail::Best);
/// assert!(bound.get() >= 1.0 / 16.0 && bound.get() < 0.136);
/// # Ok::<(), nncert_prob::FormError>(())
/// ```
///
/// # References
/// 1. S. Boucheron, G. Lugosi, P. Massart, *Concentration Inequalities*, Oxford University Press, 2013, chapter 2.
pub trait Distribution: core::fmt::Debug {
    /// The least and the greatest value that `X` can take.
    ///
    /// Guarantee: sound; the interval contains the support. The endpoints are exact where they are known.
    fn support(&self) -> (f64, f64);

    /// An interval that contains the mean `E X`.
    ///
    /// Guarantee: sound.
    fn mean(&self) -> (f64, f64);

    /// An upper bound of the variance of `X`.
    ///
    /// ```text
    /// default: (u - E X)(E X - l)        for the support [l, u]
    /// ```
    ///
    /// Guarantee: sound. The default is exact when `X` takes only the values `l` and `u`.
    ///
    /// # References
    /// 1. R. Bhatia, C. Davis, *A better bound on the variance*, American Mathematical Monthly 107, 2000.
    fn variance(&self) -> f64 {
        let ((lower, upper), (mean_low, mean_high)) = (self.support(), self.mean());
        mul_up(sub_up(upper, mean_low).max(0.0), sub_up(mean_high, lower).max(0.0))
    }

    /// An upper bound of the variance proxy: the least `v` with `ln E exp(s (X - E X)) ≤ v s²/2` for all real `s`.
    ///
    /// ```text
    /// default: (u - l)²/4                for the support [l, u]
    /// ```
    ///
    /// Guarantee: sound. The default is Hoeffding's lemma.
    ///
    /// # References
    /// 1. W. Hoeffding, *Probability inequalities for sums of bounded random variables*, JASA 58, 1963, inequality (4.16).
    fn variance_proxy(&self) -> f64 {
        let (lower, upper) = self.support();
        let half_width = half_up(sub_up(upper, lower));
        mul_up(half_width, half_width)
    }

    /// An upper bound of the logarithm of the moment generating function of `X - E X` at a finite `s`.
    ///
    /// ```text
    /// K(s) = ln E exp(s (X - E X)),      default: v s²/2 with the variance proxy v
    /// ```
    ///
    /// Guarantee: sound.
    fn log_mgf(&self, s: f64) -> f64 {
        half_up(mul_up(mul_up(s, s), self.variance_proxy()))
    }

    /// The first two derivatives of [`log_mgf`](Self::log_mgf) at `s`: mean and variance of `X - E X` under the law tilted by
    /// `exp(s X)`.
    ///
    /// ```text
    /// (K'(s), K''(s)),      default: central differences of log_mgf
    /// ```
    ///
    /// Guarantee: heuristic. The numbers steer the optimiser of [`Tail::Chernoff`](crate::Tail::Chernoff); poor ones
    /// make its bound looser, never wrong.
    fn tilted_moments(&self, s: f64) -> (f64, f64) {
        let (lower, upper) = self.support();
        let step = 1e-3 * (1.0 / (upper - lower)).max(s.abs());
        let (before, here, after) =
            (self.log_mgf(s - step), self.log_mgf(s), self.log_mgf(s + step));
        ((after - before) / (2.0 * step), (after - 2.0 * here + before) / (step * step))
    }

    /// What is known of the characteristic function. The default is [`Spectrum::Unknown`].
    ///
    /// Guarantee: sound.
    fn spectrum(&self) -> Spectrum {
        Spectrum::Unknown
    }

    /// The characteristic function of `X - m` at a finite `s`, where `m` is the lower end of [`mean`](Self::mean), taken as exact.
    ///
    /// ```text
    /// φ(s) = E exp(is(X - m)),      default: 1 with an error of 2, that is, nothing
    /// ```
    ///
    /// Guarantee: sound; the error bounds the distance from `φ(s)`.
    fn characteristic(&self, s: f64) -> Characteristic {
        let _ = s;
        Characteristic { real: 1.0, imaginary: 0.0, error: 2.0 }
    }

    /// Every value of a discrete law. The default is none, for a law that is not discrete.
    ///
    /// Guarantee: sound; the atoms are all that have a probability.
    fn atoms(&self) -> &[Atom] {
        &[]
    }
}

impl<D: Distribution + ?Sized> Distribution for &D {
    fn support(&self) -> (f64, f64) {
        (**self).support()
    }

    fn mean(&self) -> (f64, f64) {
        (**self).mean()
    }

    fn variance(&self) -> f64 {
        (**self).variance()
    }

    fn variance_proxy(&self) -> f64 {
        (**self).variance_proxy()
    }

    fn log_mgf(&self, s: f64) -> f64 {
        (**self).log_mgf(s)
    }

    fn tilted_moments(&self, s: f64) -> (f64, f64) {
        (**self).tilted_moments(s)
    }

    fn spectrum(&self) -> Spectrum {
        (**self).spectrum()
    }

    fn characteristic(&self, s: f64) -> Characteristic {
        (**self).characteristic(s)
    }

    fn atoms(&self) -> &[Atom] {
        (**self).atoms()
    }
}

/// An upper bound of the distance from the mean up to the greatest value.
pub(crate) fn deviation_above<D: Distribution + ?Sized>(input: &D) -> f64 {
    sub_up(input.support().1, input.mean().0).max(0.0)
}

/// An upper bound of the distance from the mean down to the least value.
pub(crate) fn deviation_below<D: Distribution + ?Sized>(input: &D) -> f64 {
    sub_up(input.mean().1, input.support().0).max(0.0)
}
