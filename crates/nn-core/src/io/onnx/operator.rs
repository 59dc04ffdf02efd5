//! What a node means: layers, a constant, or the sum of two values.

use nalgebra::{DMatrix, DVector};

use super::node::{Node, Value};
use super::tensor::Tensor;
use super::{NodeError, TensorError};
use crate::{Activation, Affine, Convolution, Layer, Pool, Scale, Select, Shape, Window};

/// What a node computes.
pub(super) enum Meaning {
    Constant(Result<Tensor, TensorError>),
    /// These, one after the other, of one computed value.
    Chain {
        input: usize,
        pieces: Vec<Piece>,
    },
    /// The sum of two computed values.
    Sum([usize; 2]),
}

/// What becomes a layer, or part of the one before it.
pub(super) enum Piece {
    Layer(Layer),
    Norm(Norm),
}

/// A batch normalisation: `(x - mean) · scale / √variance + shift`, channel by channel.
pub(super) struct Norm {
    pub(super) mean: Vec<f64>,
    /// `scale / √(variance + ε)`, rounded.
    pub(super) factor: Vec<f64>,
    pub(super) shift: Vec<f64>,
}

/// The node's operator is one of [`SUPPORTED`](super::SUPPORTED).
pub(super) fn read(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    let meaning = match node.operator() {
        "Constant" => {
            node.check_inputs(0, 0)?;
            Meaning::Constant(node.constant()?)
        }
        "Identity" => identity(node, 1)?,
        "Dropout" => dropout(node)?,
        "Gemm" => gemm(node)?,
        "MatMul" => matmul(node)?,
        "Conv" => convolution(node)?,
        "BatchNormalization" => normalization(node)?,
        "AveragePool" => average_pool(node)?,
        "MaxPool" => max_pool(node)?,
        "GlobalAveragePool" => global(node, |_| Pool::GlobalAverage)?,
        "GlobalMaxPool" => global(node, |image| Pool::Max { window: Window::new(image) })?,
        "Relu" => activation(node, Activation::Relu)?,
        "Sigmoid" => activation(node, Activation::Sigmoid)?,
        "Tanh" => activation(node, Activation::Tanh)?,
        "LeakyRelu" => {
            // The default of the standard is the f32 nearest to 0.01.
            let slope = node.float("alpha")?.unwrap_or(f64::from(0.01f32));
            activation(node, Activation::LeakyRelu { slope })?
        }
        "Clip" => clip(node)?,
        "Add" | "Sub" | "Mul" | "Div" => arithmetic(node)?,
        "Flatten" => flatten(node)?,
        "Reshape" => reshape(node)?,
        "Slice" => slice(node)?,
        "Pad" => pad(node)?,
        "Concat" => concat(node)?,
        _ => return Err(NodeError::Arity { which: "operators", found: 0 }),
    };
    node.finish()?;
    Ok(meaning)
}

fn chain(input: usize, layer: impl Into<Layer>) -> Meaning {
    Meaning::Chain { input, pieces: vec![Piece::Layer(layer.into())] }
}

fn nothing(input: usize) -> Meaning {
    Meaning::Chain { input, pieces: Vec::new() }
}

fn image(shape: &Shape) -> Result<[usize; 3], NodeError> {
    shape.image().map_err(|_| NodeError::Shape { found: shape.clone() })
}

/// An axis of the batched value, counted from the end if negative, without the batch.
fn axis(axis: i64, shape: &Shape, attribute: &'static str) -> Result<usize, NodeError> {
    let rank = shape.axes().len() + 1;
    let from_start = if axis < 0 { axis.saturating_add_unsigned(rank as u64) } else { axis };
    match usize::try_from(from_start) {
        Ok(0) => Err(NodeError::Batch),
        Ok(index) if index < rank => Ok(index - 1),
        _ => Err(NodeError::Value { attribute, value: axis.to_string() }),
    }
}

fn identity(node: &Node<'_>, inputs: usize) -> Result<Meaning, NodeError> {
    node.check_inputs(1, inputs)?;
    match node.input(0)? {
        Some(Value::Constant(tensor)) => Ok(Meaning::Constant(Ok(tensor.clone()))),
        _ => Ok(nothing(node.computed(0)?.0)),
    }
}

/// Drops nothing, except in training.
fn dropout(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    for name in ["ratio", "seed"] {
        node.ignore(name);
    }
    if node.inputs() > 2 && node.input(2)?.is_some() {
        // A Boolean constant, which is not read; false is also said by leaving it out.
        return Err(NodeError::NotConstant { input: node.name(2) });
    }
    identity(node, 3)
}

fn activation(node: &Node<'_>, activation: Activation) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 1)?;
    Ok(chain(node.computed(0)?.0, activation))
}

fn clip(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 3)?;
    // Attributes before version 11, inputs since.
    let (low, high) = (node.float("min")?, node.float("max")?);
    let lower = node.number(1)?.or(low).unwrap_or(f64::NEG_INFINITY);
    let upper = node.number(2)?.or(high).unwrap_or(f64::INFINITY);
    Ok(chain(node.computed(0)?.0, Activation::Clip { lower, upper }))
}

/// `alpha · x · W + beta · c`; both products are exact, of two `f32`.
fn gemm(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(2, 3)?;
    node.only("transA", 0)?;
    let alpha = node.float("alpha")?.unwrap_or(1.0);
    let beta = node.float("beta")?.unwrap_or(1.0);
    let transposed = node.integer("transB", 0)? != 0;
    let (input, weight) = product(node, transposed)?;
    let outputs = weight.nrows();
    let bias = match node.floats(2)? {
        None => DVector::zeros(outputs),
        Some((_, [value])) => DVector::from_element(outputs, *value),
        Some(([.., last], values)) if *last == outputs && values.len() == outputs => {
            DVector::from_column_slice(values)
        }
        Some((shape, _)) => {
            return Err(NodeError::ConstantShape { input: node.name(2), shape: shape.to_vec() });
        }
    };
    Ok(chain(input, Affine::new(weight * alpha, bias * beta)))
}

fn matmul(node: &Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(2, 2)?;
    let (input, weight) = product(node, false)?;
    let bias = DVector::zeros(weight.nrows());
    Ok(chain(input, Affine::new(weight, bias)))
}

/// The computed input 0, and the constant input 1 as `outputs × inputs`.
fn product(node: &Node<'_>, transposed: bool) -> Result<(usize, DMatrix<f64>), NodeError> {
    let (input, found) = node.computed(0)?;
    let (shape, values) = node.weights(1)?;
    let ([inputs], [rows, columns]) = (found.axes(), shape) else {
        if found.axes().len() != 1 {
            return Err(NodeError::Shape { found: found.clone() });
        }
        return Err(NodeError::ConstantShape { input: node.name(1), shape: shape.to_vec() });
    };
    let weight = if transposed {
        DMatrix::from_row_slice(*rows, *columns, values)
    } else {
        DMatrix::from_column_slice(*columns, *rows, values)
    };
    if weight.ncols() == *inputs {
        return Ok((input, weight));
    }
    Err(NodeError::ConstantShape { input: node.name(1), shape: shape.to_vec() })
}

fn convolution(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(2, 3)?;
    let (input, found) = node.computed(0)?;
    let [_, height, width] = image(found)?;
    let (shape, values) = node.weights(1)?;
    let [outputs, channels, rows, columns] = *shape else {
        return Err(NodeError::ConstantShape { input: node.name(1), shape: shape.to_vec() });
    };
    let groups = node.integer("group", 1)?;
    let groups = usize::try_from(groups)
        .map_err(|_| NodeError::Value { attribute: "group", value: groups.to_string() })?;
    let window = window(node, Some([rows, columns]), [height, width])?;
    let weight = DMatrix::from_row_slice(outputs, channels * rows * columns, values);
    let bias = match node.input(2)? {
        None => DVector::zeros(outputs),
        Some(_) => DVector::from_column_slice(node.vector(2, outputs)?),
    };
    let filters = Affine::new(weight, bias);
    Ok(chain(input, Convolution { filters, window, groups }))
}

/// The window that the attributes of convolutions and pooling describe.
fn window(
    node: &mut Node<'_>,
    kernel: Option<[usize; 2]>,
    image: [usize; 2],
) -> Result<Window, NodeError> {
    let wrong = |attribute: &str| NodeError::Attribute { attribute: attribute.to_owned() };
    let named = node.sizes("kernel_shape")?;
    if named.is_some() && kernel.is_some() && named != kernel {
        return Err(wrong("kernel_shape"));
    }
    let kernel = kernel.or(named).ok_or_else(|| wrong("kernel_shape"))?;
    let stride = node.sizes("strides")?.unwrap_or([1, 1]);
    let dilation = node.sizes("dilations")?.unwrap_or([1, 1]);
    let pads: Option<[usize; 4]> = node.sizes("pads")?;
    if stride.contains(&0) {
        return Err(wrong("strides"));
    }
    let plain = Window { stride, dilation, ..Window::new(kernel) };
    let same = |axis: usize| {
        let outputs = image[axis].div_ceil(stride[axis]);
        let extent = kernel[axis].saturating_sub(1).saturating_mul(dilation[axis]);
        let needed = (outputs.saturating_sub(1) * stride[axis]).saturating_add(extent);
        needed.saturating_add(1).saturating_sub(image[axis])
    };
    let padding = match node.string("auto_pad")?.unwrap_or_default() {
        "" | "NOTSET" => {
            let [top, left, bottom, right] = pads.unwrap_or_default();
            [[top, bottom], [left, right]]
        }
        "VALID" => [[0, 0], [0, 0]],
        "SAME_UPPER" => [same(0), same(1)].map(|all| [all / 2, all - all / 2]),
        "SAME_LOWER" => [same(0), same(1)].map(|all| [all - all / 2, all / 2]),
        other => {
            return Err(NodeError::Value { attribute: "auto_pad", value: other.to_owned() });
        }
    };
    Ok(Window { padding, ..plain })
}

/// Rounding sizes up is read where it makes no difference.
fn check_ceil_mode(
    node: &mut Node<'_>,
    window: &Window,
    size: [usize; 2],
) -> Result<(), NodeError> {
    if node.integer("ceil_mode", 0)? == 0 {
        return Ok(());
    }
    let floor = window.output(size)?;
    for axis in 0..2 {
        let [before, after] = window.padding[axis];
        let extent = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        let size = size[axis] + before + after;
        if (floor[axis] - 1) * window.stride[axis] + extent != size {
            return Err(NodeError::Value { attribute: "ceil_mode", value: "1".to_owned() });
        }
    }
    Ok(())
}

fn average_pool(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 1)?;
    let (input, found) = node.computed(0)?;
    let [_, height, width] = image(found)?;
    let window = window(node, None, [height, width])?;
    check_ceil_mode(node, &window, [height, width])?;
    let count_include_pad = node.integer("count_include_pad", 0)? != 0;
    Ok(chain(input, Pool::Average { window, count_include_pad }))
}

fn max_pool(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 1)?;
    let (input, found) = node.computed(0)?;
    let [_, height, width] = image(found)?;
    let window = window(node, None, [height, width])?;
    check_ceil_mode(node, &window, [height, width])?;
    // The order of the places of the maxima, which are another output.
    node.ignore("storage_order");
    Ok(chain(input, Pool::Max { window }))
}

fn global(node: &Node<'_>, pool: impl Fn([usize; 2]) -> Pool) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 1)?;
    let (input, found) = node.computed(0)?;
    let [_, height, width] = image(found)?;
    Ok(chain(input, pool([height, width])))
}

fn normalization(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(5, 5)?;
    // Statistics for every value instead of every channel, before version 9.
    node.only("spatial", 1)?;
    node.only("training_mode", 0)?;
    node.ignore("momentum");
    let epsilon = node.float("epsilon")?.unwrap_or(f64::from(1e-5f32));
    let (input, found) = node.computed(0)?;
    let channels = found.axes().first().copied().unwrap_or(0);
    let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|index| node.vector(index, channels));
    let (scale, variance) = (scale?, variance?);
    let factor = scale.iter().zip(variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
    let norm = Norm { mean: mean?.to_vec(), factor, shift: shift?.to_vec() };
    Ok(Meaning::Chain { input, pieces: vec![Piece::Norm(norm)] })
}

/// Two computed values are added; a constant is a factor or an offset.
fn arithmetic(node: &Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(2, 2)?;
    let operator = node.operator();
    let (value, constant) = match (node.input(0)?, node.input(1)?) {
        (Some(Value::Computed(a)), Some(Value::Computed(b))) if operator == "Add" => {
            return Ok(Meaning::Sum([*a, *b]));
        }
        (_, Some(Value::Constant(_))) => (0, 1),
        (Some(Value::Constant(_)), _) if operator != "Div" => (1, 0),
        _ => return Err(NodeError::NotConstant { input: node.name(1) }),
    };
    let (input, shape) = node.computed(value)?;
    let numbers = broadcast(node, constant, shape)?;
    let all = |number: f64| vec![number; numbers.len()];
    let scale = match operator {
        "Add" => Scale { factor: all(1.0), offset: numbers },
        "Sub" if constant == 0 => Scale { factor: all(-1.0), offset: numbers },
        "Sub" => Scale { factor: all(1.0), offset: numbers.iter().map(|number| -number).collect() },
        "Mul" => Scale { offset: all(0.0), factor: numbers },
        _ => {
            if let Some(&value) = numbers.iter().find(|number| **number == 0.0) {
                return Err(NodeError::ConstantValue { input: node.name(constant), value });
            }
            Scale { offset: all(0.0), factor: numbers.iter().map(|number| 1.0 / number).collect() }
        }
    };
    Ok(chain(input, scale))
}

/// A constant as one number for each channel, or for each value.
fn broadcast(node: &Node<'_>, index: usize, shape: &Shape) -> Result<Vec<f64>, NodeError> {
    let (dims, values) = node.weights(index)?;
    let axes = shape.axes();
    let misfit = || NodeError::ConstantShape { input: node.name(index), shape: dims.to_vec() };
    let missing = (axes.len() + 1).checked_sub(dims.len()).ok_or_else(misfit)?;
    // Without the batch.
    let dims: Vec<usize> = core::iter::repeat_n(1, missing).chain(dims.iter().copied()).collect();
    let (batch, dims) = (dims[0], &dims[1..]);
    let fits = dims.iter().zip(axes).all(|(dim, axis)| *dim == 1 || dim == axis);
    if batch != 1 || !fits {
        return Err(misfit());
    }
    let channels = axes.first().copied().unwrap_or(1);
    match values {
        [value] => Ok(vec![*value; channels]),
        values if values.len() == dims[0] => Ok(values.to_vec()),
        values => {
            let source = |mut at: usize| {
                let (mut source, mut unit) = (0, 1);
                for (dim, axis) in dims.iter().zip(axes).rev() {
                    source += (at % axis).min(dim - 1) * unit;
                    unit *= dim;
                    at /= axis;
                }
                values[source]
            };
            Ok((0..shape.len()).map(source).collect())
        }
    }
}

fn flatten(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 1)?;
    let (input, shape) = node.computed(0)?;
    let at = node.integer("axis", 1)?;
    if axis(at, shape, "axis")? != 0 {
        return Err(NodeError::Batch);
    }
    Ok(into_shape(input, shape, shape.len().into()))
}

/// The same values in another shape.
fn into_shape(input: usize, from: &Shape, to: Shape) -> Meaning {
    if *from == to {
        nothing(input)
    } else if to.axes().len() == 1 {
        chain(input, Layer::Flatten)
    } else {
        chain(input, Select::reshape(to))
    }
}

fn reshape(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(2, 2)?;
    node.only("allowzero", 0)?;
    let (input, shape) = node.computed(0)?;
    let found = node.inputs();
    let wanted = node.list(1)?.ok_or(NodeError::Arity { which: "inputs", found })?;
    let misfit = || NodeError::ConstantShape { input: node.name(1), shape: vec![wanted.len()] };
    let [batch, rest @ ..] = wanted else { return Err(misfit()) };
    // The batch stays if it is copied, if it is what is left, or if it is 1 as declared.
    let left = *batch == -1;
    if !(*batch == 0 || left || (*batch == 1 && node.single)) || rest.is_empty() {
        return Err(NodeError::Batch);
    }
    let mut axes = Vec::with_capacity(rest.len());
    let mut open = None;
    for (index, wanted) in rest.iter().enumerate() {
        axes.push(match *wanted {
            0 => *shape.axes().get(index).ok_or_else(misfit)?,
            -1 if open.is_none() && !left => {
                open = Some(index);
                1
            }
            wanted => usize::try_from(wanted).map_err(|_| misfit())?,
        });
    }
    if let Some(open) = open {
        let others = Shape::new(axes.clone()).len();
        axes[open] = shape.len().checked_div(others).ok_or_else(misfit)?;
    }
    let to = Shape::new(axes);
    if to.len() == shape.len() { Ok(into_shape(input, shape, to)) } else { Err(misfit()) }
}

/// A list that is an input, or an attribute in old versions.
fn list<'a>(
    node: &mut Node<'a>,
    index: usize,
    name: &'static str,
) -> Result<Option<&'a [i64]>, NodeError> {
    let attribute = node.integers(name)?;
    Ok(node.list(index)?.or(attribute))
}

fn slice(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 5)?;
    let (input, shape) = node.computed(0)?;
    let found = node.inputs();
    let missing = NodeError::Arity { which: "inputs", found };
    let starts = list(node, 1, "starts")?.ok_or(missing.clone())?;
    let ends = list(node, 2, "ends")?.ok_or(missing.clone())?;
    let (axes, steps) = (list(node, 3, "axes")?, node.list(4)?);
    let lengths = [axes, steps].map(|list| list.map_or(starts.len(), <[i64]>::len));
    if lengths != [starts.len(); 2] || ends.len() != starts.len() {
        return Err(missing);
    }
    let mut all: Option<Select> = None;
    for (index, (start, end)) in starts.iter().zip(ends).enumerate() {
        let at = axes.map_or(index as i64, |axes| axes[index]);
        let step = steps.map_or(1, |steps| steps[index]);
        let rank = i64::try_from(shape.axes().len()).unwrap_or(i64::MAX) + 1;
        if (at == 0 || at == -rank) && *start == 0 && *end >= i64::from(i32::MAX) && step == 1 {
            continue; // the whole batch
        }
        let at = axis(at, shape, "axes")?;
        let now = all.as_ref().map_or(shape, |all| &all.output);
        let size = now.axes()[at];
        let place = |place: i64| {
            let place = if place < 0 { place.saturating_add_unsigned(size as u64) } else { place };
            usize::try_from(place.max(0)).unwrap_or(usize::MAX).min(size)
        };
        let step = usize::try_from(step)
            .map_err(|_| NodeError::Value { attribute: "steps", value: step.to_string() })?;
        let next = Select::slice(now, at, place(*start), place(*end), step)?;
        all = Some(all.map_or(next.clone(), |all| all.then(&next)));
    }
    Ok(all.map_or(nothing(input), |all| chain(input, all)))
}

fn pad(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 4)?;
    let mode = node.string("mode")?.unwrap_or("constant");
    if mode != "constant" {
        return Err(NodeError::Value { attribute: "mode", value: mode.to_owned() });
    }
    let old = node.float("value")?;
    let value = node.number(2)?.or(old).unwrap_or(0.0);
    if value != 0.0 {
        return Err(NodeError::ConstantValue { input: node.name(2), value });
    }
    let (input, shape) = node.computed(0)?;
    let found = node.inputs();
    let pads = list(node, 1, "pads")?.ok_or(NodeError::Arity { which: "inputs", found })?;
    let misfit = || NodeError::ConstantShape { input: node.name(1), shape: vec![pads.len()] };
    let rank = shape.axes().len() + 1;
    let every: Vec<i64> = (0..rank as i64).collect();
    let axes = node.list(3)?.unwrap_or(&every);
    if pads.len() != 2 * axes.len() {
        return Err(misfit());
    }
    let mut padding = vec![[0; 2]; rank - 1];
    for (index, at) in axes.iter().enumerate() {
        let sides = [pads[index], pads[index + axes.len()]];
        if sides == [0, 0] {
            continue;
        }
        let at = axis(*at, shape, "axes")?;
        for (side, wanted) in sides.into_iter().enumerate() {
            padding[at][side] = usize::try_from(wanted).map_err(|_| NodeError::ConstantValue {
                input: node.name(1),
                value: wanted as f64,
            })?;
        }
    }
    Ok(chain(input, Select::pad(shape, &padding)?))
}

/// Constants of zeros before and after one computed value.
fn concat(node: &mut Node<'_>) -> Result<Meaning, NodeError> {
    node.check_inputs(1, 1 << 10)?;
    let places = 0..node.inputs();
    let is_computed = |index: &usize| matches!(node.input(*index), Ok(Some(Value::Computed(_))));
    let value = places.clone().find(is_computed).unwrap_or(0);
    let (input, shape) = node.computed(value)?;
    let at = node.integer("axis", 1)?;
    let at = axis(at, shape, "axis")?;
    let mut padding = vec![[0usize; 2]; shape.axes().len()];
    for index in places.filter(|index| *index != value) {
        let (dims, values) = node.weights(index)?;
        let misfit = || NodeError::ConstantShape { input: node.name(index), shape: dims.to_vec() };
        let [1, dims_without_batch @ ..] = dims else { return Err(misfit()) };
        let agrees = |(place, (dim, axis)): (usize, (&usize, &usize))| place == at || dim == axis;
        let mut pairs = dims_without_batch.iter().zip(shape.axes()).enumerate();
        if dims_without_batch.len() != shape.axes().len() || !pairs.all(agrees) {
            return Err(misfit());
        }
        if let Some(&value) = values.iter().find(|value| **value != 0.0) {
            return Err(NodeError::ConstantValue { input: node.name(index), value });
        }
        let side = usize::from(index > value);
        padding[at][side] = padding[at][side].saturating_add(dims_without_batch[at]);
    }
    Ok(chain(input, Select::pad(shape, &padding)?))
}
