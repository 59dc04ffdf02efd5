//! The counts of a changed classifier, and the bound that they give.

use nncert_core::directed::{add_up, mul_down};
use nncert_prob::{
    Count, SidedProbability, clopper_pearson_lower, disagreement_lower, fisher_three_lower,
    one_sided_lower, weighted_fisher_lower,
};

use super::budget::split;
use super::{GammaSwitch, IncrementalError, Transfer, TransferMethod, TransferReport};
use crate::run::{Known, Observer, Run, Sure};
use crate::samples::Samples;
use crate::smoothed::rounded_level;
use crate::stream::Purpose;
use crate::{BatchClassifier, CachedInput, Certification, Input, Smoothing, SmoothingError};

/// One changed classifier at one input.
pub(super) struct Session<'a, C: ?Sized> {
    pub(super) smoothing: &'a Smoothing,
    pub(super) changed: &'a C,
    pub(super) cached: &'a CachedInput,
    pub(super) input: Input<'a>,
    pub(super) alpha: f64,
    /// Labels of the changed classifier that bounds show.
    pub(super) known: Option<Known<'a>>,
    /// And those that are shown without a look at the sample.
    pub(super) sure: Option<Sure<'a>>,
}

/// What was counted, and how.
struct Counted {
    method: TransferMethod,
    /// As [`TransferReport::changed`].
    changed: Count,
    gained: Option<Count>,
    bound: SidedProbability,
}

/// What was counted on samples of both classifiers.
struct Pairs {
    lost: Count,
    gained: Count,
}

impl<C: BatchClassifier + ?Sized> Session<'_, C> {
    pub(super) fn run(
        &self,
        method: Transfer,
        samples: u64,
        batch: usize,
        observer: Observer<'_>,
    ) -> Result<TransferReport, IncrementalError> {
        let run = Run::new(self.changed, batch, samples, observer)?;
        let mut run = run.with_known(self.known).with_sure(self.sure);
        let counted = self.count(&mut run, method, samples)?;
        let class = self.cached.class();
        let sigma = self.smoothing.sigma();
        Ok(TransferReport {
            certification: Certification::one_sided(class, sigma, counted.bound, self.alpha),
            method: counted.method,
            cached: self.cached.count(),
            changed: counted.changed,
            gained: counted.gained,
            evaluations: run.evaluations(),
            skipped: run.skipped(),
        })
    }

    fn count(
        &self,
        run: &mut Run<'_, C>,
        method: Transfer,
        samples: u64,
    ) -> Result<Counted, SmoothingError> {
        let (cached, alpha) = (self.cached.count(), rounded_level(self.alpha));
        match method {
            Transfer::Irs { gamma, share, switch } => self.irs(run, gamma, share, switch, samples),
            Transfer::OneSided { share } => {
                let lost = self.lost(run, samples)?;
                let (first, second) = split(self.alpha, share);
                let bound = one_sided_lower(cached, lost, first, second);
                Ok(Counted::new(TransferMethod::OneSided, lost, bound))
            }
            Transfer::FisherTwo { weight } => {
                let lost = self.lost(run, samples)?;
                let bound = weighted_fisher_lower(cached, lost, weight, alpha);
                Ok(Counted::new(TransferMethod::FisherTwo, lost, bound))
            }
            Transfer::FisherThree => {
                let Pairs { lost, gained, .. } = self.pairs(run, samples)?;
                let bound = fisher_three_lower(cached, lost, gained, alpha);
                let counted = Counted::new(TransferMethod::FisherThree, lost, bound);
                Ok(Counted { gained: Some(gained), ..counted })
            }
            Transfer::Replay => {
                let count = self.replay(run, samples)?;
                let bound = clopper_pearson_lower(count, alpha);
                Ok(Counted::new(TransferMethod::Replay, count, bound))
            }
            // A choice has been made before.
            Transfer::Fresh | Transfer::Automatic(_) => self.fresh(run, samples, self.alpha),
        }
    }

    /// Algorithm 2 of IRS, as it is meant: see [`GammaSwitch`] for the levels.
    fn irs(
        &self,
        run: &mut Run<'_, C>,
        gamma: f64,
        share: f64,
        switch: GammaSwitch,
        samples: u64,
    ) -> Result<Counted, SmoothingError> {
        let (first, second) = split(self.alpha, share);
        let (below, fallback) = match switch {
            GammaSwitch::Cached => {
                let p = clopper_pearson_lower(self.cached.count(), first);
                (p.down() < gamma, first.get())
            }
            GammaSwitch::Selection => {
                let selection = self.cached.selection();
                let share = selection.successes() as f64 / selection.trials().max(1) as f64;
                (share < gamma, self.alpha)
            }
        };
        if !below {
            return self.fresh(run, samples, fallback);
        }
        // What is said of the class alone: at most the disagreements of all labels, and as valid.
        let Pairs { lost, gained } = self.pairs(run, samples)?;
        let differ = lost.successes() + gained.successes();
        let disagreements = Count::new(differ, lost.trials() + gained.trials())?;
        let bound = disagreement_lower(self.cached.count(), disagreements, first, second);
        Ok(Counted::new(TransferMethod::Disagreement, disagreements, bound))
    }

    /// New samples, independent of all that is cached.
    fn fresh(
        &self,
        run: &mut Run<'_, C>,
        samples: u64,
        level: f64,
    ) -> Result<Counted, SmoothingError> {
        let class = self.cached.class();
        let drawn = Samples::new(self.smoothing, self.input, Purpose::Fresh)?;
        let mut hits = 0;
        run.labels(&drawn, 0..samples, |_, label| hits += u64::from(label == Some(class)))?;
        let count = Count::new(hits, samples)?;
        let bound = clopper_pearson_lower(count, rounded_level(level));
        Ok(Counted::new(TransferMethod::Fresh, count, bound))
    }

    /// The first cached samples, whatever the original says of them.
    fn replay(&self, run: &mut Run<'_, C>, samples: u64) -> Result<Count, SmoothingError> {
        let class = self.cached.class();
        let first = self.cached.labels().take(length(samples)).map(|(index, _)| index);
        let (mut hits, mut seen) = (0, 0);
        run.labels(&self.certification()?, first, |_, label| {
            seen += 1;
            hits += u64::from(label == Some(class));
        })?;
        Ok(Count::new(hits, seen)?)
    }

    /// The samples on which the original gives the class.
    pub(super) fn hits(&self) -> impl Iterator<Item = u64> {
        self.cached.labels().filter(|(_, hit)| *hit).map(|(index, _)| index)
    }

    /// Of the first samples on which the original gives the class, those on which the changed one does not.
    fn lost(&self, run: &mut Run<'_, C>, samples: u64) -> Result<Count, SmoothingError> {
        let class = self.cached.class();
        let (mut lost, mut seen) = (0, 0);
        run.labels(&self.certification()?, self.hits().take(length(samples)), |_, label| {
            seen += 1;
            lost += u64::from(label != Some(class));
        })?;
        Ok(Count::new(lost, seen)?)
    }

    /// Of the first samples, how many each way.
    fn pairs(&self, run: &mut Run<'_, C>, samples: u64) -> Result<Pairs, SmoothingError> {
        let class = self.cached.class();
        let first = || self.cached.labels().take(length(samples));
        let mut before = first().map(|(_, hit)| hit);
        let (mut kept, mut missed) = ((0, 0), (0, 0));
        run.labels(&self.certification()?, first().map(|(index, _)| index), |_, label| {
            let after = label == Some(class);
            if before.next() == Some(true) {
                kept = (kept.0 + u64::from(!after), kept.1 + 1);
            } else {
                missed = (missed.0 + u64::from(after), missed.1 + 1);
            }
        })?;
        Ok(Pairs { lost: Count::new(kept.0, kept.1)?, gained: Count::new(missed.0, missed.1)? })
    }

    fn certification(&self) -> Result<Samples<'_>, SmoothingError> {
        Samples::new(self.smoothing, self.input, Purpose::Certification)
    }
}

impl Counted {
    fn new(method: TransferMethod, changed: Count, bound: SidedProbability) -> Self {
        Self { method, changed, gained: None, bound }
    }
}

/// A lower bound of a product, from lower bounds of its factors; by the sum of the complements where that is nearer.
pub(super) fn product(p: SidedProbability, q: SidedProbability) -> SidedProbability {
    let value = mul_down(p.down(), q.down());
    let loss = add_up(p.complement_up(), q.complement_up());
    let direct = SidedProbability::new(value).unwrap_or(SidedProbability::ZERO);
    let rest = SidedProbability::from_complement(loss).unwrap_or(SidedProbability::ZERO);
    direct.max(rest)
}

fn length(samples: u64) -> usize {
    usize::try_from(samples).unwrap_or(usize::MAX)
}
