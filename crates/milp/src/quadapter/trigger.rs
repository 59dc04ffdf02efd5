//! Backdoor triggers: stamps at one place of an image.

use nncert_core::{Interval, MAX_WIDTH, Region};

use super::PropertyError;

/// A rectangle of an image that an attacker may fill as he likes.
///
/// Rows and columns count from 0. A stamp covers all channels.
///
/// # Examples
///
/// ```
/// use nncert_core::Interval;
/// use nncert_milp::quadapter::Trigger;
///
/// // Two by two pixels in the corner of a gray image of 3 by 4.
/// let trigger = Trigger::new([1, 3, 4], [2, 2], [0, 0])?;
/// assert_eq!(trigger.pixels().collect::<Vec<_>>(), [0, 1, 4, 5]);
/// let stamped = trigger.region(&[0.5; 12], Interval::new(0.0, 1.0))?;
/// assert_eq!(stamped.free(), [0, 1, 4, 5]);
/// # Ok::<(), nncert_milp::quadapter::PropertyError>(())
/// ```
///
/// # References
///
/// Zhang et al. (Quadapter), section 4.2, where a stamp of height `h` at row `p` is printed to cover
/// the rows from `p` to `p + h`; it covers those below `p + h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Trigger {
    image: [usize; 3],
    shape: [usize; 2],
    position: [usize; 2],
}

impl Trigger {
    /// The stamp of a height and width at a row and column of an image with channels, height and
    /// width.
    ///
    /// # Errors
    ///
    /// [`PropertyError::Trigger`] for a stamp that is empty or not inside the image, and an image of
    /// more than [`MAX_WIDTH`] values.
    pub fn new(
        image: [usize; 3],
        shape: [usize; 2],
        position: [usize; 2],
    ) -> Result<Self, PropertyError> {
        let [channels, height, width] = image;
        let size = channels.checked_mul(height).and_then(|size| size.checked_mul(width));
        let inside = |size: usize, at: usize, limit: usize| {
            size > 0 && at.checked_add(size).is_some_and(|end| end <= limit)
        };
        let small = size.is_some_and(|size| (1..=MAX_WIDTH).contains(&size));
        if small && inside(shape[0], position[0], height) && inside(shape[1], position[1], width) {
            Ok(Self { image, shape, position })
        } else {
            Err(PropertyError::Trigger { image, shape, position })
        }
    }

    /// The inputs that it covers, ascending.
    pub fn pixels(&self) -> impl Iterator<Item = usize> {
        let Self { image: [channels, height, width], shape, position } = *self;
        (0..channels).flat_map(move |channel| {
            (position[0]..position[0] + shape[0]).flat_map(move |row| {
                let start = (channel * height + row) * width;
                start + position[1]..start + position[1] + shape[1]
            })
        })
    }

    /// Height and width.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Row and column of its first pixel.
    #[must_use]
    pub fn position(&self) -> [usize; 2] {
        self.position
    }

    /// The image under every stamp whose pixels are in a range: a box.
    ///
    /// Guarantee: exact.
    ///
    /// # Errors
    ///
    /// [`PropertyError`] for an image of another size, and numbers that are none.
    pub fn region(&self, image: &[f64], range: Interval) -> Result<Region, PropertyError> {
        let [channels, height, width] = self.image;
        let (expected, found) = (channels * height * width, image.len());
        if expected != found {
            return Err(PropertyError::Length { expected, found });
        }
        let (mut lower, mut upper) = (image.to_vec(), image.to_vec());
        for pixel in self.pixels() {
            lower[pixel] = range.lower;
            upper[pixel] = range.upper;
        }
        Ok(Region::new(lower, upper)?)
    }
}
