//! Where samples of a changed classifier are worth most.
//!
//! The average certified radius of a set grows with the samples of each input, and by how much is told by what is cached: nothing where
//! the original has no majority, little where the bound of the original is all that can be had, most in between. Samples go
//! where they promise the most radius each.

use nncert_prob::{Count, SidedProbability, clopper_pearson_lower, clopper_pearson_upper};

use super::budget::split;
use super::method::{Prospect, part};
use super::transfer::product;
use super::{Expectation, Transfer};
use crate::run::check_samples;
use crate::smoothed::level;
use crate::{Agreement, Cache, CachedInput, SmoothingError, certified_radius};

/// The fewest samples that are worth a look at.
const FEWEST: u64 = 16;

/// The most samples of an input, in terms of those of the average one.
const MOST: u64 = 64;

/// What samples promise at each input of a cache.
///
/// How many samples an input gets depends on cached labels alone. That is allowed: given these labels, what the changed
/// classifier says is as random as ever.
///
/// Guarantee: heuristic. It says where samples go; every certificate holds whatever it says.
///
/// # Examples
/// ```
/// use nncert_smoothing::{Allocation, Cache, Expectation, FnClassifier, Input, Noise};
/// use nncert_smoothing::{RecordOptions, Smoothed, Smoothing};
///
/// let half = FnClassifier::new(1, 2, "half", |batch| {
///     batch.iter().map(|x| usize::from(*x > 0.0)).collect()
/// });
/// let smoothed = Smoothed::new(half, Smoothing::new(Noise::Gaussian, 0.5, 1)?)?;
/// let mut cache = Cache::new(&smoothed);
/// for (id, x) in [0.001, 0.3].into_iter().enumerate() {
///     let input = Input { id: id as u64, values: &[x] };
///     cache.insert(smoothed.record(input, &RecordOptions { samples: 2000, ..Default::default() })?)?;
/// }
/// let allocation = Allocation::new(&cache, 0.001, 200, Expectation::default())?;
/// // Nothing can be certified around the first.
/// assert_eq!(allocation.samples(400), [(0, 0), (1, 400)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Allocation {
    ids: Vec<u64>,
    /// Steps of every input, those that promise the most for a sample first.
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    /// The radius for a sample.
    slope: f64,
    /// The place of the input.
    input: usize,
    samples: u64,
}

impl Allocation {
    /// For statements at level `alpha` and `nominal` samples an input on average.
    ///
    /// # Errors
    /// [`SmoothingError`] for an `alpha` outside (0, 1), and for no samples or too many.
    pub fn new(
        cache: &Cache,
        alpha: f64,
        nominal: u64,
        expected: Expectation,
    ) -> Result<Self, SmoothingError> {
        Self::agreeing(cache, alpha, nominal, expected, None)
    }

    /// The same, for [`Incremental::certify_agreeing`](crate::Incremental::certify_agreeing): samples on which the changed classifier need
    /// not be run are free.
    ///
    /// # Errors
    /// As [`Allocation::new`].
    pub fn agreeing(
        cache: &Cache,
        alpha: f64,
        nominal: u64,
        expected: Expectation,
        agreement: Option<&Agreement>,
    ) -> Result<Self, SmoothingError> {
        level("alpha", alpha)?;
        check_samples("nominal samples", nominal)?;
        Transfer::Automatic(expected).check()?;
        let mut steps = Vec::new();
        for (place, input) in cache.iter().enumerate() {
            let curve = Curve { input, alpha, nominal, expected, agreement };
            steps.extend(curve.steps(place));
        }
        // The steps of one input keep their order: they are concave.
        steps.sort_by(|a, b| b.slope.total_cmp(&a.slope));
        Ok(Self { ids: cache.iter().map(CachedInput::id).collect(), steps })
    }

    /// The samples of each input, with `total` for all; 0 where an input is not worth one.
    #[must_use]
    pub fn samples(&self, total: u64) -> Vec<(u64, u64)> {
        let mut found: Vec<(u64, u64)> = self.ids.iter().map(|id| (*id, 0)).collect();
        let mut left = total;
        for step in &self.steps {
            let samples = step.samples.min(left);
            found[step.input].1 += samples;
            left -= samples;
        }
        // What is less than the first step of an input certifies nothing there.
        for (_, samples) in &mut found {
            if *samples < FEWEST {
                *samples = 0;
            }
        }
        found
    }
}

/// The radius that samples promise at one input.
struct Curve<'a> {
    input: &'a CachedInput,
    alpha: f64,
    nominal: u64,
    expected: Expectation,
    agreement: Option<&'a Agreement>,
}

impl Curve<'_> {
    /// The steps of the concave hull.
    fn steps(&self, input: usize) -> Vec<Step> {
        let cached = self.input.count();
        // The method that will be chosen, from the same samples.
        let method = self.prospect(self.input.selection(), self.nominal).best(self.expected);
        // Every method that counts losses is nearly that of equal shares; the count of a replay is fixed.
        let (method, most) = match method {
            Transfer::Fresh => (method, self.nominal.saturating_mul(MOST)),
            Transfer::Replay => return self.replay(input, cached),
            _ => (Transfer::OneSided { share: 0.5 }, cached.successes()),
        };
        // The bound of the original is the same for all sizes.
        let (first, second) = split(self.alpha, 0.5);
        let p = clopper_pearson_lower(cached, first);
        let radius = |samples| match method {
            Transfer::Fresh => self.radius(cached, samples, method),
            _ => {
                let drawn = self.prospect(cached, samples).drawn().min(cached.successes());
                let lost = part(self.expected.lost, drawn);
                let kept = lost.map(|lost| clopper_pearson_upper(lost, second).complement());
                let bound = kept.map_or(SidedProbability::ZERO, |kept| product(p, kept));
                certified_radius(self.input.key().sigma, bound).max(0.0)
            }
        };
        let mut hull = vec![(0_u64, 0.0_f64)];
        let sizes = core::iter::successors(Some(FEWEST), |size| size.checked_add(size.div_ceil(2)));
        for samples in sizes.take_while(|size| *size <= most) {
            let point = (samples, radius(samples));
            while let [.., a, b] = hull[..]
                && slope(a, b) <= slope(a, point)
            {
                hull.pop();
            }
            hull.push(point);
        }
        let steps = hull.windows(2).map(|two| Step {
            slope: slope(two[0], two[1]),
            input,
            samples: two[1].0 - two[0].0,
        });
        steps.take_while(|step| step.slope > 0.0).collect()
    }

    /// All or nothing.
    fn replay(&self, input: usize, cached: Count) -> Vec<Step> {
        let radius = self.radius(cached, self.nominal, Transfer::Replay);
        let prospect = self.prospect(cached, self.nominal);
        let run = (prospect.drawn() as f64 * (1.0 - prospect.known)).ceil() as u64;
        let samples = run.clamp(FEWEST, self.nominal.max(FEWEST));
        let step = Step { slope: radius / samples as f64, input, samples };
        (radius > 0.0).then_some(step).into_iter().collect()
    }

    fn radius(&self, cached: Count, samples: u64, method: Transfer) -> f64 {
        let bound = self.prospect(cached, samples).promise(method, self.expected);
        certified_radius(self.input.key().sigma, bound).max(0.0)
    }

    /// With the share of `count` for that of the class.
    fn prospect(&self, count: Count, samples: u64) -> Prospect {
        let cached = self.input.count().trials();
        let known = self
            .agreement
            .map_or(0.0, |agreement| self.input.share_above(agreement.needed(self.input.class())));
        Prospect { selection: count, cached, samples, known, alpha: self.alpha }
    }
}

fn slope(a: (u64, f64), b: (u64, f64)) -> f64 {
    (b.1 - a.1) / (b.0 - a.0) as f64
}
