//! `cargo xtask laws`: the property tests again, on other cases.

use std::time::Instant;

use lexopt::Arg::Long;
use lexopt::ValueExt;

use crate::project::{Took, count, succeed};
use crate::test::{SEED, each};
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "laws",
    about: "runs the tests with other cases of the property tests: `test` draws the same every time",
    options: &[
        ("--rounds N", "how often (default 10)"),
        ("--seed N", "the seed of the first round; each round takes the next (default: the time)"),
    ],
    run,
};

const DEFAULT_ROUNDS: u64 = 10;

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    let (mut rounds, mut seed) = (DEFAULT_ROUNDS, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("rounds") => rounds = count("--rounds", &arguments.value()?.string()?)?,
            Long("seed") => seed = Some(arguments.value()?.parse()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let first = seed.unwrap_or_else(now);
    let mut broken = Vec::new();
    for round in 0..rounds {
        let seed = first.wrapping_add(round);
        let start = Instant::now();
        let found = each(&["test", "--no-fail-fast"], |command| {
            succeed(command.env(SEED, seed.to_string()))
        });
        let said = if found.is_ok() { "every law held" } else { "a law is broken" };
        println!("seed {seed}: {said} in {}", Took(start.elapsed()));
        if found.is_err() {
            broken.push(seed.to_string());
        }
    }
    if broken.is_empty() {
        println!("{rounds} rounds from seed {first}: every law held.");
        return Ok(());
    }
    let seeds = broken.join(", ");
    Err(failed(format!(
        "{SEED} = {seeds}: a test failed; set the variable and run `test` to repeat"
    )))
}

/// Seconds since 1970: a seed of which nothing is asked but that it is another one.
fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed();
    since.map_or(0, |since| since.as_secs())
}
