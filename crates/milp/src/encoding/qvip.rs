//! The encoding of QVIP: one Boolean a value.

use nncert_bounds::fixed_point::IntegerBounds;
use nncert_core::fixed_point::IntegerInterval;

use super::{Encoding, Question, Value, Writer};
use crate::model::{ModelError, ModelSink, Origin};

/// QVIP's encoding: a Boolean for each value of each neuron, a big-M row for each class.
///
/// Where the paper has a number that is "extremely large", this has the least that will do.
///
/// # References
///
/// QVIP, sections 3.2 to 3.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qvip {
    /// Whether interval analysis removes values that no input reaches; else all values of the clamp
    /// have a Boolean.
    pub simplify: bool,
}

impl Default for Qvip {
    fn default() -> Self {
        Self { simplify: true }
    }
}

impl Encoding for Qvip {
    fn name(&self) -> &'static str {
        if self.simplify { "qvip" } else { "qvip-full" }
    }

    fn encode(&self, question: &Question<'_>, sink: &mut dyn ModelSink) -> Result<(), ModelError> {
        question.check()?;
        let full = if self.simplify { None } else { Some(everything(question)) };
        let question = Question { bounds: full.as_ref().unwrap_or(question.bounds), ..*question };
        let mut writer = Writer { question: &question, sink };
        let mut values = writer.inputs()?;
        for layer in 0..question.network.layers().len() {
            let mut next = Vec::new();
            for neuron in 0..question.network.layers()[layer].outputs() {
                let range = question.bounds.accumulators[layer][neuron];
                let step = question.network.layers()[layer].neuron(neuron).requantization;
                let ends = step.image(range);
                if ends.lower() == ends.upper() {
                    next.push(Value::Constant(ends.lower()));
                    continue;
                }
                let a = writer.accumulator((layer, neuron), &values)?;
                next.push(writer.one_boolean_a_value((layer, neuron), a, range)?);
            }
            values = next;
        }
        let mut any = Vec::new();
        for way in question.open {
            let occurs = writer.boolean(Origin::Violation(*way))?;
            writer.violation(*way, &values, Some(occurs))?;
            any.push((occurs, 1));
        }
        writer.row(any, Some(1), None)
    }
}

/// Ranges that hold for all inputs of the network and with them all values of the clamps.
fn everything(question: &Question<'_>) -> IntegerBounds {
    let ranges = question.network.value_ranges();
    let layers = question.network.layers().iter().zip(ranges);
    let accumulators = layers
        .map(|(layer, inputs)| {
            let range = |neuron: nncert_core::fixed_point::Neuron<'_>| neuron.accumulator(inputs);
            layer.neurons().map(range).collect::<Vec<IntegerInterval>>()
        })
        .collect();
    IntegerBounds { accumulators }
}
