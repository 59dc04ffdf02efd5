//! Bounds from counts, and the normal quantile.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nncert_prob::{
    Count, Probability, SidedProbability, clopper_pearson_lower, fisher_three_lower,
    fisher_two_lower, normal_quantile_down, sequence_lower, weighted_fisher_lower,
};

fn count(successes: u64, trials: u64) -> Count {
    Count::new(successes, trials).expect("a count")
}

fn statistics(criterion: &mut Criterion) {
    let alpha = Probability::new(0.001).expect("a level");
    let mut group = criterion.benchmark_group("clopper_pearson_lower");
    for n in [1_000, 100_000, 10_000_000, 1_000_000_000] {
        for (name, k) in [("0.6", 6 * (n / 10)), ("0.999", n - n / 1000)] {
            group.bench_function(BenchmarkId::new(name, n), |b| {
                b.iter(|| clopper_pearson_lower(black_box(count(k, n)), alpha));
            });
        }
    }
    let half = Probability::new(0.5).expect("a level");
    group.bench_function("median/100000", |b| {
        b.iter(|| clopper_pearson_lower(black_box(count(60_000, 100_000)), half));
    });
    group.finish();
    let (cached, lost, gained) = (count(90_000, 100_000), count(6, 9_000), count(20, 1_000));
    criterion.bench_function("sequence_lower", |b| {
        b.iter(|| sequence_lower(black_box(cached), alpha));
    });
    criterion.bench_function("fisher_two_lower", |b| {
        b.iter(|| fisher_two_lower(black_box(cached), lost, alpha));
    });
    criterion.bench_function("weighted_fisher_lower/0.25", |b| {
        b.iter(|| weighted_fisher_lower(black_box(cached), lost, 0.25, alpha));
    });
    criterion.bench_function("fisher_three_lower", |b| {
        b.iter(|| fisher_three_lower(black_box(cached), lost, gained, alpha));
    });
    let p = SidedProbability::from_complement(1e-5).expect("a probability");
    criterion.bench_function("normal_quantile_down", |b| {
        b.iter(|| normal_quantile_down(black_box(p)));
    });
}

criterion_group!(benches, statistics);
criterion_main!(benches);
