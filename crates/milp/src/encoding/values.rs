//! Step functions as rows.

use nncert_core::fixed_point::{IntegerInterval, Requantization, Rounding};

use super::{Value, Writer};
use crate::model::{ModelError, Origin, Variable};

/// The most values of a neuron that have a Boolean each.
const MAX_VALUES: u64 = 1 << 16;

/// A step function whose steps are all equally long: `step = 2^shift`, and value `t` starts at
/// `t · step - offset`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) step: i64,
    /// From the zero point and the rounding.
    offset: i64,
}

impl Line {
    /// The line of a shift that rounds halves up or downward; others have steps that differ.
    pub(super) fn of(step: &Requantization) -> Option<Self> {
        let shift = u32::try_from(step.multiplier.shift()).ok()?;
        if !step.multiplier.is_power_of_two() || shift > 40 {
            return None;
        }
        let length = 1i64 << shift;
        let rounding = match step.rounding {
            Rounding::Floor => 0,
            Rounding::HalfUp => length / 2,
            _ if shift == 0 => 0,
            _ => return None,
        };
        let offset = step.zero_point.checked_mul(length)?.checked_add(rounding)?;
        // So that what follows stays within `i64`.
        let small = step.clamp.magnitude().max(step.zero_point.unsigned_abs()) < 1 << 20;
        small.then_some(Self { step: length, offset })
    }

    /// The first accumulator of a value, clamps left out.
    pub(super) fn first_of(self, value: i64) -> i64 {
        value * self.step - self.offset
    }

    /// The last accumulator of a value, clamps left out.
    pub(super) fn last_of(self, value: i64) -> i64 {
        self.first_of(value + 1) - 1
    }
}

impl Writer<'_, '_> {
    /// The value of a neuron with a Boolean for each value.
    ///
    /// ```text
    /// Σ v_t = 1,   y = Σ t v_t,   Σ first_t v_t ≤ a ≤ Σ last_t v_t
    /// ```
    ///
    /// `first_t` and `last_t` are the ends of the accumulators with value `t` in the range.
    pub(super) fn one_boolean_a_value(
        &mut self,
        (layer, neuron): (usize, usize),
        a: Variable,
        range: IntegerInterval,
    ) -> Result<Value, ModelError> {
        let step = *self.question.network.layers()[layer].neuron(neuron).requantization;
        let ends = step.image(range);
        let (first, last) = (ends.lower(), ends.upper());
        if first == last {
            return Ok(Value::Constant(first));
        }
        let values = first.abs_diff(last) + 1;
        if values > MAX_VALUES {
            return Err(ModelError::Values { layer, neuron, values, limit: MAX_VALUES });
        }
        let y = self.column((first, last), true, Origin::Value { layer, neuron })?;
        let (mut one, mut sum) = (Vec::new(), vec![(y, -1)]);
        let (mut from, mut to) = (vec![(a, 1)], vec![(a, 1)]);
        for value in first..=last {
            let held = step.preimage(value).and_then(|a| a.intersect(range));
            let Some(held) = held else { continue };
            let v = self.boolean(Origin::Is { layer, neuron, value })?;
            one.push((v, 1));
            sum.push((v, value));
            from.push((v, -held.lower()));
            to.push((v, -held.upper()));
        }
        self.row(one, Some(1), Some(1))?;
        self.row(sum, Some(0), Some(0))?;
        self.row(from, Some(0), None)?;
        self.row(to, None, Some(0))?;
        Ok(Value::Column(y))
    }

    /// The value of a neuron as an integer, with rows that round and at most two Booleans.
    ///
    /// ```text
    /// a ≥ first(y) - (first(low) - L) below,      y ≤ high - (high - low) below
    /// a ≤ last(y) + (U - last(high)) above,       y ≥ low + (high - low) above
    /// ```
    ///
    /// with `first(t) = 2^s t - offset`, `last(t) = first(t + 1) - 1`, accumulators in `[L, U]` and
    /// values in `[low, high]`. A Boolean is there only if its clamp can be reached.
    pub(super) fn rounded(
        &mut self,
        (layer, neuron): (usize, usize),
        a: Variable,
    ) -> Result<Value, ModelError> {
        let range = self.question.bounds.accumulators[layer][neuron];
        let step = *self.question.network.layers()[layer].neuron(neuron).requantization;
        let ends = step.image(range);
        let (low, high) = (ends.lower(), ends.upper());
        if low == high {
            return Ok(Value::Constant(low));
        }
        let Some(line) = Line::of(&step) else {
            return self.one_boolean_a_value((layer, neuron), a, range);
        };
        let y = self.column((low, high), true, Origin::Value { layer, neuron })?;
        let mut at_least = vec![(a, 1), (y, -line.step)];
        let missing = line.first_of(low).saturating_sub(range.lower());
        if missing > 0 {
            let below = self.boolean(Origin::Below { layer, neuron })?;
            at_least.push((below, missing));
            self.row(vec![(y, 1), (below, high - low)], None, Some(high))?;
        }
        self.row(at_least, Some(-line.offset), None)?;
        let mut at_most = vec![(a, 1), (y, -line.step)];
        let excess = range.upper().saturating_sub(line.last_of(high));
        if excess > 0 {
            let above = self.boolean(Origin::Above { layer, neuron })?;
            at_most.push((above, -excess));
            self.row(vec![(y, 1), (above, low - high)], Some(low), None)?;
        }
        self.row(at_most, None, Some(line.step - 1 - line.offset))?;
        Ok(Value::Column(y))
    }
}
