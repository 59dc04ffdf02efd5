//! Which statement is made about a changed classifier, and from which counts.

use nncert_prob::{Count, clopper_pearson_approximate, weighted_fisher_critical};

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
    /// The same counts, tested together: a product of two p-values, that of `p` with a weight.
    ///
    /// ```text
    /// q ≥ min p(1 - u)    where the test does not reject    (weighted_fisher_lower)
    /// ```
    FisherTwo {
        /// The weight; at 1 it is Fisher's test. It must not depend on the cached samples that are counted.
        weight: f64,
    },
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
    /// At the level of the statement.
    pub(super) criticals: Criticals,
}

/// Weights among which there is a choice.
pub(super) const WEIGHTS: [f64; 13] =
    [1.0 / 32.0, 0.044, 1.0 / 16.0, 0.09, 0.125, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0];

/// Steps in which the least value on the boundary of a joint test is looked for.
const STEPS: usize = 2;

/// The critical values of the weights at one level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Criticals {
    alpha: f64,
    values: [f64; WEIGHTS.len()],
}

impl Criticals {
    pub(super) fn new(alpha: f64) -> Self {
        let level = rounded_level(alpha);
        Self { alpha, values: WEIGHTS.map(|weight| weighted_fisher_critical(weight, level)) }
    }

    fn of(&self, weight: f64) -> f64 {
        let place = WEIGHTS.iter().position(|known| *known == weight);
        place.map_or_else(
            || weighted_fisher_critical(weight, rounded_level(self.alpha)),
            |place| self.values[place],
        )
    }
}

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
            Self::FisherTwo { weight } if *weight > 0.0 && weight.is_finite() => Ok(()),
            Self::FisherTwo { weight } => {
                let expected = "a finite number above 0";
                Err(SmoothingError::Option { name: "weight", value: *weight, expected })
            }
            Self::FisherThree | Self::Fresh | Self::Replay => Ok(()),
        }
    }
}

impl Prospect {
    /// The method for an input: by the selection, and new samples where the cached count shows few failures.
    ///
    /// That count enters the joint bounds, but this use of it costs nothing. The threshold does not depend on it. Below it, the p-value of `p` is
    /// that of a count cut off above, hence stochastically no smaller than it was, and independent of the others given all
    /// labels of the original; above it, new samples are independent of everything. So each branch errs with at most `α` of its own
    /// probability.
    pub(super) fn chosen(&self, expected: Expectation, cached: Count) -> Transfer {
        if self.known > 0.0 {
            return self.best(expected);
        }
        let joint = self.best_joint(expected);
        match self.few(joint, expected) {
            Some(few) if cached.failures() <= few => Transfer::Fresh,
            _ => joint,
        }
    }

    /// The most cached failures at which new samples promise as much as a joint test.
    fn few(&self, joint: Transfer, expected: Expectation) -> Option<u64> {
        let fresh = |failures: u64| {
            let Ok(selection) = Count::new(self.cached - failures, self.cached) else {
                return false;
            };
            let at = Self { selection, ..*self };
            at.promise(Transfer::Fresh, expected) >= at.promise(joint, expected)
        };
        if !fresh(0) {
            return None;
        }
        let (mut few, mut many) = (0, 1);
        while many < self.cached && fresh(many) {
            (few, many) = (many, 2 * many + 1);
        }
        let mut many = many.min(self.cached);
        // To a sixteenth: it is a guess.
        while many - few > 1 + few / 16 {
            let middle = u64::midpoint(few, many);
            if fresh(middle) { few = middle } else { many = middle }
        }
        Some(few)
    }

    /// The method that promises the greatest bound of `q`.
    pub(super) fn best(&self, expected: Expectation) -> Transfer {
        let joint = self.best_joint(expected);
        // Without an agreement the last are new samples, and fewer.
        let others = [Transfer::Fresh, Transfer::Replay];
        let others = others.into_iter().take(if self.known > 0.0 { 2 } else { 1 });
        self.better(others.chain([joint]), expected)
    }

    /// The same among joint tests.
    fn best_joint(&self, expected: Expectation) -> Transfer {
        let weighted = WEIGHTS.map(|weight| Transfer::FisherTwo { weight });
        let promise = |place: usize| self.promise(weighted[place], expected);
        // What a weight promises rises up to the best one, and falls after it.
        let mut place = WEIGHTS.len() / 2;
        let mut bound = promise(place);
        let climb = |place: &mut usize, bound: &mut f64, step: isize| {
            while let Some(next) = place.checked_add_signed(step).filter(|n| *n < WEIGHTS.len()) {
                let found = promise(next);
                if found <= *bound {
                    break;
                }
                (*place, *bound) = (next, found);
            }
        };
        climb(&mut place, &mut bound, 1);
        climb(&mut place, &mut bound, -1);
        let three = self.promise(Transfer::FisherThree, expected);
        if three > bound { Transfer::FisherThree } else { weighted[place] }
    }

    /// The first of those that promise most.
    fn better(&self, methods: impl Iterator<Item = Transfer>, expected: Expectation) -> Transfer {
        let mut best = (Transfer::Fresh, 0.0);
        for method in methods {
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

    /// The bound that a method gives when every count is what is expected, about.
    pub(super) fn promise(&self, method: Transfer, expected: Expectation) -> f64 {
        let (k0, n0) = (self.selection.successes() as f64, self.selection.trials() as f64);
        // Never quite 0 or 1.
        let p = (k0 + 0.5) / (n0 + 1.0);
        let alpha = self.criticals.alpha;
        let Expectation { lost, gained } = expected;
        let cached = self.cached as f64;
        let lower = |share: f64, of: f64, alpha| clopper_pearson_approximate(share * of, of, alpha);
        match method {
            Transfer::FisherTwo { weight } => {
                let far = self.criticals.of(weight) / weight;
                // A p-value of the original a thousand times below the level is rejected whatever its weight.
                let end = far.min(7.0 - libm::log(alpha));
                let hits = (self.drawn() as f64).min(p * cached);
                let at = |s: f64| {
                    let stays = lower(1.0 - lost, hits, libm::exp(-weight * (far - s)));
                    lower(p, cached, libm::exp(-s)) * stays
                };
                // The logarithm is convex: what is least lies on the lower side of each middle.
                let (mut low, mut middle, mut high) = (0.0, 0.5 * end, end);
                let mut least = at(middle);
                for _ in 0..STEPS {
                    let (left, right) = (f64::midpoint(low, middle), f64::midpoint(middle, high));
                    let below = at(left);
                    if below < least {
                        (high, middle, least) = (middle, left, below);
                        continue;
                    }
                    let above = at(right);
                    if above < least {
                        (low, middle, least) = (middle, right, above);
                    } else {
                        (low, high) = (left, right);
                    }
                }
                // Or at an end.
                let least = if low == 0.0 { least.min(at(low)) } else { least };
                if high == end { least.min(at(high)) } else { least }
            }
            Transfer::FisherThree => {
                let (third, drawn) = (alpha / 3.0, self.drawn() as f64);
                let stays = lower(p, cached, third) * lower(1.0 - lost, p * drawn, third);
                stays + (1.0 - p) * lower(gained, (1.0 - p) * drawn, third)
            }
            other => {
                let q = p * (1.0 - lost) + (1.0 - p) * gained;
                let of = if other == Transfer::Replay { self.drawn() } else { self.samples };
                lower(q, of as f64, alpha)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prospect(k0: u64, samples: u64) -> Prospect {
        let selection = Count::new(k0, 100).unwrap();
        Prospect {
            selection,
            cached: 10_000,
            samples,
            known: 0.0,
            criticals: Criticals::new(0.001),
        }
    }

    #[test]
    fn the_choice_follows_the_selection() {
        let expected = Expectation::default();
        let weight = |prospect: Prospect| match prospect.best(expected) {
            Transfer::FisherTwo { weight } => weight,
            _ => 0.0,
        };
        assert!(weight(prospect(100, 500)) < weight(prospect(80, 500)));
        assert!(weight(prospect(80, 500)) < weight(prospect(80, 2_000)));
        // As many new samples as cached ones: nothing to gain from the cache.
        assert_eq!(prospect(99, 100_000).best(expected), Transfer::Fresh);
    }

    #[test]
    fn options_are_checked() {
        let irs = |gamma, share| Transfer::Irs { gamma, share, switch: GammaSwitch::Cached };
        assert!(irs(0.99, 0.5).check().is_ok() && irs(1.0, 0.5).check().is_ok());
        assert!(irs(f64::NAN, 0.5).check().is_err() && irs(0.99, 1.0).check().is_err());
        assert!(Transfer::OneSided { share: 0.0 }.check().is_err());
        assert!(Transfer::FisherTwo { weight: 0.0 }.check().is_err());
        assert!(Transfer::FisherTwo { weight: f64::NAN }.check().is_err());
        let lost = Expectation { lost: -0.1, gained: 0.0 };
        assert!(Transfer::Automatic(lost).check().is_err());
    }
}
