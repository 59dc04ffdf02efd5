//! A node: its inputs and attributes, asked for by name.

use std::collections::HashMap;

use rten_onnx::onnx::{AttributeProto, AttributeType, NodeProto};

use super::tensor::{Tensor, Values};
use super::{NodeError, OnnxError, TensorError};
use crate::Shape;

/// What a name of the graph stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Constant(Tensor),
    /// Computed from the input: its place among the computed values.
    Computed(usize),
}

/// A shape, and the numbers in it.
pub(super) type Numbers<'a> = (&'a [usize], &'a [f64]);

/// ONNX's own operators.
pub(super) fn is_default_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// A node with what its inputs stand for.
pub(super) struct Node<'a> {
    proto: &'a NodeProto,
    values: &'a HashMap<String, Value>,
    /// The shapes of the computed values, without the batch.
    pub(super) shapes: &'a [Shape],
    /// Whether the batch is declared to be 1.
    pub(super) single: bool,
    /// Attributes that were not asked for yet.
    attributes: HashMap<&'a str, &'a AttributeProto>,
}

impl<'a> Node<'a> {
    pub(super) fn new(
        proto: &'a NodeProto,
        values: &'a HashMap<String, Value>,
        shapes: &'a [Shape],
        single: bool,
    ) -> Self {
        let named = |attribute: &'a AttributeProto| {
            (attribute.name.as_deref().unwrap_or_default(), attribute)
        };
        let attributes = proto.attribute.iter().map(named).collect();
        Self { proto, values, shapes, single, attributes }
    }

    pub(super) fn operator(&self) -> &'a str {
        self.proto.op_type.as_deref().unwrap_or_default()
    }

    pub(super) fn inputs(&self) -> usize {
        self.proto.input.len()
    }

    pub(super) fn check_inputs(&self, least: usize, most: usize) -> Result<(), NodeError> {
        let found = self.inputs();
        if !(least..=most).contains(&found) {
            return Err(NodeError::Arity { which: "inputs", found });
        }
        // Outputs that nobody asks for have no name.
        let outputs = self.proto.output.iter().skip(1).filter(|name| !name.is_empty()).count();
        match (outputs, self.operator()) {
            // The mask, which is not computed when nothing is dropped.
            (0, _) | (1, "Dropout") => Ok(()),
            _ => Err(NodeError::Arity { which: "outputs", found: outputs + 1 }),
        }
    }

    /// What an input stands for; `None` for one that is left out.
    pub(super) fn input(&self, index: usize) -> Result<Option<&'a Value>, NodeError> {
        match self.proto.input.get(index) {
            None => Ok(None),
            Some(name) if name.is_empty() => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(value)),
                None => Err(NodeError::Unknown { input: name.clone() }),
            },
        }
    }

    pub(super) fn name(&self, index: usize) -> String {
        self.proto.input.get(index).cloned().unwrap_or_default()
    }

    /// The computed value that an input is, and its shape.
    pub(super) fn computed(&self, index: usize) -> Result<(usize, &'a Shape), NodeError> {
        match self.input(index)? {
            Some(Value::Computed(value)) => Ok((*value, &self.shapes[*value])),
            Some(Value::Constant(_)) => Err(NodeError::Constant { input: self.name(index) }),
            None => Err(NodeError::Arity { which: "inputs", found: self.inputs() }),
        }
    }

    /// The constant that an input is; `None` for one that is left out.
    pub(super) fn optional(&self, index: usize) -> Result<Option<&'a Tensor>, NodeError> {
        match self.input(index)? {
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(Value::Computed(_)) => Err(NodeError::NotConstant { input: self.name(index) }),
            None => Ok(None),
        }
    }

    pub(super) fn floats(&self, index: usize) -> Result<Option<Numbers<'a>>, NodeError> {
        match self.optional(index)? {
            None => Ok(None),
            Some(Tensor { shape, values: Values::Floats(values) }) => Ok(Some((shape, values))),
            Some(tensor) => Err(self.misfit(index, tensor)),
        }
    }

    /// The constant numbers that an input must be.
    pub(super) fn weights(&self, index: usize) -> Result<Numbers<'a>, NodeError> {
        let found = self.inputs();
        self.floats(index)?.ok_or(NodeError::Arity { which: "inputs", found })
    }

    /// A constant vector of this length.
    pub(super) fn vector(&self, index: usize, length: usize) -> Result<&'a [f64], NodeError> {
        let (shape, values) = self.weights(index)?;
        if shape == [length] {
            return Ok(values);
        }
        Err(NodeError::ConstantShape { input: self.name(index), shape: shape.to_vec() })
    }

    /// A constant single number.
    pub(super) fn number(&self, index: usize) -> Result<Option<f64>, NodeError> {
        match self.floats(index)? {
            None => Ok(None),
            Some((_, [value])) => Ok(Some(*value)),
            Some((shape, _)) => {
                Err(NodeError::ConstantShape { input: self.name(index), shape: shape.to_vec() })
            }
        }
    }

    /// A constant vector of integers.
    pub(super) fn list(&self, index: usize) -> Result<Option<&'a [i64]>, NodeError> {
        match self.optional(index)? {
            None => Ok(None),
            Some(Tensor { shape, values: Values::Integers(values) }) if shape.len() == 1 => {
                Ok(Some(values))
            }
            Some(tensor) => Err(self.misfit(index, tensor)),
        }
    }

    fn misfit(&self, index: usize, tensor: &Tensor) -> NodeError {
        NodeError::ConstantShape { input: self.name(index), shape: tensor.shape.clone() }
    }

    fn take(
        &mut self,
        name: &'static str,
        kind: AttributeType,
    ) -> Result<Option<&'a AttributeProto>, NodeError> {
        let Some(attribute) = self.attributes.remove(name) else { return Ok(None) };
        // Old writers leave the type out.
        let fits = attribute.r#type.is_none_or(|found| found == kind);
        fits.then_some(Some(attribute)).ok_or(NodeError::Attribute { attribute: name.to_owned() })
    }

    pub(super) fn integer(&mut self, name: &'static str, default: i64) -> Result<i64, NodeError> {
        let attribute = self.take(name, AttributeType::INT)?;
        Ok(attribute.map_or(default, |attribute| attribute.i.unwrap_or(0)))
    }

    pub(super) fn float(&mut self, name: &'static str) -> Result<Option<f64>, NodeError> {
        let attribute = self.take(name, AttributeType::FLOAT)?;
        Ok(attribute.map(|attribute| f64::from(attribute.f.unwrap_or(0.0))))
    }

    pub(super) fn integers(&mut self, name: &'static str) -> Result<Option<&'a [i64]>, NodeError> {
        let attribute = self.take(name, AttributeType::INTS)?;
        Ok(attribute.map(|attribute| attribute.ints.as_slice()))
    }

    pub(super) fn string(&mut self, name: &'static str) -> Result<Option<&'a str>, NodeError> {
        let attribute = self.take(name, AttributeType::STRING)?;
        Ok(attribute.map(|attribute| attribute.s.as_deref().unwrap_or_default()))
    }

    /// So many integers that are not negative.
    pub(super) fn sizes<const N: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<[usize; N]>, NodeError> {
        let Some(values) = self.integers(name)? else { return Ok(None) };
        let wrong = || NodeError::Attribute { attribute: name.to_owned() };
        let sizes: Result<Vec<usize>, _> =
            values.iter().map(|value| usize::try_from(*value)).collect();
        let sizes = sizes.map_err(|_| wrong())?;
        Ok(Some(<[usize; N]>::try_from(sizes).map_err(|_| wrong())?))
    }

    /// Fails unless an attribute has the value that it has without being named.
    pub(super) fn only(&mut self, name: &'static str, default: i64) -> Result<(), NodeError> {
        match self.integer(name, default)? {
            value if value == default => Ok(()),
            value => Err(NodeError::Value { attribute: name, value: value.to_string() }),
        }
    }

    /// Ignores an attribute that only matters in training.
    pub(super) fn ignore(&mut self, name: &str) {
        self.attributes.remove(name);
    }

    /// Fails when an attribute was not asked for.
    pub(super) fn finish(&self) -> Result<(), NodeError> {
        match self.attributes.keys().min() {
            None => Ok(()),
            Some(name) => Err(NodeError::Attribute { attribute: (*name).to_owned() }),
        }
    }

    /// The value of a `Constant`.
    pub(super) fn constant(&mut self) -> Result<Result<Tensor, TensorError>, NodeError> {
        if let Some(attribute) = self.take("value", AttributeType::TENSOR)? {
            let wrong = NodeError::Attribute { attribute: "value".to_owned() };
            return Ok(Tensor::parse(attribute.t.as_ref().ok_or(wrong)?));
        }
        if let Some(value) = self.float("value_float")? {
            return Ok(Ok(Tensor::floats(vec![], vec![value])));
        }
        if let Some(attribute) = self.take("value_floats", AttributeType::FLOATS)? {
            let values: Vec<f64> = attribute.floats.iter().map(|value| f64::from(*value)).collect();
            return Ok(Ok(Tensor::floats(vec![values.len()], values)));
        }
        if let Some(attribute) = self.take("value_int", AttributeType::INT)? {
            return Ok(Ok(Tensor::integers(vec![], vec![attribute.i.unwrap_or(0)])));
        }
        if let Some(values) = self.integers("value_ints")? {
            return Ok(Ok(Tensor::integers(vec![values.len()], values.to_vec())));
        }
        Err(NodeError::Attribute { attribute: "value".to_owned() })
    }
}

/// The name of a node, for messages: its own, or that of what it computes.
pub(super) fn label(proto: &NodeProto) -> String {
    let own = proto.name.as_ref().filter(|name| !name.is_empty());
    own.or(proto.output.first()).cloned().unwrap_or_default()
}

/// `error`, with the node that it is about.
pub(super) fn at(proto: &NodeProto, error: NodeError) -> OnnxError {
    let operator = proto.op_type.clone().unwrap_or_default();
    OnnxError::Node { node: label(proto), operator, error: Box::new(error) }
}
