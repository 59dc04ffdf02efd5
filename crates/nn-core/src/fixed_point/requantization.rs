//! From the accumulator of a neuron to its value.

use core::fmt;

use super::{IntegerInterval, Multiplier, Rounding};

/// The step function from the accumulator of a neuron to its value.
///
/// ```text
/// y = clamp(round(multiplier · a) + zero_point, clamp)
/// ```
///
/// It never falls as `a` grows. What it does is thus told by the accumulators at
/// which it rises: [`Requantization::threshold`].
///
/// The product and the rounding are exact. Runtimes that form the product in `f32`, or
/// round it twice, compute another step function, which differs on few accumulators.
///
/// # Examples
///
/// ```
/// use nncert_core::fixed_point::{IntegerInterval, Multiplier, Requantization, Rounding};
///
/// // QVIP: four fractional bits too many, rounded half up, clamped to ⟨+,6,4⟩.
/// let step = Requantization {
///     multiplier: Multiplier::power_of_two(4)?,
///     rounding: Rounding::HalfUp,
///     zero_point: 0,
///     clamp: IntegerInterval::new(0, 63)?,
/// };
/// assert_eq!((step.apply(39), step.apply(40), step.apply(-7)), (2, 3, 0));
/// assert_eq!(step.threshold(3), Some(40));
///
/// // An int8 runtime: a real multiplier and a zero point.
/// let step = Requantization {
///     multiplier: Multiplier::new(f64::from(0.1f32))?,
///     rounding: Rounding::HalfEven,
///     zero_point: -128,
///     clamp: IntegerInterval::new(-128, 127)?,
/// };
/// // The f32 closest to 0.1 is above it, so 25 times it is no tie.
/// assert_eq!((step.apply(0), step.apply(25), step.apply(9999)), (-128, -125, 127));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// QVIP, section 2.2 (shifts); Jacob et al., *Quantization and training of neural
/// networks for efficient integer-arithmetic-only inference*, section 2.2 (real
/// multipliers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Requantization {
    /// What the accumulator is multiplied by.
    pub multiplier: Multiplier,
    /// How the product is rounded.
    pub rounding: Rounding,
    /// The value that stands for zero.
    pub zero_point: i64,
    /// The values that there are.
    pub clamp: IntegerInterval,
}

impl Requantization {
    /// The value for the accumulator `a`.
    ///
    /// Guarantee: exact for every `a`.
    #[must_use]
    pub fn apply(&self, a: i64) -> i64 {
        // At most 63 + 53 bits.
        let product = i128::from(a) * i128::from(self.multiplier.mantissa());
        let rounded = match self.multiplier.shift() {
            // An overflow is far beyond every clamp.
            left @ ..0 => product.saturating_mul(1 << left.unsigned_abs()),
            right => self.rounding.shift_right(product, right.unsigned_abs()),
        };
        let (lower, upper) = (i128::from(self.clamp.lower()), i128::from(self.clamp.upper()));
        let value = rounded.saturating_add(i128::from(self.zero_point)).clamp(lower, upper);
        // Between two `i64`.
        #[allow(clippy::cast_possible_truncation)]
        let value = value as i64;
        value
    }

    /// The least accumulator whose value is at least `t`; `None` if no `i64` is.
    ///
    /// ```text
    /// min { a : apply(a) ≥ t }
    /// ```
    ///
    /// For `t` at or below the clamp that is `i64::MIN`: every accumulator.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn threshold(&self, t: i64) -> Option<i64> {
        if t <= self.clamp.lower() {
            return Some(i64::MIN);
        }
        if t > self.clamp.upper() {
            return None;
        }
        let least = self.least_reaching(i128::from(t) - i128::from(self.zero_point));
        if least < i128::from(i64::MIN) { Some(i64::MIN) } else { i64::try_from(least).ok() }
    }

    /// The least `a` with `round(multiplier · a) ≥ k`; beyond the `i64` where that is.
    fn least_reaching(&self, k: i128) -> i128 {
        // a · 2 mantissa / 2^shift must reach 2k - 1, or 2k where only that is rounded to k.
        let (edge, reached) = match self.rounding {
            Rounding::Floor => (2 * k, true),
            nearest => (2 * k - 1, nearest.takes_half_below(k)),
        };
        let twice = 2 * i128::from(self.multiplier.mantissa());
        let (numerator, denominator) = match self.multiplier.shift() {
            left @ ..0 => (edge, twice << left.unsigned_abs()),
            // Where this saturates, the quotient is still beyond 2^72.
            right => (edge.saturating_mul(1 << right.unsigned_abs()), twice),
        };
        let floor = numerator.div_euclid(denominator);
        let is_on_edge = numerator.rem_euclid(denominator) == 0;
        if is_on_edge && reached { floor } else { floor + 1 }
    }

    /// The accumulators whose value is `t`, if there are some.
    ///
    /// Guarantee: exact.
    ///
    /// # Examples
    ///
    /// ```
    /// # use nncert_core::fixed_point::{IntegerInterval, Multiplier, Requantization, Rounding};
    /// let relu = Requantization {
    ///     multiplier: Multiplier::power_of_two(2)?,
    ///     rounding: Rounding::Floor,
    ///     zero_point: 0,
    ///     clamp: IntegerInterval::new(0, 15)?,
    /// };
    /// assert_eq!(relu.preimage(5), Some(IntegerInterval::new(20, 23)?));
    /// assert_eq!(relu.preimage(15), Some(IntegerInterval::new(60, i64::MAX)?));
    /// assert_eq!(relu.preimage(16), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn preimage(&self, t: i64) -> Option<IntegerInterval> {
        if !self.clamp.contains(t) {
            return None;
        }
        let lower = self.threshold(t)?;
        let above = if t == self.clamp.upper() { None } else { self.threshold(t + 1) };
        let upper = match above {
            Some(above) => above.checked_sub(1)?,
            None => i64::MAX,
        };
        IntegerInterval::new(lower, upper).ok()
    }

    /// The values of accumulators in an interval: exactly the ends, since the function
    /// never falls.
    #[must_use]
    pub fn image(&self, a: IntegerInterval) -> IntegerInterval {
        IntegerInterval::ordered(self.apply(a.lower()), self.apply(a.upper()))
    }
}

/// `clamp(half-up(a · 2^-9) + 0, [0, 63])`, without a zero point of 0.
impl fmt::Display for Requantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { multiplier, rounding, zero_point, clamp } = self;
        match zero_point {
            0 => write!(f, "clamp({rounding}(a · {multiplier}), {clamp})"),
            _ => write!(f, "clamp({rounding}(a · {multiplier}) + {zero_point}, {clamp})"),
        }
    }
}
