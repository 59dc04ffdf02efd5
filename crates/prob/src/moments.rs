//! The numbers of a linear form that the tail bounds share.

use crate::distribution::{Distribution, deviation_above, deviation_below};
use crate::rounding::{mul_down, mul_up, sub_up, sum_down, sum_up};

/// Bounds of the moments and of the range of `Z = c·X + d`, for independent bounded inputs `X`.
///
/// Guarantee: sound. Every number is an upper bound, and every pair an interval that contains what it names; what
/// exceeds the largest float is infinite. A stored form keeps the guarantee only if its reader rounds correctly;
/// `serde_json` does with its feature `float_roundtrip`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Moments {
    /// An interval that contains the mean `E Z = Σ cᵢ E Xᵢ + d`.
    pub mean: (f64, f64),
    /// An interval that contains every value of `Z`.
    pub range: (f64, f64),
    /// The variance `Σ cᵢ² Var Xᵢ`.
    pub variance: f64,
    /// The sub-Gaussian variance proxy `Σ cᵢ² vᵢ`, with the proxies `vᵢ` of the inputs.
    pub variance_proxy: f64,
    /// The squared widths `Σ cᵢ² (uᵢ - lᵢ)²`.
    pub squared_widths: f64,
    /// The squared norm `‖c‖² = Σ cᵢ²` of the coefficients.
    pub squared_norm: f64,
    /// The width `K = max (uᵢ - lᵢ)` of the widest input, whatever its coefficient.
    pub largest_width: f64,
    /// How far `Z` can rise above its mean.
    pub deviation_above: f64,
    /// How far `Z` can fall below its mean.
    pub deviation_below: f64,
    /// How far a single `cᵢ Xᵢ` can rise above its mean.
    pub term_deviation_above: f64,
    /// How far a single `cᵢ Xᵢ` can fall below its mean.
    pub term_deviation_below: f64,
}

impl Moments {
    /// The moments of a linear form with as many coefficients as inputs.
    pub(crate) fn of<D: Distribution>(coefficients: &[f64], constant: f64, inputs: &[D]) -> Self {
        let terms = || coefficients.iter().copied().zip(inputs);
        let squares =
            |number: fn(&D) -> f64| sum_up(terms().map(|(c, x)| mul_up(mul_up(c, c), number(x))));
        Self {
            mean: (
                sum_down(terms().map(|(c, x)| product_down(c, x.mean())).chain([constant])),
                sum_up(terms().map(|(c, x)| product_up(c, x.mean())).chain([constant])),
            ),
            range: (
                sum_down(terms().map(|(c, x)| product_down(c, x.support())).chain([constant])),
                sum_up(terms().map(|(c, x)| product_up(c, x.support())).chain([constant])),
            ),
            variance: squares(D::variance),
            variance_proxy: squares(D::variance_proxy),
            squared_widths: squares(|x| mul_up(width(x), width(x))),
            squared_norm: sum_up(coefficients.iter().map(|&c| mul_up(c, c))),
            largest_width: inputs.iter().map(width).fold(0.0, f64::max),
            deviation_above: sum_up(terms().map(|(c, x)| rise(c, x))),
            deviation_below: sum_up(terms().map(|(c, x)| rise(-c, x))),
            term_deviation_above: terms().map(|(c, x)| rise(c, x)).fold(0.0, f64::max),
            term_deviation_below: terms().map(|(c, x)| rise(-c, x)).fold(0.0, f64::max),
        }
    }

    /// The largest distance of `Z` from its mean, `max |Z - E Z|`.
    #[must_use]
    pub fn largest_deviation(&self) -> f64 {
        self.deviation_above.max(self.deviation_below)
    }
}

/// An upper bound of `c · x` for all `x` in the interval.
fn product_up(c: f64, (low, high): (f64, f64)) -> f64 {
    mul_up(c, if c < 0.0 { low } else { high })
}

/// A lower bound of `c · x` for all `x` in the interval.
fn product_down(c: f64, (low, high): (f64, f64)) -> f64 {
    mul_down(c, if c < 0.0 { high } else { low })
}

/// An upper bound of the width of the support.
fn width<D: Distribution>(input: &D) -> f64 {
    let (lower, upper) = input.support();
    sub_up(upper, lower)
}

/// An upper bound of how far `c X` can rise above its mean.
fn rise<D: Distribution>(c: f64, input: &D) -> f64 {
    mul_up(c.abs(), if c < 0.0 { deviation_below(input) } else { deviation_above(input) })
}
