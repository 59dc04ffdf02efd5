//! QVIP's tasks on its networks: verdicts, seconds, and the published verdicts beside them.
//!
//! ```text
//! cargo run --release -p nncert-milp --example qnn -- --data DIR [--limit S] [--net N] [--radius R] [--table 2|3|all]
//! ```
//!
//! The last line of standard output is a JSON object.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "examples speak to a terminal")]

mod radii;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use nncert_core::FixedPointNetwork;
use nncert_core::io::fixed_point;
use nncert_milp::{IntegerRegion, Norm, Property, Report, Verdict, VerifyOptions, check, verify};
use serde_json::{Value as Json, json};

pub(crate) type Failure = Box<dyn Error>;

/// The cells of table 2: network, radius, first image, images, tasks that QVIP solved with 28
/// threads in two hours each, from the printed rates.
const TABLE_2: [(&str, u64, usize, usize, usize); 16] = [
    ("P1-6", 1, 0, 100, 99),
    ("P1-6", 2, 100, 100, 99),
    ("P1-6", 3, 200, 100, 96),
    ("P1-6", 4, 300, 100, 97),
    ("P2-6", 1, 0, 100, 98),
    ("P2-6", 2, 100, 100, 97),
    ("P2-6", 3, 200, 100, 93),
    ("P2-6", 4, 300, 100, 87),
    ("P3-6", 1, 0, 50, 50),
    ("P3-6", 2, 100, 50, 47),
    ("P3-6", 3, 200, 50, 24),
    ("P3-6", 4, 300, 50, 12),
    ("P4-6", 1, 0, 100, 87),
    ("P4-6", 2, 100, 100, 90),
    ("P4-6", 3, 200, 50, 43),
    ("P4-6", 4, 300, 50, 43),
];
/// The radii of table 3.
const TABLE_3: [u64; 6] = [2, 4, 6, 10, 20, 30];

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    pub(crate) limit: f64,
    net: Option<String>,
    radius: Option<u64>,
    /// Which tables of the paper.
    tables: [bool; 2],
    pub(crate) images: Option<usize>,
    certify: bool,
    pub(crate) settings: VerifyOptions,
    with: String,
    heuristics: f64,
    presolve: bool,
    symmetry: bool,
    tolerance: f64,
    ids: Option<Vec<usize>>,
    other: Option<&'static str>,
}

/// A network, a radius, and the images.
struct Cell {
    net: String,
    radius: u64,
    ids: std::ops::Range<usize>,
    published: usize,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    if let Some(figures) = match options.other {
        Some("sizes") => Some(sizes::sizes(&options)?),
        Some(_) => Some(radii::radii(&options)?),
        None => None,
    } {
        println!("{figures}");
        return Ok(());
    }
    let verdicts = published(&options.data)?;
    let mut cells = Vec::new();
    let mut images = BTreeMap::new();
    for cell in cells_of(&options, &verdicts) {
        let path = options.data.join(format!("qnn/{}.safetensors", cell.net));
        let network = fixed_point::read(&path)?;
        let set = if cell.net.starts_with("P4") { "fashion" } else { "mnist" };
        if !images.contains_key(set) {
            images.insert(set, idx(&options.data, set)?);
        }
        cells.push(run(&options, &cell, &network, &images[set], &verdicts)?);
    }
    let sum = |key: &str| cells.iter().filter_map(|cell| cell[key].as_u64()).sum::<u64>();
    let seconds: f64 = cells.iter().filter_map(|cell| cell["seconds"].as_f64()).sum();
    println!(
        "{}",
        json!({
            "tasks": sum("tasks"), "solved": sum("solved"), "disagreements": sum("disagreements"),
            "compared": sum("compared"), "published_solved": sum("published_solved"),
            "seconds": seconds, "limit": options.limit, "cells": cells,
        })
    );
    Ok(())
}

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        data: std::env::var_os("NNCERT_DATA").map(PathBuf::from).unwrap_or_default(),
        limit: 60.0,
        net: None,
        radius: None,
        tables: [true, false],
        images: None,
        certify: false,
        settings: VerifyOptions::default(),
        with: "branch".to_owned(),
        heuristics: 0.0,
        presolve: true,
        symmetry: false,
        tolerance: 1e-7,
        ids: None,
        other: None,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("data") => options.data = parser.value()?.into(),
            Long("limit") => options.limit = parser.value()?.parse()?,
            Long("net") => options.net = Some(parser.value()?.string()?),
            Long("radius") => options.radius = Some(parser.value()?.parse()?),
            Long("images") => options.images = Some(parser.value()?.parse()?),
            Long("table") => {
                options.tables = match &*parser.value()?.string()? {
                    "2" => [true, false],
                    "3" => [false, true],
                    _ => [true, true],
                }
            }
            Long("steps") => {
                let steps = parser.value()?.parse()?;
                options.settings.branch.iter_mut().for_each(|branch| branch.steps = steps);
            }
            Long("sizes") => options.other = Some("sizes"),
            Long("radii") => options.other = Some("radii"),
            Long("heuristics") => options.heuristics = parser.value()?.parse()?,
            Long("no-presolve") => options.presolve = false,
            Long("symmetry") => options.symmetry = true,
            Long("tolerance") => options.tolerance = parser.value()?.parse()?,
            Long("with") => options.with = parser.value()?.string()?,
            Long("ids") => {
                let ids = parser.value()?.string()?;
                options.ids = Some(ids.split(',').map(str::parse).collect::<Result<_, _>>()?);
            }
            Long("candidates") => {
                let candidates = parser.value()?.parse()?;
                options.settings.branch.iter_mut().for_each(|b| b.candidates = candidates);
            }
            Long("certify") => options.certify = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(options)
}

fn cells_of(options: &Options, verdicts: &BTreeMap<(String, u64, usize), bool>) -> Vec<Cell> {
    let mut cells: Vec<Cell> = TABLE_2
        .iter()
        .map(|(net, radius, first, count, published)| Cell {
            net: (*net).to_owned(),
            radius: *radius,
            ids: *first..first + count,
            published: *published,
        })
        .collect();
    let [second, third] = options.tables;
    if third {
        let mut nets: Vec<&String> = verdicts.keys().map(|key| &key.0).collect();
        nets.dedup();
        for net in nets {
            for radius in TABLE_3 {
                let first = (radius as usize - 1) * 100;
                let count = if net.starts_with("P3") { 50 } else { 100 };
                let ids = first..first + count;
                let there = cells.iter().any(|cell| cell.net == *net && cell.radius == radius);
                let solved =
                    ids.clone().filter(|id| verdicts.contains_key(&(net.clone(), radius, *id)));
                let published = solved.count();
                if !there && !net.starts_with("P4") && published > 0 {
                    cells.push(Cell { net: net.clone(), radius, ids, published });
                }
            }
        }
    }
    if !second {
        cells.drain(..TABLE_2.len());
    }
    cells.retain(|cell| {
        options.net.as_ref().is_none_or(|net| *net == cell.net)
            && options.radius.is_none_or(|radius| radius == cell.radius)
            && options.data.join(format!("qnn/{}.safetensors", cell.net)).exists()
    });
    cells
}

fn run(
    options: &Options,
    cell: &Cell,
    network: &FixedPointNetwork,
    (images, labels): &(Vec<u8>, Vec<u8>),
    verdicts: &BTreeMap<(String, u64, usize), bool>,
) -> Result<Json, Failure> {
    let (mut tasks, mut solved, mut disagreements, mut compared, mut published) = (0, 0, 0, 0, 0);
    let mut elsewhere = 0;
    let (mut seconds, mut by_stage, mut instances) = (0.0, BTreeMap::new(), Vec::new());
    let mut checked = (0usize, 0usize, 0.0f64);
    let count = options.images.unwrap_or(usize::MAX);
    let by_image = is_by_image(cell, network, images, labels, verdicts)?;
    for id in cell.ids.clone().take(count) {
        if options.ids.as_ref().is_some_and(|ids| !ids.contains(&id)) {
            continue;
        }
        let pixels = &images[id * network.inputs()..][..network.inputs()];
        let x: Vec<i64> = pixels.iter().map(|pixel| i64::from(*pixel)).collect();
        let class = network.classify(&x)?;
        if class != usize::from(labels[id]) {
            continue;
        }
        tasks += 1;
        let region = IntegerRegion::around(network, x, Norm::Linf, cell.radius)?;
        let property = Property::same_class(network.outputs(), class)?;
        let settings = VerifyOptions {
            time: Some(Duration::from_secs_f64(options.limit)),
            ..options.settings
        };
        let report = decide(options, network, &region, &property, &settings)?;
        let Report { verdict, stage, nodes, elapsed, .. } = &report;
        let robust = match verdict {
            Verdict::Robust => Some(true),
            Verdict::Falsified(_) => Some(false),
            Verdict::Unknown(_) => None,
        };
        if options.certify
            && let Some(certificate) = &report.certificate
        {
            let start = Instant::now();
            check(network, &region, &property, certificate)?;
            checked.0 += 1;
            checked.1 += certificate.to_text().len();
            checked.2 += start.elapsed().as_secs_f64();
        }
        let theirs = verdicts.get(&(cell.net.clone(), cell.radius, id)).copied();
        published += usize::from(by_image && theirs.is_some());
        solved += usize::from(robust.is_some());
        seconds += elapsed.as_secs_f64();
        *by_stage.entry(stage.name()).or_insert(0) += usize::from(robust.is_some());
        let disagrees = matches!((robust, theirs), (Some(ours), Some(theirs)) if ours != theirs);
        compared += usize::from(by_image && robust.is_some() && theirs.is_some());
        disagreements += usize::from(by_image && disagrees);
        elsewhere += usize::from(!by_image && disagrees);
        eprintln!(
            "{} r={} {id}: {report}{}",
            cell.net,
            cell.radius,
            match (disagrees, by_image) {
                (false, _) => "",
                (true, true) => " DISAGREES",
                (true, false) => " differs from a verdict that is not by image",
            }
        );
        instances.push(json!({
            "id": id, "verdict": verdict.name(), "stage": stage.name(), "nodes": nodes,
            "seconds": elapsed.as_secs_f64(), "published": theirs,
        }));
    }
    // Where the published verdicts are not per instance, the printed rate tells.
    let published = if published > 0 { published } else { cell.published };
    eprintln!(
        "{} r={}: {solved} of {tasks} in {seconds:.1} s, QVIP {published}, {disagreements} disagreements, {by_stage:?}",
        cell.net, cell.radius
    );
    Ok(json!({
        "net": cell.net, "r": cell.radius, "by_image": by_image, "tasks": tasks, "solved": solved,
        "published_solved": published, "compared": compared, "disagreements": disagreements,
        "differ_where_not_by_image": elsewhere,
        "seconds": seconds, "by_stage": by_stage,
        "certificates": checked.0, "certificate_bytes": checked.1, "check_seconds": checked.2,
        "instances": instances,
    }))
}

/// Runs the stages that are asked for.
#[cfg(not(feature = "highs"))]
fn decide(
    options: &Options,
    network: &FixedPointNetwork,
    region: &IntegerRegion,
    property: &Property,
    settings: &VerifyOptions,
) -> Result<Report, Failure> {
    match &*options.with {
        "branch" => Ok(verify(network, region, property, settings)?),
        _ => Err("this needs the feature `highs`".into()),
    }
}

/// Runs the stages that are asked for.
#[cfg(feature = "highs")]
fn decide(
    options: &Options,
    network: &FixedPointNetwork,
    region: &IntegerRegion,
    property: &Property,
    settings: &VerifyOptions,
) -> Result<Report, Failure> {
    use nncert_milp::{Compact, Encoding, Highs, Qvip, Watch, verify_with_solver};
    let Options { heuristics, presolve, symmetry, tolerance, .. } = *options;
    let highs = Highs { heuristics, presolve, symmetry, tolerance, ..Highs::default() };
    let encoding: &dyn Encoding = match &*options.with {
        "branch" => return Ok(verify(network, region, property, settings)?),
        "paper" => return paper(&highs, network, region, property, settings),
        "qvip" => &Qvip { simplify: true },
        "qvip-full" => &Qvip { simplify: false },
        _ => &Compact,
    };
    let settings = match &*options.with {
        "cascade" => *settings,
        _ => VerifyOptions { branch: None, ..*settings },
    };
    let watch = Watch::default();
    Ok(verify_with_solver(network, region, property, &settings, (&highs, encoding), &watch)?)
}

/// The procedure of the paper: interval analysis, its encoding of all classes at once, a solver with
/// its own heuristics. Its report is that of a verification whose only stage is the solver.
#[cfg(feature = "highs")]
fn paper(
    highs: &nncert_milp::Highs,
    network: &FixedPointNetwork,
    region: &IntegerRegion,
    property: &Property,
    settings: &VerifyOptions,
) -> Result<Report, Failure> {
    use nncert_milp::{
        Answer, Encoding, Highs, Model, Origin, Question, Qvip, Solver, Stage, UnknownReason,
        Witness,
    };
    let start = Instant::now();
    let bounds = &nncert_bounds::fixed_point::integer_intervals(network, region)?;
    let open: Vec<usize> = (0..property.violations().len()).collect();
    let question =
        Question { network, region, bounds, property, open: &open, integer_inputs: true };
    let mut model = Model::default();
    Qvip::default().encode(&question, &mut model)?;
    let left = settings.time.map(|time| time.saturating_sub(start.elapsed()));
    // What HiGHS does by itself.
    let highs = Highs { heuristics: 0.05, ..*highs };
    let verdict = match highs.solve(&model, None, left)? {
        Answer::Infeasible => Verdict::Robust,
        Answer::Solution(point) => {
            let mut x = region.center().to_vec();
            for (column, value) in model.columns.iter().zip(point) {
                if let Origin::Input(index) = column.origin {
                    #[allow(clippy::cast_possible_truncation)]
                    let value = value.round() as i64;
                    x[index] = value;
                }
            }
            let witness = Witness::replay(network, region, property, &x);
            witness.map_or(Verdict::Unknown(UnknownReason::Repair), Verdict::Falsified)
        }
        _ => Verdict::Unknown(UnknownReason::Time),
    };
    // A report cannot be made outside its crate: that of no stages, with what differs.
    let nothing = VerifyOptions { attack: None, branch: None, time: Some(Duration::ZERO) };
    let mut report = verify(network, region, property, &nothing)?;
    (report.verdict, report.stage) = (verdict, Stage::Solver);
    (report.elapsed, report.certificate) = (start.elapsed(), None);
    Ok(report)
}

/// Whether the published verdicts of a cell are by image: all about images that the cell has, and none
/// about one that the network misclassifies.
///
/// Those of P3-6 in table 3 are not: their identifiers run past the images of the paper.
fn is_by_image(
    cell: &Cell,
    network: &FixedPointNetwork,
    images: &[u8],
    labels: &[u8],
    verdicts: &BTreeMap<(String, u64, usize), bool>,
) -> Result<bool, Failure> {
    for (net, radius, id) in verdicts.keys() {
        if (net, *radius) != (&cell.net, cell.radius) {
            continue;
        }
        let pixels = &images[id * network.inputs()..][..network.inputs()];
        let x: Vec<i64> = pixels.iter().map(|pixel| i64::from(*pixel)).collect();
        if !cell.ids.contains(id) || network.classify(&x)? != usize::from(labels[*id]) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether QVIP found a task robust, by network, radius and image.
fn published(data: &Path) -> Result<BTreeMap<(String, u64, usize), bool>, Failure> {
    let mut verdicts = BTreeMap::new();
    let mut seen: BTreeSet<(String, u64)> = BTreeSet::new();
    for table in ["qvip_table2.csv", "qvip_table3.csv"] {
        let text = std::fs::read_to_string(data.join("results").join(table))?;
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split(',').collect();
            let [net, r, id, result, ..] = words[..] else { continue };
            let robust = match result {
                "Robust" => true,
                "Non-robust" => false,
                _ => continue,
            };
            // Table 3 contradicts table 2 where it has the same tasks: see `measure qnn`.
            let cell = (net.to_owned(), r.parse()?);
            if !seen.contains(&cell) {
                verdicts.insert((cell.0, cell.1, id.parse()?), robust);
            }
        }
        seen.extend(verdicts.keys().map(|key: &(String, u64, usize)| (key.0.clone(), key.1)));
    }
    Ok(verdicts)
}

/// Images and labels of a test set.
pub(crate) fn idx(data: &Path, set: &str) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let read = |kind: &str, header: usize| -> Result<Vec<u8>, Failure> {
        let path = data.join(format!("mnist/{set}-t10k-{kind}-ubyte.gz"));
        let output = Command::new("gzip").arg("-dc").arg(&path).output()?;
        if !output.status.success() || output.stdout.len() < header {
            return Err(format!("{} cannot be read", path.display()).into());
        }
        Ok(output.stdout[header..].to_vec())
    };
    Ok((read("images-idx3", 16)?, read("labels-idx1", 8)?))
}
