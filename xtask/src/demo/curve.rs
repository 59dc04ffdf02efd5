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
use super::row::Row;
use super::study::{Place, Subject};
use super::way::{BEST, CURVES, SIMCERT, WORST_CASE, Way};

/// One rung to the next.
const RATIO: f64 = 1.005;
/// Where a ladder starts when nothing is known.
const LOWEST: f64 = 1e-4;
/// The end of all ladders: no ball of a unit cube is larger.
const END: f64 = 1.0;
/// A ladder starts this much below the radius that the table has, for the higher confidences.
const BELOW: f64 = 0.9;

/// The curves of [`CURVES`].
pub(super) struct Curves {
    /// `1 - γ`, the chance that is taken, descending.
    pub(super) chances: Vec<f64>,
    /// For each of [`CURVES`] the radii, one for each confidence.
    pub(super) radii: Vec<Vec<f64>>,
}

/// What is averaged: pairs with what was measured of them.
pub(super) type Asked<'a> = (&'a Subject, &'a Row);

/// `1 - γ`: a half, and ten steps for each decade from a tenth to a hundred-thousandth.
fn chances() -> Vec<f64> {
    let decade = |step: i32| 10f64.powf(-0.1 * f64::from(step));
    [0.5].into_iter().chain((4..=50).map(decade)).collect()
}

/// The mean curves over all places of all pairs; `progress` hears the share that is done.
pub(super) fn curves(
    asked: &[Asked<'_>],
    mut progress: impl FnMut(f64),
) -> Result<Curves, SimilarityError> {
    let chances = chances();
    let count: usize = asked.iter().map(|(subject, _)| subject.places.len()).sum();
    let mut each: Vec<Vec<Vec<f64>>> = Vec::new();
    for (subject, row) in asked {
        for (index, place) in subject.places.iter().enumerate() {
            progress(each.len() as f64 / count as f64);
            let start = |way: &Way| match row.of(way).each[index] {
                radius if radius > 0.0 => BELOW * radius,
                _ => LOWEST,
            };
            let ladder = Ladder { subject, place, epsilon: row.epsilon(), chances: &chances };
            let mut radii = vec![vec![0.0; chances.len()]; CURVES.len()];
            if row.of(&BEST).verdicts[index] != "falsified" {
                ladder.climb(Propagation::Differential, start(&WORST_CASE), &mut radii)?;
                ladder.climb(Propagation::Forward, start(&SIMCERT), &mut radii)?;
            }
            each.push(radii);
        }
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

/// The rungs around one input.
struct Ladder<'a> {
    subject: &'a Subject,
    place: &'a Place,
    epsilon: f64,
    chances: &'a [f64],
}

impl Ladder<'_> {
    /// Climbs until no curve of this propagation reaches the lowest confidence.
    fn climb(
        &self,
        propagation: Propagation,
        start: f64,
        radii: &mut [Vec<f64>],
    ) -> Result<(), SimilarityError> {
        let mut open: Vec<usize> = (0..CURVES.len())
            .filter(|&curve| CURVES[curve].method.propagation == propagation)
            .collect();
        let mut radius = start;
        while radius <= END && !open.is_empty() {
            let found = self.rung(radius, propagation, &open)?;
            for (&curve, probability) in open.iter().zip(&found) {
                for (best, chance) in radii[curve].iter_mut().zip(self.chances) {
                    if *probability >= 1.0 - chance {
                        *best = radius;
                    }
                }
            }
            let mut found = found.into_iter();
            open.retain(|_| found.next().is_some_and(|p| p >= 1.0 - self.chances[0]));
            radius *= RATIO;
        }
        Ok(())
    }

    /// The probability to agree, at least, by each of some curves of one propagation.
    fn rung(
        &self,
        radius: f64,
        propagation: Propagation,
        curves: &[usize],
    ) -> Result<Vec<f64>, SimilarityError> {
        let region = self.place.balls.region(radius)?;
        let bounds = match propagation {
            Propagation::Forward => forward(&self.subject.pair, &region),
            _ => differential(&self.subject.pair, &region),
        };
        let bounds = match bounds {
            Ok(bounds) => bounds,
            Err(BoundsError::Overflow { .. }) => return Ok(vec![0.0; curves.len()]),
            Err(error) => return Err(error.into()),
        };
        let probability = |way: &Way| -> Result<f64, SimilarityError> {
            let method = way.method.with_outputs(self.subject.outputs);
            Ok(probability_within(bounds.clone(), self.epsilon, method)?.lower.get())
        };
        curves.iter().map(|&curve| probability(&CURVES[curve])).collect()
    }
}
