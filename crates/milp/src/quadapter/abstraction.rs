//! The abstraction-based method (ABS): the largest scaling that CROWN shows to be one.

use nncert_bounds::{AlphaOptions, Scratch};

use super::scaling::largest;
use super::{Image, Scaling, SynthesisError, UnderPreimage};
use crate::Watch;

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
    /// The steps of α-CROWN where CROWN is not enough.
    pub alpha: Option<AlphaOptions>,
}

impl Default for Abstraction {
    /// To one percent, with a dozen steps.
    fn default() -> Self {
        let alpha = AlphaOptions { iterations: 12, intermediate: 0, ..AlphaOptions::default() };
        Self { precision: 0.01, alpha: Some(alpha) }
    }
}

impl UnderPreimage for Abstraction {
    fn scaling(
        &self,
        image: &Image<'_>,
        scratch: &mut Scratch,
        watch: &Watch<'_>,
    ) -> Result<Scaling, SynthesisError> {
        largest(self.precision, watch, |scale| image.least(scale, self.alpha.as_ref(), scratch))
    }
}
