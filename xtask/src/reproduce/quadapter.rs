//! `reproduce quadapter`: bit-widths with a proof beside the paper's.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value as Json;

use super::Report;
use crate::chart::{Axis, Chart, Mark, Series};
use crate::measure::quadapter;
use crate::measure::smoothing::Size;
use crate::verb::Error;

/// The methods that need no solver, as the tables have them.
const METHODS: [&str; 5] = ["search", "abs", "relaxed", "balanced", "balanced-relaxed"];
/// Images of the tasks with a solver, if nothing else is asked for: it takes seconds each.
const SOLVER_IMAGES: [(&str, usize); 3] = [("MP1", 50), ("MP2", 50), ("MP3", 20)];
/// The method for backdoors: the one that solves most.
const BACKDOOR: &str = "balanced-layer";
/// Seconds a task, if nothing else is asked for.
const LIMIT: f64 = 60.0;

pub(super) fn report(data: &Path, size: &Size, limit: Option<f64>) -> Result<Report, Error> {
    let limit = ["--limit".to_owned(), limit.unwrap_or(LIMIT).to_string()];
    let run = |words: &[&str], solver: bool| {
        let words = words.iter().map(ToString::to_string).chain(limit.clone());
        quadapter::run(data, &words.collect::<Vec<_>>(), solver)
    };
    let plain = METHODS.map(|method| run(&["--method", method], false));
    let plain = plain.into_iter().collect::<Result<Vec<_>, _>>()?;
    let solver = SOLVER_IMAGES.map(|(net, images)| {
        let images = size.inputs.map_or(images, |most| most.min(images)).to_string();
        run(&["--method", "milp", "--net", net, "--images", &images], true)
    });
    let solver = solver.into_iter().collect::<Result<Vec<_>, _>>()?;
    let backdoor = run(&["--backdoor", "--method", BACKDOOR], false)?;
    Ok(make(&plain, &solver, &backdoor, &limit[1]))
}

fn make(plain: &[Json], solver: &[Json], backdoor: &Json, limit: &str) -> Report {
    let cells = |figures: &Json| figures["cells"].as_array().cloned().unwrap_or_default();
    let mut rows: Vec<Json> = plain.iter().chain(solver).flat_map(cells).collect();
    // By network; the sort keeps the order of methods.
    rows.sort_by_key(|row| row["net"].as_str().unwrap_or_default().to_owned());
    let mut text = String::from(HEAD);
    let _ = write!(
        text,
        "## Local robustness (tables 2 and 3)\n\nOne thread, {limit} s a task, and for `milp` (with HiGHS) \
         half a second a preimage. Where there are fewer than 250 tasks they are those of the first images.\n\n"
    );
    text += &quadapter::table(&Json::Object(
        [("cells".to_owned(), rows.clone().into())].into_iter().collect(),
    ));
    text += SEEN;
    let mut pictures = Vec::new();
    for net in ["MP1", "MP2", "MP3"] {
        let of_net: Vec<&Json> = rows.iter().filter(|row| row["net"] == net).collect();
        if !of_net.is_empty() {
            let name = format!("quadapter-{net}.svg");
            let _ = writeln!(text, "![Bits of each layer, {net}]({name})\n");
            pictures.push((name, picture(net, &of_net)));
        }
    }
    text += "## One network for all images\n\nThe properties of all images that the original is shown to classify robustly \
             at a radius, at once: the bits of one strategy that keeps them all.\n\n\
             | network | radius, 1/255 | images | bits | accuracy | strategies tried | seconds |\n|---|---|---|---|---|---|---|\n";
    for row in rows.iter().filter(|row| row["together"].is_array()) {
        for one in row["together"].as_array().into_iter().flatten() {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {:.2} | {} | {:.1} |",
                row["net"].as_str().unwrap_or_default(),
                one["radius"],
                one["images"],
                one["bits"].to_string().replace(',', ", "),
                one["accuracy"].as_f64().unwrap_or(0.0),
                one["tried"],
                one["seconds"].as_f64().unwrap_or(0.0),
            );
        }
    }
    text += "\n## Backdoor-freeness (figure 4)\n\nTriggers of 3 by 3 and of 5 by 5 pixels at five positions, ten target classes.\n\n\
             | network | method | size | solved | published | bits | accuracy | seconds a task |\n|---|---|---|---|---|---|---|---|\n";
    for cell in backdoor["backdoor"].as_array().into_iter().flatten() {
        let bits = cell["bits"].as_array().into_iter().flatten().filter_map(Json::as_f64);
        let bits: Vec<String> = bits.map(|bits| format!("{bits:.1}")).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} of {} | {} | ({}) | {:.2} | {:.2} |",
            cell["net"].as_str().unwrap_or_default(),
            cell["method"].as_str().unwrap_or_default(),
            cell["size"],
            cell["solved"],
            cell["tasks"],
            cell["published"],
            bits.join(", "),
            cell["accuracy"].as_f64().unwrap_or(0.0),
            cell["seconds_per_task"].as_f64().unwrap_or(0.0),
        );
    }
    text += DIFFERS;
    Report { name: "quadapter", text, pictures }
}

/// The mean bits of each layer, by method.
fn picture(net: &str, rows: &[&Json]) -> String {
    let points = |bits: &Json| -> Vec<(f64, f64)> {
        let bits = bits.as_array().into_iter().flatten().filter_map(Json::as_f64);
        bits.enumerate().map(|(layer, bits)| (layer as f64 + 1.0, bits)).collect()
    };
    let series = |name: &str, bits: &Json| Series {
        name: name.to_owned(),
        mark: Mark::Line,
        points: points(bits),
    };
    let mut all: Vec<Series> = rows
        .iter()
        .map(|row| series(row["method"].as_str().unwrap_or_default(), &row["bits"]))
        .collect();
    if let Some(row) = rows.iter().find(|row| row["method"] == "abs") {
        all.push(series("published", &row["published"]["bits"]));
    }
    let ends = all.iter().flat_map(|series| &series.points);
    let (layers, most) =
        ends.fold((1.0f64, 1.0f64), |(x, y), point| (x.max(point.0), y.max(point.1)));
    let mut x = Axis::from_zero("layer", layers);
    x.ticks = (1..=layers as u32).map(|layer| (f64::from(layer), layer.to_string())).collect();
    (x.from, x.to) = (0.75, layers + 0.25);
    Chart {
        title: format!("Bits of each layer, {net}"),
        x,
        y: Axis::from_zero("bits of a weight, mean over solved tasks", most),
        series: all,
        diagonal: false,
    }
    .svg()
}

const HEAD: &str = "# Quadapter\n\nWritten by `cargo xtask reproduce quadapter`. The networks and the 250 tasks of each (50 MNIST \
images, radii 1/255 to 5/255) are the paper's; published figures are for Gurobi with 30 threads.\n\n";

const SEEN: &str = "\nBits are means over solved tasks, by layer; published bits are the paper's means. Accuracy is that of the quantized \
networks on the 10,000 test images, of the float network's. What to see: `search`, with bounds alone, solves what Quadapter \
does and what it does not, with fewer bits than any preimage leaves, at less than a point of accuracy. A preimage has to hold whatever \
comes behind it; the search asks about the outputs alone. Every strategy was certified a second time from the network and the \
property alone, and attacked.\n\n";

const DIFFERS: &str = "\n## What differs from the paper\n\n- `abs` and `milp` are the paper's methods; `balanced` finds all \
preimages at once, from the front; `search` looks for strategies themselves, with bounds as its oracle.\n\
- In the paper's relaxed variant (`measure quadapter --method quarter`) a quarter of the *ends* of a hidden layer may leave, \
two ends a neuron, as the published tool counts them. `relaxed` begins with a third, and takes half as many where that leaves no strategy, three times \
at most; where no template is a preimage, half of the neurons of the next layer may leave it, and the template is a guide. \
Fewer bits after the point cost accuracy that nothing here looks after: `search` has a floor for that.\n\
- A preimage is one of what ReLU lets through: a lower end below 0 asks for nothing, and a neuron that is never active may be as \
low as it likes.\n\
- Where no number of bits is enough for a layer, the one before has a bit more, six times a task at most: the paper gives up.\n\
- Published bits are given as whole numbers, though they are means.\n- `search` keeps its \
floor (one point below the float network) on the same test images that accuracy is reported on.\n- It may take a bit less \
before the point than the largest weight needs, which clamps some weights.\n- Bounds are rounded outward, and scalings come \
from proven dual bounds less a margin: the paper does neither.\n";
