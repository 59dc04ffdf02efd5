//! What a quantized network must keep.

use core::fmt;
use core::time::Duration;

use nncert_bounds::{BoundsError, Scratch};
use nncert_core::Network;

use super::super::{
    CertifyError, CertifyOptions, Minimizer, Property, Reason, Verdict, certify_by_model,
    certify_in,
};
use super::SearchError;
use crate::Watch;

/// Something that a quantized network must keep, with proof.
///
/// [`Kept`] is a [`Property`]; with feature `similarity` `Similar` is closeness to the original.
pub trait Requirement {
    /// What is shown of a quantized network.
    ///
    /// `thorough` asks for more than the cheapest bounds.
    ///
    /// Guarantee: an implementation says [`Verdict::Certified`] only with proof.
    ///
    /// # Errors
    ///
    /// [`SearchError`] where network and requirement do not fit.
    fn verdict(&mut self, quantized: &Network, thorough: bool) -> Result<Verdict, SearchError>;
}

/// A [`Property`] as a requirement.
pub struct Kept<'a> {
    property: &'a Property,
    thorough: CertifyOptions,
    solver: Option<(&'a dyn Minimizer, Duration)>,
    scratch: Scratch,
}

impl<'a> Kept<'a> {
    /// The property, with the default options where it is thorough.
    #[must_use]
    pub fn new(property: &'a Property) -> Self {
        Self::with(property, CertifyOptions::default())
    }

    /// The property, with these options where it is thorough.
    #[must_use]
    pub fn with(property: &'a Property, thorough: CertifyOptions) -> Self {
        Self { property, thorough, solver: None, scratch: Scratch::default() }
    }

    /// The same with a solver, for so long at a time, where it is thorough and bounds are not
    /// enough: [`certify_by_model`].
    #[must_use]
    pub fn and_solver(mut self, solver: &'a dyn Minimizer, time: Duration) -> Self {
        self.solver = Some((solver, time));
        self
    }
}

impl fmt::Debug for Kept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.solver.map(|(_, time)| time);
        f.debug_struct("Kept")
            .field("property", self.property)
            .field("thorough", &self.thorough)
            .field("solver_time", &time)
            .finish_non_exhaustive()
    }
}

impl Requirement for Kept<'_> {
    fn verdict(&mut self, quantized: &Network, thorough: bool) -> Result<Verdict, SearchError> {
        let plain = CertifyOptions { alpha: None, attack: 0 };
        let options = if thorough { &self.thorough } else { &plain };
        let verdict = match certify_in(&mut self.scratch, quantized, self.property, options) {
            Ok(certification) => certification.verdict,
            Err(CertifyError::Bounds(error)) => unknown_on_overflow(error)?,
            Err(error) => return Err(error.into()),
        };
        match (self.solver, &verdict) {
            (Some((solver, time)), Verdict::Unknown(_)) if thorough => {
                Ok(certify_by_model(quantized, self.property, solver, &Watch::limit(time))?)
            }
            _ => Ok(verdict),
        }
    }
}

/// Numbers that overflow show nothing.
pub(super) fn unknown_on_overflow(error: BoundsError) -> Result<Verdict, SearchError> {
    match error {
        BoundsError::Overflow { .. } => Ok(Verdict::Unknown(Reason::Bounds)),
        error => Err(CertifyError::from(error).into()),
    }
}
