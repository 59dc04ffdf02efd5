//! Which statement is made about a changed classifier, and from which counts.

use nncert_prob::{Count, SidedProbability, clopper_pearson_lower, one_sided_lower};

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
    /// The first cached samples again, counted for `f'` alone: where an [`Agreement`](crate::Agreement) says what `f'` gives, at no cost.
    ///
    /// As many as are counted must not depend on cached labels.
    Replay,
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
    /// [`Transfer::Replay`].
    Replay,
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
    /// On how many samples the changed classifier is run.
    pub(super) samples: u64,
    /// The share of cached samples on which it need not be; 0 without an agreement, and below 1.
    pub(super) known: f64,
    /// The level.
    pub(super) alpha: f64,
}

/// The share of the original in the level where its probability is next to 1.
const NEARLY_CERTAIN: f64 = 0.05;

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
            Self::FisherTwo | Self::FisherThree | Self::Fresh | Self::Replay => Ok(()),
        }
    }
}

impl Prospect {
    /// The method that promises the greatest bound of `q`.
    pub(super) fn best(&self, expected: Expectation) -> Transfer {
        let candidates = [
            Some(Transfer::Fresh),
            Some(Transfer::FisherTwo),
            Some(Transfer::FisherThree),
            Some(Transfer::OneSided { share: NEARLY_CERTAIN }),
            // Without an agreement these are new samples, and fewer.
            (self.known > 0.0).then_some(Transfer::Replay),
        ];
        let mut best = (Transfer::Fresh, SidedProbability::ZERO);
        for method in candidates.into_iter().flatten() {
            let bound = self.promise(method, expected);
            if bound > best.1 {
                best = (method, bound);
            }
        }
        best.0
    }

    /// The cached samples that are counted, so that the changed classifier is run on as many as it may be.
    pub(super) fn drawn(&self) -> u64 {
        let drawn = self.samples as f64 / (1.0 - self.known).max(f64::MIN_POSITIVE);
        // Above 2^64 all of them.
        (drawn as u64).clamp(1, self.cached.max(1))
    }

    /// The bound that a method gives when every count is what is expected, or nearly: in place of a joint test stand single bounds
    /// at equal shares of the level, which take microseconds.
    pub(super) fn promise(&self, method: Transfer, expected: Expectation) -> SidedProbability {
        self.promised(method, expected).unwrap_or(SidedProbability::ZERO)
    }

    fn promised(&self, method: Transfer, expected: Expectation) -> Option<SidedProbability> {
        let (k0, n0) = (self.selection.successes() as f64, self.selection.trials() as f64);
        // Never quite 0 or 1.
        let p = (k0 + 0.5) / (n0 + 1.0);
        let Expectation { lost, gained } = expected;
        let kept = part(p, self.cached)?;
        match method {
            Transfer::OneSided { share } => {
                let lost = part(lost, self.drawn().min(kept.successes()))?;
                let (first, second) = split(self.alpha, share);
                Some(one_sided_lower(kept, lost, first, second))
            }
            Transfer::FisherTwo => self.promised(Transfer::OneSided { share: 0.5 }, expected),
            Transfer::FisherThree => {
                let third = rounded_level(self.alpha / 3.0);
                let first = part(p, self.drawn())?;
                let lost = part(lost, first.successes())?;
                let gained = part(gained, first.failures())?;
                let stays = one_sided_lower(kept, lost, third, third);
                let comes = clopper_pearson_lower(gained, third).down();
                let sum = stays.down() + kept.failures() as f64 / self.cached as f64 * comes;
                SidedProbability::new(sum.min(1.0)).ok()
            }
            other => {
                let q = p * (1.0 - lost) + (1.0 - p) * gained;
                let of = if other == Transfer::Replay { self.drawn() } else { self.samples };
                Some(clopper_pearson_lower(part(q, of)?, rounded_level(self.alpha)))
            }
        }
    }
}

/// So many successes as a probability lets expect.
pub(super) fn part(p: f64, of: u64) -> Option<Count> {
    Count::new((p * of as f64).round().clamp(0.0, of as f64) as u64, of).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prospect(k0: u64, samples: u64) -> Prospect {
        let selection = Count::new(k0, 100).unwrap();
        Prospect { selection, cached: 10_000, samples, known: 0.0, alpha: 0.001 }
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
