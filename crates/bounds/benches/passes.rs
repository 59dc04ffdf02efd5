//! Every pass, on trained networks and on a wide one with few free inputs.
//!
//! Run with `--features rounding-cost` to see what soundness costs.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use nalgebra::{DMatrix, DVector};
use nncert_bounds::{Relaxations, Rounding, crown_with, differential_with, forward, interval};
use nncert_core::compress::{Granularity, int8};
use nncert_core::io::{read_dataset, read_network};
use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};

/// A name, a pair with an 8-bit copy, and a region.
type Subject = (&'static str, PairedNetworks, Region);

/// A trained network and an image, all of whose pixels are free.
fn digits(name: &'static str, radius: f64) -> Subject {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/digits");
    let network = read_network(folder.join(format!("{name}.safetensors"))).expect("a fixture");
    let images = read_dataset(folder.join("test_images.safetensors")).expect("a fixture");
    let (image, _) = images.iter().next().expect("an image");
    let region = Region::linf_ball(image, radius, &Domain::unit()).expect("a valid radius");
    (name, with_int8(&network), region)
}

/// Widths 784, 1024, 1024, 1024, 10; 15 pixels are free.
fn wide() -> Subject {
    let widths = [784, 1024, 1024, 1024, 10];
    let mut state = 1u64;
    let mut number = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let layers = widths.windows(2).map(|shape| {
        // The deviation that keeps the size of values through ReLUs.
        let scale = (6.0 / shape[0] as f64).sqrt();
        let weight = DMatrix::from_fn(shape[1], shape[0], |_, _| scale * number());
        Affine::new(weight, DVector::from_fn(shape[1], |_, _| 0.1 * number()))
    });
    let network = Network::relu_mlp(layers.collect()).expect("the widths fit");
    let image: Vec<f64> = (0..784).map(|_| number().abs()).collect();
    let pixels: Vec<usize> = (0..15).map(|k| 300 + 7 * k).collect();
    let region = Region::ball_on(&image, 0.05, &pixels, &Domain::unit()).expect("the pixels exist");
    ("wide_15", with_int8(&network), region)
}

fn with_int8(network: &Network) -> PairedNetworks {
    let compressed = int8(network, Granularity::PerChannel).expect("ordinary weights");
    compressed.pair(network).expect("the shapes are kept")
}

fn roundings() -> Vec<(&'static str, Rounding)> {
    vec![
        ("outward", Rounding::Outward),
        #[cfg(feature = "rounding-cost")]
        ("nearest", Rounding::Nearest),
    ]
}

fn passes(criterion: &mut Criterion) {
    let lines = Relaxations::default();
    for (name, pair, region) in [digits("digits_32", 0.02), digits("digits_100", 0.02), wide()] {
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(10)
            .sampling_mode(SamplingMode::Flat)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(2));
        group.bench_function("interval", |b| {
            b.iter(|| interval(pair.original(), black_box(&region)));
        });
        for (kind, rounding) in roundings() {
            group.bench_function(format!("crown/{kind}"), |b| {
                b.iter(|| crown_with(pair.original(), black_box(&region), &lines, rounding));
            });
            group.bench_function(format!("differential/{kind}"), |b| {
                b.iter(|| differential_with(&pair, black_box(&region), &lines, rounding));
            });
        }
        group.bench_function("forward", |b| b.iter(|| forward(&pair, black_box(&region))));
        group.finish();
    }
}

criterion_group!(benches, passes);
criterion_main!(benches);
