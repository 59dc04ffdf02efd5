//! Networks made ready for one region after the other: passes that allocate nothing.

use nncert_core::{Interval, Network, PairedNetworks, Region};

use crate::crown::{self, How, NetworkBounds};
use crate::differential::{self, PairBounds};
use crate::graph::{Graph, PairGraph};
use crate::interval::interval_into;
use crate::{BoundsError, Scratch};

/// A network in the form in which passes see it, for all regions that fix the same inputs
/// to the same values.
///
/// Passes write into bounds that there are already. From the second on of one shape they
/// allocate nothing on one thread; with feature `rayon` and more of them, pieces of a pass
/// have room of their own. Results are those of the functions of the same names.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, Region};
/// use nncert_bounds::{Prepared, Scratch, crown};
///
/// # let network = Network::relu_mlp(vec![
/// #     Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.5]),
/// #     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// # ])?;
/// let region = |centre: f64| Region::linf_ball(&[centre], 0.25, &Domain::Everything);
/// let (prepared, mut scratch) = (Prepared::new(&network, &region(0.0)?)?, Scratch::default());
/// let mut bounds = crown(&network, &region(0.0)?)?;
/// for centre in [0.0, 0.5, 1.0] {
///     prepared.crown_into(&mut scratch, &region(centre)?, usize::MAX, &mut bounds)?;
///     assert_eq!(bounds, crown(&network, &region(centre)?)?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prepared<'a> {
    graph: Graph<'a>,
    region: Region,
}

impl<'a> Prepared<'a> {
    /// Makes a network ready for a region, and for others that fix the same inputs.
    ///
    /// # Errors
    ///
    /// [`BoundsError`] when the region does not fit, a layer is not supported, or the
    /// affine forms of all outputs would be too large.
    pub fn new(network: &'a Network, region: &Region) -> Result<Self, BoundsError> {
        let graph = Graph::new(network, region)?;
        graph.check_forms(network, region)?;
        Ok(Self { graph, region: region.clone() })
    }

    /// [`interval`](crate::interval), written to `bounds`.
    ///
    /// Guarantee: sound.
    ///
    /// # Errors
    ///
    /// [`BoundsError`] when the region is of another dimension or fixes other inputs, or a
    /// bound overflows. What `bounds` holds then is not specified.
    pub fn interval_into(
        &self,
        scratch: &mut Scratch,
        region: &Region,
        bounds: &mut Vec<Interval>,
    ) -> Result<(), BoundsError> {
        check(&self.region, region)?;
        interval_into(scratch, &self.graph, region, bounds)
    }

    /// [`crown_limited`](crate::crown_limited), written to `bounds`; with `usize::MAX` rows
    /// it is [`crown`](crate::crown).
    ///
    /// Guarantee: sound.
    ///
    /// # Errors
    ///
    /// As [`Prepared::interval_into`].
    pub fn crown_into(
        &self,
        scratch: &mut Scratch,
        region: &Region,
        rows: usize,
        bounds: &mut NetworkBounds,
    ) -> Result<(), BoundsError> {
        check(&self.region, region)?;
        crown::run_into(scratch, &self.graph, region, &How { rows, ..How::default() }, bounds)
    }
}

/// A pair in the form in which passes see it, for all regions that fix the same inputs to
/// the same values. See [`Prepared`].
#[derive(Clone, Debug)]
pub struct PreparedPair<'a> {
    graph: PairGraph<'a>,
    region: Region,
}

impl<'a> PreparedPair<'a> {
    /// Makes a pair ready for a region, and for others that fix the same inputs.
    ///
    /// # Errors
    ///
    /// As [`Prepared::new`].
    pub fn new(pair: &'a PairedNetworks, region: &Region) -> Result<Self, BoundsError> {
        Ok(Self { graph: PairGraph::new(pair, region)?, region: region.clone() })
    }

    /// [`differential_limited`](crate::differential_limited), written to `bounds`; with
    /// `usize::MAX` rows it is [`differential`](crate::differential).
    ///
    /// Guarantee: sound.
    ///
    /// # Errors
    ///
    /// As [`Prepared::interval_into`].
    pub fn differential_into(
        &self,
        scratch: &mut Scratch,
        region: &Region,
        rows: usize,
        bounds: &mut PairBounds,
    ) -> Result<(), BoundsError> {
        check(&self.region, region)?;
        let how = How { rows, ..How::default() };
        differential::run_into(scratch, &self.graph, region, how, bounds)
    }
}

/// Fails unless a region fixes what was fixed where a network was made ready.
fn check(prepared: &Region, region: &Region) -> Result<(), BoundsError> {
    BoundsError::check_region(prepared.dimension(), region)?;
    let mut free = prepared.free().iter().copied().peekable();
    for input in 0..prepared.dimension() {
        let fixed = free.next_if_eq(&input).is_none();
        if fixed && region.interval(input) != prepared.interval(input) {
            return Err(BoundsError::Fixed { input });
        }
    }
    Ok(())
}
