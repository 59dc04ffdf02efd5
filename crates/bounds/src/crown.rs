//! Backward linear bound propagation for one network (CROWN, DeepPoly).

use core::fmt;

use nncert_core::{Interval, Network, Region};

use crate::activation::is_linear_on;
use crate::alpha::AlphaOptions;
use crate::chain::{Chain, lines, tighten};
use crate::dense::Image;
use crate::envelope::Envelope;
use crate::graph::{Gate, Graph};
use crate::influence::line_gap;
use crate::interval::interval_into;
use crate::intervals::Intervals;
use crate::parallel::in_parallel;
use crate::relaxations::Relaxations;
use crate::rows::Side;
use crate::scratch::Scratch;
use crate::selection::Selection;
use crate::{BoundsError, Rounding};

/// What [`crown`] returns.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NetworkBounds {
    /// The region that the bounds hold on.
    pub region: Region,
    /// An envelope for each output.
    pub outputs: Vec<Envelope>,
    /// The bounds of the values before each activation, in the order of the layers.
    /// Maxima count as the ReLUs that they consist of, `max(a, b) = a + ReLU(b - a)`.
    pub pre_activations: Vec<Vec<Interval>>,
    /// How many multiplications of matrix products the pass took.
    pub products: u64,
}

impl NetworkBounds {
    /// Nothing yet, on a region.
    pub(crate) fn blank(region: &Region) -> Self {
        let (outputs, pre_activations) = (Vec::new(), Vec::new());
        Self { region: region.clone(), outputs, pre_activations, products: 0 }
    }

    /// How many of these values may have either sign.
    #[must_use]
    pub fn unstable(&self) -> usize {
        let unstable = |x: &&Interval| x.lower < 0.0 && x.upper > 0.0;
        self.pre_activations.iter().flatten().filter(unstable).count()
    }
}

impl fmt::Display for NetworkBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bounds on {}, {} unstable neurons", self.region, self.unstable())?;
        for (output, envelope) in self.outputs.iter().enumerate() {
            write!(f, "\n  output {output}: {}", envelope.bounds)?;
        }
        Ok(())
    }
}

/// Bounds each output by two affine functions of the input.
///
/// Starting from the output, the pass substitutes layers backward: affine layers
/// exactly, ReLUs by lines chosen from the bounds of their inputs. Those bounds
/// come from the same pass, but only for neurons that interval arithmetic leaves
/// unstable.
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
/// // f(x) = ReLU(x) - ReLU(-x) = x: CROWN sees the dependency, interval arithmetic does not.
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.0]),
///     Affine::new(dmatrix![1.0, -1.0], dvector![0.0]),
/// ])?;
/// let region = Region::linf_ball(&[1.0], 0.5, &Domain::Everything)?;
/// let output = &nncert_bounds::crown(&network, &region)?.outputs[0];
/// assert!((output.bounds.lower - 0.5).abs() < 1e-12 && (output.bounds.upper - 1.5).abs() < 1e-12);
/// assert_eq!(output.lower.coefficients, [1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Zhang et al. (CROWN), 2018; Singh et al. (DeepPoly), 2019.
pub fn crown(network: &Network, region: &Region) -> Result<NetworkBounds, BoundsError> {
    crown_with(network, region, &Relaxations::default(), Rounding::Outward)
}

/// [`crown`] with relaxations of the caller's choice.
///
/// The result is as sound as the relaxations are.
///
/// # Errors
///
/// As [`crown`].
pub fn crown_with(
    network: &Network,
    region: &Region,
    relaxations: &Relaxations,
    rounding: Rounding,
) -> Result<NetworkBounds, BoundsError> {
    let how = How { relaxations: *relaxations, rounding, ..How::default() };
    run(&mut Scratch::default(), network, region, &how)
}

/// [`crown`] with room of the caller's, for one region after the other.
///
/// What it allocates is the network's normal form and the result; [`Prepared`] spares
/// these too.
///
/// [`Prepared`]: crate::Prepared
///
/// # Errors
///
/// As [`crown`].
pub fn crown_in(
    scratch: &mut Scratch,
    network: &Network,
    region: &Region,
) -> Result<NetworkBounds, BoundsError> {
    run(scratch, network, region, &How::default())
}

/// [`crown`] with lower slopes chosen by gradient ascent (α-CROWN).
///
/// Every output, and with [`AlphaOptions::intermediate`] every unstable neuron, takes
/// slopes of its own. What a step finds is kept where it is better, so the bounds are
/// never looser than those of [`crown`].
///
/// Guarantee: sound.
///
/// # Errors
///
/// As [`crown`].
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, Region};
/// # use nncert_bounds::{AlphaOptions, alpha_crown, crown};
/// // ReLU(x) - ReLU(x - 1): the best lower line of the first is 0, CROWN takes x.
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.0; 1.0], dvector![0.0, -1.0]),
///     Affine::new(dmatrix![1.0, -1.0], dvector![0.0]),
/// ])?;
/// let region = Region::new(vec![-1.0], vec![1.5])?;
/// let plain = crown(&network, &region)?.outputs[0].bounds;
/// let better = alpha_crown(&network, &region, &AlphaOptions::default())?.outputs[0].bounds;
/// assert!(better.lower > plain.lower + 0.29 && better.upper <= plain.upper);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Xu et al., *Fast and Complete: Enabling Complete Neural Network Verification with
/// Rapid and Massively Parallel Incomplete Verifiers*, ICLR 2021.
pub fn alpha_crown(
    network: &Network,
    region: &Region,
    options: &AlphaOptions,
) -> Result<NetworkBounds, BoundsError> {
    let scratch = &mut Scratch::default();
    let plain = crown_in(scratch, network, region)?;
    let better = run(scratch, network, region, &How { alpha: Some(*options), ..How::default() })?;
    // Tighter bounds between can turn the slopes that the steps start from.
    let outputs = better.outputs.into_iter().zip(plain.outputs);
    let outputs = outputs.map(|(better, plain)| better.meet(plain)).collect();
    let products = better.products + plain.products;
    Ok(NetworkBounds { outputs, products, ..better })
}

/// [`crown`] with interval bounds of the neurons between (CROWN-IBP): rows for the outputs
/// alone.
///
/// The cost is that of [`interval`](crate::interval) and one pass backward, whatever the
/// size of the network. The same as [`crown_limited`] with no rows between.
///
/// Guarantee: sound.
///
/// # Errors
///
/// As [`crown`].
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, Region};
/// # use nncert_bounds::{crown_ibp, interval};
/// // f(x) = ReLU(x) - ReLU(-x) = x.
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.0]),
///     Affine::new(dmatrix![1.0, -1.0], dvector![0.0]),
/// ])?;
/// let region = Region::linf_ball(&[1.0], 0.5, &Domain::Everything)?;
/// let bounds = crown_ibp(&network, &region)?.outputs[0].bounds;
/// assert!(bounds.is_within(interval(&network, &region)?[0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Zhang et al., *Towards Stable and Efficient Training of Verifiably Robust Neural
/// Networks* (CROWN-IBP), ICLR 2020.
pub fn crown_ibp(network: &Network, region: &Region) -> Result<NetworkBounds, BoundsError> {
    crown_limited(network, region, 0)
}

/// [`crown`] with rows for some neurons only, at most `rows` in all; the others have
/// interval bounds.
///
/// The first layers come first: their rows are cheap, and all that follows rests on them.
/// Where a layer has more unstable neurons than rows are left, these go to those whose
/// lines are furthest apart. Between [`crown_ibp`] (no rows) and [`crown`] (as many as it
/// takes) in cost and tightness: for convolutional networks whose unstable neurons are too
/// many for a row each.
///
/// The bounds are never looser than those of [`interval`](crate::interval).
///
/// Guarantee: sound.
///
/// # Errors
///
/// As [`crown`].
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, Region};
/// # use nncert_bounds::{crown, crown_limited};
/// # let network = Network::relu_mlp(vec![
/// #     Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.0]),
/// #     Affine::new(dmatrix![1.0, -1.0], dvector![0.0]),
/// # ])?;
/// let region = Region::linf_ball(&[0.1], 0.5, &Domain::Everything)?;
/// // Two unstable neurons: no more rows are needed.
/// let (all, some) = (crown(&network, &region)?, crown_limited(&network, &region, 2)?);
/// assert_eq!(all.pre_activations, some.pre_activations);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn crown_limited(
    network: &Network,
    region: &Region,
    rows: usize,
) -> Result<NetworkBounds, BoundsError> {
    run(&mut Scratch::default(), network, region, &How { rows, ..How::default() })
}

/// How a pass is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) relaxations: Relaxations,
    pub(crate) rounding: Rounding,
    /// How many neurons between have rows of their own, the first stages first.
    pub(crate) rows: usize,
    /// How rows are optimised, if they are.
    pub(crate) alpha: Option<AlphaOptions>,
}

impl Default for How {
    fn default() -> Self {
        let (relaxations, rounding) = (Relaxations::default(), Rounding::Outward);
        Self { relaxations, rounding, rows: usize::MAX, alpha: None }
    }
}

fn run(
    scratch: &mut Scratch,
    network: &Network,
    region: &Region,
    how: &How,
) -> Result<NetworkBounds, BoundsError> {
    let graph = Graph::new(network, region)?;
    graph.check_forms(network, region)?;
    let mut bounds = NetworkBounds::blank(region);
    run_into(scratch, &graph, region, how, &mut bounds)?;
    Ok(bounds)
}

/// [`crown`] of a network in normal form, in the storage of earlier bounds.
pub(crate) fn run_into(
    scratch: &mut Scratch,
    graph: &Graph<'_>,
    region: &Region,
    how: &How,
    bounds: &mut NetworkBounds,
) -> Result<(), BoundsError> {
    let input = [Intervals::of_in(region, &graph.free, scratch)];
    let mut chain = Chain::new(0, graph, &input, how.rounding, scratch);
    chain.free = how.alpha.is_some();
    let mut pending = core::mem::take(&mut scratch.images);
    let mut between = 0;
    let mut left = how.rows;
    loop {
        chain.pending(&mut pending, scratch)?;
        let Some(gate) = chain.gate() else { break };
        if let Gate::Activation(activation) = gate {
            if left > 0 {
                let mut unstable = Selection::new(scratch);
                for image in &*pending {
                    let x = |n: usize| image.bounds.get(n);
                    let all = 0..image.bounds.len();
                    let mixed = all.filter(|&n| !is_linear_on(activation, x(n)));
                    let gap = |n| line_gap(&lines(gate, &how.relaxations, x(n)), x(n));
                    unstable.push_best(mixed, left, gap);
                }
                refine(&mut chain, &mut pending, &unstable, how.alpha.as_ref(), scratch);
                left -= unstable.len();
                unstable.recycle(scratch);
            }
            if bounds.pre_activations.len() == between {
                bounds.pre_activations.push(Vec::new());
            }
            let known = &mut bounds.pre_activations[between];
            known.clear();
            known.extend(pending[0].bounds.iter());
            between += 1;
        }
        let live = chain.alive(&pending, scratch);
        chain.pass(&pending, &how.relaxations, &live, scratch);
        scratch.places.give(live);
    }
    bounds.pre_activations.truncate(between);
    bounds.region.clone_from(region);
    outputs(&mut chain, &pending, how.alpha.as_ref(), bounds, scratch);
    bounds.products = chain.products;
    chain.recycle(scratch);
    scratch.images = pending;
    if (1..usize::MAX).contains(&how.rows) {
        // Tighter bounds between, and the last bit of an output may be looser.
        let mut plain = scratch.intervals.take(bounds.outputs.len());
        interval_into(scratch, graph, region, &mut plain)?;
        for (output, plain) in bounds.outputs.iter_mut().zip(&plain) {
            output.bounds = output.bounds.intersect(*plain);
        }
        scratch.intervals.give(plain);
    }
    let [input] = input;
    input.recycle(scratch);
    Ok(())
}

/// Tightens the bounds of some neurons.
fn refine(
    chain: &mut Chain<'_>,
    pending: &mut [Image],
    neurons: &Selection,
    alpha: Option<&AlphaOptions>,
    scratch: &mut Scratch,
) {
    let between = alpha.filter(|options| options.intermediate > 0);
    let between = between.map(|options| (options.intermediate, options));
    let (count, size) = neurons.parts(chain.batch().min(PART));
    let mut state = (chain, pending);
    in_parallel(
        count,
        &mut state,
        scratch,
        |(chain, pending), scratch, at| {
            let part = neurons.part(at, size, scratch);
            let rows = chain.bound(pending, &part, between, scratch);
            let bounds = rows.bounds(chain.input, chain.outward, scratch);
            let products = rows.products;
            rows.recycle(scratch);
            part.recycle(scratch);
            (bounds, products)
        },
        // What a row is charged does not depend on the bounds of its layer.
        |(chain, pending), scratch, at, (bounds, products)| {
            let part = neurons.part(at, size, scratch);
            chain.products += products;
            tighten(pending, &part, &bounds);
            part.recycle(scratch);
            scratch.intervals.give(bounds);
        },
    );
}

/// How many rows are substituted together: parts run in parallel, with the same results.
pub(crate) const PART: usize = 512;

fn outputs(
    chain: &mut Chain<'_>,
    pending: &[Image],
    alpha: Option<&AlphaOptions>,
    result: &mut NetworkBounds,
    scratch: &mut Scratch,
) {
    let mut all = Selection::new(scratch);
    all.push(0..pending[0].bounds.len());
    let how = alpha.map(|options| (options.iterations, options));
    let rows = chain.bound(pending, &all, how, scratch);
    chain.products += rows.products;
    let bounds = rows.bounds(chain.input, chain.outward, scratch);
    result.outputs.resize_with(bounds.len(), Envelope::blank);
    for (output, envelope) in result.outputs.iter_mut().enumerate() {
        for (side, form) in [(Side::Below, &mut envelope.lower), (Side::Above, &mut envelope.upper)]
        {
            let at = (0, output, side);
            rows.write_form(at, &result.region, &chain.graph.free, chain.outward, form);
        }
        envelope.bounds = pending[0].bounds.get(output).intersect(bounds[output]);
    }
    rows.recycle(scratch);
    scratch.intervals.give(bounds);
    all.recycle(scratch);
}
