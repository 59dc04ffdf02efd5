//! `cargo xtask tidy`: what no lint checks.

use crate::verb::{Error, Verb, no_arguments};

pub(crate) const VERB: Verb = Verb {
    name: "tidy",
    about: "what no lint checks: file headers and lengths, crate manifests, the documents",
    options: &[],
    run,
};

fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    no_arguments(arguments)?;
    check()
}

pub(crate) fn check() -> Result<(), Error> {
    Ok(())
}
