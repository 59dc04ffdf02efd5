//! `measure qnn`: QVIP's tasks on its networks, one thread; `measure encodings`: its encoding
//! beside the cascade.
//!
//! The work is done by the example `qnn` of `nncert-milp`, built with HiGHS: this crate never
//! depends on it.
//!
//! | key | what |
//! |---|---|
//! | `tasks`, `solved` | images that the network classifies rightly, and those decided in time |
//! | `published_solved` | tasks that QVIP decided, with 28 threads and two hours each |
//! | `compared`, `disagreements` | verdicts beside published ones, and those that differ |
//! | `cells` | the same for each network and radius, by stage, with every instance |
//!
//! Verdicts are compared where the published file has them by image. In table 3 that of P1-6 contradicts
//! table 2, image by image, and that of P3-6 has identifiers that the paper's samples do not
//! reach: `by_image` of a cell says whether its verdicts were compared, and for P1-6 table 2 counts.
//!
//! `encodings` has `qvip` (the procedure of the paper: interval analysis, its encoding of all classes
//! at once, HiGHS with its own heuristics), `cascade` (both with the keys above), `sample`, and `speedup`: seconds of the one
//! over seconds of the other, a task that is not decided counted with the limit.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::{Measurement, Options, example};
use crate::verb::Error;

/// Seconds a task.
const LIMIT: f64 = 60.0;
/// The sample of `encodings`: the first images of each cell of these networks and radii.
const SAMPLE: [(&str, u64); 6] =
    [("P1-6", 1), ("P1-6", 2), ("P1-6", 4), ("P4-6", 1), ("P4-6", 4), ("P2-6", 2)];
const IMAGES: usize = 5;

pub(super) fn measure(data: &Path, options: &Options) -> Result<Measurement, Error> {
    let mut arguments = vec!["--with".to_owned(), "cascade".to_owned()];
    arguments.push("--certify".to_owned());
    if let Some(net) = &options.net {
        arguments.extend(["--net".to_owned(), net.clone()]);
    }
    if let Some(table) = &options.table {
        arguments.extend(["--table".to_owned(), table.clone()]);
    }
    if let Some(radius) = options.radius {
        arguments.extend(["--radius".to_owned(), radius.to_string()]);
    }
    let figures = run(data, options.limit.unwrap_or(LIMIT), &arguments)?;
    Ok(Measurement { report: table(&figures), figures })
}

pub(super) fn encodings(data: &Path, options: &Options) -> Result<Measurement, Error> {
    let limit = options.limit.unwrap_or(LIMIT);
    let mut results = Vec::new();
    for with in ["paper", "cascade"] {
        let (mut seconds, mut tasks, mut solved, mut disagreements) = (0.0, 0, 0, 0);
        for (net, radius) in SAMPLE {
            let (radius, images) = (radius.to_string(), IMAGES.to_string());
            let words = ["--with", with, "--net", net, "--radius", &radius, "--images", &images];
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            let figures = run(data, limit, &words)?;
            seconds += figures["seconds"].as_f64().unwrap_or(0.0);
            let count = |key: &str| figures[key].as_u64().unwrap_or(0);
            tasks += count("tasks");
            solved += count("solved");
            disagreements += count("disagreements");
        }
        results.push(json!({
            "tasks": tasks, "solved": solved, "seconds": seconds, "disagreements": disagreements,
        }));
    }
    let time = |index: usize| results[index]["seconds"].as_f64().unwrap_or(0.0);
    let speedup = time(0) / time(1).max(1e-9);
    let report = format!(
        "QVIP's encoding: {} of {} in {:.1} s; the cascade: {} of {} in {:.2} s; {speedup:.0} times.",
        results[0]["solved"],
        results[0]["tasks"],
        time(0),
        results[1]["solved"],
        results[1]["tasks"],
        time(1),
    );
    let sample: Vec<Json> = SAMPLE.iter().map(|(net, radius)| json!([net, radius])).collect();
    let figures = json!({
        "sample": sample, "images": IMAGES, "limit": limit,
        "qvip": results[0], "cascade": results[1], "speedup": speedup,
    });
    Ok(Measurement { report, figures })
}

/// The figures of the example, with so many seconds a task.
pub(crate) fn run(data: &Path, limit: f64, arguments: &[String]) -> Result<Json, Error> {
    let limit = ["--limit".to_owned(), limit.to_string()];
    example::run("qnn", true, data, &[&limit, arguments].concat())
}

/// A line for each cell.
pub(crate) fn table(figures: &Json) -> String {
    let mut report = String::from(
        "| network | r | tasks | solved | QVIP, 28 threads, 2 h | seconds | by stage |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for cell in figures["cells"].as_array().into_iter().flatten() {
        report += &format!(
            "| {} | {} | {} | {} | {} | {:.1} | {} |\n",
            cell["net"].as_str().unwrap_or_default(),
            cell["r"],
            cell["tasks"],
            cell["solved"],
            cell["published_solved"],
            cell["seconds"].as_f64().unwrap_or(0.0),
            stages(&cell["by_stage"]),
        );
    }
    report += &format!(
        "\n{} of {} tasks; {} verdicts compared with published ones, {} disagreements.",
        figures["solved"], figures["tasks"], figures["compared"], figures["disagreements"],
    );
    report
}

fn stages(by_stage: &Json) -> String {
    let counts = by_stage.as_object().into_iter().flatten();
    let words: Vec<String> = counts.map(|(stage, count)| format!("{stage} {count}")).collect();
    words.join(", ")
}
