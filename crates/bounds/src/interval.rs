//! Interval bound propagation (IBP).

use nncert_core::{Interval, Network, Region};

use crate::chain::{Chain, OPEN};
use crate::intervals::Intervals;
use crate::relu::relu_interval;
use crate::stage::Gate;
use crate::{BoundsError, Rounding};

/// Bounds each output by interval arithmetic, layer by layer.
///
/// ```text
/// x in [c - r, c + r]   →   W x + b in [W c + b - |W| r, W c + b + |W| r]
/// ```
///
/// The cheapest pass (two matrix-vector products a layer) and the loosest: it
/// forgets how neurons depend on each other.
///
/// Guarantee: sound.
///
/// # Errors
///
/// [`BoundsError`] when the region does not fit, a layer is not supported, or a
/// bound overflows.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, Region};
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.0, -1.0; 1.0, 1.0], dvector![0.0, 0.0]),
///     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// ])?;
/// let region = Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything)?;
/// let bounds = nncert_bounds::interval(&network, &region)?;
/// assert!(bounds[0].contains(0.0) && bounds[0].contains(4.0) && bounds[0].upper < 4.0001);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn interval(network: &Network, region: &Region) -> Result<Vec<Interval>, BoundsError> {
    let mut chain = Chain::new(network, region, Rounding::Outward)?;
    loop {
        let pending = chain.pending()?;
        let gate = chain.gate();
        let Some(gate) = gate else {
            return Ok(pending.image.bounds.iter().collect());
        };
        let bounds = &pending.image.bounds;
        let values: Intervals = match gate {
            Gate::Relu => bounds.iter().map(relu_interval).collect(),
            Gate::Open => bounds.clone(),
        };
        let live: Vec<usize> = (0..values.len()).collect();
        let lines = pending.gate(&live, |_| OPEN);
        chain.relax(&pending, &lines, live, values);
    }
}
