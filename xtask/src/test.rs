//! `cargo xtask test`: everything that must hold before a change is merged.

use std::time::Instant;

use crate::project::{Took, cargo, succeed};
use crate::verb::{Error, Verb, failed, no_arguments};
use crate::{fixtures, tidy};

pub(crate) const VERB: Verb = Verb {
    name: "test",
    about: "all that must hold before a merge: format, lints, tests, docs, fixtures, tidy",
    options: &[],
    run,
};

/// The variable from which proptest takes its seed.
pub(crate) const SEED: &str = "PROPTEST_RNG_SEED";

/// The cases of the property tests are the same every time, so that what passes here passes
/// everywhere; `cargo xtask laws` draws others.
const SAME_CASES: &str = "2026";

struct Step {
    name: &'static str,
    /// The command line that repeats it.
    repeat: &'static str,
    run: fn() -> Result<(), Error>,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        repeat: "cargo fmt --all -- --check",
        run: || succeed(&mut cargo(&["fmt", "--all", "--", "--check"])),
    },
    Step {
        name: "lints",
        repeat: "cargo clippy --workspace --exclude nncert-milp --all-targets --all-features -- -D warnings, \
                 and -p nncert-milp --features proptest,rayon,serde,similarity",
        run: || {
            let lints = ["--", "-D", "warnings"];
            each(&["clippy", "--all-targets"], |command| succeed(command.args(lints)))
        },
    },
    Step {
        name: "tests",
        repeat: "PROPTEST_RNG_SEED=2026 cargo test --workspace --exclude nncert-milp --all-features, \
                 and -p nncert-milp --features proptest,rayon,serde,similarity",
        run: || {
            let seed = std::env::var(SEED).unwrap_or_else(|_| SAME_CASES.to_owned());
            each(&["test"], |command| succeed(command.env(SEED, &seed)))
        },
    },
    Step {
        name: "docs",
        repeat: "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps --workspace --exclude nncert-milp \
                 --all-features, and -p nncert-milp --features proptest,rayon,serde,similarity",
        run: || {
            each(&["doc", "--no-deps"], |command| {
                succeed(command.env("RUSTDOCFLAGS", "-D warnings"))
            })
        },
    },
    Step { name: "fixtures", repeat: "cargo xtask fixtures --check", run: fixtures::check },
    Step { name: "tidy", repeat: "cargo xtask tidy", run: tidy::check },
];

/// A cargo command for everything but HiGHS, which takes minutes and a C++ compiler: all crates
/// but `nncert-milp` with all features, and that one with its other features. `cargo xtask highs`
/// tests the rest.
pub(crate) fn each(
    words: &[&str],
    run: impl Fn(&mut std::process::Command) -> Result<(), Error>,
) -> Result<(), Error> {
    let others = ["--workspace", "--exclude", "nncert-milp", "--all-features"];
    run(cargo(words).args(others))?;
    run(cargo(words).args(["-p", "nncert-milp", "--features", "proptest,rayon,serde,similarity"]))
}

fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    no_arguments(arguments)?;
    let data = data();
    eprintln!("{data}");
    let start = Instant::now();
    for (index, step) in STEPS.iter().enumerate() {
        let place = format!("{}/{} {}", index + 1, STEPS.len(), step.name);
        eprintln!("[{place}] {}", step.repeat);
        let begin = Instant::now();
        let result = (step.run)();
        let took = Took(begin.elapsed());
        if let Err(error) = result {
            let again = step.repeat;
            return Err(failed(format!(
                "{} failed after {took} ({error}); to repeat: {again}",
                step.name
            )));
        }
        eprintln!("[{place}] passed in {took}");
    }
    println!("All {} steps passed in {}. {data}", STEPS.len(), Took(start.elapsed()));
    Ok(())
}

/// What the tests on published networks will do.
fn data() -> String {
    match std::env::var_os("NNCERT_DATA") {
        Some(folder) => format!("NNCERT_DATA is set to {}.", folder.display()),
        None => "NNCERT_DATA is not set: tests on published networks are skipped.".to_owned(),
    }
}
