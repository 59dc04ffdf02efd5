//! The published networks of QVIP, where `NNCERT_DATA` says they are.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use nalgebra::DMatrix;
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::FixedPointEvaluator;
use nncert_core::io::fixed_point;

/// The folder of the data, or a line that says why nothing is tested.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("NNCERT_DATA").map(PathBuf::from);
    if folder.is_none() {
        // Past the capture of a passing test's output.
        let reason = "skipped: NNCERT_DATA does not name a folder with the networks of QVIP";
        let _ = writeln!(std::io::stderr(), "{reason}");
    }
    folder
}

/// What follows the header of an idx file: one byte a number.
fn idx(path: &Path, header: usize) -> Vec<u8> {
    let output = Command::new("gzip").arg("-dc").arg(path).output().expect("gzip runs");
    assert!(output.status.success(), "{path:?}");
    output.stdout[header..].to_vec()
}

/// The 10,000 test images, one a column, and their labels.
fn test_set(data: &Path, dataset: &str) -> (DMatrix<i64>, Vec<usize>) {
    let prefix = if dataset == "mnist" { "mnist" } else { "fashion" };
    let path = |kind| data.join(format!("mnist/{prefix}-t10k-{kind}-ubyte.gz"));
    let pixels = idx(&path("images-idx3"), 16).into_iter().map(i64::from);
    let labels: Vec<_> = idx(&path("labels-idx1"), 8).into_iter().map(usize::from).collect();
    (DMatrix::from_iterator(784, labels.len(), pixels), labels)
}

#[derive(Debug)]
struct Published {
    name: String,
    network: FixedPointNetwork,
    dataset: String,
    accuracy: f64,
}

fn published(data: &Path) -> Vec<Published> {
    let entries = std::fs::read_dir(data.join("qnn")).unwrap();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read(path.with_extension("json")).unwrap();
        let stated: serde_json::Value = serde_json::from_slice(&text).unwrap();
        Published {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            network: fixed_point::read(path).unwrap(),
            dataset: stated["dataset"].as_str().unwrap().to_owned(),
            accuracy: stated["test_accuracy"].as_f64().unwrap(),
        }
    };
    paths.iter().map(read).collect()
}

/// To the last digit: as many of 10,000 images as are stated.
#[test]
fn stated_accuracies_are_reproduced() {
    let Some(data) = data() else { return };
    let networks = published(&data);
    assert!(networks.len() >= 9);
    for dataset in ["mnist", "fashion-mnist"] {
        let (images, labels) = test_set(&data, dataset);
        assert_eq!(labels.len(), 10_000);
        for Published { name, network, accuracy, .. } in
            networks.iter().filter(|published| published.dataset == dataset)
        {
            let classes = FixedPointEvaluator::new(network).classify(&images).unwrap();
            let right = classes.iter().zip(&labels).filter(|(class, label)| class == label).count();
            assert_eq!(right, (accuracy * 1e4).round() as usize, "{name}");
            assert_eq!(right as f64 / 1e4, *accuracy, "{name}");
            // The batch is what the reference says, one by one.
            for column in (0..10_000).step_by(500) {
                let image = images.column(column);
                assert_eq!(classes[column], network.classify(image.as_slice()).unwrap());
            }
        }
    }
}

#[test]
fn networks_round_trip_and_have_the_shapes_of_the_paper() {
    let Some(data) = data() else { return };
    for Published { name, network, .. } in published(&data) {
        let files = fixed_point::serialize(&network).unwrap();
        let read = fixed_point::parse(&files.tensors, files.description.as_bytes()).unwrap();
        assert_eq!(read, network, "{name}");
        let widths = match &name[..2] {
            "P2" => "784-100-10",
            "P3" => "784-64-32-10",
            // With outputs of classes that no image has.
            _ if name.ends_with("-6") => "784-64-32",
            _ => "784-64-10",
        };
        assert_eq!(network.to_string(), widths, "{name}");
        assert!((0..network.layers().len()).all(|layer| network.accumulator_bits(layer) <= 32));
    }
}
