//! Noise beside the ziggurat of `rand_distr`, for an image of 3x32x32.

#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nncert_smoothing::{Input, Noise, Smoothing};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const PIXELS: usize = 3072;

fn noise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("noise");
    group.throughput(Throughput::Elements(PIXELS as u64));
    let image = [0.2; PIXELS];
    for (name, noise) in
        [("gaussian", Noise::Gaussian), ("grid", Noise::Grid { levels: 255, clamped: true })]
    {
        let smoothing = Smoothing::new(noise, 0.25, 1).expect("a positive sigma");
        let mut index = 0;
        group.bench_function(BenchmarkId::new("ours", name), |bench| {
            bench.iter(|| {
                index += 1;
                smoothing.sample(Input { id: 0, values: &image }, index)
            });
        });
    }
    let mut values = vec![0.0_f32; PIXELS];
    let mut chacha = ChaCha8Rng::seed_from_u64(1);
    group.bench_function("rand_distr/f32/ChaCha8", |bench| {
        bench.iter(|| {
            for value in &mut values {
                let normal: f32 = StandardNormal.sample(&mut chacha);
                *value = 0.2 + 0.25 * normal;
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2));
    targets = noise
}
criterion_main!(benches);
