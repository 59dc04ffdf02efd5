//! `cargo xtask highs`: what HiGHS needs to be built, and the tests that need HiGHS.
//!
//! HiGHS is C++: its build needs cmake, a C++ compiler, and libclang for the bindings. What a
//! machine lacks is installed from PyPI into the target directory, without root.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{cargo, root, succeed};
use crate::verb::{Error, Verb, failed, no_arguments};

pub(crate) const VERB: Verb = Verb {
    name: "highs",
    about: "finds or installs what HiGHS needs, and runs the tests of milp that need HiGHS",
    options: &[],
    run,
};

/// The packages of PyPI, with versions that were tried together.
const PACKAGES: [&str; 2] = ["cmake==4.4.*", "libclang==18.1.1"];

fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    no_arguments(arguments)?;
    let arguments =
        ["test", "--release", "-p", "nncert-milp", "--features", "highs,proptest,serde"];
    succeed(&mut with_highs(&arguments)?)?;
    let lints = ["clippy", "--release", "-p", "nncert-milp", "--all-targets", "--all-features"];
    succeed(with_highs(&lints)?.args(["--", "-D", "warnings"]))
}

/// A cargo command in whose environment HiGHS can be built.
pub(crate) fn with_highs(arguments: &[&str]) -> Result<Command, Error> {
    let mut command = cargo(arguments);
    let (cmake, clang) = (has_cmake(), has_libclang());
    if cmake && clang {
        return Ok(command);
    }
    let folder = target().join("highs-tools");
    let (program, library) = (program(&folder), folder.join("clang/native"));
    if !program.is_file() || !library.is_dir() {
        eprintln!("installing {} into {}", PACKAGES.join(" and "), folder.display());
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        pip.arg(&folder).args(PACKAGES);
        succeed(&mut pip).map_err(|error| {
            failed(format!("pip could not install what HiGHS needs to be built ({error})"))
        })?;
    }
    if !cmake {
        command.env("CMAKE", program);
    }
    if !clang {
        command.env("LIBCLANG_PATH", library);
        // The wheel has no headers of its own, such as stddef.h: those of the compiler.
        if let Some(include) = compiler_headers() {
            command.env("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{include}"));
        }
    }
    Ok(command)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn program(folder: &Path) -> PathBuf {
    folder.join("cmake/data/bin").join(format!("cmake{}", std::env::consts::EXE_SUFFIX))
}

fn has_cmake() -> bool {
    let program = std::env::var_os("CMAKE").unwrap_or_else(|| OsString::from("cmake"));
    output(Command::new(program).arg("--version")).is_some()
}

/// Whether bindgen will find libclang: it is told where, or it is beside llvm.
fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let Some(folder) = output(Command::new("llvm-config").arg("--libdir")) else { return false };
    let Ok(entries) = Path::new(folder.trim()).read_dir() else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libclang.so") || name.starts_with("libclang.dylib")
    })
}

fn compiler_headers() -> Option<String> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| OsString::from("cc"));
    let folder = output(Command::new(compiler).arg("-print-file-name=include"))?;
    Some(folder.trim().to_owned())
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
