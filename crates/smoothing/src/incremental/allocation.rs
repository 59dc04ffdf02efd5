//! Where samples of a changed classifier are worth most.
//!
//! The average certified radius of a set grows with the samples of each input, and by how much is told by what is cached: nothing where
//! the original has no majority, little where the bound of the original is all that can be had, most in between. Samples go
//! where they promise the most radius each.

use nncert_prob::Count;

use super::method::{Criticals, Prospect};
use super::{Expectation, Transfer};
use crate::run::check_samples;
use crate::smoothed::level;
use crate::{Agreement, Cache, CachedInput, SmoothingError};

/// The fewest samples that are worth a look at.
const FEWEST: u64 = 16;

/// The most samples of an input, in terms of those of the average one.
const MOST: u64 = 64;

/// Prices between which the samples last, as logarithms.
const PRICES: (f64, f64) = (-100.0, 10.0);

/// Halvings of their distance.
const HALVINGS: usize = 50;

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
    /// In the order of the inputs.
    demands: Vec<Demand>,
}

/// How many samples an input is worth, at a price of a sample in terms of radius: prices that fall, and samples that rise, both by their
/// logarithms.
#[derive(Clone, Debug, PartialEq, Default)]
struct Demand(Vec<(f64, f64)>);

impl Demand {
    /// At the logarithm of a price.
    fn at(&self, price: f64) -> u64 {
        let after = self.0.partition_point(|(known, _)| *known >= price);
        let samples = match (after.checked_sub(1).map(|i| self.0[i]), self.0.get(after)) {
            (None, _) => return 0,
            (Some(last), None) => last.1,
            (Some((p0, n0)), Some((p1, n1))) => n0 + (n1 - n0) * (p0 - price) / (p0 - p1),
        };
        libm::exp(samples) as u64
    }
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
        let criticals = Criticals::new(alpha);
        let demand = |input| Curve { input, criticals, nominal, expected, agreement }.demand();
        let demands = cache.iter().map(demand).collect();
        Ok(Self { ids: cache.iter().map(CachedInput::id).collect(), demands })
    }

    /// The samples of each input, with `total` for all; 0 where an input is not worth one.
    #[must_use]
    pub fn samples(&self, total: u64) -> Vec<(u64, u64)> {
        let at = |price: f64| self.demands.iter().map(move |demand| demand.at(price));
        // The lowest price at which the samples last, and one at which they do not.
        let (mut high, mut low) = (PRICES.1, PRICES.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if at(middle).sum::<u64>() <= total { high = middle } else { low = middle }
        }
        let mut left = total - at(high).sum::<u64>().min(total);
        let mut samples: Vec<u64> = at(high).collect();
        // What is left goes to those who begin to buy in between, and then to all who buy.
        for (have, want) in samples.iter_mut().zip(at(low)) {
            let more = want.saturating_sub(*have);
            if more <= left {
                (*have, left) = (*have + more, left - more);
            }
        }
        let buyers = samples.iter().filter(|have| **have > 0).count() as u64;
        let each = left.div_ceil(buyers.max(1));
        for (have, most) in samples.iter_mut().zip(at(f64::NEG_INFINITY)).filter(|(h, _)| **h > 0) {
            let more = each.min(left).min(most.saturating_sub(*have));
            (*have, left) = (*have + more, left - more);
        }
        self.ids.iter().copied().zip(samples).collect()
    }
}

/// The radius that samples promise at one input.
struct Curve<'a> {
    input: &'a CachedInput,
    criticals: Criticals,
    nominal: u64,
    expected: Expectation,
    agreement: Option<&'a Agreement>,
}

impl Curve<'_> {
    /// The slopes of the concave hull, each in the middle of its piece.
    fn demand(&self) -> Demand {
        let cached = self.input.count();
        // The method that will be chosen, from the same samples.
        let prospect = self.prospect(self.input.selection(), self.nominal);
        let method = prospect.chosen(self.expected, cached);
        if method == Transfer::Replay {
            return self.replay(cached);
        }
        let most = match method {
            Transfer::Fresh => self.nominal.saturating_mul(MOST),
            _ => cached.successes(),
        };
        let mut hull = vec![(0.0, 0.0)];
        let sizes = core::iter::successors(Some(FEWEST), |size| size.checked_mul(2));
        for samples in sizes.take_while(|size| *size <= most) {
            let point = (samples as f64, self.radius(cached, samples, method));
            while let [.., a, b] = hull[..]
                && slope(a, b) <= slope(a, point)
            {
                hull.pop();
            }
            hull.push(point);
        }
        let pieces = hull.windows(2).take_while(|two| slope(two[0], two[1]) > 0.0);
        let mut demand: Vec<(f64, f64)> = pieces
            .map(|two| {
                // The first piece is bought whole.
                let middle = if two[0].0 > 0.0 { (two[0].0 * two[1].0).sqrt() } else { two[1].0 };
                (libm::log(slope(two[0], two[1])), libm::log(middle))
            })
            .collect();
        // The last one too, at a lower price.
        if let (Some(last), [.., end]) = (demand.last().copied(), &hull[..])
            && end.0 > 0.0
        {
            demand.push((last.0 - core::f64::consts::LN_2, libm::log(end.0).max(last.1)));
        }
        Demand(demand)
    }

    /// All or nothing.
    fn replay(&self, cached: Count) -> Demand {
        let radius = self.radius(cached, self.nominal, Transfer::Replay);
        let prospect = self.prospect(cached, self.nominal);
        let run = prospect.drawn() as f64 * (1.0 - prospect.known);
        let samples = run.clamp(FEWEST as f64, self.nominal.max(FEWEST) as f64).ceil();
        if radius > 0.0 {
            Demand(vec![(libm::log(radius / samples), libm::log(samples) + f64::EPSILON)])
        } else {
            Demand::default()
        }
    }

    fn radius(&self, cached: Count, samples: u64, method: Transfer) -> f64 {
        let bound = self.prospect(cached, samples).promise(method, self.expected);
        self.input.key().sigma * quantile(bound)
    }

    /// With the share of `count` for that of the class.
    fn prospect(&self, count: Count, samples: u64) -> Prospect {
        let cached = self.input.count().trials();
        let known = self.agreement.map_or(0.0, |agreement| agreement.spared(self.input));
        Prospect { selection: count, cached, samples, known, criticals: self.criticals }
    }
}

/// `Φ⁻¹` above one half, within a thousandth; 0 below (Abramowitz and Stegun, 26.2.23).
fn quantile(p: f64) -> f64 {
    if p.is_nan() || p <= 0.5 {
        return 0.0;
    }
    let t = (-2.0 * libm::log((1.0 - p).max(f64::MIN_POSITIVE))).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    (t - above / below).max(0.0)
}

fn slope(a: (f64, f64), b: (f64, f64)) -> f64 {
    (b.1 - a.1) / (b.0 - a.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_near() {
        for (p, z) in [(0.6, 0.253_347), (0.975, 1.959_964), (0.999_9, 3.719_016)] {
            assert!((quantile(p) - z).abs() < 1e-3);
        }
        assert_eq!((quantile(0.5), quantile(f64::NAN)), (0.0, 0.0));
    }

    #[test]
    fn demand_rises_as_the_price_falls() {
        let demand = Demand(vec![(-1.0, 3.0), (-2.0, 4.0), (-4.0, 5.0)]);
        let prices = [0.0, -1.0, -1.5, -2.0, -3.9, -9.0];
        let samples = prices.map(|price| demand.at(price));
        assert!(samples.is_sorted() && samples[0] == 0 && samples[1] == 20 && samples[5] == 148);
    }
}
