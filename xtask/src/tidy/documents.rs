//! The documents are there, and what `docs/conformance.md` names exists.

use std::path::Path;

const REQUIRED: [&str; 4] =
    ["README.md", "CHANGELOG.md", "docs/architecture.md", "docs/conformance.md"];

/// The document whose names of files and tests are followed.
const CONFORMANCE: &str = "docs/conformance.md";

/// Where the names that are followed begin.
const FOLDERS: [&str; 4] = ["crates/", "xtask/", "fixtures/", "docs/"];

/// A file that a document names, perhaps with an item in it: `path` or `path::a::b`.
#[derive(Debug, PartialEq)]
struct Name<'a> {
    path: &'a str,
    /// The last part, where there is one.
    item: Option<&'a str>,
}

/// Everything that is missing.
pub(super) fn check(root: &Path) -> Vec<String> {
    let missing = REQUIRED.iter().filter(|path| !root.join(path).is_file());
    let mut findings: Vec<_> = missing.map(|path| format!("{path}: missing")).collect();
    let text = std::fs::read_to_string(root.join(CONFORMANCE)).unwrap_or_default();
    for (index, line) in text.lines().enumerate() {
        for name in names(line) {
            if let Some(wrong) = wrong(root, &name) {
                findings.push(format!("{CONFORMANCE}:{}: {wrong}", index + 1));
            }
        }
    }
    findings
}

fn wrong(root: &Path, name: &Name<'_>) -> Option<String> {
    let path = root.join(name.path);
    if !path.exists() {
        return Some(format!("{} does not exist", name.path));
    }
    let item = name.item?;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    (!defines(&text, item)).then(|| format!("{} has no {item}", name.path))
}

/// Whether a source file has an item of this name.
fn defines(text: &str, item: &str) -> bool {
    let kinds = ["fn", "struct", "enum", "trait", "mod", "const", "type", "static"];
    let ends = |rest: &str| !rest.starts_with(|next: char| next == '_' || next.is_alphanumeric());
    kinds.iter().any(|kind| text.split(&format!("{kind} {item}")).skip(1).any(ends))
}

/// Every path in a line that begins with one of [`FOLDERS`].
fn names(line: &str) -> Vec<Name<'_>> {
    let in_name = |next: char| next.is_alphanumeric() || "_-./:".contains(next);
    line.split(|next| !in_name(next))
        .map(|word| word.trim_start_matches("../").trim_end_matches(['.', ':', '/']))
        .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
        .map(|word| match word.split_once("::") {
            Some((path, items)) => Name { path, item: items.rsplit("::").next() },
            // `file.rs:12` names a line of it.
            None => Name { path: word.split(':').next().unwrap_or(word), item: None },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_and_tests() {
        let line = "| thm 1 | [`relu`](../crates/a/src/relu.rs) | `crates/a/tests/b.rs::m::c_d` |";
        let path = "crates/a/src/relu.rs";
        let test = Name { path: "crates/a/tests/b.rs", item: Some("c_d") };
        assert_eq!(names(line), [Name { path, item: None }, test]);
        let line = "see crates/a/src/relu.rs:12, or https://example.org/crates/x.rs.";
        assert_eq!(names(line), [Name { path, item: None }]);
        assert!(names("nothing, i.e. a/crates").is_empty());
    }

    #[test]
    fn items_are_whole_words() {
        let text = "pub fn bounds_of() {}\nstruct Bound;\n";
        assert!(defines(text, "bounds_of") && defines(text, "Bound"));
        assert!(!defines(text, "bounds") && !defines(text, "of"));
    }
}
