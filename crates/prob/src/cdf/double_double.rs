//! Numbers of two floats, some 106 bits.
//!
//! # References
//! 1. M. Joldes, J.-M. Muller, V. Popescu, *Tight and rigorous error bounds for basic building blocks of double-word
//!    arithmetic*, ACM Transactions on Mathematical Software 44, 2017. With `u = 2^-53` the relative errors are below `4u²` for
//!    sums and `8u²` for products, in the absence of underflow and overflow.

/// The unevaluated sum `high + low`, where `|low|` is at most half a unit in the last place of `high`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DoubleDouble {
    pub(super) high: f64,
    pub(super) low: f64,
}

/// The exact sum, as its rounded value and the rounding error (2Sum).
pub(super) fn two_sum(a: f64, b: f64) -> DoubleDouble {
    let high = a + b;
    let b_virtual = high - a;
    let a_virtual = high - b_virtual;
    DoubleDouble { high, low: (a - a_virtual) + (b - b_virtual) }
}

/// The exact sum for `|a| ≥ |b|` or `a = 0`.
fn fast_two_sum(a: f64, b: f64) -> DoubleDouble {
    let high = a + b;
    DoubleDouble { high, low: b - (high - a) }
}

/// Two halves of 26 bits each (Veltkamp), for moderate numbers.
fn split(a: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * a;
    let high = scaled - (scaled - a);
    (high, a - high)
}

/// The exact product of moderate numbers (Dekker).
fn two_product(a: f64, b: f64) -> DoubleDouble {
    let high = a * b;
    let ((a1, a2), (b1, b2)) = (split(a), split(b));
    DoubleDouble { high, low: ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2 }
}

impl DoubleDouble {
    pub(super) const ZERO: Self = Self { high: 0.0, low: 0.0 };

    pub(super) fn add(self, other: Self) -> Self {
        let (high, low) = (two_sum(self.high, other.high), two_sum(self.low, other.low));
        let head = fast_two_sum(high.high, high.low + low.high);
        fast_two_sum(head.high, low.low + head.low)
    }

    pub(super) fn add_float(self, other: f64) -> Self {
        let sum = two_sum(self.high, other);
        fast_two_sum(sum.high, self.low + sum.low)
    }

    pub(super) fn negate(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        let product = two_product(self.high, other.high);
        let cross = self.high * other.low + self.low * other.high;
        fast_two_sum(product.high, product.low + cross)
    }
}
