//! Exact evaluation: what a network computes, without any rounding.
//!
//! Every `f64` is a dyadic rational `m · 2^e`, and affine and ReLU layers map
//! dyadic rationals to dyadic rationals. This is the oracle that bounds are
//! tested against and that witnesses are replayed in. Slow: about a
//! microsecond a weight.

use core::cmp::Ordering;
use core::fmt;
use core::ops::{Add, Mul, Neg, Sub};

use dashu_int::IBig;

use crate::{Activation, InputError, Layer, Network};

/// An exact number `mantissa · 2^exponent`.
#[derive(Clone)]
pub struct Dyadic {
    mantissa: IBig,
    exponent: i64,
}

impl Dyadic {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: IBig::ZERO, exponent: 0 };

    /// The number that a finite double is, or `None` for NaN and infinities.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = match (bits >> 52) & 0x7ff {
            0 => (fraction, -1074),
            biased => (fraction | (1 << 52), biased.cast_signed() - 1075),
        };
        if mantissa == 0 {
            return Some(Self::ZERO);
        }
        let zeros = mantissa.trailing_zeros();
        let mantissa = IBig::from(mantissa >> zeros);
        let mantissa = if value < 0.0 { -mantissa } else { mantissa };
        Some(Self { mantissa, exponent: exponent + i64::from(zeros) })
    }

    /// Whether this is negative.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.mantissa < IBig::ZERO
    }

    /// Compares with a double; `None` for NaN.
    #[must_use]
    pub fn compare(&self, value: f64) -> Option<Ordering> {
        match Self::from_f64(value) {
            Some(other) => Some(self.cmp(&other)),
            None if value == f64::INFINITY => Some(Ordering::Less),
            None if value == f64::NEG_INFINITY => Some(Ordering::Greater),
            None => None,
        }
    }

    /// Whether `lower ≤ self ≤ upper`, exactly.
    #[must_use]
    pub fn is_within(&self, interval: crate::Interval) -> bool {
        self.compare(interval.lower).is_some_and(Ordering::is_ge)
            && self.compare(interval.upper).is_some_and(Ordering::is_le)
    }

    /// The mantissas of two numbers over their smaller exponent.
    fn aligned(&self, other: &Self) -> (IBig, IBig, i64) {
        let exponent = self.exponent.min(other.exponent);
        (self.shifted_to(exponent), other.shifted_to(exponent), exponent)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn shifted_to(&self, exponent: i64) -> IBig {
        &self.mantissa << (self.exponent - exponent) as usize
    }
}

impl Add for &Dyadic {
    type Output = Dyadic;

    fn add(self, other: Self) -> Dyadic {
        if self.mantissa == IBig::ZERO {
            return other.clone();
        }
        if other.mantissa == IBig::ZERO {
            return self.clone();
        }
        let (a, b, exponent) = self.aligned(other);
        Dyadic { mantissa: a + b, exponent }
    }
}

impl Sub for &Dyadic {
    type Output = Dyadic;

    fn sub(self, other: Self) -> Dyadic {
        self + &-other
    }
}

impl Neg for &Dyadic {
    type Output = Dyadic;

    fn neg(self) -> Dyadic {
        Dyadic { mantissa: -&self.mantissa, exponent: self.exponent }
    }
}

impl Mul for &Dyadic {
    type Output = Dyadic;

    fn mul(self, other: Self) -> Dyadic {
        let mantissa = &self.mantissa * &other.mantissa;
        if mantissa == IBig::ZERO {
            return Dyadic::ZERO;
        }
        Dyadic { mantissa, exponent: self.exponent + other.exponent }
    }
}

impl PartialEq for Dyadic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Dyadic {}

impl PartialOrd for Dyadic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dyadic {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b, _) = self.aligned(other);
        a.cmp(&b)
    }
}

impl fmt::Debug for Dyadic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}p{}", self.mantissa, self.exponent)
    }
}

/// `c · x + d` without rounding; `None` when a number is not finite.
///
/// # Panics
///
/// When the lengths differ.
#[must_use]
pub fn dot(coefficients: &[f64], x: &[Dyadic], constant: f64) -> Option<Dyadic> {
    assert_eq!(coefficients.len(), x.len());
    let mut sum = Dyadic::from_f64(constant)?;
    for (coefficient, value) in coefficients.iter().zip(x) {
        if *coefficient != 0.0 {
            sum = &sum + &(&Dyadic::from_f64(*coefficient)? * value);
        }
    }
    Some(sum)
}

/// `f(x)` without rounding.
///
/// Guarantee: exact.
///
/// # Errors
///
/// [`ExactError`] when `x` has the wrong length or is not finite.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{exact, Affine, Network};
/// # use core::cmp::Ordering;
/// let network = Network::relu_mlp(vec![Affine::new(dmatrix![0.1, 0.2], dvector![-0.3])])?;
/// let value = &exact::evaluate(&network, &[1.0, 1.0])?[0];
/// // In floating point 0.1 + 0.2 - 0.3 is 5.6e-17; the doubles' exact sum is half of that.
/// assert_eq!(value.compare(2.0f64.powi(-55)), Some(Ordering::Equal));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(clippy::missing_panics_doc)] // a network's weights are finite by construction
pub fn evaluate(network: &Network, x: &[f64]) -> Result<Vec<Dyadic>, ExactError> {
    InputError::check(network.inputs(), x.len())?;
    let mut values = Vec::with_capacity(x.len());
    for (index, value) in x.iter().enumerate() {
        values.push(Dyadic::from_f64(*value).ok_or(ExactError::NotFinite { index })?);
    }
    for layer in network.layers() {
        values = match layer {
            Layer::Affine(affine) => (0..affine.outputs())
                .map(|row| {
                    let weights: Vec<f64> = affine.weight.row(row).iter().copied().collect();
                    dot(&weights, &values, affine.bias[row]).expect("network weights are finite")
                })
                .collect(),
            Layer::Activation(Activation::Relu) => values
                .into_iter()
                .map(|value| if value.is_negative() { Dyadic::ZERO } else { value })
                .collect(),
        };
    }
    Ok(values)
}

/// Why an input cannot be evaluated exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExactError {
    /// The input has the wrong length.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An entry is NaN or infinite.
    #[error("input {index} is not finite")]
    NotFinite {
        /// The entry.
        index: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dyadic(value: f64) -> Dyadic {
        Dyadic::from_f64(value).unwrap()
    }

    proptest! {
        #[test]
        fn integers_behave_like_integers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
            let (x, y) = (dyadic(a as f64), dyadic(b as f64));
            prop_assert_eq!(&x + &y, dyadic((a + b) as f64));
            prop_assert_eq!(&x - &y, dyadic((a - b) as f64));
            prop_assert_eq!(&x * &y, dyadic((a * b) as f64));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn order_is_that_of_doubles(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(Some(dyadic(a).cmp(&dyadic(b))), a.partial_cmp(&b));
        }
    }

    #[test]
    fn denormals_and_infinities() {
        let tiny = dyadic(f64::from_bits(1));
        assert_eq!(&tiny + &tiny, dyadic(f64::from_bits(2)));
        assert_eq!(tiny.compare(f64::INFINITY), Some(Ordering::Less));
        assert_eq!(tiny.compare(f64::NAN), None);
        assert!(Dyadic::from_f64(f64::NAN).is_none());
        assert!((&tiny * &tiny).compare(0.0) == Some(Ordering::Greater));
    }
}
