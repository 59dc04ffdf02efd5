//! The Gaussian law cut to an interval.

use crate::distribution::{Characteristic, Distribution, Spectrum};
use crate::rounding::{
    MARGIN_ULPS, add_down, add_up, div_down, div_up, exp_up, half_down, half_up, ln_up, mul_down,
    mul_up, sub_down, sub_up, sum_up,
};

/// Why four numbers are not a truncated Gaussian law.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TruncatedGaussianError {
    /// The centre, or the deviation, is infinite, NaN, or a deviation that is not positive.
    #[error("centre {centre} and deviation {deviation} are not those of a Gaussian law")]
    InvalidGaussian {
        /// The centre.
        centre: f64,
        /// The standard deviation before the cut.
        deviation: f64,
    },
    /// The interval is not finite, or has no width.
    #[error("interval [{lower}, {upper}] is empty or not finite")]
    InvalidInterval {
        /// The lower endpoint.
        lower: f64,
        /// The upper endpoint.
        upper: f64,
    },
    /// The interval does not contain the centre, is narrower than a millionth of the deviation, or wider than 60 deviations.
    #[error(
        "interval [{lower}, {upper}] does not suit a Gaussian law of centre {centre} and deviation {deviation}"
    )]
    OutOfProportion {
        /// The lower endpoint.
        lower: f64,
        /// The upper endpoint.
        upper: f64,
        /// The centre.
        centre: f64,
        /// The standard deviation before the cut.
        deviation: f64,
    },
}

/// The Gaussian law of centre `μ` and standard deviation `σ`, on the condition of lying in `[l, u]`, which contains `μ`.
///
/// ```text
/// α = (l - μ)/σ,  β = (u - μ)/σ,  W(α, β) = ∫ over [α, β] of exp(-z²/2),  density exp(-z²/2)/(σW)  at z = (x - μ)/σ
/// E X = μ + σ (exp(-α²/2) - exp(-β²/2))/W
/// ln E exp(s(X - μ)) = σ²s²/2 + ln(W(α - σs, β - σs)/W(α, β))
/// ```
///
/// The law is more concave than the Gaussian, so that its variance and its variance proxy are at most `σ²`; if it is symmetric it
/// is a mixture of centred uniform laws, so that they are at most `(u - l)²/12`.
///
/// Guarantee: the support is exact, every other number sound.
///
/// # Examples
/// ```
/// use nncert_prob::{Distribution, TruncatedGaussian};
///
/// let law = TruncatedGaussian::new(0.5, 0.1, 0.0, 1.0)?;
/// assert!(law.mean().0 <= 0.5 && 0.5 <= law.mean().1);
/// assert!(law.variance() <= 0.010_000_001);
/// # Ok::<(), nncert_prob::TruncatedGaussianError>(())
/// ```
///
/// # References
/// 1. S. Boucheron, G. Lugosi, P. Massart, *Concentration Inequalities*, Oxford University Press, 2013, chapter 5: a
///    density `exp(-V)` with `V'' ≥ 1/σ²` has a logarithmic Sobolev inequality, and by Herbst's argument the proxy `σ²`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(
        try_from = "crate::stored::TruncatedGaussian",
        into = "crate::stored::TruncatedGaussian"
    )
)]
pub struct TruncatedGaussian {
    centre: f64,
    deviation: f64,
    lower: f64,
    upper: f64,
    /// Bounds of `W(α, β)`.
    weight: (f64, f64),
    mean: (f64, f64),
}

impl TruncatedGaussian {
    /// The Gaussian law of the given centre and standard deviation, cut to `[lower, upper]`.
    ///
    /// # Errors
    /// [`TruncatedGaussianError`] when a number is not finite, the deviation not positive, the interval empty or without the
    /// centre, or when interval and deviation are out of all proportion.
    pub fn new(
        centre: f64,
        deviation: f64,
        lower: f64,
        upper: f64,
    ) -> Result<Self, TruncatedGaussianError> {
        if !(centre.is_finite() && deviation > 0.0 && deviation.is_finite()) {
            return Err(TruncatedGaussianError::InvalidGaussian { centre, deviation });
        }
        if !(lower < upper && lower.is_finite() && upper.is_finite()) {
            return Err(TruncatedGaussianError::InvalidInterval { lower, upper });
        }
        let width = (upper - lower) / deviation;
        let proportionate = (1e-6..=60.0).contains(&width) && (1e-140..1e140).contains(&deviation);
        if !(lower <= centre && centre <= upper && proportionate) {
            return Err(TruncatedGaussianError::OutOfProportion {
                lower,
                upper,
                centre,
                deviation,
            });
        }
        let mut law =
            Self { centre, deviation, lower, upper, weight: (0.0, 0.0), mean: (lower, upper) };
        law.weight = law.mass();
        law.mean = law.centre_of_mass();
        Ok(law)
    }

    /// The centre `μ` of the Gaussian law.
    #[must_use]
    pub const fn centre(&self) -> f64 {
        self.centre
    }

    /// The standard deviation `σ` of the Gaussian law.
    #[must_use]
    pub const fn deviation(&self) -> f64 {
        self.deviation
    }

    /// Bounds of `-α` and of `β`, both at least 0.
    fn reaches(&self) -> [(f64, f64); 2] {
        [(self.lower, self.centre), (self.centre, self.upper)].map(|(a, b)| {
            let down = div_down(sub_down(b, a), self.deviation);
            (down.max(0.0), div_up(sub_up(b, a), self.deviation).max(0.0))
        })
    }

    /// Bounds of `W(α, β) = √(π/2)(erf(-α/√2) + erf(β/√2))`: two terms that are not negative.
    fn mass(&self) -> (f64, f64) {
        let half = |reach: f64| ROOT_HALF_PI * libm::erf(reach * core::f64::consts::FRAC_1_SQRT_2);
        let [below, above] = self.reaches();
        let (low, high) = (half(below.0) + half(above.0), half(below.1) + half(above.1));
        // The argument's rounding, the constants, erf and the products: below 16 units of 2^-53.
        (low * (1.0 - RELATIVE_ERROR), high * (1.0 + RELATIVE_ERROR))
    }

    /// Bounds of the mean, from `exp(-α²/2) - exp(-β²/2)`.
    fn centre_of_mass(&self) -> (f64, f64) {
        let [below, above] = self.reaches();
        let fall = |reach: f64| -half_up(mul_up(reach, reach));
        let rise = |reach: f64| -0.5 * mul_down(reach, reach);
        let (low_a, high_a) = (exp_down(fall(below.1)), exp_up(rise(below.0)));
        let (low_b, high_b) = (exp_down(fall(above.1)), exp_up(rise(above.0)));
        let ratio = |difference: f64| {
            (
                if difference < 0.0 {
                    div_down(difference, self.weight.0)
                } else {
                    div_down(difference, self.weight.1)
                },
                if difference < 0.0 {
                    div_up(difference, self.weight.1)
                } else {
                    div_up(difference, self.weight.0)
                },
            )
        };
        let shift = if self.is_symmetric() {
            (0.0, 0.0)
        } else {
            (ratio(sub_down(low_a, high_b)).0, ratio(sub_up(high_a, low_b)).1)
        };
        (
            add_down(self.centre, mul_down(self.deviation, shift.0)).clamp(self.lower, self.upper),
            add_up(self.centre, mul_up(self.deviation, shift.1)).clamp(self.lower, self.upper),
        )
    }

    /// Whether the centre is exactly in the middle.
    fn is_symmetric(&self) -> bool {
        let below = (sub_down(self.centre, self.lower), sub_up(self.centre, self.lower));
        let above = (sub_down(self.upper, self.centre), sub_up(self.upper, self.centre));
        below.0 == below.1 && above.0 == above.1 && below.0 == above.0
    }
}

/// `√(π/2)`.
const ROOT_HALF_PI: f64 = 1.253_314_137_315_500_3;

/// The relative error of [`TruncatedGaussian::mass`].
const RELATIVE_ERROR: f64 = 8.0 * f64::EPSILON;

/// A lower bound of `e^x`.
fn exp_down(x: f64) -> f64 {
    (0..MARGIN_ULPS).fold(libm::exp(x), |value, _| value.next_down()).max(0.0)
}

impl Distribution for TruncatedGaussian {
    fn support(&self) -> (f64, f64) {
        (self.lower, self.upper)
    }

    fn mean(&self) -> (f64, f64) {
        self.mean
    }

    fn variance(&self) -> f64 {
        let ((low, high), (least, greatest)) = (self.mean, self.support());
        let bhatia_davis = mul_up(sub_up(greatest, low).max(0.0), sub_up(high, least).max(0.0));
        self.variance_proxy().min(bhatia_davis)
    }

    fn variance_proxy(&self) -> f64 {
        let half = half_up(sub_up(self.upper, self.lower));
        let square = mul_up(half, half);
        let bounded = if self.is_symmetric() { div_up(square, 3.0) } else { square };
        bounded.min(mul_up(self.deviation, self.deviation))
    }

    /// The closed form, while the tilted interval still has a weight of its own; else the sub-Gaussian bound.
    fn log_mgf(&self, s: f64) -> f64 {
        let proxy = half_up(mul_up(mul_up(s, s), self.variance_proxy()));
        // Mirrored for a negative s; t = σ|s|.
        let [below, above] = self.reaches();
        let (behind, ahead) = if s < 0.0 { (above, below) } else { (below, above) };
        let t = (mul_down(self.deviation, s.abs()), mul_up(self.deviation, s.abs()));
        if t.1.is_nan() || t.1 >= 1e3 {
            return proxy;
        }
        // W(α - t, β - t): from -(behind + t) to ahead - t.
        let weight = log_weight_up(add_up(behind.1, t.1), sub_up(ahead.1, t.0));
        let square = half_up(mul_up(t.1, t.1));
        let drift = if s < 0.0 {
            sub_down(self.centre, self.mean.1)
        } else {
            sub_down(self.mean.0, self.centre)
        };
        let whole = ln_up(div_up(1.0, self.weight.0));
        let drift = mul_down(s.abs(), drift);
        let value = sum_up([square, weight, whole, -drift]);
        if value.is_finite() { proxy.min(value.max(0.0)) } else { proxy }
    }

    /// The density rises and falls once: its variation is twice its peak.
    fn spectrum(&self) -> Spectrum {
        let peak = div_up(1.0, mul_down(self.deviation, self.weight.0));
        Spectrum::Decaying { order: 1.0, scale: 2.000_001 * peak, peak }
    }

    /// The integral of `exp(-z²/2 + iωz)` with `ω = σs`, by quadrature or by parts.
    fn characteristic(&self, s: f64) -> Characteristic {
        let frequency = s * self.deviation;
        let (start, end) = (
            (self.lower - self.centre) / self.deviation,
            (self.upper - self.centre) / self.deviation,
        );
        let integral = wave_integral(start, end, frequency, self.weight.0);
        // From the centre to the lower end of the mean.
        let turn = s * (self.centre - self.mean.0);
        let (sine, cosine) = (libm::sin(turn), libm::cos(turn));
        let (real, imaginary) = (integral.real / self.weight.1, integral.imaginary / self.weight.1);
        let error = 1.01 * integral.error / self.weight.0
            + (self.weight.1 - self.weight.0) / self.weight.0
            + (16.0 + 4.0 * turn.abs()) * f64::EPSILON;
        Characteristic {
            real: real * cosine - imaginary * sine,
            imaginary: imaginary * cosine + real * sine,
            error: if error.is_finite() { error.min(2.0) } else { 2.0 },
        }
    }
}

/// More panels than this are not summed.
const MAX_PANELS: f64 = 4096.0;

/// Positive nodes and weights of the Gauss-Legendre quadrature with 20 nodes.
const NODES: [(f64, f64); 10] = [
    (0.07652652113349734, 0.15275338713072584),
    (0.22778585114164507, 0.14917298647260374),
    (0.37370608871541955, 0.14209610931838204),
    (0.5108670019508271, 0.13168863844917664),
    (0.636053680726515, 0.11819453196151841),
    (0.7463319064601508, 0.10193011981724044),
    (0.8391169718222188, 0.08327674157670475),
    (0.912234428251326, 0.06267204833410907),
    (0.9639719272779138, 0.04060142980038694),
    (0.9931285991850949, 0.017614007139152118),
];

/// The integral of `exp(-z²/2 + iωz)` from `start ≤ 0` to `end ≥ 0`, each with four roundings; `weight` is its value at `ω = 0`.
fn wave_integral(start: f64, end: f64, frequency: f64, weight: f64) -> Characteristic {
    let count = libm::ceil((end - start) * 0.5 * (frequency.abs() / 4.0).max(1.0) + 1e-6);
    let remainder = libm::pow(frequency.abs(), -f64::from(PARTS)) * ROOT_OF_PARTS;
    if count > 4.0 && remainder <= 1e-15 * weight {
        let (upper, lower) = (parts(end, frequency), parts(start, frequency));
        return Characteristic {
            real: upper.real - lower.real,
            imaginary: upper.imaginary - lower.imaginary,
            error: upper.error + lower.error + 1.01 * remainder,
        };
    }
    if count.is_nan() || count >= MAX_PANELS {
        return Characteristic { real: 0.0, imaginary: 0.0, error: 2.0 * weight };
    }
    quadrature(start, end, frequency, count, weight)
}

/// Gauss-Legendre quadrature of 20 nodes on panels `|z - z₀| ≤ h`, with `h ≤ 1` and `h|ω| ≤ 4`.
///
/// On the Bernstein ellipse of parameter 6 around a panel the imaginary part is at most `2.92h`, so that the integrand is at
/// most `exp((2.92h)²/2 + 2.92h|ω|) ≤ e^16`, and the error of a panel `64/15 h e^16 6^-38/(1 - 6^-2) < 2e-22 h`.
fn quadrature(start: f64, end: f64, frequency: f64, count: f64, weight: f64) -> Characteristic {
    let half = 0.5 * (end - start) / count;
    let (mut real, mut imaginary) = (0.0, 0.0);
    for panel in 0..count as usize {
        let middle = start + (2 * panel + 1) as f64 * half;
        for (node, weight) in NODES {
            for z in [middle - half * node, middle + half * node] {
                let density = half * weight * libm::exp(-0.5 * z * z);
                real += density * libm::cos(frequency * z);
                imaginary += density * libm::sin(frequency * z);
            }
        }
    }
    // A node is off by 4 units of the reach, at most 60: that moves the phase, and little else; ends and sums likewise.
    let reach = start.abs().max(end.abs()).min(60.0);
    let units = 64.0 + 40.0 * count + 8.0 * (reach + 1.0) * (frequency.abs() + 2.0);
    Characteristic { real, imaginary, error: weight * units * f64::EPSILON + 2e-22 * (end - start) }
}

/// How often the integral is taken by parts.
const PARTS: u32 = 24;

/// `√(2π 24!)`, rounded up.
const ROOT_OF_PARTS: f64 = 1.98e12;

/// The antiderivative of `exp(-z²/2 + iωz)` by parts, with the Hermite polynomials `He`:
///
/// ```text
/// Σ_{k < 24} Heₖ(x) exp(-x²/2 + iωx)/(iω)^{k+1},     rest ω^-24 ∫ |He₂₄(z)| exp(-z²/2) dz ≤ ω^-24 √(2π 24!)
/// ```
///
/// The rest, by the Cauchy-Schwarz inequality and the norm of `He₂₄`, is that of the whole integral; the error here is that of
/// the arithmetic, bounded by the recurrence of absolute values.
fn parts(x: f64, frequency: f64) -> Characteristic {
    let (ratio, square) = (x / frequency, 1.0 / (frequency * frequency));
    let (mut before, mut here) = (0.0, 1.0 / frequency);
    let (mut size_before, mut size) = (0.0, here.abs());
    let (mut real, mut imaginary, mut total) = (0.0, 0.0, 0.0);
    for k in 0..PARTS {
        // 1/i^(k+1) is -i, -1, i, 1, …
        match k % 4 {
            0 => imaginary -= here,
            1 => real -= here,
            2 => imaginary += here,
            _ => real += here,
        }
        total += size;
        let order = f64::from(k) * square;
        (before, here) = (here, ratio * here - order * before);
        (size_before, size) = (size, ratio.abs() * size + order * size_before);
    }
    let density = libm::exp(-0.5 * x * x);
    let (sine, cosine) = (libm::sin(frequency * x), libm::cos(frequency * x));
    let units = 256.0 + 8.0 * x * x + 8.0 * (x * frequency).abs();
    Characteristic {
        real: density * (real * cosine - imaginary * sine),
        imaginary: density * (real * sine + imaginary * cosine),
        error: density * total * units * f64::EPSILON + 1e-300,
    }
}

/// An upper bound of `ln ∫ over [-a, b] of exp(-z²/2)` for `a ≥ 0` and `b > -a`.
///
/// Far out it is Mills' `ln(exp(-b²/2)/|b|)`.
fn log_weight_up(a: f64, b: f64) -> f64 {
    let scaled = |x: f64| x * core::f64::consts::FRAC_1_SQRT_2;
    if b >= 0.0 {
        let sum = libm::erf(scaled(a)) + libm::erf(scaled(b));
        return ln_up(ROOT_HALF_PI * sum * (1.0 + RELATIVE_ERROR));
    }
    let distance = -b;
    if distance > 35.0 {
        return add_up(-half_down(mul_down(distance, distance)), ln_up(div_up(1.0, distance)));
    }
    // The argument's error moves the logarithm of erfc by at most 2x² + 1 times as much.
    let relative = |x: f64| (4.0 * x * x + 16.0) * f64::EPSILON;
    let near = ROOT_HALF_PI * libm::erfc(scaled(distance)) * (1.0 + relative(distance));
    let far =
        if a < 35.0 { ROOT_HALF_PI * libm::erfc(scaled(a)) * (1.0 - relative(a)) } else { 0.0 };
    ln_up(sub_up(near, far).max(f64::MIN_POSITIVE))
}
