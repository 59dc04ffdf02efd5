//! The distribution function as a Fourier series.
//!
//! A square wave of half-period `π/ω ≥ r + |x|` equals the indicator of `y ≤ x` for `|y| ≤ r`. Its mean is
//!
//! ```text
//! E h(Y) = 1/2 + 2/π Σ over odd k of 1/k E sin(kω(x - Y)),   |P(Y ≤ x) - E h(Y)| ≤ P(|Y| > r)
//! ```
//!
//! and the means of the sines are the characteristic function of `Y`. With `r` eight standard deviations the series
//! has a dozen terms for many inputs; what is cut off is bounded by an envelope of the characteristic function.
//!
//! # References
//! 1. J. Gil-Pelaez, *Note on the inversion theorem*, Biometrika 38, 1951.

use core::f64::consts::{FRAC_1_PI, PI};

use super::double_double::two_sum;
use super::sincs::{Approximation, ROUNDOFF, Sincs};
use super::spectrum::Factor;
use crate::bracket::{CdfMethod, ProbabilityBracket};

/// The probability of `|Y| > r` that is given away.
const OUTSIDE: f64 = 1e-14;

/// `√(2 ln(2/OUTSIDE))`, rounded up: the sub-Gaussian quantile.
const QUANTILE: f64 = 8.12;

/// What may be cut off the series.
const CUT_OFF: f64 = 2e-15;

/// What a series may cost, in sines: some milliseconds.
const BUDGET: usize = 1 << 17;

/// What a term costs beside the sines of its larger factors.
const TERM_COST: usize = 8;

/// The characteristic function of `Y`, as the product of that of its uniform and its other terms.
#[derive(Debug)]
pub(super) struct Series<'a> {
    pub(super) sincs: &'a Sincs,
    pub(super) others: &'a [Factor<'a>],
    /// 1 for `Y` itself, -1 for `-Y`.
    pub(super) sign: f64,
    /// `Y` is sub-Gaussian with the proxy `v` around a mean within `shift` of zero, and never beyond `range`.
    pub(super) proxy: f64,
    pub(super) shift: f64,
    pub(super) range: f64,
}

impl Series<'_> {
    /// A bracket of `P(±Y ≤ x)` and of `P(±Y < x)` for an exact `x`.
    pub(super) fn cdf(&self, x: f64) -> ProbabilityBracket {
        let Some((omega, outside)) = self.wave(x) else {
            return ProbabilityBracket::unknown();
        };
        let (last, cut_off) = self.last(omega);
        let (mut sum, mut low, mut magnitude, mut error) = (0.0, 0.0, 0.0, 0.0);
        for k in (1..=last).step_by(2) {
            // Exact: ω has 24 bits and k fewer than 28.
            let (order, s) = (k as f64, k as f64 * omega);
            let mean = self.mean_of_sine(s, x);
            let term = mean.value / order;
            let partial = two_sum(sum, term);
            sum = partial.high;
            low += partial.low;
            magnitude += term.abs();
            error += mean.error / order + 2.0 * ROUNDOFF * term.abs();
        }
        let value = 0.5 + 2.0 * FRAC_1_PI * (sum + low);
        let radius = 0.64 * error + cut_off + outside + 4.0 * ROUNDOFF * (1.0 + magnitude);
        ProbabilityBracket::around(value, 1.000_001 * radius, CdfMethod::Fourier)
    }

    /// The frequency `ω`, of 24 bits, of a wave that is right for `|x - y| ≤ π/ω`, and the probability of anything beyond.
    fn wave(&self, x: f64) -> Option<(f64, f64)> {
        let quantile = 1.001 * QUANTILE * libm::sqrt(self.proxy) + self.shift;
        let (reach, outside) =
            if quantile < self.range { (quantile, OUTSIDE) } else { (1.001 * self.range, 0.0) };
        let omega = short(0.999_999 * PI / (reach + x.abs()));
        (omega > 1e-200 && omega < 1e200).then_some((omega, outside))
    }

    /// `E |x - Y|` for a sum of uniform terms alone, by the series of a triangle wave of half-period `H = π/ω`:
    ///
    /// ```text
    /// |z| = H/2 - 4H/π² Σ over odd k of cos(kωz)/k²   for |z| ≤ H
    /// ```
    ///
    /// Beyond `H` the wave is lower; with `r` standard deviations' worth of reach that costs
    /// `E |z| 1{|Y| > r} ≤ (r + |x| + v/r) P(|Y| > r) ≤ 2H P`.
    pub(super) fn mean_distance(&self, x: f64) -> Option<Approximation> {
        let (omega, outside) = self.wave(x)?;
        let (last, cut_off) = self.last(omega);
        let (mut sum, mut error) = (0.0, 0.0);
        for k in (1..=last).step_by(2) {
            let (order, s) = (k as f64, k as f64 * omega);
            let phi = self.sincs.value(s);
            let argument = s * x;
            let term = libm::cos(argument) * phi.value / (order * order);
            sum += term;
            let phase_error = ROUNDOFF * (argument.abs() + 8.0) * phi.value.abs();
            // The last product, the quotient and the partial sum, which is below 2.
            error += (phi.error + phase_error) / (order * order) + 4.0 * ROUNDOFF;
        }
        let half_period = PI / omega;
        Some(Approximation {
            value: half_period * (0.5 - 4.0 * FRAC_1_PI * FRAC_1_PI * sum),
            error: 1.01 * half_period * (0.41 * error + cut_off + 2.0 * outside + 8.0 * ROUNDOFF),
        })
    }

    /// `E sin(s(x ∓ Y))`.
    ///
    /// The argument `s x` has a relative error of a unit of roundoff, sine and cosine one of four.
    fn mean_of_sine(&self, s: f64, x: f64) -> Approximation {
        let sincs = self.sincs.value(s);
        let argument = s * x;
        let phase_error = ROUNDOFF * (argument.abs() + 8.0);
        if self.others.is_empty() {
            return Approximation {
                value: libm::sin(argument) * sincs.value,
                error: 1.01 * (sincs.error + sincs.value.abs() * phase_error),
            };
        }
        let (mut real, mut imaginary, mut size, mut error) =
            (sincs.value, 0.0, sincs.value.abs(), sincs.error);
        for factor in self.others {
            let phi = factor.characteristic(s);
            let modulus = (libm::hypot(phi.real, phi.imaginary) + phi.error).min(1.0);
            error =
                1.000_000_1 * (error * (modulus + phi.error) + size * (phi.error + 8.0 * ROUNDOFF));
            size = 1.000_000_1 * (size * modulus + error);
            (real, imaginary) = (
                real * phi.real - imaginary * phi.imaginary,
                real * phi.imaginary + imaginary * phi.real,
            );
        }
        Approximation {
            value: libm::sin(argument) * real - self.sign * libm::cos(argument) * imaginary,
            error: 1.01 * (2.0 * error + 2.0 * size * phase_error),
        }
    }

    /// A bound of the terms from the odd `k` on: `2/π Σ |φ(kω)|/k`.
    fn rest(&self, k: usize, omega: f64) -> f64 {
        let (order, s) = (k as f64, k as f64 * omega);
        let (mut bound, mut slope) = self.sincs.envelope(s);
        for factor in self.others {
            let (size, decay) = factor.envelope(s);
            bound *= size;
            slope += decay;
        }
        if slope > 0.0 { 0.64 * bound * (1.0 / order + 0.501 / slope) } else { f64::INFINITY }
    }

    /// The last odd `k` of the series, and a bound of what it leaves out.
    fn last(&self, omega: f64) -> (usize, f64) {
        let affordable = |k: usize| {
            let sines = self.sincs.cost(k as f64 * omega) + self.others.len() * 8;
            k / 2 * (TERM_COST + sines) <= BUDGET
        };
        let enough = |k: usize| self.rest(k + 2, omega) <= CUT_OFF;
        let (mut low, mut high) = (0, 1);
        while high < BUDGET && !enough(2 * high + 1) && affordable(2 * high + 1) {
            low = high;
            high *= 2;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if enough(2 * middle + 1) || !affordable(2 * middle + 1) {
                high = middle;
            } else {
                low = middle;
            }
        }
        let last = 2 * high + 1;
        (last, self.rest(last + 2, omega))
    }
}

/// The number cut to 24 significant bits, toward zero.
fn short(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & !((1 << 29) - 1))
}
