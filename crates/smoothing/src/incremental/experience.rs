//! What other inputs have shown of a changed classifier.

use super::{Expectation, TransferMethod, TransferReport};

/// How often a changed classifier differed at earlier inputs: what to expect at the next.
///
/// Samples of one input are independent of those of another, so that what is learned here may choose the method there.
///
/// # Examples
/// ```
/// use nncert_smoothing::{Expectation, Experience};
///
/// assert_eq!(Experience::default().expectation(), Expectation::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Experience {
    lost: (u64, u64),
    gained: (u64, u64),
}

/// As many samples as the guess before any experience is worth.
const GUESS: f64 = 200.0;

impl Experience {
    /// Adds what was counted at an input.
    pub fn learn(&mut self, report: &TransferReport) {
        let lost = match report.method {
            TransferMethod::OneSided
            | TransferMethod::FisherTwo
            | TransferMethod::FisherThree
            | TransferMethod::Sequential => report.changed,
            TransferMethod::Disagreement | TransferMethod::Fresh | TransferMethod::Replay => return,
        };
        self.lost.0 += lost.successes();
        self.lost.1 += lost.trials();
        if let Some(gained) = report.gained {
            self.gained.0 += gained.successes();
            self.gained.1 += gained.trials();
        }
    }

    /// What to expect.
    #[must_use]
    pub fn expectation(&self) -> Expectation {
        let guess = Expectation::default();
        let share = |(hits, of): (u64, u64), guess: f64| {
            if of == 0 { guess } else { (hits as f64 + guess * GUESS) / (of as f64 + GUESS) }
        };
        Expectation { lost: share(self.lost, guess.lost), gained: share(self.gained, guess.gained) }
    }
}
