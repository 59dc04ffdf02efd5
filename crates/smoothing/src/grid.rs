//! A Gaussian rounded to integers, drawn exactly.
//!
//! ```text
//! D = round(s G),    G ~ N(0, 1),    P(D ≤ k) = Φ((k + ½)/s)
//! ```
//!
//! Let `U` be uniform on `[0, 1)`, its binary digits the random bits. `D` is the `k` with `Φ((k - ½)/s) ≤ U < Φ((k + ½)/s)`. The
//! digits drawn so far say in which of equal integer steps `U` lies; a step decides `k` when it lies between two thresholds,
//! each known to an integer below and one above. 32 digits decide nearly always, 64 otherwise. Where 64 do not, the number is
//! *undecided*, and whoever counts takes the sample for a failure. No probability is rounded: every decided number is the one that
//! infinitely many digits would have given.
//!
//! # References
//! 1. V. Voráček, M. Hein, *Sound randomized smoothing in floating-point arithmetics*, ICLR 2023.

use nncert_prob::{normal_cdf_down, normal_cdf_up};

use crate::stream::Words;

/// Deviations outside of this range have tables that are too long, or no table at all.
pub(crate) const DEVIATIONS: core::ops::RangeInclusive<f64> = 0.0625..=32_768.0;

/// Digits that lead to where the search begins.
const GUIDE_BITS: u32 = 12;

/// `2^64`.
const SCALE: f64 = f64::from_bits((1023 + 64) << 52);

/// The thresholds `2⁶⁴ Φ((k + ½)/s)` for `k` from `-half` to `half - 1`, between two integers each.
#[derive(Debug)]
pub(crate) struct GridLaw {
    half: i32,
    lower: Vec<u64>,
    upper: Vec<u64>,
    /// The same for 32 digits, in units of 2^-32.
    short_lower: Vec<u32>,
    short_upper: Vec<u32>,
    /// For the first digits of `U`, the first threshold that may lie above it.
    guide: Vec<u32>,
}

impl GridLaw {
    /// The law for `s = sigma · levels`, which lies within [`DEVIATIONS`].
    pub(crate) fn new(sigma: f64, levels: u32) -> Self {
        let (low, high) = enclosed_deviation(sigma, levels);
        // Tails beyond k + ½ for k = 0, 1, …, as long as they are seen.
        let tails: Vec<(u64, u64)> = (0..)
            .map(|k: u32| tail(f64::from(k) + 0.5, low, high))
            .take_while(|(down, _)| *down > 0)
            .collect();
        let negative = tails.iter().rev().copied();
        let positive = tails.iter().map(|(down, up)| (up.wrapping_neg(), down.wrapping_neg()));
        let (lower, upper): (Vec<u64>, Vec<u64>) = negative.chain(positive).unzip();
        let short_lower: Vec<u32> = lower.iter().map(|value| (value >> 32) as u32).collect();
        let short_upper = upper.iter().map(|value| value.div_ceil(1 << 32)).map(saturated);
        let short_upper = short_upper.collect();
        let guide = (0..1 << GUIDE_BITS).map(|digits: u32| {
            let first = digits << (32 - GUIDE_BITS);
            short_lower.partition_point(|threshold| *threshold <= first) as u32
        });
        let (guide, half) = (guide.collect(), tails.len() as i32);
        Self { half, lower, upper, short_lower, short_upper, guide }
    }

    /// The number that begins with a word, and goes on with others if it must; `None` when it is undecided.
    #[inline]
    pub(crate) fn number(&self, first: u32, words: &mut Words<'_>) -> Option<i32> {
        let mut index = self.guide[(first >> (32 - GUIDE_BITS)) as usize] as usize;
        while let Some(threshold) = self.short_lower.get(index) {
            if first < *threshold {
                // Decided, if the threshold before lies at or below all of the step.
                if index > 0 && self.short_upper[index - 1] <= first {
                    return Some(index as i32 - self.half);
                }
                break;
            }
            index += 1;
        }
        self.longer(first, words)
    }

    /// With 64 digits.
    #[cold]
    fn longer(&self, first: u32, words: &mut Words<'_>) -> Option<i32> {
        self.decide(u64::from(first) << 32 | u64::from(words.next()))
    }

    /// The number for a step of width 2^-64.
    fn decide(&self, digits: u64) -> Option<i32> {
        let index = self.lower.partition_point(|threshold| *threshold <= digits);
        let decided = index > 0 && index < self.lower.len() && self.upper[index - 1] <= digits;
        decided.then(|| index as i32 - self.half)
    }
}

/// `s` between two floats.
fn enclosed_deviation(sigma: f64, levels: u32) -> (f64, f64) {
    let s = sigma * f64::from(levels);
    (s.next_down(), s.next_up())
}

/// `2⁶⁴ Φ(-x/s)` between two integers, for `low ≤ s ≤ high`.
fn tail(x: f64, low: f64, high: f64) -> (u64, u64) {
    let (near, far) = ((x / high).next_down(), (x / low).next_up());
    let down = normal_cdf_down(-far).down() * SCALE;
    let up = normal_cdf_up(-near).up() * SCALE;
    // At most 2^63, about: products by a power of two are exact.
    (down.floor() as u64, up.ceil() as u64)
}

/// A threshold of `2^32` is above every word, and one below it is decided by longer digits.
fn saturated(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Purpose, Streams};

    /// Of `oracle/thresholds.py`: `s`, `k` and the integers around `2⁶⁴ Φ((k + ½)/s)`.
    const ORACLE: &str = include_str!("../tests/data/grid_thresholds.txt");

    #[test]
    fn thresholds_enclose_those_of_fifty_digits() {
        let mut seen = 0;
        for line in ORACLE.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [sigma, levels, k, floor] = fields[..] else { panic!("{line}") };
            let (sigma, levels): (f64, u32) = (sigma.parse().unwrap(), levels.parse().unwrap());
            let (k, floor): (i32, u64) = (k.parse().unwrap(), floor.parse().unwrap());
            let law = GridLaw::new(sigma, levels);
            let index = (k + law.half) as usize;
            assert!(law.lower[index] <= floor && law.upper[index] > floor, "{line}");
            // To 1e-14 of the smaller side.
            let side = floor.min(floor.wrapping_neg()) as f64;
            let width = (law.upper[index] - law.lower[index]) as f64;
            assert!(width <= 1e-13 * side + 3.0, "{line}: {width}");
            seen += 1;
        }
        assert!(seen > 100);
    }

    #[test]
    fn thresholds_rise_and_short_digits_never_contradict_long_ones() {
        for (sigma, levels) in [(0.25, 255), (1.0, 255), (0.0625, 1), (0.5, 1), (3.0, 4096)] {
            let law = GridLaw::new(sigma, levels);
            assert!(law.lower.is_sorted() && law.upper.is_sorted());
            assert!(law.lower.iter().zip(&law.upper).all(|(low, up)| low < up));
            let streams = Streams::new(3, 0, Purpose::Fresh);
            for index in 0..200 {
                let (mut words, mut spare) = (streams.spare(index), streams.spare(!index));
                for _ in 0..100 {
                    let first = words.next();
                    let mut again = spare.clone();
                    let number = law.number(first, &mut spare);
                    // Both ends of the step of 32 digits.
                    let ends = [0, u32::MAX].map(|rest| u64::from(first) << 32 | u64::from(rest));
                    let ends = ends.map(|digits| law.decide(digits));
                    if ends[0] == ends[1] && ends[0].is_some() {
                        assert_eq!(number, ends[0]);
                    } else {
                        let digits = u64::from(first) << 32 | u64::from(again.next());
                        assert_eq!(number, law.decide(digits));
                    }
                }
            }
        }
    }

    /// Steps that hold a threshold, and those beyond the last, decide nothing.
    #[test]
    fn ambiguous_digits_are_undecided() {
        let law = GridLaw::new(0.25, 255);
        for (low, up) in law.lower.iter().zip(&law.upper) {
            assert_eq!(law.decide(*low), None);
            assert_eq!(law.decide(up - 1), None);
        }
        assert_eq!((law.decide(0), law.decide(u64::MAX)), (None, None));
        // Just above and below: the numbers next to each other.
        let middle = law.half as usize;
        assert_eq!(law.decide(law.upper[middle - 1]), Some(0));
        assert_eq!(law.decide(law.lower[middle - 1] - 1), Some(-1));
    }

    #[test]
    fn frequencies_are_those_of_the_law() {
        let law = GridLaw::new(0.5, 3);
        let streams = Streams::new(11, 0, Purpose::Fresh);
        let (mut counts, mut n) = ([0_u64; 21], 0.0);
        for index in 0..2_000 {
            let (mut words, mut spare) = (streams.spare(index), streams.spare(!index));
            for _ in 0..500 {
                let number = law.number(words.next(), &mut spare).unwrap();
                counts[(number + 10).clamp(0, 20) as usize] += 1;
                n += 1.0;
            }
        }
        for (index, count) in counts.iter().enumerate().skip(5).take(11) {
            let k = index as f64 - 10.0;
            let phi = |x: f64| normal_cdf_down(x / 1.5).down();
            let p = phi(k + 0.5) - phi(k - 0.5);
            let deviation = (*count as f64 - n * p) / (n * p * (1.0 - p)).sqrt();
            assert!(deviation.abs() < 4.5, "{deviation} at {k}");
        }
    }
}
