//! `.nnet` texts: tolerance, hostile files with their messages, round trips.

use nalgebra::{DMatrix, DVector};
use nncert_core::io::nnet::{self, MAX_COMMENTS, Nnet, NnetError, Normalization, UnusedInput};
use nncert_core::io::{ReadCause, read_network};
use nncert_core::{Activation, Affine, Layer, Network};
use proptest::prelude::*;

/// Two inputs, a hidden layer of two, one output. Line 1 is the comment.
const VALID: &str = "// a comment\n\
    2,2,1,2,\n\
    2,2,1,\n\
    0,\n\
    -1.0,-2.0,\n\
    1.0,2.0,\n\
    0.0,0.5,3.0,\n\
    1.0,2.0,4.0,\n\
    1.0,-1.0,\n\
    0.5,2.0,\n\
    0.0,\n\
    -1.0,\n\
    1.0,1.0,\n\
    0.25,\n";

/// [`VALID`] with one line (counted from 1) replaced.
fn with(line: usize, text: &str) -> String {
    let replaced = |(index, old)| if index + 1 == line { text } else { old };
    VALID.lines().enumerate().map(replaced).fold(String::new(), |all, line| all + line + "\n")
}

fn message(text: impl AsRef<[u8]>) -> String {
    nnet::parse(text).unwrap_err().to_string()
}

#[test]
fn every_part_is_kept() {
    let file = nnet::parse(VALID).unwrap();
    assert_eq!(file.network.to_string(), "2-2-1");
    assert_eq!(file.network.evaluate(&[1.0, 2.0]).unwrap().as_slice(), [3.75]);
    assert_eq!(file.comments, [" a comment"]);
    assert_eq!((file.max_layer_size, file.flag), (2, 0));
    let normalization = Normalization {
        mins: vec![-1.0, -2.0],
        maxes: vec![1.0, 2.0],
        means: vec![0.0, 0.5],
        ranges: vec![1.0, 2.0],
        output_mean: 3.0,
        output_range: 4.0,
    };
    assert_eq!(file.normalization, normalization);
    assert_eq!(nnet::write(&file).unwrap(), VALID);
}

#[test]
fn writers_may_differ() {
    let file = nnet::parse(VALID).unwrap();
    let variants = [
        VALID.replace('\n', "\r\n"),
        VALID.replace(",\n", "\n"),
        VALID.replace(",\n", ", \t\n"),
        VALID.replace(',', " , "),
        VALID.replace('\n', "\n\n  \n"),
        VALID.trim_end().to_owned(),
        VALID.replace("\n1.0", "\n+1.").replace("0.5", ".5e0"),
    ];
    for text in variants {
        assert_eq!(nnet::parse(&text).as_ref(), Ok(&file), "{text:?}");
    }
    let comments = with(9, "1.0,-1.0,\n  // between\r").replace("0.25,", "0.25,\n//");
    let comments = nnet::parse(comments).unwrap();
    assert_eq!(comments.comments, [" a comment", " between", ""]);
    assert_eq!(comments.network, file.network);
}

#[test]
fn inputs_beyond_the_network_are_kept() {
    let text = with(5, "-1,-2,0")
        .replace("1.0,2.0,\n0.0,0.5,3.0,\n1.0,2.0,4.0,", "1,2,100\n0,0.5,7,3\n1,2,9,4");
    let file = nnet::parse(text).unwrap();
    let unused = UnusedInput { min: 0.0, max: 100.0, mean: 7.0, range: 9.0 };
    assert_eq!(file.unused_inputs, [unused]);
    assert_eq!(file.normalization, nnet::parse(VALID).unwrap().normalization);
    assert_eq!(nnet::parse(nnet::write(&file).unwrap()).unwrap(), file);
}

#[test]
fn decimals_go_to_the_nearest_double() {
    let file = nnet::parse(with(14, "0.1000000000000000055511151231257827,")).unwrap();
    let bias = file.network.affine_layers().last().unwrap().bias[0];
    assert_eq!(bias, 0.1);
}

#[test]
fn sizes_that_are_not_sizes() {
    let cases = [
        (
            2,
            "1000000000000,2,1,2,",
            r#"line 2, header: "1000000000000" is not a whole number from 1 to 2048"#,
        ),
        (2, "-2,2,1,2,", r#"line 2, header: "-2" is not a whole number from 1 to 2048"#),
        (
            2,
            "2,99999999999999999999999,1,2,",
            r#"line 2, header: "99999999999999999999999" is not a whole number from 1 to 16777216"#,
        ),
        (2, "2,0,1,2,", r#"line 2, header: "0" is not a whole number from 1 to 16777216"#),
        (2, "2,2,1,2.5,", r#"line 2, header: "2.5" is not a whole number from 1 to 16777216"#),
        (2, "2,2,1,", "line 2, header: expected 4 numbers, found 3"),
        (2, ",", "line 2, header: expected 4 numbers, found 1"),
        (3, "2,1,", "line 3, layer sizes: expected 3 numbers, found 2"),
        (
            3,
            "2,16777217,1,",
            r#"line 3, layer sizes: "16777217" is not a whole number from 1 to 16777216"#,
        ),
        (3, "3,2,1,", "line 3, layer sizes: 3 inputs where the header has 2"),
        (3, "2,2,2,", "line 3, layer sizes: 2 outputs where the header has 1"),
        (4, "zero,", r#"line 4, flag: "zero" is not an integer"#),
        (4, "0,0,", "line 4, flag: expected 1 number, found 2"),
    ];
    for (line, text, expected) in cases {
        assert_eq!(message(with(line, text)), expected);
    }
}

#[test]
fn numbers_that_are_not_numbers() {
    let long = "x".repeat(1000);
    let cases = [
        (5, "-1.0,", "line 5, minimums: expected 2 numbers, found 1"),
        (
            5,
            "-1.0,-inf,",
            "line 5, minimums: number 1 is -inf, which is not a number of at most 1.7976931348623157e308",
        ),
        (6, "1.0,2.0,3.0,", "line 6, maximums: expected 2 numbers, found 3"),
        (6, "1.0,-3.0,", "line 6, maximums: number 1 is -3, below its minimum -2"),
        (7, "0.0,0.5,", "line 7, means: expected 3 numbers, found 2"),
        (
            7,
            "0.0,nan,0.0",
            "line 7, means: number 1 is NaN, which is not a number of at most 1.7976931348623157e308",
        ),
        (8, "1.0,0.0,1.0,", "line 8, ranges: number 1 is 0, which is not positive"),
        (8, "1.0,1.0,-4.0,", "line 8, ranges: number 2 is -4, which is not positive"),
        (9, "1.0,", "line 9, weight row 0 of layer 0: expected 2 numbers, found 1"),
        (10, "1.0,2.0,3.0", "line 10, weight row 1 of layer 0: expected 2 numbers, found 3"),
        (10, "abc,2.0,", r#"line 10, weight row 1 of layer 0: "abc" is not a number"#),
        (10, "1.0,,", r#"line 10, weight row 1 of layer 0: "" is not a number"#),
        (11, "1 2,", r#"line 11, bias 0 of layer 0: "1 2" is not a number"#),
        (
            12,
            "NaN,",
            "line 12, bias 1 of layer 0: number 0 is NaN, which is not a number of at most 1e100",
        ),
        (
            13,
            "1.0,1e999,",
            "line 13, weight row 0 of layer 1: number 1 is inf, which is not a number of at most 1e100",
        ),
        (
            13,
            "1.0,-1e101",
            "line 13, weight row 0 of layer 1: number 1 is -100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000, which is not a number of at most 1e100",
        ),
        (14, "0.25,\n0.5,", "line 15: data after the last bias"),
        (14, "0.25,\n\n\n,", "line 17: data after the last bias"),
        (
            14,
            &long,
            r#"line 14, bias 0 of layer 1: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..." is not a number"#,
        ),
    ];
    for (line, text, expected) in cases {
        assert_eq!(message(with(line, text)), expected);
    }
}

#[test]
fn files_that_end_early() {
    assert_eq!(message(""), "line 1: the file ends where header should be");
    assert_eq!(message("// nothing\n\n"), "line 3: the file ends where header should be");
    // The sizes promise 10^14 weights, and nothing is set aside for them.
    let huge = "1,10000000,10000000,1,\n10000000,10000000,\n0,\n";
    assert_eq!(message(huge), "line 4: the file ends where minimums should be");
    let wide = "1,1,16777216,1,\n1,16777216,\n0,\n0,\n1,\n0,0,\n1,1,\n1.0,\n";
    assert_eq!(message(wide), "line 9: the file ends where weight row 1 of layer 0 should be");
    let lines = VALID.lines().count();
    for kept in 0..lines {
        let text: String = VALID.lines().take(kept).flat_map(|line| [line, "\n"]).collect();
        assert!(matches!(nnet::parse(text), Err(NnetError::End { line, .. }) if line == kept + 1));
    }
}

#[test]
fn bytes_that_are_not_text() {
    let mut bytes = VALID.as_bytes().to_vec();
    let end = bytes.len() - 2;
    bytes[end] = 0xff;
    assert_eq!(message(bytes), "line 14: not UTF-8");
    assert_eq!(message(b"\0\0\0"), "line 1, header: expected 4 numbers, found 1");
    assert_eq!(message([0x80; 64]), "line 1: not UTF-8");
}

#[test]
fn comments_are_limited() {
    let comments = "//\n".repeat(MAX_COMMENTS);
    assert_eq!(nnet::parse(comments.clone() + &with(1, "")).unwrap().comments.len(), MAX_COMMENTS);
    assert_eq!(message(comments + VALID), "line 10001: more than the limit of 10000 comments");
}

#[test]
fn what_cannot_be_written() {
    let valid = nnet::parse(VALID).unwrap();
    let refused = |change: &dyn Fn(&mut Nnet)| {
        let mut file = valid.clone();
        change(&mut file);
        nnet::write(&file).unwrap_err().to_string()
    };
    let layers = |layers: &[usize]| {
        let one = Affine::new(DMatrix::identity(2, 2), DVector::zeros(2));
        let kinds: [Layer; 2] = [one.into(), Activation::Relu.into()];
        Network::new(2, layers.iter().map(|kind| kinds[*kind].clone()).collect()).unwrap()
    };
    let network = |kinds: &[usize]| refused(&|file| file.network = layers(kinds));
    assert_eq!(network(&[0, 0]), "layer 1: expected ReLU, found affine");
    assert_eq!(network(&[1, 0]), "layer 0: expected affine, found ReLU");
    assert_eq!(network(&[0, 1, 1, 0]), "layer 2: expected affine, found ReLU");
    assert_eq!(network(&[0, 1]), "layer 1: ReLU after the last affine layer");

    assert_eq!(
        refused(&|file| file.normalization = Normalization::identity(3)),
        "expected 2 inputs, found 3"
    );
    assert_eq!(
        refused(&|file| file.normalization.output_mean = f64::NAN),
        "outputs: NaN is not finite"
    );
    let unused = UnusedInput { min: 0.0, max: 1.0, mean: 0.0, range: 0.0 };
    assert_eq!(
        refused(&|file| file.unused_inputs.push(unused)),
        "input 2: a range of 0 is not positive"
    );
    let comment = |text: &str| refused(&|file| file.comments.push(text.to_owned()));
    assert_eq!(comment("two\nlines"), "comment 1 holds a line end");
    assert_eq!(comment("one line\r"), "comment 1 holds a line end");
    assert_eq!(
        refused(&|file| file.comments = vec![String::new(); MAX_COMMENTS + 1]),
        "10001 comments are more than the limit of 10000"
    );
    assert_eq!(
        refused(&|file| file.max_layer_size = 0),
        "a largest layer of 0 is outside 1 to 16777216"
    );
}

#[test]
fn paths() {
    let folder = std::env::temp_dir().join(format!("nncert-nnet-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, bad) = (folder.join("small.NNET"), folder.join("bad.nnet"));
    let file = nnet::parse(VALID).unwrap();
    nnet::save(&file, &path).unwrap();
    assert_eq!(nnet::read(&path).unwrap(), file);
    assert_eq!(read_network(&path).unwrap(), file.network);

    std::fs::write(&bad, with(10, "abc,2.0,")).unwrap();
    let expected = r#"line 10, weight row 1 of layer 0: "abc" is not a number"#;
    let error = read_network(&bad).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: {expected}", bad.display()));
    let missing = nnet::read(folder.join("missing.nnet")).unwrap_err();
    assert!(matches!(missing.cause, ReadCause::Io(_)));
    assert!(matches!(nnet::read(&folder).unwrap_err().cause, ReadCause::Io(_)));
    let other = read_network(folder.join("model.txt")).unwrap_err();
    assert!(other.cause.to_string().starts_with("the extension is neither .nnet"));
    nnet::save(&file, folder.join("no/such/folder.nnet")).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Any `f64` that a weight may be, of every size.
fn weight() -> impl Strategy<Value = f64> {
    prop_oneof![
        -2.0..2.0f64,
        prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
    ]
    .prop_map(|value| if value.abs() <= 1e100 { value } else { 1.0 / value })
}

prop_compose! {
    fn affine(inputs: usize, outputs: usize)(
        weight in prop::collection::vec(weight(), inputs * outputs),
        bias in prop::collection::vec(weight(), outputs),
    ) -> Affine {
        Affine::new(DMatrix::from_vec(outputs, inputs, weight), DVector::from_vec(bias))
    }
}

fn network() -> impl Strategy<Value = Network> {
    prop::collection::vec(1usize..5, 2..6)
        .prop_flat_map(|sizes| {
            sizes.windows(2).map(|size| affine(size[0], size[1]).boxed()).collect::<Vec<_>>()
        })
        .prop_map(|layers| Network::relu_mlp(layers).unwrap())
}

fn file() -> impl Strategy<Value = Nnet> {
    let comments = prop::collection::vec("[^\r\n]{0,20}", 0..4);
    let unused = prop::collection::vec((weight(), 0.0..9.0f64, weight(), 1e-300..1e300f64), 0..3);
    (network(), comments, 1usize..1 << 24, any::<i64>(), unused, weight()).prop_map(
        |(network, comments, max_layer_size, flag, unused, number)| {
            let mut file = Nnet { comments, max_layer_size, flag, ..Nnet::new(network) };
            let unused = unused.into_iter().map(|(min, width, mean, range)| UnusedInput {
                min,
                max: min + width,
                mean,
                range,
            });
            file.unused_inputs = unused.collect();
            file.normalization.means[0] = number;
            file.normalization.output_range = number.abs().max(f64::MIN_POSITIVE);
            file
        },
    )
}

/// The sign of a zero counts too.
fn bits(network: &Network) -> Vec<u64> {
    let layers = network.affine_layers();
    layers.flat_map(|layer| layer.weight.iter().chain(&layer.bias)).map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_reads_back(file in file()) {
        let text = nnet::write(&file).unwrap();
        let again = nnet::parse(&text).unwrap();
        prop_assert_eq!(&again, &file);
        prop_assert_eq!(bits(&again.network), bits(&file.network));
        prop_assert_eq!(nnet::write(&again).unwrap(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = nnet::parse(bytes);
    }

    #[test]
    fn no_text_of_the_alphabet_panics(text in "[-+.,0-9einf/ \r\n]{0,200}") {
        let _ = nnet::parse(text);
    }

    /// Whatever is read can be written, and is read again as it was.
    #[test]
    fn mutations_fail_or_round_trip(
        at in 0..VALID.len(), byte in any::<u8>(), cut in prop::option::of(0..VALID.len()),
    ) {
        let mut bytes = VALID.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(cut.unwrap_or(bytes.len()));
        if let Ok(file) = nnet::parse(&bytes) {
            prop_assert_eq!(nnet::parse(nnet::write(&file).unwrap()).unwrap(), file);
        }
    }
}
