//! Vectors of the machine, for both types of numbers.

use pulp::Simd;

/// What a loop over vectors needs of `f32` and `f64`.
///
/// Public because [`Real`](crate::Real) requires it, in a private module, so that no
/// other type can be a `Real`.
pub trait Lanes: Copy {
    /// A vector.
    type Vector<S: Simd>: Copy;

    /// How many numbers a vector holds.
    fn lanes<S: Simd>() -> usize;

    /// The same number in every place.
    fn repeat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;

    /// The first numbers of a slice that holds a vector.
    fn load<S: Simd>(values: &[Self]) -> Self::Vector<S>;

    /// Overwrites the first numbers of a slice, all of it when it is shorter than a vector.
    fn store<S: Simd>(simd: S, values: &mut [Self], vector: Self::Vector<S>);

    /// `a · b + c`, fused where the machine can.
    fn multiply_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;

    /// Zero where `a < 0`, `a` elsewhere.
    fn rectify<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
}

macro_rules! lanes {
    ($number:ty, $vector:ident, $lanes:ident, $splat:ident, $view:ident, $view_mut:ident,
     $partial:ident, $multiply_add:ident, $less:ident, $select:ident) => {
        impl Lanes for $number {
            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }

            #[inline(always)]
            fn repeat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }

            #[inline(always)]
            fn load<S: Simd>(values: &[Self]) -> S::$vector {
                S::$view(values).0[0]
            }

            #[inline(always)]
            fn store<S: Simd>(simd: S, values: &mut [Self], vector: S::$vector) {
                match S::$view_mut(values) {
                    ([first, ..], _) => *first = vector,
                    ([], rest) => simd.$partial(rest, vector),
                }
            }

            #[inline(always)]
            fn multiply_add<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                c: S::$vector,
            ) -> S::$vector {
                simd.$multiply_add(a, b, c)
            }

            #[inline(always)]
            fn rectify<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
                let zero = simd.$splat(0.0);
                simd.$select(simd.$less(a, zero), zero, a)
            }
        }
    };
}

lanes!(
    f32,
    f32s,
    F32_LANES,
    splat_f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    partial_store_f32s,
    mul_add_e_f32s,
    less_than_f32s,
    select_f32s
);
lanes!(
    f64,
    f64s,
    F64_LANES,
    splat_f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    partial_store_f64s,
    mul_add_e_f64s,
    less_than_f64s,
    select_f64s
);
