//! Quadapter's algorithm 1: preimages backward, then quantization forward.

use core::fmt;
use std::time::{Duration, Instant};

use nncert_bounds::{BoundsError, Scratch};
use nncert_core::compress::FixedPointError;
use nncert_core::{LayerKind, Network, NetworkError};

use super::chain::Chain;
use super::forward::{Goal, forward};
use super::{
    Balanced, Certification, CertifyError, CertifyOptions, Image, Preimage, Property,
    PropertyError, Scaling, Step, Strategy, Verdict, certify,
};
use crate::{ModelError, Watch};

/// How a strategy is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Options {
    /// The fewest bits after the point.
    pub least_fraction: u32,
    /// The most bits after the point.
    pub most_fraction: u32,
    /// How often a layer has a bit more where no number of them is enough for the next.
    pub backtracks: u32,
    /// The share of the ends of a hidden layer that may leave the preimage, two ends a neuron: 0 as in
    /// the paper's tables for Quadapter, 0.25 for Quadapter*. The output layer never leaves.
    pub relaxed: f64,
    /// How often that share is halved where it leaves no strategy.
    pub halvings: u32,
    /// Where no template of a layer is a preimage: the share of the neurons at which the image of a
    /// template may leave the next one. Such templates guide the choice of bits alone.
    pub loose: f64,
    /// How far templates reach.
    pub step: Step,
    /// After this time the answer is unknown.
    pub time: Option<Duration>,
    /// How the strategy is verified in the end.
    pub certify: CertifyOptions,
}

impl Default for Options {
    /// Quadapter's: 1 to 16 bits after the point, no neuron leaves, no time limit.
    fn default() -> Self {
        Self {
            least_fraction: 1,
            most_fraction: 16,
            backtracks: 0,
            relaxed: 0.0,
            halvings: 0,
            loose: 0.0,
            step: Step::Own,
            time: None,
            certify: CertifyOptions::default(),
        }
    }
}

impl Options {
    /// Those of Quadapter*, as the paper has them: a quarter of the ends of each hidden layer may
    /// leave, and there are 2 bits after the point at least.
    #[must_use]
    pub fn quarter() -> Self {
        Self { least_fraction: 2, relaxed: 0.25, ..Self::default() }
    }

    /// Those of Quadapter*, and past it: a third of the ends may leave at first, half as many where
    /// that leaves no strategy, and so on; and where there is no preimage, a template that
    /// comes close to one is the guide.
    #[must_use]
    pub fn relaxed() -> Self {
        Self { relaxed: 1.0 / 3.0, halvings: 3, loose: 0.5, ..Self::quarter() }
    }

    pub(super) fn check(&self) -> Result<(), SynthesisError> {
        let (least, most) = (self.least_fraction, self.most_fraction);
        if least > most {
            return Err(SynthesisError::Fractions { least, most });
        }
        match [self.relaxed, self.loose].into_iter().find(|share| !(0.0..1.0).contains(share)) {
            Some(share) => Err(SynthesisError::Relaxed { share }),
            None => Ok(()),
        }
    }
}

/// How preimages are found.
#[derive(Clone, Copy)]
pub enum Method<'a> {
    /// Backward, the largest scaling of each layer: `UnderPreImage` of the paper.
    Backward(&'a dyn UnderPreimage),
    /// Forward, all layers with one scaling: [`Balanced`].
    Balanced(Balanced),
}

impl Method<'_> {
    /// The preimages of all hidden layers.
    pub(super) fn preimages(
        &self,
        chain: &Chain,
        property: &Property,
        options: &Options,
        scratch: &mut Scratch,
        watch: &Watch<'_>,
    ) -> Result<Backward, SynthesisError> {
        match self {
            Self::Backward(method) => preimages(chain, property, *method, options, scratch, watch),
            Self::Balanced(balanced) => {
                balanced.preimages(chain, property, options, scratch, watch)
            }
        }
    }
}

impl fmt::Debug for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backward(_) => f.debug_tuple("Backward").finish_non_exhaustive(),
            Self::Balanced(balanced) => f.debug_tuple("Balanced").field(balanced).finish(),
        }
    }
}

/// A way to the scaling of a template: `UnderPreImage` of the paper.
pub trait UnderPreimage {
    /// A scaling for which a layer maps the template into the target.
    ///
    /// # Errors
    ///
    /// [`SynthesisError`] for bounds that overflow, and models that a solver refuses.
    fn scaling(
        &self,
        image: &Image<'_>,
        scratch: &mut Scratch,
        watch: &Watch<'_>,
    ) -> Result<Scaling, SynthesisError>;
}

/// What a synthesis comes to.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Synthesis {
    /// The strategy, or why there is none.
    pub outcome: Outcome,
    /// `χ` of each hidden layer whose preimage was found, the last one first.
    pub scales: Vec<f64>,
    /// The time that preimages took.
    pub preimage_time: Duration,
    /// The time that quantization took, and the verification of its result.
    pub quantization_time: Duration,
}

/// A strategy, or why there is none.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// The network that the strategy makes has the property: it was bounded from scratch.
    Certified {
        /// The strategy.
        strategy: Strategy,
        /// What its verification says.
        certification: Certification,
    },
    /// None was found.
    Unknown(Failure),
}

impl Outcome {
    /// The strategy, if there is one.
    #[must_use]
    pub fn strategy(&self) -> Option<&Strategy> {
        match self {
            Self::Certified { strategy, .. } => Some(strategy),
            Self::Unknown(_) => None,
        }
    }
}

/// Why there is no strategy.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Failure {
    /// No template of this layer, scaled up by any amount, was shown to be a preimage.
    Preimage {
        /// The affine layer, counted from 0.
        layer: usize,
    },
    /// No number of bits after the point was enough for this layer.
    Fractions {
        /// The affine layer, counted from 0.
        layer: usize,
    },
    /// The last verification did not certify what was found.
    Verification(Verdict),
    /// The time is over.
    Time,
}

/// Looks for a strategy under which a network keeps a property: algorithm 1.
///
/// Guarantee: sound. A strategy that comes out was verified by [`certify`], which knows nothing of how
/// it was found.
///
/// # Errors
///
/// [`SynthesisError`] for a network that is no chain of affine layers and ReLU, a property that does
/// not fit it, options that are none, and bounds that overflow.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Affine, Domain, Network, Region};
/// use nncert_milp::quadapter::{Abstraction, Method, Options, Property, synthesize};
///
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.13, -0.62; -0.71, 0.94], dvector![0.05, -0.1]),
///     Affine::new(dmatrix![1.02, -1.07; -0.93, 1.1], dvector![0.01, 0.0]),
/// ])?;
/// let ball = Region::linf_ball(&[0.9, 0.2], 0.1, &Domain::unit())?;
/// let property = Property::same_class(ball, 2, 0)?;
/// let abstraction = Abstraction::default();
/// let method = Method::Backward(&abstraction);
/// let found = synthesize(&network, &property, &method, &Options::default())?;
/// let strategy = found.outcome.strategy().expect("a wide margin");
/// assert!(strategy.mean_bits() <= 4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Zhang et al. (Quadapter), algorithm 1.
pub fn synthesize(
    network: &Network,
    property: &Property,
    method: &Method<'_>,
    options: &Options,
) -> Result<Synthesis, SynthesisError> {
    options.check()?;
    property.check(network)?;
    let chain = Chain::of(network)?;
    let watch = options.time.map_or_else(Watch::default, Watch::limit);
    let (scratch, start) = (&mut Scratch::default(), Instant::now());
    let (scales, preimages) = method.preimages(&chain, property, options, scratch, &watch)?;
    let preimage_time = start.elapsed();
    let start = Instant::now();
    let outcome = match preimages {
        Ok(preimages) => {
            let goals = [Goal { property, preimages }];
            let mut tried = *options;
            loop {
                let found = forward(&chain, &goals, &tried, scratch, &watch)?;
                let outcome = accept(network, property, found, options)?;
                let done =
                    matches!(outcome, Outcome::Certified { .. } | Outcome::Unknown(Failure::Time));
                if done || tried.halvings == 0 {
                    break outcome;
                }
                tried.halvings -= 1;
                tried.relaxed /= 2.0;
            }
        }
        Err(failure) => Outcome::Unknown(failure),
    };
    Ok(Synthesis { outcome, scales, preimage_time, quantization_time: start.elapsed() })
}

/// The under-approximate preimages of all hidden layers, or why there are none.
///
/// Guarantee: sound, if [`Options::loose`] is 0: values of layer `i` in preimage `i` are mapped into
/// `O` by the layers behind it (definition 3 of the paper).
///
/// # Errors
///
/// As [`synthesize`].
pub fn find_preimages(
    network: &Network,
    property: &Property,
    method: &Method<'_>,
    options: &Options,
) -> Result<Result<Vec<Preimage>, Failure>, SynthesisError> {
    options.check()?;
    property.check(network)?;
    let chain = Chain::of(network)?;
    let watch = options.time.map_or_else(Watch::default, Watch::limit);
    let scratch = &mut Scratch::default();
    Ok(method.preimages(&chain, property, options, scratch, &watch)?.1)
}

/// Verifies what was found.
fn accept(
    network: &Network,
    property: &Property,
    found: Result<Strategy, Failure>,
    options: &Options,
) -> Result<Outcome, SynthesisError> {
    let strategy = match found {
        Ok(strategy) => strategy,
        Err(failure) => return Ok(Outcome::Unknown(failure)),
    };
    let certification = certify(&strategy.quantize(network)?, property, &options.certify)?;
    Ok(match certification.verdict {
        Verdict::Certified(_) => Outcome::Certified { strategy, certification },
        verdict => Outcome::Unknown(Failure::Verification(verdict)),
    })
}

/// Scalings, last layer first; and the preimages of all hidden layers, or why there are none.
pub(super) type Backward = (Vec<f64>, Result<Vec<Preimage>, Failure>);

/// `floor(share · count)`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
pub(super) fn share(share: f64, count: usize) -> usize {
    ((share * count as f64).floor() as usize).min(count)
}

/// The preimages of all hidden layers, or why there are none; and their scalings, last layer first.
pub(super) fn preimages(
    chain: &Chain,
    property: &Property,
    method: &dyn UnderPreimage,
    options: &Options,
    scratch: &mut Scratch,
    watch: &Watch<'_>,
) -> Result<Backward, SynthesisError> {
    let step = options.step;
    let inputs = property.inputs();
    let (mut scales, mut found) = (Vec::new(), Vec::<Preimage>::new());
    for layer in (0..chain.layers.len() - 1).rev() {
        let element = chain.element(layer, inputs.bounding_box(), scratch)?;
        let next = &chain.layers[layer + 1];
        let mut image = match found.last() {
            None => Image::of_outputs(inputs, element, step, next, property.outputs()),
            Some(target) => Image::of_preimage(inputs, element, step, next, target),
        };
        let mut scaling = method.scaling(&image, scratch, watch)?;
        let leaving = share(options.loose, next.outputs());
        if scaling == Scaling::Empty && leaving > 0 && !found.is_empty() {
            image = image.with_leaving(leaving);
            scaling = method.scaling(&image, scratch, watch)?;
        }
        match scaling {
            Scaling::Found(scale) => {
                scales.push(scale);
                found.push(image.template(scale));
            }
            Scaling::Empty => return Ok((scales, Err(Failure::Preimage { layer }))),
            Scaling::Time => return Ok((scales, Err(Failure::Time))),
        }
    }
    found.reverse();
    Ok((scales, Ok(found)))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preimage { layer } => write!(f, "no preimage of layer {layer} was found"),
            Self::Fractions { layer } => {
                write!(f, "layer {layer} needs more bits than are allowed")
            }
            Self::Verification(_) => write!(f, "what was found is not certified"),
            Self::Time => write!(f, "the time is over"),
        }
    }
}

/// Why a synthesis cannot run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SynthesisError {
    /// The network is no chain of affine layers with ReLU between them.
    #[error("layer {layer}: {kind} is not where a chain of affine layers and ReLU has one")]
    Unsupported {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
    },
    /// The fewest bits are more than the most.
    #[error("from {least} to {most} bits after the point there are none")]
    Fractions {
        /// The fewest.
        least: u32,
        /// The most.
        most: u32,
    },
    /// The share of neurons that may leave is none.
    #[error("{share} is not a share below 1")]
    Relaxed {
        /// The share.
        share: f64,
    },
    /// The property is none of this network.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// A network cannot be made.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A network cannot be bounded.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// A network cannot be verified.
    #[error(transparent)]
    Certify(#[from] CertifyError),
    /// A layer has no format.
    #[error(transparent)]
    Format(#[from] FixedPointError),
    /// A model cannot be written or solved.
    #[error(transparent)]
    Model(#[from] ModelError),
}
