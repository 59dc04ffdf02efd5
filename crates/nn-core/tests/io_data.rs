//! Files of published networks, where `NNCERT_DATA` says they are.

use std::io::Write;
use std::path::{Path, PathBuf};

use nncert_core::io::{Precision, nnet, read_dataset, read_network, safetensors};

/// The folder of the data, or a line that says why nothing is tested.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("NNCERT_DATA").map(PathBuf::from);
    if folder.is_none() {
        // Past the capture of a passing test's output.
        let reason = "skipped: NNCERT_DATA does not name a folder with the published networks";
        let _ = writeln!(std::io::stderr(), "{reason}");
    }
    folder
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no .{extension} in {folder:?}");
    paths
}

#[test]
fn every_nnet_reads_and_round_trips() {
    let Some(data) = data() else { return };
    for folder in ["acasxu/orig", "acasxu/fp16", "mnist"] {
        for path in files(&data.join(folder), "nnet") {
            let file = nnet::read(&path).unwrap();
            let expected =
                if folder == "mnist" { "784-100-100-10-10" } else { "5-50-50-50-50-50-50-5" };
            assert_eq!(file.network.to_string(), expected, "{path:?}");
            assert_eq!(nnet::parse(nnet::write(&file).unwrap()).unwrap(), file, "{path:?}");
            assert_eq!(read_network(&path).unwrap(), file.network);
        }
    }
}

/// The numbers of the file, and an input of NeuroDiff's at the network.
#[test]
fn acas_xu_header_is_kept() {
    let Some(data) = data() else { return };
    let path = data.join("acasxu/orig/ACASXU_run2a_1_1_batch_2000.nnet");
    let file = nnet::read(path).unwrap();
    assert!(file.comments.iter().any(|comment| comment.contains("Kyle Julian")));
    assert_eq!((file.max_layer_size, file.flag), (50, 0));
    let normalization = &file.normalization;
    assert_eq!(normalization.mins[3..], [100.0, 0.0]);
    assert_eq!(normalization.maxes[3..], [1200.0, 1200.0]);
    assert_eq!(
        (normalization.output_mean, normalization.output_range),
        (7.5188840201005975, 373.94992)
    );
    let unused: Vec<_> = file.unused_inputs.iter().map(|input| (input.min, input.max)).collect();
    assert_eq!(unused, [(0.0, 100.0), (-3.0, 3.0)]);
    let input = normalization.normalize(&[19791.091, 0.0, 0.0, 650.0, 600.0]).unwrap();
    assert_eq!(input, [0.0; 5]);
}

#[test]
fn every_safetensors_network_reads_and_round_trips() {
    let Some(data) = data() else { return };
    let single = [
        ("mnist/mlp_3x1024.safetensors", "784-1024-1024-1024-10"),
        ("mnist/mlp_4x1024.safetensors", "784-1024-1024-1024-1024-10"),
        ("cifar/mlp_5x2048.safetensors", "3072-2048-2048-2048-2048-2048-10"),
        ("quadapter/mnist_3blk_100_100_100.safetensors", "784-100-100-100-10"),
    ];
    for (name, expected) in single {
        assert_eq!(read_network(data.join(name)).unwrap().to_string(), expected);
    }
    for path in files(&data.join("quadapter"), "safetensors") {
        let network = safetensors::read(&path).unwrap();
        let layers = network.layers().len();
        assert_eq!(layers, 2 * network.affine_layers().count() - 1, "a ReLU between any two");
        let bytes = safetensors::serialize(&network, Precision::F64).unwrap();
        assert_eq!(safetensors::parse(&bytes).unwrap(), network, "{path:?}");
    }
    let half = safetensors::read(data.join("cifar/mlp_5x2048.safetensors")).unwrap();
    let bytes = safetensors::serialize(&half, Precision::F16).unwrap();
    assert_eq!(safetensors::parse(&bytes).unwrap(), half);
}

/// Integer weights mean nothing without their scales.
#[test]
fn fixed_point_networks_are_refused() {
    let Some(data) = data() else { return };
    for path in files(&data.join("qnn"), "safetensors") {
        let message = read_network(&path).unwrap_err().cause.to_string();
        assert_eq!(message, r#"tensor "0.weight": the type is I16, not F64, F32, F16 or BF16"#);
    }
}

#[test]
fn images_read_and_are_classified() {
    let Some(data) = data() else { return };
    let dataset = read_dataset(data.join("cifar/images.safetensors")).unwrap();
    assert_eq!((dataset.len(), dataset.shape.to_string().as_str()), (500, "3x32x32"));
    assert!(dataset.images.iter().all(|value| (0.0..=1.0).contains(value)));
    assert!(dataset.labels.iter().enumerate().all(|(index, label)| *label == index % 10));

    let network = read_network(data.join("cifar/mlp_5x2048.safetensors")).unwrap();
    let sample = dataset.iter().take(40);
    let right = sample
        .filter(|(image, label)| network.evaluate(image).unwrap().argmax().0 == *label)
        .count();
    assert!(right >= 16, "{right} of 40, where about 24 are expected");
}
