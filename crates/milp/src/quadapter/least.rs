//! The least value of an affine form over a set of inputs.

use nncert_bounds::AffineForm;
use nncert_core::Interval;
use nncert_core::directed::{add_down, mul_down, mul_up, sub_down, sub_up};

use super::{HalfSpace, Inputs};

/// How often all multipliers are looked for anew.
const SWEEPS: usize = 3;

impl Inputs {
    /// At most the values of an affine form on the set.
    ///
    /// Of cuts `a_k · x ≥ b_k` it takes what multipliers `λ_k ≥ 0` make of them:
    ///
    /// ```text
    /// min over the box of  c · x + d - Σ λ_k (a_k · x - b_k)
    /// ```
    ///
    /// Guarantee: sound for any multipliers, and rounded down; those that are used are found one
    /// at a time. Without cuts exact but for rounding.
    ///
    /// # Panics
    ///
    /// When the form has not one coefficient for each input.
    #[must_use]
    pub fn least(&self, form: &AffineForm) -> f64 {
        let plain = form.range(self.bounding_box()).lower;
        if self.cuts().is_empty() {
            return plain;
        }
        let mut multipliers = vec![0.0; self.cuts().len()];
        for _ in 0..SWEEPS {
            for index in 0..multipliers.len() {
                multipliers[index] = self.best_multiplier(form, &multipliers, index);
            }
        }
        plain.max(self.least_with(form, &multipliers))
    }

    /// The bound with these multipliers, rounded down; they are not negative.
    fn least_with(&self, form: &AffineForm, multipliers: &[f64]) -> f64 {
        let region = self.bounding_box();
        let pairs = || self.cuts().iter().zip(multipliers).filter(|(_, m)| **m > 0.0);
        let start =
            pairs().fold(form.constant, |sum, (cut, m)| add_down(sum, mul_down(*m, cut.bound)));
        (0..region.dimension()).fold(start, |sum, index| {
            let c = Interval::point(form.coefficients[index]);
            let c = pairs().fold(c, |c, (cut, m)| {
                let a = cut.coefficients[index];
                Interval::new(sub_down(c.lower, mul_up(*m, a)), sub_up(c.upper, mul_down(*m, a)))
            });
            let x = region.interval(index);
            let least = |c: f64| mul_down(c, x.lower).min(mul_down(c, x.upper));
            add_down(sum, least(c.lower).min(least(c.upper)))
        })
    }

    /// The multiplier of a cut at which the bound is largest, the others as they are. A choice,
    /// rounded as it comes.
    ///
    /// The slope of the bound falls with the multiplier, and jumps where a coefficient changes
    /// sign.
    fn best_multiplier(&self, form: &AffineForm, multipliers: &[f64], index: usize) -> f64 {
        let (region, cut) = (self.bounding_box(), &self.cuts()[index]);
        let others: Vec<(&HalfSpace, f64)> = self
            .cuts()
            .iter()
            .zip(multipliers)
            .enumerate()
            .filter(|(other, (_, m))| *other != index && **m > 0.0)
            .map(|(_, (cut, m))| (cut, *m))
            .collect();
        let (mut slope, mut jumps) = (cut.bound, Vec::new());
        for (at, a) in cut.coefficients.iter().copied().enumerate().filter(|(_, a)| *a != 0.0) {
            let c = form.coefficients[at];
            let c = others.iter().fold(c, |c, (cut, m)| c - m * cut.coefficients[at]);
            let x = region.interval(at);
            // The coefficient is c - λ a: where it is positive, the least x counts.
            let positive = c > 0.0 || (c == 0.0 && a < 0.0);
            slope -= a * if positive { x.lower } else { x.upper };
            if c / a > 0.0 {
                jumps.push((c / a, a.abs() * x.width()));
            }
        }
        jumps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut best = 0.0;
        for (at, jump) in jumps {
            if slope.is_nan() || slope <= 0.0 {
                break;
            }
            best = at;
            slope -= jump;
        }
        if best.is_finite() { best } else { 0.0 }
    }
}
