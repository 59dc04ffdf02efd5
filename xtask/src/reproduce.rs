//! `cargo xtask reproduce qvip`: the report that sets our figures beside the paper's.

use std::path::PathBuf;

use lexopt::prelude::*;
use serde_json::Value as Json;

use crate::measure::qnn;
use crate::project::root;
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "reproduce",
    about: "a paper's tables with our figures beside them, as docs/reports/NAME.md",
    options: &[
        ("NAME", "qvip: interval analysis (RQ1), tables 2 (RQ2), radii (RQ3)"),
        ("--data DIR", "where networks and published results are (else NNCERT_DATA)"),
        ("--limit S", "seconds a task (60)"),
    ],
    run,
};

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let (mut name, mut data, mut limit) = (None, std::env::var_os("NNCERT_DATA"), 60.0);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("data") => data = Some(arguments.value()?),
            Long("limit") => limit = arguments.value()?.parse()?,
            Value(value) if name.is_none() => name = Some(value.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if name.as_deref() != Some("qvip") {
        return Err(Error::Usage("there is one report: qvip".to_owned()));
    }
    let missing = || Error::Usage("--data DIR or NNCERT_DATA is needed".to_owned());
    let data = PathBuf::from(data.ok_or_else(missing)?);
    let figure = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        qnn::run(&data, limit, &words)
    };
    let sizes = figure(&["--sizes"])?;
    let radii = figure(&["--radii"])?;
    let verdicts = figure(&["--with", "cascade", "--certify"])?;
    let path = root().join("docs/reports/qvip.md");
    std::fs::write(&path, report(limit, &sizes, &verdicts, &radii)).map_err(failed)?;
    println!("{}", path.display());
    Ok(())
}

fn report(limit: f64, sizes: &Json, verdicts: &Json, radii: &Json) -> String {
    let mut text = String::from("# QVIP\n\nWritten by `cargo xtask reproduce qvip`. ");
    text += "The networks, and the results that ours stand beside, are those of the paper.\n\n";
    text += "## Interval analysis (RQ1)\n\n";
    text += "Booleans and coefficients of the encoding `Qvip` on P1-6, L∞, mean over the images; \
             the share that interval analysis removes, and the size of `Compact`.\n\n";
    text += "| r | Booleans, all | with intervals | removed | coefficients removed | `Compact`: Booleans |\n\
             |---|---|---|---|---|---|\n";
    for row in sizes["sizes"].as_array().into_iter().flatten() {
        let number = |key: &str| row[key].as_f64().unwrap_or(0.0);
        let share = |a: &str, b: &str| 100.0 * (1.0 - number(b) / number(a).max(1.0));
        text += &format!(
            "| {} | {:.0} | {:.0} | {:.1} % | {:.1} % | {:.0} |\n",
            row["r"],
            number("full_booleans"),
            number("booleans"),
            share("full_booleans", "booleans"),
            share("full_terms", "terms"),
            number("compact_booleans"),
        );
    }
    text += &format!("\n## Robustness (RQ2, table 2)\n\nOne thread, {limit} s a task.\n\n");
    text += &qnn::table(verdicts);
    text += "\n\n## Certificates\n\n| network | r | certificates | bytes each | ms to check each |\n\
             |---|---|---|---|---|\n";
    for cell in verdicts["cells"].as_array().into_iter().flatten() {
        let count = cell["certificates"].as_f64().unwrap_or(0.0);
        let each = |key: &str| cell[key].as_f64().unwrap_or(0.0) / count.max(1.0);
        text += &format!(
            "| {} | {} | {count} | {:.0} | {:.1} |\n",
            cell["net"].as_str().unwrap_or_default(),
            cell["r"],
            each("certificate_bytes"),
            1000.0 * each("check_seconds"),
        );
    }
    text += "\n## Maximum robustness radius (RQ3)\n\n";
    text += "| network | images | decided | published | agree | differ | seconds, mean |\n\
             |---|---|---|---|---|---|---|\n";
    for row in radii["radii"].as_array().into_iter().flatten() {
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {:.1} |\n",
            row["net"].as_str().unwrap_or_default(),
            row["images"],
            row["decided"],
            row["published"],
            row["agree"],
            row["differ"],
            row["mean_seconds"].as_f64().unwrap_or(0.0),
        );
    }
    text
}
