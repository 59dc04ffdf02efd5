//! From a strategy to what a device computes: values of neurons in fixed point too.

use nalgebra::DMatrix;
use nncert_bounds::{Scratch, crown_in};
use nncert_core::compress::FormatError;
use nncert_core::fixed_point::{
    FixedPointConfig, FixedPointConfigError, FixedPointInputError, FixedPointLayer,
    FixedPointLayerError, FixedPointNetworkError, Format, IntegerInterval, LayerFormats, Rounding,
};
use nncert_core::{FixedPointNetwork, Network, Region};

use super::chain::Chain;
use super::{HalfSpace, Outputs, Property, PropertyError, Strategy, SynthesisError};
use crate::{
    Formula, Inequality, IntegerRegion, IntegerRegionError, Norm, UnknownReason, Verdict,
    VerifyError, VerifyOptions, Witness, verify,
};

/// The formats of inputs and of the values of neurons, which a [`Strategy`] says nothing of.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Affine, Domain, Network, Region};
/// use nncert_milp::VerifyOptions;
/// use nncert_milp::quadapter::{Deployment, Property, Strategy};
///
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.1, -0.6; -0.7, 0.9], dvector![0.05, -0.1]),
///     Affine::new(dmatrix![1.0, -1.0; -1.0, 1.0], dvector![0.0, 0.0]),
/// ])?;
/// let ball = Region::linf_ball(&[0.9, 0.2], 0.1, &Domain::unit())?;
/// let strategy = Strategy::fitting(&network, &[3, 2])?;
/// // Inputs and values of eight bits.
/// let deployment = Deployment::fitting(&network, &ball, 8)?;
/// let property = Property::same_class(ball, 2, 0)?;
/// let report =
///     deployment.certify(&network, &strategy, &property, &VerifyOptions::default())?;
/// assert_eq!(report, nncert_milp::Verdict::Robust);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Deployment {
    /// Of the inputs.
    pub input: Format,
    /// Of the values of each layer with weights.
    pub values: Vec<Format>,
    /// How inputs and values are rounded.
    pub rounding: Rounding,
}

impl Deployment {
    /// Formats of so many bits, inputs included, with as many of them after the point as the values on
    /// a region allow: those that bounds of the network give.
    ///
    /// # Errors
    ///
    /// [`DeploymentError`] for a network that is no chain of affine layers and ReLU, and for bits that
    /// make no format.
    pub fn fitting(network: &Network, region: &Region, bits: u32) -> Result<Self, DeploymentError> {
        let chain = Chain::of(network)?;
        let ends = |low: f64, high: f64, hidden: bool| {
            let signed = low < 0.0 && !hidden;
            let largest = if signed { high.max(-low) } else { high.max(0.0) };
            fitting(bits, signed, largest)
        };
        let corners = region.lower().iter().chain(region.upper()).copied();
        let (low, high) = corners.fold((0.0, 0.0), |(a, b): (f64, f64), x| (a.min(x), b.max(x)));
        let input = ends(low, high, false)?;
        let mut values = Vec::with_capacity(chain.layers.len());
        for layer in 0..chain.layers.len() {
            let prefix = chain.prefix(layer + 1).map_err(SynthesisError::from)?;
            let bounds = crown_in(&mut Scratch::default(), &prefix, region)
                .map_err(SynthesisError::from)?
                .outputs;
            let start = (0.0, 0.0);
            let (low, high) = bounds.iter().fold(start, |(a, b): (f64, f64), envelope| {
                (a.min(envelope.bounds.lower), b.max(envelope.bounds.upper))
            });
            values.push(ends(low, high, layer + 1 < chain.layers.len())?);
        }
        Ok(Self { input, values, rounding: Rounding::HalfUp })
    }

    /// The network in integers: weights and biases by the strategy, values by these formats.
    ///
    /// Guarantee: exact. The weights are those of [`Strategy::quantize`].
    ///
    /// # Errors
    ///
    /// [`DeploymentError`] for formats that do not fit the network.
    pub fn network(
        &self,
        network: &Network,
        strategy: &Strategy,
    ) -> Result<FixedPointNetwork, DeploymentError> {
        let (expected, found) = (strategy.layers.len(), self.values.len());
        if expected != found {
            return Err(DeploymentError::Values { expected, found });
        }
        let layers = strategy.layers.iter().zip(&self.values).map(|(layer, output)| LayerFormats {
            weight: layer.weight.into(),
            bias: layer.bias.into(),
            output: *output,
            rounding: self.rounding,
        });
        let config = FixedPointConfig {
            input: self.input,
            layers: layers.collect(),
            parameters: Rounding::HalfUp,
        };
        Ok(FixedPointNetwork::from_network(network, &config)?)
    }

    /// Decides a property of the network in integers, for every input that an input of the
    /// property is rounded to.
    ///
    /// The inputs are enclosed in a ball of integers; those that have one value are put into the
    /// biases first. Cuts of the inputs are left out, and a witness that is not the rounding of an
    /// input of the box is no witness.
    ///
    /// Guarantee: as [`verify`], which proves in integers. It is a statement about the integer
    /// network and, together with one about real numbers, covers both.
    ///
    /// # Errors
    ///
    /// [`DeploymentError`] for formats that do not fit, and inequalities whose coefficients are not
    /// integers.
    pub fn certify(
        &self,
        network: &Network,
        strategy: &Strategy,
        property: &Property,
        options: &VerifyOptions,
    ) -> Result<Verdict, DeploymentError> {
        property.check(network)?;
        let integers = self.network(network, strategy)?;
        let region = property.inputs().bounding_box();
        let corner = |corner: &[f64]| integers.quantize(corner, self.rounding);
        let (lower, upper) = (corner(region.lower())?, corner(region.upper())?);
        let asked = self.property(property.outputs())?;
        let free: Vec<usize> = (0..lower.len()).filter(|at| lower[*at] < upper[*at]).collect();
        // A network needs an input.
        let free = if free.is_empty() { vec![0] } else { free };
        let folded = fold(&integers, &lower, &free)?;
        let middle: Vec<i64> =
            free.iter().map(|at| i64::midpoint(lower[*at], upper[*at])).collect();
        let reach = free
            .iter()
            .zip(&middle)
            .map(|(at, middle)| (upper[*at].abs_diff(*middle)).max(lower[*at].abs_diff(*middle)));
        let reach = reach.max().unwrap_or(0);
        let ball = IntegerRegion::around(&folded, middle, Norm::Linf, reach)?;
        let report = verify(&folded, &ball, &asked, options)?;
        Ok(match report.verdict {
            Verdict::Falsified(witness) => {
                let pairs = free.iter().zip(&witness.input);
                let inside = pairs.clone().all(|(at, x)| (lower[*at]..=upper[*at]).contains(x));
                let mut input = lower.clone();
                pairs.for_each(|(at, x)| input[*at] = *x);
                if inside && property.inputs().cuts().is_empty() {
                    Verdict::Falsified(Witness { input, ..witness })
                } else {
                    Verdict::Unknown(UnknownReason::Repair)
                }
            }
            verdict => verdict,
        })
    }

    /// The inequalities in integers.
    fn property(&self, outputs: &Outputs) -> Result<crate::Property, DeploymentError> {
        let fraction = self.values.last().map_or(0, |format| format.fraction());
        let width = outputs.rows().first().map_or(0, |row| row.coefficients.len());
        let rows = outputs.rows().iter().map(|row| integer_row(row, fraction));
        let rows = rows.map(|row| row.map(Formula::AtLeast)).collect::<Result<Vec<_>, _>>()?;
        let formula = match outputs {
            Outputs::All(_) => Formula::All(rows),
            Outputs::Any(_) => Formula::Any(rows),
        };
        Ok(crate::Property::formula(width, &formula)?)
    }
}

/// The format of so many bits with the most of them after the point that clamps nothing up to a
/// value.
fn fitting(bits: u32, signed: bool, largest: f64) -> Result<Format, FormatError> {
    let format = |fraction| {
        if signed { Format::signed(bits, fraction) } else { Format::unsigned(bits, fraction) }
    };
    let most = i32::try_from(bits).unwrap_or(i32::MAX);
    for fraction in (-64..=most).rev() {
        let format = format(fraction)?;
        if !format.clamps(largest, Rounding::HalfUp) {
            return Ok(format);
        }
    }
    Err(FormatError::TooLarge { bits, largest })
}

/// `Σ c_i o_i / 2^F ≥ bound` in integers `o_i`.
#[allow(clippy::cast_possible_truncation, reason = "the sizes are checked")]
fn integer_row(row: &HalfSpace, fraction: i32) -> Result<Inequality, DeploymentError> {
    const LARGEST: f64 = 1e9;
    let whole = |value: f64| value.fract() == 0.0 && value.abs() <= LARGEST;
    if let Some(value) = row.coefficients.iter().copied().find(|value| !whole(*value)) {
        return Err(DeploymentError::Coefficient { value });
    }
    // Exact, but for what is next to nothing: it lies between 0 and the next integer all the same.
    let scaled = row.bound * libm::ldexp(1.0, fraction);
    let vanishes = row.bound != 0.0 && scaled.abs() < f64::MIN_POSITIVE;
    let bound = if vanishes { f64::MIN_POSITIVE.copysign(row.bound) } else { scaled };
    let least = if row.strict { bound.floor() + 1.0 } else { bound.ceil() };
    if least.is_nan() || least.abs() > LARGEST * LARGEST {
        return Err(DeploymentError::Coefficient { value: row.bound });
    }
    let coefficients = row.coefficients.iter().map(|value| *value as i64).collect();
    Ok(Inequality { coefficients, bound: least as i64 })
}

/// The same network of the free inputs alone, the others at these values.
fn fold(
    network: &FixedPointNetwork,
    fixed: &[i64],
    free: &[usize],
) -> Result<FixedPointNetwork, DeploymentError> {
    if free.len() == fixed.len() {
        return Ok(network.clone());
    }
    let mut layers = network.layers().to_vec();
    let first = &layers[0];
    let mut is_free = vec![false; fixed.len()];
    free.iter().for_each(|at| is_free[*at] = true);
    let mut bias = Vec::with_capacity(first.outputs());
    for neuron in first.neurons() {
        let products = neuron.weights.iter().zip(fixed).zip(&is_free);
        let share = products
            .filter(|(_, free)| !**free)
            .map(|((w, x), _)| i128::from(*w) * i128::from(*x))
            .sum::<i128>();
        let sum = share + i128::from(neuron.bias);
        bias.push(i64::try_from(sum).map_err(|_| DeploymentError::Overflow)?);
    }
    let rows: Vec<&[i64]> = first.neurons().map(|neuron| neuron.weights).collect();
    let weights = DMatrix::from_fn(rows.len(), free.len(), |row, at| rows[row][free[at]]);
    layers[0] = FixedPointLayer::new(&weights, bias, first.requantization().to_vec())?;
    let range: IntegerInterval = network.input().interval();
    Ok(FixedPointNetwork::new(range, layers)?)
}

/// Why a strategy cannot be deployed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// There must be a format for each layer with weights.
    #[error("expected the formats of {expected} layers, found {found}")]
    Values {
        /// The layers.
        expected: usize,
        /// The formats.
        found: usize,
    },
    /// An inequality that is none between integers.
    #[error("{value} is no integer that an inequality can have")]
    Coefficient {
        /// The number.
        value: f64,
    },
    /// The fixed inputs alone exceed an accumulator.
    #[error("the inputs that are fixed exceed an accumulator")]
    Overflow,
    /// Bits that make no format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The formats do not fit the network.
    #[error(transparent)]
    Config(#[from] FixedPointConfigError),
    /// The inputs cannot be rounded.
    #[error(transparent)]
    Input(#[from] FixedPointInputError),
    /// The region is none of integers.
    #[error(transparent)]
    Region(#[from] IntegerRegionError),
    /// A layer without its fixed inputs.
    #[error(transparent)]
    Layer(#[from] FixedPointLayerError),
    /// The network without its fixed inputs.
    #[error(transparent)]
    Network(#[from] FixedPointNetworkError),
    /// The property is none of this network.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// The property is none of integers.
    #[error(transparent)]
    Integers(#[from] crate::PropertyError),
    /// The network is no chain, or has no bounds.
    #[error(transparent)]
    Synthesis(#[from] SynthesisError),
    /// The integer network cannot be verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}
