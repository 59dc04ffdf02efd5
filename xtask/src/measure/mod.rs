//! `cargo xtask measure NAME`: figures on real data, as JSON.
//!
//! Progress goes to standard error. With `--json` the last line of standard output
//! is one JSON object; what the data folder lacks is left out and listed there
//! under `missing`.

mod acasxu;
mod differential;
mod peak;

use std::path::PathBuf;

use lexopt::prelude::*;
use serde_json::Value as Json;

use crate::verb::{Error, Verb};

pub(crate) const VERB: Verb = Verb {
    name: "measure",
    about: "figures on real data: `measure differential --data DIR --json`",
    options: &[
        ("NAME", "differential: tightness and speed of one pass, beside NeuroDiff's logs"),
        ("--data DIR", "where the networks and the published results are (else NNCERT_DATA)"),
        ("--json", "print one JSON object as the last line"),
    ],
    run,
};

/// What was measured: a report for a person, and the figures.
struct Measurement {
    report: String,
    figures: Json,
}

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let (mut name, mut data, mut json) = (None, std::env::var_os("NNCERT_DATA"), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("data") => data = Some(arguments.value()?),
            Long("json") => json = true,
            Value(value) if name.is_none() => name = Some(value.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let usage = |what: &str| Error::Usage(format!("{what}; see `cargo xtask measure --help`"));
    let data = PathBuf::from(data.ok_or_else(|| usage("--data DIR or NNCERT_DATA is needed"))?);
    if !data.is_dir() {
        return Err(Error::Failed(format!("{} is not a folder", data.display())));
    }
    let measurement = match name.as_deref() {
        Some("differential") => differential::measure(&data)?,
        Some(other) => return Err(usage(&format!("there is no measurement {other:?}"))),
        None => return Err(usage("which measurement?")),
    };
    println!("{}", measurement.report);
    if json {
        println!("{}", measurement.figures);
    }
    Ok(())
}
