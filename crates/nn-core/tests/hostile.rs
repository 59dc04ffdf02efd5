//! Every malformed file of `fixtures/hostile` is refused, and the error says where.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nncert_core::io::{ReadCause, read_network};

/// Files whose error names the place in other words than `cases.json`, with our words.
const OTHER_WORDS: &[(&str, &str)] = &[
    // The end of the file, as the line at which it comes and what is missing there.
    ("empty.nnet", "line 1: the file ends where header should be"),
    // The file, as all the bytes that it has.
    ("empty.safetensors", "0 bytes are too few for the length of a header"),
    ("length_only.safetensors", "5 bytes are too few for the length of a header"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile")
}

/// The file, and what its error names.
fn cases() -> Vec<(String, String)> {
    let text = std::fs::read(folder().join("cases.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
    let text = |case: &serde_json::Value, key| case[key].as_str().unwrap().to_owned();
    cases.iter().map(|case| (text(case, "file"), text(case, "names"))).collect()
}

/// A place as our errors spell it: `tensor 0.bias` is `tensor "0.bias"`.
fn spelled(names: &str) -> String {
    match names.strip_prefix("tensor ") {
        Some(tensor) => format!("tensor {tensor:?}"),
        None => names.to_owned(),
    }
}

#[test]
fn malformed_files_are_refused_by_place() {
    let cases = cases();
    let mut wrong = Vec::new();
    for (file, names) in &cases {
        let error = match read_network(folder().join(file)) {
            Ok(network) => {
                wrong.push(format!("{file}: read as {network}"));
                continue;
            }
            Err(error) => error,
        };
        // Not the file system and not the extension: the contents.
        assert!(matches!(error.cause, ReadCause::Nnet(_) | ReadCause::Safetensors(_)), "{error}");
        let expected = match OTHER_WORDS.iter().find(|(other, _)| other == file) {
            Some((_, words)) => (*words).to_owned(),
            None => spelled(names),
        };
        let message = error.cause.to_string();
        if !message.contains(&expected) {
            wrong.push(format!("{file}: {message:?} does not say {expected:?}"));
        }
        assert!(error.to_string().contains(file), "{error}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_has_a_case() {
    let listed: BTreeSet<String> = cases().into_iter().map(|(file, _)| file).collect();
    let present = std::fs::read_dir(folder()).unwrap();
    let networks = present
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file.ends_with(".nnet") || file.ends_with(".safetensors"))
        .filter(|file| !file.starts_with("sound."));
    assert_eq!(networks.collect::<BTreeSet<_>>(), listed);
}

/// The files differ from the malformed ones in one thing each, so these must load.
#[test]
fn the_sound_files_are_one_network() {
    let [text, tensors] =
        ["nnet", "safetensors"].map(|kind| read_network(folder().join(format!("sound.{kind}"))));
    let network = text.unwrap();
    assert_eq!(network, tensors.unwrap());
    assert_eq!(network.to_string(), "2-3-2");
}
