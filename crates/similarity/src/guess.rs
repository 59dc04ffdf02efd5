//! Which radius to try next where a pass takes long.
//!
//! The least `ε` that the bounds certify on a ball grows smoothly with the radius, nearly as
//!
//! ```text
//! needed(r) ≈ |δ(centre)| + a · r^p
//! ```
//!
//! so that two balls tell where it is the `ε` that is asked for, to a few per cent, and every
//! further one a digit more. Heuristic: it chooses what is tried, and certifies nothing.

use nncert_core::PairedNetworks;

use crate::{Method, RadiusSearch};

/// After so many guesses that have not halved the bracket comes a radius without one.
const GUESSES: u32 = 3;
/// The power of the radius, as long as only one ball is known.
const POWER: f64 = 2.0;
/// A guess goes no further than by this factor.
const STRIDE: f64 = 8.0;

/// What was found on the balls so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guess {
    /// `|δ|` at the centre.
    centre: f64,
    /// The logarithms of radii, and of what was needed there beyond the centre.
    balls: Vec<(f64, f64)>,
    /// Where the latest crossing was expected, as a logarithm.
    crossing: Option<f64>,
    /// The bracket when it was last halved, and the guesses since.
    width: f64,
    tries: u32,
}

impl Guess {
    pub(crate) fn new(pair: &PairedNetworks, centre: &[f64], method: Method) -> Self {
        let values = [pair.original(), pair.compressed()].map(|network| network.evaluate(centre));
        let [Ok(x), Ok(y)] = values else { return Self { centre: f64::NAN, ..Self::default() } };
        let chosen = x.iter().zip(&y).enumerate().filter(|(o, _)| method.outputs.includes(*o));
        let centre = chosen.fold(0.0, |size: f64, (_, (x, y))| size.max((x - y).abs()));
        Self { centre, width: f64::INFINITY, ..Self::default() }
    }

    /// Takes note of the least `ε` that is about certified on a ball.
    pub(crate) fn add(&mut self, radius: f64, needed: f64) {
        let ball = (libm::log(radius), libm::log(needed - self.centre));
        if ball.0.is_finite() && ball.1.is_finite() {
            self.balls.push(ball);
        }
    }

    /// A radius inside the bracket, a little to the side of the expected crossing on which
    /// the bracket is wider; `None` where there is nothing to go by.
    pub(crate) fn next(
        &mut self,
        certified: Option<f64>,
        refused: Option<f64>,
        epsilon: f64,
        options: &RadiusSearch,
    ) -> Option<f64> {
        let target = libm::log(epsilon - self.centre);
        let crossing = target.is_finite().then(|| self.crossing(target)).flatten()?;
        let low = libm::log(certified.unwrap_or(options.minimum));
        let high = libm::log(refused.unwrap_or(options.maximum));
        if high - low <= self.width / 2.0 {
            (self.width, self.tries) = (high - low, 0);
        }
        if self.tries >= GUESSES {
            (self.width, self.tries) = (high - low, 0);
            return None;
        }
        self.tries += 1;
        // The error of a crossing is a part of the step that led to it.
        let step = self.crossing.map_or(1.0, |before| (crossing - before).abs());
        self.crossing = Some(crossing);
        let aside = (step / 16.0).max(options.tolerance / 4.0);
        let radius =
            if high - crossing > crossing - low { crossing + aside } else { crossing - aside };
        let (latest, _) = *self.balls.last()?;
        let stride = libm::log(STRIDE);
        let radius = radius.clamp(latest - stride, latest + stride);
        // Not so near to an end that nothing is gained.
        let edge = (high - low).min(options.tolerance) / 4.0;
        let radius = libm::exp(radius.clamp(low + edge, high - edge));
        let inside = certified.unwrap_or(options.minimum) < radius
            && radius < refused.unwrap_or(options.maximum);
        inside.then_some(radius)
    }

    /// Where the line through the two balls next to the target reaches it, in logarithms.
    fn crossing(&self, target: f64) -> Option<f64> {
        let mut near = self.balls.clone();
        near.sort_by(|(_, a), (_, b)| (a - target).abs().total_cmp(&(b - target).abs()));
        let (radius, needed) = *near.first()?;
        let power = near.get(1).map_or(POWER, |(r, n)| (needed - n) / (radius - r));
        let power = if power.is_finite() { power.clamp(0.25, 16.0) } else { POWER };
        Some(radius + (target - needed) / power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radius::next_radius;

    /// Searches for the largest radius at which no more than 1 is needed; returns it with the
    /// radii that were tried, with guesses and without.
    fn search(needed: impl Fn(f64) -> f64, options: &RadiusSearch) -> (f64, [usize; 2]) {
        let mut radius = 0.0;
        let tried = [true, false].map(|guesses| {
            let mut guess = Guess { width: f64::INFINITY, ..Guess::default() };
            let (mut certified, mut refused, mut tried) = (None, None, 0);
            while let Some(plain) = next_radius(certified, refused, options) {
                let next = guess.next(certified, refused, 1.0, options).filter(|_| guesses);
                let next = next.unwrap_or(plain);
                assert!(certified.is_none_or(|low| low < next));
                assert!(refused.is_none_or(|high| next < high));
                assert!((options.minimum..=options.maximum).contains(&next));
                guess.add(next, needed(next));
                let side = if needed(next) <= 1.0 { &mut certified } else { &mut refused };
                *side = Some(next);
                tried += 1;
                assert!(tried < 500);
            }
            if guesses {
                radius = certified.unwrap_or(0.0);
            }
            tried
        });
        (radius, tried)
    }

    #[test]
    fn smooth_bounds_take_half_as_many_radii() {
        let options = RadiusSearch::default();
        for power in [0.5, 1.0, 2.0, 3.5] {
            for size in [3e-6, 1e-3, 0.02, 0.3] {
                // Not quite a power of the radius.
                let needed = |r: f64| libm::pow(r / size, power) * (1.0 + r / size) / 2.0;
                let (radius, [with, without]) = search(needed, &options);
                assert!(radius <= size && size <= radius * (1.0 + options.tolerance));
                assert!(2 * with <= without + 4, "{power} {size}: {with}, {without}");
            }
        }
    }

    #[test]
    fn rough_bounds_take_few_radii_more() {
        let options = RadiusSearch::default();
        let steps: [&dyn Fn(f64) -> f64; 6] = [
            &|r| if r < 0.0123 { 0.5 } else { 1e6 },
            &|r| if r < 0.0123 { 1e-9 * r } else { 2.0 },
            &|r| if r < 0.0123 { 0.999 + r * 1e-3 } else { f64::INFINITY },
            // Neither monotone nor smooth.
            &|r| 0.5 + 40.0 * r + 0.3 * libm::sin(3000.0 * r),
            &|_| 0.25,
            &|_| 4.0,
        ];
        for (at, needed) in steps.iter().enumerate() {
            let (radius, [with, without]) = search(needed, &options);
            assert!(radius == 0.0 || needed(radius) <= 1.0);
            assert!(with <= 4 * without + 8, "{at}: {with} radii for {without}");
        }
    }
}
