//! From a graph to sequences and residual blocks.
//!
//! A value is *dominated* by another when every way from the input to it goes
//! through that other. The nearest such value is the one before it, or for a sum
//! the last that both summands have in common: there the block begins whose
//! branches lead to the summands.

use std::collections::HashMap;

use rten_onnx::onnx::{GraphProto, NodeProto, ValueInfoProto};

use super::node::{Node, Value, at, is_default_domain, label};
use super::operator::{self, Meaning, Norm, Piece};
use super::tensor::Tensor;
use super::{NodeError, OnnxError, SUPPORTED};
use crate::{
    Affine, Layer, LayerError, MAX_LAYERS, MAX_NESTING, MAX_WIDTH, Network, NetworkError, Residual,
    Scale, Shape,
};

/// The most computed values; some of them, like identities, are no layers.
const MAX_VALUES: usize = 4 * MAX_LAYERS;

/// The network of a graph in a file of so many bytes.
pub(super) fn read(graph: &GraphProto, bytes: usize) -> Result<Network, OnnxError> {
    let mut values = HashMap::new();
    for tensor in &graph.initializer {
        let name = tensor.name.clone().unwrap_or_default();
        let constant = Tensor::parse(tensor)
            .map_err(|error| OnnxError::Tensor { tensor: name.clone(), error })?;
        values.insert(name, Value::Constant(constant));
    }
    let name = |info: &ValueInfoProto| info.name.clone().unwrap_or_default();
    let inputs = graph.input.iter().filter(|info| !values.contains_key(&name(info)));
    let [input] = inputs.collect::<Vec<_>>()[..] else {
        let found = graph.input.len()
            - graph.input.iter().filter(|info| values.contains_key(&name(info))).count();
        return Err(OnnxError::Ends { which: "input", found });
    };
    let [output] = graph.output.as_slice() else {
        return Err(OnnxError::Ends { which: "output", found: graph.output.len() });
    };
    let (shape, single) = input_shape(input)?;
    values.insert(name(input), Value::Computed(0));
    let mut flow = Flow { shapes: vec![shape.clone()], single, ..Flow::default() };
    flow.steps.push(Step { proto: None, origin: Origin::Input, dominator: 0, depth: 0 });
    flow.entries_left = bytes.saturating_add(MAX_WIDTH);
    flow.limit = flow.entries_left;
    for proto in &graph.node {
        let value = flow.add(proto, &values)?;
        let output = proto.output.first().cloned().unwrap_or_default();
        if values.contains_key(&output) {
            return Err(at(proto, NodeError::Twice { output }));
        }
        values.insert(output, value);
    }
    match values.get(&name(output)) {
        Some(Value::Computed(last)) => Ok(Network::new(shape, flow.between(0, *last, 0)?)?),
        _ => Err(OnnxError::Output { output: name(output) }),
    }
}

/// The shape without the batch, and whether the batch is declared to be 1.
fn input_shape(info: &ValueInfoProto) -> Result<(Shape, bool), OnnxError> {
    let shape = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref());
    let axes: Vec<Option<i64>> =
        shape.map_or(Vec::new(), |shape| shape.dim.iter().map(|dim| dim.dim_value).collect());
    let sizes = axes.iter().skip(1).map(|axis| usize::try_from((*axis)?).ok());
    let sizes: Option<Vec<usize>> = sizes.collect();
    match sizes.map(Shape::new) {
        Some(shape) if axes.len() > 1 && (1..=MAX_WIDTH).contains(&shape.len()) => {
            Ok((shape, axes[0] == Some(1)))
        }
        _ => Err(OnnxError::Input { input: info.name.clone().unwrap_or_default(), shape: axes }),
    }
}

/// The computed values of a graph, each after those that it is computed from.
#[derive(Default)]
struct Flow<'a> {
    steps: Vec<Step<'a>>,
    /// Without the batch.
    shapes: Vec<Shape>,
    single: bool,
    /// How many numbers further layers may have.
    entries_left: usize,
    limit: usize,
}

/// A computed value.
struct Step<'a> {
    /// `None` for the input.
    proto: Option<&'a NodeProto>,
    origin: Origin,
    /// The nearest value that dominates this one.
    dominator: usize,
    /// How many values dominate this one.
    depth: usize,
}

enum Origin {
    Input,
    Chain(Vec<Piece>),
    Sum([usize; 2]),
    /// It is already part of the layers.
    Used,
}

impl<'a> Flow<'a> {
    fn add(
        &mut self,
        proto: &'a NodeProto,
        values: &HashMap<String, Value>,
    ) -> Result<Value, OnnxError> {
        let operator = proto.op_type.as_deref().unwrap_or_default();
        let domain = proto.domain.as_deref().unwrap_or_default();
        if !is_default_domain(domain) || !SUPPORTED.contains(&operator) {
            let ours = is_default_domain(domain);
            let full = if ours { operator.to_owned() } else { format!("{domain}::{operator}") };
            return Err(OnnxError::Operator { node: label(proto), operator: full });
        }
        if self.steps.len() > MAX_VALUES {
            return Err(NetworkError::TooManyLayers { found: self.steps.len() }.into());
        }
        let mut node = Node::new(proto, values, &self.shapes, self.single);
        let error = |error| at(proto, error);
        match operator::read(&mut node).map_err(error)? {
            Meaning::Constant(tensor) => {
                let tensor =
                    tensor.map_err(|error| OnnxError::Tensor { tensor: label(proto), error })?;
                let count = tensor.shape.iter().product();
                self.spend(count)?;
                Ok(Value::Constant(tensor))
            }
            Meaning::Chain { input, pieces } => {
                let mut shape = self.shapes[input].clone();
                for piece in &pieces {
                    if let Piece::Layer(layer) = piece {
                        shape = layer.output_shape(&shape).map_err(|cause| error(cause.into()))?;
                    }
                    if !(1..=MAX_WIDTH).contains(&shape.len()) {
                        let size = LayerError::Size { field: "width", found: shape.len() };
                        return Err(error(size.into()));
                    }
                    self.spend(entries(piece))?;
                }
                Ok(self.push(proto, Origin::Chain(pieces), input, shape))
            }
            Meaning::Sum([a, b]) => {
                let [body, shortcut] = [a, b].map(|value| self.shapes[value].clone());
                if body != shortcut {
                    return Err(error(LayerError::Branches { body, shortcut }.into()));
                }
                let dominator = self.common(a, b);
                Ok(self.push(proto, Origin::Sum([a, b]), dominator, body))
            }
        }
    }

    fn push(
        &mut self,
        proto: &'a NodeProto,
        origin: Origin,
        dominator: usize,
        shape: Shape,
    ) -> Value {
        let depth = self.steps[dominator].depth + 1;
        self.steps.push(Step { proto: Some(proto), origin, dominator, depth });
        self.shapes.push(shape);
        Value::Computed(self.steps.len() - 1)
    }

    fn spend(&mut self, entries: usize) -> Result<(), OnnxError> {
        let left = self.entries_left.checked_sub(entries);
        self.entries_left = left.ok_or(OnnxError::Entries { limit: self.limit })?;
        Ok(())
    }

    /// The last value that dominates both, or is one of them.
    fn common(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            let deeper = if self.steps[a].depth < self.steps[b].depth { &mut b } else { &mut a };
            *deeper = self.steps[*deeper].dominator;
        }
        a
    }

    /// The layers that lead from one value to another that it dominates.
    fn between(
        &mut self,
        first: usize,
        mut last: usize,
        nesting: usize,
    ) -> Result<Vec<Layer>, OnnxError> {
        let mut backward = Vec::new();
        while last != first {
            let Step { proto, origin, dominator, .. } = &mut self.steps[last];
            let (proto, dominator) = (*proto, *dominator);
            match core::mem::replace(origin, Origin::Used) {
                Origin::Chain(pieces) => backward.push(pieces),
                Origin::Sum([a, b]) if nesting < MAX_NESTING => {
                    let mut body = self.between(dominator, a, nesting + 1)?;
                    let mut shortcut = self.between(dominator, b, nesting + 1)?;
                    if body.len() < shortcut.len() {
                        core::mem::swap(&mut body, &mut shortcut);
                    }
                    backward.push(vec![Piece::Layer(Residual { body, shortcut }.into())]);
                }
                Origin::Sum(_) => {
                    return Err(NetworkError::Nesting { layer: backward.len() }.into());
                }
                Origin::Input | Origin::Used => {
                    let shared = NodeError::Shared;
                    return Err(proto.map_or(OnnxError::NoGraph, |proto| at(proto, shared)));
                }
            }
            last = dominator;
        }
        let mut layers = Vec::with_capacity(backward.len());
        for piece in backward.into_iter().rev().flatten() {
            append(&mut layers, piece);
        }
        Ok(layers)
    }
}

/// The numbers that a piece holds.
fn entries(piece: &Piece) -> usize {
    match piece {
        Piece::Norm(norm) => 3 * norm.factor.len(),
        Piece::Layer(Layer::Scale(scale)) => 2 * scale.factor.len(),
        Piece::Layer(Layer::Select(select)) => select.sources.len(),
        Piece::Layer(layer) => {
            layer.weights().map_or(0, |weights| weights.weight.len() + weights.bias.len())
        }
    }
}

/// Adds a layer, or makes it part of the one before.
fn append(layers: &mut Vec<Layer>, piece: Piece) {
    let weights = match layers.last_mut() {
        Some(Layer::Affine(affine)) => Some(affine),
        Some(Layer::Convolution(convolution)) => Some(&mut convolution.filters),
        _ => None,
    };
    match (piece, weights) {
        (Piece::Norm(norm), Some(weights)) => fold(norm, weights),
        (Piece::Norm(Norm { mean, factor, shift }), None) => {
            let offset = shift.iter().zip(&mean).zip(&factor).map(|((b, m), f)| b - m * f);
            let offset = offset.collect();
            layers.push(Scale { factor, offset }.into());
        }
        (Piece::Layer(Layer::Scale(scale)), Some(weights)) if is_bias(&scale, weights) => {
            weights.bias.copy_from_slice(&scale.offset);
        }
        (Piece::Layer(Layer::Select(select)), None) => match layers.last_mut() {
            Some(Layer::Select(before)) => *before = before.then(&select),
            _ => layers.push(select.into()),
        },
        (Piece::Layer(layer), _) => layers.push(layer),
    }
}

/// Rounds every weight and bias.
fn fold(Norm { mean, factor, shift }: Norm, weights: &mut Affine) {
    for (row, mut weight) in weights.weight.row_iter_mut().enumerate() {
        weight *= factor[row];
        weights.bias[row] = (weights.bias[row] - mean[row]) * factor[row] + shift[row];
    }
}

/// Whether adding the offsets only gives a layer the bias that it does not have.
fn is_bias(scale: &Scale, weights: &Affine) -> bool {
    scale.offset.len() == weights.outputs()
        && scale.factor.iter().all(|factor| *factor == 1.0)
        && weights.bias.iter().all(|bias| *bias == 0.0)
}
