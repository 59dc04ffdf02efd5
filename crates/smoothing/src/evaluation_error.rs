//! How far an evaluation in `f32` can be from real arithmetic.
//!
//! Let `|x| ≤ X` and let `x` be off by at most `E`, entry by entry. A sum of `k` products of rounded weights, in any order and fused
//! or not, is off by at most
//!
//! ```text
//! |W| E + γ (|W| (X + E) + |b|),    γ = (k + 4)u/(1 - (k + 4)u),    u = 2^-24
//! ```
//!
//! an absolute constant for underflow, and `2^-149 |x|` for weights next to 0; where sums may overflow there is no bound. ReLU and its like lengthen no error. The matrices `|W|` are layers themselves, so that
//! convolutions and averages are evaluated as everywhere else.
//!
//! # References
//! N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition, 2002, section 3.1.

use nncert_core::{
    Activation, Affine, Convolution, Layer, Network, Pool, Region, Residual, Scale, Shape,
};

/// Half the distance from 1 to the next `f32`.
const UNIT: f64 = f64::from_bits((1023 - 24) << 52);

/// What underflow adds to a sum, at most: far more than the 2^-149 of each of 2^28 products.
pub(crate) const UNDERFLOW: f64 = 1e-30;

/// By what a weight next to 0 is rounded, at most: relative errors are no measure of it.
pub(crate) const SUBNORMAL: f64 = f64::from_bits((1023 - 149) << 52);

/// Sums of greater numbers may overflow: the largest `f32` is 3.4e38.
const MOST: f64 = 1e38;

/// Makes up for the rounding of these bounds themselves, sums of at most 2^28 positive numbers in `f64`.
pub(crate) const SLACK: f64 = 1.0 + 1e-6;

/// Magnitudes of values, and of their errors.
struct Values {
    magnitude: Vec<f64>,
    error: Vec<f64>,
}

/// The most that any output is off, for inputs of the region that are `f32`; the layer, if there is no bound for one.
pub(crate) fn evaluation_error(network: &Network, region: &Region) -> Result<f64, usize> {
    let ends = region.lower().iter().zip(region.upper());
    let magnitude: Vec<f64> = ends.map(|(low, high)| low.abs().max(high.abs())).collect();
    let mut values = Values { error: vec![0.0; magnitude.len()], magnitude };
    let mut shape = network.shapes().first().cloned().ok_or(0_usize)?;
    for (index, layer) in network.layers().iter().enumerate() {
        values = step(layer, &shape, values).ok_or(index)?;
        shape = layer.output_shape(&shape).map_err(|_| index)?;
    }
    Ok(values.error.into_iter().fold(0.0, |most: f64, error| {
        // A bound that is none must not look like one.
        if error.is_nan() { f64::INFINITY } else { most.max(error) }
    }))
}

fn step(layer: &Layer, input: &Shape, values: Values) -> Option<Values> {
    match layer {
        Layer::Affine(affine) => {
            let (absolute, bias) = absolute(affine);
            let terms = affine.inputs();
            linear(&Layer::Affine(absolute), &bias, 1, terms, input, &values)
        }
        Layer::Convolution(convolution) => {
            let (absolute, bias) = absolute(&convolution.filters);
            let terms = convolution.filters.inputs();
            let outputs = layer.output_shape(input).ok()?.len();
            let repeat = outputs / convolution.output_channels().max(1);
            let absolute = Convolution { filters: absolute, ..convolution.clone() };
            linear(&Layer::Convolution(absolute), &bias, repeat, terms, input, &values)
        }
        Layer::Scale(scale) => {
            let factor = scale.factor.iter().map(|factor| factor.abs()).collect();
            let absolute = Scale { factor, offset: vec![0.0; scale.offset.len()] };
            let repeat = input.len() / scale.offset.len().max(1);
            let bias: Vec<f64> = scale.offset.iter().map(|offset| offset.abs()).collect();
            linear(&Layer::Scale(absolute), &bias, repeat, 2, input, &values)
        }
        Layer::Pool(Pool::Average { .. } | Pool::GlobalAverage) => {
            let outputs = layer.output_shape(input).ok()?.len();
            linear(layer, &vec![0.0; outputs], 1, input.len(), input, &values)
        }
        Layer::Select(_) | Layer::Flatten => {
            let magnitude = apply(layer, input, &values.magnitude)?;
            Some(Values { magnitude, error: apply(layer, input, &values.error)? })
        }
        Layer::Residual(Residual { body, shortcut }) => {
            let [body, shortcut] = [body, shortcut].map(|branch| {
                let copy =
                    Values { magnitude: values.magnitude.clone(), error: values.error.clone() };
                branch.iter().try_fold((copy, input.clone()), |(values, shape), layer| {
                    let values = step(layer, &shape, values)?;
                    Some((values, layer.output_shape(&shape).ok()?))
                })
            });
            Some(sum(&body?.0, &shortcut?.0))
        }
        // One product with a rounded slope, one comparison with a rounded end.
        Layer::Activation(
            Activation::Relu | Activation::LeakyRelu { .. } | Activation::Clip { .. },
        ) => activated(layer, values),
        _ => None,
    }
}

/// The relative error of a sum of products of rounded weights, and of a little more.
pub(crate) fn gamma(terms: f64) -> f64 {
    let roundings = (terms + 4.0) * UNIT;
    if roundings < 1.0 { roundings / (1.0 - roundings) } else { f64::INFINITY }
}

/// The rounding errors of sums whose absolute terms add up to at most `sums`; infinite where these may overflow.
pub(crate) fn unless_overflow(sums: f64, rounding: f64) -> f64 {
    if sums < MOST { rounding } else { f64::INFINITY }
}

/// `|W|` without a bias, and `|b|`.
fn absolute(affine: &Affine) -> (Affine, Vec<f64>) {
    let weight = affine.weight.map(f64::abs);
    let bias = affine.bias.map(|_| 0.0);
    (Affine::new(weight, bias), affine.bias.iter().map(|bias| bias.abs()).collect())
}

/// A layer with positive weights and sums of `terms`; each entry of the bias belongs to `repeat` outputs in a row.
fn linear(
    layer: &Layer,
    bias: &[f64],
    repeat: usize,
    terms: usize,
    input: &Shape,
    values: &Values,
) -> Option<Values> {
    let gamma = gamma(terms as f64);
    let from_values = apply(layer, input, &values.magnitude)?;
    let from_errors = apply(layer, input, &values.error)?;
    let bias = bias.iter().flat_map(|bias| core::iter::repeat_n(*bias, repeat.max(1)));
    let all = values.magnitude.iter().chain(&values.error).sum::<f64>();
    let underflow = UNDERFLOW + SUBNORMAL * all;
    let sums = from_values.iter().zip(&from_errors).zip(bias);
    let (magnitude, error) = sums
        .map(|((value, error), bias)| {
            let whole = value + error + bias;
            let rounding = unless_overflow(whole, gamma * whole + underflow);
            ((value + bias) * SLACK, (error + rounding) * SLACK)
        })
        .unzip();
    Some(Values { magnitude, error })
}

fn sum(a: &Values, b: &Values) -> Values {
    let magnitude: Vec<f64> =
        a.magnitude.iter().zip(&b.magnitude).map(|(a, b)| (a + b) * SLACK).collect();
    let errors = a.error.iter().zip(&b.error).zip(&magnitude);
    let error = errors.map(|((a, b), x)| {
        let rounding = unless_overflow(x + a + b, UNIT * (a + b + x) + UNDERFLOW);
        (a + b + rounding) * SLACK
    });
    Values { error: error.collect(), magnitude }
}

fn activated(layer: &Layer, values: Values) -> Option<Values> {
    let (steepest, largest) = match layer {
        Layer::Activation(Activation::LeakyRelu { slope }) => (slope.abs().max(1.0), 0.0),
        Layer::Activation(Activation::Clip { lower, upper }) => (1.0, lower.abs().max(upper.abs())),
        _ => (1.0, 0.0),
    };
    let pairs = values.magnitude.iter().zip(&values.error);
    let rounded = matches!(layer, Layer::Activation(Activation::Relu));
    let units = if rounded { 0.0 } else { 4.0 * UNIT };
    let (magnitude, error) = pairs
        .map(|(x, e)| {
            let x = steepest * x + largest;
            (x * SLACK, (steepest * e + units * (x + steepest * e)) * SLACK + UNDERFLOW)
        })
        .unzip();
    Some(Values { magnitude, error })
}

/// The layer alone, in `f64`.
fn apply(layer: &Layer, input: &Shape, values: &[f64]) -> Option<Vec<f64>> {
    let network = Network::new(input.clone(), vec![layer.clone()]).ok()?;
    Some(network.evaluate(values).ok()?.iter().copied().collect())
}
