//! What the JSON beside the tensors says.

use super::json::{Field, Json};
use super::{FixedPointFileError, MAX_DESCRIPTION_BYTES, NATIVE, QVIP};
use crate::fixed_point::{
    Format, InputRange, IntegerInterval, LayerFormats, Multiplier, Requantization,
};

/// A description, read.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) input: InputRange,
    pub(super) layers: Vec<LayerDescription>,
    /// The width of the input and of each layer, where the description has them.
    pub(super) widths: Option<Vec<usize>>,
}

/// What makes integers a layer.
#[derive(Debug)]
pub(super) enum LayerDescription {
    Formats { formats: LayerFormats, clamp: IntegerInterval },
    Requantization(Vec<Requantization>),
}

impl Description {
    pub(super) fn parse(text: &[u8]) -> Result<Self, FixedPointFileError> {
        if text.len() > MAX_DESCRIPTION_BYTES {
            return Err(FixedPointFileError::Length { found: text.len() });
        }
        let json: Json = serde_json::from_slice(text).map_err(|error| {
            FixedPointFileError::Json { reason: error.to_string().chars().take(160).collect() }
        })?;
        let root = Field::root(&json);
        match root.get("format")?.text()? {
            NATIVE => native(&root),
            QVIP => qvip(&root),
            other => Err(FixedPointFileError::Version { found: other.chars().take(60).collect() }),
        }
    }
}

fn native(root: &Field<'_>) -> Result<Description, FixedPointFileError> {
    root.only(&["format", "input", "layers"])?;
    let input = root.get("input")?;
    let input = if input.is_list() { input.interval()?.into() } else { input.format()?.into() };
    let layers = root.get("layers")?.list()?.map(|layer| native_layer(&layer));
    Ok(Description { input, layers: layers.collect::<Result<_, _>>()?, widths: None })
}

fn native_layer(layer: &Field<'_>) -> Result<LayerDescription, FixedPointFileError> {
    if let Some(steps) = layer.find("requantization")? {
        layer.only(&["requantization"])?;
        let steps = steps.list()?.map(|step| requantization(&step));
        return Ok(LayerDescription::Requantization(steps.collect::<Result<_, _>>()?));
    }
    layer.only(&["weight", "bias", "output", "rounding", "clamp"])?;
    Ok(LayerDescription::Formats {
        formats: LayerFormats {
            weight: layer.get("weight")?.format()?,
            bias: layer.get("bias")?.format()?,
            output: layer.get("output")?.format()?,
            rounding: layer.get("rounding")?.rounding()?,
        },
        clamp: layer.get("clamp")?.interval()?,
    })
}

fn requantization(step: &Field<'_>) -> Result<Requantization, FixedPointFileError> {
    step.only(&["multiplier", "rounding", "zero_point", "clamp"])?;
    let multiplier = step.get("multiplier")?;
    let mut parts = multiplier.list()?;
    let (Some(mantissa), Some(shift), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(multiplier.not("a mantissa and a shift"));
    };
    let multiplier = Multiplier::from_parts(mantissa.integer()?, shift.integer()?)
        .map_err(|_| multiplier.not("a mantissa and a shift within the limits"))?;
    Ok(Requantization {
        multiplier,
        rounding: step.get("rounding")?.rounding()?,
        zero_point: step.get("zero_point")?.integer()?,
        clamp: step.get("clamp")?.interval()?,
    })
}

/// Keys of a description of QVIP's networks, the last two of which say nothing about
/// the network.
const QVIP_KEYS: &[&str] = &[
    "format",
    "layers",
    "rounding",
    "input",
    "weight",
    "bias",
    "hidden_output",
    "output",
    "shift",
    "hidden_clamp",
    "output_clamp",
    "dataset",
    "test_accuracy",
];

fn qvip(root: &Field<'_>) -> Result<Description, FixedPointFileError> {
    root.only(QVIP_KEYS)?;
    let widths: Vec<usize> = root.get("layers")?.integers()?;
    let count = widths.len().saturating_sub(1);
    let input = root.get("input")?.format()?;
    let last = LayerFormats {
        weight: root.get("weight")?.format()?,
        bias: root.get("bias")?.format()?,
        output: root.get("output")?.format()?,
        rounding: root.get("rounding")?.rounding()?,
    };
    let hidden = LayerFormats { output: root.get("hidden_output")?.format()?, ..last };
    let hidden_clamp = root.get("hidden_clamp")?.interval()?;
    let output_clamp = root.get("output_clamp")?.interval()?;
    let describe = |index: usize| {
        let (formats, clamp) =
            if index + 1 == count { (last, output_clamp) } else { (hidden, hidden_clamp) };
        LayerDescription::Formats { formats, clamp }
    };
    let layers = (0..count).map(describe).collect();
    let description = Description { input: input.into(), layers, widths: Some(widths) };
    check_shifts(&description, input, &root.get("shift")?)?;
    check_biases(&description, &root.get("bias")?)?;
    Ok(description)
}

/// The shifts are implied by the formats: `F_in + F_w - F_out`.
fn check_shifts(
    description: &Description,
    mut input: Format,
    shift: &Field<'_>,
) -> Result<(), FixedPointFileError> {
    let shifts: Vec<i64> = shift.integers()?;
    let (expected, found) = (description.layers.len(), shifts.len());
    if expected != found {
        return Err(FixedPointFileError::Shifts { expected, found });
    }
    for (layer, (description, found)) in description.layers.iter().zip(shifts).enumerate() {
        let LayerDescription::Formats { formats: LayerFormats { weight, output, .. }, .. } =
            description
        else {
            continue;
        };
        let expected = i64::from(input.fraction() + weight.fraction() - output.fraction());
        if expected != found {
            return Err(FixedPointFileError::Shift { layer, expected, found });
        }
        input = *output;
    }
    Ok(())
}

/// These files add `b << shift`, which is what the formats say where biases are as fine as
/// outputs.
fn check_biases(description: &Description, bias: &Field<'_>) -> Result<(), FixedPointFileError> {
    let fits = |layer: &LayerDescription| match layer {
        LayerDescription::Formats { formats, .. } => {
            formats.bias.fraction() == formats.output.fraction()
        }
        LayerDescription::Requantization(_) => true,
    };
    match description.layers.iter().all(fits) {
        true => Ok(()),
        false => Err(bias.not("a format with the fraction of the outputs")),
    }
}
