//! Many samples of one input at once.
//!
//! Blocks of 16 numbers are the unit: sixteen of them, of the same sample or of several, go through the generator side by side,
//! and through a branch-free first part of the law. What that leaves open, one number of a hundred, is decided one by one, from words that
//! belong to the sample. Where vectors are wide the same operations are done on more numbers at once; none is fused or
//! reordered, so that the bits are the same.

use pulp::NullaryFnOnce;

use crate::gaussian::Ziggurat;
use crate::grid::GridLaw;
use crate::noise::{Law, MAX_VALUE};
use crate::stream::{BLOCK, LANES, Place, Purpose, Streams, Words};
use crate::{Input, Noise, Smoothing, SmoothingError};

/// The samples of one input for one purpose.
#[derive(Clone, Debug)]
pub(crate) struct Samples<'a> {
    smoothing: &'a Smoothing,
    streams: Streams,
    centre: Centre,
}

#[derive(Clone, Debug)]
enum Centre {
    Real(Vec<f32>),
    /// In steps of the grid.
    Steps(Vec<i32>),
}

impl<'a> Samples<'a> {
    pub(crate) fn new(
        smoothing: &'a Smoothing,
        input: Input<'_>,
        purpose: Purpose,
    ) -> Result<Self, SmoothingError> {
        let streams = Streams::new(smoothing.seed(), input.id, purpose);
        let centre = Centre::new(smoothing.noise(), input.values)?;
        Ok(Self { smoothing, streams, centre })
    }

    /// The length of a sample.
    pub(crate) fn len(&self) -> usize {
        match &self.centre {
            Centre::Real(values) => values.len(),
            Centre::Steps(values) => values.len(),
        }
    }

    /// Writes samples one after the other; of each, whether all of its numbers are decided.
    pub(crate) fn fill(&self, indices: &[u64], out: &mut [f32]) -> Vec<bool> {
        let mut decided = vec![true; indices.len()];
        let (length, streams) = (self.len(), &self.streams);
        if length == 0 {
            return decided;
        }
        match (&self.centre, self.smoothing.law()) {
            (Centre::Real(centre), Law::Gaussian(ziggurat)) => {
                #[allow(clippy::cast_possible_truncation)]
                let sigma = self.smoothing.sigma() as f32;
                let writer = Gaussian { ziggurat, centre, sigma };
                vectorized(Fill { streams, indices, out, decided: &mut decided, length, writer });
            }
            (Centre::Steps(centre), Law::Grid(law)) => {
                let Noise::Grid { levels, clamped } = self.smoothing.noise() else {
                    return vec![false; indices.len()];
                };
                let writer = Grid { law, centre, levels, clamped };
                vectorized(Fill { streams, indices, out, decided: &mut decided, length, writer });
            }
            // The constructors pair each centre with its law.
            _ => decided.fill(false),
        }
        decided
    }
}

/// With the vectors that the machine has: on x86 those of 256 bits, which autovectorization makes more of than of longer ones.
fn vectorized<F: NullaryFnOnce>(work: F) -> F::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(work);
    }
    work.call()
}

/// Numbers from the words of a block.
trait Writer {
    /// Writes the numbers from `first` on, as many as there is room for; false when one of them is undecided.
    fn write(
        &self,
        words: &[u32; BLOCK],
        first: usize,
        out: &mut [f32],
        spare: &mut Words<'_>,
    ) -> bool;
}

/// Samples to be filled.
struct Fill<'a, W> {
    streams: &'a Streams,
    indices: &'a [u64],
    out: &'a mut [f32],
    decided: &'a mut [bool],
    /// Of a sample; not 0.
    length: usize,
    writer: W,
}

impl<W: Writer> NullaryFnOnce for Fill<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { streams, indices, out, decided, length, writer } = self;
        let mut spare = streams.spare(0);
        // A place in the list of samples, and a block.
        let mut at = (0, 0);
        while at.0 < indices.len() {
            let mut places = [Place::default(); LANES];
            let mut targets = [(0, 0); LANES];
            let mut used = 0;
            while used < LANES && at.0 < indices.len() {
                places[used] = Place { stream: indices[at.0], block: (at.1 / BLOCK) as u64 };
                targets[used] = at;
                used += 1;
                at.1 += BLOCK;
                if at.1 >= length {
                    at = (at.0 + 1, 0);
                }
            }
            let blocks = streams.blocks(&places);
            for (lane, (sample, first)) in targets.into_iter().enumerate().take(used) {
                if first == 0 || spare.stream() != indices[sample] {
                    spare = streams.spare(indices[sample]);
                }
                let mut words = [0; BLOCK];
                for (word, row) in words.iter_mut().zip(&blocks) {
                    *word = row[lane];
                }
                let end = (first + BLOCK).min(length);
                let out = &mut out[sample * length..][first..end];
                decided[sample] &= writer.write(&words, first, out, &mut spare);
            }
        }
    }
}

/// `x + σ ε`.
struct Gaussian<'a> {
    ziggurat: &'a Ziggurat,
    centre: &'a [f32],
    sigma: f32,
}

impl Writer for Gaussian<'_> {
    #[inline(always)]
    fn write(
        &self,
        words: &[u32; BLOCK],
        first: usize,
        out: &mut [f32],
        spare: &mut Words<'_>,
    ) -> bool {
        let (mut numbers, mut open) = self.ziggurat.block(words);
        // Only numbers that there is room for may take spare words.
        open &= u32::MAX >> (32 - out.len() as u32);
        while open != 0 {
            let place = open.trailing_zeros() as usize;
            numbers[place] = self.ziggurat.open(words[place], spare);
            open &= open - 1;
        }
        for ((value, x), number) in out.iter_mut().zip(&self.centre[first..]).zip(numbers) {
            *value = x + self.sigma * number;
        }
        true
    }
}

/// A number of the grid.
struct Grid<'a> {
    law: &'a GridLaw,
    centre: &'a [i32],
    levels: u32,
    clamped: bool,
}

impl Writer for Grid<'_> {
    #[inline(always)]
    fn write(
        &self,
        words: &[u32; BLOCK],
        first: usize,
        out: &mut [f32],
        spare: &mut Words<'_>,
    ) -> bool {
        let mut decided = true;
        for ((value, x), word) in out.iter_mut().zip(&self.centre[first..]).zip(words) {
            let step = self.law.number(*word, spare);
            decided &= step.is_some();
            let step = i64::from(*x) + i64::from(step.unwrap_or(0));
            let step = if self.clamped { step.clamp(0, i64::from(self.levels)) } else { step };
            // The nearest double, then the nearest float: a function of the step alone.
            #[allow(clippy::cast_possible_truncation)]
            let number = (step as f64 / f64::from(self.levels)) as f32;
            *value = number;
        }
        decided
    }
}

impl Centre {
    fn new(noise: Noise, values: &[f64]) -> Result<Self, SmoothingError> {
        let bad = |value: &f64| value.is_nan() || value.abs() > MAX_VALUE;
        if let Some(coordinate) = values.iter().position(bad) {
            return Err(SmoothingError::Value { coordinate, value: values[coordinate] });
        }
        #[allow(clippy::cast_possible_truncation)]
        match noise {
            Noise::Gaussian => Ok(Self::Real(values.iter().map(|x| *x as f32).collect())),
            Noise::Grid { levels, .. } => {
                let step = |(coordinate, value): (usize, &f64)| {
                    steps(*value, levels).ok_or(SmoothingError::OffGrid {
                        coordinate,
                        value: *value,
                        levels,
                    })
                };
                values.iter().enumerate().map(step).collect::<Result<_, _>>().map(Self::Steps)
            }
        }
    }
}

/// The steps whose float, or double, is the value.
fn steps(value: f64, levels: u32) -> Option<i32> {
    let steps = (value * f64::from(levels)).round();
    let exact = steps / f64::from(levels);
    #[allow(clippy::cast_possible_truncation)]
    let same = value == exact || value == f64::from(exact as f32);
    #[allow(clippy::cast_possible_truncation)]
    let fits = steps.abs() <= f64::from(1 << 30);
    (same && fits).then_some(steps as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nncert_prob::normal_cdf_down;

    fn samples(noise: Noise, values: &[f64]) -> Samples<'static> {
        let smoothing = Box::leak(Box::new(Smoothing::new(noise, 1.0, 7).unwrap()));
        Samples::new(smoothing, Input { id: 0, values }, Purpose::Fresh).unwrap()
    }

    /// Numbers in any batch, of any length: the same as alone, on vectors and without.
    #[test]
    fn batches_and_vectors_change_nothing() {
        for noise in [Noise::Gaussian, Noise::Grid { levels: 3, clamped: false }] {
            for length in [1, 15, 16, 17, 33, 300] {
                let samples = samples(noise, &vec![0.0; length]);
                let indices: Vec<u64> = (0..40).map(|i| i * i * 1_000_003).collect();
                let mut together = vec![0.0; length * indices.len()];
                assert!(samples.fill(&indices, &mut together).into_iter().all(|decided| decided));
                for (index, expected) in indices.iter().zip(together.chunks(length)) {
                    let mut alone = vec![0.0; length];
                    samples.fill(&[*index], &mut alone);
                    assert_eq!(alone, expected);
                }
                let mut plain = vec![0.0; together.len()];
                let (streams, out) = (&samples.streams, &mut plain[..]);
                let decided = &mut vec![true; indices.len()][..];
                let indices = &indices[..];
                match (&samples.centre, samples.smoothing.law()) {
                    (Centre::Real(centre), Law::Gaussian(ziggurat)) => {
                        let writer = Gaussian { ziggurat, centre, sigma: 1.0 };
                        Fill { streams, indices, out, decided, length, writer }.call();
                    }
                    (Centre::Steps(centre), Law::Grid(law)) => {
                        let writer = Grid { law, centre, levels: 3, clamped: false };
                        Fill { streams, indices, out, decided, length, writer }.call();
                    }
                    _ => unreachable!(),
                }
                assert_eq!(together, plain);
            }
        }
    }

    /// Kolmogorov's distance from `Φ`, tails and moments.
    #[test]
    fn the_law_is_normal() {
        let length = 1000;
        let indices: Vec<u64> = (0..4000).collect();
        let mut numbers = vec![0.0; length * indices.len()];
        samples(Noise::Gaussian, &vec![0.0; length]).fill(&indices, &mut numbers);
        let n = numbers.len() as f64;
        let (mut sum, mut squares, mut cubes, mut fourths) = (0.0, 0.0, 0.0, 0.0);
        for x in numbers.iter().map(|x| f64::from(*x)) {
            assert!(x != 0.0 && x.abs() < 8.0);
            (sum, squares) = (sum + x, squares + x * x);
            (cubes, fourths) = (cubes + x * x * x, fourths + x * x * x * x);
        }
        assert!((sum / n.sqrt()).abs() < 4.5);
        assert!(((squares - n) / (2.0 * n).sqrt()).abs() < 4.5);
        assert!((cubes / (15.0 * n).sqrt()).abs() < 4.5);
        assert!(((fourths - 3.0 * n) / (96.0 * n).sqrt()).abs() < 4.5);
        numbers.sort_by(f32::total_cmp);
        for tenth in -45..45 {
            let point = f64::from(tenth) / 10.0;
            let below = numbers.partition_point(|x| f64::from(*x) <= point) as f64;
            let phi = normal_cdf_down(point).down();
            let deviation = (below - n * phi) / (n * phi * (1.0 - phi)).sqrt();
            assert!(deviation.abs() < 4.5, "{deviation} at {point}");
        }
        let apart = |(i, x): (usize, &f32)| {
            let phi = normal_cdf_down(f64::from(*x)).down();
            f64::max((i as f64 + 1.0) / n - phi, phi - i as f64 / n)
        };
        // Beyond this once in ten thousand times.
        let distance = numbers.iter().enumerate().map(apart).fold(0.0, f64::max);
        assert!(distance * n.sqrt() < 2.23, "{distance}");
    }

    /// Neighbours, within a sample and between samples, have nothing to do with each other.
    #[test]
    fn numbers_are_uncorrelated() {
        let (length, count) = (64, 20_000_u64);
        let indices: Vec<u64> = (0..count).collect();
        let mut numbers = vec![0.0; length * indices.len()];
        samples(Noise::Gaussian, &vec![0.0; length]).fill(&indices, &mut numbers);
        for lag in [1, 15, 16, 17, length, 16 * length] {
            let pairs = numbers.iter().zip(&numbers[lag..]);
            let sum: f64 = pairs.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            let deviation = sum / ((numbers.len() - lag) as f64).sqrt();
            assert!(deviation.abs() < 4.5, "{deviation} at lag {lag}");
        }
    }
}
