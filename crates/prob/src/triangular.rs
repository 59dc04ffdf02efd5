//! The triangular law on an interval.

use crate::distribution::{Characteristic, Distribution, Spectrum};
use crate::rounding::{
    add_down, add_up, div_down, div_up, exp_up, half_up, ln_up, mul_down, mul_up, sub_down, sub_up,
    sum_up, ulps_up,
};

/// Why three numbers are not a triangular law.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TriangularError {
    /// A number is infinite or NaN.
    #[error("triangle {lower}, {mode}, {upper} is not finite")]
    NotFinite {
        /// The lower endpoint.
        lower: f64,
        /// The mode.
        mode: f64,
        /// The upper endpoint.
        upper: f64,
    },
    /// The numbers do not ascend, or the interval has no width.
    #[error("triangle {lower}, {mode}, {upper} is not in order")]
    OutOfOrder {
        /// The lower endpoint.
        lower: f64,
        /// The mode.
        mode: f64,
        /// The upper endpoint.
        upper: f64,
    },
}

/// The triangular law on `[l, u]` with the mode `m`.
///
/// ```text
/// E X = (l + m + u)/3        Var X = ((u - l)² - (m - l)(u - m))/18
/// X = m + (u - m)B with probability p = (u - m)/(u - l), else m - (m - l)B;    B of density 2(1 - b) on [0, 1]
/// E exp(zB) = 2(e^z - 1 - z)/z²
/// ```
///
/// Guarantee: the support is exact, every other number sound.
///
/// # Examples
/// ```
/// use nncert_prob::{Distribution, Triangular};
///
/// let law = Triangular::new(0.0, 0.25, 1.0)?;
/// assert!(law.mean().0 <= 1.25 / 3.0 && 1.25 / 3.0 <= law.mean().1);
/// assert!(Triangular::new(0.0, 2.0, 1.0).is_err());
/// # Ok::<(), nncert_prob::TriangularError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "crate::stored::Triangular", into = "crate::stored::Triangular")
)]
pub struct Triangular {
    lower: f64,
    mode: f64,
    upper: f64,
}

impl Triangular {
    /// The triangular law on `[lower, upper]`, `lower < upper`, with a mode anywhere in it.
    ///
    /// # Errors
    /// [`TriangularError::NotFinite`] when a number is infinite or NaN, [`TriangularError::OutOfOrder`] unless
    /// `lower ≤ mode ≤ upper` and `lower < upper`.
    pub fn new(lower: f64, mode: f64, upper: f64) -> Result<Self, TriangularError> {
        if !(lower.is_finite() && mode.is_finite() && upper.is_finite()) {
            Err(TriangularError::NotFinite { lower, mode, upper })
        } else if !(lower <= mode && mode <= upper && lower < upper) {
            Err(TriangularError::OutOfOrder { lower, mode, upper })
        } else {
            Ok(Self { lower, mode, upper })
        }
    }

    /// The mode `m`.
    #[must_use]
    pub const fn mode(&self) -> f64 {
        self.mode
    }

    /// Lower and upper bounds of `m - l`, of `u - m` and of `u - l`.
    fn sides(&self) -> [(f64, f64); 3] {
        let side = |a: f64, b: f64| (sub_down(b, a), sub_up(b, a));
        [side(self.lower, self.mode), side(self.mode, self.upper), side(self.lower, self.upper)]
    }

    /// Whether the mode is exactly in the middle.
    fn is_symmetric(&self) -> bool {
        let [below, above, _] = self.sides();
        below.0 == below.1 && above.0 == above.1 && below.0 == above.0
    }
}

impl Distribution for Triangular {
    fn support(&self) -> (f64, f64) {
        (self.lower, self.upper)
    }

    /// `l + ((m - l) + (u - l))/3`
    fn mean(&self) -> (f64, f64) {
        let [below, _, whole] = self.sides();
        let rise =
            (div_down(add_down(below.0, whole.0), 3.0), div_up(add_up(below.1, whole.1), 3.0));
        (
            add_down(self.lower, rise.0).clamp(self.lower, self.upper),
            add_up(self.lower, rise.1).clamp(self.lower, self.upper),
        )
    }

    fn variance(&self) -> f64 {
        let [below, above, whole] = self.sides();
        let numerator =
            sub_up(mul_up(whole.1, whole.1), mul_down(below.0.max(0.0), above.0.max(0.0)));
        div_up(numerator, 18.0)
    }

    /// The variance if the law is symmetric, as it then is that of the sum of two uniform variables; else Hoeffding's lemma.
    fn variance_proxy(&self) -> f64 {
        let half = half_up(self.sides()[2].1);
        let lemma = mul_up(half, half);
        if self.is_symmetric() { self.variance().min(lemma) } else { lemma }
    }

    fn log_mgf(&self, s: f64) -> f64 {
        let proxy = half_up(mul_up(mul_up(s, s), self.variance_proxy()));
        let [below, above, whole] = self.sides();
        // |s| times the sides toward which the exponential rises, and away from it.
        let (size, toward, away, mean) = (s.abs(), above, below, self.mean());
        let (toward, away) = if s < 0.0 { (away, toward) } else { (toward, away) };
        // The distance of the mean beyond the mode, in the direction of s, at least.
        let shift = if s < 0.0 { sub_down(self.mode, mean.1) } else { sub_down(mean.0, self.mode) };
        let top = mul_up(size, toward.1);
        if !(top < 600.0 && whole.0 > 0.0) {
            return proxy;
        }
        let rising = mul_up(div_up(toward.1, whole.0), moment_up(top));
        let falling = mul_up(div_up(away.1, whole.0), moment_up(-mul_down(size, away.0)));
        let logarithm = sub_up(ln_up(add_up(rising, falling)), mul_down(size, shift));
        proxy.min(logarithm.max(0.0))
    }

    fn spectrum(&self) -> Spectrum {
        let [below, above, whole] = self.sides();
        let peak = div_up(2.0, whole.0);
        if below.0 > 0.0 && above.0 > 0.0 {
            // The slope rises, falls and rises again, by twice the sum of its values.
            let variation = 2.0 * (div_up(peak, below.0) + div_up(peak, above.0));
            Spectrum::Decaying { order: 2.0, scale: 1.000_001 * libm::sqrt(variation), peak }
        } else {
            Spectrum::Decaying { order: 1.0, scale: 2.000_001 * peak, peak }
        }
    }

    fn characteristic(&self, s: f64) -> Characteristic {
        let (below, above) = (self.mode - self.lower, self.upper - self.mode);
        let whole = self.upper - self.lower;
        let (right, left) = (wave(s * above), wave(-s * below));
        let (p, q) = (above / whole, below / whole);
        let (real, imaginary) = (p * right.0 + q * left.0, p * right.1 + q * left.1);
        let turn = s * (self.mode - self.mean().0);
        let (sine, cosine) = (libm::sin(turn), libm::cos(turn));
        // Each wave is within 32 units of 2^-53, as is the rest; the turn has three roundings of its argument.
        let error = (64.0 + 4.0 * turn.abs()) * f64::EPSILON;
        Characteristic {
            real: real * cosine - imaginary * sine,
            imaginary: real * sine + imaginary * cosine,
            error: if error.is_finite() { error } else { 2.0 },
        }
    }
}

/// An upper bound of `E exp(zB) = 2(e^z - 1 - z)/z²` for `z < 600`; it rises with `z`.
fn moment_up(z: f64) -> f64 {
    if z.abs() <= 1.0 {
        // 2 Σ z^k/(k + 2)!; the nested values lie in [0.6, 1.6], the rest after k = 18 is below 1e-18.
        let series = (1..=18).rev().fold(1.0, |tail, k| 1.0 + z / f64::from(k + 2) * tail);
        ulps_up(series, 16)
    } else if z > 0.0 {
        let numerator = sub_up(exp_up(z), add_down(1.0, z));
        div_up(2.0 * numerator, mul_down(z, z))
    } else {
        let numerator = sum_up([exp_up(z), -1.0, -z]);
        if z < -1e150 { 2.0 } else { div_up(2.0 * numerator, mul_down(z, z)) }
    }
}

/// `E exp(ixB) = 2(1 + ix - e^{ix})/x²`, real and imaginary part.
fn wave(x: f64) -> (f64, f64) {
    if x.abs() <= 1.5 {
        let y = x * x;
        // 2 Σ (-y)^k/(2k + 2)! and 2x Σ (-y)^k/(2k + 3)!
        let real = (1..=10).rev().fold(1.0, |tail, k| {
            let n = f64::from(2 * k);
            1.0 - y / ((n + 1.0) * (n + 2.0)) * tail
        });
        let imaginary = (1..=10).rev().fold(1.0, |tail, k| {
            let n = f64::from(2 * k);
            1.0 - y / ((n + 2.0) * (n + 3.0)) * tail
        });
        (real, x / 3.0 * imaginary)
    } else {
        let half = libm::sin(0.5 * x) / (0.5 * x);
        // 1 - cos x = 2 sin²(x/2)
        (half * half, 2.0 * (1.0 - libm::sin(x) / x) / x)
    }
}
