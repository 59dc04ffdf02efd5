//! The upper tail of the binomial law, with a bound on its error.
//!
//! ```text
//! P(Bin(n, x) ≥ k) = I_x(a, b) = xᵃyᵇ/B(a, b) · 1/(β₀ + α₁/(β₁ + α₂/(β₂ + …))),    a = k, b = n - k + 1, y = 1 - x
//! αₘ = (a + m - 1)(a + b + m - 1) m (b - m) x²/(a + 2m - 1)²
//! βₘ = m + m(b - m)x/(a + 2m - 1) + (a + m)(a + 1 - (a + b)x + m(2 - x))/(a + 2m + 1)
//! ```
//!
//! Left of `x = (a + 1)/(a + b)` every `αₘ`, `βₘ` is positive up to `α_b = 0`, so that successive convergents enclose the value,
//! and the recurrences of numerator and denominator add positive numbers only: each step adds a known relative error. The factor
//! in front is one exponential of a sum in double-double arithmetic, since its terms are of the size of `n` and nearly cancel.
//!
//! # References
//! 1. A. DiDonato, A. Morris, *Significant digit computation of the incomplete beta function ratios*, ACM TOMS 18, 1992.

use crate::double_double::{DoubleDouble, ln_factorial};
use crate::rounding::{exp_up, mul_up};

/// Relative error of a sum of logarithms in double-double arithmetic, of the sum of their magnitudes (2^-88).
const EXPONENT_ERROR: f64 = f64::from_bits((1023 - 88) << 52);

/// What one step of the recurrences adds to the relative error of a convergent, in units of 2^-53: 11 roundings in `αₘ`, fewer in
/// `βₘ`, 2 of `x` and 2 of the step itself, for numerator and denominator.
const STEP_ERROR: f64 = 32.0 * f64::EPSILON / 2.0;

/// The fraction ends when its convergents agree to this part of their rounding error.
const AGREEMENT: f64 = 0.25;

/// Below this the products of double-double arithmetic may lose digits; tails are not evaluated there.
const LEAST_SIDE: f64 = 1e-280;

/// Above this the numbers of the recurrence are scaled down.
const LARGE: f64 = 1e140;

/// `P(Bin(n, x) ≥ k)` at some `x`, enclosed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailValue {
    /// An upper bound.
    pub(crate) up: f64,
    /// A lower bound.
    pub(crate) down: f64,
    /// The logarithm of the value, about.
    pub(crate) ln: f64,
    /// The derivative of that logarithm by `x`, about: right to the part `error` of it.
    pub(crate) slope: f64,
    pub(crate) error: f64,
}

impl TailValue {
    const NOTHING: Self = Self { up: 1.0, down: 0.0, ln: 0.0, slope: 0.0, error: 1.0 };
}

/// The upper tail `P(Bin(n, x) ≥ k)` as a function of `x`, for `1 ≤ k ≤ n ≤ 2^31`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpperTail {
    a: f64,
    b: f64,
    /// `-ln B(a, b)`, and the magnitude of its terms.
    constant: DoubleDouble,
    magnitude: f64,
}

impl UpperTail {
    pub(crate) fn new(k: u64, n: u64) -> Self {
        let terms = [ln_factorial(n), ln_factorial(k - 1).neg(), ln_factorial(n - k).neg()];
        Self {
            a: k as f64,
            b: (n - k + 1) as f64,
            constant: terms[0].add(terms[1]).add(terms[2]),
            magnitude: terms.iter().map(|term| term.hi.abs()).sum(),
        }
    }

    /// `P(Bin(n, x) ≥ n - k + 1)`, which is what this tail lacks to 1 at `1 - x`.
    pub(crate) fn of_rest(&self) -> Self {
        Self { a: self.b, b: self.a, ..*self }
    }

    /// The tail at the probability whose small side this is.
    pub(crate) fn at(&self, side: f64, of_complement: bool) -> TailValue {
        if !(LEAST_SIDE..1.0).contains(&side) {
            return TailValue::NOTHING;
        }
        let (small, large) = (DoubleDouble::new(side), DoubleDouble::one_minus(side));
        let (x, y) = if of_complement { (large, small) } else { (small, large) };
        // a + 1 - (a + b)x = 1 + ay - bx, where nothing large cancels.
        let excess = y.scale(self.a).sub(x.scale(self.b)).add(DoubleDouble::new(1.0)).get();
        if excess.is_nan() || excess <= 0.0 {
            return TailValue::NOTHING;
        }
        let (fraction, error) = self.fraction(x.get(), excess);
        let (x_term, y_term) = (x.ln().scale(self.a), y.ln().scale(self.b));
        let exponent = self.constant.add(x_term).add(y_term);
        let magnitude = self.magnitude + x_term.hi.abs() + y_term.hi.abs();
        // e^(h + l) ≤ e^h (1 + 2l) for 0 ≤ l < 1; the error of the exponent is far below that.
        let rest = exponent.lo + EXPONENT_ERROR * magnitude + 1e-19;
        let front = mul_up(exp_up(exponent.hi), (1.0 + rest + rest * rest).next_up());
        let up = mul_up(front, mul_up(fraction, (1.0 + error).next_up()));
        // The upper bound exceeds the value by less than this part of it: convergent, exponent, and ten roundings.
        let width = 4.0 * error + 4.0 * EXPONENT_ERROR * magnitude + 16.0 * f64::EPSILON;
        let down = (up * (1.0 - width)).max(0.0);
        let plain = exponent.get() + libm::log(fraction);
        let slope = 1.0 / (x.get() * y.get() * fraction);
        TailValue { up: up.min(1.0), down, ln: plain, slope, error: width }
    }

    /// An upper convergent of the fraction, and how far, relatively, it may lie below the value for its rounding errors.
    fn fraction(&self, x: f64, excess: f64) -> (f64, f64) {
        let (a, b) = (self.a, self.b);
        // Numerators and denominators of the convergents 1/β₀, 1/(β₀ + α₁/β₁), …
        let beta_0 = a * excess / (a + 1.0);
        let (mut p0, mut p1, mut q0, mut q1) = (0.0, 1.0, 1.0, beta_0);
        let (mut previous, mut m) = (1.0 / beta_0, 1.0);
        // 1/(a + 2m - 1), which the step before needs too.
        let mut before = 1.0 / (a + 1.0);
        let square = x * x;
        loop {
            let after = 1.0 / (a + 2.0 * m + 1.0);
            let rest = m * (b - m);
            let alpha = ((a + m - 1.0) * before) * ((a + b + m - 1.0) * before) * rest * square;
            let step = m + rest * x * before + (a + m) * (excess + m * (2.0 - x)) * after;
            before = after;
            if alpha <= 0.0 {
                // The fraction ends: the convergent before is the value.
                return (previous, (m + 2.0) * STEP_ERROR);
            }
            (p0, p1) = (p1, step * p1 + alpha * p0);
            (q0, q1) = (q1, step * q1 + alpha * q0);
            if q1 > LARGE {
                (p0, p1, q0, q1) = (p0 / LARGE, p1 / LARGE, q0 / LARGE, q1 / LARGE);
            }
            let next = p1 / q1;
            let error = (m + 2.0) * STEP_ERROR;
            if (next - previous).abs() <= AGREEMENT * error * next {
                return (next.max(previous), error);
            }
            (previous, m) = (next, m + 1.0);
        }
    }
}
