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
//! A row on `(δ̂, x̂)` weighs the gap of the faces of `δ`, and that of the lines of `x` as
//! well: a face is exact, whatever its gap, once the neuron is on one side of its kink. (With
//! the faces alone, property 7 of ACAS Xu took 1.26 times as many boxes.)
//!
//! Heuristic: it chooses where to cut, and no bound depends on it.

use nncert_core::Interval;

use crate::intervals::Intervals;
use crate::relu::{Face, Faces, Line, Lines};

#[derive(Debug)]
pub(crate) struct Influence {
    widths: Vec<f64>,
    /// One for each stage that has been relaxed.
    stages: Vec<Trail>,
    /// The neurons that were bounded last.
    latest: Vec<Neuron>,
    scores: Vec<f64>,
    /// How many shares may still be remembered: beyond that, neurons do not count.
    room: usize,
}

/// The most shares that are remembered.
const MAX_SHARES: usize = 1 << 23;

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
        let scores = vec![0.0; widths.len()];
        Self { scores, widths, stages: Vec::new(), latest: Vec::new(), room: MAX_SHARES }
    }

    /// Takes note of the forms of the neurons of a layer that were bounded.
    ///
    /// `rows` holds one row of coefficients on the input for each, `widths` the width of its
    /// interval.
    pub(crate) fn remember(&mut self, neurons: &[usize], rows: &[f64], widths: &[f64]) {
        if self.widths.is_empty() {
            return;
        }
        let neuron = |((&index, &width), row): ((&usize, &f64), &[f64])| {
            let scale = if width > 0.0 { 1.0 / width } else { 0.0 };
            let shares = row.iter().zip(&self.widths).map(|(a, w)| a.abs() * w * scale);
            Neuron { index, shares: shares.collect() }
        };
        let inputs = self.widths.len();
        let count = neurons.len().min(self.room / inputs);
        self.room -= count * inputs;
        self.latest
            .extend(neurons.iter().zip(widths).zip(rows.chunks(inputs)).take(count).map(neuron));
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

    /// Weighs a stage by the coefficients that the outputs have on what comes out of it:
    /// rows of `width` numbers each.
    pub(crate) fn weigh(&mut self, stage: usize, width: usize, delta: &[f64], x: &[f64]) {
        let Trail { gaps, shares } = &self.stages[stage];
        let mut weights = vec![0.0; gaps.len()];
        let width = width.max(1);
        for (delta, x) in delta.chunks_exact(width).zip(x.chunks_exact(width)) {
            for ((weight, (face, line)), (d, x)) in
                weights.iter_mut().zip(gaps).zip(delta.iter().zip(x))
            {
                *weight += d.abs() * (face + line) + x.abs() * line;
            }
        }
        for (weight, shares) in weights.iter().zip(shares) {
            let Some(shares) = shares else { continue };
            for (score, share) in self.scores.iter_mut().zip(shares) {
                *score += weight * share;
            }
        }
    }

    /// Adds how far the outputs' own forms move with each input.
    pub(crate) fn spread(&mut self, outputs: &[f64]) {
        for row in outputs.chunks_exact(self.widths.len().max(1)) {
            for ((score, c), width) in self.scores.iter_mut().zip(row).zip(&self.widths) {
                *score += c.abs() * width;
            }
        }
    }

    pub(crate) fn scores(self) -> Vec<f64> {
        self.scores
    }
}

/// About the largest distance between two lines: at 0, where kinks are, or amid `x`.
pub(crate) fn line_gap(lines: &Lines, x: Interval) -> f64 {
    let value = |line: &Line, at: f64| line.slope * at + line.intercept;
    let gap = |at: f64| value(&lines.upper, at) - value(&lines.lower, at);
    gap(0.0f64.clamp(x.lower, x.upper)).max(gap((x.lower + x.upper) / 2.0)).max(0.0)
}

/// About the largest distance between two faces: at no difference, amid `x`.
pub(crate) fn face_gap(faces: &Faces, x: Interval, delta: Interval) -> f64 {
    let (at_delta, at_x) = (0.0f64.clamp(delta.lower, delta.upper), (x.lower + x.upper) / 2.0);
    let value = |face: &Face| face.delta * at_delta + face.x * at_x + face.constant;
    (value(&faces.upper) - value(&faces.lower)).max(0.0)
}
