//! `cargo xtask reproduce NAME`: the experiments of a paper, as a report with pictures.

mod simcert;

use std::fs;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

use crate::project;
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "reproduce",
    about: "a paper's experiments, as a report: `reproduce simcert --data DIR`",
    options: &[
        ("NAME", "simcert: figure 5, tables 1 and 2, to docs/reports/simcert.md"),
        ("--images N", "simcert: images that table 1 averages over (5)"),
        ("--data DIR", "where the networks are (else NNCERT_DATA)"),
    ],
    run,
};

/// What a report may be told.
#[derive(Default)]
struct Options {
    images: Option<usize>,
}

/// A report and its pictures.
struct Report {
    /// The name of the file, without extension.
    name: &'static str,
    text: String,
    /// Each as the end of its name and SVG.
    pictures: Vec<(&'static str, String)>,
}

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let usage = |what: &str| Error::Usage(format!("{what}; see `cargo xtask reproduce --help`"));
    let (mut name, mut data) = (None, std::env::var_os("NNCERT_DATA"));
    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("images") => options.images = Some(arguments.value()?.parse()?),
            Long("data") => data = Some(arguments.value()?),
            Value(value) if name.is_none() => name = Some(value.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let data = PathBuf::from(data.ok_or_else(|| usage("--data DIR or NNCERT_DATA is needed"))?);
    if !data.is_dir() {
        return Err(failed(format!("{} is not a folder", data.display())));
    }
    let report = match name.as_deref() {
        Some("simcert") => simcert::report(&data, &options)?,
        Some(other) => return Err(usage(&format!("there is no report {other:?}"))),
        None => return Err(usage("which report?")),
    };
    report.write(&project::root().join("docs/reports"))
}

impl Report {
    fn write(&self, folder: &Path) -> Result<(), Error> {
        let write = |name: String, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|e| failed(format!("{}: {e}", path.display())))?;
            println!("{}", path.display());
            Ok(())
        };
        fs::create_dir_all(folder).map_err(failed)?;
        for (picture, svg) in &self.pictures {
            write(format!("{}_{picture}.svg", self.name), svg)?;
        }
        write(format!("{}.md", self.name), &self.text)
    }
}
