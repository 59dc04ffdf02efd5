//! Deadlines, cancellation and progress.

use core::fmt;
use core::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::{Stage, UnknownReason};

/// How far a verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// The violation that is looked at.
    pub violation: usize,
    /// Nodes of branch and bound so far, for this violation.
    pub nodes: usize,
    /// Nodes that are open.
    pub open: usize,
}

/// Sees progress, from any thread, and may end the work.
pub type Observer<'a> = &'a (dyn Fn(&Progress) -> ControlFlow<()> + Sync);

/// What ends long work: a deadline, and an observer who sees progress.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Sees progress, from any thread, and may end the work.
    pub observer: Option<Observer<'a>>,
}

impl Watch<'_> {
    /// A watch that ends work after some time; never, if that is beyond what clocks can tell.
    #[must_use]
    pub fn limit(time: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(time), observer: None }
    }

    /// Why to stop, if there is a reason.
    #[must_use]
    pub fn stop(&self, progress: &Progress) -> Option<UnknownReason> {
        if self.observer.is_some_and(|observer| observer(progress).is_break()) {
            return Some(UnknownReason::Cancelled);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Some(UnknownReason::Time);
        }
        None
    }

    /// What is left until the deadline.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The same with an earlier deadline: at most this time from now.
    #[must_use]
    pub fn at_most(&self, time: Duration) -> Self {
        let other = Instant::now().checked_add(time);
        let deadline = match (self.deadline, other) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { deadline, observer: self.observer }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("deadline", &self.deadline)
            .field("observer", &self.observer.is_some())
            .finish()
    }
}
