//! safetensors files: naming, hostile files with their messages, round trips.

use nalgebra::{DMatrix, DVector, dmatrix, dvector};
use nncert_core::io::{
    ContainerError, MAX_HEADER_BYTES, Precision, parse_dataset, read_dataset, read_network,
    safetensors,
};
use nncert_core::{Activation, Affine, Layer, LayerKind, Network};
use proptest::prelude::*;

/// A file with this header and these bytes of tensors.
fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A tensor: name, type, shape, bytes.
type Tensor<'a> = (&'a str, &'a str, &'a [usize], Vec<u8>);

fn file_with(metadata: &str, tensors: &[Tensor<'_>]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    if !metadata.is_empty() {
        entries.push(format!(r#""__metadata__":{metadata}"#));
    }
    for (name, dtype, shape, bytes) in tensors {
        let (begin, end) = (data.len(), data.len() + bytes.len());
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#
        ));
        data.extend(bytes);
    }
    raw(&format!("{{{}}}", entries.join(",")), &data)
}

fn file(tensors: &[Tensor<'_>]) -> Vec<u8> {
    file_with("", tensors)
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A layer of `rows × columns`, all ones; names are `{place}.weight` and `{place}.bias`.
fn ones(names: &[(&str, &str)], sizes: &[usize]) -> Vec<u8> {
    let shapes: Vec<_> = sizes.windows(2).map(|size| [size[1], size[0]]).collect();
    let mut tensors: Vec<Tensor<'_>> = Vec::new();
    for ((weight, bias), shape) in names.iter().zip(&shapes) {
        tensors.push((weight, "F64", shape, doubles(&vec![1.0; shape[0] * shape[1]])));
        tensors.push((bias, "F64", &shape[..1], doubles(&vec![1.0; shape[0]])));
    }
    file(&tensors)
}

fn message(bytes: &[u8]) -> String {
    safetensors::parse(bytes).unwrap_err().to_string()
}

fn kinds(network: &Network) -> Vec<LayerKind> {
    network.layers().iter().map(Layer::kind).collect()
}

#[test]
fn rows_are_outputs() {
    let bytes = file(&[
        ("0.weight", "F64", &[2, 3], doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("0.bias", "F64", &[2], doubles(&[0.5, -0.5])),
    ]);
    let layer = Affine::new(dmatrix![1.0, 2.0, 3.0; 4.0, 5.0, 6.0], dvector![0.5, -0.5]);
    assert_eq!(safetensors::parse(&bytes).unwrap(), Network::relu_mlp(vec![layer]).unwrap());
}

#[test]
fn types_are_exact() {
    let third = 1.0f32 / 3.0;
    let bytes = file(&[
        ("0.weight", "F32", &[1, 1], third.to_le_bytes().to_vec()),
        // 1 + 2^-10 and -(1 + 2^-7).
        ("0.bias", "F16", &[1], vec![0x01, 0x3c]),
        ("1.weight", "BF16", &[1, 1], vec![0x81, 0xbf]),
        ("1.bias", "F64", &[1], doubles(&[0.1])),
    ]);
    let network = safetensors::parse(&bytes).unwrap();
    let numbers: Vec<_> =
        network.affine_layers().map(|layer| (layer.weight[0], layer.bias[0])).collect();
    assert_eq!(numbers, [(f64::from(third), 1.0 + 1.0 / 1024.0), (-(1.0 + 1.0 / 128.0), 0.1)]);
}

#[test]
fn gaps_are_activations() {
    use LayerKind::{Affine, Relu};
    let parse = |weights: [(&str, &str); 3]| safetensors::parse(&ones(&weights, &[1, 2, 3, 1]));
    let names = [("0.weight", "0.bias"), ("2.weight", "2.bias"), ("10.weight", "10.bias")];
    assert_eq!(kinds(&parse(names).unwrap()), [Affine, Relu, Affine, Relu, Affine]);
    let names = [("3.weight", "3.bias"), ("4.weight", "4.bias"), ("5.weight", "5.bias")];
    assert_eq!(kinds(&parse(names).unwrap()), [Affine, Affine, Affine]);
    let last = "18446744073709551615";
    let (weight, bias) = (format!("{last}.weight"), format!("{last}.bias"));
    let names = [("0.weight", "0.bias"), ("1.weight", "1.bias"), (&*weight, &*bias)];
    assert_eq!(kinds(&parse(names).unwrap()), [Affine, Affine, Relu, Affine]);
}

#[test]
fn names_may_share_a_prefix() {
    let names = [("net.fc.0.weight", "net.fc.0.bias"), ("net.fc.2.weight", "net.fc.2.bias")];
    assert_eq!(safetensors::parse(&ones(&names, &[2, 3, 1])).unwrap().to_string(), "2-3-1");
    let names = [("a.0.weight", "a.0.bias"), ("b.2.weight", "b.2.bias")];
    assert_eq!(
        message(&ones(&names, &[2, 3, 1])),
        r#"tensor "b.2.bias": the name does not begin with the prefix "a." of the others"#
    );
}

#[test]
fn the_activation_is_relu() {
    let parse = |metadata: &str| {
        let bytes = file_with(
            metadata,
            &[
                ("0.weight", "F64", &[1, 1], doubles(&[1.0])),
                ("0.bias", "F64", &[1], doubles(&[1.0])),
            ],
        );
        safetensors::parse(&bytes).map_err(|error| error.to_string())
    };
    parse(r#"{"activation":"ReLU","arch":"1-1"}"#).unwrap();
    parse("{}").unwrap();
    let tanh = parse(r#"{"activation":"tanh"}"#).unwrap_err();
    assert_eq!(tanh, r#"metadata: the activation is "tanh", not relu"#);
    let number = parse(r#"{"activation":1}"#).unwrap_err();
    assert_eq!(number, "__metadata__ is not an object of texts");
}

#[test]
fn containers_that_are_none() {
    assert_eq!(message(b""), "0 bytes are too few for the length of a header");
    assert_eq!(message(b"1234567"), "7 bytes are too few for the length of a header");
    let length = |length: u64| message(&[&length.to_le_bytes()[..], b"{}"].concat());
    assert_eq!(
        length(1 << 60),
        "a header of 1152921504606846976 bytes is longer than the limit of 4194304"
    );
    assert_eq!(
        length(u64::MAX),
        "a header of 18446744073709551615 bytes is longer than the limit of 4194304"
    );
    assert_eq!(length(3), "the header should have 3 bytes, but 2 are left");
    let most = length(MAX_HEADER_BYTES as u64);
    assert_eq!(most, "the header should have 4194304 bytes, but 2 are left");
    assert_eq!(
        message(&raw("{", b"")),
        "the header is not a JSON object: EOF while parsing an object at line 1 column 1"
    );
    let array = message(&raw("[]", b""));
    assert!(array.starts_with("the header is not a JSON object: invalid type"), "{array}");
    let binary = message(&[&2u64.to_le_bytes()[..], &[b'"', 0xff]].concat());
    assert!(binary.starts_with("the header is not a JSON object"), "{binary}");
    let deep = message(&raw(&format!(r#"{{"a":{}"#, "[".repeat(100_000)), b""));
    assert!(deep.contains("recursion limit exceeded"), "{deep}");
    assert_eq!(message(&raw("{}", b"")), "a network needs at least one layer");
    assert_eq!(message(&raw("{}", b"1")), "the tensors end at byte 0 of 1");
}

#[test]
fn entries_that_lie() {
    let entry = |entry: &str| message(&raw(&format!(r#"{{"0.weight":{entry}}}"#), &[0; 16]));
    let offsets = |shape: &str, offsets: &str| {
        entry(&format!(r#"{{"dtype":"F64","shape":{shape},"data_offsets":{offsets}}}"#))
    };
    assert_eq!(offsets("[2]", "[0,17]"), r#"tensor "0.weight": bytes 0 to 17 of 16 are not there"#);
    assert_eq!(
        offsets("[2]", "[0,18446744073709551615]"),
        r#"tensor "0.weight": bytes 0 to 18446744073709551615 of 16 are not there"#
    );
    assert_eq!(offsets("[1]", "[8,16]"), r#"tensor "0.weight": begins at byte 8, not at 0"#);
    assert_eq!(offsets("[1]", "[16,8]"), r#"tensor "0.weight": begins at byte 16, not at 0"#);
    assert_eq!(offsets("[1]", "[0,8]"), "the tensors end at byte 8 of 16");
    assert_eq!(
        offsets("[3]", "[0,16]"),
        r#"tensor "0.weight": F64 of shape [3] does not take 16 bytes"#
    );
    let huge = "[4294967296,4294967296,4294967296]";
    assert_eq!(
        offsets(huge, "[0,16]"),
        r#"tensor "0.weight": F64 of shape [4294967296, 4294967296, 4294967296] does not take 16 bytes"#
    );
    let negative = offsets("[-1]", "[0,16]");
    assert!(
        negative.starts_with(r#"tensor "0.weight": invalid value: integer `-1`"#),
        "{negative}"
    );
    let fraction = offsets("[2.5]", "[0,16]");
    assert!(fraction.starts_with(r#"tensor "0.weight": invalid type: floating"#), "{fraction}");
    let unknown = entry(r#"{"dtype":"F65","shape":[2],"data_offsets":[0,16]}"#);
    assert!(unknown.starts_with(r#"tensor "0.weight": unknown variant `F65`"#), "{unknown}");
    assert_eq!(entry("{}"), r#"tensor "0.weight": missing field `dtype`"#);
    assert!(entry("7").starts_with(r#"tensor "0.weight": invalid type"#));
    let name = "n".repeat(300);
    let long = message(&raw(&format!(r#"{{"{name}":7}}"#), b""));
    assert!(long.ends_with("a name of 300 bytes is longer than the limit of 256"), "{long}");
}

/// Eight tensors, each of a size that can be counted, that end past 2^64.
#[test]
fn sizes_whose_sum_overflows() {
    let size = (1u64 << 61) - 1;
    let entries: Vec<_> = (0..8u64)
        .map(|index| {
            let (begin, end) = (index * size, (index + 1) * size);
            format!(r#""{index}":{{"dtype":"U8","shape":[{size}],"data_offsets":[{begin},{end}]}}"#)
        })
        .collect();
    let bytes = raw(&format!("{{{}}}", entries.join(",")), &[0; 16]);
    assert_eq!(
        message(&bytes),
        r#"tensor "0": bytes 0 to 2305843009213693951 of 16 are not there"#
    );
    assert!(parse_dataset(&bytes).is_err());
}

#[test]
fn tensors_that_share_bytes() {
    let one = r#"{"dtype":"F64","shape":[1],"data_offsets":[0,8]}"#;
    let bytes = raw(&format!(r#"{{"a":{one},"b":{one}}}"#), &[0; 8]);
    assert_eq!(message(&bytes), r#"tensor "b": begins at byte 0, not at 8"#);
}

#[test]
fn tensors_that_are_no_layer() {
    let weight = || ("0.weight", "F64", &[1usize, 1][..], doubles(&[1.0]));
    let bias = || ("0.bias", "F64", &[1usize][..], doubles(&[1.0]));
    assert_eq!(
        message(&file(&[weight()])),
        r#"tensor "0.bias" is missing: a layer without a bias must say so with zeros"#
    );
    assert_eq!(message(&file(&[bias()])), r#"tensor "0.weight" is missing"#);
    assert_eq!(
        message(&file(&[weight(), bias(), ("0.running_mean", "F64", &[1], doubles(&[0.0]))])),
        r#"tensor "0.running_mean": the name is neither N.weight nor N.bias"#
    );
    assert_eq!(
        message(&file(&[bias(), ("0.weight", "F64", &[1, 1, 1], doubles(&[0.0]))])),
        r#"tensor "0.weight": expected rank 2, found shape [1, 1, 1]"#
    );
    assert_eq!(
        message(&file(&[weight(), ("0.bias", "F64", &[], doubles(&[0.0]))])),
        r#"tensor "0.bias": expected rank 1, found shape []"#
    );
    assert_eq!(
        message(&file(&[bias(), ("0.weight", "I64", &[1, 1], vec![0; 8])])),
        r#"tensor "0.weight": the type is I64, not F64, F32, F16 or BF16"#
    );
    assert_eq!(
        message(&file(&[weight(), ("0.bias", "F8_E4M3", &[1], vec![0])])),
        r#"tensor "0.bias": the type is F8_E4M3, not F64, F32, F16 or BF16"#
    );
}

#[test]
fn layers_that_are_no_network() {
    let layer = |weight: &[f64], bias: &[f64]| {
        let columns = weight.len() / 2;
        message(&file(&[
            ("0.weight", "F64", &[2, columns], doubles(weight)),
            ("0.bias", "F64", &[bias.len()], doubles(bias)),
        ]))
    };
    assert_eq!(
        layer(&[1.0, 2.0, 3.0, f64::NAN, 5.0, 6.0], &[0.0, 0.0]),
        r#"tensor "0.weight": layer 0: weight[1, 0] is NaN, which is not a number of at most 1e100"#
    );
    assert_eq!(
        layer(&[1.0, 2.0], &[0.0, f64::NEG_INFINITY]),
        r#"tensor "0.bias": layer 0: bias[1] is -inf, which is not a number of at most 1e100"#
    );
    assert_eq!(
        layer(&[1.0, 2.0], &[0.0]),
        r#"tensor "0.bias": layer 0: expected 2 biases, found 1"#
    );
    assert_eq!(
        layer(&[], &[0.0, 0.0]),
        r#"tensor "0.weight": an axis of [2, 0] is outside 1 to 16777216"#
    );

    let chain = file(&[
        ("0.weight", "F64", &[2, 1], doubles(&[1.0, 1.0])),
        ("0.bias", "F64", &[2], doubles(&[1.0, 1.0])),
        ("2.weight", "F64", &[1, 3], doubles(&[1.0, 1.0, 1.0])),
        ("2.bias", "F64", &[1], doubles(&[1.0])),
    ]);
    assert_eq!(message(&chain), r#"tensor "2.weight": layer 2: expected 3 inputs, found 2"#);
}

/// Tensors without numbers may declare any size, and none may cost time.
#[test]
fn layers_without_numbers() {
    let empty = |shape: &[usize], bias: &[usize]| {
        message(&file(&[("0.weight", "F64", shape, vec![]), ("0.bias", "F64", bias, vec![])]))
    };
    for (shape, found) in [
        ([0, 1 << 60], "[0, 1152921504606846976]"),
        ([1 << 40, 0], "[1099511627776, 0]"),
        ([0, 1], "[0, 1]"),
    ] {
        let expected = format!("tensor \"0.weight\": an axis of {found} is outside 1 to 16777216");
        assert_eq!(empty(&shape, &[0]), expected);
    }
}

#[test]
fn too_many_layers() {
    let names: Vec<_> =
        (0..2049).map(|n| (format!("{}.weight", 2 * n), format!("{}.bias", 2 * n))).collect();
    let names: Vec<_> = names.iter().map(|(weight, bias)| (&**weight, &**bias)).collect();
    let sizes = vec![1; 2050];
    assert_eq!(message(&ones(&names, &sizes)), "4097 layers are more than the limit of 4096");
}

#[test]
fn what_cannot_be_written() {
    let one = || Affine::new(dmatrix![1.0, 0.5; 0.25, 2.0], dvector![0.0, 0.1]);
    let network = Network::relu_mlp(vec![one()]).unwrap();
    let refused = |precision| safetensors::serialize(&network, precision).unwrap_err().to_string();
    assert_eq!(
        refused(Precision::F32),
        r#"tensor "0.bias": entry [1] is 0.1, which F32 cannot hold"#
    );
    let weight = Affine::new(dmatrix![1.0, 0.5; 0.25, 1e6], dvector![0.0, 0.0]);
    let error = safetensors::serialize(&Network::relu_mlp(vec![weight]).unwrap(), Precision::F16);
    assert_eq!(
        error.unwrap_err().to_string(),
        r#"tensor "0.weight": entry [1, 1] is 1000000, which F16 cannot hold"#
    );

    let layers = |kinds: &[usize]| {
        let kind: [Layer; 2] = [one().into(), Activation::Relu.into()];
        let layers = kinds.iter().map(|index| kind[*index].clone()).collect();
        safetensors::serialize(&Network::new(2, layers).unwrap(), Precision::F64)
            .map_err(|error| error.to_string())
    };
    let expected =
        |layer: usize| Err(format!("layer {layer}: ReLU is not between two affine layers"));
    assert_eq!(layers(&[1, 0]), expected(0));
    assert_eq!(layers(&[0, 1]), expected(1));
    assert_eq!(layers(&[0, 1, 1, 0]), expected(1));
    layers(&[0, 0, 1, 0]).unwrap();
}

#[test]
fn paths() {
    let folder = std::env::temp_dir().join(format!("nncert-safetensors-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("small.safetensors");
    let layer = Affine::new(dmatrix![1.0, -0.5], dvector![0.25]);
    let network = Network::relu_mlp(vec![layer]).unwrap();
    safetensors::save(&network, Precision::F16, &path).unwrap();
    assert_eq!(safetensors::read(&path).unwrap(), network);
    assert_eq!(read_network(&path).unwrap(), network);
    let error = read_dataset(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: tensor \"images\" is missing", path.display()));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn datasets() {
    let images = || ("images", "U8", &[2usize, 1, 2][..], vec![0u8, 255, 51, 1]);
    let labels = |labels: [i64; 2]| {
        ("labels", "I64", &[2usize][..], labels.into_iter().flat_map(i64::to_le_bytes).collect())
    };
    let dataset = parse_dataset(&file(&[images(), labels([7, 0])])).unwrap();
    assert_eq!((dataset.len(), dataset.shape.to_string().as_str()), (2, "1x2"));
    assert_eq!((dataset.images.nrows(), dataset.images.ncols()), (2, 2));
    let rows: Vec<_> = dataset.iter().collect();
    assert_eq!(rows, [(&[0.0, 1.0][..], 7), (&[0.2, 1.0 / 255.0][..], 0)]);
    let small = ("labels", "I32", &[2usize][..], [3i32, 4].map(i32::to_le_bytes).concat());
    let floats = ("images", "F64", &[2usize, 1][..], doubles(&[0.5, -1.0]));
    let dataset = parse_dataset(&file(&[floats, small])).unwrap();
    assert_eq!((dataset.images.as_slice(), &*dataset.labels), (&[0.5, -1.0][..], &[3, 4][..]));

    let message = |tensors: &[Tensor<'_>]| parse_dataset(&file(tensors)).unwrap_err().to_string();
    assert_eq!(message(&[images()]), r#"tensor "labels" is missing"#);
    assert_eq!(message(&[labels([0, 1])]), r#"tensor "images" is missing"#);
    assert_eq!(
        message(&[images(), labels([0, 1]), ("ids", "U8", &[0], vec![])]),
        r#"tensor "ids": the name is neither "images" nor "labels""#
    );
    assert_eq!(
        message(&[images(), labels([0, -1])]),
        r#"tensor "labels": label 1 is -1, which is no class"#
    );
    assert_eq!(
        message(&[images(), ("labels", "U8", &[3], vec![0; 3])]),
        r#"tensor "labels": expected shape [2], found [3]"#
    );
    assert_eq!(
        message(&[images(), ("labels", "F64", &[2], doubles(&[0.0, 1.0]))]),
        r#"tensor "labels": the type F64 is not read"#
    );
    assert_eq!(
        message(&[("images", "I16", &[2, 1], vec![0; 4]), labels([0, 1])]),
        r#"tensor "images": the type I16 is not read"#
    );
    assert_eq!(
        message(&[("images", "U8", &[2], vec![0; 2]), labels([0, 1])]),
        r#"tensor "images": expected rank 2 or more, found shape [2]"#
    );
    assert_eq!(
        message(&[("images", "F64", &[2, 1], doubles(&[0.0, f64::NAN])), labels([0, 1])]),
        r#"tensor "images": value 1 is NaN"#
    );
    let none = ("labels", "U8", &[0usize][..], vec![]);
    assert_eq!(
        message(&[("images", "U8", &[0, 1 << 62, 1 << 62], vec![]), none.clone()]),
        r#"tensor "images": 0 values are outside 1 to 268435456"#
    );
    assert_eq!(
        message(&[("images", "U8", &[0, 5], vec![]), none]),
        r#"tensor "images": 0 values are outside 1 to 268435456"#
    );
}

/// Any number of the precision, in the range of weights.
fn number(precision: Precision) -> impl Strategy<Value = f64> {
    let any = prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO;
    prop_oneof![-2.0..2.0f64, any].prop_map(move |value| {
        let value = match precision {
            Precision::F32 => f64::from(value as f32),
            Precision::F16 => half::f16::from_f64(value).to_f64(),
            Precision::BF16 => half::bf16::from_f64(value).to_f64(),
            _ => value,
        };
        if value.abs() <= 1e100 { value } else { -0.0 }
    })
}

prop_compose! {
    fn affine(inputs: usize, outputs: usize, precision: Precision)(
        weight in prop::collection::vec(number(precision), inputs * outputs),
        bias in prop::collection::vec(number(precision), outputs),
    ) -> Affine {
        Affine::new(DMatrix::from_vec(outputs, inputs, weight), DVector::from_vec(bias))
    }
}

/// Affine layers, some with a ReLU between them, and a precision that holds them.
fn network() -> impl Strategy<Value = (Network, Precision)> {
    let precision =
        prop::sample::select(vec![Precision::F64, Precision::F32, Precision::F16, Precision::BF16]);
    (prop::collection::vec((1usize..5, any::<bool>()), 2..6), precision).prop_flat_map(
        |(sizes, precision)| {
            let layers = sizes
                .windows(2)
                .map(|size| (affine(size[0].0, size[1].0, precision), Just(size[0].1)).boxed());
            (layers.collect::<Vec<_>>(), Just(sizes[0].0), Just(precision)).prop_map(
                |(affine, inputs, precision)| {
                    let mut layers: Vec<Layer> = Vec::new();
                    for (affine, relu) in affine {
                        if relu && !layers.is_empty() {
                            layers.push(Activation::Relu.into());
                        }
                        layers.push(affine.into());
                    }
                    (Network::new(inputs, layers).unwrap(), precision)
                },
            )
        },
    )
}

/// The sign of a zero counts too.
fn bits(network: &Network) -> Vec<u64> {
    let layers = network.affine_layers();
    layers.flat_map(|layer| layer.weight.iter().chain(&layer.bias)).map(|x| x.to_bits()).collect()
}

fn valid() -> Vec<u8> {
    let first = Affine::new(dmatrix![1.0, -1.0; 0.5, 2.0], dvector![0.0, -1.0]);
    let second = Affine::new(dmatrix![1.0, 1.0], dvector![0.25]);
    let network = Network::relu_mlp(vec![first, second]).unwrap();
    safetensors::serialize(&network, Precision::F32).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_reads_back((network, precision) in network()) {
        let bytes = safetensors::serialize(&network, precision).unwrap();
        let again = safetensors::parse(&bytes).unwrap();
        prop_assert_eq!(&again, &network);
        prop_assert_eq!(bits(&again), bits(&network));
        prop_assert_eq!(safetensors::serialize(&again, precision).unwrap(), bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = safetensors::parse(&bytes);
        let _ = parse_dataset(&bytes);
    }

    #[test]
    fn no_header_panics(header in r#"[{}\[\]":,0-9a-z]{0,80}"#, data in prop::collection::vec(any::<u8>(), 0..20)) {
        let _ = safetensors::parse(&raw(&header, &data));
    }

    /// Shapes and offsets of every size, in entries that are otherwise right.
    #[test]
    fn no_entry_panics(
        entries in prop::collection::vec(
            (prop::collection::vec(edge(), 0..4), edge(), edge(), 0usize..6), 0..4,
        ),
        length in 0usize..20,
    ) {
        let names = ["0.weight", "0.bias", "2.weight", "2.bias", "images", "labels"];
        let entries: Vec<_> = entries.iter().map(|(shape, begin, end, name)| format!(
            r#""{}":{{"dtype":"U8","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#, names[*name]
        )).collect();
        let bytes = raw(&format!("{{{}}}", entries.join(",")), &vec![0; length]);
        let _ = safetensors::parse(&bytes);
        let _ = parse_dataset(&bytes);
    }

    #[test]
    fn mutations_fail_or_round_trip(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = valid();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(network) = safetensors::parse(&bytes) {
            let again = safetensors::serialize(&network, Precision::F64).unwrap();
            prop_assert_eq!(safetensors::parse(&again).unwrap(), network);
        }
    }

    #[test]
    fn truncations_fail(cut in any::<prop::sample::Index>()) {
        let mut bytes = valid();
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(safetensors::parse(&bytes).is_err());
    }
}

/// Small numbers, and the largest.
fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..20, (0u32..64).prop_map(|bit| 1 << bit), (0u64..3).prop_map(|x| u64::MAX - x)]
}

/// The container's own error is there to match on.
#[test]
fn errors_carry_data() {
    let error = safetensors::parse(b"short").unwrap_err();
    let short = ContainerError::Short { found: 5 };
    assert_eq!(error, safetensors::SafetensorsError::Container(short));
}
