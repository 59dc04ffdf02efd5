//! From a network in real numbers to one in integers.

use super::layer::Formats;
use super::{
    FixedPointLayer, FixedPointLayerError, FixedPointNetwork, FixedPointNetworkError, Format,
    IntegerInterval, LayerFormats, Rounding,
};
use crate::compress::FormatError;
use crate::{Activation, Affine, Layer, LayerKind, Network};

/// The formats of a network, and how its weights are rounded to them.
///
/// # Examples
///
/// ```
/// use nncert_core::fixed_point::{FixedPointConfig, Format};
///
/// let config = FixedPointConfig::qvip(6, 2)?;
/// assert_eq!(config.input, Format::unsigned(8, 8)?);
/// assert_eq!(config.layers[0].weight.to_string(), "<±,6,5>");
/// assert_eq!(config.layers[0].output.to_string(), "<+,6,4>");
/// assert_eq!(config.layers[1].output.to_string(), "<±,6,4>");
/// # Ok::<(), nncert_core::compress::FormatError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FixedPointConfig {
    /// Of the inputs.
    pub input: Format,
    /// Of each affine layer.
    pub layers: Vec<LayerFormats>,
    /// How weights and biases become integers.
    pub parameters: Rounding,
}

impl FixedPointConfig {
    /// The configuration of the networks that QVIP was measured on, with `bits` bits
    /// (`Q`) and as many affine layers.
    ///
    /// ```text
    /// inputs ⟨+,8,8⟩, weights ⟨±,Q,Q-1⟩, biases ⟨±,Q,Q-2⟩,
    /// hidden values ⟨+,Q,Q-2⟩, outputs ⟨±,Q,Q-2⟩, halves upward
    /// ```
    ///
    /// # Errors
    ///
    /// [`FormatError`] for bits outside 1 to [`MAX_BITS`](crate::compress::MAX_BITS).
    ///
    /// # References
    ///
    /// QVIP, section 5 (benchmarks).
    pub fn qvip(bits: u32, layers: usize) -> Result<Self, FormatError> {
        // A failure if there are too many, whatever the fraction.
        let fraction = i32::try_from(bits).map_err(|_| FormatError::Bits { bits })? - 2;
        let hidden = LayerFormats {
            weight: Format::signed(bits, fraction + 1)?,
            bias: Format::signed(bits, fraction)?,
            output: Format::unsigned(bits, fraction)?,
            rounding: Rounding::HalfUp,
        };
        let last = LayerFormats { output: Format::signed(bits, fraction)?, ..hidden };
        let formats = |index| if index + 1 == layers { last } else { hidden };
        Ok(Self {
            input: Format::unsigned(8, 8)?,
            layers: (0..layers).map(formats).collect(),
            parameters: Rounding::HalfUp,
        })
    }
}

impl FixedPointNetwork {
    /// Rounds a network of affine layers to the formats of a configuration.
    ///
    /// ```text
    /// ŵ = clamp(round(w · 2^F))     for every weight and bias, in its format
    /// ```
    ///
    /// An activation becomes the clamp of the layer before it: ReLU the output format
    /// from 0 on; clip the integers between its ends, which must be in the format. Values
    /// beyond a format are clamped, as QVIP defines it; `clamped` in the result of
    /// [`compress::fixed_point`](crate::compress::fixed_point) counts them.
    ///
    /// Guarantee: exact about the formula; what the integers do to accuracy is not
    /// bounded here.
    ///
    /// # Errors
    ///
    /// [`FixedPointConfigError`] for another number of formats, a layer that is neither
    /// affine nor one of these activations, an activation that does not follow an affine
    /// layer, a clip whose end is not in the format, and what the layers and the network
    /// themselves refuse.
    ///
    /// # Examples
    ///
    /// ```
    /// use nalgebra::{dmatrix, dvector};
    /// use nncert_core::fixed_point::{FixedPointConfig, Rounding};
    /// use nncert_core::{Affine, FixedPointNetwork, Network};
    ///
    /// let network = Network::relu_mlp(vec![
    ///     Affine::new(dmatrix![0.5, -0.25; 0.125, 0.75], dvector![0.0, 0.125]),
    ///     Affine::new(dmatrix![0.5, -0.5], dvector![0.25]),
    /// ])?;
    /// let integers = FixedPointNetwork::from_network(&network, &FixedPointConfig::qvip(6, 2)?)?;
    /// let x = integers.quantize(&[0.5, 0.25], Rounding::HalfUp)?;
    /// // Two and a half steps of 1/16, rounded upward.
    /// assert_eq!(network.evaluate(&[0.5, 0.25])?[0], 0.15625);
    /// assert_eq!(integers.evaluate(&x)?, [3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    ///
    /// QVIP, section 2.2.
    pub fn from_network(
        network: &Network,
        config: &FixedPointConfig,
    ) -> Result<Self, FixedPointConfigError> {
        let dense = |layer: &Layer| {
            matches!(layer, Layer::Affine(_) | Layer::Activation(_) | Layer::Flatten)
        };
        if let Some(layer) = network.layers().iter().position(|layer| !dense(layer)) {
            let kind = network.layers()[layer].kind();
            return Err(FixedPointConfigError::Layer { layer, kind });
        }
        let (expected, found) = (network.affine_layers().count(), config.layers.len());
        if expected != found {
            return Err(FixedPointConfigError::Formats { expected, found });
        }
        let mut input = config.input;
        let mut layers = Vec::with_capacity(found);
        let mut pending = network.layers().iter().enumerate().peekable();
        let mut formats = config.layers.iter();
        while let Some((index, layer)) = pending.next() {
            let kind = layer.kind();
            let (affine, formats) = match layer {
                Layer::Flatten => continue,
                Layer::Affine(affine) => match formats.next() {
                    Some(formats) => (affine, *formats),
                    None => return Err(FixedPointConfigError::Formats { expected, found }),
                },
                _ => return Err(FixedPointConfigError::Layer { layer: index, kind }),
            };
            let clamp = match pending.peek() {
                Some((next, Layer::Activation(activation))) => {
                    let clamp = clamp(*next, *activation, &formats)?;
                    pending.next();
                    clamp
                }
                _ => formats.full_clamp(),
            };
            let formats = Formats { input, layer: formats };
            layers.push(
                quantize(affine, formats, config.parameters, clamp)
                    .map_err(|error| FixedPointConfigError::Quantize { layer: index, error })?,
            );
            input = formats.layer.output;
        }
        Ok(Self::new(config.input, layers)?)
    }
}

fn quantize(
    affine: &Affine,
    formats: Formats,
    rounding: Rounding,
    clamp: IntegerInterval,
) -> Result<FixedPointLayer, FixedPointLayerError> {
    // The numbers of a network are finite.
    let integer = |format: Format, x: &f64| format.quantize(*x, rounding).unwrap_or_default();
    let weights = affine.weight.transpose();
    let weights = weights.iter().map(|w| integer(formats.layer.weight, w)).collect();
    let bias = affine.bias.iter().map(|b| integer(formats.layer.bias, b)).collect();
    FixedPointLayer::from_formatted_rows(affine.inputs(), weights, bias, formats, clamp)
}

/// The clamp that an activation is.
fn clamp(
    layer: usize,
    activation: Activation,
    formats: &LayerFormats,
) -> Result<IntegerInterval, FixedPointConfigError> {
    let format = formats.output;
    match activation {
        Activation::Relu => Ok(formats.relu_clamp()),
        Activation::Clip { lower, upper } => {
            let range = format.range();
            let end = |end: f64| {
                let integer = format.quantize(end, Rounding::HalfUp);
                let exact = integer.filter(|integer| format.value(*integer) == end);
                exact.ok_or(FixedPointConfigError::Clip { layer, end, format })
            };
            // Ends beyond the format clamp nothing that the format does not.
            let open = (lower <= format.value(range.lower()), upper >= format.value(range.upper()));
            let lower = if open.0 { range.lower() } else { end(lower)? };
            let upper = if open.1 { range.upper() } else { end(upper)? };
            // In order, as those of an activation are.
            Ok(IntegerInterval::ordered(lower, upper))
        }
        _ => Err(FixedPointConfigError::Layer { layer, kind: activation.kind() }),
    }
}

/// Why a network cannot be rounded to the formats of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedPointConfigError {
    /// There must be one entry for each affine layer.
    #[error("expected the formats of {expected} affine layers, found {found}")]
    Formats {
        /// The affine layers.
        expected: usize,
        /// The entries.
        found: usize,
    },
    /// A layer that a network in integers has no place for.
    #[error(
        "layer {layer}: {kind} is neither affine nor, right after an affine layer, ReLU or clip"
    )]
    Layer {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
    },
    /// A clip ends between two integers of the format, or beyond all of them.
    #[error("layer {layer}: a clip at {end} is at no value of {format}")]
    Clip {
        /// The layer, counted from 0.
        layer: usize,
        /// The end of the clip.
        end: f64,
        /// The format of the outputs.
        format: Format,
    },
    /// The integers do not make a layer.
    #[error("layer {layer}: {error}")]
    Quantize {
        /// The layer, counted from 0.
        layer: usize,
        /// What is wrong.
        error: FixedPointLayerError,
    },
    /// The layers do not make a network.
    #[error(transparent)]
    Network(#[from] FixedPointNetworkError),
}
