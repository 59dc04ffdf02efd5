//! Why bounds in integers are refused.

use nncert_core::FixedPointNetwork;

use super::IntegerRegion;

/// Why there are no bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedPointBoundsError {
    /// The region has another number of coordinates than the network has inputs.
    #[error("expected a region in {expected} dimensions, found {found}")]
    Region {
        /// The network's inputs.
        expected: usize,
        /// The region's coordinates.
        found: usize,
    },
    /// A linear form has another number of coefficients than the network has outputs.
    #[error("expected {expected} coefficients of outputs, found {found}")]
    Row {
        /// The network's outputs.
        expected: usize,
        /// The coefficients.
        found: usize,
    },
}

impl FixedPointBoundsError {
    pub(super) fn check(network: &FixedPointNetwork, region: &IntegerRegion) -> Result<(), Self> {
        let (expected, found) = (network.inputs(), region.dimension());
        if expected == found { Ok(()) } else { Err(Self::Region { expected, found }) }
    }
}
