//! Strategies for property tests, with the feature `proptest`.

use nncert_prob::{SidedProbability, normal_quantile_down};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};

use crate::{
    BatchClassifier, Cache, FnClassifier, Input, Noise, RecordOptions, Smoothed, Smoothing,
};

/// Noise of every kind.
pub fn noise() -> impl Strategy<Value = Noise> + Clone {
    let grid =
        (1..=300_u32, any::<bool>()).prop_map(|(levels, clamped)| Noise::Grid { levels, clamped });
    prop_oneof![proptest::prelude::Just(Noise::Gaussian), grid]
}

/// Noise of every kind, with deviations and seeds that fit.
pub fn smoothing() -> impl Strategy<Value = Smoothing> + Clone {
    (noise(), 0.0625..4.0_f64, any::<u64>())
        .prop_filter_map("a deviation", |(noise, sigma, seed)| {
            Smoothing::new(noise, sigma, seed).ok()
        })
}

/// A classifier and a changed one, whose probabilities under noise are known.
///
/// Thresholds on the line, for the input 0 and Gaussian noise of deviation 1:
///
/// ```text
/// P(f = 0) = p,    P(f' ≠ 0 | f = 0) = u,    P(f' = 0 | f ≠ 0) = v
/// ```
///
/// up to the rounding of thresholds to `f32`.
///
/// # Examples
/// ```
/// use nncert_smoothing::BatchClassifier;
/// use nncert_smoothing::strategies::Thresholds;
///
/// let known = Thresholds { p: 0.8, u: 0.1, v: 0.0 };
/// assert!((known.q() - 0.72).abs() < 1e-15);
/// assert_eq!(known.changed().classes(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// `P(f = 0)`.
    pub p: f64,
    /// `P(f' ≠ 0 | f = 0)`.
    pub u: f64,
    /// `P(f' = 0 | f ≠ 0)`.
    pub v: f64,
}

impl Thresholds {
    /// Where `p`, as estimated or as bounded, is on both sides of `γ = 0.8`, where all that is counted is rare, and where
    /// automatic choices change.
    pub const ADVERSARIAL: [Self; 8] = [
        Self { p: 0.8, u: 0.0, v: 0.0 },
        Self { p: 0.79, u: 0.02, v: 0.0 },
        Self { p: 0.88, u: 0.05, v: 0.05 },
        Self { p: 0.97, u: 0.03, v: 0.5 },
        Self { p: 0.7, u: 0.2, v: 0.0 },
        Self { p: 0.6, u: 0.01, v: 0.1 },
        Self { p: 0.992, u: 0.02, v: 0.0 },
        Self { p: 0.985, u: 0.0, v: 0.0 },
    ];

    /// `P(f' = 0)`.
    #[must_use]
    pub fn q(&self) -> f64 {
        self.p * (1.0 - self.u) + (1.0 - self.p) * self.v
    }

    /// Four fifths of the radius that `q` gives where it is above a half: one to decide.
    #[must_use]
    pub fn radius(&self) -> f64 {
        0.8 * f64::from(quantile(self.q().max(0.5)))
    }

    /// `f`.
    #[must_use]
    pub fn original(&self) -> impl BatchClassifier + use<> {
        let cut = quantile(self.p);
        FnClassifier::new(1, 2, "f", move |batch| {
            batch.iter().map(|x| usize::from(*x >= cut)).collect()
        })
    }

    /// `f'`: loses what is next to the cut of `f` on its side, and gains what is next to it on the other.
    #[must_use]
    pub fn changed(&self) -> impl BatchClassifier + use<> {
        let p = self.p;
        let cuts = [p * (1.0 - self.u), p, p + (1.0 - p) * self.v].map(quantile);
        FnClassifier::new(1, 2, "changed", move |batch| {
            let lost = |x: f32| x >= cuts[0] && x < cuts[1] || x >= cuts[2];
            batch.iter().map(|x| usize::from(lost(*x))).collect()
        })
    }
}

/// `Φ⁻¹`; that of 0 for what is no probability.
fn quantile(p: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation, reason = "to the nearest float")]
    let rounded =
        normal_quantile_down(SidedProbability::new(p).unwrap_or(SidedProbability::ZERO)) as f32;
    rounded
}

/// A linear classifier of two classes: which side of a plane.
pub fn half_space(inputs: usize) -> impl Strategy<Value = HalfSpace> + Clone {
    vec(-1.0..1.0_f32, inputs).prop_map(|normal| HalfSpace { normal })
}

/// The class 1 where the product with the normal is positive.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfSpace {
    /// The normal of the plane, which goes through 0.
    pub normal: Vec<f32>,
}

impl HalfSpace {
    /// The classifier.
    pub fn classifier(&self) -> impl BatchClassifier + use<> {
        let normal = self.normal.clone();
        FnClassifier::new(normal.len(), 2, &format!("{normal:?}"), move |batch| {
            let side = |x: &[f32]| x.iter().zip(&normal).map(|(x, n)| x * n).sum::<f32>() > 0.0;
            let columns = (0..batch.ncols()).map(|j| batch.column(j));
            columns.map(|x| usize::from(side(x.as_slice()))).collect()
        })
    }
}

/// Caches of half-spaces, around 0, of some inputs and some ranges of samples.
pub fn cache() -> impl Strategy<Value = Cache> + Clone {
    let ranges = vec((0..3_u64, 1..60_u64, 0..4_u64), 1..4);
    (half_space(3), any::<u64>(), any::<bool>(), ranges).prop_filter_map(
        "a cache",
        |(plane, seed, margins, ranges)| {
            let smoothing = Smoothing::new(Noise::Gaussian, 1.0, seed).ok()?;
            let smoothed = Smoothed::new(plane.classifier(), smoothing).ok()?;
            let mut cache = Cache::new(&smoothed);
            for (id, samples, place) in ranges {
                let first = 100 * place;
                let options = RecordOptions { selection: 5, first, samples, batch: 16, margins };
                let input = Input { id, values: &[0.0, 0.5, -0.5] };
                // Ranges that overlap without being the same are left out.
                let _ = cache.insert(smoothed.record(input, &options).ok()?);
            }
            Some(cache)
        },
    )
}
