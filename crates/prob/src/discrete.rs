//! Laws of finitely many values: a pixel on its grid, a switch.

use crate::distribution::{Atom, Characteristic, Distribution, Spectrum};
use crate::rounding::{
    add_down, add_up, div_down, div_up, exp_up, half_up, ln_up, mul_down, mul_up, sub_down, sub_up,
    sum_down, sum_up,
};

/// Why values and weights are not a discrete law.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscreteError {
    /// There is no value at all.
    #[error("no values")]
    Empty,
    /// There are not as many weights as values.
    #[error("{weights} weights for {values} values")]
    LengthMismatch {
        /// The number of values.
        values: usize,
        /// The number of weights.
        weights: usize,
    },
    /// A value is infinite or NaN.
    #[error("value {index} is {value}")]
    NotFinite {
        /// The index of the first such value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A weight is negative, infinite or NaN.
    #[error("weight {index} is {weight}")]
    InvalidWeight {
        /// The index of the first such weight.
        index: usize,
        /// The weight.
        weight: f64,
    },
    /// The weights sum to zero, or to more than the largest float.
    #[error("weights sum to {sum}")]
    InvalidSum {
        /// The sum.
        sum: f64,
    },
    /// The stored bounds of a probability are no bounds, or those of all leave out 1.
    #[error("bounds {lower} and {upper} of probabilities")]
    InvalidBounds {
        /// The lower bound, of one or of the sum.
        lower: f64,
        /// The upper bound.
        upper: f64,
    },
    /// A probability lies outside `[0, 1]`.
    #[error("probability {value} outside [0, 1]")]
    InvalidProbability {
        /// The number.
        value: f64,
    },
}

/// The law of finitely many values.
///
/// ```text
/// P(X = vᵢ) = pᵢ = wᵢ/Σw       E X = Σ pᵢvᵢ       φ(s) = Σ pᵢ exp(is(vᵢ - m))
/// ```
///
/// Guarantee: values are exact, every other number is sound.
///
/// # Examples
/// ```
/// use nncert_prob::{Discrete, Distribution, LinearForm};
///
/// let pixel = Discrete::grid(0.0, 1.0, 256)?;
/// assert!(pixel.mean().0 <= 0.5 && 0.5 <= pixel.mean().1);
///
/// let coins = [Discrete::bernoulli(0.25)?, Discrete::bernoulli(0.5)?];
/// let sum = LinearForm::new(&[1.0, 1.0], 0.0, &coins)?;
/// assert!(sum.cdf(0.0).contains(0.375) && sum.cdf(1.0).contains(0.875));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "crate::stored::Discrete", into = "crate::stored::Discrete")
)]
pub struct Discrete {
    atoms: Vec<Atom>,
    support: (f64, f64),
    mean: (f64, f64),
    variance: f64,
}

impl Discrete {
    /// The law of the given values, with probabilities in proportion to the weights. A value may occur twice.
    ///
    /// # Errors
    /// [`DiscreteError`] when there is no value, when a number is missing or out of its range, or when all weights are zero.
    pub fn new(values: &[f64], weights: &[f64]) -> Result<Self, DiscreteError> {
        if values.len() != weights.len() {
            return Err(DiscreteError::LengthMismatch {
                values: values.len(),
                weights: weights.len(),
            });
        }
        if values.is_empty() {
            return Err(DiscreteError::Empty);
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(DiscreteError::NotFinite { index, value: values[index] });
        }
        if let Some(index) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
            return Err(DiscreteError::InvalidWeight { index, weight: weights[index] });
        }
        let (low, high) = (sum_down(weights.iter().copied()), sum_up(weights.iter().copied()));
        if !(low > 0.0 && high.is_finite()) {
            return Err(DiscreteError::InvalidSum { sum: high });
        }
        let atom = |(&value, &weight): (&f64, &f64)| Atom {
            value,
            probability: (div_down(weight, high).max(0.0), div_up(weight, low).min(1.0)),
        };
        let positive = values.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
        Ok(Self::of(positive.map(atom).collect()))
    }

    /// `count` equally likely values, evenly spaced from `low` to `high`; the values are rounded to floats.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn grid(low: f64, high: f64, count: usize) -> Result<Self, DiscreteError> {
        let steps = count.saturating_sub(1).max(1) as f64;
        let value = |i: usize| {
            let place = i as f64 / steps;
            if i + 1 == count && count > 1 { high } else { low * (1.0 - place) + high * place }
        };
        let values: Vec<f64> = (0..count).map(value).collect();
        Self::new(&values, &vec![1.0; count])
    }

    /// 1 with the probability `p`, else 0.
    ///
    /// # Errors
    /// [`DiscreteError::InvalidProbability`] when `p` is not in `[0, 1]`.
    pub fn bernoulli(p: f64) -> Result<Self, DiscreteError> {
        if !(0.0..=1.0).contains(&p) {
            return Err(DiscreteError::InvalidProbability { value: p });
        }
        let zero = Atom { value: 0.0, probability: (sub_down(1.0, p), sub_up(1.0, p)) };
        let one = Atom { value: 1.0, probability: (p, p) };
        Ok(Self::of([zero, one].into_iter().filter(|atom| atom.probability.1 > 0.0).collect()))
    }

    /// The law of these values with bounds of their probabilities, if there can be one.
    #[cfg(feature = "serde")]
    pub(crate) fn from_atoms(atoms: Vec<Atom>) -> Result<Self, DiscreteError> {
        if atoms.is_empty() {
            return Err(DiscreteError::Empty);
        }
        for (index, atom) in atoms.iter().enumerate() {
            let (value, (lower, upper)) = (atom.value, atom.probability);
            if !value.is_finite() {
                return Err(DiscreteError::NotFinite { index, value });
            }
            if !(0.0 <= lower && lower <= upper && upper <= 1.0) {
                return Err(DiscreteError::InvalidBounds { lower, upper });
            }
        }
        let lower = sum_down(atoms.iter().map(|atom| atom.probability.0));
        let upper = sum_up(atoms.iter().map(|atom| atom.probability.1));
        if lower <= 1.0 && 1.0 <= upper {
            Ok(Self::of(atoms))
        } else {
            Err(DiscreteError::InvalidBounds { lower, upper })
        }
    }

    /// The law of at least one atom.
    fn of(atoms: Vec<Atom>) -> Self {
        let least = atoms.iter().map(|a| a.value).fold(f64::INFINITY, f64::min);
        let greatest = atoms.iter().map(|a| a.value).fold(f64::NEG_INFINITY, f64::max);
        // Above the least value all terms are positive.
        let rises_down = atoms.iter().map(|a| mul_down(a.probability.0, sub_down(a.value, least)));
        let rises_up = atoms.iter().map(|a| mul_up(a.probability.1, sub_up(a.value, least)));
        let mean = (
            add_down(least, sum_down(rises_down)).clamp(least, greatest),
            add_up(least, sum_up(rises_up)).clamp(least, greatest),
        );
        let square = |a: &Atom| {
            let distance = sub_up(a.value, mean.0).max(sub_up(mean.0, a.value));
            mul_up(a.probability.1, mul_up(distance, distance))
        };
        // About any centre the mean square is at least the variance.
        let variance = sum_up(atoms.iter().map(square));
        Self { atoms, support: (least, greatest), mean, variance }
    }
}

impl Distribution for Discrete {
    fn support(&self) -> (f64, f64) {
        self.support
    }

    fn mean(&self) -> (f64, f64) {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.variance
    }

    /// ```text
    /// K(s) ≤ M + ln Σ pᵢ exp(s(vᵢ - E X) - M),     M = max s(vᵢ - E X);     and Hoeffding's lemma
    /// ```
    fn log_mgf(&self, s: f64) -> f64 {
        let lemma = half_up(mul_up(mul_up(s, s), self.variance_proxy()));
        let exponent = |atom: &Atom| {
            let deviation = if s < 0.0 {
                sub_down(atom.value, self.mean.1)
            } else {
                sub_up(atom.value, self.mean.0)
            };
            mul_up(s, deviation)
        };
        let largest = self.atoms.iter().map(exponent).fold(f64::NEG_INFINITY, f64::max);
        if !largest.is_finite() {
            return lemma;
        }
        let term =
            |atom: &Atom| mul_up(atom.probability.1, exp_up(sub_up(exponent(atom), largest)));
        let logarithm = add_up(largest, ln_up(sum_up(self.atoms.iter().map(term))));
        lemma.min(logarithm.max(0.0))
    }

    fn tilted_moments(&self, s: f64) -> (f64, f64) {
        let centre = self.mean.0;
        let largest =
            self.atoms.iter().map(|a| s * (a.value - centre)).fold(f64::NEG_INFINITY, f64::max);
        let sums = self.atoms.iter().fold((0.0, 0.0, 0.0), |(total, first, second), atom| {
            let deviation = atom.value - centre;
            let weight = atom.probability.1 * libm::exp(s * deviation - largest);
            (total + weight, first + weight * deviation, second + weight * deviation * deviation)
        });
        let mean = sums.1 / sums.0;
        (mean, sums.2 / sums.0 - mean * mean)
    }

    fn spectrum(&self) -> Spectrum {
        Spectrum::Decaying { order: 0.0, scale: 0.0, peak: f64::INFINITY }
    }

    /// The errors of a term are those of its probability, of the argument (three roundings) and of sine and cosine.
    fn characteristic(&self, s: f64) -> Characteristic {
        let (mut real, mut imaginary, mut error) = (0.0, 0.0, 0.0);
        for atom in &self.atoms {
            let (low, high) = atom.probability;
            let argument = s * (atom.value - self.mean.0);
            real += high * libm::cos(argument);
            imaginary += high * libm::sin(argument);
            error += (high - low) + high * (argument.abs() + 8.0) * 2.0 * f64::EPSILON;
        }
        let sums = self.atoms.len() as f64 * f64::EPSILON;
        let error = if error.is_finite() { 1.01 * error + 2.0 * sums } else { 2.0 };
        Characteristic { real, imaginary, error }
    }

    fn atoms(&self) -> &[Atom] {
        &self.atoms
    }
}
