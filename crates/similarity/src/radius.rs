//! The largest ball on which the outputs agree.

use core::fmt;
use core::ops::ControlFlow;

use nncert_bounds::BoundsError;
use nncert_core::{MAX_MAGNITUDE, PairedNetworks};
use nncert_prob::{Confidence, Tail};

use crate::guess::Guess;
use crate::probability::{check, needed};
use crate::{
    Balls, BranchOptions, Method, ProbabilityInterval, SimilarityError, branch_and_bound,
    probability_interval,
};

/// How a radius is searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RadiusSearch {
    /// The first radius that is tried, above 0.
    pub start: f64,
    /// No larger radius is tried. A ball that fills its domain cannot grow further.
    pub maximum: f64,
    /// No smaller radius is tried, except 0.
    pub minimum: f64,
    /// The search ends when the radii around the answer are this close, relatively.
    pub tolerance: f64,
    /// How many boxes each ball may be cut into, at least 1. With more than one the ball
    /// is bounded by [`branch_and_bound`], so by joint propagation.
    pub boxes: usize,
}

impl Default for RadiusSearch {
    /// From `1/64`, between `10^-9` and 1, to one part in a thousand, without cuts.
    fn default() -> Self {
        Self { start: 1.0 / 64.0, maximum: 1.0, minimum: 1e-9, tolerance: 1e-3, boxes: 1 }
    }
}

impl RadiusSearch {
    fn check(&self) -> Result<(), SimilarityError> {
        let require = |option, value: f64, fine: bool, expected| {
            if fine { Ok(()) } else { Err(SimilarityError::Search { option, value, expected }) }
        };
        let Self { start, maximum, minimum, tolerance, boxes } = *self;
        require("minimum", minimum, minimum > 0.0 && minimum.is_finite(), "a number above 0")?;
        let fine = (minimum..=MAX_MAGNITUDE).contains(&maximum);
        require("maximum", maximum, fine, "a number from the minimum to 1e100")?;
        let fine = (minimum..=maximum).contains(&start);
        require("start", start, fine, "a number between the minimum and the maximum")?;
        let fine = (f64::EPSILON..1.0).contains(&tolerance);
        require("tolerance", tolerance, fine, "a number from 2^-52 to 1")?;
        require("boxes", boxes as f64, boxes > 0, "at least 1")
    }
}

/// A radius at which a certificate holds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CertifiedRadius {
    /// The largest radius that was itself certified.
    pub radius: f64,
    /// The probability at this radius, with the affine functions that certify it.
    pub probability: ProbabilityInterval,
    /// The smallest radius above it that was tried and not certified, if any was.
    pub refused: Option<f64>,
    /// How many radii were tried.
    pub probes: usize,
}

/// What a search for a radius comes to.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum RadiusVerdict {
    /// A ball was certified.
    Certified(Box<CertifiedRadius>),
    /// The networks differ by more than `ε` at the centre itself.
    Falsified {
        /// The centre.
        witness: Vec<f64>,
    },
    /// Nothing was certified, and nothing is shown to be wrong.
    Unknown(UnknownRadius),
}

/// Why no radius was certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum UnknownRadius {
    /// The bounds at the centre are too loose to decide.
    Loose,
    /// The observer ended the search before a ball was certified.
    Stopped,
}

/// One radius that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The radius.
    pub radius: f64,
    /// Whether the certificate holds at it.
    pub certified: bool,
    /// How many radii have been tried, this one included.
    pub count: usize,
}

impl RadiusVerdict {
    /// The certified radius; 0 when there is none.
    #[must_use]
    pub fn radius(&self) -> f64 {
        match self {
            Self::Certified(certified) => certified.radius,
            Self::Falsified { .. } | Self::Unknown(_) => 0.0,
        }
    }
}

/// Searches for the largest ball on which the outputs agree to `ε` with probability `γ`.
///
/// ```text
/// R = max { r : γ_min(B(r), ε) ≥ γ }
/// ```
///
/// The search doubles or halves the radius until it has one that is certified and
/// one that is not, then bisects; on large networks, where a pass takes long, it guesses
/// from what the bounds certified so far, in half as many passes. What a *bound* proves
/// need not be monotone in the radius, so the answer is the largest radius that was itself
/// certified.
///
/// Guarantee: sound for the radius that is returned; that there is no larger one
/// is not claimed.
///
/// # Errors
///
/// [`SimilarityError`] for an `ε` that is negative or not finite, an output that
/// does not exist, a centre of the wrong dimension or outside its domain, or
/// options out of range.
///
/// # Examples
///
/// See the [crate documentation](crate#examples).
///
/// # References
///
/// SimCert, definition 3 and section 4.2, the certified-radius mode.
pub fn certified_radius(
    pair: &PairedNetworks,
    balls: &Balls,
    epsilon: f64,
    gamma: Confidence,
    method: Method,
    search: &RadiusSearch,
) -> Result<RadiusVerdict, SimilarityError> {
    certified_radius_observed(pair, balls, epsilon, gamma, method, search, unobserved)
}

/// [`certified_radius`] for `γ = 1`: the outputs agree everywhere on the ball.
///
/// # Errors
///
/// As [`certified_radius`].
pub fn worst_case_radius(
    pair: &PairedNetworks,
    balls: &Balls,
    epsilon: f64,
    method: Method,
    search: &RadiusSearch,
) -> Result<RadiusVerdict, SimilarityError> {
    let method = method.with_tail(Tail::WorstCase);
    Search { pair, balls, epsilon, method, options: search }.run(1.0, unobserved)
}

/// [`certified_radius`] with an observer that sees every radius that is tried.
///
/// When the observer breaks (a deadline, a cancelled job), the search ends with
/// the largest radius certified so far, or with [`UnknownRadius::Stopped`].
///
/// # Errors
///
/// As [`certified_radius`].
pub fn certified_radius_observed(
    pair: &PairedNetworks,
    balls: &Balls,
    epsilon: f64,
    gamma: Confidence,
    method: Method,
    search: &RadiusSearch,
    observer: impl FnMut(Probe) -> ControlFlow<()>,
) -> Result<RadiusVerdict, SimilarityError> {
    Search { pair, balls, epsilon, method, options: search }.run(gamma.get(), observer)
}

/// The observer that lets every search run to its end.
fn unobserved(_: Probe) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// What is searched for, and how.
pub(crate) struct Search<'a> {
    pub(crate) pair: &'a PairedNetworks,
    pub(crate) balls: &'a Balls,
    pub(crate) epsilon: f64,
    pub(crate) method: Method,
    pub(crate) options: &'a RadiusSearch,
}

/// The state of a search: the best certified radius and the least refused one.
#[derive(Default)]
struct Bracket {
    certified: Option<(f64, ProbabilityInterval)>,
    refused: Option<f64>,
    probes: usize,
}

/// From so many multiplications a pass is worth a guess of the next radius.
const GUESS_FROM: u64 = 1 << 30;

impl Bracket {
    /// The next radius to try, or `None` when the search is over.
    fn next(&self, guess: &mut Guess, epsilon: f64, options: &RadiusSearch) -> Option<f64> {
        let certified = self.certified.as_ref().map(|(radius, _)| *radius);
        let plain = next_radius(certified, self.refused, options)?;
        Some(guess.next(certified, self.refused, epsilon, options).unwrap_or(plain))
    }
}

/// The next radius to try when one is certified and one, larger, is not, as far as there
/// are such; `None` when there is no need.
pub(crate) fn next_radius(
    certified: Option<f64>,
    refused: Option<f64>,
    options: &RadiusSearch,
) -> Option<f64> {
    let RadiusSearch { start, maximum, minimum, tolerance, .. } = *options;
    match (certified, refused) {
        (None, None) => Some(start),
        (Some(low), None) if low < maximum => Some((2.0 * low).min(maximum)),
        (None, Some(high)) if high > minimum => Some((high / 2.0).max(minimum)),
        (Some(low), Some(high)) if high > low * (1.0 + tolerance) => {
            let middle = low + (high - low) / 2.0;
            (low < middle && middle < high).then_some(middle)
        }
        _ => None,
    }
}

impl Search<'_> {
    pub(crate) fn check(&self) -> Result<(), SimilarityError> {
        self.options.check()?;
        check(self.pair.outputs(), self.epsilon, self.method.outputs)
    }

    fn run(
        &self,
        gamma: f64,
        mut observer: impl FnMut(Probe) -> ControlFlow<()>,
    ) -> Result<RadiusVerdict, SimilarityError> {
        self.check()?;
        let mut bracket = Bracket::default();
        let mut guess = Guess::new(self.pair, self.balls.centre(), self.method);
        while let Some(radius) = bracket.next(&mut guess, self.epsilon, self.options) {
            let found = self.bound(radius, Some(gamma))?;
            self.learn(&mut guess, radius, found.as_ref(), gamma);
            let found = found.filter(|found| found.lower.get() >= gamma);
            bracket.probes += 1;
            let certified = found.is_some();
            match found {
                Some(probability) => bracket.certified = Some((radius, probability)),
                None => bracket.refused = Some(radius),
            }
            let probe = Probe { radius, certified, count: bracket.probes };
            if observer(probe).is_break() {
                return Ok(self.finish(gamma, bracket, Some(UnknownRadius::Stopped)));
            }
        }
        Ok(self.finish(gamma, bracket, None))
    }

    /// Takes note of what was found on a ball, where passes are worth a guess: the bounds of a
    /// ball that was cut say little of what its boxes certify.
    pub(crate) fn learn(
        &self,
        guess: &mut Guess,
        radius: f64,
        found: Option<&ProbabilityInterval>,
        gamma: f64,
    ) {
        let worth =
            |found: &&ProbabilityInterval| found.boxes == 1 && found.bounds.products > GUESS_FROM;
        if let Some(found) = found.filter(worth) {
            guess.add(radius, needed(found, gamma, self.options.tolerance));
        }
    }

    /// The probability on the ball of this radius; `None` for a ball too large to bound.
    /// With cuts the search may end when the probability is on one side of the target.
    pub(crate) fn bound(
        &self,
        radius: f64,
        target: Option<f64>,
    ) -> Result<Option<ProbabilityInterval>, SimilarityError> {
        let region = self.balls.region(radius)?;
        let boxes = self.options.boxes;
        let found = if boxes > 1 {
            let target = target.and_then(|gamma| Confidence::new(gamma).ok());
            let options = BranchOptions { width: 0.0, target, boxes, time: None };
            branch_and_bound(self.pair, &region, self.epsilon, self.method, &options)
                .map(|report| report.interval)
        } else {
            probability_interval(self.pair, &region, self.epsilon, self.method)
        };
        match found {
            Ok(interval) => Ok(Some(interval)),
            Err(SimilarityError::Bounds(BoundsError::Overflow { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn finish(
        &self,
        gamma: f64,
        bracket: Bracket,
        stopped: Option<UnknownRadius>,
    ) -> RadiusVerdict {
        let Bracket { certified, refused, probes } = bracket;
        let certified = match certified {
            Some((radius, probability)) => Some((radius, probability)),
            // Nothing so far: the centre alone may be certified, or refuted.
            None if stopped.is_none() => match self.centre(gamma) {
                Ok(Centre::Inside(probability)) => Some((0.0, *probability)),
                Ok(Centre::Outside) => {
                    return RadiusVerdict::Falsified { witness: self.balls.centre().to_vec() };
                }
                Ok(Centre::Undecided) | Err(_) => None,
            },
            None => None,
        };
        match certified {
            Some((radius, probability)) => RadiusVerdict::Certified(Box::new(CertifiedRadius {
                radius,
                probability,
                refused,
                probes,
            })),
            None => RadiusVerdict::Unknown(stopped.unwrap_or(UnknownRadius::Loose)),
        }
    }

    /// What is known at the centre.
    pub(crate) fn centre(&self, gamma: f64) -> Result<Centre, SimilarityError> {
        let region = self.balls.region(0.0)?;
        let interval = probability_interval(self.pair, &region, self.epsilon, self.method)?;
        Ok(if interval.lower.get() >= gamma {
            Centre::Inside(Box::new(interval))
        } else if interval.upper.get() == 0.0 {
            Centre::Outside
        } else {
            Centre::Undecided
        })
    }
}

pub(crate) enum Centre {
    Inside(Box<ProbabilityInterval>),
    Outside,
    Undecided,
}

impl fmt::Display for CertifiedRadius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProbabilityInterval { lower, epsilon, method, .. } = &self.probability;
        write!(
            f,
            "radius {}: P(|f - f'| <= {epsilon}) >= {lower} ({method}, {} radii tried)",
            self.radius, self.probes
        )
    }
}

impl fmt::Display for RadiusVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certified(certified) => certified.fmt(f),
            Self::Falsified { .. } => write!(f, "falsified: the networks differ at the centre"),
            Self::Unknown(UnknownRadius::Loose) => write!(f, "unknown: the bounds are too loose"),
            Self::Unknown(UnknownRadius::Stopped) => write!(f, "unknown: the search was stopped"),
        }
    }
}
