//! `cargo xtask reproduce NAME`: the tables and figures of a paper, as a report under `docs/reports`.

mod irs;

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::measure::smoothing::Size;
use crate::verb::{Error, Verb};

pub(crate) const VERB: Verb = Verb {
    name: "reproduce",
    about: "tables and figures of a paper: `reproduce irs --data DIR`, into docs/reports",
    options: &[
        ("NAME", "irs: incremental randomized smoothing, figure 3 and tables 1 to 3"),
        ("--model NAME", "irs: only this model"),
        ("--inputs N", "irs: images of a model, at most"),
        ("--samples N", "irs: cached samples of an image"),
        ("--data DIR", "where networks and images are (else NNCERT_DATA)"),
    ],
    run,
};

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let usage = |what: &str| Error::Usage(format!("{what}; see `cargo xtask reproduce --help`"));
    let (mut name, mut data) = (None, std::env::var_os("NNCERT_DATA"));
    let mut size = Size::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("model") => size.model = Some(arguments.value()?.string()?),
            Long("inputs") => size.inputs = Some(arguments.value()?.parse()?),
            Long("samples") => size.samples = Some(arguments.value()?.parse()?),
            Long("data") => data = Some(arguments.value()?),
            Value(value) if name.is_none() => name = Some(value.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let data = PathBuf::from(data.ok_or_else(|| usage("--data DIR or NNCERT_DATA is needed"))?);
    match name.as_deref() {
        Some("irs") => irs::reproduce(&data, &size),
        Some(other) => Err(usage(&format!("there is nothing to reproduce by the name {other:?}"))),
        None => Err(usage("which paper?")),
    }
}
