//! `measure verify`: NeuroDiff's ACAS Xu tasks to the end, one thread.
//!
//! | key | what |
//! |---|---|
//! | `tasks` | tasks of NeuroDiff whose networks are there, both ε |
//! | `certified`, `falsified`, `unknown` | verdicts |
//! | `lost` | certified by NeuroDiff, not here |
//! | `seconds`, `neurodiff_seconds` | summed over the tasks that both certify; theirs on 12 threads |
//! | `by_epsilon` | the same for each ε |
//! | `per_task` | verdict, seconds, boxes, the bound reached, and NeuroDiff's seconds |
//! | `missing` | what the folder lacks |

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use nncert_bounds::{Agreement, DifferentialVerifier, Limits, Verdict};
use serde_json::{Value as Json, json};

use super::acasxu::{Acas, log, properties};
use super::{Measurement, Options};
use crate::verb::{Error, failed};

/// The default time limit of a task, in seconds.
const SECONDS: f64 = 60.0;

#[derive(Default)]
struct Totals {
    tasks: usize,
    certified: usize,
    falsified: usize,
    unknown: usize,
    lost: usize,
    seconds: f64,
    neurodiff_seconds: f64,
}

pub(super) fn measure(data: &Path, options: &Options) -> Result<Measurement, Error> {
    let limit = Duration::from_secs_f64(options.limit.unwrap_or(SECONDS));
    let (mut missing, mut per_task) = (Vec::new(), Vec::new());
    let (properties, mut pairs) = (properties(data, &mut missing)?, BTreeMap::new());
    let mut totals: BTreeMap<String, Totals> = BTreeMap::new();
    let rows = log(data, &mut missing)?.into_iter().filter(|row| row.tool == "NeuroDiff");
    for row in rows.filter(|row| options.epsilon.as_ref().is_none_or(|e| *e == row.epsilon)) {
        if !pairs.contains_key(&row.network) {
            pairs.insert(row.network.clone(), Acas::read(data, &row.network)?);
        }
        let property = properties.get(&row.property);
        let (Some(Some(acas)), Some(property)) = (pairs.get(&row.network), property) else {
            missing.push(format!("ACAS Xu network {}, property {}", row.network, row.property));
            continue;
        };
        let epsilon: f64 = row.epsilon.parse().map_err(failed)?;
        let verifier = DifferentialVerifier {
            property: Agreement::within(epsilon).of_output(property.target).strictly().into(),
            limits: Limits { time: Some(limit), boxes: usize::MAX },
        };
        let region = acas.region(property)?;
        let start = Instant::now();
        let report = verifier.verify(&acas.pair, &region).map_err(failed)?;
        let seconds = start.elapsed().as_secs_f64();
        eprintln!(
            "ε {} property {} network {}: {report}, {seconds:.2} s",
            row.epsilon, row.property, row.network
        );
        let total = totals.entry(row.epsilon.clone()).or_default();
        total.add(&report.verdict, seconds, row.certified_seconds());
        per_task.push(json!({
            "epsilon": row.epsilon, "property": row.property, "network": row.network,
            "verdict": word(&report.verdict), "seconds": seconds, "boxes": report.boxes,
            "open": report.open, "bound": report.epsilon,
            "neurodiff": row.result, "neurodiff_seconds": row.seconds,
        }));
    }
    missing.sort();
    missing.dedup();
    let mut all = Totals::default();
    totals.values().for_each(|total| all.merge(total));
    let by_epsilon: BTreeMap<&String, Json> = totals.iter().map(|(e, t)| (e, t.json())).collect();
    let mut figures = all.json();
    figures["by_epsilon"] = json!(by_epsilon);
    figures["per_task"] = json!(per_task);
    figures["missing"] = json!(missing);
    let lines = totals.iter().map(|(epsilon, total)| format!("  ε = {epsilon}: {}", total.line()));
    let report = format!(
        "ACAS Xu, NeuroDiff's tasks, one thread, at most {} s a task\n{}",
        limit.as_secs_f64(),
        lines.collect::<Vec<_>>().join("\n")
    );
    Ok(Measurement { report, figures })
}

impl Totals {
    fn add(&mut self, verdict: &Verdict, seconds: f64, theirs: Option<f64>) {
        self.tasks += 1;
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
        self.neurodiff_seconds += other.neurodiff_seconds;
    }

    fn json(&self) -> Json {
        json!({
            "tasks": self.tasks, "certified": self.certified, "falsified": self.falsified,
            "unknown": self.unknown, "lost": self.lost, "seconds": self.seconds,
            "neurodiff_seconds": self.neurodiff_seconds,
        })
    }

    fn line(&self) -> String {
        format!(
            "{} of {} certified, {} falsified, {} unknown, {} lost; {:.1} s, NeuroDiff {:.1} s on 12 threads",
            self.certified,
            self.tasks,
            self.falsified,
            self.unknown,
            self.lost,
            self.seconds,
            self.neurodiff_seconds
        )
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Certified => "certified",
        Verdict::Falsified(_) => "falsified",
        _ => "unknown",
    }
}
