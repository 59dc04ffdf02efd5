//! `cargo xtask measure NAME`: figures on real data, as JSON.
//!
//! Progress goes to standard error. With `--json` the last line of standard output
//! is one JSON object; what the data folder lacks is left out and listed there
//! under `missing`.

pub(crate) mod acasxu;
mod differential;
mod example;
pub(crate) mod mnist;
mod peak;
pub(crate) mod qnn;
pub(crate) mod quadapter;
mod similarity;
pub(crate) mod smoothing;
mod verify;

use std::path::PathBuf;

use lexopt::prelude::*;
use serde_json::Value as Json;

use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "measure",
    about: "figures on real data: `measure differential --data DIR --json`",
    options: &[
        ("NAME", "differential: tightness and speed of one pass, beside NeuroDiff's logs"),
        ("", "verify: NeuroDiff's tasks to the end, on one thread"),
        ("", "similarity: certified radii and probabilities, beside SimCert's"),
        ("", "smoothing: certificates of copies, from scratch, by IRS, and ours"),
        ("", "coverage: how often certificates of copies are false, by every method"),
        ("", "qnn: QVIP's tasks, one thread; encodings: its encoding beside the cascade"),
        ("", "quadapter: bit-widths with a proof, beside the published ones"),
        ("--suite NAME", "verify, similarity: acas, cifar, mnist or all (all)"),
        ("--limit S", "seconds a task (verify: 60, MNIST 2; qnn, encodings: 60; similarity: 10)"),
        ("--net N", "qnn, quadapter: only this network, such as P1-6 or MP1"),
        ("--radius R", "qnn: only this radius"),
        ("--table T", "qnn: the tasks of table 2, of table 3, or all (2)"),
        ("--method M", "quadapter: only this one: search, milp, abs, relaxed, balanced, ..."),
        ("--backdoor", "quadapter: the tasks of Figure 4"),
        ("--epsilon E", "verify: only the tasks of this ε, as it is printed (0.05, 0.01, 1)"),
        ("--model NAME", "smoothing: only this model (digits-mlp, mnist-cnn, cifar-resnet20, ...)"),
        ("--inputs N", "similarity (3), smoothing, quadapter: images of a model, at most"),
        ("--samples N", "similarity: inputs at each radius (20000); smoothing: of an image"),
        ("--runs N", "coverage: runs of a setting (100000)"),
        ("--threads N", "similarity, verify, coverage: threads that a pass may use (1)"),
        ("--data DIR", "where the networks and the published results are (else NNCERT_DATA)"),
        ("--json", "print one JSON object as the last line"),
    ],
    run,
};

/// What a measurement may be told.
#[derive(Default)]
struct Options {
    limit: Option<f64>,
    epsilon: Option<String>,
    suite: Suite,
    size: smoothing::Size,
    net: Option<String>,
    radius: Option<u64>,
    table: Option<String>,
    threads: Option<usize>,
    method: Option<String>,
    backdoor: bool,
}

impl Options {
    /// Whether the tasks of an ε are asked for.
    fn asks_for(&self, epsilon: &str) -> bool {
        self.epsilon.as_deref().is_none_or(|asked| asked == epsilon)
    }
}

/// The networks of the tasks.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Suite {
    #[default]
    All,
    Acas,
    Cifar,
    Mnist,
}

impl Suite {
    fn has_acas(self) -> bool {
        matches!(self, Self::All | Self::Acas)
    }

    fn has_cifar(self) -> bool {
        matches!(self, Self::All | Self::Cifar)
    }

    fn has_mnist(self) -> bool {
        matches!(self, Self::All | Self::Mnist)
    }
}

/// What was measured: a report for a person, and the figures.
struct Measurement {
    report: String,
    figures: Json,
}

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let usage = |what: &str| Error::Usage(format!("{what}; see `cargo xtask measure --help`"));
    let (mut name, mut data, mut json) = (None, std::env::var_os("NNCERT_DATA"), false);
    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("limit") => options.limit = Some(arguments.value()?.parse()?),
            Long("net") => options.net = Some(arguments.value()?.string()?),
            Long("radius") => options.radius = Some(arguments.value()?.parse()?),
            Long("table") => {
                let table = arguments.value()?.string()?;
                if !["2", "3", "all"].contains(&&*table) {
                    return Err(usage(&format!("there is no table {table:?}")));
                }
                options.table = Some(table);
            }
            Long("method") => options.method = Some(arguments.value()?.string()?),
            Long("backdoor") => options.backdoor = true,
            Long("epsilon") => options.epsilon = Some(arguments.value()?.string()?),
            Long("suite") => {
                options.suite = match &*arguments.value()?.string()? {
                    "all" => Suite::All,
                    "acas" => Suite::Acas,
                    "cifar" => Suite::Cifar,
                    "mnist" => Suite::Mnist,
                    other => return Err(usage(&format!("there is no suite {other:?}"))),
                }
            }
            Long("threads") => options.threads = Some(arguments.value()?.parse()?),
            Long("model") => options.size.model = Some(arguments.value()?.string()?),
            Long("inputs") => options.size.inputs = Some(arguments.value()?.parse()?),
            Long("samples") => options.size.samples = Some(arguments.value()?.parse()?),
            Long("runs") => options.size.runs = Some(arguments.value()?.parse()?),
            Long("data") => data = Some(arguments.value()?),
            Long("json") => json = true,
            Value(value) if name.is_none() => name = Some(value.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let data = PathBuf::from(data.ok_or_else(|| usage("--data DIR or NNCERT_DATA is needed"))?);
    if !data.is_dir() {
        return Err(Error::Failed(format!("{} is not a folder", data.display())));
    }
    if options.limit.is_some_and(|limit| !(0.0..1e9).contains(&limit)) {
        return Err(usage("a limit is a number of seconds"));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads.unwrap_or(1));
    let measurement = pool.build().map_err(failed)?.install(|| match name.as_deref() {
        Some("differential") => differential::measure(&data),
        Some("similarity") => similarity::measure(&data, &options),
        Some("smoothing") => smoothing::measure(&data, &options.size),
        Some("coverage") => smoothing::coverage(&options.size),
        Some("verify") => verify::measure(&data, &options),
        Some("qnn") => qnn::measure(&data, &options),
        Some("quadapter") => quadapter::measure(&data, &options),
        Some("encodings") => qnn::encodings(&data, &options),
        Some(other) => Err(usage(&format!("there is no measurement {other:?}"))),
        None => Err(usage("which measurement?")),
    })?;
    println!("{}", measurement.report);
    if json {
        println!("{}", measurement.figures);
    }
    Ok(())
}
