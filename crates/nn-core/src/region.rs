//! Regions: the sets of inputs that a certificate is about.

use core::fmt;

use rand::{Rng, RngExt};

use crate::directed::{add_up, sub_down};
use crate::{Interval, MAX_MAGNITUDE};

/// A box of inputs, some coordinates of which may be fixed.
///
/// ```text
/// { x : lower_i ≤ x_i ≤ upper_i for all i }
/// ```
///
/// Every constructor returns this one shape: a box, an L∞ ball clipped to a
/// domain, a ball on some coordinates with the others fixed. Probabilities
/// over a region are uniform on exactly this box.
///
/// Guarantee: the corners of a ball are rounded outward, so that the region
/// holds every real point of the ball.
///
/// # Examples
///
/// ```
/// use nncert_core::{Domain, Region};
///
/// let image = [0.0, 0.5, 1.0];
/// let region = Region::ball_on(&image, 0.25, &[1, 2], &Domain::unit())?;
/// assert_eq!(region.lower(), [0.0, 0.25, 0.75]);
/// assert_eq!(region.upper(), [0.0, 0.75, 1.0]);
/// assert_eq!(region.free(), [1, 2]);
/// # Ok::<(), nncert_core::RegionError>(())
/// ```
#[derive(Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Region {
    lower: Vec<f64>,
    upper: Vec<f64>,
    free: Vec<usize>,
}

impl Clone for Region {
    fn clone(&self) -> Self {
        let Self { lower, upper, free } = self;
        Self { lower: lower.clone(), upper: upper.clone(), free: free.clone() }
    }

    /// In the storage that there is, as far as it reaches.
    fn clone_from(&mut self, source: &Self) {
        self.lower.clone_from(&source.lower);
        self.upper.clone_from(&source.upper);
        self.free.clone_from(&source.free);
    }
}

/// The inputs that are possible at all; balls are clipped to it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Domain {
    /// All of space.
    Everything,
    /// The same interval for every coordinate.
    Cube(Interval),
    /// An interval for each coordinate.
    Box(Vec<Interval>),
}

impl Domain {
    /// `[0, 1]` for every coordinate: images.
    #[must_use]
    pub const fn unit() -> Self {
        Self::Cube(Interval::new(0.0, 1.0))
    }

    /// The interval of a coordinate.
    fn interval(&self, coordinate: usize) -> Interval {
        match self {
            Self::Everything => Interval::EVERYTHING,
            Self::Cube(interval) => *interval,
            Self::Box(intervals) => intervals[coordinate],
        }
    }

    fn check(&self, dimension: usize) -> Result<(), RegionError> {
        match self {
            Self::Box(intervals) if intervals.len() != dimension => {
                Err(RegionError::Length { expected: dimension, found: intervals.len() })
            }
            _ => Ok(()),
        }
    }
}

impl Region {
    /// The box between two corners.
    ///
    /// # Errors
    ///
    /// [`RegionError`] for corners of different length, no coordinates, an entry
    /// that is NaN, infinite or above [`MAX_MAGNITUDE`], or `lower > upper`.
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Result<Self, RegionError> {
        if lower.len() != upper.len() {
            return Err(RegionError::Length { expected: lower.len(), found: upper.len() });
        }
        if lower.is_empty() {
            return Err(RegionError::NoCoordinates);
        }
        let mut free = Vec::new();
        for (coordinate, (low, high)) in lower.iter().zip(&upper).enumerate() {
            check_value(coordinate, *low)?;
            check_value(coordinate, *high)?;
            if low > high {
                return Err(RegionError::Empty { coordinate, lower: *low, upper: *high });
            }
            if low < high {
                free.push(coordinate);
            }
        }
        Ok(Self { lower, upper, free })
    }

    /// The region that holds one input.
    ///
    /// # Errors
    ///
    /// As [`Region::new`].
    pub fn point(x: &[f64]) -> Result<Self, RegionError> {
        Self::new(x.to_vec(), x.to_vec())
    }

    /// The L∞ ball around `centre`, clipped to `domain`.
    ///
    /// ```text
    /// { x : |x_i - centre_i| ≤ radius, x in domain }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RegionError`] for a radius that is negative or not finite, a centre or
    /// a domain that is not finite or too long, and a ball outside the domain.
    pub fn linf_ball(centre: &[f64], radius: f64, domain: &Domain) -> Result<Self, RegionError> {
        Self::ball_over(centre, radius, 0..centre.len(), domain)
    }

    /// The L∞ ball on some coordinates of `centre`; the others stay fixed.
    ///
    /// Coordinates may repeat and come in any order.
    ///
    /// # Errors
    ///
    /// As [`Region::linf_ball`], and for a coordinate that `centre` does not have.
    pub fn ball_on(
        centre: &[f64],
        radius: f64,
        coordinates: &[usize],
        domain: &Domain,
    ) -> Result<Self, RegionError> {
        Self::ball_over(centre, radius, coordinates.iter().copied(), domain)
    }

    fn ball_over(
        centre: &[f64],
        radius: f64,
        coordinates: impl Iterator<Item = usize>,
        domain: &Domain,
    ) -> Result<Self, RegionError> {
        if !(0.0..=MAX_MAGNITUDE).contains(&radius) {
            return Err(RegionError::Radius { radius });
        }
        domain.check(centre.len())?;
        let (mut lower, mut upper) = (centre.to_vec(), centre.to_vec());
        for coordinate in coordinates {
            let middle = *centre
                .get(coordinate)
                .ok_or(RegionError::NoSuchCoordinate { coordinate, dimension: centre.len() })?;
            check_value(coordinate, middle)?;
            let allowed = domain.interval(coordinate);
            if allowed.lower.is_nan() || allowed.upper.is_nan() {
                return Err(RegionError::NotFinite { coordinate, value: f64::NAN });
            }
            lower[coordinate] = sub_down(middle, radius).max(allowed.lower);
            upper[coordinate] = add_up(middle, radius).min(allowed.upper);
        }
        Self::new(lower, upper)
    }

    /// The number of coordinates.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.lower.len()
    }

    /// The lower corner.
    #[must_use]
    pub fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// The upper corner.
    #[must_use]
    pub fn upper(&self) -> &[f64] {
        &self.upper
    }

    /// The coordinates that are not fixed (`lower < upper`), ascending.
    #[must_use]
    pub fn free(&self) -> &[usize] {
        &self.free
    }

    /// The interval of one coordinate.
    ///
    /// # Panics
    ///
    /// When there is no such coordinate.
    #[must_use]
    pub fn interval(&self, coordinate: usize) -> Interval {
        Interval::new(self.lower[coordinate], self.upper[coordinate])
    }

    /// A point near the middle of the region, and inside it.
    #[must_use]
    pub fn centre(&self) -> Vec<f64> {
        self.lower.iter().zip(&self.upper).map(|(low, high)| low + (high - low) / 2.0).collect()
    }

    /// Whether `x` lies in the region; never for a NaN or another length.
    #[must_use]
    pub fn contains(&self, x: &[f64]) -> bool {
        let bounds = self.lower.iter().zip(&self.upper);
        x.len() == self.dimension()
            && x.iter().zip(bounds).all(|(value, (low, high))| low <= value && value <= high)
    }

    /// Draws a point uniformly (to the resolution of `f64`) and always inside.
    ///
    /// Fixed coordinates draw nothing, so the random stream depends on the free
    /// ones alone.
    pub fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> Vec<f64> {
        let mut x = self.lower.clone();
        self.sample_into(rng, &mut x);
        x
    }

    /// [`Region::sample`] into a slice that the caller owns.
    ///
    /// # Panics
    ///
    /// When `x` does not have [`Region::dimension`] entries.
    pub fn sample_into<R: Rng + ?Sized>(&self, rng: &mut R, x: &mut [f64]) {
        x.copy_from_slice(&self.lower);
        for &coordinate in &self.free {
            let (low, high) = (self.lower[coordinate], self.upper[coordinate]);
            let fraction: f64 = rng.random();
            x[coordinate] = (low + (high - low) * fraction).clamp(low, high);
        }
    }
}

fn check_value(coordinate: usize, value: f64) -> Result<(), RegionError> {
    if value.abs() <= MAX_MAGNITUDE {
        Ok(())
    } else {
        Err(RegionError::NotFinite { coordinate, value })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a box in {} dimensions, {} of them free", self.dimension(), self.free.len())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Corners {
            lower: Vec<f64>,
            upper: Vec<f64>,
        }
        let corners = Corners::deserialize(deserializer)?;
        Self::new(corners.lower, corners.upper).map_err(serde::de::Error::custom)
    }
}

/// Why numbers do not make a [`Region`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// There are no coordinates.
    #[error("a region needs at least one coordinate")]
    NoCoordinates,
    /// Two lists that belong together differ in length.
    #[error("expected {expected} coordinates, found {found}")]
    Length {
        /// The length that was expected.
        expected: usize,
        /// The length that was found.
        found: usize,
    },
    /// A corner is NaN, infinite or above [`MAX_MAGNITUDE`].
    #[error(
        "coordinate {coordinate} is {value}, which is not a number of at most {MAX_MAGNITUDE:e}"
    )]
    NotFinite {
        /// The coordinate, counted from 0.
        coordinate: usize,
        /// Its value.
        value: f64,
    },
    /// There is no value between the bounds.
    #[error("coordinate {coordinate} is empty: [{lower}, {upper}]")]
    Empty {
        /// The coordinate, counted from 0.
        coordinate: usize,
        /// Its lower bound.
        lower: f64,
        /// Its upper bound.
        upper: f64,
    },
    /// A radius is negative, NaN or too large.
    #[error("a radius of {radius} is not a number from 0 to {MAX_MAGNITUDE:e}")]
    Radius {
        /// The radius.
        radius: f64,
    },
    /// A coordinate beyond the last.
    #[error("there is no coordinate {coordinate} in {dimension} dimensions")]
    NoSuchCoordinate {
        /// The coordinate.
        coordinate: usize,
        /// The number of coordinates.
        dimension: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn balls_hold_their_real_points() {
        let region = Region::linf_ball(&[0.1, 1.0], 0.3, &Domain::Everything).unwrap();
        // The doubles nearest to 0.1 - 0.3 and 0.1 + 0.3 lie inside the real ball.
        assert!(region.lower()[0] <= 0.1 - 0.3 && region.upper()[0] >= 0.1 + 0.3);
        assert!(region.contains(&region.centre()));
    }

    #[test]
    fn clipping_to_the_domain() {
        let domain = Domain::Box(vec![Interval::new(0.0, 1.0), Interval::new(-5.0, 0.5)]);
        let region = Region::linf_ball(&[0.9, 0.0], 0.5, &domain).unwrap();
        assert_eq!((region.lower(), region.upper()), (&[0.4, -0.5][..], &[1.0, 0.5][..]));
        let outside = Region::linf_ball(&[0.9, 7.0], 0.5, &domain);
        assert!(matches!(outside, Err(RegionError::Empty { coordinate: 1, .. })));
    }

    #[test]
    fn bad_input_is_named() {
        let ball = |centre: &[f64], radius| Region::linf_ball(centre, radius, &Domain::unit());
        assert!(matches!(ball(&[0.5], -1.0), Err(RegionError::Radius { .. })));
        assert!(matches!(ball(&[0.5], f64::NAN), Err(RegionError::Radius { .. })));
        assert!(matches!(
            ball(&[0.5, f64::NAN], 0.1),
            Err(RegionError::NotFinite { coordinate: 1, .. })
        ));
        assert_eq!(Region::new(vec![], vec![]), Err(RegionError::NoCoordinates));
        let missing = Region::ball_on(&[0.5], 0.1, &[3], &Domain::unit());
        assert_eq!(missing, Err(RegionError::NoSuchCoordinate { coordinate: 3, dimension: 1 }));
        let short = Region::linf_ball(&[0.5], 0.1, &Domain::Box(vec![]));
        assert_eq!(short, Err(RegionError::Length { expected: 1, found: 0 }));
    }

    /// The bits that a seed gives are part of the contract.
    #[test]
    fn samples_are_stable() {
        let region = Region::new(vec![-1.0, 2.0, 0.0], vec![1.0, 2.0, 8.0]).unwrap();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let x = region.sample(&mut rng);
        assert!(region.contains(&x));
        let again = region.sample(&mut rand_chacha::ChaCha8Rng::seed_from_u64(7));
        assert_eq!(x, again);
        let bits: Vec<u64> = x.into_iter().map(f64::to_bits).collect();
        assert_eq!(bits, [13827711853879822896, 4611686018427387904, 4608731273825308052]);
    }
}
