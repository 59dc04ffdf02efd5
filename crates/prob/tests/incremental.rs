//! The exact coverage of the bounds for a changed classifier: every outcome is enumerated, and weighted with its probability.

use nncert_prob::{
    Count, Probability, SidedProbability, disagreement_lower, fisher_critical_of_two,
    fisher_three_lower, fisher_two_lower, one_sided_lower, weighted_fisher_critical,
    weighted_fisher_lower,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero, pow};

fn count(successes: u64, trials: u64) -> Count {
    Count::new(successes, trials).unwrap()
}

fn probability(p: f64) -> Probability {
    Probability::new(p).unwrap()
}

fn exact(x: f64) -> BigRational {
    BigRational::from_float(x).unwrap()
}

fn exact_bound(bound: SidedProbability) -> BigRational {
    let (side, of_complement) = bound.small_side();
    if of_complement { BigRational::one() - exact(side) } else { exact(side) }
}

/// `P(Bin(n, p) = k)` for all `k`.
fn binomial(n: u64, p: &BigRational) -> Vec<BigRational> {
    let q = BigRational::one() - p;
    let mut choose = BigInt::one();
    (0..=n)
        .map(|k| {
            let mass = pow(p.clone(), k as usize) * pow(q.clone(), (n - k) as usize);
            let mass = mass * BigRational::from(choose.clone());
            choose = &choose * BigInt::from(n - k) / BigInt::from(k + 1);
            mass
        })
        .collect()
}

/// What is counted: `n` cached samples, of which the first `m` are evaluated.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    /// `f = c` among all.
    cached: Count,
    /// `f ≠ f'` among the evaluated, when `f' = f` or one of both is `c`.
    disagreements: Count,
    lost: Count,
    gained: Count,
}

type Bound = fn(Outcome, f64) -> SidedProbability;

const BOUNDS: [(&str, Bound); 7] = [
    ("disagreement", |o, alpha| {
        let half = probability(0.5 * alpha);
        disagreement_lower(o.cached, o.disagreements, half, half)
    }),
    ("one-sided", |o, alpha| {
        let half = probability(0.5 * alpha);
        one_sided_lower(o.cached, o.lost, half, half)
    }),
    ("Fisher 2", |o, alpha| fisher_two_lower(o.cached, o.lost, probability(alpha))),
    ("weight 1/4", |o, alpha| weighted_fisher_lower(o.cached, o.lost, 0.25, probability(alpha))),
    ("weight 0.03", |o, alpha| weighted_fisher_lower(o.cached, o.lost, 0.03, probability(alpha))),
    ("weight 3", |o, alpha| weighted_fisher_lower(o.cached, o.lost, 3.0, probability(alpha))),
    ("Fisher 3", |o, alpha| fisher_three_lower(o.cached, o.lost, o.gained, probability(alpha))),
];

/// All outcomes with what does not depend on the probabilities: `f = c` in `i` of the `m` evaluated and in `j` of the others.
fn outcomes(n: u64, m: u64) -> Vec<([u64; 4], Outcome)> {
    let mut all = Vec::new();
    for i in 0..=m {
        for j in 0..=n - m {
            for d in 0..=i {
                for e in 0..=m - i {
                    let outcome = Outcome {
                        cached: count(i + j, n),
                        disagreements: count(d + e, m),
                        lost: count(d, i),
                        gained: count(e, m - i),
                    };
                    all.push(([i, j, d, e], outcome));
                }
            }
        }
    }
    all
}

/// The error at every setting is at most the level, exactly.
fn check_coverage(n: u64, m: u64, alpha: f64, settings: &[(f64, f64, f64)]) {
    for (name, bound) in BOUNDS {
        let bounds: Vec<_> = outcomes(n, m)
            .into_iter()
            .map(|(key, outcome)| (key, exact_bound(bound(outcome, alpha))))
            .collect();
        for &(p, u, v) in settings {
            let (p, u, v) = (exact(p), exact(u), exact(v));
            let q = &p * (BigRational::one() - &u) + (BigRational::one() - &p) * &v;
            let (evaluated, others) = (binomial(m, &p), binomial(n - m, &p));
            let losses: Vec<_> = (0..=m).map(|i| binomial(i, &u)).collect();
            let gains: Vec<_> = (0..=m).map(|i| binomial(i, &v)).collect();
            let mut error = BigRational::zero();
            for ([i, j, d, e], bound) in &bounds {
                if *bound > q {
                    error += &evaluated[*i as usize]
                        * &others[*j as usize]
                        * &losses[*i as usize][*d as usize]
                        * &gains[(m - i) as usize][*e as usize];
                }
            }
            let figure = error.to_f64().unwrap();
            assert!(
                error <= exact(alpha),
                "{name}: {figure} above {alpha} at p = {p}, u = {u}, v = {v}"
            );
        }
    }
}

/// Powers of two, so that the fractions stay short.
const SETTINGS: [(f64, f64, f64); 9] = [
    (0.5, 0.0, 0.0),
    (0.5, 0.25, 0.25),
    (0.75, 0.125, 0.0),
    (0.75, 0.0, 0.5),
    (0.875, 0.0625, 0.25),
    (0.9375, 0.25, 0.0),
    (0.984375, 0.015625, 0.0),
    (0.25, 0.5, 0.75),
    (1.0, 0.125, 0.0),
];

#[test]
fn the_error_is_at_most_the_level() {
    check_coverage(8, 8, 0.125, &SETTINGS);
    check_coverage(12, 5, 0.25, &SETTINGS);
}

#[test]
#[ignore = "a minute"]
fn the_error_is_at_most_the_level_for_more_samples() {
    check_coverage(24, 14, 0.0625, &SETTINGS);
    check_coverage(16, 16, 0.03125, &SETTINGS);
}

/// The `x` with `P(Bin(n, x) ≥ k) = e^(-s)`, rounded up.
fn quantile(of: Count, s: f64) -> f64 {
    let level = (-s).exp();
    if level <= 0.5 {
        return nncert_prob::clopper_pearson_lower(of, probability(level)).up();
    }
    let before = count(of.successes() - 1, of.trials());
    nncert_prob::clopper_pearson_upper(before, probability(-(-s).exp_m1())).up()
}

/// Against a search over the level of `p` in 2000 steps: lines lose little, and nothing on the other side.
#[test]
fn the_region_is_searched_closely() {
    for (cached, lost, alpha) in [
        (count(9_000, 10_000), count(6, 900), 0.001),
        (count(10_000, 10_000), count(0, 500), 0.002),
        (count(99_900, 100_000), count(0, 999), 0.002),
        (count(560, 1000), count(20, 500), 1e-6),
        (count(1, 3), count(1, 2), 0.1),
        (count(3_000_000, 4_000_000), count(5, 100_000), 1e-9),
    ] {
        for weight in [0.02, 0.3, 0.999, 1.0, 1.001, 2.5] {
            let critical = weighted_fisher_critical(weight, probability(alpha));
            let level = |s: f64| probability((-s).exp());
            // Smaller p-values of the original are rejected, whatever the weight.
            let longest = -(alpha / 1024.0).ln();
            let least = (1..2000)
                .map(|step| critical / weight * f64::from(step) / 2000.0)
                .filter(|s| *s < longest)
                .map(|s| quantile(cached, s) * quantile(lost.complement(), critical - weight * s))
                .map(|q| q * (1.0 + 1e-10))
                .fold(1.0, f64::min);
            // The ends: p = 1, and u = 0.
            let all_lost = nncert_prob::clopper_pearson_upper(lost, level(critical));
            let least = least.min(all_lost.complement_up() * (1.0 + 1e-10));
            let none = nncert_prob::clopper_pearson_lower(cached, level(critical / weight));
            let inside = critical / weight < longest;
            let least = if inside { least.min(none.up() * (1.0 + 1e-10)) } else { least };
            let bound = weighted_fisher_lower(cached, lost, weight, probability(alpha)).down();
            let share = |count: Count| count.successes() as f64 / count.trials() as f64;
            let estimate = share(cached) * share(lost.complement());
            let what = format!("{cached:?} {lost:?} {alpha} {weight}");
            assert!(bound <= least, "{what}: {bound} above {least}");
            // A part of the level is for small p-values of the original.
            assert!(least - bound <= 0.02 * (estimate - least), "{what}: {bound} below {least}");
        }
    }
}

/// Against an integral over one of the exponentials.
#[test]
fn weighted_critical_values_have_their_level() {
    for weight in [0.01, 0.2, 0.5, 2.0, 7.0] {
        for alpha in [0.1, 0.002, 1e-9] {
            let t = weighted_fisher_critical(weight, probability(alpha));
            // P(X₂ ≥ t) + ∫ e^(-x) P(w X₁ ≥ t - x) dx over [0, t], by the midpoint rule.
            let steps = 400_000;
            let width = t / f64::from(steps);
            let integral: f64 = (0..steps)
                .map(|step| (f64::from(step) + 0.5) * width)
                .map(|x| (-x - (t - x) / weight).exp() * width)
                .sum();
            let found = (-t).exp() + integral;
            assert!((found / alpha - 1.0).abs() < 1e-6, "{weight} {alpha}: {found}");
        }
    }
    let two = fisher_critical_of_two(probability(0.002)).get();
    let one = weighted_fisher_critical(1.0, probability(0.002));
    assert!(one >= -two.ln() - 1e-12 && one < -two.ln() + 1e-9);
    assert_eq!(weighted_fisher_critical(f64::NAN, probability(0.1)), f64::INFINITY);
    assert_eq!(weighted_fisher_critical(1.0, probability(0.0)), f64::INFINITY);
}

#[test]
fn what_is_gained_helps() {
    let (cached, lost, alpha) = (count(600, 1000), count(10, 600), probability(0.001));
    let two = fisher_two_lower(cached, lost, alpha);
    assert!(fisher_three_lower(cached, lost, count(200, 400), alpha) > two);
}

#[test]
fn extremes_give_bounds() {
    for (_, bound) in BOUNDS {
        for alpha in [0.0, 1e-300, 1e-15, 1.0] {
            for (cached, lost) in
                [(count(0, 0), count(0, 0)), (count(0, 9), count(0, 0)), (count(9, 9), count(9, 9))]
            {
                let outcome = Outcome { cached, disagreements: lost, lost, gained: count(0, 0) };
                assert_eq!(bound(outcome, alpha).down(), 0.0);
            }
        }
    }
    let perfect = (count(1 << 30, 1 << 30), count(0, 1 << 30));
    let bound = fisher_two_lower(perfect.0, perfect.1, probability(1e-15));
    assert!(bound.complement_up() < 1e-7);
}
