//! Backward linear bound propagation for one network (CROWN, DeepPoly).

use core::fmt;

use nncert_core::{Activation, Interval, Network, Region};

use crate::activation::is_linear_on;
use crate::alpha::AlphaOptions;
use crate::chain::{Chain, tighten};
use crate::dense::Image;

use crate::envelope::Envelope;
use crate::graph::{Gate, Graph};
use crate::intervals::Intervals;
use crate::parallel::{in_parallel, parts};
use crate::relaxations::Relaxations;
use crate::rows::Rows;
use crate::scratch::Scratch;
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
    run(&mut Scratch::default(), network, region, relaxations, rounding, Between::Crown)
}

/// [`crown`] with room of the caller's, for one region after the other.
///
/// # Errors
///
/// As [`crown`].
pub fn crown_in(
    scratch: &mut Scratch,
    network: &Network,
    region: &Region,
) -> Result<NetworkBounds, BoundsError> {
    run(scratch, network, region, &Relaxations::default(), Rounding::Outward, Between::Crown)
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
    let (scratch, relaxations) = (&mut Scratch::default(), Relaxations::default());
    let plain = crown_in(scratch, network, region)?;
    let better =
        run(scratch, network, region, &relaxations, Rounding::Outward, Between::Alpha(options))?;
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
/// size of the network. Use it for convolutional networks whose unstable neurons are too
/// many for a row each.
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
    let (scratch, relaxations) = (&mut Scratch::default(), Relaxations::default());
    run(scratch, network, region, &relaxations, Rounding::Outward, Between::Interval)
}

/// How the neurons between are bounded.
#[derive(Clone, Copy)]
enum Between<'a> {
    Interval,
    Crown,
    Alpha(&'a AlphaOptions),
}

fn run(
    scratch: &mut Scratch,
    network: &Network,
    region: &Region,
    relaxations: &Relaxations,
    rounding: Rounding,
    between: Between<'_>,
) -> Result<NetworkBounds, BoundsError> {
    let alpha = match between {
        Between::Alpha(options) => Some(options),
        Between::Crown | Between::Interval => None,
    };
    let graph = Graph::new(network, region)?;
    graph.check_forms(network, region)?;
    let input = [Intervals::of(region, region.free())];
    let mut chain = Chain::new(&graph, &input, rounding);
    chain.free = alpha.is_some();
    let mut pre_activations = Vec::new();
    loop {
        let mut pending = chain.pending()?;
        let Some(gate) = chain.gate() else {
            let outputs = outputs(&mut chain, &pending, region, alpha, scratch);
            let (region, products) = (region.clone(), chain.products);
            chain.recycle(scratch);
            return Ok(NetworkBounds { region, outputs, pre_activations, products });
        };
        if let Gate::Activation(activation) = gate {
            if !matches!(between, Between::Interval) {
                refine(&mut chain, &mut pending, activation, alpha, scratch);
            }
            pre_activations.push(pending[0].bounds.iter().collect());
        }
        let live = chain.alive(&pending);
        chain.pass(&pending, relaxations, live, scratch);
    }
}

/// Tightens the bounds of the neurons at which the gate is not linear.
pub(crate) fn refine(
    chain: &mut Chain<'_>,
    pending: &mut [Image],
    activation: Activation,
    alpha: Option<&AlphaOptions>,
    scratch: &mut Scratch,
) {
    let unstable = pending.iter().map(|image| {
        let bounds = &image.bounds;
        (0..bounds.len()).filter(|&n| !is_linear_on(activation, bounds.get(n))).collect()
    });
    let unstable: Vec<Vec<usize>> = unstable.collect();
    let between = alpha.filter(|options| options.intermediate > 0);
    let between = between.map(|options| (options.intermediate, options));
    let parts: Vec<Vec<Vec<usize>>> = parts(unstable, chain.batch().min(PART)).collect();
    let bounds = {
        let (chain, pending) = (&*chain, &*pending);
        in_parallel(&parts, scratch, |scratch, part| {
            let rows = bound(chain, pending, part, between, scratch);
            let bounds = rows.bounds(chain.input, chain.outward);
            scratch.give(rows.coefficients);
            (bounds, rows.products)
        })
    };
    for (part, (bounds, products)) in parts.iter().zip(bounds) {
        chain.products += products;
        tighten(pending, part, &bounds);
    }
}

/// How many rows are substituted together: parts run in parallel, with the same results.
const PART: usize = 512;

/// Rows of neurons, optimised or not.
fn bound(
    chain: &Chain<'_>,
    pending: &[Image],
    neurons: &[Vec<usize>],
    how: Option<(usize, &AlphaOptions)>,
    scratch: &mut Scratch,
) -> Rows {
    match how {
        Some(how) => chain.rows_alpha(pending, neurons, how, scratch).rows,
        None => chain.rows(pending, neurons, scratch),
    }
}

fn outputs(
    chain: &mut Chain<'_>,
    pending: &[Image],
    region: &Region,
    alpha: Option<&AlphaOptions>,
    scratch: &mut Scratch,
) -> Vec<Envelope> {
    let all: Vec<usize> = (0..pending[0].bounds.len()).collect();
    let how = alpha.map(|options| (options.iterations, options));
    let rows = bound(chain, pending, &[all], how, scratch);
    chain.products += rows.products;
    let bounds = rows.concretise(0, &chain.input[0], chain.outward);
    let free = &chain.graph.free;
    let envelope = |(output, bound): (usize, Interval)| Envelope {
        lower: rows.lower_form(0, output, region, free, chain.outward),
        upper: rows.upper_form(0, output, region, free, chain.outward),
        bounds: pending[0].bounds.get(output).intersect(bound),
    };
    let envelopes = bounds.into_iter().enumerate().map(envelope).collect();
    scratch.give(rows.coefficients);
    envelopes
}
