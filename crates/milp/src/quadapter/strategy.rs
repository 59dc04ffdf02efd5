//! Strategies: how many bits every layer's weights and biases have.

use core::fmt;

use nncert_core::compress::{
    Compressed, FixedPointError, FixedPointFormat, FormatError, LayerFormat, MAX_BITS, fixed_point,
};
use nncert_core::{Affine, Network};

/// The formats `⟨±, Q, F⟩` of the weights and biases of every layer.
///
/// Quantized are weights and biases, and nothing else: inputs and the values of neurons stay real
/// numbers, as in the paper.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Affine, Network};
/// use nncert_milp::quadapter::Strategy;
///
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![0.3, -1.1; 0.5, 0.1], dvector![0.0, 0.25]),
///     Affine::new(dmatrix![1.0, -0.4], dvector![0.5]),
/// ])?;
/// // Two bits after the point, and as many before it as the rounded weights need.
/// let strategy = Strategy::fitting(&network, &[2, 2])?;
/// assert_eq!(strategy.to_string(), "(3, 4)");
/// assert_eq!(strategy.layers[0].weight.to_string(), "<±,3,2>");
/// let quantized = strategy.quantize(&network)?;
/// assert_eq!(quantized.evaluate(&[1.0, 0.0])?[0], 0.25 - 0.5 * 0.75 + 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Zhang et al. (Quadapter), section 2, whose formula lacks the division by `2^F`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Strategy {
    /// One entry for each layer with weights, first to last.
    pub layers: Vec<LayerFormat>,
}

impl Strategy {
    /// The strategy with so many bits after the point in each layer, and the fewest before it.
    ///
    /// # Errors
    ///
    /// [`FixedPointError`] for another number of layers, and those of [`fitting_layer`].
    pub fn fitting(network: &Network, fractions: &[u32]) -> Result<Self, FixedPointError> {
        let (expected, found) = (network.weights().count(), fractions.len());
        if expected != found {
            return Err(FixedPointError::Formats { expected, found });
        }
        let layers = network.weights().zip(fractions);
        let layers = layers.map(|(layer, fraction)| fitting_layer(layer, *fraction));
        Ok(Self { layers: layers.collect::<Result<_, _>>()? })
    }

    /// The network with every weight and bias rounded to its format, and clamped.
    ///
    /// ```text
    /// w' = clamp(⌊w · 2^F + 1/2⌋, -2^(Q-1), 2^(Q-1) - 1) / 2^F
    /// ```
    ///
    /// Guarantee: exact. The rounded numbers are doubles, so that the network *is* the quantized
    /// one, in real arithmetic.
    ///
    /// # Errors
    ///
    /// [`FixedPointError::Formats`] for another number of layers.
    pub fn quantize(&self, network: &Network) -> Result<Network, FixedPointError> {
        Ok(self.compress(network)?.network)
    }

    /// [`Strategy::quantize`] with a summary of what was rounded and clamped.
    ///
    /// # Errors
    ///
    /// As [`Strategy::quantize`].
    pub fn compress(&self, network: &Network) -> Result<Compressed, FixedPointError> {
        fixed_point(network, &self.layers)
    }

    /// `Q` of the weights of each layer.
    pub fn bits(&self) -> impl Iterator<Item = u32> {
        self.layers.iter().map(|layer| layer.weight.bits())
    }

    /// `F` of the weights of each layer.
    pub fn fractions(&self) -> impl Iterator<Item = i32> {
        self.layers.iter().map(|layer| layer.weight.fraction())
    }

    /// The mean of [`Strategy::bits`] over the layers; 0 without layers.
    #[must_use]
    pub fn mean_bits(&self) -> f64 {
        let sum: u32 = self.bits().sum();
        f64::from(sum) / (self.layers.len().max(1) as f64)
    }

    /// The largest of [`Strategy::bits`].
    #[must_use]
    pub fn largest_bits(&self) -> u32 {
        self.bits().max().unwrap_or(0)
    }

    /// The bits of all weights and biases of a network together.
    ///
    /// # Errors
    ///
    /// [`FixedPointError::Formats`] for another number of layers.
    pub fn total_bits(&self, network: &Network) -> Result<u64, FixedPointError> {
        let (expected, found) = (network.weights().count(), self.layers.len());
        if expected != found {
            return Err(FixedPointError::Formats { expected, found });
        }
        let layers = network.weights().zip(&self.layers).map(|(layer, format)| {
            let weights = u64::from(format.weight.bits()) * layer.weight.len() as u64;
            weights + u64::from(format.bias.bits()) * layer.bias.len() as u64
        });
        Ok(layers.sum())
    }
}

/// `Q` of each layer, as `(6, 3)`.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits: Vec<String> = self.bits().map(|bits| bits.to_string()).collect();
        write!(f, "({})", bits.join(", "))
    }
}

/// The format with so many bits after the point and the fewest bits that clamps no weight and no
/// bias of a layer, after rounding.
///
/// Weights and biases share it, as in the paper.
///
/// # Errors
///
/// [`FixedPointError`] for a fraction that is too large, and for a layer that no format with it
/// holds.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::Affine;
/// use nncert_milp::quadapter::fitting_layer;
///
/// // 0.9 rounds to 1 = 2/2, and 2 needs three bits.
/// let layer = Affine::new(dmatrix![0.9, -0.9], dvector![0.0]);
/// assert_eq!(fitting_layer(&layer, 1)?.weight.to_string(), "<±,3,1>");
/// // 0.9 · 4 = 3.6 rounds to 4.
/// assert_eq!(fitting_layer(&layer, 2)?.weight.to_string(), "<±,4,2>");
/// # Ok::<(), nncert_core::compress::FixedPointError>(())
/// ```
pub fn fitting_layer(layer: &Affine, fraction: u32) -> Result<LayerFormat, FixedPointError> {
    let values = || layer.weight.iter().chain(&layer.bias);
    // Rounding is monotone, and so is clamping: the ends tell.
    let (least, most) = values().fold((0.0f64, 0.0f64), |(a, b), x| (a.min(*x), b.max(*x)));
    let fraction = i32::try_from(fraction).unwrap_or(i32::MAX);
    for bits in 1..=MAX_BITS {
        let format = FixedPointFormat::new(bits, fraction)?;
        if !format.clamps(least) && !format.clamps(most) {
            return Ok(LayerFormat { weight: format, bias: format });
        }
    }
    let largest = most.max(-least);
    Err(FormatError::TooLarge { bits: MAX_BITS, largest }.into())
}
