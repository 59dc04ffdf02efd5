//! What a smoothed classifier is known to do around an input.

use core::fmt;

use nncert_core::directed::{mul_down, sub_down};
use nncert_prob::{Count, SidedProbability, normal_quantile_down, normal_quantile_up};

/// A class and a radius that were certified, or that none was.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Certification {
    /// The smoothed classifier gives one class on a ball.
    Certified(Certificate),
    /// Nothing was shown.
    Abstained(Abstention),
}

/// The smoothed classifier gives `class` at every input within `radius`, in the Euclidean norm.
///
/// ```text
/// radius = σ Φ⁻¹(p)    or    σ/2 (Φ⁻¹(p) - Φ⁻¹(p_B))
/// ```
///
/// Guarantee: sound, rounded down; false with a probability of at most `alpha` over the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Certificate {
    /// The class.
    pub class: usize,
    /// The radius, above 0.
    pub radius: f64,
    /// A lower bound of the probability of the class under noise.
    pub probability: SidedProbability,
    /// The probability of an error.
    pub alpha: f64,
}

/// That nothing was shown, and about which class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Abstention {
    /// The class that was looked at.
    pub class: usize,
    /// Why nothing was shown.
    pub reason: AbstainReason,
}

/// Why nothing was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AbstainReason {
    /// The probability of the class is not known to be above that of all others.
    NotMajority,
    /// The radius that was asked for was not reached.
    Radius,
}

impl Certification {
    /// The certified radius; 0 when nothing was shown.
    #[must_use]
    pub fn radius(&self) -> f64 {
        self.certificate().map_or(0.0, |certificate| certificate.radius)
    }

    /// The certificate, if there is one.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Certified(certificate) => Some(certificate),
            Self::Abstained(_) => None,
        }
    }

    /// From a lower bound of the probability of the class alone: all others together have at most the rest.
    pub(crate) fn one_sided(
        class: usize,
        sigma: f64,
        probability: SidedProbability,
        alpha: f64,
    ) -> Self {
        Self::of(class, radius(sigma, probability), probability, alpha)
    }

    /// From bounds of the probabilities of the class and of any other.
    pub(crate) fn two_sided(
        class: usize,
        sigma: f64,
        probability: SidedProbability,
        runner_up: SidedProbability,
        alpha: f64,
    ) -> Self {
        let runner_up = runner_up.min(probability.complement());
        let gap = sub_down(normal_quantile_down(probability), normal_quantile_up(runner_up));
        Self::of(class, mul_down(0.5 * sigma, gap), probability, alpha)
    }

    fn of(class: usize, radius: f64, probability: SidedProbability, alpha: f64) -> Self {
        if radius > 0.0 {
            Self::Certified(Certificate { class, radius, probability, alpha })
        } else {
            Self::Abstained(Abstention { class, reason: AbstainReason::NotMajority })
        }
    }
}

/// The radius that a lower bound of the probability of a class certifies, rounded down; at most 0 where it certifies none.
///
/// ```text
/// σ Φ⁻¹(p)
/// ```
///
/// Guarantee: sound.
///
/// # Examples
/// ```
/// use nncert_prob::SidedProbability;
/// use nncert_smoothing::certified_radius;
///
/// let radius = certified_radius(0.5, SidedProbability::new(0.975)?);
/// assert!((radius - 0.98).abs() < 1e-3);
/// # Ok::<(), nncert_prob::ProbabilityError>(())
/// ```
///
/// # References
/// J. Cohen, E. Rosenfeld, Z. Kolter, *Certified adversarial robustness via randomized smoothing*, ICML 2019, theorem 1.
#[must_use]
pub fn certified_radius(sigma: f64, probability: SidedProbability) -> f64 {
    radius(sigma, probability)
}

fn radius(sigma: f64, probability: SidedProbability) -> f64 {
    let quantile = normal_quantile_down(probability);
    // Of a positive product the directed one; 0 and below certify nothing.
    if quantile > 0.0 { mul_down(sigma, quantile) } else { quantile.min(0.0) }
}

/// A certification, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CertifyReport {
    /// What was certified.
    pub certification: Certification,
    /// How often the class was given, and among how many samples.
    pub count: Count,
    /// How many samples were classified, those that chose the class among them.
    pub evaluations: u64,
}

impl fmt::Display for Certification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certified(Certificate { class, radius, alpha, .. }) => {
                write!(f, "class {class} within {radius:.6} (error probability {alpha})")
            }
            Self::Abstained(Abstention { class, reason: AbstainReason::NotMajority }) => {
                write!(f, "abstained: class {class} is not known to have the majority")
            }
            Self::Abstained(Abstention { class, reason: AbstainReason::Radius }) => {
                write!(f, "abstained: the radius was not reached for class {class}")
            }
        }
    }
}

impl fmt::Display for CertifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (k, n) = (self.count.successes(), self.count.trials());
        write!(f, "{}; {k} of {n} samples, {} evaluations", self.certification, self.evaluations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_certifies_nothing() {
        let at = |p: f64| {
            Certification::one_sided(0, 1.0, SidedProbability::new(p).unwrap(), 0.001).radius()
        };
        assert_eq!((at(0.5), at(0.25), at(0.0)), (0.0, 0.0, 0.0));
        assert!(at(0.5_f64.next_up()) > 0.0 && at(0.5_f64.next_up()) < 1e-15);
    }

    #[test]
    fn a_runner_up_of_the_rest_gives_the_same_radius() {
        let p = SidedProbability::new(0.8).unwrap();
        let one = Certification::one_sided(1, 0.5, p, 0.1).radius();
        let two = Certification::two_sided(1, 0.5, p, SidedProbability::ONE, 0.1).radius();
        assert!((one - two).abs() < 1e-15);
        let rare = SidedProbability::new(0.05).unwrap();
        assert!(Certification::two_sided(1, 0.5, p, rare, 0.1).radius() > one);
        // A majority over every other class is enough, below one half too.
        let low = SidedProbability::new(0.4).unwrap();
        assert!(Certification::two_sided(1, 0.5, low, rare, 0.1).radius() > 0.0);
    }
}
