//! `measure similarity`: certified radii and probabilities, beside SimCert's.
//!
//! | key | what |
//! |---|---|
//! | `pairs` | networks with a copy and an image around which radii were certified |
//! | `radius_ratio_to_simcert` | our radius by SimCert's (forward propagation, Bernstein as printed, clipped), geometric mean over the pairs, by confidence |
//! | `radius_ratio_to_worst_case` | by the radius of the same bounds without probability |
//! | `radius_ratio_to_forward_worst_case` | by that of forward propagation, the worst case of the paper |
//! | `radius_ratio_to_limit` | by the radius at which samples cross the confidence: at most 1 |
//! | `without_a_radius_of_simcert` | pairs where SimCert certifies no ball at all: not in its ratio |
//! | `at_the_domain` | at each confidence: pairs for which samples never cross it |
//! | `bab_width`, `bisection_width` | `γ_max - γ_min` on ACAS Xu after so many seconds, ε = 0.01, mean: our branch and bound, and bisection with SimCert's bounds |
//! | `bab_width_at_half`, `bisection_width_at_half` | the same with the hardest ε: half of the box keeps it, by samples |
//! | `acas_pairs` | how many that are |
//! | `threads` | what `--threads` says: 1 if nothing |
//! | `seconds_per_radius` | at 99.99 %, on so many threads, by method: the mean for 3072-5x2048-10 |
//! | `per_pair`, `per_acas_pair` | the figures behind |
//! | `missing` | what the folder lacks |

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use nncert::prelude::*;
use serde_json::{Value as Json, json};

use super::acasxu::{Acas, log, properties};
use super::smoothing::Size;
use super::{Measurement, Options};
use crate::simcert::{
    Budget, CERTAIN, OURS, SIMCERT, Subject, WORST_CASE, Way, bisection, cifar, limit, mnist,
    quantiles, radii_of,
};
use crate::verb::{Error, failed};

const CONFIDENCES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.9999];
/// Each with the way at whose radius its search begins.
const WAYS: [(&Way, Option<usize>); 4] =
    [(&CERTAIN, None), (&OURS, Some(0)), (&WORST_CASE, None), (&SIMCERT, Some(2))];
/// The pairs of a large network take long: one image each.
const CIFAR_IMAGES: usize = 1;
const IMAGES: usize = 3;
const SAMPLES: u64 = 20_000;
/// A large network is sampled less.
const CIFAR_SAMPLES: usize = 4;
/// Of the 84 tasks of NeuroDiff every fourth.
const EVERY: usize = 4;
/// The least of figure 5.
const EPSILON: f64 = 0.01;
const ACAS_SAMPLES: usize = 10_000;
const ACAS_SECONDS: f64 = 10.0;

pub(super) fn measure(data: &Path, options: &Options) -> Result<Measurement, Error> {
    let mut results = Results::default();
    let Size { inputs, samples, .. } = &options.size;
    let (images, samples) = (inputs.unwrap_or(IMAGES), samples.unwrap_or(SAMPLES) as usize);
    if options.suite.has_mnist() {
        for subject in mnist(data, images, &mut results.missing)? {
            results.radii(&subject, samples)?;
        }
    }
    if options.suite.has_cifar() {
        let images = inputs.unwrap_or(CIFAR_IMAGES);
        for subject in cifar(data, images, &mut results.missing)? {
            results.radii(&subject, samples / CIFAR_SAMPLES)?;
        }
    }
    if options.suite.has_acas() {
        results.acas(data, options.limit.unwrap_or(ACAS_SECONDS))?;
    }
    Ok(results.report(rayon::current_num_threads()))
}

/// What was measured so far.
#[derive(Default)]
struct Results {
    pairs: Vec<Pair>,
    /// At the paper's ε.
    acas: Vec<AcasPair>,
    /// At the ε that half of the box keeps.
    half: Vec<AcasPair>,
    missing: Vec<String>,
}

/// A box of ACAS Xu.
struct Task<'a> {
    property: String,
    network: String,
    pair: &'a PairedNetworks,
    region: &'a Region,
    output: usize,
    time: Duration,
}

impl Task<'_> {
    fn run(&self, epsilon: f64) -> Result<AcasPair, Error> {
        let Self { pair, region, output, time, .. } = *self;
        let outputs = Outputs::One(output);
        let ours = OURS.method.with_outputs(outputs);
        let options =
            BranchOptions { width: 0.0, time: Some(time), boxes: usize::MAX, target: None };
        let report = branch_and_bound(pair, region, epsilon, ours, &options).map_err(failed)?;
        let width = report.interval.upper.get() - report.interval.lower.get();
        let bab = (width, report.interval.boxes);
        let theirs = SIMCERT.method.with_outputs(outputs);
        let bisection = bisection(pair, region, epsilon, theirs, Budget::Time(time))?;
        let (property, network) = (self.property.clone(), self.network.clone());
        eprintln!(
            "property {property}, network {network}, ε = {epsilon:.1e}: \
             {:.1e} ({} boxes), bisection {:.1e} ({} boxes)",
            bab.0, bab.1, bisection.0, bisection.1
        );
        Ok(AcasPair { property, network, epsilon, bab, bisection })
    }
}

/// The radii around one image, by way and by confidence.
struct Pair {
    name: String,
    image: usize,
    skipped: usize,
    epsilon: f64,
    radii: Vec<Vec<f64>>,
    limit: Vec<f64>,
    /// By way, for one radius.
    seconds: Vec<f64>,
}

/// Widths on one box, at one ε.
struct AcasPair {
    property: String,
    network: String,
    epsilon: f64,
    bab: (f64, usize),
    bisection: (f64, usize),
}

impl Results {
    fn radii(&mut self, subject: &Subject, samples: usize) -> Result<(), Error> {
        for place in &subject.places {
            let found = radii_of(subject, place, &WAYS, &CONFIDENCES)?;
            let seconds = found.iter().map(|one| one.seconds).collect();
            let found: Vec<Vec<f64>> = found.into_iter().map(|one| one.radii).collect();
            let start = found[1].last().copied().unwrap_or(0.0);
            let limit = limit(subject, place, &CONFIDENCES, start, samples)?;
            let Subject { name, skipped, epsilon, .. } = subject;
            let pair = Pair {
                name: name.clone(),
                image: place.image,
                skipped: *skipped,
                epsilon: *epsilon,
                radii: found,
                limit,
                seconds,
            };
            eprintln!("{}", pair.line());
            self.pairs.push(pair);
        }
        Ok(())
    }

    fn acas(&mut self, data: &Path, seconds: f64) -> Result<(), Error> {
        let (properties, rows) =
            (properties(data, &mut self.missing)?, log(data, &mut self.missing)?);
        let first = rows.first().map(|row| row.epsilon.clone());
        let tasks = rows
            .into_iter()
            .filter(|row| row.tool == "NeuroDiff" && Some(&row.epsilon) == first.as_ref());
        for row in tasks.step_by(EVERY) {
            let acas = Acas::read(data, &row.network)?;
            let (Some(acas), Some(property)) = (acas, properties.get(&row.property)) else {
                self.missing.push(format!("ACAS Xu network {}", row.network));
                continue;
            };
            let region = acas.region(property)?;
            let output = property.target;
            let half = quantiles(&acas.pair, &region, output, &[0.5], ACAS_SAMPLES, 1)?[0];
            let task = Task {
                property: row.property,
                network: row.network,
                pair: &acas.pair,
                region: &region,
                output,
                time: Duration::from_secs_f64(seconds),
            };
            self.acas.push(task.run(EPSILON)?);
            self.half.push(task.run(half)?);
        }
        Ok(())
    }

    /// The geometric means of our radii by others, by confidence.
    fn ratios(&self, other: impl Fn(&Pair, usize) -> f64) -> Json {
        let mean = |(index, confidence): (usize, &f64)| {
            let logs = self.pairs.iter().map(|pair| (pair.radii[1][index], other(pair, index)));
            let logs = logs.filter(|(ours, theirs)| *ours > 0.0 && *theirs > 0.0);
            let logs: Vec<f64> = logs.map(|(ours, theirs)| (ours / theirs).ln()).collect();
            (confidence.to_string(), json!(mean(&logs).map(f64::exp)))
        };
        Json::Object(CONFIDENCES.iter().enumerate().map(mean).collect())
    }

    fn report(self, threads: usize) -> Measurement {
        let to = |way: usize| self.ratios(|pair, index| pair.radii[way][index]);
        let limit = self.ratios(|pair, index| pair.limit[index]);
        let without =
            self.pairs.iter().filter(|pair| pair.radii[3].iter().all(|r| *r <= 0.0)).count();
        let at_the_domain = |(index, confidence): (usize, &f64)| {
            let count = self.pairs.iter().filter(|pair| pair.limit[index] >= 1.0).count();
            (confidence.to_string(), json!(count))
        };
        let at_the_domain: serde_json::Map<_, _> =
            CONFIDENCES.iter().enumerate().map(at_the_domain).collect();
        let widths = |pairs: &[AcasPair], of: fn(&AcasPair) -> f64| {
            mean(&pairs.iter().map(of).collect::<Vec<_>>())
        };
        let seconds: BTreeMap<&str, Option<f64>> = WAYS
            .iter()
            .enumerate()
            .map(|(way, (name, _))| {
                let large = self.pairs.iter().filter(|pair| pair.name.starts_with("CIFAR"));
                (name.name, mean(&large.map(|pair| pair.seconds[way]).collect::<Vec<_>>()))
            })
            .collect();
        let figures = json!({
            "pairs": self.pairs.len(),
            "radius_ratio_to_simcert": to(3),
            "radius_ratio_to_worst_case": to(0),
            "radius_ratio_to_forward_worst_case": to(2),
            "radius_ratio_to_limit": limit,
            "without_a_radius_of_simcert": without,
            "at_the_domain": at_the_domain,
            "acas_pairs": self.acas.len(),
            "bab_width": widths(&self.acas, |pair| pair.bab.0),
            "bisection_width": widths(&self.acas, |pair| pair.bisection.0),
            "bab_width_at_half": widths(&self.half, |pair| pair.bab.0),
            "bisection_width_at_half": widths(&self.half, |pair| pair.bisection.0),
            "threads": threads,
            "seconds_per_radius": seconds,
            "per_pair": self.pairs.iter().map(Pair::json).collect::<Vec<_>>(),
            "per_acas_pair": self.acas.iter().chain(&self.half).map(AcasPair::json).collect::<Vec<_>>(),
            "missing": self.missing,
        });
        Measurement { report: report(&figures), figures }
    }
}

/// The figures for a person.
fn report(figures: &Json) -> String {
    let mut text = String::new();
    let row = |text: &mut String, name: &str, key: &str| {
        let values = CONFIDENCES.map(|confidence| {
            let value = figures[key][confidence.to_string()].as_f64();
            value.map_or_else(|| format!("{:>9}", "-"), |value| format!("{value:>9.3}"))
        });
        let _ = writeln!(text, "{name:<44}{}", values.concat());
    };
    let head = CONFIDENCES.map(|confidence| format!("{:>7} %", 100.0 * confidence)).concat();
    let _ = writeln!(text, "{:<44}{head}", format!("{} pairs, our radius by", figures["pairs"]));
    row(&mut text, "  SimCert's", "radius_ratio_to_simcert");
    row(&mut text, "  that without probability", "radius_ratio_to_worst_case");
    row(&mut text, "  the paper's worst case", "radius_ratio_to_forward_worst_case");
    row(&mut text, "  where samples cross the confidence", "radius_ratio_to_limit");
    let value = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
    let _ = write!(
        text,
        "{} ACAS Xu boxes: mean width of the probability at ε = {EPSILON} {:.1e}, by bisection \
         {:.1e}; at the ε that half of a box keeps {:.2} and {:.2}",
        figures["acas_pairs"],
        value("bab_width"),
        value("bisection_width"),
        value("bab_width_at_half"),
        value("bisection_width_at_half"),
    );
    text
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

impl Pair {
    fn line(&self) -> String {
        let mut line = format!("{}, image {}:", self.name, self.image);
        for ((way, _), radii) in WAYS.iter().zip(&self.radii) {
            let _ = write!(line, "\n  {:<20}{radii:.4?}", way.name);
        }
        let _ = write!(line, "\n  {:<20}{:.4?}", "samples cross at", self.limit);
        line
    }

    fn json(&self) -> Json {
        let radii: BTreeMap<&str, &Vec<f64>> =
            WAYS.iter().map(|(way, _)| way.name).zip(&self.radii).collect();
        let seconds: BTreeMap<&str, f64> =
            WAYS.iter().map(|(way, _)| way.name).zip(self.seconds.iter().copied()).collect();
        json!({
            "pair": self.name,
            "image": self.image,
            "images_skipped": self.skipped,
            "epsilon": self.epsilon,
            "confidences": CONFIDENCES,
            "radii": radii,
            "limit": self.limit,
            "seconds_per_radius": seconds,
        })
    }
}

impl AcasPair {
    fn json(&self) -> Json {
        json!({
            "property": self.property,
            "network": self.network,
            "epsilon": self.epsilon,
            "bab_width": self.bab.0,
            "bab_boxes": self.bab.1,
            "bisection_width": self.bisection.0,
            "bisection_boxes": self.bisection.1,
        })
    }
}
