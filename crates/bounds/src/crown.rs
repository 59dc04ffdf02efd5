//! Backward linear bound propagation for one network (CROWN, DeepPoly).

use core::fmt;

use nncert_core::{Interval, Network, Region};

use crate::chain::{Chain, Pending, unstable};
use crate::envelope::Envelope;
use crate::relaxations::Relaxations;
use crate::stage::Gate;
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
    /// The bounds of the values before each ReLU, in the order of the layers.
    pub pre_activations: Vec<Vec<Interval>>,
    /// How many multiplications of matrix products the pass took.
    pub products: u64,
}

impl NetworkBounds {
    /// How many ReLUs may be on either side of their kink.
    #[must_use]
    pub fn unstable(&self) -> usize {
        self.pre_activations.iter().flatten().filter(|x| unstable(**x)).count()
    }
}

impl fmt::Display for NetworkBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bounds on {}, {} unstable ReLUs", self.region, self.unstable())?;
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
    let mut chain = Chain::new(network, region, rounding)?;
    let mut pre_activations = Vec::new();
    loop {
        let mut pending = chain.pending()?;
        match chain.gate() {
            None => {
                let outputs = outputs(&mut chain, &pending);
                let (region, products) = (region.clone(), chain.products);
                return Ok(NetworkBounds { region, outputs, pre_activations, products });
            }
            Some(Gate::Open) => chain.pass_open(&pending),
            Some(Gate::Relu) => {
                let unstable = pending.unstable();
                chain.refine(&mut pending, &unstable);
                chain.pass_relu(&pending, relaxations, pending.alive());
                pre_activations.push(pending.image.bounds.iter().collect());
            }
        }
    }
}

fn outputs(chain: &mut Chain<'_>, pending: &Pending) -> Vec<Envelope> {
    let all: Vec<usize> = (0..pending.image.bounds.len()).collect();
    let rows = chain.rows(pending, &all);
    let bounds = rows.concretise(&chain.input, chain.outward);
    let envelope = |(output, bound): (usize, Interval)| Envelope {
        lower: rows.lower_form(output, chain.region, chain.outward),
        upper: rows.upper_form(output, chain.region, chain.outward),
        bounds: pending.image.bounds.get(output).intersect(bound),
    };
    bounds.into_iter().enumerate().map(envelope).collect()
}
