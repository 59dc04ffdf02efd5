//! The abstraction-based method (ABS): the largest scaling that CROWN shows to be one.

use nncert_bounds::Scratch;

use super::{Image, PreimageMethod, Scaling, SynthesisError};

/// Scalings are searched for up to here.
const LARGEST: f64 = 1e6;

/// Preimages by bounds alone.
///
/// The worst case over a template is a network; where CROWN shows that it is not negative, the
/// template is a preimage. The largest such scaling is found by false position, to a share of
/// it.
///
/// Guarantee: sound. The largest scaling that is found is a choice, and that it is one was shown
/// for this very number.
///
/// # References
///
/// Zhang et al. (Quadapter), section 5.1 names an abstraction-based method and leaves
/// it to a longer version; this one has its task, and is ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Abstraction {
    /// How exactly the largest scaling is searched for, as a share of it.
    pub precision: f64,
}

impl Default for Abstraction {
    fn default() -> Self {
        Self { precision: 0.01 }
    }
}

impl PreimageMethod for Abstraction {
    fn scaling(
        &self,
        image: &Image<'_>,
        scratch: &mut Scratch,
        watch: &crate::Watch<'_>,
    ) -> Result<Scaling, SynthesisError> {
        let mut least = |scale| image.least(scale, scratch);
        let at_zero = least(0.0)?;
        if !image.is_shown_by(at_zero) {
            return Ok(Scaling::Empty);
        }
        // The bound falls with the scaling, by more and more.
        let (mut low, mut of_low) = (0.0, at_zero);
        let (mut high, mut of_high) = (1.0, least(1.0)?);
        while image.is_shown_by(of_high) {
            (low, of_low) = (high, of_high);
            if high >= LARGEST {
                return Ok(Scaling::Found(low));
            }
            high *= 4.0;
            of_high = least(high)?;
        }
        let (mut left, mut right) = (of_low, of_high);
        for _ in 0..40 {
            if high - low <= self.precision * low || high < 1e-9 {
                break;
            }
            if watch.left().is_some_and(|left| left.is_zero()) {
                return Ok(Scaling::Time);
            }
            // False position, with the weight of an end that stays halved.
            let share = (left / (left - right)).clamp(0.05, 0.95);
            let middle = low + (high - low) * share;
            let of_middle = least(middle)?;
            if image.is_shown_by(of_middle) {
                (low, left) = (middle, of_middle);
                right /= 2.0;
            } else {
                (high, right) = (middle, of_middle);
                left /= 2.0;
            }
        }
        Ok(if low > 0.0 { Scaling::Found(low) } else { Scaling::Empty })
    }
}
