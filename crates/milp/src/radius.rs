//! The maximum robustness radius: QVIP's algorithm 1.

use core::fmt;

use nncert_bounds::fixed_point::{FixedPointBounder, IntegerRegion};
use nncert_core::FixedPointNetwork;

use crate::cascade::Cascade;
use crate::{Norm, Property, UnknownReason, Verdict, VerifyError, VerifyOptions, Watch, Witness};

/// How radii are searched.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RadiusOptions {
    /// The first radius after 1.
    pub start: u64,
    /// What a radius that is robust is increased by.
    pub step: u64,
    /// How each radius is verified; `time` is for one radius.
    pub verify: VerifyOptions,
}

impl Default for RadiusOptions {
    fn default() -> Self {
        Self { start: 10, step: 10, verify: VerifyOptions::default() }
    }
}

/// A maximum robustness radius, or what is known of it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RadiusReport {
    /// The largest radius at which the property was proven; `None` if it fails at the center.
    pub robust: Option<u64>,
    /// The nearest witness that was met.
    pub witness: Option<Witness>,
    /// Why the last radius that was not decided was not, if one was left between the two.
    pub unknown: Option<UnknownReason>,
    /// The radii that were verified, and whether each was robust.
    pub checked: Vec<(u64, Option<bool>)>,
}

impl RadiusReport {
    /// The maximum robustness radius: the property holds there and fails one further, or
    /// holds on all inputs.
    #[must_use]
    pub fn radius(&self) -> Option<u64> {
        let robust = self.robust?;
        let meets = self.witness.as_ref().is_none_or(|witness| witness.distance == robust + 1);
        (self.unknown.is_none() && meets).then_some(robust)
    }
}

/// The largest radius of balls around the region's center at which a property holds.
///
/// A witness at a distance `d` says that every radius from `d` on fails, so that the search goes on
/// below it; a violation that was closed at a radius is closed at every smaller one. Where a radius
/// is not decided in its time, smaller ones may still be robust, and larger ones still have
/// a witness, whose own distance may be what was missing: both are looked for.
///
/// Guarantee: exact about both ends.
///
/// # Errors
///
/// As [`verify`](crate::verify).
///
/// # Examples
///
/// ```
/// use nalgebra::dmatrix;
/// use nncert_core::FixedPointNetwork;
/// use nncert_core::fixed_point::{FixedPointLayer, Format, LayerFormats, Rounding};
/// use nncert_milp::{IntegerRegion, Norm, Property, RadiusOptions, Watch, maximum_radius};
///
/// let values = Format::unsigned(6, 4)?;
/// let weight = Format::signed(6, 4)?;
/// let formats = LayerFormats { weight, bias: weight, output: values, rounding: Rounding::HalfUp };
/// let layer = |weights| {
///     FixedPointLayer::with_formats(&weights, &[0, 0], values, formats, formats.relu_clamp())
/// };
/// let network = FixedPointNetwork::new(
///     values,
///     vec![layer(dmatrix![9, -20; 24, 17])?, layer(dmatrix![-12, 10; 13, 7])?],
/// )?;
/// let property = Property::same_class_as(&network, &[10, 2])?;
/// let region = IntegerRegion::around(&network, vec![10, 2], Norm::Linf, 0)?;
/// let options = RadiusOptions::default();
/// let report = maximum_radius(&network, &region, &property, &options, &Watch::default())?;
/// let radius = report.radius().expect("it is decided");
/// assert_eq!(report.witness.unwrap().distance, radius + 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// QVIP, section 4, algorithm 1.
pub fn maximum_radius(
    network: &FixedPointNetwork,
    center: &IntegerRegion,
    property: &Property,
    options: &RadiusOptions,
    watch: &Watch<'_>,
) -> Result<RadiusReport, VerifyError> {
    let bounder = FixedPointBounder::new(network);
    let ways = property.violations().len();
    let mut search = Search {
        bounder: &bounder,
        center,
        property,
        options: &options.verify,
        closed: vec![None; ways],
        report: RadiusReport { robust: None, witness: None, unknown: None, checked: Vec::new() },
    };
    if let Some(witness) = Witness::replay(network, center, property, center.center()) {
        search.report.witness = Some(witness);
        return Ok(search.report);
    }
    search.report.robust = Some(0);
    let most = most(center);
    search.outward(options, most, watch)?;
    search.between(most, watch)?;
    Ok(search.report)
}

struct Search<'a> {
    bounder: &'a FixedPointBounder<'a>,
    center: &'a IntegerRegion,
    property: &'a Property,
    options: &'a VerifyOptions,
    /// For each violation, the largest radius at which it was closed.
    closed: Vec<Option<u64>>,
    report: RadiusReport,
}

impl Search<'_> {
    fn robust(&self) -> u64 {
        self.report.robust.unwrap_or(0)
    }

    /// The nearest radius that is known to fail.
    fn failing(&self) -> Option<u64> {
        self.report.witness.as_ref().map(|witness| witness.distance)
    }

    /// Steps outward, from 1, until a witness is met or a radius is not decided; then, beyond it, for
    /// a witness alone.
    fn outward(
        &mut self,
        options: &RadiusOptions,
        most: u64,
        watch: &Watch<'_>,
    ) -> Result<(), VerifyError> {
        let mut next = 1.min(most);
        let mut tried = 0;
        while self.failing().is_none() && self.robust() < most && tried < most {
            let radius = next;
            let decided = self.check(radius, watch)?;
            if !decided && self.failing().is_none() {
                return self.witness_beyond(radius, most, watch);
            }
            tried = radius;
            let outward =
                if radius == 1 { options.start } else { radius.saturating_add(options.step) };
            next = outward.max(radius + 1).min(most);
        }
        Ok(())
    }

    /// Attacks greater and greater balls, until one holds a witness.
    fn witness_beyond(
        &mut self,
        radius: u64,
        most: u64,
        watch: &Watch<'_>,
    ) -> Result<(), VerifyError> {
        let attack = VerifyOptions { branch: None, ..*self.options };
        let mut radius = radius;
        while self.failing().is_none() && radius < most {
            radius = radius.saturating_mul(2).min(most);
            self.verify(radius, &attack, watch)?;
        }
        Ok(())
    }

    /// Bisects between what is robust and what fails. A radius that is not decided bounds the search
    /// from above, and once nothing is left below it, what is above is attacked.
    fn between(&mut self, most: u64, watch: &Watch<'_>) -> Result<(), VerifyError> {
        let mut ceiling = most.saturating_add(1);
        for (radius, robust) in &self.report.checked {
            if robust.is_none() {
                ceiling = ceiling.min(*radius);
            }
        }
        loop {
            let (robust, failing) = (self.robust(), self.failing().unwrap_or(u64::MAX));
            let above = ceiling.min(failing);
            if robust.saturating_add(1) >= above {
                break;
            }
            let middle = robust + (above - robust) / 2;
            if !self.check(middle, watch)? && self.failing().is_none_or(|failing| failing > middle)
            {
                ceiling = middle;
            }
        }
        self.witnesses_below(ceiling, watch)?;
        let decided = match self.failing() {
            Some(failing) => failing == self.robust() + 1,
            None => self.robust() >= most,
        };
        if decided {
            self.report.unknown = None;
        }
        Ok(())
    }

    /// Bisects the radii above one that was not decided for nearer witnesses.
    fn witnesses_below(&mut self, ceiling: u64, watch: &Watch<'_>) -> Result<(), VerifyError> {
        let attack = VerifyOptions { branch: None, ..*self.options };
        let mut low = ceiling;
        while let Some(failing) = self.failing()
            && low + 1 < failing
        {
            let middle = low + (failing - low) / 2;
            self.verify(middle, &attack, watch)?;
            if self.failing() == Some(failing) {
                low = middle;
            }
        }
        Ok(())
    }

    /// Verifies one radius with all stages; `false` if it is not known.
    fn check(&mut self, radius: u64, watch: &Watch<'_>) -> Result<bool, VerifyError> {
        let options = self.options;
        self.verify(radius, options, watch)
    }

    fn verify(
        &mut self,
        radius: u64,
        options: &VerifyOptions,
        watch: &Watch<'_>,
    ) -> Result<bool, VerifyError> {
        let limited = options.time.map(|time| watch.at_most(time));
        let watch = limited.as_ref().unwrap_or(watch);
        let region = self.center.with_radius(radius);
        let mut cascade = Cascade::new(self.bounder, &region, self.property, options)?;
        cascade.assume_closed(|way| self.closed[way].is_some_and(|known| known >= radius));
        cascade.run(watch);
        for (known, closed) in self.closed.iter_mut().zip(&cascade.closed) {
            if closed.is_some() {
                *known = Some(known.unwrap_or(0).max(radius));
            }
        }
        let verdict = cascade.verdict.take();
        let robust = match &verdict {
            Some(Verdict::Robust) => Some(true),
            Some(Verdict::Falsified(_)) => Some(false),
            Some(Verdict::Unknown(_)) | None => None,
        };
        self.report.checked.push((radius, robust));
        match verdict {
            Some(Verdict::Robust) => self.report.robust = Some(self.robust().max(radius)),
            Some(Verdict::Falsified(witness)) => {
                if self.failing().is_none_or(|nearest| witness.distance < nearest) {
                    self.report.witness = Some(witness);
                }
            }
            Some(Verdict::Unknown(reason)) => self.report.unknown = Some(reason),
            None => self.report.unknown = Some(UnknownReason::Stages),
        }
        Ok(robust.is_some())
    }
}

/// A radius at which the ball is all inputs.
fn most(center: &IntegerRegion) -> u64 {
    let range = center.range();
    let (width, inputs) = (range.lower().abs_diff(range.upper()), center.dimension() as u64);
    match center.norm() {
        Norm::Linf => width,
        Norm::L0 => inputs,
        Norm::L1 => width.saturating_mul(inputs),
        Norm::L2 => width.saturating_mul(inputs.isqrt() + 1),
    }
}

/// `radius 7`, `radius 7 to 11`.
impl fmt::Display for RadiusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.robust, self.radius(), &self.witness) {
            (None, ..) => write!(f, "fails at the center"),
            (_, Some(radius), _) => write!(f, "radius {radius}"),
            (Some(robust), None, Some(witness)) => {
                write!(f, "radius {robust} to {}", witness.distance - 1)
            }
            (Some(robust), None, None) => write!(f, "radius {robust} at least"),
        }
    }
}
