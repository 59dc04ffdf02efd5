//! A linear form as the distribution function needs it: centred, scaled, sorted by kind of law.

use super::sincs::{OCTAVES, ROUNDOFF, Sincs};
use crate::distribution::{Characteristic, Distribution, Spectrum};
use crate::linear_form::LinearForm;
use crate::rounding::{half_down, half_up, mul_down, mul_up, sub_down, sub_up};

/// A term `c(X - m)` whose law is not uniform.
#[derive(Debug)]
pub(super) struct Factor<'a> {
    /// The coefficient, scaled.
    coefficient: f64,
    law: &'a dyn Distribution,
    /// The width of the support.
    width: f64,
    order: f64,
    scale: f64,
}

impl Factor<'_> {
    /// The characteristic function at `s`; the argument has a relative error of a unit of roundoff.
    pub(super) fn characteristic(&self, s: f64) -> Characteristic {
        let argument = self.coefficient * s;
        let phi = self.law.characteristic(argument);
        let shift = 2.0 * ROUNDOFF * argument.abs() * self.width;
        Characteristic { error: phi.error + shift, ..phi }
    }

    /// A number `e` and a slope `q` with `|φ(λs)| ≤ e λ^-q` for all `λ ≥ 1`.
    pub(super) fn envelope(&self, s: f64) -> (f64, f64) {
        let ratio = self.scale / (self.coefficient.abs() * s) * (1.0 + 8.0 * ROUNDOFF);
        if ratio < 1.0 && self.order > 0.0 {
            (libm::pow(ratio, self.order) * (1.0 + 1e-12), self.order)
        } else {
            (1.0, 0.0)
        }
    }
}

/// The centred form in units of a power of two in which its largest half-width lies in `[1, 2)`.
#[derive(Debug)]
pub(super) struct Scaled<'a> {
    /// The unit is `2^exponent`.
    exponent: i32,
    pub(super) sincs: Sincs,
    /// The half-widths of the uniform terms, largest first.
    pub(super) uniforms: Vec<f64>,
    pub(super) others: Vec<Factor<'a>>,
    /// How far the scaled terms together are from the form, surely.
    pub(super) disturbance: f64,
    /// A bound of the sum of the half-widths and of what the others can be away from zero.
    pub(super) range: f64,
    /// The sub-Gaussian variance proxy.
    pub(super) proxy: f64,
    /// A bound of the density; infinite if there is none.
    pub(super) density: f64,
}

/// Why a form has no [`Scaled`].
#[derive(Debug)]
pub(super) enum Unscaled {
    /// The form is constant.
    Constant,
    /// A law does not tell its spectrum, or a number is out of hand.
    Unknown,
}

/// A term before scaling: half-width (of the support), its rounding error, and whether it is uniform.
fn half_width<D: Distribution>(c: f64, law: &D) -> (f64, f64) {
    let (lower, upper) = law.support();
    let product = c.abs() * (0.5 * (upper - lower));
    if product > 1e-280 && product < 1e290 && (upper - lower) > 1e-280 {
        return (product, 4.0 * ROUNDOFF * product);
    }
    let low = mul_down(c.abs(), half_down(sub_down(upper, lower)));
    let high = mul_up(c.abs(), half_up(sub_up(upper, lower)));
    (high, sub_up(high, low.max(0.0)))
}

impl<'a> Scaled<'a> {
    pub(super) fn new<D: Distribution>(form: &'a LinearForm<'a, D>) -> Result<Self, Unscaled> {
        let terms = || form.coefficients().iter().copied().zip(form.inputs());
        let widest = terms().map(|(c, x)| half_width(c, x).0).fold(0.0, f64::max);
        if widest == 0.0 {
            return Err(Unscaled::Constant);
        }
        if !(widest > 1e-280 && widest < 1e280) {
            return Err(Unscaled::Unknown);
        }
        let exponent = libm::ilogb(widest);
        let scale = |value: f64| libm::scalbn(value, -exponent);
        let smallest = libm::scalbn(1.0, 1 - OCTAVES as i32);
        let (mut uniforms, mut others) = (Vec::new(), Vec::new());
        let (mut disturbance, mut range, mut peak) = (0.0, 0.0, f64::INFINITY);
        for (c, law) in terms() {
            let (half, error) = half_width(c, law);
            if half == 0.0 {
                continue;
            }
            let (a, e) = (scale(half), scale(error));
            if a < smallest {
                disturbance += 2.0 * a + e;
                continue;
            }
            match law.spectrum() {
                Spectrum::Uniform => {
                    uniforms.push(a);
                    disturbance += e;
                    range += a;
                }
                Spectrum::Decaying { order, scale: start, peak: top } => {
                    let coefficient = scale(c);
                    if coefficient.abs() < 1e-280 || coefficient.abs() > 1e280 {
                        return Err(Unscaled::Unknown);
                    }
                    let (lower, upper) = law.support();
                    let width = sub_up(upper, lower);
                    others.push(Factor { coefficient, law, width, order, scale: start });
                    range += 2.0 * a + e;
                    if order > 0.0 {
                        peak = peak.min(1.001 * top / coefficient.abs());
                    }
                }
                Spectrum::Unknown => return Err(Unscaled::Unknown),
            }
        }
        let squares = uniforms.iter().map(|a| a * a).sum::<f64>();
        if squares > 0.0 {
            // Ball's theorem: sections of the unit cube have at most the area √2.
            peak = peak.min(0.708 / libm::sqrt(squares));
            peak = peak.min(0.501 / uniforms.iter().copied().fold(0.0, f64::max));
        }
        let proxy = scale(scale(form.moments().variance_proxy)) * 1.001;
        if !(proxy > 0.0 && proxy.is_finite() && range.is_finite()) {
            return Err(Unscaled::Unknown);
        }
        uniforms.sort_unstable_by(|a, b| b.total_cmp(a));
        Ok(Self {
            exponent,
            sincs: Sincs::new(uniforms.clone()),
            uniforms,
            others,
            // Sums of positive numbers, of fewer than 2^40 terms.
            disturbance: 1.001 * disturbance,
            range: 1.001 * range,
            proxy,
            density: peak,
        })
    }

    /// A number in the scaled unit.
    pub(super) fn scaled(&self, value: f64) -> f64 {
        libm::scalbn(value, -self.exponent)
    }
}
