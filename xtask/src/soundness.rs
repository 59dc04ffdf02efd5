//! `cargo xtask soundness`: sampled points against every bound, without slack.

use std::time::Instant;

use lexopt::Arg::Long;
use lexopt::ValueExt;

use crate::project::{Took, cargo, succeed};
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "soundness",
    about: "samples networks, regions and points; each point lies inside each bound",
    options: &[("--points N", "how many points (default 1,000,000)")],
    run,
};

const DEFAULT_POINTS: u64 = 1_000_000;

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let mut points = DEFAULT_POINTS;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("points") => points = count(&arguments.value()?.string()?)?,
            _ => return Err(argument.unexpected().into()),
        }
    }
    let start = Instant::now();
    let test = ["test", "--release", "-p", "nncert-bounds", "--test", "soundness"];
    let output = ["--", "--nocapture"];
    succeed(cargo(&test).args(output).env("NNCERT_SOUNDNESS_POINTS", points.to_string()))
        .map_err(|error| failed(format!("a bound does not hold, or nothing ran ({error})")))?;
    println!("{points} points, no violation; {} with the build.", Took(start.elapsed()));
    Ok(())
}

/// A positive number; `1_000` and `1,000` are how people write it.
fn count(text: &str) -> Result<u64, Error> {
    match text.replace(['_', ','], "").parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::Usage(format!("--points {text:?} is not a positive whole number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(count("1_000").unwrap(), 1000);
        assert_eq!(count("1,000,000").unwrap(), 1_000_000);
        for wrong in ["0", "", "-1", "1e6", "many"] {
            assert!(matches!(count(wrong), Err(Error::Usage(_))), "{wrong}");
        }
    }
}
