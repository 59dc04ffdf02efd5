//! Batched evaluation, and the matrix product that it consists of.
//!
//! Throughput is in multiplications with an addition (two floating-point
//! operations each), so that the fraction of the machine's peak can be read off,
//! and what an evaluation spends outside of its products.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nalgebra::{DMatrix, DVector};
use nncert_core::product::multiply;
use nncert_core::{
    Activation, Affine, Convolution, Evaluator, Layer, Network, Pool, Real, Residual, Select,
    Shape, Window,
};

/// Inputs in a batch.
const BATCH: usize = 256;

/// Numbers in `[-1, 1)` that look random.
fn entry(row: usize, column: usize) -> f64 {
    let hash = (row as u64 * 0x9e37_79b9 + column as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    (hash >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn network(widths: &[usize]) -> Network {
    let layers = widths.windows(2).map(|shape| {
        let scale = (6.0 / shape[0] as f64).sqrt();
        let weight = DMatrix::from_fn(shape[1], shape[0], |i, j| scale * entry(i, j));
        Affine::new(weight, DVector::from_fn(shape[1], |i, _| 0.1 * entry(i, 0)))
    });
    Network::relu_mlp(layers.collect()).expect("the widths fit")
}

/// Two residual blocks on images of 32 by 32, the second at half the size, and the number
/// of products in it.
fn residual_network() -> (Network, usize) {
    let mut products = 0;
    let mut convolution = |outputs: usize, inputs: usize, stride: usize, size: usize| {
        products += 9 * outputs * inputs * size * size;
        let scale = (2.0 / (9 * inputs) as f64).sqrt();
        let weight = DMatrix::from_fn(outputs, 9 * inputs, |i, j| scale * entry(i, j));
        let window = Window { stride: [stride, stride], ..Window::new([3, 3]) }.padded(1);
        Layer::from(Convolution::new(Affine::new(weight, DVector::zeros(outputs)), window))
    };
    let relu = || Layer::from(Activation::Relu);
    let shortcut = Select::shortcut(&Shape::new([16, 32, 32]), 2, [8, 8]).expect("it fits");
    let pool = Pool::Average { window: Window::new([16, 16]), count_include_pad: false };
    let layers = vec![
        convolution(16, 3, 1, 32),
        relu(),
        Residual {
            body: vec![convolution(16, 16, 1, 32), relu(), convolution(16, 16, 1, 32)],
            shortcut: vec![],
        }
        .into(),
        relu(),
        Residual {
            body: vec![convolution(32, 16, 2, 16), relu(), convolution(32, 32, 1, 16)],
            shortcut: vec![shortcut.into()],
        }
        .into(),
        relu(),
        pool.into(),
        Layer::Flatten,
        Affine::new(DMatrix::from_fn(10, 32, entry), DVector::zeros(10)).into(),
    ];
    products += 10 * 32;
    (Network::new(Shape::new([3, 32, 32]), layers).expect("the shapes fit"), products)
}

fn matrix<T: Real>(rows: usize, columns: usize) -> DMatrix<T> {
    DMatrix::from_fn(rows, columns, |i, j| T::nearest(entry(i, j)))
}

fn both<T: Real>(criterion: &mut Criterion, element: &str) {
    let mut group = criterion.benchmark_group("evaluate");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    for widths in [&[64, 100, 100, 10][..], &[784, 1024, 1024, 10]] {
        let network = network(widths);
        let products: usize = widths.windows(2).map(|shape| shape[0] * shape[1] * BATCH).sum();
        group.throughput(Throughput::Elements(products as u64));
        let mut evaluator = Evaluator::<T>::new(&network).expect("ordinary weights");
        let inputs = matrix::<T>(widths[0], BATCH);
        group.bench_function(BenchmarkId::new(element, &network), |b| {
            b.iter(|| evaluator.evaluate(black_box(&inputs)).map(DMatrix::len));
        });
        // The same products, and nothing else.
        let factors: Vec<_> = widths
            .windows(2)
            .map(|shape| (matrix::<T>(shape[1], shape[0]), matrix::<T>(shape[0], BATCH)))
            .collect();
        let mut outputs: Vec<_> =
            widths[1..].iter().map(|rows| matrix::<T>(*rows, BATCH)).collect();
        group.bench_function(BenchmarkId::new(format!("{element}_product"), &network), |b| {
            b.iter(|| {
                for (out, (weight, input)) in outputs.iter_mut().zip(&factors) {
                    multiply(out, false, black_box(weight), input);
                }
            });
        });
    }
    let (network, products) = residual_network();
    group.throughput(Throughput::Elements((products * BATCH) as u64));
    let mut evaluator = Evaluator::<T>::new(&network).expect("ordinary weights");
    let inputs = matrix::<T>(network.inputs(), BATCH);
    group.bench_function(BenchmarkId::new(element, "residual"), |b| {
        b.iter(|| evaluator.evaluate(black_box(&inputs)).map(DMatrix::len));
    });
    group.finish();
}

fn evaluate(criterion: &mut Criterion) {
    both::<f32>(criterion, "f32");
    both::<f64>(criterion, "f64");
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
