//! Manifests of the crates: described, under the lints of the workspace, and
//! depending downward only.
//!
//! Read line by line, not as TOML: one key a line is how they are written, and a
//! manifest that is not written so is a finding too.

use std::collections::BTreeSet;
use std::path::Path;

use crate::verb::{Error, failed};

/// Each crate of ours, and those that it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("nncert-core", &[]),
    ("nncert-prob", &[]),
    ("nncert-bounds", &["nncert-core"]),
    ("nncert-similarity", &["nncert-core", "nncert-prob", "nncert-bounds"]),
    // Similarity behind a feature.
    ("nncert-milp", &["nncert-core", "nncert-prob", "nncert-bounds", "nncert-similarity"]),
    ("nncert-smoothing", &["nncert-core", "nncert-prob", "nncert-bounds"]),
    (
        "nncert",
        &[
            "nncert-core",
            "nncert-prob",
            "nncert-bounds",
            "nncert-similarity",
            "nncert-smoothing",
            "nncert-milp",
        ],
    ),
];

/// A line `key = value`, and the table that it stands in.
struct Line<'a> {
    table: &'a str,
    key: &'a str,
    value: &'a str,
}

/// A dependency as it is written: its name, and what is said of it.
struct Dependency<'a> {
    name: &'a str,
    told: &'a str,
}

/// Everything that is untidy in the manifests of `crates/*`.
pub(super) fn check(root: &Path) -> Result<Vec<String>, Error> {
    let fail = |error: std::io::Error| failed(format!("crates: {error}"));
    let mut folders = BTreeSet::new();
    for entry in root.join("crates").read_dir().map_err(fail)? {
        folders.insert(entry.map_err(fail)?.file_name().to_string_lossy().into_owned());
    }
    let mut findings = Vec::new();
    for folder in folders {
        let path = format!("crates/{folder}/Cargo.toml");
        match std::fs::read_to_string(root.join(&path)) {
            Ok(text) => {
                findings
                    .extend(check_text(&text).into_iter().map(|what| format!("{path}: {what}")));
            }
            Err(error) => findings.push(format!("{path}: {error}")),
        }
    }
    Ok(findings)
}

fn check_text(text: &str) -> Vec<String> {
    let lines = lines(text);
    let name = value(&lines, "package", "name").unwrap_or_default();
    let mut findings = Vec::new();
    if !value(&lines, "package", "description").is_some_and(describes) {
        findings.push("the description says nothing".to_owned());
    }
    let inherits = |line: &Line<'_>| (line.table, line.key) == ("lints", "workspace");
    if !lines.iter().any(|line| inherits(line) && line.value == "true") {
        findings.push("`[lints] workspace = true` is missing".to_owned());
    }
    for dependency in dependencies(&lines) {
        findings.extend(wrong_source(name, &dependency));
        findings.extend(wrong_direction(name, dependency.name));
    }
    findings
}

/// A sentence, not a word that holds its place.
fn describes(description: &str) -> bool {
    description.split_whitespace().count() >= 3
}

fn wrong_source(name: &str, dependency: &Dependency<'_>) -> Option<String> {
    // With a version, a crate's tests could not turn on its own features and be published.
    let own_features = dependency.name == name && dependency.told.contains("path = \".\"");
    let of_workspace = dependency.told.contains("workspace = true");
    let dependency = dependency.name;
    (!own_features && !of_workspace)
        .then(|| format!("{dependency} is no dependency of the workspace"))
}

fn wrong_direction(name: &str, dependency: &str) -> Option<String> {
    let below = |name| LAYERS.iter().find(|(layer, _)| *layer == name).map(|(_, below)| *below);
    below(dependency)?;
    match below(name) {
        _ if name == dependency => None,
        Some(below) if below.contains(&dependency) => None,
        Some(_) => Some(format!("{dependency} is not below {name}")),
        None => Some(format!("{name} has no place among the layers of tidy")),
    }
}

fn value<'a>(lines: &[Line<'a>], table: &str, key: &str) -> Option<&'a str> {
    let line = lines.iter().find(|line| (line.table, line.key) == (table, key))?;
    Some(line.value.trim_matches('"'))
}

/// `name = { workspace = true }`, `name.workspace = true` or a table of its own.
fn dependencies<'a>(lines: &[Line<'a>]) -> Vec<Dependency<'a>> {
    let mut found: Vec<Dependency<'a>> = Vec::new();
    for line in lines {
        let Some((_, own)) = line.table.rsplit_once("dependencies") else { continue };
        if let Some(name) = own.strip_prefix('.') {
            if line.key == "workspace" && line.value == "true" {
                found.push(Dependency { name, told: "workspace = true" });
            }
        } else if let Some((name, "workspace")) = line.key.split_once('.') {
            let told = if line.value == "true" { "workspace = true" } else { line.value };
            found.push(Dependency { name, told });
        } else {
            found.push(Dependency { name: line.key, told: line.value });
        }
    }
    found
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut table = "";
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix('[') {
            table = rest.trim_matches(['[', ']']);
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with(['#', '"'])
        {
            lines.push(Line { table, key: key.trim(), value: value.trim() });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIDY: &str = r#"
[package]
name = "nncert-bounds"
description = "Bounds of neural networks"

[dependencies]
nncert-core = { workspace = true }
thiserror.workspace = true

[dev-dependencies]
nncert-bounds = { path = ".", features = ["serde"] }

[lints]
workspace = true
"#;

    fn changed(from: &str, to: &str) -> Vec<String> {
        assert!(TIDY.contains(from));
        check_text(&TIDY.replace(from, to))
    }

    #[test]
    fn each_rule_finds_what_it_is_for() {
        assert!(check_text(TIDY).is_empty());
        assert_eq!(changed("Bounds of neural networks", "Later"), ["the description says nothing"]);
        assert_eq!(
            changed("[lints]\nworkspace = true", ""),
            ["`[lints] workspace = true` is missing"]
        );
        assert_eq!(
            changed("thiserror.workspace = true", "thiserror = \"2\""),
            ["thiserror is no dependency of the workspace"]
        );
        assert_eq!(
            changed("thiserror.workspace = true", "nncert-prob.workspace = true"),
            ["nncert-prob is not below nncert-bounds"]
        );
        let table = "[dependencies.nncert]\nworkspace = true\n[dev-dependencies]";
        assert_eq!(changed("[dev-dependencies]", table), ["nncert is not below nncert-bounds"]);
        let unknown = changed("name = \"nncert-bounds\"", "name = \"nncert-new\"");
        assert!(unknown.contains(&"nncert-new has no place among the layers of tidy".to_owned()));
    }
}
