//! Unusual networks and regions: typed errors, never a panic, and sound all the same.

mod exact;

use exact::{Bounds, corners, runner, twice, violation};
use nalgebra::{DMatrix, DVector, dmatrix, dvector};
use nncert_bounds::{BoundsError, crown, differential, forward, interval};
use nncert_core::strategies::{pair_and_region, pair_region_and_points};
use nncert_core::{Activation, Affine, Layer, Network, PairedNetworks, Region};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn relu() -> Layer {
    Activation::Relu.into()
}

/// A layer with weights between -1 and 1 that depend on `seed` alone.
fn layer(outputs: usize, inputs: usize, seed: usize) -> Affine {
    let entry = |i, j| ((i * 7 + j * 5 + seed * 3) % 11) as f64 / 5.0 - 1.0;
    Affine::new(
        DMatrix::from_fn(outputs, inputs, entry),
        DVector::from_fn(outputs, |i, _| entry(i, 9)),
    )
}

/// The same layer, slightly off.
fn moved(affine: &Affine) -> Affine {
    Affine::new(affine.weight.map(|w| w * 1.01), affine.bias.add_scalar(0.001))
}

/// Networks of unusual shape, with a name each.
fn unusual() -> Vec<(&'static str, Network)> {
    let zero =
        |outputs, inputs| Affine::new(DMatrix::zeros(outputs, inputs), DVector::zeros(outputs));
    let dead = Affine::new(layer(4, 3, 2).weight, DVector::from_element(4, -100.0));
    let layers: Vec<(_, Vec<Layer>)> = vec![
        ("one affine layer", vec![layer(2, 3, 1).into()]),
        ("one ReLU", vec![relu()]),
        ("two ReLUs", vec![relu(), relu()]),
        ("ReLU first", vec![relu(), layer(2, 3, 1).into()]),
        ("ReLU last", vec![layer(4, 3, 1).into(), relu()]),
        ("ReLU first and last", vec![relu(), layer(4, 3, 1).into(), relu()]),
        ("ReLU after ReLU", vec![layer(4, 3, 1).into(), relu(), relu(), layer(2, 4, 2).into()]),
        ("affine after affine", vec![layer(4, 3, 1).into(), layer(2, 4, 2).into()]),
        (
            "affine after affine after ReLU",
            vec![
                layer(4, 3, 1).into(),
                relu(),
                layer(5, 4, 2).into(),
                layer(3, 5, 3).into(),
                relu(),
                layer(2, 3, 4).into(),
            ],
        ),
        (
            "width 1",
            vec![
                layer(1, 3, 1).into(),
                relu(),
                layer(1, 1, 2).into(),
                relu(),
                layer(1, 1, 3).into(),
            ],
        ),
        (
            "all dead",
            vec![dead.into(), relu(), layer(3, 4, 1).into(), relu(), layer(2, 3, 5).into()],
        ),
        ("all zero", vec![zero(4, 3).into(), relu(), zero(2, 4).into()]),
        (
            "zero inside",
            vec![layer(4, 3, 1).into(), relu(), zero(3, 4).into(), relu(), layer(2, 3, 2).into()],
        ),
        ("many layers", (0..20).flat_map(|k| [layer(3, 3, k).into(), relu()]).collect()),
    ];
    let network = |(name, layers)| (name, Network::new(3, layers).expect("the shapes fit"));
    layers.into_iter().map(network).collect()
}

/// Regions of every kind in three dimensions, with a name each.
fn regions() -> Vec<(&'static str, Region)> {
    let region = |lower: [f64; 3], upper: [f64; 3]| {
        Region::new(lower.to_vec(), upper.to_vec()).expect("ends are in order")
    };
    vec![
        ("a box", region([-1.0, -0.5, 0.0], [1.0, 0.5, 0.25])),
        ("a point", region([0.5, -0.25, 0.125], [0.5, -0.25, 0.125])),
        ("the origin", region([0.0; 3], [0.0; 3])),
        ("all but one fixed", region([0.5, -1.0, 0.125], [0.5, 1.0, 0.125])),
        ("one unit in the last place", region([1.0, 0.1, -1.0], [1.0f64.next_up(), 0.1, -1.0])),
        ("subnormal", region([0.0; 3], [f64::from_bits(3); 3])),
        ("large", region([-1e6; 3], [1e6; 3])),
    ]
}

#[test]
fn unusual_networks_are_bounded() {
    for (name, network) in unusual() {
        let copy = network.map_affine(|_, affine| moved(affine)).unwrap();
        let pair = PairedNetworks::new(&network, &copy).unwrap();
        for (kind, region) in regions() {
            let bounds = Bounds::of(&pair, &region);
            assert_eq!(bounds.original.len(), 4, "no pass refuses {name} on {kind}");
            let found = corners(&region).iter().find_map(|x| bounds.violation(&pair, x));
            assert_eq!(found, None, "{name} on {kind}");
        }
    }
}

#[test]
fn identical_networks_do_not_differ() {
    for (name, network) in unusual() {
        for (kind, region) in regions() {
            let epsilon = differential(&twice(&network), &region).unwrap().epsilon();
            assert!(epsilon <= 1e-290, "{name} on {kind}: {epsilon:e}");
        }
    }
}

#[test]
fn regions_of_the_wrong_dimension_are_named() {
    let network = Network::relu_mlp(vec![layer(2, 3, 1), layer(1, 2, 2)]).unwrap();
    let pair = twice(&network);
    for found in [1, 2, 4] {
        let region = Region::point(&vec![0.0; found]).unwrap();
        let error = BoundsError::Region { expected: 3, found };
        assert_eq!(interval(&network, &region), Err(error));
        assert_eq!(crown(&network, &region), Err(error));
        assert_eq!(differential(&pair, &region), Err(error));
        assert_eq!(forward(&pair, &region), Err(error));
        let message = format!("expected a region in 3 dimensions, found {found}");
        assert_eq!(error.to_string(), message);
    }
}

/// A ReLU at the end needs no matrix, however wide it is.
#[test]
fn a_wide_relu_at_the_end_is_bounded() {
    let network = Network::new(5_000, vec![relu()]).unwrap();
    let region = Region::point(&vec![0.5; 5_000]).unwrap();
    let bounds = interval(&network, &region).unwrap();
    assert!(bounds.iter().all(|bound| bound.contains(0.5) && bound.width() < 1e-10));
}

/// Weights at the limit: after three layers values pass `10^308`.
#[test]
fn overflow_is_an_error() {
    let deep = |depth: usize, weight: f64| {
        let layers = (0..depth).map(|k| {
            let sign = if k % 2 == 0 { weight } else { -weight };
            Affine::new(dmatrix![weight, sign; -weight, weight], dvector![weight, 0.0])
        });
        Network::relu_mlp(layers.collect()).unwrap()
    };
    let region = Region::new(vec![-1.0; 2], vec![1.0; 2]).unwrap();
    for depth in 1..=8 {
        let (network, pair) = (deep(depth, 1e100), twice(&deep(depth, 1e100)));
        let overflow = |error| matches!(error, BoundsError::Overflow { .. });
        assert_eq!(interval(&network, &region).err().is_some_and(overflow), depth > 3);
        assert_eq!(crown(&network, &region).err().is_some_and(overflow), depth > 3);
        assert_eq!(differential(&pair, &region).err().is_some_and(overflow), depth > 3);
        assert_eq!(forward(&pair, &region).err().is_some_and(overflow), depth > 3);
        assert_eq!(violation(&pair, &region, corners(&region)), None);
    }
    // A copy of another size; and an overflow of the difference alone.
    for (a, b) in [(1e100, 1e-100), (1e99, -1e100), (1e100, -1e100), (3e77, -3e77), (1e77, -1e77)] {
        for depth in 1..=5 {
            let pair = PairedNetworks::new(&deep(depth, a), &deep(depth, b)).unwrap();
            assert_eq!(violation(&pair, &region, corners(&region)), None, "{a} {b} {depth}");
        }
    }
    let message = crown(&deep(8, 1e100), &region).unwrap_err().to_string();
    assert_eq!(message, "layer 6: the bounds of neuron 0 overflow");
}

/// Large inputs, large weights, large biases: refused or sound.
#[test]
fn the_largest_numbers_are_refused_or_bounded() {
    let sizes = [1e-300, 1e-100, 1.0, 1e50, 1e100];
    for w in sizes {
        for b in sizes {
            for x in [1e-300, 1.0, 1e100] {
                let layer = |s: f64| Affine::new(dmatrix![w, -w; w, w * 0.7], dvector![-b * s, b]);
                let copy = Network::relu_mlp(vec![layer(0.9), layer(0.8), layer(1.0)]).unwrap();
                let original = Network::relu_mlp(vec![layer(1.0), layer(1.0), layer(1.0)]).unwrap();
                let pair = PairedNetworks::new(&original, &copy).unwrap();
                let region = Region::new(vec![-x, x / 2.0], vec![x / 3.0, x]).unwrap();
                assert_eq!(violation(&pair, &region, corners(&region)), None, "{w} {b} {x}");
            }
        }
    }
}

#[test]
fn passes_are_deterministic() {
    let result = runner(100).run(&pair_and_region(1..=4, 1..=40), |(pair, region)| {
        prop_assert_eq!(interval(pair.original(), &region), interval(pair.original(), &region));
        prop_assert_eq!(crown(pair.original(), &region), crown(pair.original(), &region));
        prop_assert_eq!(differential(&pair, &region), differential(&pair, &region));
        prop_assert_eq!(forward(&pair, &region), forward(&pair, &region));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// A coordinate that is fixed, one of the smallest width, and one folded into the bias by hand.
#[test]
fn folding_does_not_change_the_result() {
    let layers = [layer(6, 3, 1), layer(5, 6, 2), layer(2, 5, 3)];
    let pair = |layers: &[Affine; 3]| {
        let original = Network::relu_mlp(layers.to_vec()).unwrap();
        let copy = original.map_affine(|_, affine| moved(affine)).unwrap();
        PairedNetworks::new(&original, &copy).unwrap()
    };
    let (lower, upper) = ([-1.0, 0.5, -0.5], [1.0, 0.5, 0.5]);
    let fixed = Region::new(lower.to_vec(), upper.to_vec()).unwrap();
    let mut upper = upper;
    upper[1] = upper[1].next_up();
    let free = Region::new(lower.to_vec(), upper.to_vec()).unwrap();
    assert_eq!((fixed.free().len(), free.free().len()), (2, 3));
    let pair = pair(&layers);
    let by_hand = {
        let fold = |network: &Network| {
            let mut layers: Vec<Affine> = network.affine_layers().cloned().collect();
            let share = layers[0].weight.column(1) * 0.5;
            let weight = layers[0].weight.clone().remove_column(1);
            layers[0] = Affine::new(weight, &layers[0].bias + share);
            Network::relu_mlp(layers).unwrap()
        };
        PairedNetworks::new(&fold(pair.original()), &fold(pair.compressed())).unwrap()
    };
    let narrow = Region::new(vec![-1.0, -0.5], vec![1.0, 0.5]).unwrap();
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + a.abs());
    for pass in [differential, forward] {
        let base = pass(&pair, &fixed).unwrap();
        for other in [pass(&pair, &free).unwrap(), pass(&by_hand, &narrow).unwrap()] {
            for (a, b) in base.outputs.iter().zip(&other.outputs) {
                assert!(
                    close(a.bounds.lower, b.bounds.lower) && close(a.bounds.upper, b.bounds.upper)
                );
            }
            for (a, b) in base.original.iter().zip(&other.original) {
                assert!(close(a.lower, b.lower) && close(a.upper, b.upper));
            }
        }
        assert!(base.outputs.iter().all(|output| output.lower.coefficients[1] == 0.0));
    }
}

/// The first cases that the suites draw: they are the same everywhere, for one seed.
#[test]
fn what_is_sampled_is_pinned() {
    let mut runner = runner(1);
    let strategy = pair_region_and_points(1..=6, 1..=40, 3);
    let mut digest = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |value: f64| {
        for byte in value.to_bits().to_le_bytes() {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for _ in 0..20 {
        let (pair, region, points) = strategy.new_tree(&mut runner).unwrap().current();
        for network in [pair.original(), pair.compressed()] {
            for affine in network.affine_layers() {
                affine.weight.iter().chain(&affine.bias).for_each(|w| add(*w));
            }
        }
        region.lower().iter().chain(region.upper()).for_each(|end| add(*end));
        points.iter().flatten().for_each(|x| add(*x));
    }
    assert_eq!(digest, 17_675_736_622_440_193_875);
}
