//! Every pass: on trained networks, on a wide one with few free inputs and with all of
//! them, and on a small residual network; and a run of the verifier.
//!
//! Passes that take room from the caller get the same room every time. The steps of
//! α-CROWN are few: they cost the same, one by one. Run with `--features rounding-cost` to see what soundness costs.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main};
use nalgebra::{DMatrix, DVector};
use nncert_bounds::{
    Agreement, AlphaOptions, DifferentialVerifier, Limits, Scratch, alpha_crown,
    alpha_differential, crown_in, crown_limited, differential_in, differential_limited, forward,
    interval,
};
#[cfg(feature = "rounding-cost")]
use nncert_bounds::{Relaxations, Rounding, crown_with, differential_with};
use nncert_core::compress::{Granularity, int8};
use nncert_core::io::{read_dataset, read_network};
use nncert_core::{
    Activation, Affine, Convolution, Domain, Layer, Network, PairedNetworks, Region, Residual,
    Shape, Window,
};

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

/// Numbers in `[-1, 1)`, the same every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        let Self(state) = self;
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// With the deviation that keeps the size of values through ReLUs.
    fn affine(&mut self, outputs: usize, inputs: usize) -> Affine {
        let scale = (6.0 / inputs as f64).sqrt();
        let weight = DMatrix::from_fn(outputs, inputs, |_, _| scale * self.next());
        Affine::new(weight, DVector::from_fn(outputs, |_, _| 0.1 * self.next()))
    }

    fn image(&mut self, pixels: usize) -> Vec<f64> {
        (0..pixels).map(|_| self.next().abs()).collect()
    }
}

/// Widths 784, 1024, 1024, 1024, 10; 15 pixels are free, or all.
fn wide() -> [Subject; 2] {
    let mut numbers = Numbers(1);
    let widths = [784, 1024, 1024, 1024, 10];
    let layers = widths.windows(2).map(|shape| numbers.affine(shape[1], shape[0])).collect();
    let network = Network::relu_mlp(layers).expect("the widths fit");
    let image = numbers.image(784);
    let pixels: Vec<usize> = (0..15).map(|k| 300 + 7 * k).collect();
    let few = Region::ball_on(&image, 0.05, &pixels, &Domain::unit()).expect("the pixels exist");
    let all = Region::linf_ball(&image, 0.0005, &Domain::unit()).expect("a valid radius");
    let pair = with_int8(&network);
    [("wide_15", pair.clone(), few), ("wide_784", pair, all)]
}

/// A convolution, a residual block of two, and a dense layer, on an image of 8x8.
fn resnet() -> Subject {
    let mut numbers = Numbers(2);
    let mut convolution = |from: usize, to: usize| -> Layer {
        let window = Window::new([3, 3]).padded(1);
        Convolution::new(numbers.affine(to, 9 * from), window).into()
    };
    let relu = || Layer::from(Activation::Relu);
    let first = convolution(1, 8);
    let body = vec![convolution(8, 8), relu(), convolution(8, 8)];
    let block = Residual { body, shortcut: vec![] };
    let last = numbers.affine(10, 8 * 64);
    let layers = vec![first, relu(), block.into(), relu(), Layer::Flatten, last.into()];
    let network = Network::new(Shape::new([1, 8, 8]), layers).expect("the shapes fit");
    let region = Region::linf_ball(&numbers.image(64), 0.005, &Domain::unit());
    ("resnet", with_int8(&network), region.expect("a valid radius"))
}

fn with_int8(network: &Network) -> PairedNetworks {
    let compressed = int8(network, Granularity::PerChannel).expect("ordinary weights");
    compressed.pair(network).expect("the shapes are kept")
}

/// Few steps, and none for the neurons between.
fn few_steps() -> AlphaOptions {
    AlphaOptions { iterations: 3, intermediate: 0, ..AlphaOptions::default() }
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    group
}

fn passes(criterion: &mut Criterion) {
    let [few, all] = wide();
    let subjects = [digits("digits_32", 0.02), digits("digits_100", 0.02), few, all, resnet()];
    for (name, pair, region) in subjects {
        let mut group = group(criterion, name);
        let (f, scratch, steps) = (pair.original(), &mut Scratch::default(), few_steps());
        group.bench_function("interval", |b| b.iter(|| interval(f, black_box(&region))));
        group.bench_function("crown", |b| b.iter(|| crown_in(scratch, f, black_box(&region))));
        group.bench_function("crown_limited", |b| {
            b.iter(|| crown_limited(f, black_box(&region), 16));
        });
        group.bench_function("alpha_crown", |b| {
            b.iter(|| alpha_crown(f, black_box(&region), &steps));
        });
        group.bench_function("differential", |b| {
            b.iter(|| differential_in(scratch, &pair, black_box(&region)));
        });
        group.bench_function("differential_limited", |b| {
            b.iter(|| differential_limited(&pair, black_box(&region), 16));
        });
        group.bench_function("alpha_differential", |b| {
            b.iter(|| alpha_differential(&pair, black_box(&region), &steps));
        });
        // The baseline knows affine layers and ReLU alone.
        if forward(&pair, &region).is_ok() {
            group.bench_function("forward", |b| b.iter(|| forward(&pair, black_box(&region))));
        }
        #[cfg(feature = "rounding-cost")]
        for (kind, rounding) in [("outward", Rounding::Outward), ("nearest", Rounding::Nearest)] {
            let lines = Relaxations::default();
            group.bench_function(format!("crown/{kind}"), |b| {
                b.iter(|| crown_with(f, black_box(&region), &lines, rounding));
            });
            group.bench_function(format!("differential/{kind}"), |b| {
                b.iter(|| differential_with(&pair, black_box(&region), &lines, rounding));
            });
        }
        group.finish();
    }
}

/// Four pixels anywhere, at most 64 boxes.
fn verifier(criterion: &mut Criterion) {
    let (_, pair, whole) = digits("digits_32", 0.02);
    let image = whole.centre();
    let patch = Region::ball_on(&image, 0.5, &[27, 28, 35, 36], &Domain::unit());
    let patch = patch.expect("the pixels exist");
    let limits = Limits { boxes: 64, ..Limits::default() };
    let verifier =
        DifferentialVerifier { limits, ..DifferentialVerifier::new(Agreement::within(0.1)) };
    let mut group = group(criterion, "digits_32");
    group.bench_function("verify", |b| b.iter(|| verifier.verify(&pair, black_box(&patch))));
    group.finish();
}

criterion_group!(benches, passes, verifier);
criterion_main!(benches);
