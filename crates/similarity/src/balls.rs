//! Families of regions that grow with a radius.

use nncert_core::{Domain, Region, RegionError};

/// The L∞ balls around an input, one for each radius.
///
/// ```text
/// B(r) = { x : |x_i - centre_i| ≤ r for the chosen i, x_i = centre_i otherwise, x in the domain }
/// ```
///
/// # Examples
///
/// ```
/// use nncert_core::Domain;
/// use nncert_similarity::Balls;
///
/// let balls = Balls::around(&[0.5, 0.0, 1.0]).on(&[0, 2]).within(Domain::unit());
/// assert_eq!(balls.region(0.25)?.lower(), [0.25, 0.0, 0.75]);
/// # Ok::<(), nncert_core::RegionError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Balls {
    centre: Vec<f64>,
    coordinates: Option<Vec<usize>>,
    domain: Domain,
}

impl Balls {
    /// The balls around `centre`, on all coordinates and in all of space.
    #[must_use]
    pub fn around(centre: &[f64]) -> Self {
        Self { centre: centre.to_vec(), coordinates: None, domain: Domain::Everything }
    }

    /// The balls on these coordinates only; the others stay at the centre.
    #[must_use]
    pub fn on(mut self, coordinates: &[usize]) -> Self {
        self.coordinates = Some(coordinates.to_vec());
        self
    }

    /// The balls clipped to a domain.
    #[must_use]
    pub fn within(mut self, domain: Domain) -> Self {
        self.domain = domain;
        self
    }

    /// The centre.
    #[must_use]
    pub fn centre(&self) -> &[f64] {
        &self.centre
    }

    /// The ball of a radius.
    ///
    /// # Errors
    ///
    /// As [`Region::ball_on`].
    pub fn region(&self, radius: f64) -> Result<Region, RegionError> {
        match &self.coordinates {
            None => Region::linf_ball(&self.centre, radius, &self.domain),
            Some(coordinates) => Region::ball_on(&self.centre, radius, coordinates, &self.domain),
        }
    }
}
