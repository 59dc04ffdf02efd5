//! `measure differential`: one joint pass, how tight and how fast.
//!
//! | key | what |
//! |---|---|
//! | `rows` | NeuroDiff's tasks at ε = 0.05 whose networks are there |
//! | `width_ratio_geomean` | over them, the width of our bounds on the target output by NeuroDiff's after its first pass |
//! | `root_certified` | how many of them one pass certifies, for each ε |
//! | `ms_per_pass` | mean milliseconds of a pass, one thread |
//! | `soundness_cost_ratio` | time with outward rounding by time without |
//! | `per_row` | every row of the log, of both tools, with our bounds and the ratio |
//! | `large` | a pass on 784-3x1024-10, 15 perturbed pixels: milliseconds, share of the product peak |
//! | `missing` | what the folder lacks |

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use nncert_bounds::{Relaxations, Rounding, differential, differential_with};
use nncert_core::{Domain, Interval, PairedNetworks, Region, compress, io};
use serde_json::{Value as Json, json};

use super::acasxu::{Acas, Row, log, properties};
use super::{Measurement, peak};
use crate::verb::{Error, failed};

/// The ε for which passes are counted, and as they are printed.
const EPSILONS: [(f64, &str); 3] = [(0.05, "0.05"), (0.01, "0.01"), (0.001, "0.001")];
/// Timed runs of each pass; the least counts.
const RUNS: usize = 15;

pub(super) fn measure(data: &Path) -> Result<Measurement, Error> {
    let mut missing = Vec::new();
    let (mut totals, mut per_row) = (Totals::default(), Vec::new());
    let (properties, mut pairs) = (properties(data, &mut missing)?, BTreeMap::new());
    for row in log(data, &mut missing)? {
        if !pairs.contains_key(&row.network) {
            eprintln!("network {}", row.network);
            pairs.insert(row.network.clone(), Acas::read(data, &row.network)?);
        }
        let property = properties.get(&row.property);
        let (Some(Some(acas)), Some(property)) = (pairs.get(&row.network), property) else {
            missing.push(format!("ACAS Xu network {}, property {}", row.network, row.property));
            continue;
        };
        let region = acas.region(property)?;
        let bounds = differential(&acas.pair, &region).map_err(failed)?;
        let ours = bounds.outputs[property.target].bounds;
        let ratio = ours.width() / published(&row, property.target)?.width();
        per_row.push(json!({
            "tool": row.tool, "epsilon": row.epsilon, "property": row.property,
            "network": row.network, "lower": ours.lower, "upper": ours.upper, "ratio": ratio,
        }));
        if row.tool == "NeuroDiff" && row.epsilon == "0.05" {
            totals.add(ours, ratio, &acas.pair, &region)?;
        }
    }
    missing.sort();
    missing.dedup();
    let large = large(data, &mut missing)?;
    Ok(Measurement {
        report: totals.report(&large)?,
        figures: json!({
            "rows": totals.rows,
            "width_ratio_geomean": totals.ratio(),
            "root_certified": totals.certified_by_epsilon(),
            "ms_per_pass": totals.milliseconds(),
            "soundness_cost_ratio": totals.seconds / totals.seconds_nearest,
            "per_row": per_row,
            "large": large,
            "missing": missing,
        }),
    })
}

/// The bounds of `f' - f` that were published, which are those of `f - f'` mirrored.
fn published(row: &Row, target: usize) -> Result<Interval, Error> {
    let at = |values: &[f64]| values.get(target).copied();
    match (at(&row.lower), at(&row.upper)) {
        (Some(lower), Some(upper)) if lower < upper => Ok(Interval::new(-upper, -lower)),
        _ => Err(failed(format!("the log has no bounds for {} {}", row.property, row.network))),
    }
}

#[derive(Default)]
struct Totals {
    rows: usize,
    log_ratios: f64,
    certified: [usize; 3],
    seconds: f64,
    seconds_nearest: f64,
}

impl Totals {
    fn add(
        &mut self,
        ours: Interval,
        ratio: f64,
        pair: &PairedNetworks,
        region: &Region,
    ) -> Result<(), Error> {
        self.rows += 1;
        self.log_ratios += ratio.ln();
        for (count, (epsilon, _)) in self.certified.iter_mut().zip(EPSILONS) {
            // The published check is strict.
            *count += usize::from(ours.magnitude() < epsilon);
        }
        let (outward, nearest) = seconds(pair, region)?;
        self.seconds += outward;
        self.seconds_nearest += nearest;
        Ok(())
    }

    fn ratio(&self) -> f64 {
        (self.log_ratios / self.rows as f64).exp()
    }

    fn milliseconds(&self) -> f64 {
        1e3 * self.seconds / self.rows as f64
    }

    fn certified_by_epsilon(&self) -> Json {
        EPSILONS.iter().zip(self.certified).map(|((_, name), n)| (*name, n)).collect()
    }

    fn report(&self, large: &Json) -> Result<String, Error> {
        let mut report = String::new();
        let [a, b, c] = self.certified;
        writeln!(report, "ACAS Xu, {} tasks of NeuroDiff, one pass, one thread", self.rows)
            .and_then(|()| writeln!(report, "  width by NeuroDiff's       {:.4}", self.ratio()))
            .and_then(|()| {
                writeln!(
                    report,
                    "  certified at the root      {a} (ε = 0.05), {b} (0.01), {c} (0.001)"
                )
            })
            .and_then(|()| {
                writeln!(report, "  milliseconds               {:.3}", self.milliseconds())
            })
            .and_then(|()| {
                writeln!(
                    report,
                    "  outward by nearest, time   {:.3}",
                    self.seconds / self.seconds_nearest
                )
            })
            .and_then(|()| write!(report, "784-3x1024-10, 15 pixels: {large}"))
            .map_err(failed)?;
        Ok(report)
    }
}

/// The least seconds of a pass with outward rounding and without, taken in turn.
fn seconds(pair: &PairedNetworks, region: &Region) -> Result<(f64, f64), Error> {
    let relaxations = Relaxations::default();
    let time = |rounding| -> Result<f64, Error> {
        let start = Instant::now();
        let bounds = differential_with(pair, region, &relaxations, rounding).map_err(failed)?;
        black_box(bounds);
        Ok(start.elapsed().as_secs_f64())
    };
    let (mut outward, mut nearest) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        outward = outward.min(time(Rounding::Outward)?);
        nearest = nearest.min(time(Rounding::Nearest)?);
    }
    Ok((outward, nearest))
}

/// A pass on the MNIST network 784-3x1024-10 and its int8 copy.
fn large(data: &Path, missing: &mut Vec<String>) -> Result<Json, Error> {
    let mut file = |name: &str| {
        let path = data.join(name);
        if !path.is_file() {
            missing.push(name.to_owned());
        }
        path.is_file().then_some(path)
    };
    let (network, images, pixels) = (
        file("mnist/mlp_3x1024.safetensors"),
        file("mnist/mnist100.csv"),
        file("mnist/mnist100_random_pixels.csv"),
    );
    let (Some(network), Some(images), Some(pixels)) = (network, images, pixels) else {
        return Ok(Json::Null);
    };
    eprintln!("network 784-3x1024-10");
    let network = io::read_network(network).map_err(failed)?;
    let copy = compress::int8(&network, compress::Granularity::PerChannel).map_err(failed)?;
    let pair = copy.pair(&network).map_err(failed)?;
    let numbers = |path| -> Result<Vec<f64>, Error> {
        let text = fs::read_to_string(path).map_err(failed)?;
        let first = text.lines().next().unwrap_or_default();
        first.split(',').map(|field| field.trim().parse().map_err(failed)).collect()
    };
    // A label, then 784 grey values; the perturbed pixels of the same image.
    let image: Vec<f64> = numbers(images)?.iter().skip(1).map(|grey| grey / 255.0).collect();
    let pixels: Vec<usize> =
        numbers(pixels)?.iter().take(15).map(|&pixel| pixel as usize).collect();
    let peak = peak::products_per_second();
    let mut radii = Vec::new();
    for radius in [0.1, 1.0] {
        let region = Region::ball_on(&image, radius, &pixels, &Domain::unit()).map_err(failed)?;
        let bounds = differential(&pair, &region).map_err(failed)?;
        let (outward, nearest) = seconds(&pair, &region)?;
        radii.push(json!({
            "radius": radius,
            "ms": 1e3 * outward,
            "soundness_cost_ratio": outward / nearest,
            "products": bounds.products,
            "share_of_peak": bounds.products as f64 / outward / peak,
            "epsilon": bounds.epsilon(),
        }));
    }
    Ok(json!({ "pixels": pixels.len(), "peak_gflops": 2e-9 * peak, "passes": radii }))
}
