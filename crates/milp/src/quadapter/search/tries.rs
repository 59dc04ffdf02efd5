//! What a search has tried, and what it learnt from it.

use std::collections::HashMap;
use std::time::Instant;

use nncert_core::Network;
use nncert_core::compress::{FixedPointFormat, LayerFormat};

use super::super::{Strategy, Verdict};
use super::{Requirement, SearchError};

/// What was tried for some requirements.
pub(super) struct Tries<'t, 'r> {
    requirements: &'t mut [&'r mut dyn Requirement],
    /// The order in which they are asked: what failed last comes first.
    order: Vec<usize>,
    thorough: bool,
    /// The verdicts of strategies that do; nothing for those that do not.
    pub(super) known: HashMap<Strategy, Option<Vec<Verdict>>>,
    /// Strategies under which a requirement was not shown.
    failed: Vec<Strategy>,
    pub(super) count: usize,
    deadline: Option<Instant>,
}

impl<'t, 'r> Tries<'t, 'r> {
    pub(super) fn new(
        requirements: &'t mut [&'r mut dyn Requirement],
        deadline: Option<Instant>,
    ) -> Self {
        let order = (0..requirements.len()).collect();
        let (known, failed) = (HashMap::new(), Vec::new());
        Self { requirements, order, thorough: false, known, failed, count: 0, deadline }
    }

    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// From now on requirements are thorough: what failed before is open again.
    pub(super) fn make_thorough(&mut self) {
        self.thorough = true;
        self.failed.clear();
        self.known.retain(|_, verdicts| verdicts.is_some());
    }

    /// Whether a strategy that failed has as many bits everywhere, before the point and after.
    ///
    /// Heuristic: more bits are not always better.
    pub(super) fn is_hopeless(&self, strategy: &Strategy) -> bool {
        let covers = |failed: &LayerFormat, format: &LayerFormat| {
            let (failed, format) = (failed.weight, format.weight);
            let whole =
                |format: FixedPointFormat| i64::from(format.bits()) - i64::from(format.fraction());
            failed.fraction() >= format.fraction() && whole(failed) >= whole(format)
        };
        self.failed.iter().any(|failed| {
            failed
                .layers
                .iter()
                .zip(&strategy.layers)
                .all(|(failed, format)| covers(failed, format))
        })
    }

    pub(super) fn ask(
        &mut self,
        strategy: &Strategy,
        quantized: &Network,
    ) -> Result<bool, SearchError> {
        let mut verdicts = vec![None; self.requirements.len()];
        for place in 0..self.order.len() {
            let index = self.order[place];
            let verdict = self.requirements[index].verdict(quantized, self.thorough)?;
            if !matches!(verdict, Verdict::Certified(_)) {
                self.order[..=place].rotate_right(1);
                self.failed.push(strategy.clone());
                self.known.insert(strategy.clone(), None);
                return Ok(false);
            }
            verdicts[index] = Some(verdict);
        }
        self.known.insert(strategy.clone(), Some(verdicts.into_iter().flatten().collect()));
        Ok(true)
    }
}
