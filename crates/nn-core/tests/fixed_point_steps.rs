//! Step functions against exact rationals, and their thresholds against their values.

use nncert_core::fixed_point::{
    IntegerInterval, MAX_LEFT_SHIFT, MAX_SHIFT, Multiplier, Requantization, Rounding,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;

/// `round(z)`, by the definition of each mode.
fn rounded(rounding: Rounding, z: &BigRational) -> BigInt {
    let half = BigRational::new(1.into(), 2.into());
    let (up, down) = (z + &half, z - &half);
    match rounding {
        Rounding::HalfUp => up.floor().to_integer(),
        Rounding::Floor => z.floor().to_integer(),
        Rounding::HalfAway if *z < BigRational::from_integer(0.into()) => down.ceil().to_integer(),
        Rounding::HalfAway => up.floor().to_integer(),
        Rounding::HalfEven => {
            // The integers within 1/2: one, or of two the even one.
            let (low, high) = (down.ceil().to_integer(), up.floor().to_integer());
            if &low % 2 == BigInt::from(0) { low } else { high }
        }
    }
}

/// The value of the accumulator, in exact rationals.
fn oracle(step: &Requantization, a: i64) -> i64 {
    let power = BigRational::from_integer(BigInt::from(2)).pow(-step.multiplier.shift());
    let mantissa = BigRational::from_integer(step.multiplier.mantissa().into());
    let z = BigRational::from_integer(a.into()) * mantissa * power;
    let value = rounded(step.rounding, &z) + BigInt::from(step.zero_point);
    let (lower, upper) = (BigInt::from(step.clamp.lower()), BigInt::from(step.clamp.upper()));
    i64::try_from(value.clamp(lower, upper)).unwrap()
}

fn rounding() -> impl Strategy<Value = Rounding> {
    proptest::sample::select(&Rounding::ALL[..])
}

/// Small numbers, numbers around powers of two, and any.
fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        -300..=300i64,
        (0..63u32, -2..=2i64, any::<bool>()).prop_map(|(power, off, minus)| {
            let value = (1i64 << power).wrapping_add(off);
            if minus { value.wrapping_neg() } else { value }
        }),
        any::<i64>(),
        proptest::sample::select(&[i64::MIN, i64::MAX][..]),
    ]
}

fn multiplier() -> impl Strategy<Value = Multiplier> {
    let mantissa = prop_oneof![Just(1), 1..=9u64, 1..1u64 << 53];
    let shift = prop_oneof![-2..=12i32, -MAX_LEFT_SHIFT..=MAX_SHIFT];
    (mantissa, shift).prop_filter_map("beyond the limits", |(mantissa, shift)| {
        Multiplier::from_parts(mantissa, shift).ok()
    })
}

fn interval(ends: (i64, i64)) -> IntegerInterval {
    IntegerInterval::new(ends.0.min(ends.1), ends.0.max(ends.1)).unwrap()
}

fn step() -> impl Strategy<Value = Requantization> {
    let zero_point = prop_oneof![Just(0), -128..=127i64, integer()];
    let clamp = prop_oneof![(-9..=9i64, -9..=9i64), (integer(), integer())].prop_map(interval);
    (multiplier(), rounding(), zero_point, clamp).prop_map(
        |(multiplier, rounding, zero_point, clamp)| Requantization {
            multiplier,
            rounding,
            zero_point,
            clamp,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn values_are_those_of_exact_rationals(step in step(), a in integer()) {
        prop_assert_eq!(step.apply(a), oracle(&step, a));
    }

    /// `threshold(t)` reaches `t`, and the accumulator before it does not.
    #[test]
    fn thresholds_are_the_least(step in step(), t in integer(), near in -3..=3i64) {
        // One arbitrary value, and one of the few that there are.
        for t in [t, step.clamp.clamp(t), step.clamp.lower().saturating_add(near)] {
            match step.threshold(t) {
                None => prop_assert!(oracle(&step, i64::MAX) < t),
                Some(a) => {
                    prop_assert!(oracle(&step, a) >= t);
                    prop_assert!(a == i64::MIN || oracle(&step, a - 1) < t);
                }
            }
        }
    }

    /// Ties are where rounding modes differ: accumulators that are exactly between values.
    #[test]
    fn ties_are_exact(
        shift in 1..=40i32, odd in -1000..=1000i64, rounding in rounding(), off in -1..=1i64,
    ) {
        let step = Requantization {
            multiplier: Multiplier::power_of_two(shift).unwrap(),
            rounding,
            zero_point: 0,
            clamp: IntegerInterval::new(-5000, 5000).unwrap(),
        };
        let a = (2 * odd + 1) * (1 << (shift - 1)) + off;
        prop_assert_eq!(step.apply(a), oracle(&step, a));
        let t = step.apply(a);
        prop_assert!(step.threshold(t).unwrap() <= a && a < step.threshold(t + 1).unwrap());
    }

    #[test]
    fn steps_never_fall(step in step(), a in integer(), b in integer()) {
        prop_assert!(step.apply(a.min(b)) <= step.apply(a.max(b)));
        let image = step.image(interval((a, b)));
        prop_assert_eq!((image.lower(), image.upper()), (step.apply(a.min(b)), step.apply(a.max(b))));
    }

    #[test]
    fn preimages_are_exact(step in step(), a in integer(), t in integer()) {
        let value = step.apply(a);
        let preimage = step.preimage(value).expect("it has the accumulator");
        prop_assert!(preimage.contains(a));
        prop_assert!(preimage.lower() == i64::MIN || step.apply(preimage.lower() - 1) < value);
        prop_assert!(preimage.upper() == i64::MAX || step.apply(preimage.upper() + 1) > value);
        if let Some(preimage) = step.preimage(t) {
            prop_assert_eq!(step.apply(preimage.lower()), t);
            prop_assert_eq!(step.apply(preimage.upper()), t);
        }
    }
}

/// Every accumulator of small steps, each mode: values, thresholds and preimages.
#[test]
fn small_steps_by_enumeration() {
    for rounding in Rounding::ALL {
        for mantissa in [1, 3, 5] {
            for shift in -1..=4 {
                for zero_point in [-2, 0, 1] {
                    let step = Requantization {
                        multiplier: Multiplier::from_parts(mantissa, shift).unwrap(),
                        rounding,
                        zero_point,
                        clamp: IntegerInterval::new(-3, 4).unwrap(),
                    };
                    check_by_enumeration(&step);
                }
            }
        }
    }
}

fn check_by_enumeration(step: &Requantization) {
    let accumulators = -200..=200i64;
    for a in accumulators.clone() {
        assert_eq!(step.apply(a), oracle(step, a), "{step} at {a}");
    }
    for t in -3..=4 {
        let least = accumulators.clone().find(|a| step.apply(*a) >= t).unwrap();
        let expected = if t == -3 { i64::MIN } else { least };
        assert_eq!(step.threshold(t), Some(expected), "{step} reaches {t}");
        let has_some = accumulators.clone().any(|a| step.apply(a) == t);
        assert_eq!(step.preimage(t).is_some(), has_some, "{step} at {t}");
    }
    assert_eq!((step.threshold(5), step.preimage(5), step.preimage(-4)), (None, None, None));
}

/// `TensorFlow Lite` splits a real multiplier into an integer of 31 bits and a shift; both are
/// one multiplier here.
#[test]
fn pairs_of_an_integer_and_a_shift() {
    let (integer, shift) = (1_518_500_250, 31 + 5);
    let pair = Multiplier::from_parts(integer, shift).unwrap();
    let real = Multiplier::new(integer as f64 / 2f64.powi(shift)).unwrap();
    assert_eq!(pair, real);
    assert_eq!(pair.to_string(), "759250125·2^-35");
}
