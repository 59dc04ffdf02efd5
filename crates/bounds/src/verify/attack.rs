//! Looking for an input at which a property fails.
//!
//! Heuristic: what is found is replayed exactly, what is not found proves nothing.

use nalgebra::DMatrix;
use nncert_core::{Evaluator, PairedNetworks, Region};

use super::Witness;
use super::question::Question;
use crate::PairBounds;

/// How many points are tried at a time.
const POINTS: usize = 256;
/// How many times the best one is improved.
const ROUNDS: usize = 8;

/// Tries points all over a region, and then around the best of them.
pub(super) fn search(
    question: &Question<'_>,
    pair: &PairedNetworks,
    region: &Region,
) -> Option<Witness> {
    let mut networks =
        [pair.original(), pair.compressed()].map(|network| Evaluator::<f64>::new(network).ok());
    let mut scores = |points: &DMatrix<f64>| -> Option<Vec<f64>> {
        let [f, g] = &mut networks;
        let (f, g) = (f.as_mut()?.evaluate(points).ok()?, g.as_mut()?.evaluate(points).ok()?);
        let pairs = f.column_iter().zip(g.column_iter());
        Some(pairs.map(|(f, g)| question.score(f.as_slice(), g.as_slice())).collect())
    };
    let mut draws = Draws { at: 0.5 };
    let mut best: Option<(f64, Vec<f64>)> = None;
    for round in 0..ROUNDS {
        let reach = 0.5f64.powi(i32::try_from(round).unwrap_or(0));
        let centre = best.as_ref().map_or_else(|| region.centre(), |(_, point)| point.clone());
        let mut points = DMatrix::zeros(region.dimension(), POINTS);
        for (at, mut point) in points.column_iter_mut().enumerate() {
            point.copy_from_slice(&centre);
            if at == 0 {
                continue;
            }
            for &input in region.free() {
                let interval = region.interval(input);
                // Extremes are at corners more often than not.
                let draw = draws.next();
                let draw = if at % 2 == 0 { draw } else { draw.round() };
                let there = interval.lower + draw * interval.width();
                let moved = centre[input] + reach * (there - centre[input]);
                let keep = round > 0 && draws.next() > reach.max(0.1);
                let moved = if keep { centre[input] } else { moved };
                point[input] = moved.clamp(interval.lower, interval.upper);
            }
        }
        let scores = scores(&points)?;
        for (score, point) in scores.iter().zip(points.column_iter()) {
            if best.as_ref().is_none_or(|(known, _)| score > known) {
                best = Some((*score, point.as_slice().to_vec()));
            }
        }
        if let Some((score, point)) = &best
            && *score >= 0.0
            && let Some(witness) = question.witness(point)
        {
            return Some(witness);
        }
    }
    best.and_then(|(_, point)| question.witness(&point))
}

/// The corners at which the bounds of the open rows are reached, and the middle.
pub(super) fn corners(
    question: &Question<'_>,
    bounds: &PairBounds,
    open: &[usize],
) -> Option<Witness> {
    let rows = open.iter().map(|&row| &bounds.outputs[row]);
    let corners = rows.flat_map(|envelope| {
        let up = corner(envelope.upper.coefficients.iter().copied(), &bounds.region);
        let down = corner(envelope.lower.coefficients.iter().map(|c| -c), &bounds.region);
        [up, down]
    });
    let mut points = corners.chain([bounds.region.centre()]);
    points.find_map(|point| question.witness(&point))
}

/// The corner of a region that is furthest in a direction.
fn corner(direction: impl Iterator<Item = f64>, region: &Region) -> Vec<f64> {
    let ends = region.lower().iter().zip(region.upper());
    direction.zip(ends).map(|(c, (low, high))| if c >= 0.0 { *high } else { *low }).collect()
}

/// Numbers in `[0, 1)`, the same every time: steps of the golden ratio, scrambled.
struct Draws {
    at: f64,
}

impl Draws {
    fn next(&mut self) -> f64 {
        self.at = (self.at + 0.618_033_988_749_894_9).fract();
        (self.at * 9973.0).fract()
    }
}
