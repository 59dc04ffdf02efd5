//! How often a statement is false: at most as often as its level says.
//!
//! The classifiers are thresholds on the line, so that every probability is known. Tests take some hundreds of runs. With a hundred
//! thousand a setting, certificates of copies are run by `cargo xtask measure coverage`, and those of Cohen by the ignored test:
//! `cargo test --release -p nncert-smoothing --test coverage -- --ignored`.

use nncert_prob::{
    Count, Probability, SidedProbability, clopper_pearson_lower, clopper_pearson_upper,
    normal_quantile_down, weighted_fisher_lower,
};
use nncert_smoothing::strategies::Thresholds;
use nncert_smoothing::{
    BatchClassifier, Cache, CertifyOptions, ErrorBudget, Expectation, FnClassifier, GammaSwitch,
    Incremental, Input, Noise, PredictOptions, Prediction, RadiusOptions, RecordOptions, RunnerUp,
    Sampling, Smoothed, Smoothing, Transfer, TransferOptions,
};

fn quantile(p: f64) -> f32 {
    normal_quantile_down(SidedProbability::new(p).unwrap()) as f32
}

/// Errors among runs are within 4.5 deviations of what the level allows.
fn check(what: &str, errors: u64, runs: u64, alpha: f64) {
    let n = runs as f64;
    let most = alpha * n + 4.5 * (alpha * (1.0 - alpha) * n).sqrt();
    assert!(errors as f64 <= most, "{what}: {errors} errors in {runs} runs, level {alpha}");
}

const SELECTION: u64 = 20;
const CACHED: u64 = 80;
const CHANGED: u64 = 30;

fn smoothing(seed: u64) -> Smoothing {
    Smoothing::new(Noise::Gaussian, 1.0, seed).unwrap()
}

fn recorded(smoothed: &Smoothed<impl BatchClassifier>, input: Input<'_>) -> Cache {
    let options = RecordOptions {
        selection: SELECTION,
        first: 0,
        samples: CACHED,
        batch: 128,
        margins: false,
    };
    let mut cache = Cache::new(smoothed);
    cache.insert(smoothed.record(input, &options).unwrap()).unwrap();
    cache
}

/// Statements about `f'` by every method.
fn transfers(runs: u64, alpha: f64, settings: &[Thresholds], methods: &[Transfer]) {
    for setting in settings {
        let smoothing = smoothing(17);
        let smoothed = Smoothed::new(setting.original(), smoothing.clone()).unwrap();
        let (fingerprint, changed) = (smoothed.classifier().fingerprint(), setting.changed());
        let mut errors = vec![0; methods.len() + 1];
        let radius = setting.radius();
        for id in 0..runs {
            let input = Input { id, values: &[0.0] };
            let cache = recorded(&smoothed, input);
            let class = cache.get(id).unwrap().class();
            let budget = ErrorBudget::new(alpha, 1).unwrap();
            let mut incremental =
                Incremental::new(&cache, fingerprint, &smoothing, budget).unwrap();
            // What is true of the class that was chosen.
            let truth = if class == 0 { setting.q() } else { 1.0 - setting.q() };
            let wrong = |report: nncert_smoothing::TransferReport| {
                let found = report.certification.certificate().map(|found| found.probability);
                u64::from(found.is_some_and(|found| found.down() > truth))
            };
            for (method, errors) in methods.iter().zip(&mut errors) {
                let options =
                    TransferOptions { method: *method, samples: CHANGED, ..Default::default() };
                let report = incremental.certify_incremental(&changed, input, &options).unwrap();
                *errors += wrong(report);
            }
            let options = RadiusOptions { radius, most: CACHED, ..Default::default() };
            let report = incremental.certify_radius(&changed, input, &options).unwrap();
            *errors.last_mut().unwrap() += wrong(report);
        }
        for (method, errors) in methods.iter().zip(&errors) {
            check(&format!("{method:?} at {setting:?}"), *errors, runs, alpha);
        }
        check(&format!("radius at {setting:?}"), errors[methods.len()], runs, alpha);
    }
}

const QUICK: [Transfer; 10] = [
    Transfer::Irs { gamma: 0.8, share: 0.5, switch: GammaSwitch::Cached },
    Transfer::Irs { gamma: 0.8, share: 0.5, switch: GammaSwitch::Selection },
    Transfer::OneSided { share: 0.5 },
    Transfer::OneSided { share: 0.1 },
    Transfer::FisherTwo { weight: 1.0 / 32.0 },
    Transfer::FisherTwo { weight: 0.25 },
    Transfer::FisherTwo { weight: 1.0 },
    Transfer::Fresh,
    Transfer::Replay,
    Transfer::Automatic(Expectation { lost: 0.02, gained: 0.02 }),
];

#[test]
fn statements_hold_as_often_as_they_say() {
    transfers(500, 0.1, &Thresholds::ADVERSARIAL, &QUICK);
    transfers(15, 0.1, &Thresholds::ADVERSARIAL[2..4], &[Transfer::FisherThree]);
}

/// Cohen's certificates: fixed and sequential, one-sided and two-sided; and predictions.
fn certificates(runs: u64, alpha: f64) {
    for p in [0.55, 0.8, 0.97] {
        let setting = Thresholds { p, u: 0.0, v: 0.0 };
        let smoothed = Smoothed::new(setting.original(), smoothing(3)).unwrap();
        let sequential = Sampling::Sequential { radius: 0.7 * f64::from(quantile(p)), most: 300 };
        let kinds = [
            (Sampling::Fixed { samples: 60 }, RunnerUp::Rest),
            (Sampling::Fixed { samples: 60 }, RunnerUp::Counted),
            (sequential, RunnerUp::Rest),
        ];
        for (sampling, runner_up) in kinds {
            let options = CertifyOptions { alpha, selection: 10, sampling, runner_up, batch: 64 };
            let mut errors = 0;
            for id in 0..runs {
                let input = Input { id, values: &[0.0] };
                let report = smoothed.certify(input, &options).unwrap();
                let Some(found) = report.certification.certificate() else { continue };
                let truth = if found.class == 0 { p } else { 1.0 - p };
                // The radius, rounded down, is at most that of the true probability.
                let largest = f64::from(quantile(truth).next_up());
                errors += u64::from(found.radius > largest);
            }
            check(&format!("{sampling:?} {runner_up:?} at {p}"), errors, runs, alpha);
        }
    }
    let setting = Thresholds { p: 0.505, u: 0.0, v: 0.0 };
    let smoothed = Smoothed::new(setting.original(), smoothing(4)).unwrap();
    let options = PredictOptions { alpha, samples: 50, batch: 64 };
    let wrong = |id| {
        let input = Input { id, values: &[0.0] };
        u64::from(smoothed.predict(input, &options).unwrap() == Prediction::Class(1))
    };
    check("predictions", (0..runs).map(wrong).sum(), runs, alpha);
}

#[test]
fn certificates_hold_as_often_as_they_say() {
    certificates(1000, 0.1);
}

#[test]
#[ignore = "minutes"]
fn certificates_hold_as_often_as_they_say_in_a_hundred_thousand_runs() {
    certificates(100_000, 0.1);
    certificates(100_000, 0.01);
}

/// Three changed classifiers and one cache: some statement is false no more often than the budget says.
#[test]
fn a_budget_covers_all_models() {
    let (runs, alpha) = (500, 0.2);
    let settings = [
        Thresholds { p: 0.85, u: 0.01, v: 0.0 },
        Thresholds { p: 0.85, u: 0.1, v: 0.0 },
        Thresholds { p: 0.85, u: 0.0, v: 0.2 },
    ];
    let smoothed = Smoothed::new(settings[0].original(), smoothing(23)).unwrap();
    let models: Vec<_> = settings
        .iter()
        .enumerate()
        .map(|(index, setting)| {
            let model = setting.changed();
            let name = ["one", "two", "three"][index];
            (FnClassifier::new(1, 2, name, move |batch| model.classify(batch).unwrap()), setting)
        })
        .collect();
    let mut errors = 0;
    for id in 0..runs {
        let input = Input { id, values: &[0.0] };
        let cache = recorded(&smoothed, input);
        let budget = ErrorBudget::new(alpha, 3).unwrap();
        let original = smoothed.classifier().fingerprint();
        let mut incremental =
            Incremental::new(&cache, original, smoothed.smoothing(), budget).unwrap();
        let method = Transfer::OneSided { share: 0.5 };
        let options = TransferOptions { method, samples: CHANGED, ..Default::default() };
        let wrong = models.iter().any(|(model, setting)| {
            let report = incremental.certify_incremental(model, input, &options).unwrap();
            let found = report.certification.certificate();
            found.is_some_and(|found| found.class == 0 && found.probability.down() > setting.q())
        });
        errors += u64::from(wrong);
    }
    check("three models", errors, runs, alpha);
}

/// New samples where the cached count is above a threshold, a joint test below it: exactly, for every threshold.
#[test]
fn the_choice_of_new_samples_costs_nothing() {
    let (n, m, alpha) = (40, 15, 0.1);
    let level = Probability::new(alpha).unwrap();
    let count = |k, n| Count::new(k, n).unwrap();
    for weight in [0.125, 1.0] {
        let joint: Vec<Vec<f64>> = (0..=n)
            .map(|k| {
                let bound = |d| weighted_fisher_lower(count(k, n), count(d, m), weight, level);
                (0..=m).map(|d| bound(d).down()).collect()
            })
            .collect();
        let fresh: Vec<f64> =
            (0..=m).map(|k| clopper_pearson_lower(count(k, m), level).down()).collect();
        let mut worst = 0.0_f64;
        for p in (25..=50).map(|step| f64::from(step) / 50.0) {
            for u in [0.0, 0.02, 0.1, 0.3] {
                let q = p * (1.0 - u);
                let (cached, lost, new) = (binomial(n, p), binomial(m, u), binomial(m, q));
                let mass = |bounds: &[f64], masses: &[f64]| -> f64 {
                    let wrong = bounds.iter().zip(masses).filter(|(bound, _)| **bound > q);
                    wrong.map(|(_, mass)| mass).sum()
                };
                let above = mass(&fresh, &new);
                let below: Vec<f64> = joint.iter().map(|bounds| mass(bounds, &lost)).collect();
                for threshold in n / 2..=n + 1 {
                    let error: f64 = (0..=n)
                        .map(|k| (k as usize, k >= threshold))
                        .map(|(k, new)| cached[k] * if new { above } else { below[k] })
                        .sum();
                    assert!(error <= alpha, "{error} at p = {p}, u = {u}, from {threshold}");
                    worst = worst.max(error);
                }
            }
        }
        // Not for lack of trying.
        assert!(worst > 0.3 * alpha, "{worst}");
    }
}

/// `P(Bin(n, p) = k)` for all `k`, from its logarithm.
fn binomial(n: u64, p: f64) -> Vec<f64> {
    let ln_factorial = |k: u64| (1..=k).map(|i| (i as f64).ln()).sum::<f64>();
    (0..=n)
        .map(|k| {
            let choose = ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
            let power = |base: f64, e: u64| if e == 0 { 0.0 } else { e as f64 * base.ln() };
            (choose + power(p, k) + power(1.0 - p, n - k)).exp()
        })
        .collect()
}

/// The switch of IRS on the cached bound, exactly: over all counts, for every `p` around every `γ`.
///
/// The worst that can happen to `ζ` is taken: disagreements that are all losses, counted on other samples.
#[test]
fn the_switch_at_gamma_costs_nothing() {
    let (n, m, alpha) = (60, 25, 0.1);
    let probability = |p: f64| Probability::new(p).unwrap();
    let half = probability(0.5 * alpha);
    let count = |k, n| Count::new(k, n).unwrap();
    let lower: Vec<f64> =
        (0..=n).map(|k| clopper_pearson_lower(count(k, n), half).down()).collect();
    let zeta: Vec<f64> = (0..=m).map(|d| clopper_pearson_upper(count(d, m), half).up()).collect();
    let fresh: Vec<f64> =
        (0..=m).map(|k| clopper_pearson_lower(count(k, m), half).down()).collect();
    let mut worst = 0.0_f64;
    for p in (50..100).map(|percent| f64::from(percent) / 100.0) {
        for u in [0.0, 0.02, 0.1, 0.3] {
            let q = p - u;
            let (cached, lost, new) = (binomial(n, p), binomial(m, u), binomial(m, q));
            // In the branch of ζ, and in the fallback.
            let fallback: f64 =
                fresh.iter().zip(&new).filter(|(bound, _)| **bound > q).map(|(_, mass)| mass).sum();
            let joint: Vec<f64> = lower
                .iter()
                .map(|p| {
                    let wrong = zeta.iter().zip(&lost).filter(|(zeta, _)| p - **zeta > q);
                    wrong.map(|(_, mass)| mass).sum()
                })
                .collect();
            for gamma in (50..=100).map(|percent| f64::from(percent) / 100.0) {
                let error: f64 = (0..=n as usize)
                    .map(|k| cached[k] * if lower[k] < gamma { joint[k] } else { fallback })
                    .sum();
                assert!(error <= alpha, "{error} at p = {p}, u = {u}, gamma = {gamma}");
                worst = worst.max(error);
            }
        }
    }
    // Not for lack of trying.
    assert!(worst > 0.3 * alpha, "{worst}");
}
