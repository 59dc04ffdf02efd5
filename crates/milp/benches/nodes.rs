//! What a node of branch and bound is made of, beside the product of the weights with a vector, which
//! is what a step of dual ascent cannot do without.

#![allow(missing_docs, reason = "criterion's macros")]

use core::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use nalgebra::{DMatrix, DVector};
use nncert_bounds::fixed_point::{FixedPointBounder, LineSearch};
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::{FixedPointLayer, Format, IntegerInterval, LayerFormats, Rounding};
use nncert_milp::{IntegerRegion, Norm, Property, VerifyOptions, check, verify};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// 784-64-10 with six bits, as QVIP's P1-6, but with weights at random.
fn network() -> FixedPointNetwork {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let input = Format::unsigned(8, 8).expect("a format");
    let (value, weight) =
        (Format::unsigned(6, 4).expect("a format"), Format::signed(6, 5).expect("a format"));
    let bias = Format::signed(6, 4).expect("a format");
    let mut layers = Vec::new();
    for (inputs, outputs, before) in [(784, 64, input), (64, 10, value)] {
        let weights = DMatrix::from_fn(outputs, inputs, |_, _| random.random_range(-4..=4));
        let formats = LayerFormats { weight, bias, output: value, rounding: Rounding::HalfUp };
        let clamp = formats.relu_clamp();
        let layer =
            FixedPointLayer::with_formats(&weights, &vec![0; outputs], before, formats, clamp);
        layers.push(layer.expect("weights of the format"));
    }
    FixedPointNetwork::new(input, layers).expect("layers that fit")
}

fn nodes(criterion: &mut Criterion) {
    let network = network();
    let x: Vec<i64> = (0..784).map(|index| (index * 37) % 256).collect();
    let region = IntegerRegion::around(&network, x.clone(), Norm::Linf, 2).expect("a region");
    let bounder = FixedPointBounder::new(&network);
    let (bounds, _) = bounder.bounds(&region, 0).expect("a region that fits");
    let mut form = vec![0.0; 10];
    (form[0], form[1]) = (1.0, -1.0);
    let row = [1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    let mut group = criterion.benchmark_group("node");
    let weights = DMatrix::from_fn(64, 784, |i, j| (i + j) as f64);
    let vector = DVector::from_element(64, 1.0);
    group
        .bench_function("peer: Wᵀ λ", |bench| bench.iter(|| weights.tr_mul(black_box(&vector))));
    let search = |steps| bounder.search(&region, &bounds, &form, None, f64::NEG_INFINITY, steps);
    group.bench_function("20 steps of ascent", |bench| bench.iter(|| search(black_box(20))));
    let ascent = search(20);
    group.bench_function("proof in integers", |bench| {
        bench.iter(|| bounder.prove(&region, &bounds, &row, black_box(&ascent.multipliers)));
    });
    let lines = LineSearch::new(&bounder, &region);
    let range = bounds.accumulators[0][5];
    let half = IntegerInterval::new(range.lower(), range.lower().midpoint(range.upper()));
    let half = half.expect("a half");
    group.bench_function("line search", |bench| {
        bench.iter(|| lines.cut(&bounds, &ascent, (0, 5), black_box(half), f64::NEG_INFINITY));
    });
    group.finish();

    let class = network.classify(&x).expect("an input");
    let property = Property::same_class(10, class).expect("a class");
    let region = region.with_radius(0);
    let report = verify(&network, &region, &property, &VerifyOptions::default()).expect("a task");
    let certificate = report.certificate.expect("a point is robust");
    criterion.bench_function("check a certificate", |bench| {
        bench.iter(|| check(&network, &region, &property, black_box(&certificate)));
    });
}

criterion_group!(benches, nodes);
criterion_main!(benches);
