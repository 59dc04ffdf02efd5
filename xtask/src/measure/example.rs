//! Examples of `nncert-milp`, whose last line of output is one JSON object.
//!
//! They are built by themselves, with HiGHS where it is asked for: this crate never depends on it.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::highs::with_highs;
use crate::project::cargo;
use crate::verb::{Error, failed};

/// The figures of an example on a data folder.
pub(crate) fn run(
    name: &str,
    solver: bool,
    data: &Path,
    arguments: &[String],
) -> Result<Json, Error> {
    let build = ["run", "--release", "-p", "nncert-milp", "--example", name];
    let mut command = if solver {
        with_highs(&[&build[..], &["--features", "highs"]].concat())?
    } else {
        cargo(&build)
    };
    let data = std::path::absolute(data).map_err(failed)?;
    command.args(["--", "--data"]).arg(data).args(arguments);
    let output = command.stderr(Stdio::inherit()).output().map_err(failed)?;
    if !output.status.success() {
        return Err(failed(output.status));
    }
    let text = String::from_utf8(output.stdout).map_err(failed)?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| failed(format!("the example's figures: {error}")))
}
