//! The exact error of what stops by itself: the probability of every path through the lattice of successes and trials.

use nncert_prob::{
    Confidence, Count, LookSchedule, Probability, Sprt, SprtDecision, SprtThresholds,
    clopper_pearson_lower, sequence_lower,
};

fn count(successes: u64, trials: u64) -> Count {
    Count::new(successes, trials).unwrap()
}

fn probability(p: f64) -> Probability {
    Probability::new(p).unwrap()
}

/// The probability that a walk of `n` trials ever meets the condition.
///
/// A sum of positive products: the rounding error is below `2n` units in the last place.
fn ever(p: f64, n: u64, stops: impl Fn(Count) -> bool) -> f64 {
    let mut paths = vec![1.0];
    let mut stopped = 0.0;
    for trials in 1..=n {
        let mut next = vec![0.0; paths.len() + 1];
        for (k, weight) in paths.into_iter().enumerate() {
            next[k] += weight * (1.0 - p);
            next[k + 1] += weight * p;
        }
        for (k, weight) in next.iter_mut().enumerate() {
            if *weight > 0.0 && stops(count(k as u64, trials)) {
                stopped += *weight;
                *weight = 0.0;
            }
        }
        paths = next;
    }
    stopped
}

#[test]
fn the_sequence_ever_exceeds_the_probability_with_at_most_alpha() {
    for alpha in [0.25, 0.05] {
        let level = probability(alpha);
        let n = 160;
        let bounds: Vec<Vec<f64>> = (0..=n)
            .map(|n| (0..=n).map(|k| sequence_lower(count(k, n), level).unwrap().down()).collect())
            .collect();
        for p in [0.03, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999] {
            let error = ever(p, n, |c| bounds[c.trials() as usize][c.successes() as usize] > p);
            assert!(error <= alpha, "{error} above {alpha} at p = {p}");
        }
    }
}

#[test]
fn the_sequence_pays_little_for_looking() {
    for (k, n) in [(990, 1000), (99_900, 100_000), (520, 1000), (10, 10), (1, 1_000_000_000)] {
        let alpha = probability(0.001);
        let always = sequence_lower(count(k, n), alpha).unwrap();
        let once = clopper_pearson_lower(count(k, n), alpha);
        assert!(always <= once);
        let share = k as f64 / n as f64;
        assert!(k < 5 || share - always.down() < 2.5 * (share - once.down()), "{always} {once}");
    }
}

#[test]
fn looks_share_the_level() {
    let schedule = LookSchedule { alpha: probability(0.25) };
    assert_eq!(schedule.level(0), Probability::ZERO);
    for p in [0.1, 0.5, 0.9, 0.99] {
        // Looks at 2, 4, 8, ….
        let error = ever(p, 256, |c| {
            let n = c.trials();
            n.is_power_of_two() && n > 1 && {
                let bound = clopper_pearson_lower(c, schedule.level(n.trailing_zeros()));
                bound.down() > p
            }
        });
        assert!(error <= 0.25, "{error} at p = {p}");
    }
    assert!(schedule.level(u32::MAX).get() > 0.0);
}

fn errors(thresholds: SprtThresholds, p0: f64, p1: f64, alpha: f64, beta: f64) -> (f64, f64) {
    let number = |x| Confidence::new(x).unwrap();
    let test = Sprt::new(number(p0), number(p1), number(alpha), number(beta), thresholds).unwrap();
    let run = |p: f64, wrong: SprtDecision| {
        let n = 1500;
        let mut paths = vec![1.0];
        let mut error = 0.0;
        for trials in 1..=n {
            let mut next = vec![0.0; paths.len() + 1];
            for (k, weight) in paths.into_iter().enumerate() {
                next[k] += weight * (1.0 - p);
                next[k + 1] += weight * p;
            }
            for (k, weight) in next.iter_mut().enumerate().filter(|(_, w)| **w > 0.0) {
                let decision = test.decide(count(k as u64, trials));
                if decision != SprtDecision::Continue {
                    error += if decision == wrong { *weight } else { 0.0 };
                    *weight = 0.0;
                }
            }
            paths = next;
        }
        error
    };
    (run(p0, SprtDecision::AcceptUpper), run(p1, SprtDecision::AcceptLower))
}

#[test]
fn the_ratio_test_errs_as_stated() {
    for (p0, p1) in [(0.5, 0.75), (0.9, 0.97), (0.02, 0.1)] {
        for (alpha, beta) in [(0.05, 0.05), (0.01, 0.2)] {
            let (upper, lower) = errors(SprtThresholds::Ville, p0, p1, alpha, beta);
            assert!(upper <= alpha && lower <= beta, "{upper}, {lower}");
            let (upper, lower) = errors(SprtThresholds::Wald, p0, p1, alpha, beta);
            assert!(upper + lower <= alpha + beta, "{upper} + {lower}");
            assert!(upper <= alpha / (1.0 - beta) && lower <= beta / (1.0 - alpha));
        }
    }
}

#[test]
fn a_test_needs_two_hypotheses() {
    let number = |x| Confidence::new(x).unwrap();
    let new = |p0, p1, alpha| {
        Sprt::new(number(p0), number(p1), number(alpha), number(0.5), SprtThresholds::Wald)
    };
    assert!(new(0.5, 0.5, 0.1).is_err() && new(0.6, 0.5, 0.1).is_err());
    assert!(new(0.4, 0.5, 0.5).is_err() && new(0.4, 0.5, 0.4).is_ok());
}
