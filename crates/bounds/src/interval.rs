//! Interval bound propagation (IBP).

use nncert_core::{Interval, Network, Region};

use crate::BoundsError;
use crate::chain::through;
use crate::graph::Graph;
use crate::intervals::Intervals;
use crate::scratch::Scratch;

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
    let (graph, mut bounds) = (Graph::new(network, region)?, Vec::new());
    interval_into(&mut Scratch::default(), &graph, region, &mut bounds)?;
    Ok(bounds)
}

/// [`interval`] of a network in normal form, in the storage of earlier bounds.
pub(crate) fn interval_into(
    scratch: &mut Scratch,
    graph: &Graph<'_>,
    region: &Region,
    bounds: &mut Vec<Interval>,
) -> Result<(), BoundsError> {
    let mut values = core::mem::take(&mut scratch.values);
    let mut images = core::mem::take(&mut scratch.images);
    values.clear();
    images.clear();
    let (mut image, mut input) = (images.spare(), values.spare());
    input.fill(graph.free.iter().map(|&at| region.interval(at)));
    values.push(input);
    let widest = graph.stages.iter().map(|stage| stage.width).max().unwrap_or(0);
    let mut all = scratch.places.take(widest);
    all.extend(0..widest);
    for stage in &graph.stages {
        let value = |at: usize| {
            let live = if at == 0 { &graph.free[..] } else { &all[..values[at].len()] };
            (live, &values[at])
        };
        stage.image(&mut image, value, true, scratch)?;
        let mut next = values.spare();
        next.fill(image.bounds.iter().map(|x| through(stage.gate, x)));
        values.push(next);
    }
    bounds.clear();
    bounds.extend(values.last().into_iter().flat_map(Intervals::iter));
    images.push(image);
    scratch.places.give(all);
    (scratch.values, scratch.images) = (values, images);
    Ok(())
}
