//! Standard normal numbers by a ziggurat, with the same bits on every machine.
//!
//! The area under `exp(-x²/2)` is covered by 256 layers of equal area. A word gives a layer (8 bits), a sign and a place in
//! the layer (23 bits, in the middle of their step, so that the law is symmetric and no number is 0); 99 times of 100 that is
//! all. The rest is decided by `exp`, and beyond `r` by two logarithms, in double precision from `libm`.
//!
//! Only additions, products, quotients, square roots and functions of `libm` occur, none of them fused or reordered.
//!
//! # References
//! 1. G. Marsaglia, W. Tsang, *The ziggurat method for generating random variables*, Journal of Statistical Software 5, 2000.
//! 2. J. Doornik, *An improved ziggurat method to generate normal random samples*, 2005.

use std::sync::OnceLock;

use crate::stream::{BLOCK, Words};

const LAYERS: usize = 256;

/// Where the tail begins.
const R: f64 = 3.654_152_885_361_009;

/// `√(π/2)`.
const SQRT_FRAC_PI_2: f64 = 1.253_314_137_315_500_3;

/// The widths of the layers, and the density at them.
#[derive(Debug)]
pub(crate) struct Ziggurat {
    /// The lowest first, which stands for the tail too; `width[i + 1]` is the part of layer `i` that lies under the curve whole.
    width: [f32; LAYERS + 1],
    density: [f64; LAYERS + 1],
}

fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x)
}

impl Ziggurat {
    /// The layers, computed once.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Ziggurat> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    fn new() -> Self {
        // A layer's area: the lowest rectangle and the tail.
        let tail = SQRT_FRAC_PI_2 * libm::erfc(R * core::f64::consts::FRAC_1_SQRT_2);
        let area = R * density(R) + tail;
        let mut width = [0.0_f64; LAYERS + 1];
        width[0] = area / density(R);
        width[1] = R;
        for layer in 1..LAYERS - 1 {
            let height = area / width[layer] + density(width[layer]);
            width[layer + 1] = (-2.0 * libm::log(height)).sqrt();
        }
        #[allow(clippy::cast_possible_truncation)]
        let narrow = width.map(|x| x as f32);
        // As the numbers are drawn: from the rounded widths.
        Self { width: narrow, density: narrow.map(|x| density(f64::from(x))) }
    }

    /// The numbers of a block of words. The bits of the second part are set where a word leaves its number open: then
    /// [`Ziggurat::open`] has it.
    #[inline(always)]
    pub(crate) fn block(&self, words: &[u32; BLOCK]) -> ([f32; BLOCK], u32) {
        let (mut numbers, mut open) = ([0.0; BLOCK], 0);
        for (place, (number, word)) in numbers.iter_mut().zip(words).enumerate() {
            let (layer, x) = self.point(*word);
            open |= u32::from(x >= self.width[layer + 1]) << place;
            *number = signed(x, *word);
        }
        (numbers, open)
    }

    /// A layer, and a place in it.
    #[inline(always)]
    fn point(&self, word: u32) -> (usize, f32) {
        /// `2^-24`.
        const HALF_STEP: f32 = f32::from_bits((127 - 24) << 23);
        let layer = (word & 0xff) as usize;
        // An odd multiple of 2^-24, at most 1: no bit is lost. A signed number is converted faster.
        let place = ((word >> 9 << 1) | 1) as i32 as f32 * HALF_STEP;
        (layer, place * self.width[layer])
    }

    /// The number that begins with a word and goes on with others.
    #[cold]
    pub(crate) fn open(&self, mut word: u32, words: &mut Words<'_>) -> f32 {
        loop {
            let (layer, x) = self.point(word);
            if x < self.width[layer + 1] || self.is_under(layer, x, words) {
                let x = if layer == 0 && x >= self.width[1] { tail(words) } else { x };
                return signed(x, word);
            }
            word = words.next();
        }
    }

    /// Whether a point of a layer, beyond what lies under the curve whole, is under it. In the lowest layer it stands for the tail.
    fn is_under(&self, layer: usize, x: f32, words: &mut Words<'_>) -> bool {
        if layer == 0 {
            return true;
        }
        let (low, high) = (self.density[layer], self.density[layer + 1]);
        low + (high - low) * words.open() < density(f64::from(x))
    }
}

/// With the sign that a word says.
#[inline(always)]
fn signed(x: f32, word: u32) -> f32 {
    f32::from_bits(x.to_bits() | (word & 0x100) << 23)
}

/// A number beyond `r`, as Marsaglia draws it.
fn tail(words: &mut Words<'_>) -> f32 {
    loop {
        let x = -libm::log(words.open()) / R;
        let y = -libm::log(words.open());
        if 2.0 * y > x * x {
            #[allow(clippy::cast_possible_truncation)]
            return (R + x) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_equal_areas() {
        let ziggurat = Ziggurat::shared();
        let area = |layer: usize| {
            let height = ziggurat.density[layer + 1] - ziggurat.density[layer];
            f64::from(ziggurat.width[layer]) * height
        };
        for layer in 1..LAYERS {
            assert!((area(layer) / 4.928_673_233_99e-3 - 1.0).abs() < 1e-4, "{layer}");
        }
        assert_eq!((ziggurat.width[LAYERS], ziggurat.density[LAYERS]), (0.0, 1.0));
    }
}
