//! `cargo xtask help`: the commands and their options, one line each.

use std::io::{self, Write};

use crate::VERBS;
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "help",
    about: "this page; with the name of a command, that command alone",
    options: &[],
    run,
};

/// The column at which descriptions begin.
const COLUMN: usize = 22;

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let Some(argument) = arguments.next()? else { return everything() };
    let lexopt::Arg::Value(name) = argument else { return Err(argument.unexpected().into()) };
    match VERBS.iter().find(|verb| name == verb.name) {
        Some(verb) => one(verb),
        None => {
            Err(Error::Usage(format!("there is no {name:?}; `cargo xtask` lists what there is")))
        }
    }
}

pub(crate) fn everything() -> Result<(), Error> {
    let mut page = String::from("The commands of nncert: cargo xtask COMMAND [OPTIONS]\n\n");
    VERBS.iter().for_each(|verb| page += &lines(verb));
    page += "\nNNCERT_DATA names the folder of published networks and images. Without it, the\n";
    page += "tests that need them are skipped, and say so.\n";
    print(&page)
}

pub(crate) fn one(verb: &Verb) -> Result<(), Error> {
    print(&lines(verb))
}

fn lines(verb: &Verb) -> String {
    let mut lines = line(&format!("  {}", verb.name), verb.about);
    for (option, about) in verb.options {
        lines += &line(&format!("    {option}"), about);
    }
    lines
}

fn line(name: &str, about: &str) -> String {
    format!("{name:COLUMN$}{about}\n")
}

/// A reader that closes the pipe early is no failure.
fn print(page: &str) -> Result<(), Error> {
    match io::stdout().write_all(page.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}
