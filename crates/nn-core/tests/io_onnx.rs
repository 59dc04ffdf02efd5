//! ONNX models are read as what ONNX Runtime computes, or refused by name.
#![cfg(feature = "onnx")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use nalgebra::DMatrix;
use nncert_core::io::onnx::{self, OnnxError, SUPPORTED};
use nncert_core::io::read_network;
use nncert_core::{Evaluator, Network, exact};
use proptest::prelude::*;
use safetensors::SafeTensors;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/onnx")
}

/// The names of the models, and whether each is to be refused.
fn models() -> Vec<(String, bool)> {
    let paths = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let onnx = paths.filter(|path| path.extension().is_some_and(|found| found == "onnx"));
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut models: Vec<_> =
        onnx.map(name).map(|name| (name.clone(), name.starts_with("refused_"))).collect();
    models.sort();
    models
}

fn model(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.onnx"))).unwrap()
}

fn columns(tensors: &SafeTensors<'_>, name: &str) -> DMatrix<f32> {
    let view = tensors.tensor(name).unwrap();
    let numbers = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let [count, length] = view.shape() else { panic!("{name} has rank {}", view.shape().len()) };
    DMatrix::from_iterator(*length, *count, numbers)
}

/// The largest difference from the recorded outputs, relative to 1 + |output|, in `f64`
/// and in `f32`.
fn differences(network: &Network, recorded: &Path) -> (f64, f64) {
    let bytes = std::fs::read(recorded).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (inputs, expected) = (columns(&tensors, "inputs"), columns(&tensors, "outputs"));
    let worst = |found: &DMatrix<f64>| {
        assert_eq!(found.shape(), expected.shape());
        let pairs = found.iter().zip(expected.iter().map(|value| f64::from(*value)));
        pairs.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max)
    };
    let mut double = Evaluator::<f64>::new(network).unwrap();
    let mut single = Evaluator::<f32>::new(network).unwrap();
    let wide = double.evaluate(&inputs.map(f64::from)).unwrap();
    let narrow = single.evaluate(&inputs).unwrap().map(f64::from);
    (worst(wide), worst(&narrow))
}

#[test]
fn every_model_computes_what_onnx_runtime_does() {
    let mut worst = (0.0f64, 0.0f64);
    for (name, _) in models().iter().filter(|(_, refused)| !refused) {
        let network = onnx::parse(&model(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read_network(folder().join(format!("{name}.onnx"))).unwrap(), network);
        let (wide, narrow) = differences(&network, &folder().join(format!("{name}.safetensors")));
        // ONNX Runtime's own rounding: against a reference in f64 it is off by as much.
        let limit = if name == "batch_norm" { 1e-5 } else { 1e-6 };
        assert!(wide < limit && narrow < limit, "{name}: {wide:e} in f64, {narrow:e} in f32");
        worst = (worst.0.max(wide), worst.1.max(narrow));
    }
    let _ = writeln!(std::io::stderr(), "largest difference: {worst:?}");
}

#[test]
fn every_operator_has_a_model() {
    let bytes: Vec<u8> = models().iter().flat_map(|(name, _)| model(name)).collect();
    let held = |operator: &str| {
        let tagged = [&[0x22, u8::try_from(operator.len()).unwrap()], operator.as_bytes()].concat();
        bytes.windows(tagged.len()).any(|window| window == tagged)
    };
    let missing: BTreeSet<_> = SUPPORTED.iter().filter(|operator| !held(operator)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn graphs_become_the_layers_that_they_are() {
    let kinds = |name: &str| {
        let network = onnx::parse(&model(name)).unwrap();
        let kinds = network.layers().iter().map(|layer| layer.kind().to_string());
        kinds.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(kinds("matmul_add"), "affine");
    assert_eq!(kinds("nothing"), "affine");
    assert_eq!(kinds("batch_norm"), "convolution, ReLU, scale, flatten, affine");
    assert_eq!(kinds("normalised"), "scale, scale, convolution");
    assert_eq!(kinds("slice_pad_old"), "selection");
    assert_eq!(kinds("option_a"), "residual block, ReLU, global average pooling, flatten, affine");
    assert_eq!(kinds("residual"), "residual block, ReLU, residual block");
}

/// The evaluation is checked against a third party, and this one against the evaluation.
#[test]
fn exact_evaluation_agrees() {
    for name in ["digits_resnet", "option_a", "average_pool", "max_pool", "conv_auto_pad"] {
        let network = onnx::parse(&model(name)).unwrap();
        let x: Vec<f64> = (0..network.inputs()).map(|i| (i % 7) as f64 / 4.0 - 0.5).collect();
        let y = network.evaluate(&x).unwrap();
        for (value, exact) in y.iter().zip(exact::evaluate(&network, &x).unwrap()) {
            let near = nncert_core::Interval::new(value - 1e-12, value + 1e-12);
            assert!(exact.is_within(near), "{name}");
        }
    }
}

#[test]
fn what_is_not_read_is_named() {
    let message = |name: &str| onnx::parse(&model(name)).unwrap_err().to_string();
    let softmax = message("refused_softmax");
    assert!(softmax.starts_with(r#"node "Softmax_0": operator Softmax is not supported"#));
    assert!(softmax.contains("Add, AveragePool, BatchNormalization"), "{softmax}");
    assert_eq!(
        message("refused_shared"),
        "node \"Relu_1\" (Relu): it is part of two branches: the graph is not one of sequences \
         and residual blocks"
    );
    assert_eq!(message("refused_product"), r#"node "Mul_1" (Mul): input "v0" is not a constant"#);
    assert!(matches!(onnx::parse(b""), Err(OnnxError::Opset { found: 0 })));
    assert!(matches!(onnx::parse(b"nonsense"), Err(OnnxError::Wire(_))));
}

/// Byte by byte: cut, flipped, and replaced by the ends of a number's range.
#[test]
fn damaged_models_are_refused_or_read() {
    for name in ["option_a", "slice_pad_old", "batch_norm", "nothing", "conv_auto_pad"] {
        let whole = model(name);
        for place in 0..whole.len() {
            let _ = onnx::parse(&whole[..place]);
            for value in [0, 0x7f, 0x80, 0xff, whole[place] ^ 1, whole[place].wrapping_add(1)] {
                let mut bytes = whole.clone();
                bytes[place] = value;
                let _ = onnx::parse(&bytes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = onnx::parse(&bytes);
    }

    #[test]
    fn no_damage_panics(
        which in 0usize..100,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let models = models();
        let mut bytes = model(&models[which % models.len()].0);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(network) = onnx::parse(&bytes) && network.inputs() < 1000 {
            let _ = network.evaluate(&vec![0.5; network.inputs()]);
        }
    }
}

/// The published models, where `NNCERT_DATA` says they are; outputs recorded by ONNX Runtime.
#[test]
fn published_models_compute_what_onnx_runtime_does() {
    let Some(data) = std::env::var_os("NNCERT_DATA").map(PathBuf::from) else { return };
    let recorded = [
        ("cifar/resnet20_clean", "3x32x32"),
        ("cifar/resnet20_sigma025", "3x32x32"),
        ("cifar/resnet20_sigma025_bn", "3x32x32"),
        ("mnist/cnn", "1x28x28"),
        ("mnist/mlp_2x100", "784"),
    ];
    for (name, input) in recorded {
        let network = read_network(data.join(format!("{name}.onnx"))).unwrap();
        assert_eq!(network.shapes()[0].to_string(), input);
        let file = name.rsplit('/').next().unwrap();
        let (wide, narrow) =
            differences(&network, &folder().join(format!("published/{file}.safetensors")));
        let _ = writeln!(std::io::stderr(), "{name}: {wide:e} in f64, {narrow:e} in f32");
        assert!(wide < 2e-5 && narrow < 2e-5, "{name}: {wide:e} in f64, {narrow:e} in f32");
    }
}
