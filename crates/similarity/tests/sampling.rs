//! Every probability lies on the right side of what sampling shows.
//!
//! The level of each comparison is 1e-9 (Clopper and Pearson). `NNCERT_PROBABILITY_PAIRS` says
//! how many pairs are drawn, with a million samples each; without it a few, with fewer.

use nalgebra::DMatrix;
use nncert_core::{Evaluator, PairedNetworks, Region};
use nncert_prob::{Count, clopper_pearson_lower, clopper_pearson_upper};
use nncert_similarity::strategies::question;
use nncert_similarity::{
    BranchOptions, Method, Probability, Tail, branch_and_bound, probability_interval,
    top_one_probability,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const LEVEL: f64 = 1e-9;
const BATCH: usize = 1000;

/// What sampling shows of one question.
struct Sampled {
    /// With an `ε` that is a little larger and a little smaller: right at the edge, rounding
    /// may move points to either side.
    agree: [u64; 2],
    /// The same class, and the same class or nearly a tie.
    same_class: [u64; 2],
    samples: u64,
}

impl Sampled {
    fn draw(pair: &PairedNetworks, region: &Region, epsilon: f64, samples: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut f = Evaluator::<f64>::new(pair.original()).unwrap();
        let mut g = Evaluator::<f64>::new(pair.compressed()).unwrap();
        let mut inputs = DMatrix::zeros(region.dimension(), BATCH);
        let mut sampled = Self { agree: [0; 2], same_class: [0; 2], samples: 0 };
        while sampled.samples < samples {
            for mut column in inputs.column_iter_mut() {
                region.sample_into(&mut rng, column.as_mut_slice());
            }
            let (f, g) = (f.evaluate(&inputs).unwrap(), g.evaluate(&inputs).unwrap());
            for (f, g) in f.column_iter().zip(g.column_iter()) {
                let size = f.amax().max(g.amax()) * 1e-9;
                let difference = (f - g).amax();
                sampled.agree[0] += u64::from(difference <= epsilon - size);
                sampled.agree[1] += u64::from(difference <= epsilon + size);
                let (class, other) = (f.argmax().0, g.argmax().0);
                // Rounding decides between scores this near.
                let near = |values: &nalgebra::DVectorView<'_, f64>| {
                    let top = values.max();
                    values.iter().filter(|value| **value >= top - size).count() > 1
                };
                let tie = near(&f.as_view()) || near(&g.as_view());
                sampled.same_class[0] += u64::from(class == other && !tie);
                sampled.same_class[1] += u64::from(class == other || tie);
            }
            sampled.samples += BATCH as u64;
        }
        sampled
    }

    /// Fails when a bound is on the wrong side.
    fn check(&self, counts: [u64; 2], lower: Probability, upper: Probability, what: &str) {
        let level = Probability::new(LEVEL).unwrap();
        let [fewest, most] = counts.map(|count| Count::new(count, self.samples).unwrap());
        let at_most = clopper_pearson_upper(most, level);
        let at_least = clopper_pearson_lower(fewest, level);
        assert!(lower.get() <= at_most.up(), "{what}: {most:?}");
        assert!(upper.get() >= at_least.down(), "{what}: {fewest:?}");
    }
}

#[test]
fn sampling_never_contradicts() {
    let asked = std::env::var("NNCERT_PROBABILITY_PAIRS").ok();
    let (pairs, samples) = match asked.as_deref().map(str::parse) {
        Some(Ok(pairs)) => (pairs, 1_000_000),
        Some(Err(error)) => panic!("NNCERT_PROBABILITY_PAIRS: {error}"),
        None => (20, 50_000),
    };
    let mut runner = TestRunner::deterministic();
    let questions = question(1..=4, 1..=10);
    let mut told = 0;
    for _ in 0..pairs {
        let (pair, region, epsilon) = questions.new_tree(&mut runner).unwrap().current();
        let sampled = Sampled::draw(&pair, &region, epsilon, samples);
        let options = BranchOptions { width: 0.0, boxes: 65, ..BranchOptions::default() };
        for method in [Method::default(), Method::SIMCERT, Method::default().with_tail(Tail::Best)]
        {
            let Ok(one) = probability_interval(&pair, &region, epsilon, method) else { continue };
            sampled.check(sampled.agree, one.lower, one.upper, &one.to_string());
            told += usize::from(one.lower.get() > 0.0 || one.upper.get() < 1.0);
        }
        if let Ok(cut) = branch_and_bound(&pair, &region, epsilon, Method::default(), &options) {
            sampled.check(sampled.agree, cut.interval.lower, cut.interval.upper, &cut.to_string());
        }
        if pair.outputs() >= 2 {
            for boxes in [1, 65] {
                let options = BranchOptions { boxes, ..options };
                let top = top_one_probability(&pair, &region, Tail::Exact, &options).unwrap();
                sampled.check(sampled.same_class, top.lower, top.upper, &top.to_string());
            }
        }
    }
    // Most questions have an answer that is more than [0, 1].
    assert!(told > pairs, "{told} of {}", 3 * pairs);
}
