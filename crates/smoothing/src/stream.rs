//! Random words by counter: one stream for each sample, found without the others.
//!
//! ```text
//! key = (seed, input, purpose, "nncert"),    stream = index of the sample
//! ```
//!
//! ChaCha is a function of key, stream and position, in integers alone. So sample `i` has the same bits on every machine, in
//! every batch and on every thread, and also when only some samples are drawn.
//!
//! # References
//! 1. D. Bernstein, *ChaCha, a variant of Salsa20*, 2008.
//! 2. J. Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011, for generators by counter.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What samples are drawn for; those of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Choosing the class.
    Selection,
    /// Counting how often the original gives it.
    Certification,
    /// Counting, for a changed classifier, without the original.
    Fresh,
    /// Predicting a class without a radius.
    Prediction,
}

/// The last part of the key.
const DOMAIN: u64 = u64::from_le_bytes(*b"nncert01");

/// The streams of one input and one purpose.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    key: ChaCha8Rng,
}

impl Streams {
    pub(crate) fn new(seed: u64, input: u64, purpose: Purpose) -> Self {
        let purpose = match purpose {
            Purpose::Selection => 1,
            Purpose::Certification => 2,
            Purpose::Fresh => 3,
            Purpose::Prediction => 4,
        };
        let mut key = [0; 32];
        for (part, word) in key.chunks_exact_mut(8).zip([seed, input, purpose, DOMAIN]) {
            part.copy_from_slice(&word.to_le_bytes());
        }
        Self { key: ChaCha8Rng::from_seed(key) }
    }

    /// The words of one sample.
    pub(crate) fn sample(&self, index: u64) -> Words {
        let mut words = self.key.clone();
        words.set_stream(index);
        Words(words)
    }
}

/// The random words of one sample, in order.
#[derive(Clone, Debug)]
pub(crate) struct Words(ChaCha8Rng);

impl Words {
    /// The next 32 bits.
    #[inline]
    pub(crate) fn next(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number strictly between 0 and 1, of 53 bits.
    pub(crate) fn open(&mut self) -> f64 {
        const HALF_STEP: f64 = f64::from_bits((1023 - 53) << 52);
        let bits = u64::from(self.next()) << 32 | u64::from(self.next());
        ((bits >> 12) as f64 * 2.0 + 1.0) * HALF_STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_in_any_order() {
        let streams = Streams::new(1, 2, Purpose::Certification);
        let draw = |index| {
            let mut words = streams.sample(index);
            [words.next(), words.next(), words.next()]
        };
        let forward: Vec<_> = (0..50).map(draw).collect();
        let backward: Vec<_> = (0..50).rev().map(draw).collect();
        assert!(forward.iter().eq(backward.iter().rev()));
        assert!(forward.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn purposes_inputs_and_seeds_differ() {
        let first = |seed, input, purpose| Streams::new(seed, input, purpose).sample(0).next();
        let mut words = vec![
            first(1, 2, Purpose::Selection),
            first(1, 2, Purpose::Certification),
            first(1, 2, Purpose::Fresh),
            first(1, 2, Purpose::Prediction),
            first(1, 3, Purpose::Certification),
            first(2, 2, Purpose::Certification),
            first(2, 1, Purpose::Certification),
        ];
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 7);
    }

    #[test]
    fn uniform_numbers_are_inside() {
        let mut words = Streams::new(0, 0, Purpose::Fresh).sample(0);
        assert!((0..10_000).map(|_| words.open()).all(|u| u > 0.0 && u < 1.0));
    }
}
