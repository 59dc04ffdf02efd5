//! From raw inputs to the network's inputs, and from its outputs to raw ones.

use crate::directed::{sub_down, sub_up};
use crate::{Region, RegionError};

/// How raw inputs become the inputs of a network.
///
/// ```text
/// input_i = (min(max(raw_i, min_i), max_i) - mean_i) / range_i
/// raw output = output · output range + output mean
/// ```
///
/// Shapes: the four vectors have one entry per input. The fields are plain data;
/// each method checks what it uses. Networks read from a file always pass.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Normalization {
    /// The smallest raw inputs; smaller ones are raised to them.
    pub mins: Vec<f64>,
    /// The largest raw inputs; larger ones are lowered to them.
    pub maxes: Vec<f64>,
    /// What is subtracted from each input.
    pub means: Vec<f64>,
    /// What each input is then divided by; positive.
    pub ranges: Vec<f64>,
    /// What is added to every output, after scaling.
    pub output_mean: f64,
    /// What every output is multiplied by; positive.
    pub output_range: f64,
}

impl Normalization {
    /// The normalisation that changes nothing.
    #[must_use]
    pub fn identity(inputs: usize) -> Self {
        Self {
            mins: vec![-f64::MAX; inputs],
            maxes: vec![f64::MAX; inputs],
            means: vec![0.0; inputs],
            ranges: vec![1.0; inputs],
            output_mean: 0.0,
            output_range: 1.0,
        }
    }

    /// Checks that this is a normalisation of so many inputs.
    ///
    /// # Errors
    ///
    /// [`NormalizationError`] for a vector of another length, a number that is not
    /// finite, a maximum below its minimum, or a range that is not positive.
    pub fn check(&self, inputs: usize) -> Result<(), NormalizationError> {
        for values in [&self.mins, &self.maxes, &self.means, &self.ranges] {
            check_length(inputs, values.len())?;
        }
        for coordinate in 0..inputs {
            let values = [&self.mins, &self.maxes, &self.means, &self.ranges];
            check_entry(Some(coordinate), values.map(|values| values[coordinate]))?;
        }
        check_entry(None, [0.0, 0.0, self.output_mean, self.output_range])
    }

    /// The network's input for a raw one.
    ///
    /// Guarantee: rounded to nearest, operation by operation, as tools that
    /// evaluate the network do; infinities are clamped like any large number.
    ///
    /// # Errors
    ///
    /// [`NormalizationError`] as [`Normalization::check`] for an input of so many
    /// entries, and for a NaN or a result that is not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// use nncert_core::io::nnet::Normalization;
    ///
    /// let normalization = Normalization {
    ///     mins: vec![0.0], maxes: vec![100.0], means: vec![50.0], ranges: vec![100.0],
    ///     output_mean: 7.5, output_range: 4.0,
    /// };
    /// assert_eq!(normalization.normalize(&[75.0])?, [0.25]);
    /// assert_eq!(normalization.normalize(&[1e9])?, [0.5]);
    /// assert_eq!(normalization.denormalize_output(0.25), 8.5);
    /// # Ok::<(), nncert_core::io::nnet::NormalizationError>(())
    /// ```
    pub fn normalize(&self, raw: &[f64]) -> Result<Vec<f64>, NormalizationError> {
        check_length(self.mins.len(), raw.len())?;
        self.check(raw.len())?;
        let normalized = |(coordinate, &value): (usize, &f64)| {
            let value = self.clamp(coordinate, value)?;
            let value = (value - self.means[coordinate]) / self.ranges[coordinate];
            finite(Some(coordinate), value)
        };
        raw.iter().enumerate().map(normalized).collect()
    }

    /// The network's inputs for a box of raw ones.
    ///
    /// Guarantee: sound. The corners are rounded outward, so that the region
    /// holds the exact image of every real point of the raw box, and what
    /// [`Normalization::normalize`] gives for each. A raw box beyond the minimums
    /// and maximums is clamped to them, as each of its points is.
    ///
    /// # Errors
    ///
    /// [`NormalizationError`] as [`Normalization::normalize`], for
    /// `lower > upper`, and for a result that is not a [`Region`].
    pub fn normalize_box(
        &self,
        lower: &[f64],
        upper: &[f64],
    ) -> Result<Region, NormalizationError> {
        check_length(self.mins.len(), lower.len())?;
        check_length(self.mins.len(), upper.len())?;
        self.check(lower.len())?;
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for (coordinate, (&lower, &upper)) in lower.iter().zip(upper).enumerate() {
            if lower > upper {
                return Err(RegionError::Empty { coordinate, lower, upper }.into());
            }
            let (mean, range) = (self.means[coordinate], self.ranges[coordinate]);
            low.push(div_down(sub_down(self.clamp(coordinate, lower)?, mean), range));
            high.push(-div_down(-sub_up(self.clamp(coordinate, upper)?, mean), range));
        }
        Ok(Region::new(low, high)?)
    }

    /// The raw output for an output of the network: `output · range + mean`,
    /// rounded to nearest.
    #[must_use]
    pub fn denormalize_output(&self, output: f64) -> f64 {
        output * self.output_range + self.output_mean
    }

    fn clamp(&self, coordinate: usize, value: f64) -> Result<f64, NormalizationError> {
        if value.is_nan() {
            return Err(NormalizationError::NotFinite { coordinate: Some(coordinate), value });
        }
        Ok(value.max(self.mins[coordinate]).min(self.maxes[coordinate]))
    }
}

/// A double at most `a / b` for `b > 0`, and `a / b` itself where that is a double.
fn div_down(a: f64, b: f64) -> f64 {
    if a == 0.0 {
        return 0.0;
    }
    let quotient = a / b;
    if !quotient.is_finite() {
        return if quotient > 0.0 && a.is_finite() { f64::MAX } else { quotient };
    }
    // Below this the remainder may not be a double: assume the worst.
    let tiny = a.abs() < f64::MIN_POSITIVE / (f64::EPSILON * f64::EPSILON);
    if tiny || (-quotient).mul_add(b, a) < 0.0 { quotient.next_down() } else { quotient }
}

fn check_length(expected: usize, found: usize) -> Result<(), NormalizationError> {
    if expected == found { Ok(()) } else { Err(NormalizationError::Length { expected, found }) }
}

/// Checks the minimum, maximum, mean and range of an input.
pub(super) fn check_entry(
    coordinate: Option<usize>,
    [minimum, maximum, mean, range]: [f64; 4],
) -> Result<(), NormalizationError> {
    for value in [minimum, maximum, mean, range] {
        finite(coordinate, value)?;
    }
    if let Some(coordinate) = coordinate
        && minimum > maximum
    {
        return Err(NormalizationError::Empty { coordinate, minimum, maximum });
    }
    if range > 0.0 { Ok(()) } else { Err(NormalizationError::Range { coordinate, range }) }
}

fn finite(coordinate: Option<usize>, value: f64) -> Result<f64, NormalizationError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(NormalizationError::NotFinite { coordinate, value })
    }
}

/// Why something cannot be normalised.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NormalizationError {
    /// Lists that belong together differ in length.
    #[error("expected {expected} inputs, found {found}")]
    Length {
        /// The length that was expected.
        expected: usize,
        /// The length that was found.
        found: usize,
    },
    /// A number is NaN or infinite.
    #[error("{}: {value} is not finite", place(*.coordinate))]
    NotFinite {
        /// The input, counted from 0, or `None` for the outputs.
        coordinate: Option<usize>,
        /// The number.
        value: f64,
    },
    /// A maximum is below its minimum.
    #[error("input {coordinate}: a maximum of {maximum} is below the minimum {minimum}")]
    Empty {
        /// The input, counted from 0.
        coordinate: usize,
        /// Its minimum.
        minimum: f64,
        /// Its maximum.
        maximum: f64,
    },
    /// A range is zero or negative.
    #[error("{}: a range of {range} is not positive", place(*.coordinate))]
    Range {
        /// The input, counted from 0, or `None` for the outputs.
        coordinate: Option<usize>,
        /// The range.
        range: f64,
    },
    /// The corners do not make a region.
    #[error(transparent)]
    Region(#[from] RegionError),
}

fn place(coordinate: Option<usize>) -> String {
    coordinate.map_or_else(|| "outputs".to_owned(), |index| format!("input {index}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shifted(mean: f64, range: f64) -> Normalization {
        Normalization { means: vec![mean], ranges: vec![range], ..Normalization::identity(1) }
    }

    #[test]
    fn exact_quotients_stay() {
        assert_eq!(div_down(1.0, 4.0), 0.25);
        assert_eq!(div_down(-6.0, 3.0), -2.0);
        assert_eq!(div_down(1.0, 3.0), 1.0 / 3.0);
        assert_eq!(div_down(-1.0, 3.0), (-1.0f64 / 3.0).next_down());
        assert_eq!(div_down(1e300, 1e-300), f64::MAX);
        assert_eq!(div_down(-1e300, 1e-300), f64::NEG_INFINITY);
        assert!(div_down(5e-324, 2.0) < 5e-324 && div_down(-5e-324, 2.0) < 0.0);
    }

    #[test]
    fn identity_changes_nothing() {
        let identity = Normalization::identity(2);
        assert_eq!(identity.normalize(&[0.1, -3e38]).unwrap(), [0.1, -3e38]);
        let region = identity.normalize_box(&[0.1, -2.0], &[0.1, 5.0]).unwrap();
        assert_eq!((region.lower(), region.upper()), (&[0.1, -2.0][..], &[0.1, 5.0][..]));
    }

    #[test]
    fn bad_input_is_named() {
        let message = |error: NormalizationError| error.to_string();
        let identity = Normalization::identity(2);
        assert_eq!(message(identity.normalize(&[0.0]).unwrap_err()), "expected 2 inputs, found 1");
        let nan = identity.normalize(&[0.0, f64::NAN]).unwrap_err();
        assert_eq!(message(nan), "input 1: NaN is not finite");
        let flat = shifted(0.0, 0.0).normalize(&[1.0]).unwrap_err();
        assert_eq!(message(flat), "input 0: a range of 0 is not positive");
        let swapped = identity.normalize_box(&[0.0, 1.0], &[0.0, 0.5]).unwrap_err();
        assert_eq!(message(swapped), "coordinate 1 is empty: [1, 0.5]");
        let far = shifted(0.0, 1e-300).normalize(&[1e300]).unwrap_err();
        assert_eq!(message(far), "input 0: inf is not finite");
        let wide = identity.normalize_box(&[0.0], &[0.0, 1.0]).unwrap_err();
        assert_eq!(message(wide), "expected 2 inputs, found 1");
        let output = Normalization { output_range: -1.0, ..identity };
        assert_eq!(message(output.check(2).unwrap_err()), "outputs: a range of -1 is not positive");
    }

    proptest! {
        #[test]
        fn quotients_are_below(a in -1e6f64..1e6, b in 1e-6f64..1e6) {
            let (down, up) = (div_down(a, b), -div_down(-a, b));
            prop_assert!(down <= a / b && a / b <= up && up <= down.next_up());
            // The remainder of the bound has the right sign, or the bound is exact.
            prop_assert!((-down).mul_add(b, a) >= 0.0 && (-up).mul_add(b, a) <= 0.0);
        }

        #[test]
        fn boxes_hold_their_points(
            mean in -1e3f64..1e3, range in 1e-3f64..1e3,
            low in -1e3f64..1e3, width in 0.0f64..10.0, fraction in 0.0f64..=1.0,
        ) {
            let normalization = shifted(mean, range);
            let high = low + width;
            let region = normalization.normalize_box(&[low], &[high]).unwrap();
            let point = (low + width * fraction).clamp(low, high);
            prop_assert!(region.contains(&normalization.normalize(&[point]).unwrap()));
        }
    }
}
