//! What a quantized network must keep.

use nncert_bounds::{BoundsError, Scratch};
use nncert_core::Network;

use super::super::{CertifyError, CertifyOptions, Property, Reason, Verdict, certify_in};
use super::SearchError;

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
#[derive(Debug)]
pub struct Kept<'a> {
    property: &'a Property,
    thorough: CertifyOptions,
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
        Self { property, thorough, scratch: Scratch::default() }
    }
}

impl Requirement for Kept<'_> {
    fn verdict(&mut self, quantized: &Network, thorough: bool) -> Result<Verdict, SearchError> {
        let plain = CertifyOptions { alpha: None, attack: 0 };
        let options = if thorough { &self.thorough } else { &plain };
        match certify_in(&mut self.scratch, quantized, self.property, options) {
            Ok(certification) => Ok(certification.verdict),
            Err(CertifyError::Bounds(error)) => unknown_on_overflow(error),
            Err(error) => Err(error.into()),
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
