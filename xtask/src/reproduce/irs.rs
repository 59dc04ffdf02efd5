//! `reproduce irs`: cost against ACR as in figure 3, the speed-ups of tables 2 and 3, `ζ` as in table 1.

use std::fmt::Write as _;
use std::path::Path;

use super::Report;
use crate::chart::{Axis, Chart, Mark, Series};
use crate::measure::smoothing::{Cell, Coverage, Point, RUNS, Size, Study};
use crate::verb::Error;

pub(super) fn report(data: &Path, size: &Size) -> Result<Report, Error> {
    let study = Study::run(data, size)?;
    let (mut report, mut pictures) = (String::from(HEAD), Vec::new());
    report += &table(&study.cells);
    report += "\n## Cost against ACR\n\nTwo pictures for each model and σ, of the copy with int8 weights: evaluations and seconds.\n\n";
    for cell in study.cells.iter().filter(|cell| cell.copy == "int8") {
        let costs: [(&str, &str, Cost); 2] = [
            ("", "evaluations", |point| point.evaluations),
            ("-seconds", "seconds", |point| point.seconds),
        ];
        for (suffix, unit, cost) in costs {
            let name = format!("irs-{}-{}{suffix}.svg", cell.model, cell.sigma);
            let _ = writeln!(report, "![{}, σ = {}, {unit}]({name})\n", cell.model, cell.sigma);
            pictures.push((name, picture(cell, unit, cost)));
        }
    }
    report += &zeta(&study.cells);
    let coverage = Coverage::run(size.runs.unwrap_or(RUNS))?;
    let _ = write!(report, "\n## Coverage\n\n{}{COVERAGE}{}", coverage.text(), coverage.table());
    report += "\n## Throughput\n\nNoise and classification in f32, batches of 1000; the share of noise is that of the same run without a \
         classifier. Beside PyTorch: [`pytorch.md`](pytorch.md).\n\n";
    for figure in &study.throughput {
        let _ = writeln!(report, "- {figure}");
    }
    Ok(Report { name: "irs", text: report, pictures })
}

const HEAD: &str = "# Incremental randomized smoothing

Written by `cargo xtask reproduce irs`. `f` is the network in f32; copies have weights rounded to f16, bf16, int8 (per
channel), or the smallest 5, 10 and 20 % removed. All statements are at level 0.002. *Scratch* is Cohen's algorithm on the
copy, which pays for the 100 samples that choose the class; *IRS* is algorithm 2, corrected, with γ = 0.99; *ours* is the default of
`Incremental`, with samples spread by `Allocation` and spared by `Agreement` where bounds are affordable. All methods are
charged for the same inputs, those where `f` shows a majority.

Where all samples have one class, no method that sees only labels does better than new samples. Say that `m` evaluations of the copy all
agree with `f`, and a method then states `q ≥ 1 - u`. A copy that differs on a share `u' > u` of the noise, somewhere, has
`q = 1 - u'`, and shows nothing of it in `m` samples with probability `(1-u')^m`: the statement would be false that often. At level `α` that is
`(1-u')^m ≤ α` for every `u' > u`, so `1 - u ≤ α^(1/m)`, the bound of Clopper and Pearson from `m` new samples. IRS draws
new samples there at the whole level, and is at this limit; the radius is concave in `m`, so that spreading samples unevenly gains nothing either.
Only bounds of the networks go below it, which say of samples that the copy must agree: norms of layers, and of what was seen to enter
them when the samples of `f` were recorded. Without them (digits-resnet but for f16: norms of its blocks multiply) ours is as good as IRS.
*p known* is the speed-up of ours on the same samples, had the
probability of the class under `f` been known exactly: what better bounds from counts could still gain.

On networks of microseconds (digits), statistics take as long as some ten evaluations: in seconds ours is ahead of scratch there, and in some cells
behind IRS, whose statistics are simpler.

*Ours by IRS* is the ratio of the areas over the ACR that both reach; the two speed-ups over scratch are over other ranges. `-` is where the
curves of two methods do not overlap in cost: one of them spends nothing.

## What differs from the paper

Algorithm 2 is corrected: its last line would certify the original for the copy. IRS has, at each sample size, the better of two sound
switches at γ: on the cached bound, with new samples at half the level, and on the samples that chose the class. Losses are counted on
the same inputs for all methods; skipped ones do not count as no disagreement. Networks and images are ours or those of the data
folder, not the paper's: the ResNet-20 was trained with σ = 0.25, and is measured beyond that. Its images are the first ones that it gets right in
most of 24 noisy copies, which are used for nothing else.
Sample sizes are 0.2 to 10 % of the cached ones; the paper's are 1 to 10 %.

## Speed-ups over scratch at equal ACR

Ratios of the areas below the curves of cost against ACR (section 5.2 of the paper). Seconds include noise, statistics and bounds, on
one thread. In the paper, ResNet-20 at σ = 0.25: IRS 1.37 (fp16), 1.29 (bf16), 1.30 (int8), 1.30, 1.25, 0.99 (pruned); at
σ = 1: 2.85, 2.41, 2.65, 2.50, 2.09, 1.39.

| model | σ | copy | inputs | IRS, evaluations | ours, evaluations | p known | ours by IRS | IRS, seconds | ours, seconds | spared by bounds |
|---|---|---|---|---|---|---|---|---|---|---|
";

const COVERAGE: &str = " Every method must stay at or below the level. Bounds for a probability from counts \
(Clopper and Pearson, sequences, looks, ratio tests, and the joint bounds) are checked exactly, over all outcomes, in the tests of \
`nncert-prob`. By itself: `cargo xtask measure coverage`.

";

fn table(cells: &[Cell]) -> String {
    let mut table = String::new();
    for cell in cells {
        let speedup = cell.kept();
        let spared =
            cell.agreement.map_or_else(String::new, |(share, _)| format!("{:.0} %", 100.0 * share));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} of {} | {} | {} | {} | {} | {} | {} | {spared} |",
            cell.model,
            cell.sigma,
            cell.copy,
            cell.inputs.1,
            cell.inputs.0,
            ratio(speedup.irs),
            ratio(speedup.ours),
            ratio(speedup.known),
            ratio(speedup.ours_by_irs),
            ratio(speedup.irs_seconds),
            ratio(speedup.ours_seconds),
        );
    }
    table
}

/// Where there is none, a dash.
fn ratio(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "-".to_owned() }
}

/// What a radius costs.
type Cost = fn(&Point) -> f64;

fn picture(cell: &Cell, unit: &str, cost: Cost) -> String {
    let title = format!("{}, σ = {}, {}", cell.model, cell.sigma, cell.copy);
    let curves = cell.curves();
    let all = [("scratch", &curves.scratch), ("IRS", &curves.irs), ("ours", &curves.ours)];
    let most = |of: fn(&Point) -> f64| {
        all.iter().flat_map(|(_, points)| points.iter().map(of)).fold(0.0, f64::max)
    };
    let (x, y) = (most(|point| point.acr), most(cost));
    let series = all.map(|(name, points)| Series {
        name: name.to_owned(),
        mark: Mark::Line,
        points: points.iter().map(|point| (point.acr, cost(point))).collect(),
    });
    let chart = Chart {
        title,
        x: Axis::from_zero("average certified radius", x),
        y: Axis::from_zero(unit, y),
        series: series.into(),
        diagonal: false,
    };
    chart.svg()
}

fn zeta(cells: &[Cell]) -> String {
    let mut table = String::from(
        "## Disagreement\n\nThe mean of the upper bound ζ from 1000 samples at level 0.001, over all inputs, and the mean share of the \
         samples that disagree. At no disagreement ζ is 0.0069.\n\n| model | σ | copy | ζ | share |\n|---|---|---|---|---|\n",
    );
    for cell in cells {
        let (bound, share) = cell.zeta;
        let _ = writeln!(
            table,
            "| {} | {} | {} | {bound:.4} | {share:.5} |",
            cell.model, cell.sigma, cell.copy
        );
    }
    table
}
