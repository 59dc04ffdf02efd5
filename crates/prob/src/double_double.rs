//! Numbers of twice the precision: an unevaluated sum of two floats.
//!
//! Sums, products and quotients have a relative error below 2^-100, logarithms one below 2^-94 (away from 1, where the
//! error is absolute). Arguments stay far from overflow, and products far from underflow.
//!
//! # References
//! 1. M. Joldes, J.-M. Muller, V. Popescu, *Tight and rigorous error bounds for basic building blocks of double-word
//!    arithmetic*, ACM TOMS 44, 2017.

/// `hi + lo`, with `|lo|` at most half a unit in the last place of `hi`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DoubleDouble {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

/// Terms of the series of the inverse hyperbolic tangent.
const TERMS: usize = 21;

/// From this term on one float is precise enough: the powers before it are below 2^-55.
const PLAIN_TERMS_FROM: usize = 11;

/// `1/(2j + 1)`.
const ODD_RECIPROCALS: [DoubleDouble; TERMS] = {
    let mut table = [DoubleDouble::ZERO; TERMS];
    let mut j = 0;
    while j < TERMS {
        table[j] = DoubleDouble::new(1.0).div(DoubleDouble::new((2 * j + 1) as f64));
        j += 1;
    }
    table
};

const LN_2: DoubleDouble =
    DoubleDouble { hi: core::f64::consts::LN_2, lo: f64::from_bits(0x3c7a_bc9e_3b39_803f) };

/// The exact sum of two floats as a float and its rounding error.
const fn two_sum(a: f64, b: f64) -> DoubleDouble {
    let hi = a + b;
    let b_virtual = hi - a;
    DoubleDouble { hi, lo: (a - (hi - b_virtual)) + (b - b_virtual) }
}

/// The same for `|a| ≥ |b|`.
const fn fast_two_sum(a: f64, b: f64) -> DoubleDouble {
    let hi = a + b;
    DoubleDouble { hi, lo: b - (hi - a) }
}

/// Two halves of 26 bits.
const fn split(a: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * a;
    let high = scaled - (scaled - a);
    (high, a - high)
}

/// The exact product of two floats (Dekker's, which a constant can call).
const fn two_product(a: f64, b: f64) -> DoubleDouble {
    let hi = a * b;
    let ((a1, a2), (b1, b2)) = (split(a), split(b));
    DoubleDouble { hi, lo: ((a1 * b1 - hi) + a1 * b2 + a2 * b1) + a2 * b2 }
}

impl DoubleDouble {
    pub(crate) const ZERO: Self = Self::new(0.0);

    pub(crate) const fn new(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }

    /// `1 - x`, without error, for `x` in `[0, 1]`.
    pub(crate) const fn one_minus(x: f64) -> Self {
        two_sum(1.0, -x)
    }

    pub(crate) const fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }

    pub(crate) const fn add(self, other: Self) -> Self {
        let (s, t) = (two_sum(self.hi, other.hi), two_sum(self.lo, other.lo));
        let s = fast_two_sum(s.hi, s.lo + t.hi);
        fast_two_sum(s.hi, s.lo + t.lo)
    }

    pub(crate) const fn sub(self, other: Self) -> Self {
        self.add(other.neg())
    }

    pub(crate) const fn mul(self, other: Self) -> Self {
        let p = two_product(self.hi, other.hi);
        fast_two_sum(p.hi, p.lo + (self.hi * other.lo + self.lo * other.hi))
    }

    pub(crate) const fn scale(self, factor: f64) -> Self {
        self.mul(Self::new(factor))
    }

    pub(crate) const fn div(self, other: Self) -> Self {
        let q1 = self.hi / other.hi;
        let r = self.sub(other.scale(q1));
        let q2 = r.hi / other.hi;
        let q3 = r.sub(other.scale(q2)).hi / other.hi;
        fast_two_sum(q1, q2).add(Self::new(q3))
    }

    /// `ln x`, for `x > 0`.
    ///
    /// ```text
    /// x = 2ᵉ m,  √½ ≤ m ≤ √2,    ln x = e ln 2 + 2 artanh((m - 1)/(m + 1))
    /// ```
    pub(crate) fn ln(self) -> Self {
        let (mut m, mut e) = libm::frexp(self.hi);
        if m < core::f64::consts::FRAC_1_SQRT_2 {
            (m, e) = (2.0 * m, e - 1);
        }
        let mantissa = Self { hi: m, lo: libm::ldexp(self.lo, -e) };
        let one = Self::new(1.0);
        let s = mantissa.sub(one).div(mantissa.add(one));
        let square = s.mul(s);
        let plain = (PLAIN_TERMS_FROM..TERMS)
            .rev()
            .fold(0.0, |sum, j| sum * square.hi + ODD_RECIPROCALS[j].hi);
        let sum = (0..PLAIN_TERMS_FROM)
            .rev()
            .fold(Self::new(plain), |sum, j| sum.mul(square).add(ODD_RECIPROCALS[j]));
        LN_2.scale(f64::from(e)).add(s.mul(sum).scale(2.0))
    }

    /// The nearest float.
    pub(crate) const fn get(self) -> f64 {
        self.hi + self.lo
    }
}

/// Below this `n!` is multiplied out; above, Stirling's series is as precise.
const MULTIPLIED_OUT: u64 = 32;

/// `ln n!`, with a relative error below 2^-90.
///
/// ```text
/// ln n! = (n + ½) ln n - n + ½ ln 2π + Σⱼ B₂ⱼ/(2j(2j - 1) n^(2j-1))
/// ```
pub(crate) fn ln_factorial(n: u64) -> DoubleDouble {
    if n < MULTIPLIED_OUT {
        return (2..=n).fold(DoubleDouble::new(1.0), |product, j| product.scale(j as f64)).ln();
    }
    let x = DoubleDouble::new(n as f64);
    let reciprocal = DoubleDouble::new(1.0).div(x);
    let square = reciprocal.mul(reciprocal);
    let series = STIRLING
        .iter()
        .rev()
        .fold(DoubleDouble::ZERO, |sum, &term| sum.mul(square).add(term))
        .mul(reciprocal);
    x.add(DoubleDouble::new(0.5)).mul(x.ln()).sub(x).add(HALF_LN_2_PI).add(series)
}

/// `B₂ⱼ/(2j(2j - 1))` . At n = 32 the term left out is 5e-29 of the sum.
const STIRLING: [DoubleDouble; 9] = [
    fraction(1.0, 12.0),
    fraction(-1.0, 360.0),
    fraction(1.0, 1260.0),
    fraction(-1.0, 1680.0),
    fraction(1.0, 1188.0),
    fraction(-691.0, 360_360.0),
    fraction(1.0, 156.0),
    fraction(-3617.0, 122_400.0),
    fraction(43867.0, 244_188.0),
];

const fn fraction(numerator: f64, denominator: f64) -> DoubleDouble {
    DoubleDouble::new(numerator).div(DoubleDouble::new(denominator))
}

/// `½ ln 2π`.
const HALF_LN_2_PI: DoubleDouble = DoubleDouble {
    hi: f64::from_bits(0x3fed_67f1_c864_beb5),
    lo: f64::from_bits(0xbc86_5b5a_1b7f_f5df),
};

#[cfg(test)]
mod tests;
