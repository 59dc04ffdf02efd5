//! A pass after the first of its shape allocates nothing.
//!
//! In a binary of its own: the allocator that counts is that of the whole process, and
//! all is one test, for there to be no other thread.

use std::alloc::System;

use nalgebra::{DMatrix, DVector};
use nncert_bounds::{Prepared, PreparedPair, Scratch, crown, differential, interval};
use nncert_core::{
    Activation, Affine, Convolution, Domain, Layer, Network, PairedNetworks, Pool, Region,
    Residual, Shape, Window, compress,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region as Counter, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn affine(outputs: usize, inputs: usize, seed: usize) -> Affine {
    let entry = |i: usize, j: usize| ((i * 7 + j * 5 + seed * 3) % 11) as f64 / 5.0 - 1.0;
    let scale = 2.0 / (inputs as f64).sqrt();
    Affine::new(
        DMatrix::from_fn(outputs, inputs, |i, j| scale * entry(i, j)),
        DVector::from_fn(outputs, |i, _| 0.1 * entry(i, 9)),
    )
}

fn dense() -> Network {
    let widths = [5, 50, 50, 50, 50, 50, 5];
    let layers = widths.windows(2).enumerate().map(|(k, w)| affine(w[1], w[0], k));
    Network::relu_mlp(layers.collect()).unwrap()
}

/// Convolutions, a residual block whose shortcut is the identity, a leaky ReLU, tanh, both
/// kinds of pooling.
fn residual() -> Network {
    let convolution = |from: usize, to: usize, seed: usize| -> Layer {
        let window = Window::new([3, 3]).padded(1);
        Convolution::new(affine(to, 9 * from, seed), window).into()
    };
    let halves = Window { stride: [2, 2], ..Window::new([2, 2]) };
    let body = vec![convolution(4, 4, 2), Activation::Tanh.into(), convolution(4, 4, 3)];
    let layers: Vec<Layer> = vec![
        convolution(1, 4, 1),
        Activation::Relu.into(),
        Residual { body, shortcut: vec![] }.into(),
        Activation::LeakyRelu { slope: 0.125 }.into(),
        Pool::Max { window: halves }.into(),
        Pool::Average { window: halves, count_include_pad: false }.into(),
        Layer::Flatten,
        affine(6, 4 * 2 * 2, 4).into(),
        Activation::Relu.into(),
        affine(3, 6, 5).into(),
    ];
    Network::new(Shape::new([1, 8, 8]), layers).unwrap()
}

/// A network, boxes of one size around different points, and boxes on some inputs alone.
fn cases() -> Vec<(&'static str, Network, [Region; 2])> {
    let boxes = |inputs: usize, radius: f64, free: usize| {
        let image = |k: usize| -> Vec<f64> {
            (0..inputs)
                .map(|i| if i < free { ((i * 3 + k) % 7) as f64 / 14.0 } else { 0.25 })
                .collect()
        };
        let inputs: Vec<usize> = (0..free).collect();
        [0, 1].map(|k| Region::ball_on(&image(k), radius, &inputs, &Domain::Everything).unwrap())
    };
    vec![
        ("dense", dense(), boxes(5, 0.1, 5)),
        ("dense, few free", dense(), boxes(5, 0.5, 2)),
        ("residual", residual(), boxes(64, 0.02, 64)),
        ("residual, few free", residual(), boxes(64, 0.2, 7)),
    ]
}

/// How often memory is asked for.
fn allocations(run: impl FnOnce()) -> usize {
    let counter = Counter::new(ALLOCATOR);
    run();
    let change = counter.change();
    change.allocations + change.reallocations
}

#[test]
fn a_pass_after_the_first_allocates_nothing() {
    for (name, network, [first, second]) in cases() {
        let copy = compress::float16(&network).unwrap().network;
        let pair = PairedNetworks::new(&network, &copy).unwrap();
        let prepared = Prepared::new(&network, &first).unwrap();
        let both = PreparedPair::new(&pair, &first).unwrap();
        let scratch = &mut Scratch::default();
        let mut ibp = interval(&network, &first).unwrap();
        let mut single = crown(&network, &first).unwrap();
        let mut joint = differential(&pair, &first).unwrap();
        for rows in [usize::MAX, 0, 3] {
            let mut pass = |region: &Region| {
                allocations(|| {
                    prepared.interval_into(scratch, region, &mut ibp).unwrap();
                    prepared.crown_into(scratch, region, rows, &mut single).unwrap();
                    both.differential_into(scratch, region, rows, &mut joint).unwrap();
                })
            };
            // Another region may have more unstable neurons, and need more.
            let regions = [&first, &first, &second, &second, &first, &second];
            let counts = regions.map(&mut pass);
            assert_eq!([counts[1], counts[3]], [0, 0], "{name}, {rows} rows: {counts:?}");
            assert_eq!(counts[4..], [0, 0], "{name}, {rows} rows: {counts:?}");
        }
        // In used room as in new.
        assert_eq!(ibp, interval(&network, &second).unwrap());
        prepared.crown_into(scratch, &second, usize::MAX, &mut single).unwrap();
        assert_eq!(single, crown(&network, &second).unwrap());
        both.differential_into(scratch, &second, usize::MAX, &mut joint).unwrap();
        assert_eq!(joint, differential(&pair, &second).unwrap());
    }
}
