//! Interval bound propagation (IBP).

use nncert_core::{Interval, Network, Region};

use crate::BoundsError;
use crate::chain::Pending;
use crate::intervals::Intervals;
use crate::relu::relu_interval;
use crate::stage::{Gate, stages};

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
    BoundsError::check_region(network.inputs(), region)?;
    let stages = stages(network)?;
    let (mut live, mut values) = (region.free().to_vec(), Intervals::of_free(region));
    for (index, stage) in stages.iter().enumerate() {
        let fold = (index == 0).then_some(region);
        let Pending { image, .. } =
            Pending::new(stage, fold, (&live, &values), stages.len(), true)?;
        values = match stage.gate {
            Gate::Relu => image.bounds.iter().map(relu_interval).collect(),
            Gate::Open => image.bounds,
        };
        live = (0..values.len()).collect();
    }
    Ok(values.iter().collect())
}
