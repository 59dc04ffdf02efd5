//! The radius at which the real probability crosses a confidence, from samples.

use nalgebra::DMatrix;
use nncert::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::subjects::{Place, Subject};
use crate::verb::{Error, failed};

/// How many inputs are evaluated at a time.
const BATCH: usize = 500;
/// One radius to the next.
const RATIO: f64 = 1.25;
/// No ball of a unit cube is larger.
const END: f64 = 1.0;

/// About the largest radii that any sound method can certify, one for each confidence; 1
/// where even the whole domain does not cross it.
///
/// Samples balls from a radius on that is certified, until the least confidence is lost;
/// between two radii, quantiles are interpolated.
///
/// Guarantee: heuristic.
pub(crate) fn limit(
    subject: &Subject,
    place: &Place,
    confidences: &[f64],
    start: f64,
    samples: usize,
) -> Result<Vec<f64>, Error> {
    let mut radii = vec![END; confidences.len()];
    let mut before: Option<(f64, Vec<f64>)> = None;
    let mut radius = start.max(1e-4);
    loop {
        let region = place.balls.region(radius).map_err(failed)?;
        let seed = place.image as u64;
        let quantiles = quantiles(&subject.pair, &region, place.label, confidences, samples, seed)?;
        for (index, found) in radii.iter_mut().enumerate() {
            let crossed = quantiles[index] > subject.epsilon;
            if !crossed || *found < END {
                continue;
            }
            *found = match &before {
                // Between two radii the quantile is nearly a power of the radius.
                Some((last, lower)) if lower[index] > 0.0 => {
                    let step = (subject.epsilon / lower[index]).ln();
                    let share = step / (quantiles[index] / lower[index]).ln();
                    last * (radius / last).powf(share.clamp(0.0, 1.0))
                }
                _ => radius,
            };
        }
        if radius >= END || radii.iter().all(|found| *found < END) {
            return Ok(radii);
        }
        before = Some((radius, quantiles));
        radius = (RATIO * radius).min(END);
    }
}

/// What share `γ` of the differences at an output is at most, for each `γ`.
pub(crate) fn quantiles(
    pair: &PairedNetworks,
    region: &Region,
    output: usize,
    confidences: &[f64],
    samples: usize,
    seed: u64,
) -> Result<Vec<f64>, Error> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut f = Evaluator::<f64>::new(pair.original()).map_err(failed)?;
    let mut g = Evaluator::<f64>::new(pair.compressed()).map_err(failed)?;
    let mut inputs = DMatrix::zeros(region.dimension(), BATCH);
    let mut sizes = Vec::with_capacity(samples);
    while sizes.len() < samples {
        for mut column in inputs.column_iter_mut() {
            region.sample_into(&mut random, column.as_mut_slice());
        }
        let f = f.evaluate(&inputs).map_err(failed)?.row(output).into_owned();
        let g = g.evaluate(&inputs).map_err(failed)?.row(output).into_owned();
        sizes.extend((f - g).iter().map(|difference| difference.abs()));
    }
    sizes.truncate(samples);
    sizes.sort_by(f64::total_cmp);
    let at = |gamma: &f64| {
        let rank = (gamma * samples as f64).ceil() as usize;
        sizes[rank.clamp(1, samples) - 1]
    };
    Ok(confidences.iter().map(at).collect())
}
