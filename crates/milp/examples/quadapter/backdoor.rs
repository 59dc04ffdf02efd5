//! Backdoor-freeness: five positions, ten classes, two sizes (Figure 4).

use std::time::{Duration, Instant};

use nncert_core::Interval;
use nncert_milp::quadapter::{
    Backdoor, BackdoorLevels, BackdoorOutcome, Method, Options as Settings, Step, Trigger,
    synthesize_backdoor_free,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};

use crate::accuracy::Images;
use crate::{Failure, Options, Subject};

/// Rows and columns, counted from 1.
const POSITIONS: [[usize; 2]; 5] = [[1, 1], [4, 20], [5, 5], [7, 13], [10, 10]];
const SIZE: usize = 28;
/// What Figure 4 has as solved, of fifty: network, size of the trigger.
const PUBLISHED: [(&str, usize, usize); 4] =
    [("MP1", 3, 49), ("MP1", 5, 44), ("MP2", 3, 43), ("MP2", 5, 26)];

/// The tasks of one network and size.
pub(crate) fn run(
    subject: &Subject,
    name: &str,
    method: &Method<'_>,
    size: usize,
    images: &Images,
    options: &Options,
) -> Result<Json, Failure> {
    let levels = BackdoorLevels::default();
    let settings = Settings {
        least_fraction: 2,
        step: if name.ends_with("layer") { Step::Layer } else { Step::Own },
        time: Some(Duration::from_secs_f64(options.limit)),
        ..Settings::default()
    };
    let (mut tasks, mut solved, mut accuracy, mut seconds) = (0, 0, 0.0, 0.0);
    let (mut bits, mut outcomes) = (Vec::<f64>::new(), Vec::new());
    for (place, position) in POSITIONS.into_iter().enumerate() {
        for target in 0..subject.network.outputs() {
            tasks += 1;
            let trigger =
                Trigger::new([1, SIZE, SIZE], [size; 2], position.map(|index| index - 1))?;
            let backdoor = Backdoor { trigger, range: Interval::new(0.0, 1.0), target };
            let seed = (place * 10 + target) as u64;
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut draw = || images.image(rng.random_range(0..images.len()));
            let start = Instant::now();
            let how = (method, &settings);
            let end =
                synthesize_backdoor_free(&subject.network, &backdoor, &levels, &mut draw, how)?;
            seconds += start.elapsed().as_secs_f64();
            let word = match &end {
                BackdoorOutcome::Found { strategy, confirmation, .. } => {
                    solved += 1;
                    bits.resize(strategy.layers.len(), 0.0);
                    bits.iter_mut().zip(strategy.bits()).for_each(|(s, b)| *s += f64::from(b));
                    accuracy += images.accuracy(&strategy.quantize(&subject.network)?)?;
                    format!("found {strategy}, {} of {}", confirmation.safe, confirmation.sets)
                }
                BackdoorOutcome::Unconfirmed { strategy, .. } => format!("unconfirmed {strategy}"),
                BackdoorOutcome::NotAccepted(statement) => {
                    format!("not accepted, {} of {}", statement.safe, statement.sets)
                }
                BackdoorOutcome::Unknown(failure) => failure.to_string(),
                _ => "unknown".to_owned(),
            };
            eprintln!("{} {name} {size}x{size} at {position:?} to {target}: {word}", subject.name);
            outcomes.push(json!({ "position": position, "target": target, "outcome": word }));
        }
    }
    let count = f64::from(solved.max(1));
    let bits: Vec<f64> = bits.iter().map(|sum| sum / count).collect();
    let published = PUBLISHED.iter().find(|(net, of, _)| *net == subject.name && *of == size);
    Ok(json!({
        "net": subject.name, "method": name, "size": size, "tasks": tasks, "solved": solved,
        "published": published.map(|(_, _, solved)| solved), "bits": bits,
        "accuracy": accuracy / count, "seconds_per_task": seconds / f64::from(tasks.max(1)),
        "outcomes": outcomes,
    }))
}
