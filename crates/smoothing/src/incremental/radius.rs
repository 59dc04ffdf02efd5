//! Whether a changed classifier keeps a radius: samples until that is decided.

use core::ops::ControlFlow;

use nncert_prob::{Count, SidedProbability, clopper_pearson_lower, sequence_lower};

use super::budget::split;
use super::transfer::{Session, product};
use super::{Incremental, IncrementalError, TransferMethod, TransferReport};
use crate::certificate::{AbstainReason, Abstention};
use crate::run::{Progress, Run, check_samples, unobserved};
use crate::samples::Samples;
use crate::smoothed::{check_radius, looks};
use crate::stream::Purpose;
use crate::{BatchClassifier, Certification, Input, SmoothingError, certified_radius};

/// How a radius is carried over.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RadiusOptions {
    /// The radius that is to be certified.
    pub radius: f64,
    /// The share of the level that goes to the original.
    pub share: f64,
    /// The samples on which the changed classifier is run, at most.
    pub most: u64,
    /// The samples of a batch.
    pub batch: usize,
}

impl Default for RadiusOptions {
    /// Radius 0, half of the level, at most 10,000 samples.
    fn default() -> Self {
        Self { radius: 0.0, share: 0.5, most: 10_000, batch: 256 }
    }
}

impl Incremental<'_> {
    /// Whether the changed classifier gives the class of the original within a radius, with as few samples as that takes.
    ///
    /// ```text
    /// q ≥ lower(p; sα) · sequence(1 - u; (1-s)α) ≥ Φ(radius/σ)
    /// ```
    ///
    /// `f'` is run only where `f = c`. The bound of `u` holds at all sample sizes at once, so that the run ends when the radius is
    /// reached, or out of reach; where the bound of `p` alone is too small, it ends without a sample.
    ///
    /// Guarantee: sound, false with a probability of at most [`ErrorBudget::level`](super::ErrorBudget::level), if the number of
    /// cached samples was fixed beforehand. A certificate may be for more than the radius that was asked for, never for less.
    ///
    /// # Errors
    /// As [`Incremental::certify_incremental`].
    pub fn certify_radius<C: BatchClassifier + ?Sized>(
        &mut self,
        changed: &C,
        input: Input<'_>,
        options: &RadiusOptions,
    ) -> Result<TransferReport, IncrementalError> {
        self.certify_radius_observed(changed, input, options, unobserved)
    }

    /// [`Incremental::certify_radius`] with an observer that sees every batch and may end the run.
    ///
    /// # Errors
    /// As [`Incremental::certify_incremental`], and [`SmoothingError::Stopped`] when the observer ends it.
    pub fn certify_radius_observed<C: BatchClassifier + ?Sized>(
        &mut self,
        changed: &C,
        input: Input<'_>,
        options: &RadiusOptions,
        mut observer: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<TransferReport, IncrementalError> {
        check_radius(options.radius)?;
        super::Transfer::OneSided { share: options.share }.check()?;
        check_samples("samples", options.most)?;
        let cached = self.cached(changed, input)?;
        let alpha = self.budget.admit(changed.fingerprint())?;
        let (first, second) = split(alpha, options.share);
        let (class, sigma) = (cached.class(), self.smoothing.sigma());
        let count = cached.count();
        let p = clopper_pearson_lower(count, first);
        let enough = |bound| certified_radius(sigma, bound) >= options.radius;
        let most = options.most.min(count.successes());
        let smoothing = &self.smoothing;
        let session = Session { smoothing, changed, cached, input, alpha, known: None, sure: None };
        let mut run = Run::new(changed, options.batch, most, &mut observer)?;
        let (mut kept, mut seen, mut bound) = (0, 0, SidedProbability::ZERO);
        let samples = Samples::new(smoothing, input, Purpose::Certification)?;
        let mut hits = session.hits();
        for look in looks(most).take_while(|_| most > 0 && enough(p)) {
            let indices = hits.by_ref().take((look - seen) as usize);
            run.labels(&samples, indices, |_, label| kept += u64::from(label == Some(class)))?;
            seen = look;
            let among = Count::new(kept, seen).map_err(SmoothingError::from)?;
            let stays = sequence_lower(among, second).map_err(SmoothingError::from)?;
            bound = product(p, stays);
            // Whether to go on costs nothing: what is certified is the bound alone.
            let leaves = sequence_lower(among.complement(), second);
            let best = product(p, leaves.map_err(SmoothingError::from)?.complement());
            if enough(bound) || !enough(best) {
                break;
            }
        }
        let reached = enough(bound) && bound > SidedProbability::ZERO;
        let certification = if reached {
            Certification::one_sided(class, sigma, bound, alpha)
        } else {
            Certification::Abstained(Abstention { class, reason: AbstainReason::Radius })
        };
        Ok(TransferReport {
            certification,
            method: TransferMethod::Sequential,
            cached: count,
            changed: Count::new(seen - kept, seen).map_err(SmoothingError::from)?,
            gained: None,
            evaluations: run.evaluations(),
            skipped: run.skipped(),
        })
    }
}
