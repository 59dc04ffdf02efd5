//! The project's commands: `cargo xtask VERB`. Without a verb: what there is.
//!
//! One file a verb. A new one is a module here that has a `VERB`, and its place in
//! [`VERBS`].

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands speak to a terminal")]

mod chart;
mod demo;
mod fixtures;
mod help;
mod highs;
mod laws;
mod measure;
mod project;
mod reproduce;
mod simcert;
mod soundness;
mod svg;
mod test;
mod tidy;
mod verb;

use std::process::ExitCode;

use verb::{Error, Verb};

/// In the order of the help.
const VERBS: &[Verb] = &[
    demo::VERB,
    test::VERB,
    measure::VERB,
    reproduce::VERB,
    highs::VERB,
    fixtures::VERB,
    laws::VERB,
    soundness::VERB,
    tidy::VERB,
    help::VERB,
];

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    ExitCode::from(match error {
        Error::Usage(_) => 2,
        Error::Failed(_) => 1,
    })
}

fn run() -> Result<(), Error> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(name) = arguments.next() else { return help::everything() };
    let name = name.to_string_lossy();
    let rest: Vec<_> = arguments.collect();
    if matches!(&*name, "-h" | "--help") {
        return help::everything();
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        return Err(Error::Usage(format!(
            "there is no {name:?}; `cargo xtask` lists what there is"
        )));
    };
    if rest.iter().any(|argument| argument == "-h" || argument == "--help") {
        return help::one(verb);
    }
    (verb.run)(lexopt::Parser::from_args(rest))
}
