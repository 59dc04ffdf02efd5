//! The compact encoding: integer values, rows that round, and a Boolean for each clamp.

use super::values::Line;
use super::{Encoding, Question, Value, Writer};
use crate::model::{ModelError, ModelSink, Origin};

/// Values as integers, with at most two Booleans a neuron, and a threshold in place of the
/// outputs where one output is compared with another.
///
/// ```text
/// o_a - o_b ≥ δ   iff   some t has o_a ≥ t + δ and o_b ≤ t
/// ```
///
/// Steps that are not all equally long (real multipliers, ties that go to the even value or away
/// from zero) take a Boolean for each value, as [`Qvip`](super::Qvip) does.
///
/// One problem for each violation; several are joined by a Boolean each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compact;

impl Encoding for Compact {
    fn name(&self) -> &'static str {
        "compact"
    }

    fn encode(&self, question: &Question<'_>, sink: &mut dyn ModelSink) -> Result<(), ModelError> {
        question.check()?;
        let mut writer = Writer { question, sink };
        let mut values = writer.inputs()?;
        let last = question.network.layers().len() - 1;
        for layer in 0..last {
            let mut next = Vec::new();
            for neuron in 0..question.network.layers()[layer].outputs() {
                next.push(writer.neuron((layer, neuron), &values)?);
            }
            values = next;
        }
        if let [way] = question.open
            && let [row] = &*question.property.violations()[*way].rows
            && let Some(pair) = row.pair()
            && writer.threshold(pair, row.bound, &values)?
        {
            return Ok(());
        }
        // Only outputs that some row weighs.
        let mut outputs = Vec::new();
        for neuron in 0..question.network.outputs() {
            let rows =
                question.open.iter().flat_map(|way| &question.property.violations()[*way].rows);
            let counts = rows.into_iter().any(|row| row.coefficients[neuron] != 0);
            outputs.push(if counts {
                writer.neuron((last, neuron), &values)?
            } else {
                Value::Constant(0)
            });
        }
        if let [way] = question.open {
            return writer.violation(*way, &outputs, None);
        }
        let mut any = Vec::new();
        for way in question.open {
            let occurs = writer.boolean(Origin::Violation(*way))?;
            writer.violation(*way, &outputs, Some(occurs))?;
            any.push((occurs, 1));
        }
        writer.row(any, Some(1), None)
    }
}

impl Writer<'_, '_> {
    fn neuron(&mut self, place: (usize, usize), values: &[Value]) -> Result<Value, ModelError> {
        let (layer, neuron) = place;
        let range = self.question.bounds.accumulators[layer][neuron];
        let step = self.question.network.layers()[layer].neuron(neuron).requantization;
        let ends = step.image(range);
        if ends.lower() == ends.upper() {
            return Ok(Value::Constant(ends.lower()));
        }
        let a = self.accumulator(place, values)?;
        self.rounded(place, a)
    }

    /// `o_a - o_b ≥ δ` by a threshold; `false` if the steps of the outputs are not on lines.
    ///
    /// ```text
    /// a_a ≥ first(t + δ) - ...   unless t + δ is at most the least value of o_a
    /// a_b ≤ last(t) + ...        unless t is the greatest value of o_b
    /// ```
    fn threshold(
        &mut self,
        (a, b): (usize, usize),
        delta: i64,
        values: &[Value],
    ) -> Result<bool, ModelError> {
        let layer = self.question.network.layers().len() - 1;
        let network = &self.question.network.layers()[layer];
        let steps = (network.neuron(a).requantization, network.neuron(b).requantization);
        let (Some(line_a), Some(line_b)) = (Line::of(steps.0), Line::of(steps.1)) else {
            return Ok(false);
        };
        let ranges = &self.question.bounds.accumulators[layer];
        let (range_a, range_b) = (ranges[a], ranges[b]);
        let (values_a, values_b) = (steps.0.image(range_a), steps.1.image(range_b));
        // t is o_b itself, and t + δ within reach of o_a.
        let (low, high) = (values_b.lower(), values_b.upper().min(values_a.upper() - delta));
        let t = self.column((low, high.max(low)), true, Origin::Threshold)?;
        if high < low {
            // Never: a row that no t meets.
            self.row(vec![(t, 1)], None, Some(low - 1))?;
            return Ok(true);
        }
        let a_column = self.accumulator((layer, a), values)?;
        let mut at_least = vec![(a_column, 1), (t, -line_a.step)];
        // At t + δ ≤ the least value, nothing is needed of a.
        let free = values_a.lower() - delta;
        if free >= low {
            let needed = line_a.first_of(free + delta).saturating_sub(range_a.lower());
            if needed > 0 {
                let below = self.boolean(Origin::Below { layer, neuron: a })?;
                at_least.push((below, needed));
                self.row(vec![(t, 1), (below, high - free.min(high))], None, Some(high))?;
            }
        }
        self.row(at_least, Some(line_a.first_of(delta)), None)?;
        let b_column = self.accumulator((layer, b), values)?;
        let mut at_most = vec![(b_column, 1), (t, -line_b.step)];
        if high == values_b.upper() {
            let excess = range_b.upper().saturating_sub(line_b.last_of(high));
            if excess > 0 {
                let above = self.boolean(Origin::Above { layer, neuron: b })?;
                at_most.push((above, -excess));
                self.row(vec![(t, 1), (above, low - high)], Some(low), None)?;
            }
        }
        self.row(at_most, None, Some(line_b.last_of(0)))?;
        Ok(true)
    }
}
