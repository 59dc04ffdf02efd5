//! Random words by counter: one stream for each sample, found without the others.
//!
//! ```text
//! key = (seed, input, purpose, "nncert"),    stream = index of the sample
//! word j of a sample = word j of ChaCha8(key, stream);    words from 2³⁶ on decide what these leave open
//! ```
//!
//! ChaCha is a function of key, stream and position, in integers alone. So number `j` of sample `i` comes from the same bits on every
//! machine, in every batch and on every thread, and also when only some samples are drawn. Blocks of any streams are computed side by
//! side, one in each lane of the vectors.
//!
//! # References
//! 1. D. Bernstein, *ChaCha, a variant of Salsa20*, 2008.
//! 2. J. Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011, for generators by counter.

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

/// The last part of the key. It changes when a sample's numbers do.
const DOMAIN: u64 = u64::from_le_bytes(*b"nncert02");

/// The words of a block.
pub(crate) const BLOCK: usize = 16;

/// Blocks that are computed side by side.
pub(crate) const LANES: usize = 16;

/// The first block of the words that decide what the first word of a number leaves open.
const SPARE: u64 = 1 << 32;

/// Two rounds each.
const DOUBLE_ROUNDS: usize = 4;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// A block of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The index of the sample.
    pub(crate) stream: u64,
    /// The number of the block.
    pub(crate) block: u64,
}

/// The streams of one input and one purpose.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    key: [u32; 8],
}

impl Streams {
    pub(crate) fn new(seed: u64, input: u64, purpose: Purpose) -> Self {
        let purpose = match purpose {
            Purpose::Selection => 1,
            Purpose::Certification => 2,
            Purpose::Fresh => 3,
            Purpose::Prediction => 4,
        };
        let parts = [seed, input, purpose, DOMAIN];
        Self { key: core::array::from_fn(|word| half(parts[word / 2], word % 2)) }
    }

    /// Blocks side by side: word `w` of block `i` is `out[w][i]`.
    #[inline(always)]
    pub(crate) fn blocks<const N: usize>(&self, places: &[Place; N]) -> [[u32; N]; BLOCK] {
        let mut start = [[0; N]; BLOCK];
        for (row, constant) in start.iter_mut().zip(CONSTANTS.iter().chain(&self.key)) {
            *row = [*constant; N];
        }
        for (lane, place) in places.iter().enumerate() {
            for word in 0..2 {
                start[12 + word][lane] = half(place.block, word);
                start[14 + word][lane] = half(place.stream, word);
            }
        }
        let mut state = start;
        for _ in 0..DOUBLE_ROUNDS {
            quarter(&mut state, [0, 4, 8, 12]);
            quarter(&mut state, [1, 5, 9, 13]);
            quarter(&mut state, [2, 6, 10, 14]);
            quarter(&mut state, [3, 7, 11, 15]);
            quarter(&mut state, [0, 5, 10, 15]);
            quarter(&mut state, [1, 6, 11, 12]);
            quarter(&mut state, [2, 7, 8, 13]);
            quarter(&mut state, [3, 4, 9, 14]);
        }
        for (row, first) in state.iter_mut().zip(&start) {
            for (word, first) in row.iter_mut().zip(first) {
                *word = word.wrapping_add(*first);
            }
        }
        state
    }

    /// The words that decide what the first words of a sample leave open, in the order of its numbers.
    pub(crate) fn spare(&self, stream: u64) -> Words<'_> {
        Words {
            streams: self,
            next: Place { stream, block: SPARE },
            block: [0; BLOCK],
            used: BLOCK,
        }
    }
}

/// The lower or the upper half.
fn half(value: u64, upper: usize) -> u32 {
    (value >> (32 * upper)) as u32
}

#[inline(always)]
fn quarter<const N: usize>(state: &mut [[u32; N]; BLOCK], [a, b, c, d]: [usize; 4]) {
    let (mut ra, mut rb, mut rc, mut rd) = (state[a], state[b], state[c], state[d]);
    // One loop: the rows stay in registers.
    for i in 0..N {
        ra[i] = ra[i].wrapping_add(rb[i]);
        rd[i] = (rd[i] ^ ra[i]).rotate_left(16);
        rc[i] = rc[i].wrapping_add(rd[i]);
        rb[i] = (rb[i] ^ rc[i]).rotate_left(12);
        ra[i] = ra[i].wrapping_add(rb[i]);
        rd[i] = (rd[i] ^ ra[i]).rotate_left(8);
        rc[i] = rc[i].wrapping_add(rd[i]);
        rb[i] = (rb[i] ^ rc[i]).rotate_left(7);
    }
    (state[a], state[b], state[c], state[d]) = (ra, rb, rc, rd);
}

/// The spare words of one sample, in order.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a> {
    streams: &'a Streams,
    next: Place,
    block: [u32; BLOCK],
    used: usize,
}

impl Words<'_> {
    /// The sample.
    pub(crate) fn stream(&self) -> u64 {
        self.next.stream
    }

    /// The next 32 bits.
    pub(crate) fn next(&mut self) -> u32 {
        if self.used == BLOCK {
            self.block = self.streams.blocks(&[self.next]).map(|[word]| word);
            (self.next.block, self.used) = (self.next.block + 1, 0);
        }
        self.used += 1;
        self.block[self.used - 1]
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
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// Against another implementation, for streams and blocks in any order.
    #[test]
    fn words_are_those_of_chacha() {
        let streams = Streams::new((1 << 40) | 7, 2, Purpose::Certification);
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(4).zip(streams.key) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut oracle = ChaCha8Rng::from_seed(key);
        let places: [Place; LANES] = core::array::from_fn(|lane| {
            let lane = lane as u64;
            Place { stream: ((lane * lane) << 30) | 5, block: (lane * 7 % 16) << (2 * lane) }
        });
        let found = streams.blocks(&places);
        let mut at = |place: Place, word: usize| {
            oracle.set_stream(place.stream);
            oracle.set_word_pos(u128::from(place.block) * BLOCK as u128 + word as u128);
            oracle.next_u32()
        };
        for (lane, place) in places.into_iter().enumerate() {
            for word in [0, 1, 7, 15] {
                assert_eq!(found[word][lane], at(place, word), "{place:?} {word}");
            }
        }
        let mut spare = streams.spare(99);
        for word in 0..40 {
            assert_eq!(spare.next(), at(Place { stream: 99, block: SPARE }, word));
        }
    }

    #[test]
    fn purposes_inputs_and_seeds_differ() {
        let first = |seed, input, purpose| {
            Streams::new(seed, input, purpose).blocks(&[Place::default()])[0][0]
        };
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
        let streams = Streams::new(0, 0, Purpose::Fresh);
        let mut words = streams.spare(0);
        assert!((0..10_000).map(|_| words.open()).all(|u| u > 0.0 && u < 1.0));
    }
}
