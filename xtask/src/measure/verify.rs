//! `measure verify`: NeuroDiff's tasks to the end, one thread.
//!
//! | key | what |
//! |---|---|
//! | `tasks` | tasks of NeuroDiff whose networks are there |
//! | `certified`, `falsified`, `unknown` | verdicts |
//! | `lost` | certified by NeuroDiff, not here |
//! | `seconds`, `neurodiff_seconds` | summed over the tasks that both certify; theirs on 12 threads |
//! | `all_seconds` | summed over all tasks |
//! | `suites` | the same for each suite: ACAS Xu at both ε, MNIST at each setting |
//! | `per_task` | verdict, seconds, boxes, the bound reached, and NeuroDiff's seconds |
//! | `missing` | what the folder lacks |
//!
//! For the settings of MNIST see `mnist.rs`: NeuroDiff's log has two of the six, and for
//! these its least time counts for every task.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use nncert_bounds::{Agreement, DifferentialVerifier, Limits, Verdict};
use nncert_core::{PairedNetworks, Region};
use serde_json::{Value as Json, json};

use super::acasxu::{Acas, log, properties};
use super::mnist::Mnist;
use super::{Measurement, Options};
use crate::verb::{Error, failed};

/// The default time limits of a task, in seconds.
const ACAS_SECONDS: f64 = 60.0;
const MNIST_SECONDS: f64 = 2.0;
/// The ε of all MNIST tasks, and as it is printed.
const MNIST_EPSILON: (f64, &str) = (1.0, "1");

#[derive(Default)]
struct Totals {
    tasks: usize,
    certified: usize,
    falsified: usize,
    unknown: usize,
    lost: usize,
    seconds: f64,
    all_seconds: f64,
    neurodiff_seconds: f64,
}

pub(super) fn measure(data: &Path, options: &Options) -> Result<Measurement, Error> {
    let mut results = Results::default();
    if options.suite.has_acas() {
        results.acas(data, options)?;
    }
    if options.suite.has_mnist() {
        results.mnist(data, options)?;
    }
    Ok(results.report())
}

/// What was measured so far.
#[derive(Default)]
struct Results {
    /// By the name of the suite.
    suites: BTreeMap<String, Totals>,
    per_task: Vec<Json>,
    missing: Vec<String>,
}

/// A task, and how NeuroDiff fared.
struct Task<'a> {
    suite: String,
    /// What tells it from others of its suite.
    names: Json,
    pair: &'a PairedNetworks,
    region: &'a Region,
    epsilon: f64,
    output: usize,
    limit: Duration,
    /// NeuroDiff's seconds, if it certified the task.
    theirs: Option<f64>,
}

impl Results {
    fn acas(&mut self, data: &Path, options: &Options) -> Result<(), Error> {
        let limit = limit(options, ACAS_SECONDS);
        let (properties, mut pairs) = (properties(data, &mut self.missing)?, BTreeMap::new());
        let rows = log(data, &mut self.missing)?.into_iter();
        for row in rows.filter(|row| row.tool == "NeuroDiff" && options.asks_for(&row.epsilon)) {
            if !pairs.contains_key(&row.network) {
                pairs.insert(row.network.clone(), Acas::read(data, &row.network)?);
            }
            let property = properties.get(&row.property);
            let (Some(Some(acas)), Some(property)) = (pairs.get(&row.network), property) else {
                let lacking = format!("ACAS Xu network {}, property {}", row.network, row.property);
                self.missing.push(lacking);
                continue;
            };
            self.run(&Task {
                suite: format!("ACAS Xu, ε = {}", row.epsilon),
                names: json!({
                    "epsilon": row.epsilon, "property": row.property, "network": row.network,
                    "neurodiff": row.result, "neurodiff_seconds": row.seconds,
                }),
                pair: &acas.pair,
                region: &acas.region(property)?,
                epsilon: row.epsilon.parse().map_err(failed)?,
                output: property.target,
                limit,
                theirs: row.certified_seconds(),
            })?;
        }
        Ok(())
    }

    fn mnist(&mut self, data: &Path, options: &Options) -> Result<(), Error> {
        let (epsilon, printed) = MNIST_EPSILON;
        if !options.asks_for(printed) {
            return Ok(());
        }
        let Some(mnist) = Mnist::read(data, &mut self.missing)? else { return Ok(()) };
        for task in mnist.tasks()? {
            self.run(&Task {
                suite: format!("MNIST, {}", task.setting),
                names: json!({
                    "epsilon": printed, "setting": task.setting, "image": task.image,
                    "neurodiff_seconds": task.seconds,
                }),
                pair: &mnist.pair,
                region: &task.region,
                epsilon,
                output: task.label,
                limit: limit(options, MNIST_SECONDS),
                theirs: task.seconds,
            })?;
        }
        Ok(())
    }

    fn run(&mut self, task: &Task<'_>) -> Result<(), Error> {
        // NeuroDiff's check is strict.
        let property = Agreement::within(task.epsilon).of_output(task.output).strictly().into();
        let limits = Limits { time: Some(task.limit), boxes: usize::MAX };
        let start = Instant::now();
        let report = DifferentialVerifier { property, limits }
            .verify(task.pair, task.region)
            .map_err(failed)?;
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("{} {}: {report}, {seconds:.3} s", task.suite, task.names);
        let totals = self.suites.entry(task.suite.clone()).or_default();
        totals.add(&report.verdict, seconds, task.theirs);
        let mut figures = task.names.clone();
        figures["suite"] = json!(task.suite);
        figures["verdict"] = json!(word(&report.verdict));
        figures["seconds"] = json!(seconds);
        figures["boxes"] = json!(report.boxes);
        figures["open"] = json!(report.open);
        figures["bound"] = json!(report.epsilon);
        self.per_task.push(figures);
        Ok(())
    }

    fn report(mut self) -> Measurement {
        self.missing.sort();
        self.missing.dedup();
        let mut all = Totals::default();
        self.suites.values().for_each(|totals| all.merge(totals));
        let suites: BTreeMap<&String, Json> =
            self.suites.iter().map(|(suite, totals)| (suite, totals.json())).collect();
        let mut figures = all.json();
        figures["suites"] = json!(suites);
        figures["per_task"] = json!(self.per_task);
        figures["missing"] = json!(self.missing);
        let lines =
            self.suites.iter().map(|(suite, totals)| format!("  {suite}: {}", totals.line()));
        let lines: Vec<String> = lines.collect();
        Measurement {
            report: format!("NeuroDiff's tasks, one thread\n{}", lines.join("\n")),
            figures,
        }
    }
}

fn limit(options: &Options, seconds: f64) -> Duration {
    Duration::from_secs_f64(options.limit.unwrap_or(seconds))
}

impl Totals {
    fn add(&mut self, verdict: &Verdict, seconds: f64, theirs: Option<f64>) {
        self.tasks += 1;
        self.all_seconds += seconds;
        match verdict {
            Verdict::Certified => self.certified += 1,
            Verdict::Falsified(_) => self.falsified += 1,
            _ => self.unknown += 1,
        }
        match (verdict, theirs) {
            (Verdict::Certified, Some(theirs)) => {
                self.seconds += seconds;
                self.neurodiff_seconds += theirs;
            }
            (_, Some(_)) => self.lost += 1,
            _ => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.certified += other.certified;
        self.falsified += other.falsified;
        self.unknown += other.unknown;
        self.lost += other.lost;
        self.seconds += other.seconds;
        self.all_seconds += other.all_seconds;
        self.neurodiff_seconds += other.neurodiff_seconds;
    }

    fn json(&self) -> Json {
        json!({
            "tasks": self.tasks, "certified": self.certified, "falsified": self.falsified,
            "unknown": self.unknown, "lost": self.lost, "seconds": self.seconds,
            "all_seconds": self.all_seconds,
            "neurodiff_seconds": self.neurodiff_seconds,
        })
    }

    fn line(&self) -> String {
        let Self { tasks, certified, falsified, unknown, lost, .. } = self;
        let verdicts = format!(
            "{certified} of {tasks} certified, {falsified} falsified, {unknown} unknown, {lost} lost"
        );
        if self.neurodiff_seconds > 0.0 {
            let (ours, theirs) = (self.seconds, self.neurodiff_seconds);
            format!("{verdicts}; {ours:.2} s, NeuroDiff {theirs:.2} s on 12 threads")
        } else {
            format!("{verdicts}; {:.2} s", self.all_seconds)
        }
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Certified => "certified",
        Verdict::Falsified(_) => "falsified",
        _ => "unknown",
    }
}
