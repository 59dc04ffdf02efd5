//! What a command is, and how it fails.

use std::fmt;

/// A command.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// Each option as it is typed, and what it does, in one line.
    pub(crate) options: &'static [(&'static str, &'static str)],
    pub(crate) run: fn(lexopt::Parser) -> Result<(), Error>,
}

/// Why a command did not succeed: one line.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// The command ran and failed: exit code 1.
    Failed(String),
}

/// A failure, from anything that says in words what it is.
pub(crate) fn failed(what: impl fmt::Display) -> Error {
    Error::Failed(what.to_string())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(what) | Self::Failed(what)) = self;
        f.write_str(what)
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// For commands that take nothing.
pub(crate) fn no_arguments(mut arguments: lexopt::Parser) -> Result<(), Error> {
    match arguments.next()? {
        Some(argument) => Err(argument.unexpected().into()),
        None => Ok(()),
    }
}
