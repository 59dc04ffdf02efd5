//! Files of networks in integers: round trips, every error, hostile bytes.

use std::collections::HashMap;
use std::path::PathBuf;

use nalgebra::dmatrix;
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::{
    FixedPointLayer, IntegerInterval, Multiplier, Requantization, Rounding,
};
use nncert_core::io::fixed_point::{FixedPointFileError, MAX_DESCRIPTION_BYTES};
use nncert_core::io::{ReadCause, fixed_point};
use nncert_core::strategies;
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// A tensor: its name, its shape, and integers as I16.
type Tensor<'a> = (&'a str, &'a [usize], &'a [i16]);

fn tensors(list: &[Tensor<'_>]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = list
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = list.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::I16, shape.to_vec(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// A network of widths 2, 2, 1.
const SOUND: &[Tensor<'_>] = &[
    ("0.weight", &[2, 2], &[9, -20, 24, 17]),
    ("0.bias", &[2], &[0, 3]),
    ("1.weight", &[1, 2], &[-12, 10]),
    ("1.bias", &[1], &[-1]),
];

const QVIP: &str = r#"{
 "format": "fixed-point feed-forward, integers",
 "layers": [2, 2, 1],
 "rounding": "half-up",
 "input": "+,6,4",
 "weight": "±,6,4",
 "bias": "±,6,4",
 "hidden_output": "+,6,4",
 "output": "±,6,4",
 "shift": [4, 4],
 "hidden_clamp": [0, 63],
 "output_clamp": [-32, 31],
 "dataset": "none",
 "test_accuracy": 0.5
}"#;

const NATIVE: &str = r#"{
 "format": "nncert fixed-point network 1",
 "input": "+,6,4",
 "layers": [
  {"weight": "±,6,4", "bias": "±,6,4", "output": "+,6,4", "rounding": "half-up", "clamp": [0, 63]},
  {"weight": "±,6,4", "bias": "±,6,4", "output": "±,6,4", "rounding": "half-up", "clamp": [-32, 31]}
 ]
}
"#;

const STEPS: &str = r#"{
 "format": "nncert fixed-point network 1",
 "input": [-128, 127],
 "layers": [
  {"requantization": [{"multiplier": [5, 7], "rounding": "half-even", "zero_point": -128, "clamp": [-128, 127]}, {"multiplier": [759250125, 35], "rounding": "half-even", "zero_point": -128, "clamp": [-128, 127]}]},
  {"requantization": [{"multiplier": [1, 0], "rounding": "floor", "zero_point": 0, "clamp": [-9, 9]}]}
 ]
}
"#;

fn parse(description: &str) -> Result<FixedPointNetwork, FixedPointFileError> {
    fixed_point::parse(&tensors(SOUND), description.as_bytes())
}

#[test]
fn both_descriptions_of_formats_are_one_network() {
    let network = parse(NATIVE).unwrap();
    assert_eq!(parse(QVIP).unwrap(), network);
    assert_eq!(network.to_string(), "2-2-1");
    assert_eq!(network.layers()[0].bias(), [0, 3 << 4]);
    // 90 - 40 + 0 = 50 -> 3; 240 + 34 + 48 = 322 -> 20; -36 + 200 - 16 = 148 -> 9.
    assert_eq!(network.evaluate(&[10, 2]).unwrap(), [9]);
    let files = fixed_point::serialize(&network).unwrap();
    assert_eq!(files.description, NATIVE);
}

#[test]
fn step_functions_are_read_and_written() {
    let network = parse(STEPS).unwrap();
    let step = |mantissa, shift, rounding, zero_point, lower, upper| Requantization {
        multiplier: Multiplier::from_parts(mantissa, shift).unwrap(),
        rounding,
        zero_point,
        clamp: IntegerInterval::new(lower, upper).unwrap(),
    };
    let even = |mantissa, shift| step(mantissa, shift, Rounding::HalfEven, -128, -128, 127);
    let first = FixedPointLayer::new(
        &dmatrix![9, -20; 24, 17],
        vec![0, 3],
        vec![even(5, 7), even(759_250_125, 35)],
    );
    let second = FixedPointLayer::new(
        &dmatrix![-12, 10],
        vec![-1],
        vec![step(1, 0, Rounding::Floor, 0, -9, 9)],
    );
    let range = IntegerInterval::new(-128, 127).unwrap();
    let expected = FixedPointNetwork::new(range, vec![first.unwrap(), second.unwrap()]).unwrap();
    assert_eq!(network, expected);
    assert_eq!(fixed_point::serialize(&network).unwrap().description, STEPS);
}

proptest! {
    #[test]
    fn what_is_written_is_read(network in strategies::fixed_point(1..=4, 1..=5, 1..=16)) {
        let files = fixed_point::serialize(&network)?;
        let read = fixed_point::parse(&files.tensors, files.description.as_bytes())?;
        prop_assert_eq!(fixed_point::serialize(&read)?, files);
        prop_assert_eq!(read, network);
    }

    /// Bytes that were changed anywhere are refused or read; they never panic.
    #[test]
    fn damaged_files_never_panic(
        place in any::<prop::sample::Index>(), byte in any::<u8>(), native in any::<bool>(),
        damage_description in any::<bool>(), cut in any::<bool>(),
    ) {
        let mut description = if native { STEPS } else { QVIP }.as_bytes().to_vec();
        let mut tensors = tensors(SOUND);
        let damaged = if damage_description { &mut description } else { &mut tensors };
        let place = place.index(damaged.len());
        damaged[place] = byte;
        if cut {
            damaged.truncate(place);
        }
        if let Ok(network) = fixed_point::parse(&tensors, &description) {
            let low = network.input().interval().lower();
            prop_assert!(network.evaluate(&vec![low; network.inputs()]).is_ok());
        }
    }
}

/// Every type of integer, and the smallest that holds the numbers is written.
#[test]
fn integers_of_every_type() {
    let bounds = [
        (Dtype::I8, i64::from(i8::MIN), i64::from(i8::MAX)),
        (Dtype::I16, i64::from(i16::MIN), i64::from(i16::MAX)),
        (Dtype::I32, i64::from(i32::MIN), i64::from(i32::MAX)),
        (Dtype::I64, -(1 << 61), 1 << 61),
    ];
    for (dtype, low, high) in bounds {
        let layer = FixedPointLayer::new(
            &dmatrix![low, high],
            vec![1],
            vec![Requantization {
                multiplier: Multiplier::ONE,
                rounding: Rounding::Floor,
                zero_point: 0,
                clamp: IntegerInterval::new(-5, 5).unwrap(),
            }],
        );
        let input = IntegerInterval::new(0, 1).unwrap();
        let network = FixedPointNetwork::new(input, vec![layer.unwrap()]).unwrap();
        let files = fixed_point::serialize(&network).unwrap();
        let read = safetensors::SafeTensors::deserialize(&files.tensors).unwrap();
        assert_eq!(read.tensor("0.weight").unwrap().dtype(), dtype);
        assert_eq!(read.tensor("0.bias").unwrap().dtype(), Dtype::I8);
        let text = files.description.as_bytes();
        assert_eq!(fixed_point::parse(&files.tensors, text).unwrap(), network);
    }
    // Unsigned ones are read; all bits set is the largest, not -1.
    for (dtype, bytes, value) in [
        (Dtype::U8, 1, i64::from(u8::MAX)),
        (Dtype::U16, 2, i64::from(u16::MAX)),
        (Dtype::U32, 4, i64::from(u32::MAX)),
    ] {
        let ones = vec![0xff; bytes];
        let view = |shape: &[usize]| TensorView::new(dtype, shape.to_vec(), &ones).unwrap();
        let file = [("0.weight", view(&[1, 1])), ("0.bias", view(&[1]))];
        let tensors = safetensors::serialize(file, None).unwrap();
        let text = r#"{"format": "nncert fixed-point network 1", "input": [0, 1], "layers": [
            {"requantization": [{"multiplier": [1, 0], "rounding": "floor", "zero_point": 0, "clamp": [0, 1]}]}]}"#;
        let network = fixed_point::parse(&tensors, text.as_bytes()).unwrap();
        assert_eq!(
            (network.layers()[0].weights(), network.layers()[0].bias()),
            (&[value][..], &[value][..])
        );
    }
}

/// A description with one text replaced, and what is said about it.
fn refused(description: &str, from: &str, to: &str) -> String {
    assert!(description.contains(from), "{from}");
    parse(&description.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn descriptions_say_what_is_wrong() {
    for key in [
        "format",
        "layers",
        "rounding",
        "input",
        "weight",
        "bias",
        "hidden_output",
        "output",
        "shift",
        "hidden_clamp",
        "output_clamp",
    ] {
        assert_eq!(
            refused(QVIP, &format!("\"{key}\""), &format!("\"{key}_\"")),
            if key == "format" {
                r#"description: "format" is missing"#.to_owned()
            } else {
                format!(r#"description: "{key}_" is not known"#)
            }
        );
        let mut fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(QVIP).unwrap();
        fields.remove(key);
        let text = serde_json::Value::from(fields).to_string();
        let message = parse(&text).unwrap_err().to_string();
        assert_eq!(message, format!(r#"description: "{key}" is missing"#));
    }
    for (description, from, to, expected) in [
        (QVIP, "[4, 4]", "[4, 5]", r#""shift": layer 1 has 5, but its formats imply 4"#),
        (QVIP, "[4, 4]", "[4]", r#""shift": expected 2 shifts, found 1"#),
        (QVIP, "[4, 4]", "[4, 0.5]", r#""shift[1]" is not an integer"#),
        (QVIP, "[4, 4]", "4", r#""shift" is not a list"#),
        (QVIP, "[2, 2, 1]", "[2, -2, 1]", r#""layers[1]" is not an integer in range"#),
        (QVIP, "half-up", "nearest", r#""rounding" is not half-up, floor, half-even or half-away"#),
        (QVIP, "\"half-up\"", "3", r#""rounding" is not a text"#),
        (QVIP, "[0, 63]", "[63, 0]", r#""hidden_clamp" is not two ends in order"#),
        (QVIP, "[0, 63]", "[0]", r#""hidden_clamp" is not a lower and an upper end"#),
        (QVIP, "+,6,4", "6,4", r#""input": a format is written +,Q,F or ±,Q,F"#),
        (QVIP, "+,6,4", "+,64,4", r#""input": 64 bits are outside 1 to 53"#),
        (
            QVIP,
            "\"bias\": \"±,6,4",
            "\"bias\": \"±,6,3",
            r#""bias" is not a format with the fraction of the outputs"#,
        ),
        (
            QVIP,
            "feed-forward",
            "recurrent",
            r#"the format "fixed-point recurrent, integers" is not known"#,
        ),
        (
            NATIVE,
            "network 1",
            "network 2",
            r#"the format "nncert fixed-point network 2" is not known"#,
        ),
        (NATIVE, "\"+,6,4\"", "{}", r#""input" is not a text"#),
        (NATIVE, "\"rounding\": \"half-up\", ", "", r#""layers[0].rounding" is missing"#),
        (NATIVE, ", \"clamp\": [-32, 31]", "", r#""layers[1].clamp" is missing"#),
        (
            NATIVE,
            "\"clamp\": [-32, 31]",
            "\"clamp\": [-32, 31], \"shift\": 4",
            r#""layers[1].shift" is not known"#,
        ),
        (
            NATIVE,
            "\"clamp\": [0, 63]",
            "\"clamp\": [0, 63], \"requantization\": []",
            r#""layers[0].bias" is not known"#,
        ),
        (
            STEPS,
            "[1, 0]",
            "[1, 0, 0]",
            r#""layers[1].requantization[0].multiplier" is not a mantissa and a shift"#,
        ),
        (
            STEPS,
            "[1, 0]",
            "[1, 200]",
            r#""layers[1].requantization[0].multiplier" is not a mantissa and a shift within the limits"#,
        ),
        (
            STEPS,
            "[1, 0]",
            "[-1, 0]",
            r#""layers[1].requantization[0].multiplier[0]" is not an integer in range"#,
        ),
        (
            STEPS,
            "\"zero_point\": 0, ",
            "",
            r#""layers[1].requantization[0].zero_point" is missing"#,
        ),
        (
            STEPS,
            "\"zero_point\": 0",
            "\"zero_point\": 18446744073709551615",
            r#""layers[1].requantization[0].zero_point" is not an integer"#,
        ),
        (
            STEPS,
            "\"zero_point\": 0",
            "\"zero_point\": null",
            r#""layers[1].requantization[0].zero_point" is not an integer"#,
        ),
    ] {
        assert_eq!(refused(description, from, to), format!("description: {expected}"), "{to}");
    }
    for text in ["[]", "3", "null", "\"x\"", "true", "0.5"] {
        assert_eq!(parse(text).unwrap_err().to_string(), r#"description: "" is not an object"#);
    }
}

#[test]
fn descriptions_that_are_not_json() {
    for (text, expected) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (r#"{"format": 1, "\u0066ormat": 2}"#, r#""format" is given twice at line 1 column 31"#),
        (
            r#"{"layers": [{"weight": 1, "weight": 2}]}"#,
            r#""weight" is given twice at line 1 column 38"#,
        ),
        ("{} {}", "trailing characters at line 1 column 4"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), format!("description: {expected}"));
    }
    let deep = "[".repeat(1 << 20);
    assert!(parse(&deep).unwrap_err().to_string().contains("recursion limit exceeded"));
    let not_utf8 = fixed_point::parse(&tensors(SOUND), b"{\"\xff\": 1}").unwrap_err().to_string();
    assert!(not_utf8.contains("invalid unicode"), "{not_utf8}");
    let long = " ".repeat(MAX_DESCRIPTION_BYTES + 1);
    assert_eq!(
        parse(&long).unwrap_err().to_string(),
        "a description of 4194305 bytes is longer than the limit of 4194304"
    );
}

#[test]
fn tensors_say_what_is_wrong() {
    let with = |index: usize, tensor: Tensor<'static>| {
        let mut list = SOUND.to_vec();
        list[index] = tensor;
        fixed_point::parse(&tensors(&list), QVIP.as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(with(3, ("1.biases", &[1], &[0])), r#"tensor "1.bias" is missing"#);
    assert_eq!(
        with(2, ("1.weight", &[2], &[0, 0])),
        r#"tensor "1.weight": expected rank 2, found shape [2]"#
    );
    assert_eq!(
        with(1, ("0.bias", &[2, 1], &[0, 0])),
        r#"tensor "0.bias": expected rank 1, found shape [2, 1]"#
    );
    assert_eq!(
        with(1, ("0.bias", &[3], &[0, 0, 0])),
        r#"tensor "0.bias": expected shape [2], found [3]"#
    );
    assert_eq!(
        with(2, ("1.weight", &[1, 3], &[0, 0, 0])),
        r#"tensor "1.weight": expected shape [1, 2], found [1, 3]"#
    );
    assert_eq!(
        with(2, ("1.weight", &[1, 0], &[])),
        r#"tensor "1.weight": an axis of [1, 0] is outside 1 to 16777216"#
    );
    assert_eq!(
        with(2, ("1.weight", &[usize::MAX >> 5, 0], &[])),
        format!(
            r#"tensor "1.weight": an axis of [{}, 0] is outside 1 to 16777216"#,
            usize::MAX >> 5
        )
    );
    assert_eq!(
        with(0, ("0.weight", &[2, 2], &[9, -20, 32, 17])),
        "layer 0: weight [1, 0] is 32, which is outside <±,6,4>"
    );
    assert_eq!(
        with(3, ("1.bias", &[1], &[-33])),
        "layer 1: bias 0 is -33, which is outside <±,6,4>"
    );
    let more = [SOUND, &[("2.weight", &[1, 1], &[0])]].concat();
    let message = fixed_point::parse(&tensors(&more), QVIP.as_bytes()).unwrap_err().to_string();
    assert_eq!(message, r#"tensor "2.weight": the description has no such tensor"#);

    let floats = [1.0f32.to_le_bytes(); 4].concat();
    let view = TensorView::new(Dtype::F32, vec![2, 2], &floats).unwrap();
    let bias = TensorView::new(Dtype::F32, vec![2], &floats[..8]).unwrap();
    let file = safetensors::serialize([("0.weight", view), ("0.bias", bias)], None).unwrap();
    assert_eq!(
        fixed_point::parse(&file, QVIP.as_bytes()).unwrap_err().to_string(),
        r#"tensor "0.weight": the type is F32, not I64, I32, I16, I8, U32, U16 or U8"#
    );
    assert_eq!(
        fixed_point::parse(&[], QVIP.as_bytes()).unwrap_err().to_string(),
        "0 bytes are too few for the length of a header"
    );
}

#[test]
fn layers_and_networks_say_what_is_wrong() {
    let mixed = STEPS.replacen(
        r#"{"requantization": [{"multiplier": [1, 0], "rounding": "floor", "zero_point": 0, "clamp": [-9, 9]}]}"#,
        r#"{"weight": "±,6,4", "bias": "±,6,4", "output": "+,6,4", "rounding": "floor", "clamp": [0, 63]}"#,
        1,
    );
    assert_eq!(
        parse(&mixed).unwrap_err().to_string(),
        "layer 1: has formats, but what it is given has none"
    );
    assert_eq!(
        refused(NATIVE, "[0, 63]", "[0, 64]"),
        "layer 0: the clamp [0, 64] is not within <+,6,4>"
    );
    assert_eq!(
        refused(STEPS, r#"{"multiplier": [5, 7], "rounding": "half-even", "zero_point": -128, "clamp": [-128, 127]}, "#,
            &r#"{"multiplier": [5, 7], "rounding": "half-even", "zero_point": -128, "clamp": [-128, 127]}, "#.repeat(2)),
        "layer 0: expected 1 or 2 requantizations, found 3"
    );
    assert_eq!(
        refused(STEPS, "[-128, 127]", "[-9223372036854775808, 127]"),
        "layer 0, neuron 0: the accumulator needs 69 bits, more than 64"
    );
    let empty = r#"{"format": "nncert fixed-point network 1", "input": "+,1,0", "layers": []}"#;
    let none = fixed_point::parse(&tensors(&[]), empty.as_bytes()).unwrap_err();
    assert_eq!(none.to_string(), "a network needs at least one layer");
    let many = format!("[{}]", ["{\"requantization\": []}"; 5000].join(","));
    let many = empty.replacen("[]", &many, 1);
    let error = fixed_point::parse(&tensors(&[]), many.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "5000 layers are more than the limit of 4096");
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("nncert-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn two_files_are_written_and_read() {
    let folder = folder("fixed-point");
    let path = folder.join("net.safetensors");
    let network = parse(STEPS).unwrap();
    fixed_point::save(&network, &path).unwrap();
    assert_eq!(fixed_point::read(&path).unwrap(), network);

    std::fs::write(folder.join("net.json"), "{}").unwrap();
    let error = fixed_point::read(&path).unwrap_err();
    assert_eq!(error.path, folder.join("net.json"));
    assert!(matches!(error.cause, ReadCause::FixedPoint(FixedPointFileError::MissingKey { .. })));

    std::fs::remove_file(folder.join("net.json")).unwrap();
    let error = fixed_point::read(&path).unwrap_err();
    assert_eq!(error.path, folder.join("net.json"), "the file that is missing is named");
    assert!(matches!(error.cause, ReadCause::Io(_)));

    std::fs::write(folder.join("net.json"), QVIP).unwrap();
    std::fs::write(&path, b"short").unwrap();
    let error = fixed_point::read(&path).unwrap_err();
    assert_eq!(error.path, path);
    assert!(error.to_string().ends_with("5 bytes are too few for the length of a header"));
    let nowhere = folder.join("none/net.safetensors");
    assert_eq!(fixed_point::save(&network, &nowhere).unwrap_err().path, nowhere);
    std::fs::remove_dir_all(folder).unwrap();
}

/// Metadata says nothing: the description does.
#[test]
fn metadata_is_not_read() {
    let bytes: Vec<u8> = SOUND[0].2.iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = |shape: &[usize], bytes| TensorView::new(Dtype::I8, shape.to_vec(), bytes).unwrap();
    let file = [("0.weight", view(&[1, 2], &bytes[..2])), ("0.bias", view(&[1], &bytes[..1]))];
    let metadata = HashMap::from([("format".to_owned(), "another".to_owned())]);
    let tensors = safetensors::serialize(file, Some(metadata)).unwrap();
    let text = NATIVE.replacen(NATIVE.lines().nth(5).unwrap(), "", 1).replacen("},", "}", 1);
    assert!(fixed_point::parse(&tensors, text.as_bytes()).is_ok());
}
