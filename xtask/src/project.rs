//! Where the project lies, and the cargo that builds it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::verb::{Error, failed};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map(Path::to_owned).unwrap_or(package)
}

/// The cargo that runs this command, else the one on the path; started in the root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The files below `root/folder`, in order: paths from the root, with forward slashes.
pub(crate) fn files_below(root: &Path, folder: &str) -> Result<Vec<String>, Error> {
    let fail = |error: std::io::Error| failed(format!("{folder}: {error}"));
    let mut files = Vec::new();
    for entry in root.join(folder).read_dir().map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(fail)?.is_dir() {
            files.extend(files_below(root, &path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs a command to its end; its output goes where ours goes.
pub(crate) fn succeed(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_owned();
    let status =
        command.status().map_err(|error| failed(format!("{}: {error}", program.display())))?;
    if status.success() { Ok(()) } else { Err(failed(status)) }
}

/// A duration as people say it.
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 59.95 {
            write!(f, "{seconds:.1} s")
        } else {
            let whole = seconds.round() as u64;
            write!(f, "{} min {} s", whole / 60, whole % 60)
        }
    }
}

/// A positive number; `1_000` and `1,000` are how people write it.
pub(crate) fn count(option: &str, text: &str) -> Result<u64, Error> {
    match text.replace(['_', ','], "").parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::Usage(format!("{option} {text:?} is not a positive whole number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_say_them() {
        let said = |seconds| Took(Duration::from_secs_f64(seconds)).to_string();
        assert_eq!(said(0.04), "0.0 s");
        assert_eq!(said(59.9), "59.9 s");
        assert_eq!(said(59.99), "1 min 0 s");
        assert_eq!(said(125.4), "2 min 5 s");
    }

    #[test]
    fn counts() {
        assert_eq!(count("--points", "1_000").unwrap(), 1000);
        assert_eq!(count("--points", "1,000,000").unwrap(), 1_000_000);
        for wrong in ["0", "", "-1", "1e6", "many"] {
            assert!(matches!(count("--points", wrong), Err(Error::Usage(_))), "{wrong}");
        }
    }
}
