//! Certified search: the same tasks, and one strategy for many of them.

use std::time::{Duration, Instant};

use nalgebra::DMatrix;
use nncert_core::{Domain, Region};
use nncert_milp::quadapter::{
    CertifyOptions, Floor, Kept, Property, Requirement, Search, SearchOptions, Verdict, certify,
    falsify,
};
use serde_json::{Value as Json, json};

use crate::accuracy::Images;
use crate::robustness::{RADII, Sums};
use crate::{Failure, Options, Subject};

/// A network loses at most so many percentage points of accuracy.
const LOST: f64 = 1.0;

/// The tasks of one network: one search after the other, which share what they know.
pub(crate) fn run(
    subject: &Subject,
    method: &str,
    images: &Images,
    ids: &[usize],
    options: &Options,
) -> Result<Json, Failure> {
    let network = &subject.network;
    let (pixels, labels) = images.test();
    let mut search = search(subject, &pixels, &labels, options)?;
    let mut sums = Sums::default();
    for id in ids.iter().take(options.images) {
        for radius in RADII {
            sums.tasks += 1;
            let property = property(subject, images, *id, radius)?;
            let start = Instant::now();
            let found = search.run(&mut [&mut Kept::new(&property)], None)?;
            let seconds = start.elapsed().as_secs_f64();
            sums.seconds += seconds;
            sums.quantization += seconds;
            let Some(strategy) = &found.strategy else {
                *sums.failures.entry(found.to_string()).or_insert(0) += 1;
                continue;
            };
            sums.add(strategy);
            let quantized = strategy.quantize(network)?;
            let again = certify(&quantized, &property, &CertifyOptions::default())?;
            sums.verified += usize::from(matches!(again.verdict, Verdict::Certified(_)));
            sums.attacked += usize::from(falsify(&quantized, &property, 20)?.is_some());
            let correct = found.correct.unwrap_or(0);
            sums.accuracy += 100.0 * correct as f64 / labels.len().max(1) as f64;
        }
    }
    let mut cell = sums.cell(subject, method);
    cell["together"] = together(subject, images, ids, options, (&pixels, &labels))?;
    eprintln!("{cell}");
    Ok(cell)
}

/// One strategy for all images at once, at each radius: of those that the original is shown to
/// classify robustly.
fn together(
    subject: &Subject,
    images: &Images,
    ids: &[usize],
    options: &Options,
    (pixels, labels): (&DMatrix<f32>, &[usize]),
) -> Result<Json, Failure> {
    let mut rows = Vec::new();
    for radius in RADII {
        let plain = CertifyOptions { alpha: None, attack: 0 };
        let mut properties = Vec::new();
        for id in ids.iter().take(options.images) {
            let property = property(subject, images, *id, radius)?;
            let original = certify(&subject.network, &property, &plain)?;
            if matches!(original.verdict, Verdict::Certified(_)) {
                properties.push(property);
            }
        }
        let mut kept: Vec<Kept<'_>> = properties.iter().map(Kept::new).collect();
        let mut all: Vec<&mut dyn Requirement> =
            kept.iter_mut().map(|kept| kept as &mut dyn Requirement).collect();
        let start = Instant::now();
        let found = search(subject, pixels, labels, options)?.run(&mut all, None)?;
        let correct = found.correct.unwrap_or(0) as f64;
        rows.push(json!({
            "radius": radius, "images": properties.len(),
            "bits": found.strategy.as_ref().map(|s| s.bits().collect::<Vec<_>>()),
            "accuracy": 100.0 * correct / labels.len().max(1) as f64,
            "tried": found.tried, "seconds": start.elapsed().as_secs_f64(),
        }));
    }
    Ok(rows.into())
}

fn search<'a>(
    subject: &'a Subject,
    pixels: &'a DMatrix<f32>,
    labels: &'a [usize],
    options: &Options,
) -> Result<Search<'a>, Failure> {
    let time = Some(Duration::from_secs_f64(options.limit));
    let settings = SearchOptions { time, ..SearchOptions::default() };
    let floor = Floor::below(&subject.network, pixels, labels, LOST)?;
    Ok(Search::new(&subject.network, settings)?.with_floor(floor))
}

fn property(
    subject: &Subject,
    images: &Images,
    id: usize,
    radius: u32,
) -> Result<Property, Failure> {
    let ball = Region::linf_ball(&images.image(id), f64::from(radius) / 255.0, &Domain::unit())?;
    Ok(Property::same_class(ball, subject.network.outputs(), images.label(id))?)
}
