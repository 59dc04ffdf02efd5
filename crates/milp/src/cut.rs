//! Where branch and bound cuts.

use nncert_bounds::fixed_point::{Along, Ascent, IntegerBounds, LineSearch, cut_gain};
use nncert_core::fixed_point::{IntegerInterval, Requantization};

use crate::BranchOptions;
use crate::branch::Branch;

/// What a lower hull is worth beside a lower bound.
const HULL_WORTH: f64 = 1e-3;

/// A cut of a range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) layer: usize,
    pub(crate) neuron: usize,
    pub(crate) at: i64,
}

impl Cut {
    /// The range of one half.
    pub(crate) fn half(self, bounds: &IntegerBounds, below: bool) -> Option<IntegerInterval> {
        let range = bounds.accumulators[self.layer][self.neuron];
        let (lower, upper) = if below {
            (range.lower(), self.at)
        } else {
            // Above the greatest number there is nothing.
            (self.at.checked_add(1)?, range.upper())
        };
        IntegerInterval::new(lower.max(range.lower()), upper.min(range.upper())).ok()
    }
}

impl Branch<'_> {
    /// The cut whose halves have the least bounds, if some value is not decided: of those that
    /// lower the hull of a staircase most, both halves are bounded along the multiplier of
    /// the neuron that is cut.
    pub(crate) fn choose(
        &self,
        bounds: &IntegerBounds,
        ascent: &Ascent,
        lines: &LineSearch<'_>,
        options: &BranchOptions,
    ) -> Option<(Cut, [Along; 2])> {
        let mut cuts: Vec<(f64, Cut)> = Vec::new();
        let last = self.network().layers().len() - 1;
        for (layer, network) in self.network().layers().iter().enumerate() {
            // Outputs of a pair have had their cuts.
            if layer == last && !cuts.is_empty() && self.pair().is_some() {
                break;
            }
            for (neuron, parts) in network.neurons().enumerate() {
                cuts.extend(self.best_cut((layer, neuron), parts.requantization, bounds, ascent));
            }
        }
        cuts.sort_by(|a, b| b.0.total_cmp(&a.0));
        cuts.truncate(options.candidates.max(1));
        let (_, needed) = self.sum();
        let least = needed as f64 - 1e-3;
        let excess = (ascent.value - least).max(0.0);
        let mut best: Option<(f64, Cut, [Along; 2])> = None;
        for (hull, cut) in cuts {
            let halves = [true, false].map(|below| match cut.half(bounds, below) {
                Some(part) => lines.cut(bounds, ascent, (cut.layer, cut.neuron), part, least),
                None => {
                    Along { gain: f64::MAX, multiplier: ascent.multipliers[cut.layer][cut.neuron] }
                }
            });
            // A closed half is worth no more than that; where bounds tell nothing, hulls do.
            let worth = |half: &Along| half.gain.clamp(0.0, excess) + HULL_WORTH * hull;
            let score = worth(&halves[0]) * worth(&halves[1]);
            if best.as_ref().is_none_or(|(most, ..)| score > *most) {
                best = Some((score, cut, halves));
            }
        }
        let (_, cut, halves) = best?;
        let closes = halves.map(|half| half.gain >= excess);
        Some(match closes {
            [true, false] | [false, true] => {
                self.widen(bounds, ascent, lines, (cut, halves), closes[0], least)
            }
            _ => (cut, halves),
        })
    }

    /// Moves a cut of which one half closes to where that half is largest, so that what is
    /// left has the fewest values.
    fn widen(
        &self,
        bounds: &IntegerBounds,
        ascent: &Ascent,
        lines: &LineSearch<'_>,
        (mut cut, mut halves): (Cut, [Along; 2]),
        below: bool,
        least: f64,
    ) -> (Cut, [Along; 2]) {
        let Cut { layer, neuron, at: start } = cut;
        let step = self.network().layers()[layer].neuron(neuron).requantization;
        let range = bounds.accumulators[layer][neuron];
        let (first, last) = (step.apply(range.lower()), step.apply(range.upper()));
        // The value behind the cut: it closes at `near`, and is not known to at `far`.
        let (mut near, mut far) =
            (step.apply(cut.at.saturating_add(1)), if below { last + 1 } else { first });
        while near.abs_diff(far) > 1 {
            let middle = near.midpoint(far);
            let at = step.threshold(middle).and_then(|first| first.checked_sub(1));
            let there = at.map(|at| Cut { at, ..cut });
            let part = there.and_then(|cut| Some((cut, cut.half(bounds, below)?)));
            let Some((moved, part)) = part else { break };
            let along = lines.cut(bounds, ascent, (layer, neuron), part, least);
            if ascent.value - along.gain < least {
                (near, cut) = (middle, moved);
                halves[usize::from(!below)] = along;
            } else {
                far = middle;
            }
        }
        if cut.at != start
            && let Some(part) = cut.half(bounds, !below)
        {
            halves[usize::from(below)] = lines.cut(bounds, ascent, (layer, neuron), part, least);
        }
        (cut, halves)
    }

    /// The cut of one neuron's range that lowers the hull of its staircase most.
    fn best_cut(
        &self,
        (layer, neuron): (usize, usize),
        step: &Requantization,
        bounds: &IntegerBounds,
        ascent: &Ascent,
    ) -> Option<(f64, Cut)> {
        let range = bounds.accumulators[layer][neuron];
        let (first, last) = (step.apply(range.lower()), step.apply(range.upper()));
        if first == last {
            return None;
        }
        let a = ascent.accumulators[layer][neuron];
        let coefficient = ascent.coefficients[layer][neuron];
        let mut best: Option<(f64, Cut)> = None;
        for at in places(step, range, (first, last), a) {
            let gain = cut_gain(step, range, coefficient, a, at);
            // A cut that gains nothing now still decides something: the widest staircase that
            // matters, in second place.
            let steps = (last - first) as f64;
            let score = gain + 1e-6 * coefficient.abs() * steps + 1e-12 * steps;
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, Cut { layer, neuron, at }));
            }
        }
        best
    }
}

/// Where a range may be cut: behind the first value, before the last, around the optimum, and in
/// the middle.
fn places(
    step: &Requantization,
    range: IntegerInterval,
    (first, last): (i64, i64),
    a: f64,
) -> impl Iterator<Item = i64> {
    // Saturates.
    #[allow(clippy::cast_possible_truncation)]
    let near = step.apply(range.clamp(a as i64));
    let values = [first + 1, last, near, near.saturating_add(1), first.midpoint(last) + 1];
    let within = values.into_iter().filter(move |y| first < *y && *y <= last);
    let step = *step;
    within.filter_map(move |y| {
        let at = step.threshold(y)?.checked_sub(1)?;
        (range.lower() <= at && at < range.upper()).then_some(at)
    })
}
