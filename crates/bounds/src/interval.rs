//! Interval bound propagation (IBP).

use nncert_core::{Interval, Network, Region};

use crate::BoundsError;
use crate::chain::through;
use crate::dense::Image;
use crate::graph::Graph;
use crate::intervals::Intervals;

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
    let graph = Graph::new(network, region)?;
    let mut values = vec![(graph.free.clone(), Intervals::of(region, &graph.free))];
    for stage in &graph.stages {
        let value = |at: usize| (&values[at].0[..], &values[at].1);
        let Image { bounds, .. } = stage.image(value, true)?;
        let bounds: Intervals = bounds.iter().map(|x| through(stage.gate, x)).collect();
        values.push(((0..stage.width).collect(), bounds));
    }
    Ok(values.pop().map_or_else(Vec::new, |(_, bounds)| bounds.iter().collect()))
}
