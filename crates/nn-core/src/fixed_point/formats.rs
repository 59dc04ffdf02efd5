//! Layers made from formats, as QVIP has them.

use nalgebra::DMatrix;

use super::layer::{Formats, check_shape, rows};
use super::{
    FixedPointLayer, FixedPointLayerError, Format, IntegerInterval, Multiplier, Requantization,
    Rounding,
};

/// The formats of a layer, and how its accumulators are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LayerFormats {
    /// Of the weights.
    pub weight: Format,
    /// Of the biases.
    pub bias: Format,
    /// Of the values that the layer computes.
    pub output: Format,
    /// From accumulators to values.
    pub rounding: Rounding,
}

impl LayerFormats {
    /// The clamp of a layer with ReLU: the values of the output format from 0 on.
    #[must_use]
    pub fn relu_clamp(&self) -> IntegerInterval {
        // No range is below zero.
        IntegerInterval::ordered(0, self.output.range().upper())
    }

    /// The clamp of a layer without: all values of the output format.
    #[must_use]
    pub fn full_clamp(&self) -> IntegerInterval {
        self.output.range()
    }
}

impl FixedPointLayer {
    /// The layer whose integers are in these formats.
    ///
    /// ```text
    /// y'_j = clamp(round(2^(F_out - F_in - F_w) Σ_k w_jk y_k + 2^(F_out - F_b) b_j))
    /// ```
    ///
    /// Accumulators count in steps of `2^-(F_in + F_w)`, or of `2^-F_b` where that is
    /// finer: biases, or else weights, are shifted to the left accordingly, and the
    /// rest is one shift to the right. [`FixedPointLayer::weights`] and
    /// [`bias`](FixedPointLayer::bias) are the shifted ones.
    ///
    /// Shapes: `weights` is `outputs × inputs`, `bias` has `outputs` entries.
    ///
    /// Guarantee: exact.
    ///
    /// # Errors
    ///
    /// [`FixedPointLayerError`] for shapes as in [`FixedPointLayer::new`], an integer
    /// or a clamp outside its format, and fractions so far apart that a shift is beyond
    /// an `i64` or the limits of [`Multiplier`].
    ///
    /// # Examples
    ///
    /// ```
    /// use nalgebra::dmatrix;
    /// use nncert_core::fixed_point::{FixedPointLayer, Format, LayerFormats, Rounding};
    ///
    /// // The formats of QVIP's networks with Q = 6.
    /// let formats = LayerFormats {
    ///     weight: Format::signed(6, 5)?,
    ///     bias: Format::signed(6, 4)?,
    ///     output: Format::unsigned(6, 4)?,
    ///     rounding: Rounding::HalfUp,
    /// };
    /// let (input, clamp) = (Format::unsigned(8, 8)?, formats.relu_clamp());
    /// let layer =
    ///     FixedPointLayer::with_formats(&dmatrix![3, -2], &[-1], input, formats, clamp)?;
    /// assert_eq!(layer.bias(), [-1 << 9]);
    /// assert_eq!(layer.requantization()[0].multiplier.to_string(), "2^-9");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    ///
    /// QVIP, section 2.2.
    pub fn with_formats(
        weights: &DMatrix<i64>,
        bias: &[i64],
        input: Format,
        formats: LayerFormats,
        clamp: IntegerInterval,
    ) -> Result<Self, FixedPointLayerError> {
        Self::from_formatted_rows(
            weights.ncols(),
            rows(weights),
            bias.to_vec(),
            Formats { input, layer: formats },
            clamp,
        )
    }

    /// As [`FixedPointLayer::with_formats`], with the weights row by row.
    pub(crate) fn from_formatted_rows(
        inputs: usize,
        mut weights: Vec<i64>,
        mut bias: Vec<i64>,
        formats: Formats,
        clamp: IntegerInterval,
    ) -> Result<Self, FixedPointLayerError> {
        check_shape(inputs, &weights, &bias)?;
        let LayerFormats { weight, bias: bias_format, output, rounding } = formats.layer;
        if let Some((index, value)) = outside(&weights, weight) {
            let (row, column) = (index / inputs, index % inputs);
            return Err(FixedPointLayerError::Weight { row, column, value, format: weight });
        }
        if let Some((row, value)) = outside(&bias, bias_format) {
            return Err(FixedPointLayerError::BiasValue { row, value, format: bias_format });
        }
        if !clamp.is_within(output.range()) {
            return Err(FixedPointLayerError::Clamp { clamp, format: output });
        }
        let Alignment { weights: weight_shift, biases: bias_shift, right } = Alignment::of(formats);
        shift_left(&mut weights, weight_shift).map_err(|(index, value)| {
            let (row, column) = (index / inputs, index % inputs);
            FixedPointLayerError::WeightShift { row, column, value, shift: weight_shift }
        })?;
        shift_left(&mut bias, bias_shift).map_err(|(row, value)| {
            FixedPointLayerError::BiasShift { row, value, shift: bias_shift }
        })?;
        let multiplier = Multiplier::power_of_two(right)?;
        let requantization = Requantization { multiplier, rounding, zero_point: 0, clamp };
        let layer = Self::from_rows(inputs, weights, bias, vec![requantization])?;
        Ok(layer.described(formats))
    }

    /// Weights and biases in their formats, before they were shifted.
    pub(crate) fn unshifted(&self) -> Option<(Vec<i64>, Vec<i64>)> {
        let formats = self.all_formats()?;
        let Alignment { weights, biases, .. } = Alignment::of(formats);
        let back = |values: &[i64], shift: u32| {
            values.iter().map(|value| value.checked_shr(shift).unwrap_or_default()).collect()
        };
        Some((back(self.weights(), weights), back(self.bias(), biases)))
    }
}

/// How accumulators are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alignment {
    /// To the left.
    weights: u32,
    /// To the left.
    biases: u32,
    /// Of accumulators, to the right.
    right: i32,
}

impl Alignment {
    fn of(Formats { input, layer }: Formats) -> Self {
        // Sums of numbers of at most MAX_FRACTION.
        let product = input.fraction() + layer.weight.fraction();
        let finest = product.max(layer.bias.fraction());
        Self {
            weights: (finest - product).unsigned_abs(),
            biases: (finest - layer.bias.fraction()).unsigned_abs(),
            right: finest - layer.output.fraction(),
        }
    }
}

/// The first value that is not one of the format.
fn outside(values: &[i64], format: Format) -> Option<(usize, i64)> {
    let index = values.iter().position(|value| !format.range().contains(*value))?;
    Some((index, values[index]))
}

/// Multiplies by `2^shift`, or tells the first value that becomes too large.
fn shift_left(values: &mut [i64], shift: u32) -> Result<(), (usize, i64)> {
    for (index, value) in values.iter_mut().enumerate() {
        let factor = if shift < 63 { Some(1i64 << shift) } else { None };
        *value = match factor.and_then(|factor| value.checked_mul(factor)) {
            Some(shifted) => shifted,
            None if *value == 0 => 0,
            None => return Err((index, *value)),
        };
    }
    Ok(())
}
