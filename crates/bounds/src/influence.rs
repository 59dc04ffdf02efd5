//! How much bounds owe to each input: which one is worth cutting.
//!
//! The bounds of an output are wide for two reasons. Its affine forms move with the
//! inputs; and every unstable neuron costs the gap between its lines, times the
//! coefficient that the output has on it. The gap shrinks with the neuron's
//! interval, which owes to each input the share of it in the neuron's own form:
//!
//! ```text
//! score_i = Σ_rows |c_i| w_i + Σ_neurons weight_j · gap_j · |a_ji| w_i / (u_j - l_j)
//! ```
//!
//! Heuristic: it chooses where to cut, and no bound depends on it.

use nalgebra::DMatrix;
use nncert_core::Interval;

use crate::intervals::Intervals;
use crate::relu::{Face, Faces};
use crate::rows::Rows;

#[derive(Debug)]
pub(crate) struct Influence {
    widths: Vec<f64>,
    /// One for each stage that has been relaxed.
    stages: Vec<Trail>,
    /// The neurons that were bounded last.
    latest: Vec<Neuron>,
    scores: Vec<f64>,
}

/// What a stage leaves behind.
#[derive(Debug, Default)]
struct Trail {
    /// The gaps of each live neuron's faces and lines.
    gaps: Vec<(f64, f64)>,
    /// For each live neuron what each input contributes to its interval, if known.
    shares: Vec<Option<Vec<f64>>>,
}

/// A neuron, and what each input contributes to its interval.
#[derive(Debug)]
struct Neuron {
    index: usize,
    shares: Vec<f64>,
}

impl Influence {
    pub(crate) fn new(input: &Intervals) -> Self {
        let widths: Vec<f64> = input.iter().map(Interval::width).collect();
        Self { scores: vec![0.0; widths.len()], widths, stages: Vec::new(), latest: Vec::new() }
    }

    /// Takes note of the forms of the neurons of a layer that were bounded.
    pub(crate) fn remember(&mut self, neurons: &[usize], rows: &Rows, bounds: &Intervals) {
        let neuron = |(row, &index): (usize, &usize)| {
            let width = bounds.get(index).width();
            let scale = if width > 0.0 { 1.0 / width } else { 0.0 };
            let column = rows.coefficients.column(row);
            let shares = column.iter().zip(&self.widths).map(|(a, w)| a.abs() * w * scale);
            Neuron { index, shares: shares.collect() }
        };
        self.latest = neurons.iter().enumerate().map(neuron).collect();
    }

    /// Takes note of the gate behind that layer.
    pub(crate) fn gate(&mut self, live: &[usize], gaps: impl Fn(usize) -> (f64, f64)) {
        let mut latest = core::mem::take(&mut self.latest).into_iter().peekable();
        let mut trail = Trail::default();
        for &neuron in live {
            while latest.next_if(|known| known.index < neuron).is_some() {}
            let known = latest.next_if(|known| known.index == neuron);
            // Where there is no form there is no gap either: the neuron is stable.
            trail.gaps.push(if known.is_some() { gaps(neuron) } else { (0.0, 0.0) });
            trail.shares.push(known.map(|known| known.shares));
        }
        self.stages.push(trail);
    }

    /// Takes note of a gate that does nothing.
    pub(crate) fn open(&mut self) {
        self.stages.push(Trail::default());
    }

    /// Weighs a stage by the coefficients that the outputs have on what comes out of it.
    pub(crate) fn weigh(&mut self, stage: usize, delta: &DMatrix<f64>, x: &DMatrix<f64>) {
        let Trail { gaps, shares } = &self.stages[stage];
        let size = |matrix: &DMatrix<f64>, neuron: usize| -> f64 {
            matrix.row(neuron).iter().map(|a| a.abs()).sum()
        };
        for (neuron, ((face, line), shares)) in gaps.iter().zip(shares).enumerate() {
            let Some(shares) = shares else { continue };
            let weight = size(delta, neuron) * face + size(x, neuron) * line;
            for (score, share) in self.scores.iter_mut().zip(shares) {
                *score += weight * share;
            }
        }
    }

    /// Adds how far the outputs' own forms move with each input.
    pub(crate) fn spread(&mut self, outputs: &Rows) {
        for column in outputs.coefficients.column_iter() {
            for ((score, c), width) in self.scores.iter_mut().zip(&column).zip(&self.widths) {
                *score += c.abs() * width;
            }
        }
    }

    pub(crate) fn scores(self) -> Vec<f64> {
        self.scores
    }
}

/// About the largest distance between the lines of a ReLU.
pub(crate) fn line_gap(x: Interval) -> f64 {
    if x.lower < 0.0 && x.upper > 0.0 { -x.lower * x.upper / x.width() } else { 0.0 }
}

/// About the largest distance between two faces: at no difference, amid `x`.
pub(crate) fn face_gap(faces: &Faces, x: Interval, delta: Interval) -> f64 {
    let (at_delta, at_x) = (0.0f64.clamp(delta.lower, delta.upper), (x.lower + x.upper) / 2.0);
    let value = |face: &Face| face.delta * at_delta + face.x * at_x + face.constant;
    (value(&faces.upper) - value(&faces.lower)).max(0.0)
}
