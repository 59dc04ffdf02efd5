//! How often statements are false, on classifiers whose probabilities are known.
//!
//! The classifiers are thresholds on the line: `f = 0` with probability `p`, there `f' ≠ 0` with `u`, elsewhere `f' = 0` with `v`. A run
//! records an input, chooses its class, and certifies the copy by each method, as a user would. Fisher's test of three p-values takes
//! milliseconds: it is run on counts that are drawn from their laws, and each outcome is computed once.

use std::collections::HashMap;
use std::fmt::Write as _;

use nncert_prob::{Count, Probability, fisher_three_lower};
use nncert_smoothing::strategies::Thresholds;
use nncert_smoothing::{
    BatchClassifier, Cache, ErrorBudget, Expectation, GammaSwitch, Incremental, Input, Noise,
    RadiusOptions, RecordOptions, Smoothed, Smoothing, Transfer, TransferOptions, TransferReport,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde_json::{Value as Json, json};

use crate::verb::{Error, failed};

/// Runs of every setting.
pub(crate) const RUNS: u64 = 100_000;
/// The level of every statement.
const ALPHA: f64 = 0.1;
/// Samples that choose the class.
const SELECTION: u64 = 20;
/// Samples that are cached.
const CACHED: u64 = 80;
/// Samples of the copy.
const CHANGED: u64 = 30;
/// Near the `p` of some settings.
const GAMMA: f64 = 0.8;

/// The methods, by their names in the table.
const METHODS: [(&str, Transfer); 11] = [
    ("IRS, switch on the cached bound", irs(GammaSwitch::Cached)),
    ("IRS, switch on the selection", irs(GammaSwitch::Selection)),
    ("one-sided, half each", Transfer::OneSided { share: 0.5 }),
    ("one-sided, a tenth for p", Transfer::OneSided { share: 0.1 }),
    ("Fisher 2", Transfer::FisherTwo { weight: 1.0 }),
    ("Fisher 2, weight 1/4", Transfer::FisherTwo { weight: 0.25 }),
    ("Fisher 2, weight 1/32", Transfer::FisherTwo { weight: 1.0 / 32.0 }),
    ("Fisher 2, weight 2", Transfer::FisherTwo { weight: 2.0 }),
    ("new samples", Transfer::Fresh),
    ("replay", Transfer::Replay),
    ("automatic", Transfer::Automatic(Expectation { lost: 0.02, gained: 0.02 })),
];

const fn irs(switch: GammaSwitch) -> Transfer {
    Transfer::Irs { gamma: GAMMA, share: 0.5, switch }
}

/// Errors of each method at each setting.
pub(crate) struct Coverage {
    runs: u64,
    rows: Vec<(&'static str, Vec<u64>)>,
}

impl Coverage {
    /// So many runs of every setting.
    pub(crate) fn run(runs: u64) -> Result<Self, Error> {
        let settings = Thresholds::ADVERSARIAL.iter();
        let found: Vec<Vec<u64>> =
            settings.map(|setting| errors(setting, runs)).collect::<Result<_, _>>()?;
        let names = METHODS.iter().map(|(name, _)| *name).chain(["fixed radius", "Fisher 3"]);
        let column = |row: usize| found.iter().map(|errors| errors[row]).collect();
        let rows = names.enumerate().map(|(row, name)| (name, column(row))).collect();
        Ok(Self { runs, rows })
    }

    /// The greatest share of errors in terms of the level.
    pub(crate) fn worst(&self) -> f64 {
        let most = self.rows.iter().flat_map(|(_, errors)| errors).max();
        most.map_or(0.0, |most| *most as f64 / self.runs as f64 / ALPHA)
    }

    pub(crate) fn table(&self) -> String {
        let mut table = String::from("| method |");
        for Thresholds { p, u, v } in Thresholds::ADVERSARIAL {
            let _ = write!(table, " {p}, {u}, {v} |");
        }
        let _ = writeln!(table, "\n|---|{}", "---|".repeat(Thresholds::ADVERSARIAL.len()));
        for (name, errors) in &self.rows {
            let _ = write!(table, "| {name} |");
            for count in errors {
                let _ = write!(table, " {:.2} % |", 100.0 * *count as f64 / self.runs as f64);
            }
            table.push('\n');
        }
        table
    }

    /// What the table is about.
    pub(crate) fn text(&self) -> String {
        format!(
            "How often statements at level {} % were false, in {} runs of each setting `p`, `u`, `v`: {CACHED} cached samples, {CHANGED} of \
             the copy, {SELECTION} that choose the class, and γ = {GAMMA}.",
            100.0 * ALPHA,
            self.runs
        )
    }

    pub(crate) fn json(&self) -> Json {
        let rows = self.rows.iter().map(|(name, errors)| ((*name).to_owned(), json!(errors)));
        json!({
            "runs": self.runs, "level": ALPHA, "settings": Thresholds::ADVERSARIAL.map(|Thresholds { p, u, v }| [p, u, v]),
            "errors": rows.collect::<Json>(), "worst_by_level": self.worst(),
        })
    }
}

/// Errors of every method at a setting.
fn errors(setting: &Thresholds, runs: u64) -> Result<Vec<u64>, Error> {
    let (f, copy) = (setting.original(), setting.changed());
    let smoothing = Smoothing::new(Noise::Gaussian, 1.0, 17).map_err(failed)?;
    let smoothed = Smoothed::new(&f, smoothing).map_err(failed)?;
    let radius = setting.radius();
    let sum = |mut a: Vec<u64>, b: Vec<u64>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        Ok(a)
    };
    let mut errors = (0..runs)
        .into_par_iter()
        .map(|id| run(setting, &smoothed, &copy, id, radius))
        .try_reduce(|| vec![0; METHODS.len() + 1], sum)?;
    errors.push(of_counts(setting, runs)?);
    Ok(errors)
}

/// For each method, and for the fixed radius, whether the statement was false.
fn run(
    setting: &Thresholds,
    smoothed: &Smoothed<impl BatchClassifier>,
    copy: &impl BatchClassifier,
    id: u64,
    radius: f64,
) -> Result<Vec<u64>, Error> {
    let input = Input { id, values: &[0.0] };
    let options = RecordOptions {
        selection: SELECTION,
        first: 0,
        samples: CACHED,
        batch: 128,
        margins: false,
    };
    let mut cache = Cache::new(smoothed);
    let recorded = smoothed.record(input, &options).map_err(failed)?;
    let class = recorded.class();
    cache.insert(recorded).map_err(failed)?;
    let budget = ErrorBudget::new(ALPHA, 1).map_err(failed)?;
    let original = smoothed.classifier().fingerprint();
    let incremental = Incremental::new(&cache, original, smoothed.smoothing(), budget);
    let mut incremental = incremental.map_err(failed)?;
    // What is true of the class that was chosen.
    let truth = if class == 0 { setting.q() } else { 1.0 - setting.q() };
    let wrong = |report: TransferReport| {
        let found = report.certification.certificate().map(|found| found.probability);
        u64::from(found.is_some_and(|found| found.down() > truth))
    };
    let mut errors = Vec::with_capacity(METHODS.len() + 2);
    for (_, method) in METHODS {
        let options = TransferOptions { method, samples: CHANGED, ..Default::default() };
        let report = incremental.certify_incremental(copy, input, &options);
        errors.push(wrong(report.map_err(failed)?));
    }
    let options = RadiusOptions { radius, most: CACHED, ..Default::default() };
    let report = incremental.certify_radius(copy, input, &options);
    errors.push(wrong(report.map_err(failed)?));
    Ok(errors)
}

/// Errors of Fisher's test of three p-values.
fn of_counts(setting: &Thresholds, runs: u64) -> Result<u64, Error> {
    let Thresholds { p, u, v } = *setting;
    let alpha = Probability::new(ALPHA).map_err(failed)?;
    let mut random = ChaCha8Rng::seed_from_u64(31);
    let mut happens = |p: f64| u64::from(((random.next_u64() >> 11) as f64) < p * 2_f64.powi(53));
    let mut known = HashMap::new();
    let mut errors = 0;
    for _ in 0..runs {
        let (mut hits, mut lost, mut gained) = (0, 0, 0);
        for _ in 0..CHANGED {
            if happens(p) == 1 {
                hits += 1;
                lost += happens(u);
            } else {
                gained += happens(v);
            }
        }
        let cached = hits + (CHANGED..CACHED).map(|_| happens(p)).sum::<u64>();
        let bound = |[cached, hits, lost, gained]: [u64; 4]| {
            let counts = [(cached, CACHED), (lost, hits), (gained, CHANGED - hits)];
            let [cached, lost, gained] = counts.map(|(k, n)| Count::new(k, n));
            let counts = (cached.map_err(failed)?, lost.map_err(failed)?, gained.map_err(failed)?);
            Ok::<_, Error>(fisher_three_lower(counts.0, counts.1, counts.2, alpha).down())
        };
        let outcome = [cached, hits, lost, gained];
        let bound = match known.get(&outcome) {
            Some(bound) => *bound,
            None => *known.entry(outcome).or_insert(bound(outcome)?),
        };
        errors += u64::from(bound > setting.q());
    }
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few runs: within 4.5 deviations of the level.
    #[test]
    fn statements_are_false_no_more_often_than_their_level() {
        let runs = 400;
        let coverage = Coverage::run(runs).unwrap();
        let most = 1.0 + 4.5 * ((1.0 - ALPHA) / (ALPHA * runs as f64)).sqrt();
        assert!(coverage.worst() <= most, "{}", coverage.table());
        assert_eq!(coverage.table().lines().count(), METHODS.len() + 4);
    }
}
