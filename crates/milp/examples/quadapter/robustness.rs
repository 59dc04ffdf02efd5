//! Local robustness: fifty images, five radii.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use nncert_core::{Domain, Region};
use nncert_milp::quadapter::{
    CertifyOptions, Method, Options as Settings, Outcome, Property, Strategy, Verdict, certify,
    falsify, synthesize,
};
use serde_json::{Value as Json, json};

use crate::accuracy::Images;
use crate::{Failure, Options, Subject};

/// In units of 1/255.
pub(crate) const RADII: [u32; 5] = [1, 2, 3, 4, 5];

/// A layer may have a bit more for the sake of the next one, so often a task.
const BACKTRACKS: u32 = 6;

/// The tasks of one network by one method.
pub(crate) fn run(
    subject: &Subject,
    method: &str,
    preimages: &Method<'_>,
    images: &Images,
    ids: &[usize],
    options: &Options,
) -> Result<Json, Failure> {
    let settings = match method {
        "quarter" => Settings::quarter(),
        _ if method.ends_with("relaxed") => Settings::relaxed(),
        _ => Settings { backtracks: BACKTRACKS, ..Settings::default() },
    };
    let settings = Settings { time: Some(Duration::from_secs_f64(options.limit)), ..settings };
    let network = &subject.network;
    let mut sums = Sums { accuracies: BTreeMap::new(), ..Sums::default() };
    for id in ids.iter().take(options.images) {
        for radius in RADII {
            sums.tasks += 1;
            let radius = f64::from(radius) / 255.0;
            let ball = Region::linf_ball(&images.image(*id), radius, &Domain::unit())?;
            let property = Property::same_class(ball, network.outputs(), images.label(*id))?;
            let start = Instant::now();
            let found = synthesize(network, &property, preimages, &settings)?;
            sums.seconds += start.elapsed().as_secs_f64();
            sums.preimage += found.preimage_time.as_secs_f64();
            sums.quantization += found.quantization_time.as_secs_f64();
            match &found.outcome {
                Outcome::Certified { strategy, .. } => {
                    sums.add(strategy);
                    let quantized = strategy.quantize(network)?;
                    // Again, and from nothing but the network and the property.
                    let again = certify(&quantized, &property, &CertifyOptions::default())?;
                    sums.verified += usize::from(matches!(again.verdict, Verdict::Certified(_)));
                    sums.attacked += usize::from(falsify(&quantized, &property, 20)?.is_some());
                    sums.accuracy += match sums.accuracies.entry(key(strategy)) {
                        Entry::Occupied(known) => *known.get(),
                        Entry::Vacant(place) => *place.insert(images.accuracy(&quantized)?),
                    };
                }
                Outcome::Unknown(failure) => {
                    *sums.failures.entry(failure.to_string()).or_insert(0) += 1;
                }
            }
        }
    }
    let cell = sums.cell(subject, method);
    eprintln!("{cell}");
    Ok(cell)
}

fn key(strategy: &Strategy) -> Vec<(u32, i32)> {
    strategy.bits().zip(strategy.fractions()).collect()
}

#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) tasks: usize,
    pub(crate) solved: usize,
    pub(crate) verified: usize,
    pub(crate) attacked: usize,
    /// Of each layer.
    bits: Vec<f64>,
    pub(crate) accuracy: f64,
    accuracies: BTreeMap<Vec<(u32, i32)>, f64>,
    pub(crate) seconds: f64,
    pub(crate) preimage: f64,
    pub(crate) quantization: f64,
    pub(crate) failures: BTreeMap<String, usize>,
}

impl Sums {
    pub(crate) fn add(&mut self, strategy: &Strategy) {
        self.solved += 1;
        self.bits.resize(strategy.layers.len(), 0.0);
        for (sum, bits) in self.bits.iter_mut().zip(strategy.bits()) {
            *sum += f64::from(bits);
        }
    }

    pub(crate) fn cell(&self, subject: &Subject, method: &str) -> Json {
        let (tasks, solved) = (self.tasks.max(1) as f64, self.solved.max(1) as f64);
        let bits: Vec<f64> = self.bits.iter().map(|sum| sum / solved).collect();
        let mean = bits.iter().sum::<f64>() / bits.len().max(1) as f64;
        json!({
            "net": subject.name, "method": method, "tasks": self.tasks, "solved": self.solved,
            "mean_bits": mean, "bits": bits, "accuracy": self.accuracy / solved,
            "float_accuracy": subject.float_accuracy,
            "seconds_per_task": self.seconds / tasks,
            "preimage_seconds": self.preimage / tasks,
            "quantization_seconds": self.quantization / tasks,
            "verified": self.verified, "attacked": self.attacked, "failures": self.failures,
        })
    }
}
