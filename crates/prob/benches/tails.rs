//! Every tail bound, and the construction of a form, at the sizes of a toy, a layer and a colour image.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nncert_prob::{LinearForm, Tail, Uniform};

fn tails(criterion: &mut Criterion) {
    for n in [5_usize, 100, 3072] {
        let inputs = vec![Uniform::new(-1.0, 1.0).expect("an interval"); n];
        let coefficients: Vec<f64> = (0..n).map(|i| ((7 * i + 3) % 11) as f64 - 5.0).collect();
        let form =
            LinearForm::new(&coefficients, 0.1, &inputs).expect("as many coefficients as inputs");
        let threshold =
            0.1 + 5.0 * form.moments().variance.sqrt().min(0.15 * form.moments().deviation_above);
        let mut group = criterion.benchmark_group("form");
        group.bench_function(BenchmarkId::new("new", n), |b| {
            b.iter(|| {
                LinearForm::new(black_box(&coefficients), 0.1, &inputs).map(|form| *form.moments())
            });
        });
        group.finish();
        let mut group = criterion.benchmark_group("tail");
        for method in Tail::ALL {
            group.bench_function(BenchmarkId::new(method.name(), n), |b| {
                b.iter(|| form.upper_tail(black_box(threshold), method));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, tails);
criterion_main!(benches);
