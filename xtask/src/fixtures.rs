//! `cargo xtask fixtures`: whether the files that the tests read are what they claim to be.

mod digits;
mod manifest;

use crate::project::root;
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "fixtures",
    about: "how the files that the tests read are remade",
    options: &[("--check", "their digests, and that the networks compute what they should")],
    run,
};

const REMAKING: &str = "\
The fixtures are made by Python 3.11, from the root of the repository:

  python fixtures/hostile/make.py                       malformed files; standard library alone

  pip install -r fixtures/digits/requirements.txt
  python fixtures/digits/make.py                        networks, images, expected logits

Each recipe gives the same bytes every time and rewrites its entries of fixtures/MANIFEST.json.
Then: cargo xtask fixtures --check
";

fn run(mut arguments: lexopt::Parser) -> Result<(), Error> {
    match arguments.next()? {
        None => {
            print!("{REMAKING}");
            Ok(())
        }
        Some(lexopt::Arg::Long("check")) => match arguments.next()? {
            None => check(),
            Some(argument) => Err(argument.unexpected().into()),
        },
        Some(argument) => Err(argument.unexpected().into()),
    }
}

/// Prints what was found wrong, all of it.
pub(crate) fn check() -> Result<(), Error> {
    let root = root();
    let mut findings = Vec::new();
    let files = manifest::check(&root, &mut findings)?;
    let networks = digits::check(&root.join("fixtures/digits"), &mut findings)?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => {
            println!(
                "fixtures: {files} files are as listed, {networks} networks compute as expected"
            );
            Ok(())
        }
        count => Err(failed(format!("{count} findings in fixtures"))),
    }
}
