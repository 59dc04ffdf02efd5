//! What is added to an input, and the numbers that a classifier then sees.

use std::sync::Arc;

use crate::SmoothingError;
use crate::gaussian::Ziggurat;
use crate::grid::{DEVIATIONS, GridLaw};
use crate::samples::Samples;
use crate::stream::Purpose;

/// Inputs beyond this are refused; sums and steps of the grid are then exact where they have to be.
pub(crate) const MAX_VALUE: f64 = 1e6;

/// The most levels of a grid.
const MAX_LEVELS: u32 = 1 << 20;

/// The noise under which a classifier is smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Noise {
    /// `x + σ ε`, computed in `f32`.
    ///
    /// What is certified is the classifier in real arithmetic with real noise. Floats have gaps that an adversary may use, so
    /// this is the customary approximation, and [`Noise::Grid`] is the certificate.
    Gaussian,
    /// `round(x + σ ε)` on the grid of multiples of `1/levels`, drawn exactly.
    ///
    /// The base classifier is `f ∘ round`, a function of real numbers that is evaluated without any error: it sees the numbers
    /// `k/levels`, rounded to `f32` the same way each time. With `levels = 255` these are the images of 8 bits.
    Grid {
        /// The steps between 0 and 1.
        levels: u32,
        /// Whether numbers are clamped to `[0, 1]` after the rounding. That is a part of the base classifier.
        clamped: bool,
    },
}

/// Noise with a deviation and a seed: all that determines the samples of an input.
///
/// ```text
/// sample i of input d    depends on    (seed, d, i), σ and the kind of noise, and on nothing else
/// ```
///
/// Every sample has a stream of its own, so its bits do not depend on machine, batch, thread, nor on which other samples
/// are drawn. Cloning is cheap.
///
/// # Examples
/// ```
/// use nncert_smoothing::{Input, Noise, Smoothing};
///
/// let smoothing = Smoothing::new(Noise::Grid { levels: 255, clamped: true }, 0.25, 42)?;
/// let pixels = [0.0, 0.2, 1.0];
/// let sample = smoothing.sample(Input { id: 7, values: &pixels }, 12_345)?.expect("64 digits decide");
/// assert!(sample.iter().all(|x| (x * 255.0 - (x * 255.0).round()).abs() < 1e-4));
/// # Ok::<(), nncert_smoothing::SmoothingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Smoothing {
    noise: Noise,
    sigma: f64,
    seed: u64,
    law: Law,
}

#[derive(Clone, Debug)]
pub(crate) enum Law {
    Gaussian(&'static Ziggurat),
    Grid(Arc<GridLaw>),
}

/// An input, and the number that tells its noise from that of others.
///
/// Give each input of a set a number of its own, such as its place: then their noise is independent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input<'a> {
    /// The number.
    pub id: u64,
    /// The input itself.
    pub values: &'a [f64],
}

impl Smoothing {
    /// Noise of deviation `σ`, from a seed.
    ///
    /// # Errors
    /// [`SmoothingError`] for a `σ` that is not positive and finite, for a grid without levels or with more than 2^20, and for a
    /// `σ` of less than 1/16 or more than 32768 steps of the grid.
    pub fn new(noise: Noise, sigma: f64, seed: u64) -> Result<Self, SmoothingError> {
        if !(sigma > 0.0 && sigma <= MAX_VALUE) {
            return Err(SmoothingError::Sigma { sigma });
        }
        let law = match noise {
            Noise::Gaussian => Law::Gaussian(Ziggurat::shared()),
            Noise::Grid { levels, .. } => {
                if !(1..=MAX_LEVELS).contains(&levels) {
                    return Err(SmoothingError::Levels { levels });
                }
                let deviation = sigma * f64::from(levels);
                if !DEVIATIONS.contains(&deviation) {
                    return Err(SmoothingError::Deviation { deviation });
                }
                Law::Grid(Arc::new(GridLaw::new(sigma, levels)))
            }
        };
        Ok(Self { noise, sigma, seed, law })
    }

    /// The kind of noise.
    #[must_use]
    pub fn noise(&self) -> Noise {
        self.noise
    }

    /// The deviation of each coordinate.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How one number is drawn.
    pub(crate) fn law(&self) -> &Law {
        &self.law
    }

    /// What a classifier sees as sample `index` of an input, among those that are counted for a certificate; `None` when a number of
    /// the grid is undecided (next to never), which counts as a failure.
    ///
    /// # Errors
    /// [`SmoothingError`] for a number that is NaN or beyond 10^6, or not on the grid.
    pub fn sample(&self, input: Input<'_>, index: u64) -> Result<Option<Vec<f32>>, SmoothingError> {
        let mut values = vec![0.0; input.values.len()];
        let samples = Samples::new(self, input, Purpose::Certification)?;
        let decided = samples.fill(&[index], &mut values);
        Ok((decided == [true]).then_some(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(values: &[f64]) -> Input<'_> {
        Input { id: 3, values }
    }

    /// A contract: whoever has a cache finds the samples again.
    #[test]
    fn bits_are_pinned() {
        let values = [0.0, 0.5, 1.0, 0.25];
        let gaussian = Smoothing::new(Noise::Gaussian, 0.25, 42).unwrap();
        let sample = gaussian.sample(input(&values), 1_000_000_007).unwrap();
        let bits: Vec<u32> = sample.unwrap().iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, GAUSSIAN, "{bits:#x?}");
        let grid = Smoothing::new(Noise::Grid { levels: 255, clamped: false }, 0.25, 42).unwrap();
        let values = [0.0, 0.2, 1.0, 0.4];
        let sample = grid.sample(input(&values), 1_000_000_007).unwrap().unwrap();
        let steps: Vec<f32> = sample.iter().map(|x| (x * 255.0).round()).collect();
        assert_eq!(steps, GRID);
        // Rare cases too: a quarter of a million numbers.
        assert_eq!([&gaussian, &grid].map(digest), DIGESTS);
    }

    /// Of the bits of 500 samples of 500 numbers.
    fn digest(smoothing: &Smoothing) -> u64 {
        let values = [0.0; 500];
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for index in 0..500 {
            for x in smoothing.sample(input(&values), index).unwrap().unwrap() {
                hash = (hash ^ u64::from(x.to_bits())).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    }

    const GAUSSIAN: [u32; 4] = [0x3d81_7df8, 0x3f80_0a62, 0x3f8b_b492, 0x3f39_b5e1];
    const GRID: [f32; 4] = [-66.0, 93.0, 210.0, 172.0];
    const DIGESTS: [u64; 2] = [4650005662260693774, 20576922467684562];

    #[test]
    fn bad_noise_and_bad_inputs_are_named() {
        for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = Smoothing::new(Noise::Gaussian, sigma, 0).unwrap_err();
            assert!(matches!(error, SmoothingError::Sigma { .. }));
        }
        let grid = |levels, sigma| Smoothing::new(Noise::Grid { levels, clamped: true }, sigma, 0);
        assert!(matches!(grid(0, 0.25), Err(SmoothingError::Levels { .. })));
        assert!(matches!(grid(u32::MAX, 0.25), Err(SmoothingError::Levels { .. })));
        assert!(matches!(grid(255, 1e-6), Err(SmoothingError::Deviation { .. })));
        assert!(matches!(grid(255, 1e6), Err(SmoothingError::Deviation { .. })));
        let grid = grid(255, 0.25).unwrap();
        let error = grid.sample(input(&[0.0, 0.3001]), 0).unwrap_err();
        assert!(matches!(error, SmoothingError::OffGrid { coordinate: 1, .. }));
        let error = grid.sample(input(&[f64::NAN]), 0).unwrap_err();
        assert!(matches!(error, SmoothingError::Value { coordinate: 0, .. }));
        // Multiples of 1/255, in doubles and in floats.
        for step in 0..=255 {
            let double = f64::from(step) / 255.0;
            let float = f64::from(step as f32 / 255.0);
            assert!(grid.sample(input(&[double, float]), 0).is_ok(), "{step}");
        }
    }

    #[test]
    fn clamped_samples_stay_inside() {
        let grid = Smoothing::new(Noise::Grid { levels: 15, clamped: true }, 1.0, 1).unwrap();
        let mut seen = Vec::new();
        for index in 0..200 {
            seen.extend(grid.sample(input(&[0.0, 1.0]), index).unwrap().unwrap());
        }
        assert!(seen.iter().all(|x| (0.0..=1.0).contains(x)));
        assert!(seen.contains(&0.0) && seen.contains(&1.0));
    }
}
