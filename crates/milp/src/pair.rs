//! The plane of the two accumulators behind a row `o_a - o_b ≥ δ`.

use nncert_bounds::fixed_point::IntegerBounds;
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::{IntegerInterval, Requantization};

use crate::Violation;
use crate::cut::Cut;

/// A violation that compares two outputs: `o_a - o_b ≥ δ`.
///
/// In the plane of the accumulators of both outputs it is a staircase along the diagonal, with
/// arms where outputs are clamped:
///
/// ```text
/// o_a at its greatest value:  every a_b, if δ ≤ 0
/// o_b at its least value:     every a_a, if δ ≤ 0
/// else                        about  m_a a_a - m_b a_b ≥ δ
/// ```
///
/// A relaxation of both outputs at once fills the corner between the arms. Cut off one by one, each
/// piece has a side that a bound can be sought for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    layer: usize,
    a: usize,
    b: usize,
    delta: i64,
}

impl Pair {
    /// The pair of a violation, if it is one row of this kind.
    pub(crate) fn of(network: &FixedPointNetwork, way: &Violation) -> Option<Self> {
        let [row] = &*way.rows else { return None };
        let (a, b) = row.pair()?;
        Some(Self { layer: network.layers().len() - 1, a, b, delta: row.bound })
    }

    fn step(&self, network: &FixedPointNetwork, output: usize) -> Requantization {
        *network.layers()[self.layer].neuron(output).requantization
    }

    fn cut(&self, output: usize, at: i64) -> Cut {
        Cut { layer: self.layer, neuron: output, at }
    }

    /// Where the arms are cut off, with whether the arm is the half below.
    pub(crate) fn arms(&self, network: &FixedPointNetwork) -> [Option<(Cut, bool)>; 2] {
        let (a, b) = (self.step(network, self.a), self.step(network, self.b));
        let top = a.threshold(a.clamp.upper()).and_then(|first| first.checked_sub(1));
        let bottom = b.preimage(b.clamp.lower()).map(IntegerInterval::upper);
        [bottom.map(|at| (self.cut(self.b, at), true)), top.map(|at| (self.cut(self.a, at), false))]
    }

    /// Cuts beyond which no accumulators in these ranges are a violation, each with whether the
    /// half below is the one that is left: what the value of one output asks of the other.
    pub(crate) fn needed(
        &self,
        network: &FixedPointNetwork,
        bounds: &IntegerBounds,
    ) -> [Option<(Cut, bool)>; 2] {
        let ranges = &bounds.accumulators[self.layer];
        let (a, b) = (self.step(network, self.a), self.step(network, self.b));
        let least = b.image(ranges[self.b]).lower().saturating_add(self.delta);
        let most = a.image(ranges[self.a]).upper().saturating_sub(self.delta);
        let before = |step: &Requantization, value: i64| step.threshold(value)?.checked_sub(1);
        [
            before(&a, least).map(|at| (self.cut(self.a, at), false)),
            before(&b, most.saturating_add(1)).map(|at| (self.cut(self.b, at), true)),
        ]
    }

    /// Multipliers of the last layer: across the diagonal, and toward each arm.
    ///
    /// The last two weigh accumulators so much that values no longer count.
    pub(crate) fn directions(
        &self,
        network: &FixedPointNetwork,
        bounds: &IntegerBounds,
    ) -> [Vec<f64>; 3] {
        let ranges = &bounds.accumulators[self.layer];
        let (a, b) = (self.step(network, self.a), self.step(network, self.b));
        let (first, second) = (a.image(ranges[self.a]), b.image(ranges[self.b]));
        let width = |range: IntegerInterval| range.lower().abs_diff(range.upper()) as f64;
        let heavy = width(first) + width(second) + 1.0;
        let toward = |of_a: f64, of_b: f64| {
            let mut last = vec![0.0; bounds.accumulators[self.layer].len()];
            (last[self.a], last[self.b]) = (of_a, -of_b);
            last
        };
        [toward(a.multiplier.value(), b.multiplier.value()), toward(0.0, heavy), toward(heavy, 0.0)]
    }
}
