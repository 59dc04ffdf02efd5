//! Quadapter's tasks on its MNIST networks: 50 images at 5 radii, and backdoor triggers.
//!
//! ```text
//! cargo run --release -p nncert-milp --example quadapter -- --data DIR [--net N] [--method M]
//!     [--images N] [--limit S] [--backdoor]
//! ```
//!
//! Methods are `abs`, `quarter`, `relaxed`, `balanced`, `balanced-relaxed`, `search` and, with feature
//! `highs`, `milp`. The last line of standard output is a JSON object.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "examples speak to a terminal")]

mod accuracy;
mod backdoor;
mod robustness;
mod search;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use lexopt::prelude::*;
use nncert_core::Network;
use nncert_core::io::read_network;
#[cfg(feature = "highs")]
use nncert_milp::quadapter::MixedInteger;
use nncert_milp::quadapter::{Abstraction, Balanced, Method};
use serde_json::{Value as Json, json};

use self::accuracy::Images;

pub(crate) type Failure = Box<dyn Error>;

/// The networks of the tasks, and the paper's names for them.
const NETWORKS: [(&str, &str); 3] =
    [("MP1", "mnist_1blk_100"), ("MP2", "mnist_2blk_100_100"), ("MP3", "mnist_3blk_100_100_100")];

/// The methods. A method of another kind has its place here, and in [`Backward::method`].
const METHODS: [&str; 7] =
    ["milp", "abs", "quarter", "relaxed", "balanced", "balanced-relaxed", "search"];
/// Those for backdoors; `-layer` has one step for all neurons of a layer.
const BACKDOOR_METHODS: [&str; 4] = ["abs", "abs-layer", "balanced", "balanced-layer"];

#[derive(Debug)]
pub(crate) struct Options {
    data: PathBuf,
    net: Option<String>,
    method: Option<String>,
    /// Images, at most.
    pub(crate) images: usize,
    /// Images that accuracy is counted on, at most.
    pub(crate) test: usize,
    /// The tasks of Figure 4, and none of the others.
    backdoor: bool,
    /// Seconds a task.
    pub(crate) limit: f64,
}

/// A network, and what is known about it.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) network: Network,
    pub(crate) float_accuracy: f64,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let tasks: Json =
        serde_json::from_str(&std::fs::read_to_string(options.data.join("quadapter/tasks.json"))?)?;
    let ids = tasks["mnist_test_ids"].as_array().into_iter().flatten();
    let ids: Vec<usize> =
        ids.filter_map(Json::as_u64).filter_map(|id| id.try_into().ok()).collect();
    let images = Images::read(&options.data, options.test)?;
    let (mut cells, mut backdoors, backward) = (Vec::new(), Vec::new(), Backward::new());
    for (name, file) in NETWORKS {
        if options.net.as_deref().is_some_and(|net| net != name && net != file) {
            continue;
        }
        let path = options.data.join(format!("quadapter/{file}.safetensors"));
        if !path.exists() {
            eprintln!("{} is missing", path.display());
            continue;
        }
        let network = read_network(path)?;
        let float_accuracy = images.accuracy(&network)?;
        let subject = Subject { name, network, float_accuracy };
        if options.backdoor {
            // The three layers have no such tasks.
            for size in [3, 5].into_iter().filter(|_| name != "MP3") {
                for method in BACKDOOR_METHODS {
                    if options.method.as_deref().is_none_or(|asked| asked == method) {
                        let preimages = backward.method(method)?;
                        let cell =
                            backdoor::run(&subject, method, &preimages, size, &images, &options)?;
                        backdoors.push(cell);
                    }
                }
            }
            continue;
        }
        for method in METHODS {
            let asked = match options.method.as_deref() {
                None => !method.starts_with("milp") || cfg!(feature = "highs"),
                Some(asked) => asked == method,
            };
            if asked {
                let mut cell = if method == "search" {
                    search::run(&subject, method, &images, &ids, &options)?
                } else {
                    let preimages = backward.method(method)?;
                    robustness::run(&subject, method, &preimages, &images, &ids, &options)?
                };
                cell["published"] = published(&tasks["published"][name], method);
                cells.push(cell);
            }
        }
    }
    println!(
        "{}",
        json!({ "cells": cells, "backdoor": backdoors, "limit": options.limit, "threads": 1 })
    );
    Ok(())
}

/// What the paper has for a method.
fn published(network: &Json, method: &str) -> Json {
    let relaxed = method.ends_with("relaxed") || method == "quarter";
    network[if relaxed { "relaxed" } else { "plain" }].clone()
}

/// The methods that go backward.
struct Backward {
    abstraction: Abstraction,
    #[cfg(feature = "highs")]
    milp: MixedInteger<'static>,
}

impl Backward {
    fn new() -> Self {
        Self {
            abstraction: Abstraction::default(),
            #[cfg(feature = "highs")]
            milp: MixedInteger { time: Some(MILP_TIME), gap: 0.03, ..MixedInteger::new(&HIGHS) },
        }
    }

    /// The way to preimages that a method has.
    fn method(&self, name: &str) -> Result<Method<'_>, Failure> {
        match name {
            "abs" | "abs-layer" | "quarter" | "relaxed" => Ok(Method::Backward(&self.abstraction)),
            #[cfg(feature = "highs")]
            "milp" | "milp-relaxed" => Ok(Method::Backward(&self.milp)),
            "balanced" | "balanced-layer" | "balanced-relaxed" => {
                Ok(Method::Balanced(Balanced::default()))
            }
            other => Err(format!("there is no method {other} here").into()),
        }
    }
}

/// The time of the solver for one preimage; what was reached is taken then.
#[cfg(feature = "highs")]
const MILP_TIME: std::time::Duration = std::time::Duration::from_millis(500);

/// The solver, with its defaults; a proven bound needs no wider rows.
#[cfg(feature = "highs")]
static HIGHS: nncert_milp::Highs = nncert_milp::Highs {
    heuristics: 0.0,
    tolerance: 1e-7,
    presolve: true,
    symmetry: true,
    margin: 0.0,
};

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        data: std::env::var_os("NNCERT_DATA").map(PathBuf::from).unwrap_or_default(),
        net: None,
        method: None,
        images: usize::MAX,
        test: usize::MAX,
        backdoor: false,
        limit: 600.0,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("data") => options.data = parser.value()?.into(),
            Long("net") => options.net = Some(parser.value()?.string()?),
            Long("method") => options.method = Some(parser.value()?.string()?),
            Long("images") => options.images = parser.value()?.parse()?,
            Long("test") => options.test = parser.value()?.parse()?,
            Long("backdoor") => options.backdoor = true,
            Long("limit") => options.limit = parser.value()?.parse()?,
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(options)
}

/// What is in a gzipped file of MNIST, after its header.
pub(crate) fn idx(data: &Path, kind: &str, header: usize) -> Result<Vec<u8>, Failure> {
    let path = data.join(format!("mnist/mnist-t10k-{kind}-ubyte.gz"));
    let output = Command::new("gzip").arg("-dc").arg(&path).output()?;
    if !output.status.success() || output.stdout.len() < header {
        return Err(format!("{} cannot be read", path.display()).into());
    }
    Ok(output.stdout[header..].to_vec())
}
