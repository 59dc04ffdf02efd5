//! `cargo xtask tidy`: what no lint checks. Also a test of this package.

mod documents;
mod manifest;
mod source;

use std::path::Path;

use crate::project::root;
use crate::verb::{Error, Verb, failed, no_arguments};

pub(crate) const VERB: Verb = Verb {
    name: "tidy",
    about: "what no lint checks: file headers and lengths, crate manifests, the documents",
    options: &[],
    run,
};

fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    no_arguments(arguments)?;
    check()
}

/// Prints everything that is untidy.
pub(crate) fn check() -> Result<(), Error> {
    let findings = findings(&root())?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: nothing to say");
            Ok(())
        }
        1 => Err(failed("1 finding in tidy")),
        count => Err(failed(format!("{count} findings in tidy"))),
    }
}

/// What is untidy, one line each: `path:line: what` or `path: what`.
fn findings(root: &Path) -> Result<Vec<String>, Error> {
    let mut findings = source::check(root)?;
    findings.extend(manifest::check(root)?);
    findings.extend(documents::check(root));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_tidy() {
        let findings = findings(&root()).unwrap();
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }
}
