//! `cargo xtask soundness`: sampled points against every bound, without slack.

use std::time::Instant;

use lexopt::Arg::Long;
use lexopt::ValueExt;

use crate::project::{Took, cargo, count, succeed};
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "soundness",
    about: "samples networks, regions and points; each bound and each probability holds",
    options: &[
        ("--points N", "points for dense networks, and for every layer (default 1,000,000)"),
        ("--pairs N", "pairs whose probabilities are sampled, a million inputs each (default 300)"),
    ],
    run,
};

const DEFAULT_POINTS: u64 = 1_000_000;
const DEFAULT_PAIRS: u64 = 300;
/// Of `tests/sampling.rs` of `nncert-similarity`.
const SAMPLES_A_PAIR: u64 = 1_000_000;
/// What a case of `tests/layers.rs` has on average: three properties share the number of
/// cases, with 4, 4 and 6 points each.
const POINTS_A_LAYER_CASE: u64 = 14;

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let (mut points, mut pairs) = (DEFAULT_POINTS, DEFAULT_PAIRS);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("points") => points = count("--points", &arguments.value()?.string()?)?,
            Long("pairs") => pairs = count("--pairs", &arguments.value()?.string()?)?,
            _ => return Err(argument.unexpected().into()),
        }
    }
    suite("nncert-bounds", "soundness", "NNCERT_SOUNDNESS_POINTS", points, points)?;
    let cases = points.div_ceil(POINTS_A_LAYER_CASE).min(u64::from(u32::MAX));
    suite("nncert-bounds", "layers", "NNCERT_LAYER_CASES", cases, cases * POINTS_A_LAYER_CASE)?;
    let samples = pairs * SAMPLES_A_PAIR;
    suite("nncert-similarity", "sampling", "NNCERT_PROBABILITY_PAIRS", pairs, samples)?;
    Ok(())
}

/// Runs a test file that reads from a variable how much to draw.
fn suite(package: &str, test: &str, variable: &str, count: u64, points: u64) -> Result<(), Error> {
    let start = Instant::now();
    let arguments = ["test", "--release", "-p", package, "--all-features", "--test", test];
    let mut command = cargo(&arguments);
    command.args(["--", "--nocapture"]).env(variable, count.to_string());
    succeed(&mut command)
        .map_err(|error| failed(format!("a bound does not hold, or nothing ran ({error})")))?;
    println!("{test}: {points} points, no violation; {} with the build.", Took(start.elapsed()));
    Ok(())
}
