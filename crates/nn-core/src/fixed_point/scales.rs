//! Layers made from scales and zero points, as int8 runtimes have them.

use nalgebra::DMatrix;

use super::layer::rows;
use super::{
    FixedPointLayer, FixedPointLayerError, IntegerInterval, Multiplier, Requantization, Rounding,
};

/// What integers of an int8 runtime stand for: `q` for `scale · (q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Scale {
    /// The distance between neighbours.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i64,
}

/// The scales of a layer, and how its accumulators become values.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LayerScales {
    /// Of the inputs.
    pub input: Scale,
    /// Of the weights: one for each neuron, or one for all.
    pub weight: Vec<Scale>,
    /// Of the values that the layer computes.
    pub output: Scale,
    /// From accumulators to values. ONNX rounds halves to even.
    pub rounding: Rounding,
    /// The integers that there are: `[-128, 127]` for int8. ReLU is a lower end at the
    /// zero point.
    pub clamp: IntegerInterval,
}

impl FixedPointLayer {
    /// The layer whose integers have these scales and zero points.
    ///
    /// ```text
    /// a_j  = Σ_k (w_jk - z_w) (y_k - z_in) + b_j
    /// y'_j = clamp(round(m_j · a_j) + z_out),    m_j = (s_in · s_w) / s_out in f32
    /// ```
    ///
    /// Zero points of inputs and weights are folded into weights and biases. Biases count
    /// in steps of `s_in · s_w`, as runtimes hold them. The multiplier is computed in `f32`
    /// with two roundings, as runtimes compute it; its product with the accumulator is
    /// exact.
    ///
    /// Shapes: `weights` is `outputs × inputs`, `bias` has `outputs` entries.
    ///
    /// Guarantee: exact about this formula. A runtime that multiplies in `f32` can differ by
    /// one step where the product is within its rounding of a half.
    ///
    /// # Errors
    ///
    /// [`FixedPointLayerError`] for shapes as in [`FixedPointLayer::new`], scales that make
    /// no [`Multiplier`], and sums with zero points that leave an `i64`.
    ///
    /// # Examples
    ///
    /// ```
    /// use nalgebra::dmatrix;
    /// use nncert_core::fixed_point::{
    ///     FixedPointLayer, IntegerInterval, LayerScales, Rounding, Scale,
    /// };
    ///
    /// let scales = LayerScales {
    ///     input: Scale { scale: 0.5, zero_point: -128 },
    ///     weight: vec![Scale { scale: 0.25, zero_point: 0 }],
    ///     output: Scale { scale: 2.0, zero_point: 3 },
    ///     rounding: Rounding::HalfEven,
    ///     clamp: IntegerInterval::new(-128, 127)?,
    /// };
    /// let layer = FixedPointLayer::with_scales(&dmatrix![2, -1], &[8], &scales)?;
    /// assert_eq!(layer.bias(), [8 + 128]);
    /// assert_eq!(layer.requantization()[0].multiplier.to_string(), "2^-4");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    ///
    /// Jacob et al., section 2.2; ONNX, operators QLinearMatMul and QuantizeLinear.
    pub fn with_scales(
        weights: &DMatrix<i64>,
        bias: &[i64],
        scales: &LayerScales,
    ) -> Result<Self, FixedPointLayerError> {
        let LayerScales { input, weight, output, rounding, clamp } = scales;
        let (outputs, found) = (weights.nrows(), weight.len());
        if found != 1 && found != outputs {
            return Err(FixedPointLayerError::Scales { expected: outputs, found });
        }
        let inputs = weights.ncols();
        let mut weights = rows(weights);
        for (index, value) in weights.iter_mut().enumerate() {
            let row = index / inputs;
            let zero = weight[if found == 1 { 0 } else { row }].zero_point;
            let column = index % inputs;
            *value = value.checked_sub(zero).ok_or(FixedPointLayerError::WeightZeroPoint {
                row,
                column,
                value: *value,
            })?;
        }
        let mut bias = bias.to_vec();
        for (row, (bias, weights)) in bias.iter_mut().zip(weights.chunks(inputs.max(1))).enumerate()
        {
            *bias = folded(*bias, weights, input.zero_point)
                .ok_or(FixedPointLayerError::BiasZeroPoint { row })?;
        }
        let step = |weight: &Scale| {
            let multiplier = Multiplier::new(f64::from(input.scale * weight.scale / output.scale))?;
            let (rounding, zero_point, clamp) = (*rounding, output.zero_point, *clamp);
            Ok(Requantization { multiplier, rounding, zero_point, clamp })
        };
        let steps = weight.iter().map(step).collect::<Result<_, FixedPointLayerError>>()?;
        Self::from_rows(inputs, weights, bias, steps)
    }
}

/// `bias - zero_point · Σ weights`, if that is an `i64`.
fn folded(bias: i64, weights: &[i64], zero_point: i64) -> Option<i64> {
    // At most 2^24 weights of 64 bits.
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    let shift = sum.checked_mul(i128::from(zero_point))?;
    i128::from(bias).checked_sub(shift).and_then(|bias| i64::try_from(bias).ok())
}
