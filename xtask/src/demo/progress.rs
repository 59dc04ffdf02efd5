//! What is being done, on the standard error.

use std::io::{IsTerminal, Write, stderr};

/// One line that changes on a terminal; elsewhere a line for each stage.
pub(super) struct Progress {
    terminal: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { terminal: stderr().is_terminal() }
    }

    /// A new stage.
    pub(super) fn stage(&self, what: &str) {
        if self.terminal { self.show(what) } else { eprintln!("{what}") }
    }

    /// A detail of the stage; shown on terminals only.
    pub(super) fn detail(&self, what: &str) {
        if self.terminal {
            self.show(what);
        }
    }

    fn show(&self, what: &str) {
        let mut stderr = stderr().lock();
        // Progress that cannot be shown is no failure.
        let _ = write!(stderr, "\r\x1b[K{what}").and_then(|()| stderr.flush());
    }

    /// Leaves no line behind.
    pub(super) fn done(&self) {
        self.detail("");
    }
}
