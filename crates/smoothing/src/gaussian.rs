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

use crate::stream::Words;

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

    /// The next number.
    #[inline]
    pub(crate) fn sample(&self, words: &mut Words) -> f32 {
        /// `2^-24`.
        const HALF_STEP: f32 = f32::from_bits((127 - 24) << 23);
        loop {
            let word = words.next();
            let layer = (word & 0xff) as usize;
            // An odd multiple of 2^-24, at most 1: no bit is lost.
            let place = ((word >> 9 << 1) | 1) as f32 * HALF_STEP;
            let x = place * self.width[layer];
            if x < self.width[layer + 1] || self.is_under(layer, x, words) {
                let x = if layer == 0 && x >= self.width[1] { tail(words) } else { x };
                return if word & 0x100 == 0 { x } else { -x };
            }
        }
    }

    /// Whether a point of a layer, beyond what lies under the curve whole, is under it. In the lowest layer it stands for the tail.
    #[cold]
    fn is_under(&self, layer: usize, x: f32, words: &mut Words) -> bool {
        if layer == 0 {
            return true;
        }
        let (low, high) = (self.density[layer], self.density[layer + 1]);
        low + (high - low) * words.open() < density(f64::from(x))
    }
}

/// A number beyond `r`, as Marsaglia draws it.
#[cold]
fn tail(words: &mut Words) -> f32 {
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
    use crate::stream::{Purpose, Streams};
    use nncert_prob::normal_cdf_down;

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

    /// The empirical distribution function is near Φ, in the middle and far out.
    #[test]
    fn the_law_is_normal() {
        let ziggurat = Ziggurat::shared();
        let streams = Streams::new(7, 0, Purpose::Fresh);
        let (samples, each) = (4_000_u64, 1_000);
        let points: Vec<f64> = (-45..=45).map(|tenth| f64::from(tenth) / 10.0).collect();
        let mut below = vec![0_u64; points.len()];
        let (mut sum, mut squares, mut fourths) = (0.0, 0.0, 0.0);
        for index in 0..samples {
            let mut words = streams.sample(index);
            for _ in 0..each {
                let x = f64::from(ziggurat.sample(&mut words));
                assert!(x != 0.0 && x.abs() < 8.0);
                below[points.partition_point(|point| *point < x).min(points.len() - 1)] += 1;
                (sum, squares, fourths) = (sum + x, squares + x * x, fourths + x * x * x * x);
            }
        }
        let n = (samples * each) as f64;
        let mut total = 0;
        for (index, point) in points.iter().enumerate().take(points.len() - 1) {
            total += below[index];
            let phi = normal_cdf_down(*point).down();
            let deviation = (total as f64 - n * phi) / (n * phi * (1.0 - phi)).sqrt();
            assert!(deviation.abs() < 4.5, "{deviation} at {point}");
        }
        assert!((sum / n.sqrt()).abs() < 4.5);
        assert!(((squares - n) / (2.0 * n).sqrt()).abs() < 4.5);
        assert!(((fourths - 3.0 * n) / (96.0 * n).sqrt()).abs() < 4.5);
    }
}
