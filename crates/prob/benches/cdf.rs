//! The distribution function at the sizes of a toy, a layer, a grey and a colour image; network-like and hard coefficients.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nncert_prob::{ExactCdf, LinearForm, Uniform};

/// Numbers in `[-1, 1)` of a fixed recurrence.
fn noise() -> impl FnMut() -> f64 {
    let mut state = 1_u64;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / 8_388_608.0 - 1.0
    }
}

fn cdf(criterion: &mut Criterion) {
    for (kind, largest) in [("layer", 1.0), ("dominated", 300.0)] {
        let mut group = criterion.benchmark_group(kind);
        for n in [2_usize, 5, 10, 30, 100, 784, 3072] {
            let inputs = vec![Uniform::new(-1.0, 1.0).expect("an interval"); n];
            let mut next = noise();
            let mut c: Vec<f64> = (0..n).map(|_| next() * next()).collect();
            c[0] *= largest;
            let form = LinearForm::new(&c, 0.1, &inputs).expect("as many coefficients as inputs");
            let threshold = 0.1 + 2.0 * form.moments().variance.sqrt();
            group.bench_function(BenchmarkId::new("whole", n), |b| {
                b.iter(|| form.cdf(black_box(threshold)));
            });
            let prepared = ExactCdf::new(&form);
            group.bench_function(BenchmarkId::new("threshold", n), |b| {
                b.iter(|| prepared.at(black_box(threshold)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, cdf);
criterion_main!(benches);
