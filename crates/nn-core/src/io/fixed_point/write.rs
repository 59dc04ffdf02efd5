//! A [`FixedPointNetwork`] to tensors and a description.

use std::fmt::Write;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::NATIVE;
use crate::fixed_point::{
    FixedPointLayer, FixedPointNetwork, Format, InputRange, IntegerInterval, LayerFormats,
    Requantization,
};

/// The two files of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FixedPointFiles {
    /// A safetensors file: weights and biases.
    pub tensors: Vec<u8>,
    /// A JSON text: formats, step functions, clamps.
    pub description: String,
}

/// The bytes of the safetensors file with this network, and of its description.
///
/// Integers are written in the smallest signed type that holds all of a tensor; those of
/// a layer with formats before they are shifted.
///
/// Guarantee: exact. [`parse`](super::parse) of the result gives an equal network, and
/// equal networks give equal bytes.
///
/// # Errors
///
/// [`FixedPointWriteError`] when the container cannot be written.
pub fn serialize(network: &FixedPointNetwork) -> Result<FixedPointFiles, FixedPointWriteError> {
    let mut tensors = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        let (weights, bias) =
            layer.unshifted().unwrap_or_else(|| (layer.weights().to_vec(), layer.bias().to_vec()));
        let shape = vec![layer.outputs(), layer.inputs()];
        tensors.push(Encoded::new(format!("{index}.weight"), shape, &weights));
        tensors.push(Encoded::new(format!("{index}.bias"), vec![layer.outputs()], &bias));
    }
    let views = tensors.iter().map(|tensor| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)?;
        Ok((tensor.name.as_str(), view))
    });
    let tensors = views
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .and_then(|views| safetensors::serialize(views, None))
        .map_err(|error| FixedPointWriteError { reason: error.to_string() })?;
    Ok(FixedPointFiles { tensors, description: description(network) })
}

/// A tensor ready to be written.
struct Encoded {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Encoded {
    fn new(name: String, shape: Vec<usize>, values: &[i64]) -> Self {
        let fits = |bits: u32| values.iter().all(|value| *value >> (bits - 1) == *value >> 63);
        let (dtype, width) = match () {
            () if fits(8) => (Dtype::I8, 1),
            () if fits(16) => (Dtype::I16, 2),
            () if fits(32) => (Dtype::I32, 4),
            () => (Dtype::I64, 8),
        };
        // The low bytes of an integer that fits are the integer.
        let bytes = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width));
        Self { name, dtype, shape, bytes: bytes.collect() }
    }
}

/// One line a layer.
fn description(network: &FixedPointNetwork) -> String {
    let input = match network.input() {
        InputRange::Format(format) => format!("\"{}\"", bare(format)),
        InputRange::Integers(interval) => interval.to_string(),
    };
    let mut text = format!("{{\n \"format\": \"{NATIVE}\",\n \"input\": {input},\n \"layers\": [");
    for (index, layer) in network.layers().iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n  {}", layer_description(layer));
    }
    text.push_str("\n ]\n}\n");
    text
}

fn layer_description(layer: &FixedPointLayer) -> String {
    let steps = layer.requantization();
    match (layer.formats(), steps) {
        (Some(formats), [step, ..]) => formats_description(formats, step.clamp),
        _ => {
            let steps: Vec<String> = steps.iter().map(step_description).collect();
            format!("{{\"requantization\": [{}]}}", steps.join(", "))
        }
    }
}

fn formats_description(formats: &LayerFormats, clamp: IntegerInterval) -> String {
    let LayerFormats { weight, bias, output, rounding } = formats;
    let [weight, bias, output] = [weight, bias, output].map(|format| bare(*format));
    format!(
        "{{\"weight\": \"{weight}\", \"bias\": \"{bias}\", \"output\": \"{output}\", \
         \"rounding\": \"{rounding}\", \"clamp\": {clamp}}}"
    )
}

fn step_description(step: &Requantization) -> String {
    let Requantization { multiplier, rounding, zero_point, clamp } = step;
    let (mantissa, shift) = (multiplier.mantissa(), multiplier.shift());
    format!(
        "{{\"multiplier\": [{mantissa}, {shift}], \"rounding\": \"{rounding}\", \
         \"zero_point\": {zero_point}, \"clamp\": {clamp}}}"
    )
}

/// `±,6,4`.
fn bare(format: Format) -> String {
    format.to_string().trim_matches(['<', '>']).to_owned()
}

/// A container that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FixedPointWriteError {
    /// What the writer says.
    pub reason: String,
}
