//! `cargo xtask reproduce NAME`: the tables and figures of a paper, as a report under `docs/reports`.

mod irs;
mod quadapter;
mod qvip;
mod simcert;

use std::fs;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::measure::smoothing::Size;
use crate::project;
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "reproduce",
    about: "tables and figures of a paper: `reproduce simcert --data DIR`, into docs/reports",
    options: &[
        ("NAME", "simcert: probabilistic similarity, figure 5, tables 1 and 2"),
        ("", "irs: incremental randomized smoothing, figure 3 and tables 1 to 3"),
        ("", "qvip: interval analysis (RQ1), table 2 (RQ2), radii (RQ3)"),
        ("", "quadapter: bit-widths with a proof, tables 2 and 3, figure 4"),
        ("--limit S", "qvip, quadapter: seconds a task (60)"),
        ("--model NAME", "irs: only this model"),
        ("--inputs N", "simcert: images that table 1 averages over (5); irs: images of a model;"),
        ("", "quadapter: images with a solver (2)"),
        ("--samples N", "irs: cached samples of an image"),
        ("--runs N", "irs: runs of a setting, for the coverage (100000)"),
        ("--data DIR", "where networks and images are (else NNCERT_DATA)"),
    ],
    run,
};

/// A report and its pictures.
struct Report {
    /// The name of the file, without extension.
    name: &'static str,
    text: String,
    /// Each as the name of its file and SVG.
    pictures: Vec<(String, String)>,
}

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let usage = |what: &str| Error::Usage(format!("{what}; see `cargo xtask reproduce --help`"));
    let (mut name, mut data) = (None, std::env::var_os("NNCERT_DATA"));
    let (mut size, mut limit) = (Size::default(), None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("limit") => limit = Some(arguments.value()?.parse()?),
            Long("model") => size.model = Some(arguments.value()?.string()?),
            Long("inputs") => size.inputs = Some(arguments.value()?.parse()?),
            Long("samples") => size.samples = Some(arguments.value()?.parse()?),
            Long("runs") => size.runs = Some(arguments.value()?.parse()?),
            Long("data") => data = Some(arguments.value()?),
            Value(value) if name.is_none() => name = Some(value.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let data = PathBuf::from(data.ok_or_else(|| usage("--data DIR or NNCERT_DATA is needed"))?);
    if !data.is_dir() {
        return Err(failed(format!("{} is not a folder", data.display())));
    }
    // Seconds are those of one thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(failed)?;
    let report = pool.install(|| match name.as_deref() {
        Some("simcert") => simcert::report(&data, &size),
        Some("irs") => irs::report(&data, &size),
        Some("qvip") => qvip::report(&data, limit),
        Some("quadapter") => quadapter::report(&data, &size, limit),
        Some(other) => Err(usage(&format!("there is nothing to reproduce by the name {other:?}"))),
        None => Err(usage("which paper?")),
    })?;
    report.write()
}

impl Report {
    fn write(&self) -> Result<(), Error> {
        let folder = project::root().join("docs/reports");
        fs::create_dir_all(&folder).map_err(failed)?;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|e| failed(format!("{}: {e}", path.display())))?;
            println!("{}", path.display());
            Ok(())
        };
        for (picture, svg) in &self.pictures {
            write(picture, svg)?;
        }
        write(&format!("{}.md", self.name), &(self.text.trim_end().to_owned() + "\n"))
    }
}
