//! What is known of the ReLUs of a network on a region, and so on every part of it.

use nncert_core::Interval;

use crate::intervals::Intervals;

/// On which side of its kink a ReLU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Its input is at most 0.
    Dead,
    /// Its input is at least 0.
    Active,
    /// Either.
    Unknown,
}

/// The side of every ReLU, stage by stage.
///
/// Bounds of a part of a region need not find again what was found on the whole:
/// neurons that were stable there stay stable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stability(Vec<Vec<Side>>);

impl Stability {
    /// Takes note of the next stage.
    pub(crate) fn push(&mut self, bounds: &Intervals) {
        let side = |x: Interval| {
            if x.upper <= 0.0 {
                Side::Dead
            } else if x.lower >= 0.0 {
                Side::Active
            } else {
                Side::Unknown
            }
        };
        self.0.push(bounds.iter().map(side).collect());
    }

    /// Clips the bounds of a stage to the sides that are known.
    pub(crate) fn clip(&self, stage: usize, bounds: &mut Intervals) {
        let Some(sides) = self.0.get(stage) else { return };
        for (neuron, side) in sides.iter().enumerate() {
            match side {
                Side::Dead => bounds.upper[neuron] = bounds.upper[neuron].min(0.0),
                Side::Active => bounds.lower[neuron] = bounds.lower[neuron].max(0.0),
                Side::Unknown => {}
            }
        }
    }
}
