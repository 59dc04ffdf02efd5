//! Encodings of a question as an integer linear model: a solution is a witness.
//!
//! Both share the inputs ([`region`]), and an integer column for each accumulator, with an equation
//! that makes it the sum that it is. They differ in the step functions: [`Qvip`] has a Boolean for
//! each value, as in the paper; [`Compact`] has the value as an integer, two rows that round,
//! and a Boolean for each clamp that can be reached.

mod compact;
mod qvip;
mod region;
mod values;

pub use compact::Compact;
pub use qvip::Qvip;

use nncert_bounds::fixed_point::{IntegerBounds, IntegerRegion};
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::LayerTrace;

use crate::model::{Column, ModelError, ModelSink, Origin, Row, Variable};
use crate::{Norm, Property};

/// What is encoded: is there an input of the region at which one of some violations occurs?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The network.
    pub network: &'a FixedPointNetwork,
    /// The region.
    pub region: &'a IntegerRegion,
    /// Ranges of accumulators on the region.
    pub bounds: &'a IntegerBounds,
    /// The property.
    pub property: &'a Property,
    /// The violations that are asked about: indices of [`Property::violations`].
    pub open: &'a [usize],
    /// Whether inputs are integers in the model. If not, the model is a relaxation: that it has
    /// no solution means the same, and a solution needs to be repaired.
    pub integer_inputs: bool,
}

/// A way to write a question as a model.
pub trait Encoding {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Writes the model.
    ///
    /// Guarantee: exact. With integer inputs the model has a solution if and only if one of the
    /// open violations occurs in the region.
    ///
    /// # Errors
    ///
    /// [`ModelError`] for parts that do not belong together, and numbers that are too large.
    fn encode(&self, question: &Question<'_>, sink: &mut dyn ModelSink) -> Result<(), ModelError>;
}

impl Question<'_> {
    /// Fails unless all parts have the shape of the network.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        let Self { network, region, bounds, property, open, .. } = self;
        let layers = network.layers().iter().zip(&bounds.accumulators);
        let fits = region.dimension() == network.inputs()
            && property.outputs() == network.outputs()
            && bounds.accumulators.len() == network.layers().len()
            && layers.into_iter().all(|(layer, ranges)| layer.outputs() == ranges.len())
            && open.iter().all(|way| *way < property.violations().len());
        if fits { Ok(()) } else { Err(ModelError::Shape) }
    }

    /// The value of each column of a model at an input, in the order of `origins`.
    ///
    /// With it, whether an input is a solution can be told by the exact checker.
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] for an input that the network does not take.
    pub fn point(&self, origins: &[Origin], x: &[i64]) -> Result<Vec<i64>, ModelError> {
        let trace = self.network.trace(x).map_err(|_| ModelError::Shape)?;
        let outputs = &trace[trace.len() - 1].values;
        Ok(origins.iter().map(|origin| self.value(*origin, x, &trace, outputs)).collect())
    }

    fn value(&self, origin: Origin, x: &[i64], trace: &[LayerTrace], outputs: &[i64]) -> i64 {
        let clamped = |layer: usize, neuron: usize| {
            let step = self.network.layers()[layer].neuron(neuron).requantization;
            let a = trace[layer + 1].accumulators[neuron];
            let values = step.image(self.bounds.accumulators[layer][neuron]);
            (values::Line::of(step), a, values)
        };
        match origin {
            Origin::Input(index) => x[index],
            Origin::Distance(index) => {
                let d = x[index] - self.region.center()[index];
                match self.region.norm() {
                    Norm::L0 => i64::from(d != 0),
                    Norm::L2 => d * d,
                    Norm::L1 | Norm::Linf => d.abs(),
                }
            }
            Origin::Accumulator { layer, neuron } => trace[layer + 1].accumulators[neuron],
            Origin::Value { layer, neuron } => trace[layer + 1].values[neuron],
            Origin::Below { layer, neuron } => {
                let (line, a, values) = clamped(layer, neuron);
                i64::from(line.is_some_and(|line| a < line.first_of(values.lower())))
            }
            Origin::Above { layer, neuron } => {
                let (line, a, values) = clamped(layer, neuron);
                i64::from(line.is_some_and(|line| a > line.last_of(values.upper())))
            }
            Origin::Is { layer, neuron, value } => {
                i64::from(trace[layer + 1].values[neuron] == value)
            }
            Origin::Violation(index) => {
                i64::from(self.property.violations()[index].is_met(outputs))
            }
            Origin::Threshold => self.threshold(outputs),
        }
    }

    /// The lesser output of the pair of a single violation `o_a - o_b ≥ bound`.
    fn threshold(&self, outputs: &[i64]) -> i64 {
        let way = self.open.first().map(|way| &self.property.violations()[*way]);
        let row = way.and_then(|way| way.rows.first());
        let negative = row.and_then(|row| row.coefficients.iter().position(|c| *c == -1));
        negative.map_or(0, |index| outputs[index])
    }
}

/// Columns of an input and all accumulators, filled as layers are written.
pub(crate) struct Writer<'a, 'q> {
    pub(crate) question: &'a Question<'q>,
    pub(crate) sink: &'a mut dyn ModelSink,
}

/// A value before a layer: a column, or a constant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Column(Variable),
    Constant(i64),
}

impl Writer<'_, '_> {
    pub(crate) fn column(
        &mut self,
        (lower, upper): (i64, i64),
        integer: bool,
        origin: Origin,
    ) -> Result<Variable, ModelError> {
        self.sink.column(Column { lower, upper, integer, origin })
    }

    pub(crate) fn boolean(&mut self, origin: Origin) -> Result<Variable, ModelError> {
        self.column((0, 1), true, origin)
    }

    pub(crate) fn row(
        &mut self,
        terms: Vec<(Variable, i64)>,
        lower: Option<i64>,
        upper: Option<i64>,
    ) -> Result<(), ModelError> {
        self.sink.row(Row { terms, lower, upper })
    }

    /// The column of an accumulator, with the equation that makes it one.
    pub(crate) fn accumulator(
        &mut self,
        (layer, neuron): (usize, usize),
        values: &[Value],
    ) -> Result<Variable, ModelError> {
        let range = self.question.bounds.accumulators[layer][neuron];
        let origin = Origin::Accumulator { layer, neuron };
        let a = self.column((range.lower(), range.upper()), false, origin)?;
        let parts = self.question.network.layers()[layer].neuron(neuron);
        let mut constant = parts.bias;
        let mut terms = vec![(a, -1)];
        for (value, weight) in values.iter().zip(parts.weights) {
            match value {
                // Within what a checked network sums to.
                Value::Constant(value) => constant += value * weight,
                Value::Column(variable) if *weight != 0 => terms.push((*variable, *weight)),
                Value::Column(_) => {}
            }
        }
        self.row(terms, Some(-constant), Some(-constant))?;
        Ok(a)
    }

    /// The rows of a violation over columns of outputs; with `when`, only if that Boolean is 1.
    pub(crate) fn violation(
        &mut self,
        way: usize,
        outputs: &[Value],
        when: Option<Variable>,
    ) -> Result<(), ModelError> {
        let property = self.question.property;
        let layer = self.question.network.layers().len() - 1;
        for row in &property.violations()[way].rows {
            let (mut terms, mut bound, mut least) = (Vec::new(), row.bound, 0i64);
            for ((c, output), range) in
                row.coefficients.iter().zip(outputs).zip(self.output_ranges(layer))
            {
                match output {
                    Value::Constant(value) => bound -= c * value,
                    Value::Column(variable) if *c != 0 => {
                        terms.push((*variable, *c));
                        least += (c * range.0).min(c * range.1);
                    }
                    Value::Column(_) => {}
                }
            }
            match when {
                // Σ c o ≥ bound - (bound - least) (1 - w)
                Some(when) if least < bound => {
                    terms.push((when, least - bound));
                    self.row(terms, Some(least), None)?;
                }
                Some(_) => {}
                None => self.row(terms, Some(bound), None)?,
            }
        }
        Ok(())
    }

    fn output_ranges(&self, layer: usize) -> Vec<(i64, i64)> {
        let ranges = self.question.bounds.values(self.question.network, layer);
        ranges.map(|range| (range.lower(), range.upper())).collect()
    }
}
