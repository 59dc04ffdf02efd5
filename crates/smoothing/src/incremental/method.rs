//! Which statement is made about a changed classifier, and from which counts.

use nncert_prob::{
    Count, SidedProbability, clopper_pearson_lower, fisher_three_lower, fisher_two_lower,
    one_sided_lower,
};

use super::budget::split;
use crate::SmoothingError;
use crate::smoothed::rounded_level;

/// How the certificate of a changed classifier `f'` is found from the samples of the original `f`.
///
/// `c` is the class of `f`, and `p`, `q` are the probabilities of `c` under `f` and `f'`; `α` is the level of the statement.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Transfer {
    /// Incremental randomized smoothing as published, algorithm 2 corrected: to be compared with.
    ///
    /// ```text
    /// p < γ:  q ≥ lower(p; sα) - upper(ζ; (1-s)α),    ζ = P(f' ≠ f), from the first samples
    /// p ≥ γ:  q ≥ lower(q; ·) from new samples
    /// ```
    Irs {
        /// Where the probability of the class is too near to 1 for a difference to help.
        gamma: f64,
        /// The share `s` of the level that goes to the original.
        share: f64,
        /// What decides on which side of `γ` an input is.
        switch: GammaSwitch,
    },
    /// Only answers `c` of `f` can be lost, and only there `f'` is run.
    ///
    /// ```text
    /// q ≥ lower(p; sα) (1 - upper(u; (1-s)α)),    u = P(f' ≠ c | f = c)
    /// ```
    OneSided {
        /// The share `s` of the level that goes to the original.
        share: f64,
    },
    /// The same counts, tested together: Fisher's product of two p-values.
    FisherTwo,
    /// Also counts what `f'` gains where `f ≠ c`; runs `f'` on every sample.
    FisherThree,
    /// New samples of `f'`, and nothing of `f` but its class.
    Fresh,
    /// The one of these that promises most for the input, judged by the samples that chose the class.
    Automatic(Expectation),
}

/// What decides the branch of [`Transfer::Irs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum GammaSwitch {
    /// The cached lower bound of `p`, as published. The new samples then count at the level of the original alone:
    ///
    /// Where `γ > p`, the fallback is entered, and the bound of `p` is used and false, at counts that exclude each other and all
    /// belong to the `sα` of the bound; where `γ ≤ p`, the bound of `p` is right when it is used, and `sα` is free for the
    /// fallback. So the error is at most `α` either way.
    Cached,
    /// The samples that chose the class, which enter no bound. Each branch then has the whole level.
    Selection,
}

/// How much a changed classifier is expected to differ. A guess: it chooses a method and enters no bound.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Expectation {
    /// `P(f' ≠ c | f = c)`.
    pub lost: f64,
    /// `P(f' = c | f ≠ c)`.
    pub gained: f64,
}

impl Default for Expectation {
    /// Half a percent, and two.
    fn default() -> Self {
        Self { lost: 0.005, gained: 0.02 }
    }
}

/// A method without a choice left in it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum TransferMethod {
    /// [`Transfer::Irs`], below `γ`.
    Disagreement,
    /// [`Transfer::OneSided`].
    OneSided,
    /// [`Transfer::FisherTwo`].
    FisherTwo,
    /// [`Transfer::FisherThree`].
    FisherThree,
    /// [`Transfer::Fresh`], and [`Transfer::Irs`] above `γ`.
    Fresh,
    /// [`Incremental::certify_radius`](super::Incremental::certify_radius).
    Sequential,
}

/// What the method is chosen from: nothing that enters a bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prospect {
    /// The samples that chose the class.
    pub(super) selection: Count,
    /// How many samples of the original there are.
    pub(super) cached: u64,
    /// How many samples of the changed classifier there will be.
    pub(super) samples: u64,
    /// The level.
    pub(super) alpha: f64,
}

/// Shares of the original in the level, for the choice: equal ones, and one for inputs next to certain.
const SHARES: [f64; 2] = [0.5, 0.05];

impl Transfer {
    pub(super) fn check(&self) -> Result<(), SmoothingError> {
        let inside = |name, value: f64, open: bool| {
            let right =
                if open { value > 0.0 && value < 1.0 } else { (0.0..=1.0).contains(&value) };
            let expected = if open { "strictly between 0 and 1" } else { "within 0 and 1" };
            if right { Ok(()) } else { Err(SmoothingError::Option { name, value, expected }) }
        };
        match self {
            Self::Irs { gamma, share, .. } => {
                inside("gamma", *gamma, false)?;
                inside("share", *share, true)
            }
            Self::OneSided { share } => inside("share", *share, true),
            Self::Automatic(Expectation { lost, gained }) => {
                inside("lost", *lost, false)?;
                inside("gained", *gained, false)
            }
            Self::FisherTwo | Self::FisherThree | Self::Fresh => Ok(()),
        }
    }
}

impl Prospect {
    /// The method that promises the greatest bound of `q`.
    pub(super) fn best(&self, expected: Expectation) -> Transfer {
        let candidates = [Transfer::Fresh, Transfer::FisherTwo, Transfer::FisherThree];
        let one_sided = SHARES.map(|share| Transfer::OneSided { share });
        let mut best = (Transfer::Fresh, SidedProbability::ZERO);
        for method in candidates.into_iter().chain(one_sided) {
            let bound = self.promise(method, expected);
            if bound > best.1 {
                best = (method, bound);
            }
        }
        best.0
    }

    /// The bound that a method gives when every count is what is expected.
    pub(super) fn promise(&self, method: Transfer, expected: Expectation) -> SidedProbability {
        let (k0, n0) = (self.selection.successes() as f64, self.selection.trials() as f64);
        // Never quite 0 or 1.
        let p = (k0 + 0.5) / (n0 + 1.0);
        let part = |p: f64, of: u64| {
            let hits = (p * of as f64).round().clamp(0.0, of as f64) as u64;
            Count::new(hits, of).ok()
        };
        let bound = || {
            let alpha = rounded_level(self.alpha);
            let cached = part(p, self.cached)?;
            let (lost, gained) = (expected.lost, expected.gained);
            Some(match method {
                Transfer::OneSided { share } => {
                    let lost = part(lost, self.samples.min(cached.successes()))?;
                    let (first, second) = split(self.alpha, share);
                    one_sided_lower(cached, lost, first, second)
                }
                Transfer::FisherTwo => {
                    let lost = part(lost, self.samples.min(cached.successes()))?;
                    fisher_two_lower(cached, lost, alpha)
                }
                Transfer::FisherThree => {
                    let kept = part(p, self.samples.min(self.cached))?;
                    let lost = part(lost, kept.successes())?;
                    fisher_three_lower(cached, lost, part(gained, kept.failures())?, alpha)
                }
                _ => {
                    let q = p * (1.0 - lost) + (1.0 - p) * gained;
                    clopper_pearson_lower(part(q, self.samples)?, alpha)
                }
            })
        };
        bound().unwrap_or(SidedProbability::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prospect(k0: u64, samples: u64) -> Prospect {
        let selection = Count::new(k0, 100).unwrap();
        Prospect { selection, cached: 10_000, samples, alpha: 0.001 }
    }

    #[test]
    fn the_choice_follows_the_selection() {
        let expected = Expectation::default();
        assert_eq!(prospect(100, 500).best(expected), Transfer::Fresh);
        assert_ne!(prospect(80, 500).best(expected), Transfer::Fresh);
        // As many new samples as cached ones: nothing to gain from the cache.
        assert_eq!(prospect(99, 100_000).best(expected), Transfer::Fresh);
    }

    #[test]
    fn options_are_checked() {
        let irs = |gamma, share| Transfer::Irs { gamma, share, switch: GammaSwitch::Cached };
        assert!(irs(0.99, 0.5).check().is_ok() && irs(1.0, 0.5).check().is_ok());
        assert!(irs(f64::NAN, 0.5).check().is_err() && irs(0.99, 1.0).check().is_err());
        assert!(Transfer::OneSided { share: 0.0 }.check().is_err());
        let lost = Expectation { lost: -0.1, gained: 0.0 };
        assert!(Transfer::Automatic(lost).check().is_err());
    }
}
