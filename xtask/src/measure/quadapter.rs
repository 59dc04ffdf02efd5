//! `measure quadapter`: Quadapter's tasks on its MNIST networks, one thread.
//!
//! The work is done by the example `quadapter` of `nncert-milp`, built with HiGHS where the solver
//! is asked for: this crate never depends on it.
//!
//! | key | what |
//! |---|---|
//! | `cells` | one for each network and method |
//! | `net`, `method` | `MP1` to `MP3`, as the paper has them; `milp`, `abs`, `relaxed`, `quarter` and others |
//! | `tasks`, `solved` | images and radii, and those with a strategy that was verified |
//! | `mean_bits`, `bits` | of the weights of a layer, over layers and by layer |
//! | `accuracy`, `float_accuracy` | in percent: of the quantized networks, and of the float one |
//! | `seconds_per_task`, `preimage_seconds`, `quantization_seconds` | means |
//! | `verified`, `attacked` | strategies certified a second time, and those that an attack breaks |
//! | `published` | the paper's figures: Gurobi, 30 threads |
//! | `backdoor` | with `--backdoor`: Figure 4's tasks |

use std::path::Path;

use serde_json::Value as Json;

use super::{Measurement, Options, example};
use crate::verb::Error;

pub(super) fn measure(data: &Path, options: &Options) -> Result<Measurement, Error> {
    let mut arguments = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
    };
    add("--net", options.net.clone());
    add("--method", options.method.clone());
    add("--limit", options.limit.map(|limit| limit.to_string()));
    add("--images", options.size.inputs.map(|images| images.to_string()));
    if options.backdoor {
        arguments.push("--backdoor".to_owned());
    }
    // The solver takes minutes to build.
    let solver = options.method.as_deref().is_none_or(|method| method.starts_with("milp"));
    let figures = run(data, &arguments, solver && !options.backdoor)?;
    Ok(Measurement { report: table(&figures), figures })
}

/// The figures of the example.
pub(crate) fn run(data: &Path, arguments: &[String], solver: bool) -> Result<Json, Error> {
    example::run("quadapter", solver, data, arguments)
}

/// A line for each cell.
pub(crate) fn table(figures: &Json) -> String {
    let number = |value: &Json, digits: usize| {
        value.as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let bits = |value: &Json, digits: usize| {
        let bits: Vec<String> =
            value.as_array().into_iter().flatten().map(|bits| number(bits, digits)).collect();
        format!("({})", bits.join(", "))
    };
    let mut report = String::from(
        "| network | method | solved | bits | accuracy | seconds | published: solved | bits | accuracy \
         | seconds |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for cell in figures["cells"].as_array().into_iter().flatten() {
        let published = &cell["published"];
        let seconds = published["ptime_s"]
            .as_f64()
            .zip(published["qtime_s"].as_f64())
            .map_or_else(|| "-".to_owned(), |(p, q)| format!("{:.1}", p + q));
        report += &format!(
            "| {} | {} | {} of {} | {} | {} of {} | {} | {} | {} | {} | {seconds} |\n",
            cell["net"].as_str().unwrap_or_default(),
            cell["method"].as_str().unwrap_or_default(),
            cell["solved"],
            cell["tasks"],
            bits(&cell["bits"], 2),
            number(&cell["accuracy"], 2),
            number(&cell["float_accuracy"], 2),
            number(&cell["seconds_per_task"], 3),
            published["solved"],
            bits(&published["bits"], 0),
            number(&published["accuracy"], 2),
        );
    }
    for cell in figures["backdoor"].as_array().into_iter().flatten() {
        report += &format!(
            "\n{} {}: triggers of {} by {}: {} of {} solved, published {}; bits {}, accuracy {}, \
             {} s a task",
            cell["net"].as_str().unwrap_or_default(),
            cell["method"].as_str().unwrap_or_default(),
            cell["size"],
            cell["size"],
            cell["solved"],
            cell["tasks"],
            cell["published"],
            bits(&cell["bits"], 1),
            number(&cell["accuracy"], 2),
            number(&cell["seconds_per_task"], 2),
        );
    }
    report
}
