//! Laws, golden values and errors of compression.

use nalgebra::{dmatrix, dvector};
use nncert_core::compress::*;
use nncert_core::exact::{self, Dyadic};
use nncert_core::strategies::{network, network_of};
use nncert_core::{Activation, Affine, Interval, Network};
use proptest::prelude::*;

fn small() -> Network {
    Network::relu_mlp(vec![
        Affine::new(dmatrix![0.3, -0.8; 0.5, 0.1; -0.02, 0.0], dvector![0.0, 0.25, 12.0]),
        Affine::new(dmatrix![1.0, -1.0, 0.3], dvector![0.5]),
    ])
    .unwrap()
}

fn numbers(network: &Network) -> impl Iterator<Item = f64> {
    network.affine_layers().flat_map(|layer| layer.weight.iter().chain(layer.bias.iter()).copied())
}

fn weights(network: &Network) -> impl Iterator<Item = f64> {
    network.affine_layers().flat_map(|layer| layer.weight.iter().copied())
}

fn zeros(network: &Network) -> usize {
    weights(network).filter(|weight| *weight == 0.0).count()
}

fn exact(value: f64) -> Dyadic {
    Dyadic::from_f64(value).unwrap()
}

/// `a - b`, compared with what can be reached exactly.
fn differ_within(a: f64, b: f64, bound: f64) -> bool {
    (&exact(a) - &exact(b)).is_within(Interval::new(-bound, bound))
}

fn message<T: core::fmt::Debug, E: core::fmt::Display>(result: Result<T, E>) -> String {
    result.unwrap_err().to_string()
}

/// Every method that keeps shapes, where it applies.
fn in_place(network: &Network) -> Vec<Compressed> {
    let pruned = [0.0, 0.3, 0.5, 1.0].into_iter().flat_map(|ratio| {
        [Scope::Layer, Scope::Network].map(|scope| prune_weights(network, ratio, scope).ok())
    });
    [
        fixed_point_bits(network, 3).ok(),
        fixed_point_bits(network, 8).ok(),
        fixed_point_bits(network, 53).ok(),
        int8(network, Granularity::PerTensor).ok(),
        int8(network, Granularity::PerChannel).ok(),
        float16(network).ok(),
        bfloat16(network).ok(),
    ]
    .into_iter()
    .chain(pruned)
    .flatten()
    .collect()
}

/// The same method again.
fn again(compressed: &Compressed) -> Compressed {
    let network = &compressed.network;
    match compressed.summary.method {
        Method::FixedPoint => {
            let formats: Vec<LayerFormat> = compressed
                .summary
                .layers
                .iter()
                .map(|layer| match layer.encoding {
                    Encoding::FixedPoint { weight, bias, .. } => LayerFormat { weight, bias },
                    _ => panic!("{layer} is not in fixed point"),
                })
                .collect();
            let bits = formats[0].weight.bits();
            let fitted = fixed_point_bits(network, bits).unwrap();
            assert_eq!(&fitted.network, network, "fitted again");
            fixed_point(network, &formats).unwrap()
        }
        Method::Int8 { granularity } => int8(network, granularity).unwrap(),
        Method::Float16 => float16(network).unwrap(),
        Method::BFloat16 => bfloat16(network).unwrap(),
        Method::PruneWeights { ratio, scope } => prune_weights(network, ratio, scope).unwrap(),
        method => panic!("{method} changes shapes"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn twice_is_once(f in network(1..=4, 1..=12)) {
        for once in in_place(&f) {
            let twice = again(&once);
            prop_assert_eq!(&twice.network, &once.network, "{}", once.summary);
            prop_assert!(twice.summary.layers.iter().all(|layer| layer.largest_change == 0.0));
        }
    }

    #[test]
    fn summaries_bound_the_changes(f in network(1..=4, 1..=12)) {
        for compressed in in_place(&f) {
            let layers = f.affine_layers().zip(compressed.network.affine_layers());
            for ((old, new), summary) in layers.zip(&compressed.summary.layers) {
                let mut weights = old.weight.iter().zip(new.weight.iter());
                prop_assert!(weights.all(|(a, b)| differ_within(*a, *b, summary.largest_change)));
                let mut biases = old.bias.iter().zip(new.bias.iter());
                prop_assert!(biases.all(|(a, b)| differ_within(*a, *b, summary.largest_bias_change)));
                prop_assert_eq!(summary.weights, new.weight.len());
            }
            let counted: usize = compressed.summary.layers.iter().map(|layer| layer.zeros).sum();
            prop_assert_eq!(counted, zeros(&compressed.network));
            let pair = compressed.pair(&f).unwrap();
            prop_assert_eq!(pair.compressed(), &compressed.network);
        }
    }

    /// `-1/2 ≤ x · 2^F - q < 1/2`, as real numbers.
    #[test]
    fn fixed_point_is_the_nearest_value(f in network(1..=3, 1..=12), bits in 2u32..=53) {
        let compressed = fixed_point_bits(&f, bits).unwrap();
        let layers = f.affine_layers().zip(compressed.network.affine_layers());
        for ((old, new), summary) in layers.zip(&compressed.summary.layers) {
            let Encoding::FixedPoint { weight, clamped, .. } = summary.encoding else { panic!() };
            prop_assert_eq!((weight.bits(), clamped), (bits, 0));
            let half = weight.step() / 2.0;
            for (x, y) in old.weight.iter().zip(new.weight.iter()) {
                prop_assert!(differ_within(*x, *y, half), "{} to {} in {}", x, y, weight);
                let error = &exact(*x) - &exact(*y);
                prop_assert!(error.compare(half) != Some(core::cmp::Ordering::Equal));
                prop_assert_eq!((y / weight.step()).fract(), 0.0);
                prop_assert!((weight.min()..=weight.max()).contains(y));
            }
        }
    }

    #[test]
    fn formats_clamp_at_their_ends(
        bits in 1u32..=53, fraction in -256..=256, x in proptest::num::f64::ANY,
    ) {
        let format = FixedPointFormat::new(bits, fraction).unwrap();
        let y = format.quantize(x);
        if x.is_nan() {
            prop_assert!(y.is_nan());
            return Ok(());
        }
        prop_assert!((format.min()..=format.max()).contains(&y));
        prop_assert_eq!(format.quantize(y), y);
        if x >= format.max() || x <= format.min() {
            prop_assert_eq!(y, x.clamp(format.min(), format.max()));
        } else if !format.clamps(x) {
            prop_assert!(differ_within(x, y, format.step() / 2.0));
        } else {
            // Within half a step of the largest value.
            prop_assert_eq!(y, format.max());
        }
    }

    #[test]
    fn fitting_formats_fit_best(bits in 1u32..=53, m in 1.0..2.0f64, e in -200..=200) {
        let largest = m * 2f64.powi(e);
        let format = FixedPointFormat::fitting(bits, largest).unwrap();
        prop_assert!(!format.clamps(largest) && !format.clamps(-largest));
        let finer = FixedPointFormat::new(bits, format.fraction() + 1);
        prop_assert!(finer.is_err() || finer.is_ok_and(|finer| finer.clamps(largest)));
    }

    #[test]
    fn int8_is_an_integer_times_a_scale(f in network(1..=3, 1..=12)) {
        for granularity in [Granularity::PerTensor, Granularity::PerChannel] {
            let compressed = int8(&f, granularity).unwrap();
            let layers = f.affine_layers().zip(compressed.network.affine_layers());
            for ((old, new), summary) in layers.zip(&compressed.summary.layers) {
                let Encoding::Int8 { scales } = &summary.encoding else { panic!() };
                prop_assert_eq!(&old.bias, &new.bias);
                for (row, (old, new)) in old.weight.row_iter().zip(new.weight.row_iter()).enumerate() {
                    let scale = f64::from(*scales.get(row).unwrap_or(&scales[0]));
                    for (x, y) in old.iter().zip(new.iter()) {
                        let q = (y / scale).round();
                        prop_assert!(q.abs() <= 127.0);
                        let product = &exact(q) * &exact(scale);
                        prop_assert!(product.compare(*y) == Some(core::cmp::Ordering::Equal));
                        prop_assert!(differ_within(*x, *y, scale / 2.0));
                    }
                }
            }
        }
    }

    #[test]
    fn pruning_zeroes_the_smallest(f in network(1..=4, 1..=12), ratio in 0.0..=1.0f64) {
        let total = weights(&f).count();
        let count = (ratio * total as f64).floor() as usize;
        let pruned = prune_weights(&f, ratio, Scope::Network).unwrap().network;
        prop_assert_eq!(zeros(&pruned), zeros(&f).max(count));
        let changed = weights(&f).zip(weights(&pruned)).filter(|(a, b)| a != b);
        let largest_gone = changed.map(|(a, _)| a.abs()).fold(0.0, f64::max);
        prop_assert!(weights(&pruned).all(|w| w == 0.0 || w.abs() >= largest_gone));

        let pruned = prune_weights(&f, ratio, Scope::Layer).unwrap().network;
        for (old, new) in f.affine_layers().zip(pruned.affine_layers()) {
            let zeros = |layer: &Affine| layer.weight.iter().filter(|w| **w == 0.0).count();
            let count = (ratio * old.weight.len() as f64).floor() as usize;
            prop_assert_eq!(zeros(new), zeros(old).max(count));
            prop_assert_eq!(&old.bias, &new.bias);
        }
    }

    #[test]
    fn removal_is_zero_padding(
        f in network_of(1..=4, 1..=3, 2..=4, 1..=8), ratio in 0.0..=1.0f64, x in -2.0..2.0f64,
    ) {
        let compressed = remove_lowest_norm(&f, ratio).unwrap();
        for (list, layer) in compressed.summary.removed.iter().zip(f.affine_layers()) {
            let width = layer.outputs();
            let count = ((ratio * width as f64).floor() as usize).min(width - 1);
            prop_assert_eq!(list.len(), count);
        }
        let pair = compressed.pair(&f).unwrap();
        let x = vec![x; f.inputs()];
        let small = exact::evaluate(&compressed.network, &x).unwrap();
        let padded = exact::evaluate(pair.compressed(), &x).unwrap();
        prop_assert!(small.iter().zip(&padded).all(|(a, b)| a.cmp(b).is_eq()));
        prop_assert_eq!(
            compressed.network.evaluate(&x).unwrap(), pair.compressed().evaluate(&x).unwrap()
        );

        let named = remove_neurons(&f, &compressed.summary.removed).unwrap();
        prop_assert_eq!(named.network, compressed.network);
    }

    #[test]
    fn nothing_panics(
        f in network(1..=3, 1..=4),
        scale in prop_oneof![Just(1e-300), Just(1.0), Just(1e38), Just(1e90)],
        ratio in proptest::num::f64::ANY,
        bits in 0u32..70,
        lists in proptest::collection::vec(proptest::collection::vec(0usize..5, 0..4), 0..3),
    ) {
        let f = f.map_affine(|_, a| Affine::new(&a.weight * scale, &a.bias * scale)).unwrap();
        let _ = fixed_point_bits(&f, bits);
        let _ = int8(&f, Granularity::PerChannel);
        let _ = (float16(&f), bfloat16(&f));
        let _ = (prune_weights(&f, ratio, Scope::Layer), prune_weights(&f, ratio, Scope::Network));
        let _ = remove_lowest_norm(&f, ratio);
        if let Ok(compressed) = remove_neurons(&f, &lists) {
            prop_assert!(compressed.pair(&f).is_ok());
        }
        for once in in_place(&f) {
            prop_assert_eq!(&again(&once).network, &once.network, "{}", once.summary);
        }
    }
}

#[test]
fn golden_fixed_point() {
    let compressed = fixed_point_bits(&small(), 4).unwrap();
    let layers: Vec<&Affine> = compressed.network.affine_layers().collect();
    assert_eq!(layers[0].weight, dmatrix![0.25, -0.75; 0.5, 0.125; 0.0, 0.0]);
    // 12 needs steps of 2, and 0.25 is less than half of one.
    assert_eq!(layers[0].bias, dvector![0.0, 0.0, 12.0]);
    assert_eq!(layers[1].weight, dmatrix![1.0, -1.0, 0.25]);
    assert_eq!(
        compressed.summary.to_string(),
        "fixed point: 9 weights, 2 of them zero, 36 bits\n  \
         affine layer 0: 6 weights, 2 of them zero, largest change 5.000e-2 (biases 2.500e-1), \
         weights <±,4,3>, biases <±,4,-1>, 0 clamped\n  \
         affine layer 1: 3 weights, 0 of them zero, largest change 5.000e-2, \
         weights <±,4,2>, biases <±,4,3>, 0 clamped"
    );
    let format = FixedPointFormat::new(4, 3).unwrap();
    let formats = [LayerFormat { weight: format, bias: format }; 2];
    let compressed = fixed_point(&small(), &formats).unwrap();
    let Encoding::FixedPoint { clamped, .. } = compressed.summary.layers[0].encoding else {
        panic!()
    };
    assert_eq!(clamped, 1);
    assert_eq!(numbers(&compressed.network).fold(0.0, f64::max), 0.875);
}

#[test]
fn golden_reports() {
    let first_line =
        |summary: &Summary| summary.to_string().lines().next().unwrap_or_default().to_owned();
    let network = small();
    assert_eq!(
        int8(&network, Granularity::PerChannel).unwrap().summary.to_string(),
        "int8 per channel: 9 weights, 1 of them zero, 72 bits\n  \
         affine layer 0: 6 weights, 1 of them zero, largest change 2.362e-3, \
         3 scales from 1.575e-4 to 6.299e-3\n  \
         affine layer 1: 3 weights, 0 of them zero, largest change 7.874e-4, scale 7.874e-3"
    );
    assert_eq!(
        first_line(&float16(&network).unwrap().summary),
        "float16: 9 weights, 1 of them zero, 144 bits"
    );
    assert_eq!(
        first_line(&prune_weights(&network, 0.5, Scope::Network).unwrap().summary),
        "the smallest 0.5 of the weights of the network pruned: 9 weights, 4 of them zero"
    );
    assert_eq!(
        remove_neurons(&network, &[vec![2]]).unwrap().summary.to_string(),
        "neurons removed: 6 weights, 0 of them zero\n  \
         affine layer 0: 4 weights, 0 of them zero, 1 neurons removed\n  \
         affine layer 1: 2 weights, 0 of them zero"
    );
}

#[test]
fn errors_name_what_is_wrong() {
    let network = small();
    for bits in [0, 54, 65, u32::MAX] {
        let expected = format!("{bits} bits are outside 1 to 53");
        assert_eq!(message(FixedPointFormat::new(bits, 0)), expected);
        assert_eq!(message(FixedPointFormat::fitting(bits, 1.0)), expected);
        assert_eq!(message(fixed_point_bits(&network, bits)), expected);
        assert_eq!(message(fitting_formats(&network, 8, bits)), expected);
    }
    for fraction in [257, -257, i32::MIN] {
        assert_eq!(
            message(FixedPointFormat::new(8, fraction)),
            format!("{fraction} fractional bits are outside -256 to 256")
        );
    }
    for (largest, text) in [(f64::NAN, "NaN"), (-1.0, "-1"), (f64::INFINITY, "inf")] {
        assert_eq!(
            message(FixedPointFormat::fitting(8, largest)),
            format!("{text} is not the absolute value of a number")
        );
    }
    assert_eq!(message(FixedPointFormat::fitting(8, 1e100)), "no format of 8 bits holds 1e100");
    assert_eq!(
        message(fixed_point(&network, &[])),
        "expected the formats of 2 affine layers, found 0"
    );

    let large = |value| {
        let first = Affine::new(dmatrix![1.0; 2.0], dvector![0.0, 0.0]);
        let second = Affine::new(dmatrix![0.0, 1.0; value, 0.0], dvector![0.0, 0.0]);
        Network::relu_mlp(vec![first, second]).unwrap()
    };
    assert_eq!(
        message(fixed_point_bits(&large(1e100), 8)),
        "affine layer 1: no format of 8 bits holds 1e100"
    );
    assert_eq!(
        message(int8(&large(-1e50), Granularity::PerChannel)),
        "affine layer 1: a weight of 1e50 needs a scale beyond the largest f32"
    );
    assert_eq!(
        message(float16(&large(-65520.0))),
        "affine layer 1: weight[1, 0] is -65520, too large for float16"
    );
    assert!(float16(&large(65519.0)).is_ok());
    assert_eq!(
        message(bfloat16(&large(3.4e38))),
        format!("affine layer 1: weight[1, 0] is {}, too large for bfloat16", 3.4e38)
    );
    let biased = Network::relu_mlp(vec![Affine::new(dmatrix![1.0], dvector![1e6])]).unwrap();
    assert_eq!(
        message(float16(&biased)),
        "affine layer 0: bias[0] is 1000000, too large for float16"
    );

    for (ratio, text) in [(f64::NAN, "NaN"), (-0.1, "-0.1"), (1.5, "1.5"), (f64::INFINITY, "inf")] {
        let expected = format!("a ratio of {text} is not a number from 0 to 1");
        assert_eq!(message(prune_weights(&network, ratio, Scope::Layer)), expected);
        assert_eq!(message(prune_weights(&network, ratio, Scope::Network)), expected);
        assert_eq!(message(remove_lowest_norm(&network, ratio)), expected);
    }
    let remove = |lists: &[Vec<usize>]| message(remove_neurons(&network, lists));
    assert_eq!(remove(&[]), "expected 1 lists of removed neurons, found 0");
    assert_eq!(remove(&[vec![0, 7]]), "affine layer 0: there is no neuron 7 among 3");
    assert_eq!(remove(&[vec![1, 0, 1]]), "affine layer 0: neuron 1 is removed twice");
    assert_eq!(remove(&[vec![2, 0, 1]]), "affine layer 0: all 3 neurons are removed");

    let compressed = remove_neurons(&network, &[vec![0]]).unwrap();
    assert_eq!(message(compressed.pair(&large(1.0))), "input: expected a width of 1, found 2");
}

/// Ties by layer, row and column; zeros of either sign are the smallest.
#[test]
fn pruning_order() {
    let network = Network::relu_mlp(vec![
        Affine::new(dmatrix![1.0, -1.0; 1.0, -0.0], dvector![0.0, 0.0]),
        Affine::new(dmatrix![1.0, 0.5], dvector![0.0]),
    ])
    .unwrap();
    let after = |ratio: f64| {
        let pruned = prune_weights(&network, ratio, Scope::Network).unwrap().network;
        let layers: Vec<Affine> = pruned.affine_layers().cloned().collect();
        (layers[0].weight.clone(), layers[1].weight.clone())
    };
    assert_eq!(after(2.0 / 6.0), (dmatrix![1.0, -1.0; 1.0, 0.0], dmatrix![1.0, 0.0]));
    assert_eq!(after(4.0 / 6.0), (dmatrix![0.0, 0.0; 1.0, 0.0], dmatrix![1.0, 0.0]));
    assert_eq!(after(5.0 / 6.0), (dmatrix![0.0, 0.0; 0.0, 0.0], dmatrix![1.0, 0.0]));
}

#[test]
fn networks_without_weights_stay() {
    let network = Network::new(2, vec![Activation::Relu.into()]).unwrap();
    let mut all = in_place(&network);
    all.retain(|compressed| compressed.summary.method != Method::FixedPoint);
    all.push(fixed_point(&network, &[]).unwrap());
    all.push(remove_neurons(&network, &[]).unwrap());
    all.push(remove_lowest_norm(&network, 1.0).unwrap());
    assert!(all.iter().all(|compressed| compressed.network == network));
    assert!(prune_weights(&network, f64::NAN, Scope::Layer).is_err());
    assert!(remove_lowest_norm(&network, 2.0).is_err());
}

#[cfg(feature = "serde")]
#[test]
fn stored_formats_are_checked() {
    use serde::de::value::{Error, MapDeserializer};
    use serde::{Deserialize, Serialize, de::DeserializeOwned};

    fn both<T: Serialize + DeserializeOwned>() {}
    both::<Summary>();
    both::<LayerFormat>();
    let stored = |bits: i64, fraction: i64| {
        let fields = [("bits", bits), ("fraction", fraction)].into_iter();
        FixedPointFormat::deserialize(MapDeserializer::<_, Error>::new(fields))
    };
    assert_eq!(stored(8, 4).unwrap(), FixedPointFormat::new(8, 4).unwrap());
    assert_eq!(message(stored(54, 4)), "54 bits are outside 1 to 53");
}
