//! Logarithms against 60-digit values of mpmath, as two floats each.

use super::*;

/// Half of what the bounds of the tails allow for the sum of a few logarithms (2^-89).
const ERROR: f64 = f64::from_bits((1023 - 89) << 52);

fn check(value: DoubleDouble, hi: u64, lo: u64) {
    let exact = DoubleDouble { hi: f64::from_bits(hi), lo: f64::from_bits(lo) };
    let difference = value.sub(exact).get().abs();
    assert!(difference <= ERROR * exact.hi.abs(), "{value:?}, not {exact:?}");
}

#[test]
fn logarithms_have_twice_the_digits() {
    for (x, hi, lo) in [
        (0x3fe6a09e667f3bcc, 0xbfd62e42fefa39f1, 0x3c68d8f957c3d43c),
        (0x3fe6a09e667f3bcd, 0xbfd62e42fefa39ee, 0x3c3716fdfdbc882e),
        (0x3ff6a09e667f3bcd, 0x3fd62e42fefa39f0, 0x3c7c2e0e1b1548c2),
        (0x3ff8000000000000, 0x3fd9f323ecbf984c, 0xbc4a92e513217f5c),
        (0x3feccccccccccccd, 0xbfbaf8e8210a415c, 0x3c562ed262461c3c),
        (0x3ddb7cdfd9d7bdbb, 0xc037069e2aa2aa5b, 0x3cbf0b709e89338f),
        (0x4008000000000000, 0x3ff193ea7aad030b, 0xbc9a256f99caabeb),
        (0x05cd0b15a491eb84, 0xc08425ca654e5510, 0x3d2e31588e360f0f),
        (0x41cdcd6500000000, 0x4034b927f32bffb8, 0x3cc99c7a1b0f0f33),
        (0x3feff7ced916872b, 0xbf5064670d979b73, 0xbbde46a88405b99b),
        (0x3fe0000035afe535, 0xbfe62e42939a7039, 0xbc8694f6d5ea53e9),
    ] {
        check(DoubleDouble::new(f64::from_bits(x)).ln(), hi, lo);
    }
}

#[test]
fn factorials_have_twice_the_digits() {
    for (n, hi, lo) in [
        (0, 0x0000000000000000, 0x0000000000000000),
        (1, 0x0000000000000000, 0x0000000000000000),
        (2, 0x3fe62e42fefa39ef, 0x3c7abc9e3b39803f),
        (3, 0x3ffcab0bfa2a2002, 0x3c89136fea076849),
        (20, 0x40452af57aed77be, 0xbc80078c87840e85),
        (31, 0x405385e6fd9e5a40, 0x3cf007d87b0352aa),
        (32, 0x405463b59b942084, 0xbcf9f2786dd48dd5),
        (33, 0x4055437c633ace4a, 0x3ce028d51a87c196),
        (100, 0x4076bbd47b7669b6, 0x3d16eb1b21493d81),
        (1000, 0x40b71820d04e2eb6, 0x3d566e28b9e97936),
        (1000000, 0x41687193cc4f1ea6, 0x3e05672d18294165),
        (1000000000, 0x42125e649ce0e86e, 0x3ea07b94d0a10763),
        (2147483648, 0x42247cd0e719bb70, 0xbec02a61033942e5),
    ] {
        check(ln_factorial(n), hi, lo);
    }
}

#[test]
fn quotients_and_products_invert() {
    for x in [3.0, 7.0, 1e9, 0.1] {
        let third = DoubleDouble::new(1.0).div(DoubleDouble::new(x));
        let rest = third.scale(x).sub(DoubleDouble::new(1.0)).get();
        assert!(rest.abs() < 1e-30, "{rest}");
    }
}
