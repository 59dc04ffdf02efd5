//! Complete differential verification: prove that two networks agree, or show where
//! they do not.

mod attack;
mod property;
mod question;
mod search;

use core::fmt;
use core::ops::ControlFlow;
use std::time::{Duration, Instant};

use nncert_core::{PairedNetworks, Region};

pub use self::property::{Agreement, MAX_CLASSES, Outputs, Property, TopOne};
use self::question::Question;
use self::search::Search;
use crate::BoundsError;

/// When a verifier gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// After this time.
    pub time: Option<Duration>,
    /// After this many boxes. Also a bound of the memory: at most as many are kept.
    pub boxes: usize,
}

impl Default for Limits {
    /// No time limit, a million boxes.
    fn default() -> Self {
        Self { time: None, boxes: 1_000_000 }
    }
}

/// Proves that a network and its copy agree on a region, or finds an input where they
/// do not.
///
/// The region is bounded whole by [`differential`](crate::differential). Where that does
/// not decide, an attack comes first; then the region is cut in two, at the input to
/// which the bounds owe most. The worst boxes come first, several at a time: they share
/// matrix products, and with feature `rayon` the threads of the current pool. The corners
/// at which the bounds are reached are tried as counterexamples.
///
/// Time is looked at before every few boxes that are bounded together: the first bound is
/// always finished, and a large network takes its time for one.
///
/// Guarantee: [`Verdict::Certified`] is sound, a [`Witness`] is replayed in exact
/// arithmetic (in outward-rounded intervals where a network has a sigmoid or tanh).
/// The result is the same every time, with any number of threads, unless a time limit
/// ends the search.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// use nncert_bounds::{Agreement, DifferentialVerifier, Verdict};
///
/// # let network = |w: f64| Network::relu_mlp(vec![
/// #     Affine::new(dmatrix![w, 0.5; -1.0, 1.0], dvector![0.0, 0.5]),
/// #     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// # ]);
/// let pair = PairedNetworks::new(&network(1.0)?, &network(1.125)?)?;
/// let region = Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything)?;
///
/// let agree = DifferentialVerifier::new(Agreement::within(0.126)).verify(&pair, &region)?;
/// assert_eq!(agree.verdict, Verdict::Certified);
///
/// let differ = DifferentialVerifier::new(Agreement::within(0.1)).verify(&pair, &region)?;
/// let Verdict::Falsified(witness) = differ.verdict else { panic!("{differ}") };
/// assert!(region.contains(&witness.input));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Paulsen et al., *NeuroDiff*, 2020, for the question; the pass, the choice of cuts
/// and the order are ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DifferentialVerifier {
    /// What is to be shown.
    pub property: Property,
    /// When to give up.
    pub limits: Limits,
}

/// An input at which the property fails.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Witness {
    /// The input, inside the region.
    pub input: Vec<f64>,
    /// What is wrong there.
    pub disagreement: Disagreement,
}

/// How a property fails at an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Disagreement {
    /// This output differs by too much.
    Output(usize),
    /// The networks choose different classes.
    Class {
        /// The class that `f` chooses.
        original: usize,
        /// The class that `f'` chooses.
        compressed: usize,
    },
}

/// What a verifier comes to.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Verdict {
    /// The property holds on all of the region.
    Certified,
    /// The property fails at an input.
    Falsified(Witness),
    /// Neither was shown.
    Unknown(UnknownReason),
}

/// Why neither was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum UnknownReason {
    /// The time limit.
    Time,
    /// The limit of boxes.
    Boxes,
    /// The observer ended the search.
    Stopped,
    /// A box as small as doubles allow is still undecided.
    Resolution,
}

/// A verdict, and how it was reached.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// A sound bound on all of the region: of the difference of the chosen outputs, or for
    /// [`TopOne`] of how much `f'` may prefer another class to the one that `f` chooses.
    pub epsilon: f64,
    /// How many boxes were bounded.
    pub boxes: usize,
    /// How many are still undecided.
    pub open: usize,
}

/// How far a verifier has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// How many boxes have been bounded.
    pub boxes: usize,
    /// How many are undecided.
    pub open: usize,
    /// As [`Report::epsilon`], so far.
    pub epsilon: f64,
}

/// What is wrong with a question to a verifier.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// `ε` is negative, NaN or infinite.
    #[error("an epsilon of {epsilon} is not a finite number of at least 0")]
    Epsilon {
        /// The `ε`.
        epsilon: f64,
    },
    /// An output that the networks do not have.
    #[error("there is no output {output} among {outputs}")]
    Output {
        /// The output, counted from 0.
        output: usize,
        /// The outputs of the networks.
        outputs: usize,
    },
    /// A confidence that is not in `[0, 1)`.
    #[error("a confidence of {confidence} is not in [0, 1)")]
    Confidence {
        /// The confidence.
        confidence: f64,
    },
    /// Fewer than two classes, or more than [`MAX_CLASSES`].
    #[error("{classes} outputs are not 2 to {MAX_CLASSES} classes")]
    Classes {
        /// The outputs of the networks.
        classes: usize,
    },
    /// The difference cannot be bounded.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}

impl DifferentialVerifier {
    /// A verifier without a time limit.
    #[must_use]
    pub fn new(property: impl Into<Property>) -> Self {
        Self { property: property.into(), limits: Limits::default() }
    }

    /// Decides the property on a region, within the limits.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] for an `ε` that is negative or not finite, an output that does
    /// not exist, a confidence outside `[0, 1)`, too many classes, a region of another
    /// dimension, a layer that is not supported, or bounds that overflow.
    pub fn verify(&self, pair: &PairedNetworks, region: &Region) -> Result<Report, VerifyError> {
        self.verify_observed(pair, region, |_| ControlFlow::Continue(()))
    }

    /// [`DifferentialVerifier::verify`] with an observer that sees every round of cuts and
    /// may end the search.
    ///
    /// # Errors
    ///
    /// As [`DifferentialVerifier::verify`].
    pub fn verify_observed(
        &self,
        pair: &PairedNetworks,
        region: &Region,
        mut observer: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Report, VerifyError> {
        let started = Instant::now();
        let question = Question::new(self.property, pair)?;
        let mut search = Search::new(&question, region)?;
        let late = || self.limits.time.is_some_and(|limit| started.elapsed() >= limit);
        loop {
            let progress = search.progress();
            let report = |verdict| {
                let Progress { boxes, open, epsilon } = progress;
                Ok(Report { verdict, epsilon, boxes, open })
            };
            if let Some(witness) = search.witness.take() {
                return report(Verdict::Falsified(witness));
            }
            let unknown = |reason| report(Verdict::Unknown(reason));
            if search.exhausted {
                return unknown(UnknownReason::Resolution);
            }
            if progress.open == 0 {
                return report(Verdict::Certified);
            }
            if observer(progress).is_break() {
                return unknown(UnknownReason::Stopped);
            }
            if late() {
                return unknown(UnknownReason::Time);
            }
            if progress.boxes >= self.limits.boxes {
                return unknown(UnknownReason::Boxes);
            }
            search.cut(self.limits.boxes - progress.boxes, &late)?;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Certified => write!(f, "certified")?,
            Verdict::Falsified(witness) => write!(f, "falsified: {}", witness.disagreement)?,
            Verdict::Unknown(reason) => {
                write!(f, "unknown ({reason:?}), {} boxes open", self.open)?;
            }
        }
        write!(f, ", bound {} ({} boxes)", self.epsilon, self.boxes)
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(output) => write!(f, "output {output} differs by too much"),
            Self::Class { original, compressed } => {
                write!(f, "class {original} becomes class {compressed}")
            }
        }
    }
}
