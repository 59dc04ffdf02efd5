//! Strategies for property tests, with the feature `proptest`.

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
