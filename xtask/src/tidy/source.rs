//! Source files: what they begin with, how long they are, what they may not say.

use std::path::Path;

use crate::project::files_below;
use crate::verb::{Error, failed};

/// Past this many lines, a file holds a second idea.
const MAX_LINES: usize = 700;

/// Marks of unfinished work; split, so that this file does not hold them.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!")];

/// Everything that is untidy in the `.rs` files of the workspace.
pub(super) fn check(root: &Path) -> Result<Vec<String>, Error> {
    let mut findings = Vec::new();
    let mut paths = files_below(root, "crates")?;
    paths.extend(files_below(root, "xtask")?);
    for path in paths.iter().filter(|path| path.ends_with(".rs")) {
        let text = std::fs::read_to_string(root.join(path))
            .map_err(|error| failed(format!("{path}: {error}")))?;
        findings.extend(check_file(path, &text));
    }
    Ok(findings)
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let in_src = path.contains("/src/");
    if in_src && !text.starts_with("//!") {
        findings.push(format!("{path}:1: does not begin with a `//!` line that says what it is"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{path}: {lines} lines; {MAX_LINES} are the most"));
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(mark) = UNFINISHED.iter().find(|mark| line.contains(**mark)) {
            findings.push(format!("{path}:{}: `{mark}`", index + 1));
        }
    }
    if in_src && path.starts_with("crates/") && !is_for_tests(path) {
        let unwraps = unwraps(text).into_iter();
        findings.extend(unwraps.map(|line| format!("{path}:{line}: `unwrap()` outside of tests")));
    }
    findings
}

/// Modules that are compiled for tests alone, and strategies that only tests draw from.
fn is_for_tests(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "tests.rs" | "strategies" | "strategies.rs"))
}

/// The lines, counted from 1, that unwrap outside of comments and test items.
///
/// An item under `#[cfg(test)]` ends where `rustfmt` ends it: at a line that
/// closes a brace in the column of the attribute, or at a semicolon before that.
fn unwraps(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let code = line.trim_start();
        if code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test") {
            let column = line.len() - code.len();
            lines.by_ref().map(|(_, line)| line).find(|line| ends_item(line, column));
        } else if !code.starts_with("//") && code.contains(".unwrap()") {
            found.push(index + 1);
        }
    }
    found
}

fn ends_item(line: &str, column: usize) -> bool {
    let code = line.trim_start();
    line.len() - code.len() == column
        && !code.starts_with("#[")
        && (code.starts_with('}') || code.ends_with(';') || code.ends_with('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_of_tests_and_comments_are_allowed() {
        let text = "\
//! `x.unwrap()`
fn f() { x.unwrap() }
    // x.unwrap()
#[cfg(test)]
use a::b;
#[cfg(test)]
#[allow(dead_code)]
mod tests {
    fn g() {
        x.unwrap();
    }
}
fn h() {
    x
        .unwrap()
}
";
        assert_eq!(unwraps(text), [2, 15]);
    }

    #[test]
    fn each_rule_finds_what_it_is_for() {
        let long = "//! Long.\n".to_owned() + &"\n".repeat(MAX_LINES);
        assert_eq!(check_file("xtask/src/a.rs", &long).len(), 1);
        let mark = format!("//! A.\n// {} later\n", UNFINISHED[1]);
        assert_eq!(
            check_file("crates/a/tests/b.rs", &mark),
            [format!("crates/a/tests/b.rs:2: `{}`", UNFINISHED[1])]
        );
        let bare = "fn f() { x.unwrap() }\n";
        assert_eq!(check_file("crates/a/src/b.rs", bare).len(), 2);
        assert_eq!(check_file("crates/a/src/strategies/b.rs", bare).len(), 1);
        assert!(check_file("crates/a/tests/b.rs", bare).is_empty());
    }
}
