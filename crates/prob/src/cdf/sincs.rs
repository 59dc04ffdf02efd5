//! The characteristic function of a sum of uniform terms, a product of sincs.
//!
//! ```text
//! φ(s) = Π sinc(aᵢ s),   ln sinc(x) = -Σ_{m ≥ 1} κₘ x^{2m},   κₘ = ζ(2m)/(m π^{2m})
//! ```
//!
//! Terms with `aᵢ s ≤ 1` are taken together: the logarithm of their product is a series in the power sums `Σ aᵢ^{2m}`, which are
//! computed once. One frequency then costs a dozen operations and a sine for each of the larger terms, however many small ones
//! there are. All terms of the series have one sign, so that it does not cancel: its relative error is that of the power sums.
//!
//! The terms are filed by the octave of `aᵢ`, and the power sums of all octaves from one downward are kept in units of that
//! octave, so that nothing overflows or underflows to any effect.

/// Half a unit in the last place of one.
pub(super) const ROUNDOFF: f64 = f64::EPSILON / 2.0;

/// How many terms of the logarithm are used. For `x ≤ 1` the next ones are below `κ₁₅/(1 - π⁻²) < 3e-16/15`.
const ORDER: usize = 14;

/// Octaves below the largest term that are kept.
pub(super) const OCTAVES: usize = 61;

/// `κₘ`, each to a relative `4e-16`.
pub(crate) const LOG_SINC_SERIES: [f64; ORDER] = [
    1.0 / 6.0,
    1.0 / 180.0,
    1.0 / 2835.0,
    1.0 / 37_800.0,
    1.0 / 467_775.0,
    691.0 / 3_831_077_250.0,
    2.0 / 127_702_575.0,
    3617.0 / 2_605_132_530_000.0,
    43_867.0 / 350_813_659_321_125.0,
    174_611.0 / 15_313_294_652_906_250.0,
    1.0502923908637557e-12,
    9.754877841593701e-14,
    9.123468230859098e-15,
    8.5837197618956095e-16,
];

/// Power sums of one octave and all below, in units of twice its lower end.
#[derive(Clone, Copy, Debug)]
struct Octave {
    sums: [f64; ORDER],
    /// How many groups of equal terms lie in higher octaves.
    start: usize,
}

/// A product of sincs.
#[derive(Debug)]
pub(super) struct Sincs {
    /// Distinct terms, largest first, and how often each occurs.
    groups: Vec<(f64, u32)>,
    octaves: Vec<Octave>,
    /// A bound of the relative error of the logarithm.
    relative_error: f64,
}

/// A real number and a bound of its error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Approximation {
    pub(super) value: f64,
    pub(super) error: f64,
}

/// The octave of `a` in `(0, 2)`: 0 for `[1, 2)`, 1 for `[1/2, 1)`, …
fn octave(a: f64) -> usize {
    1023_usize.saturating_sub((a.to_bits() >> 52) as usize)
}

/// `2^exponent` for a small exponent.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

impl Sincs {
    /// The product for numbers in `[2^-60, 2)`, each taken as exact.
    pub(super) fn new(mut terms: Vec<f64>) -> Self {
        terms.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut groups: Vec<(f64, u32)> = Vec::new();
        for &a in &terms {
            match groups.last_mut() {
                Some((last, count)) if *last == a => *count += 1,
                _ => groups.push((a, 1)),
            }
        }
        let deepest = terms.last().map_or(0, |&a| octave(a));
        let mut octaves = vec![Octave { sums: [0.0; ORDER], start: groups.len() }; deepest + 2];
        let mut end = terms.len();
        for j in (0..=deepest).rev() {
            let start = terms.partition_point(|&a| octave(a) < j);
            let mut sums = power_sums(&terms[start..end], power_of_two(j as i32 - 1));
            let (mut unit, below) = (1.0, octaves[j + 1].sums);
            for (sum, smaller) in sums.iter_mut().zip(below) {
                unit *= 0.25;
                *sum += unit * smaller;
            }
            octaves[j] = Octave { sums, start: groups.partition_point(|&(a, _)| octave(a) < j) };
            end = start;
        }
        // Powers 2m ≤ 28, lanes and octaves of the sums, Horner's scheme and coefficients, in units of roundoff.
        let relative_error = (terms.len() as f64 / 8.0 + 160.0) * ROUNDOFF;
        Self { groups, octaves, relative_error }
    }

    /// The power sums of the terms with `a s ≤ 1`, the square of the unit times `s`, and the other groups.
    fn at(&self, s: f64) -> (&[f64; ORDER], f64, &[(f64, u32)]) {
        let mut j = 0;
        let mut unit = 2.0 * s;
        while unit > 1.0 && j + 1 < self.octaves.len() {
            j += 1;
            unit *= 0.5;
        }
        let octave = &self.octaves[j];
        (&octave.sums, unit.min(1.0) * unit.min(1.0), &self.groups[..octave.start])
    }

    /// How many sines the product at `s` costs.
    pub(super) fn cost(&self, s: f64) -> usize {
        self.at(s).2.len()
    }

    /// `φ(s)` for `s > 0`.
    ///
    /// The error of one sinc beyond 1/2 is below 16 units of roundoff, see [`sinc`]; that of the product of `fᵢ` with
    /// `|fᵢ| ≤ bᵢ = min(1, 1/xᵢ)` is at most `Πbᵢ (exp(Σ e/bᵢ) - 1)`.
    pub(super) fn value(&self, s: f64) -> Approximation {
        const SINC_ERROR: f64 = 16.0 * ROUNDOFF;
        let (sums, y, others) = self.at(s);
        let polynomial = sums
            .iter()
            .zip(LOG_SINC_SERIES)
            .rev()
            .fold(0.0, |tail, (sum, kappa)| kappa * sum + y * tail);
        let logarithm = y * polynomial;
        if logarithm > 600.0 {
            return Approximation { value: 0.0, error: 1e-250 };
        }
        let last = LOG_SINC_SERIES[ORDER - 1] * sums[ORDER - 1] * libm::pow(y, ORDER as f64);
        let small = libm::exp(-logarithm);
        let small_error =
            1.01 * small * (logarithm * self.relative_error + 0.2 * last + 8.0 * ROUNDOFF) + 1e-280;
        let (mut product, mut bound, mut steps) = (1.0, 1.0, 0.0);
        for &(a, count) in others {
            let x = a * s;
            let inverse = (1.0 / x).min(1.0);
            product *= power(sinc(x), count);
            bound *= power(inverse, count);
            steps += f64::from(count) / inverse;
        }
        let exponent = steps * SINC_ERROR;
        let error = if exponent < 1.0 { 2.0 * bound * exponent } else { 2.0 };
        let value = small * product;
        Approximation {
            value,
            error: 1.01 * (small_error * (bound + error) + small * error)
                + 2.0 * ROUNDOFF * value.abs(),
        }
    }

    /// A number `e` and a slope `q` with `|φ(λs)| ≤ e λ^-q` for all `λ ≥ 1`.
    ///
    /// ```text
    /// |sinc(y)| ≤ exp(-x²/6) (y/x)^(-x²/3)   for y ≥ x, x ≤ 1.36;        |sinc(y)| ≤ 1/y
    /// ```
    ///
    /// The first follows from `sinc(y) ≤ exp(-y²/6)` up to `π`, concave in `ln y`, and from the second beyond.
    pub(super) fn envelope(&self, s: f64) -> (f64, f64) {
        let (sums, y, others) = self.at(s);
        let small = 0.999 * sums[0] * y;
        let (mut exponent, mut bound, mut slope) = (small / 6.0, 1.0, small / 3.0);
        for &(a, count) in others {
            let (x, multiplicity) = (a * s, f64::from(count));
            if x < 1.36 {
                exponent += 0.999 * multiplicity * x * x / 6.0;
                slope += 0.999 * multiplicity * x * x / 3.0;
            } else {
                bound *= power(1.0 / x, count);
                slope += multiplicity;
            }
        }
        // The factor is far more than the rounding errors of any number of terms that fit into memory.
        (2.0 * bound * libm::exp(-exponent) + 1e-290, 0.999 * slope)
    }
}

/// `Σ (a·scale)^{2m}` for `m = 1..=ORDER`, in eight lanes.
fn power_sums(terms: &[f64], scale: f64) -> [f64; ORDER] {
    let mut lanes = [[0.0; 8]; ORDER];
    for chunk in terms.chunks(8) {
        let mut squares = [0.0; 8];
        for (square, a) in squares.iter_mut().zip(chunk) {
            *square = (a * scale) * (a * scale);
        }
        let mut powers = [1.0; 8];
        for sums in &mut lanes {
            for lane in 0..8 {
                powers[lane] *= squares[lane];
                sums[lane] += powers[lane];
            }
        }
    }
    lanes.map(|sums| sums.iter().sum())
}

/// `sin(x)/x` for `x ≥ 1/2`, where `x` itself has a relative error of a unit of roundoff `u`.
///
/// The sine of `libm` is within an ulp, that is 2u; twice that is assumed. Since `|x sinc'(x)| = |cos x - sinc x| < 1.3`, the
/// error is below `(4 + 1 + 1.3)u`, and each multiplication by it adds one.
fn sinc(x: f64) -> f64 {
    libm::sin(x) / x
}

/// `x^count` by squaring; the relative error is that of `count - 1` products.
fn power(x: f64, count: u32) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, x, count);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}
