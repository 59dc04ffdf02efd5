//! The certified radius as a function of the confidence.
//!
//! One propagation at a radius serves every tail and every confidence. So the probability is
//! bounded on a ladder of radii, each a little larger than the one before, and the radius at
//! a confidence is the highest rung where the bound reaches it: each point of a curve is a
//! certificate, at most one rung below what a search would find.

use nncert::bounds::BoundsError;
use nncert::prelude::*;
use nncert::similarity::{SimilarityError, probability_within};

use super::rounding::mean_down;
use super::study::{Place, Subject};
use super::way::{CURVES, Way};

/// One rung to the next.
const RATIO: f64 = 1.005;
/// Where the ladder starts, below any radius that shows.
const START: f64 = 1e-4;
/// Its end: no ball of a unit cube is larger.
const END: f64 = 1.0;

/// The curves of [`CURVES`].
pub(super) struct Curves {
    /// `1 - γ`, the chance that is taken, descending.
    pub(super) chances: Vec<f64>,
    /// For each of [`CURVES`] the radii, one for each confidence.
    pub(super) radii: Vec<Vec<f64>>,
}

/// What is averaged: pairs with the `ε` of each.
pub(super) type Asked<'a> = (&'a Subject, f64);

/// `1 - γ` from a half to a hundred-thousandth.
fn chances() -> Vec<f64> {
    let (first, last, count) = (0.5f64.log10(), -5.0, 48);
    let at = |step: i32| 10f64.powf(first + (last - first) * f64::from(step) / f64::from(count));
    (0..=count).map(at).collect()
}

/// The mean curves over all places of all pairs; `progress` hears the share that is done.
pub(super) fn curves(
    asked: &[Asked<'_>],
    mut progress: impl FnMut(f64),
) -> Result<Curves, SimilarityError> {
    let chances = chances();
    let places: Vec<_> = asked
        .iter()
        .flat_map(|(subject, epsilon)| subject.places.iter().map(move |p| (*subject, p, *epsilon)))
        .collect();
    let mut each: Vec<Vec<Vec<f64>>> = Vec::new();
    for (done, (subject, place, epsilon)) in places.iter().enumerate() {
        progress(done as f64 / places.len() as f64);
        each.push(ladder(subject, place, *epsilon, &chances)?);
    }
    let mean = |curve: usize, point: usize| {
        let values: Vec<f64> = each.iter().map(|place| place[curve][point]).collect();
        mean_down(&values)
    };
    let radii = (0..CURVES.len())
        .map(|curve| (0..chances.len()).map(|point| mean(curve, point)).collect())
        .collect();
    Ok(Curves { chances, radii })
}

/// The radii of each curve around one input.
fn ladder(
    subject: &Subject,
    place: &Place,
    epsilon: f64,
    chances: &[f64],
) -> Result<Vec<Vec<f64>>, SimilarityError> {
    let mut radii = vec![vec![0.0; chances.len()]; CURVES.len()];
    let mut open = vec![true; CURVES.len()];
    let mut radius = START;
    while radius <= END && open.contains(&true) {
        for propagation in [Propagation::Forward, Propagation::Differential] {
            let curves: Vec<usize> = (0..CURVES.len())
                .filter(|&curve| open[curve] && CURVES[curve].method.propagation == propagation)
                .collect();
            if curves.is_empty() {
                continue;
            }
            let found = rung(subject, place, epsilon, radius, propagation, &curves)?;
            for (curve, probability) in curves.into_iter().zip(found) {
                open[curve] = probability >= 1.0 - chances[0];
                for (best, chance) in radii[curve].iter_mut().zip(chances) {
                    if probability >= 1.0 - chance {
                        *best = radius;
                    }
                }
            }
        }
        radius *= RATIO;
    }
    Ok(radii)
}

/// The probability to agree, at least, by each of some curves of one propagation.
fn rung(
    subject: &Subject,
    place: &Place,
    epsilon: f64,
    radius: f64,
    propagation: Propagation,
    curves: &[usize],
) -> Result<Vec<f64>, SimilarityError> {
    let region = place.balls.region(radius)?;
    let bounds = match propagation {
        Propagation::Forward => forward(&subject.pair, &region),
        _ => differential(&subject.pair, &region),
    };
    let bounds = match bounds {
        Ok(bounds) => bounds,
        Err(BoundsError::Overflow { .. }) => return Ok(vec![0.0; curves.len()]),
        Err(error) => return Err(error.into()),
    };
    let probability = |way: &Way| -> Result<f64, SimilarityError> {
        let method = way.method.with_outputs(subject.outputs);
        Ok(probability_within(bounds.clone(), epsilon, method)?.lower.get())
    };
    curves.iter().map(|&curve| probability(&CURVES[curve])).collect()
}
