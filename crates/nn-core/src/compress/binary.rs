//! Exact arithmetic with powers of two.

/// `2^exponent`.
///
/// # Panics
///
/// When that is not a normal number: outside `-1022..=1023`.
pub(crate) fn power_of_two(exponent: i32) -> f64 {
    assert!((-1022..=1023).contains(&exponent), "2^{exponent} is not a normal number");
    f64::from_bits(u64::from((exponent + 1023).cast_unsigned()) << 52)
}

/// `e` with `2^e ≤ |x| < 2^(e+1)`; at most -1023 for zero and subnormal numbers.
pub(crate) fn exponent(x: f64) -> i32 {
    let biased = (x.to_bits() >> 52) & 0x7ff;
    i32::try_from(biased).expect("eleven bits") - 1023
}

/// `⌊z + 1/2⌋` without the rounding of the sum.
pub(crate) fn round_half_up(z: f64) -> f64 {
    // `z - floor` is exact, except for -1/2 < z < 0, where it stays at least 1/2.
    let floor = z.floor();
    if z - floor >= 0.5 { floor + 1.0 } else { floor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_and_exponents_agree() {
        for e in -1022..=1023 {
            let power = power_of_two(e);
            assert_eq!((exponent(power), exponent(power.next_up())), (e, e));
            assert_eq!(exponent(-power.next_down()), if e == -1022 { -1023 } else { e - 1 });
        }
        assert_eq!((power_of_two(0), power_of_two(-3), power_of_two(10)), (1.0, 0.125, 1024.0));
    }

    #[test]
    fn halves_go_up() {
        let below = 0.5f64.next_down();
        // The naive floor(z + 0.5) is wrong for the first and the last two.
        let odd = 2f64.powi(52) + 1.0;
        for (z, rounded) in [
            (below, 0.0),
            (0.5, 1.0),
            (-0.5, 0.0),
            (-0.5f64.next_down(), 0.0),
            (-0.5f64.next_up(), -1.0),
            (-1.5, -1.0),
            (2.5, 3.0),
            (-2.5, -2.0),
            (-1e-300, 0.0),
            (odd, odd),
            (-odd, -odd),
        ] {
            assert_eq!(round_half_up(z), rounded, "{z:e}");
        }
    }
}
