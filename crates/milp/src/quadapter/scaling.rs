//! The largest scaling that a bound shows, by false position.

use super::SynthesisError;
use crate::Watch;

/// Scalings are searched for up to here.
const LARGEST: f64 = 1e6;

/// What a search for a scaling finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// This `χ`, which is positive.
    Found(f64),
    /// No positive one.
    Empty,
    /// None in time.
    Time,
}

/// A scaling near the largest that is shown, to a share of it: `least` falls with the
/// scaling, and shows it where it is positive.
///
/// What is found was shown itself; that no larger one is shown is not promised.
pub(super) fn largest(
    precision: f64,
    watch: &Watch<'_>,
    mut least: impl FnMut(f64) -> Result<f64, SynthesisError>,
) -> Result<Scaling, SynthesisError> {
    let (mut low, mut left) = (0.0, least(0.0)?);
    if left <= 0.0 {
        return Ok(Scaling::Empty);
    }
    let (mut high, mut right) = (1.0, least(1.0)?);
    while right > 0.0 {
        (low, left) = (high, right);
        if high >= LARGEST {
            return Ok(Scaling::Found(low));
        }
        high *= 4.0;
        right = least(high)?;
    }
    // False position, where the weight of an end that stays is halved.
    for _ in 0..40 {
        if high - low <= precision * low || high < 1e-9 {
            break;
        }
        if watch.left().is_some_and(|left| left.is_zero()) {
            return Ok(Scaling::Time);
        }
        let share = (left / (left - right)).clamp(0.05, 0.95);
        let middle = low + (high - low) * share;
        let of_middle = least(middle)?;
        if of_middle > 0.0 {
            (low, left) = (middle, of_middle);
            right /= 2.0;
        } else {
            (high, right) = (middle, of_middle);
            left /= 2.0;
        }
    }
    Ok(if low > 0.0 { Scaling::Found(low) } else { Scaling::Empty })
}
