//! Networks in integers: one input, and batches on each kernel.
//!
//! Throughput is in multiplications with an addition.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nalgebra::{DMatrix, DVector};
use nncert_core::fixed_point::{FixedPointConfig, FixedPointEvaluator};
use nncert_core::{Affine, FixedPointNetwork, Network};

/// Inputs in a batch.
const BATCH: usize = 256;
const WIDTHS: [usize; 3] = [784, 100, 10];

/// Numbers in `[-1, 1)` that look random.
fn entry(row: usize, column: usize) -> f64 {
    let hash = (row as u64 * 0x9e37_79b9 + column as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    (hash >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn network(bits: u32) -> FixedPointNetwork {
    let layers = WIDTHS.windows(2).map(|shape| {
        let weight = DMatrix::from_fn(shape[1], shape[0], entry);
        Affine::new(weight, DVector::from_fn(shape[1], |i, _| entry(i, 0)))
    });
    let network = Network::relu_mlp(layers.collect()).expect("the widths fit");
    let config = FixedPointConfig::qvip(bits, 2).expect("few bits");
    FixedPointNetwork::from_network(&network, &config).expect("far from overflow")
}

fn evaluate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fixed_point");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    let products: usize = WIDTHS.windows(2).map(|shape| shape[0] * shape[1]).sum();
    let batch = DMatrix::from_fn(784, BATCH, |i, j| (entry(i, j).abs() * 255.0) as i64);
    // 6 bits run in `f32`, 16 in `f64`.
    for bits in [6, 16] {
        let network = network(bits);
        group.throughput(Throughput::Elements(products as u64));
        group.bench_function(BenchmarkId::new("one", bits), |b| {
            b.iter(|| network.evaluate(black_box(batch.column(0).as_slice())).map(|y| y.len()));
        });
        group.throughput(Throughput::Elements((products * BATCH) as u64));
        let mut evaluator = FixedPointEvaluator::new(&network);
        group.bench_function(BenchmarkId::new("batch", bits), |b| {
            b.iter(|| evaluator.evaluate(black_box(&batch)).map(DMatrix::len));
        });
    }
    group.finish();
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
