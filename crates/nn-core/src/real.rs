//! The two floating-point types in which a network is evaluated.

use core::fmt::Debug;

use crate::lanes::Lanes;

/// `f32` or `f64`: what a network is evaluated in.
///
/// Bounds, probabilities and encodings are always `f64`; only evaluation for
/// sampling is generic. The trait is sealed.
pub trait Real:
    Lanes + nalgebra::RealField + faer::traits::ComplexField + Copy + Debug + Send + Sync
{
    /// The largest finite value of the type, as `f64`.
    const LARGEST: f64;

    /// The value nearest to `value`; infinite when `value` is too large.
    fn nearest(value: f64) -> Self;

    /// The value nearest to `value`, or `value` itself when that is beyond the
    /// range of the type.
    ///
    /// # Errors
    ///
    /// `value`, when its absolute value exceeds [`Real::LARGEST`].
    fn narrow(value: f64) -> Result<Self, f64> {
        if value.abs() > Self::LARGEST { Err(value) } else { Ok(Self::nearest(value)) }
    }

    /// The same value in `f64`, exactly.
    fn widen(self) -> f64;
}

impl Real for f64 {
    const LARGEST: f64 = f64::MAX;

    fn nearest(value: f64) -> Self {
        value
    }

    fn widen(self) -> f64 {
        self
    }
}

impl Real for f32 {
    const LARGEST: f64 = f32::MAX as f64;

    #[allow(clippy::cast_possible_truncation)]
    fn nearest(value: f64) -> Self {
        value as f32
    }

    fn widen(self) -> f64 {
        f64::from(self)
    }
}
