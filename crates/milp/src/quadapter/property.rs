//! Properties: what must hold of the outputs for all inputs of a set.

use nncert_core::directed::{mul_up, sub_down};
use nncert_core::{MAX_MAGNITUDE, Network, Region, RegionError};

use super::HalfSpace;
use super::half_space::divide;

/// The set of inputs `I`: a box, and half-spaces that cut it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Inputs {
    region: Region,
    cuts: Vec<HalfSpace>,
}

/// The set of outputs `O`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Outputs {
    /// A polyhedron: all of these hold.
    All(Vec<HalfSpace>),
    /// One of these holds at least, perhaps another for another input: the complement of a
    /// polyhedron.
    Any(Vec<HalfSpace>),
}

/// A property `⟨I, O⟩`: the outputs are in `O` for every input in `I`.
///
/// # Examples
///
/// ```
/// use nncert_core::{Domain, Region};
/// use nncert_milp::quadapter::Property;
///
/// let ball = Region::linf_ball(&[0.2, 0.5], 0.1, &Domain::unit())?;
/// let robust = Property::same_class(ball, 3, 1)?;
/// assert_eq!(robust.outputs().rows().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Zhang et al. (Quadapter), definitions 1, 4 and 5.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Property {
    inputs: Inputs,
    outputs: Outputs,
}

impl Inputs {
    /// The box without cuts.
    #[must_use]
    pub fn region(region: Region) -> Self {
        Self { region, cuts: Vec::new() }
    }

    /// The part of a box that is in some half-spaces: a polyhedron.
    ///
    /// The box is first made as small as the half-spaces allow one at a time.
    ///
    /// Guarantee: sound. No input of the polyhedron is lost.
    ///
    /// # Errors
    ///
    /// [`PropertyError`] for half-spaces of another length or with numbers that are none, and for
    /// a polyhedron that is seen to be empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use nncert_core::Region;
    /// use nncert_milp::quadapter::{HalfSpace, Inputs};
    ///
    /// let unit = Region::new(vec![0.0; 2], vec![1.0; 2])?;
    /// // x_0 + x_1 ≥ 1.5: both are at least 0.5.
    /// let corner = Inputs::polyhedron(unit, vec![HalfSpace::at_least(vec![1.0, 1.0], 1.5)])?;
    /// assert_eq!(corner.bounding_box().lower(), [0.5, 0.5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn polyhedron(region: Region, cuts: Vec<HalfSpace>) -> Result<Self, PropertyError> {
        for cut in &cuts {
            check(cut, region.dimension())?;
        }
        let (mut lower, mut upper) = (region.lower().to_vec(), region.upper().to_vec());
        for cut in &cuts {
            narrow(cut, &mut lower, &mut upper)?;
        }
        Ok(Self { region: Region::new(lower, upper)?, cuts })
    }

    /// A box that holds all inputs of the set.
    #[must_use]
    pub fn bounding_box(&self) -> &Region {
        &self.region
    }

    /// The half-spaces.
    #[must_use]
    pub fn cuts(&self) -> &[HalfSpace] {
        &self.cuts
    }

    /// Whether an input is in the set.
    ///
    /// Guarantee: sound. A point so near a cut that rounding decides is said to be outside.
    #[must_use]
    pub fn contains(&self, x: &[f64]) -> bool {
        let inside = |cut: &HalfSpace| cut.is_shown_by(cut.form().at(x).lower);
        self.region.contains(x) && self.cuts.iter().all(inside)
    }
}

/// Makes a box smaller, so that it still holds its part of a half-space.
fn narrow(cut: &HalfSpace, lower: &mut [f64], upper: &mut [f64]) -> Result<(), PropertyError> {
    let corners = lower.iter().zip(&*upper);
    // The most that each term can be.
    let most: Vec<f64> = cut
        .coefficients
        .iter()
        .zip(corners)
        .map(|(c, (low, high))| mul_up(*c, if *c >= 0.0 { *high } else { *low }))
        .collect();
    for (index, c) in cut.coefficients.iter().copied().enumerate().filter(|(_, c)| *c != 0.0) {
        // c x ≥ bound - what the others can be.
        let others = most.iter().enumerate().filter(|(other, _)| *other != index);
        let rest = others.fold(cut.bound, |rest, (_, most)| sub_down(rest, *most));
        if c > 0.0 {
            lower[index] = lower[index].max(divide(rest, c).lower);
        } else {
            upper[index] = upper[index].min(divide(rest, c).upper);
        }
        if lower[index] > upper[index] {
            return Err(PropertyError::NoInputs);
        }
    }
    Ok(())
}

impl Outputs {
    /// The half-spaces.
    #[must_use]
    pub fn rows(&self) -> &[HalfSpace] {
        match self {
            Self::All(rows) | Self::Any(rows) => rows,
        }
    }
}

impl Property {
    /// The outputs are in `outputs` for all of `inputs`; `width` is the number of outputs.
    ///
    /// # Errors
    ///
    /// [`PropertyError`] for half-spaces of another length or with numbers that are none, and
    /// for none at all.
    pub fn new(inputs: Inputs, width: usize, outputs: Outputs) -> Result<Self, PropertyError> {
        if outputs.rows().is_empty() {
            return Err(PropertyError::NoHalfSpaces);
        }
        for row in outputs.rows() {
            check(row, width)?;
        }
        Ok(Self { inputs, outputs })
    }

    /// Local robustness: the class is `class`, and no other output is as large.
    ///
    /// # Errors
    ///
    /// [`PropertyError`] for a class that there is not, and for a single class.
    pub fn same_class(region: Region, classes: usize, class: usize) -> Result<Self, PropertyError> {
        let rows = others(classes, class)?.map(|other| HalfSpace::above(classes, class, other));
        let outputs = Outputs::All(rows.collect());
        Self::new(Inputs::region(region), classes, outputs)
    }

    /// The class is not `target`: for every input some other output is larger.
    ///
    /// With the inputs of a [`Trigger`](super::Trigger), no stamp makes the image one of the
    /// target class.
    ///
    /// # Errors
    ///
    /// As [`Property::same_class`].
    pub fn not_class(region: Region, classes: usize, target: usize) -> Result<Self, PropertyError> {
        let rows = others(classes, target)?.map(|other| HalfSpace::above(classes, other, target));
        let outputs = Outputs::Any(rows.collect());
        Self::new(Inputs::region(region), classes, outputs)
    }

    /// `I`.
    #[must_use]
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// `O`.
    #[must_use]
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// The number of outputs that it speaks of.
    #[must_use]
    pub fn width(&self) -> usize {
        self.outputs.rows().first().map_or(0, |row| row.coefficients.len())
    }

    /// Fails unless a network has as many inputs and outputs.
    pub(crate) fn check(&self, network: &Network) -> Result<(), PropertyError> {
        let pairs =
            [(network.inputs(), self.inputs.region.dimension()), (network.outputs(), self.width())];
        match pairs.into_iter().find(|(expected, found)| expected != found) {
            Some((expected, found)) => Err(PropertyError::Length { expected, found }),
            None => Ok(()),
        }
    }
}

/// All classes but one.
fn others(
    classes: usize,
    class: usize,
) -> Result<impl Iterator<Item = usize> + Clone, PropertyError> {
    if class >= classes {
        return Err(PropertyError::Class { class, classes });
    }
    Ok((0..classes).filter(move |other| *other != class))
}

fn check(row: &HalfSpace, expected: usize) -> Result<(), PropertyError> {
    let found = row.coefficients.len();
    if expected != found {
        return Err(PropertyError::Length { expected, found });
    }
    let large = |value: &&f64| value.is_nan() || value.abs() > MAX_MAGNITUDE;
    match row.coefficients.iter().chain([&row.bound]).find(large) {
        Some(value) => Err(PropertyError::Number { value: *value }),
        None => Ok(()),
    }
}

/// Why something is no property, or none of a network.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// A half-space, a box or a network of another length.
    #[error("expected {expected} values, found {found}")]
    Length {
        /// The length that was expected.
        expected: usize,
        /// The length that was found.
        found: usize,
    },
    /// A coefficient or a bound is NaN, infinite or above [`MAX_MAGNITUDE`].
    #[error("{value} is not a number of at most {MAX_MAGNITUDE:e}")]
    Number {
        /// The number.
        value: f64,
    },
    /// There is no such class.
    #[error("there is no class {class} among {classes}")]
    Class {
        /// The class.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// Nothing is asked of the outputs.
    #[error("nothing is asked of the outputs")]
    NoHalfSpaces,
    /// A stamp that is empty, or reaches beyond the image.
    #[error("a stamp of {shape:?} pixels at {position:?} is not inside an image of {image:?}")]
    Trigger {
        /// Channels, height and width.
        image: [usize; 3],
        /// Height and width of the stamp.
        shape: [usize; 2],
        /// Its row and column.
        position: [usize; 2],
    },
    /// The half-spaces leave no input.
    #[error("no input of the box is in all half-spaces")]
    NoInputs,
    /// The box is none.
    #[error(transparent)]
    Region(#[from] RegionError),
}
