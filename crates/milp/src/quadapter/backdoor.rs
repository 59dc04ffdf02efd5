//! Backdoor-freeness by a sequential test: Quadapter's algorithm 2.

use core::fmt;

use nncert_bounds::Scratch;
use nncert_core::{Interval, Network};
use nncert_prob::{
    Confidence, ConfidenceError, Count, Sprt, SprtDecision, SprtError, SprtThresholds,
};

use super::chain::Chain;
use super::forward::{Goal, forward};
use super::{
    Failure, Method, Options, Property, PropertyError, Strategy, SynthesisError, Trigger, Verdict,
    certify_in,
};
use crate::Watch;

/// What is tested, and at which levels.
///
/// The test is about sets of `K` images, drawn independently. If some stamp made the network choose
/// the target for a share `θ` of all images, every image of a set would fall to it with probability
/// `θ^K`, and a set with an image that no stamp can turn would have a probability of at most
/// `1 - θ^K`.
///
/// ```text
/// H0: P(a set has an image that no stamp turns) ≥ 1 - θ^K + δ
/// H1: the same probability                      ≤ 1 - θ^K - δ
/// ```
///
/// # References
///
/// Zhang et al. (Quadapter), section 4.2, with the thresholds `ϱ / (1 - σ)` and `(1 - ϱ) / σ`
/// instead of those that are printed in algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BackdoorLevels {
    /// `θ`: the share of images for which a trigger works, to be a backdoor.
    pub success_rate: f64,
    /// `K`: the images of a set.
    pub set: usize,
    /// `ε`: the scaling of the first layer above which an image counts.
    pub scale: f64,
    /// `σ`: the probability that H0 is rejected where it is true.
    pub type_one: f64,
    /// `ϱ`: the probability that H0 is accepted where H1 is true.
    pub type_two: f64,
    /// `δ`: half the width of what lies between the hypotheses.
    pub indifference: f64,
    /// The most sets, after which there is no decision.
    pub most_sets: usize,
}

impl Default for BackdoorLevels {
    /// The paper's: `θ = 0.9`, `K = 5`, `ε = 0.01`, `σ = ϱ = δ = 0.05`; 400 sets at most.
    fn default() -> Self {
        Self {
            success_rate: 0.9,
            set: 5,
            scale: 0.01,
            type_one: 0.05,
            type_two: 0.05,
            indifference: 0.05,
            most_sets: 400,
        }
    }
}

impl BackdoorLevels {
    /// `1 - θ^K`
    fn middle(&self) -> f64 {
        1.0 - libm::pow(self.success_rate, self.set as f64)
    }

    /// The test. Our hypotheses are in the order of their probabilities: the lower one is H1.
    fn sprt(&self) -> Result<Sprt, BackdoorError> {
        if self.set == 0 {
            return Err(BackdoorError::Set { set: 0 });
        }
        let middle = self.middle();
        let [lower, upper, accepted, rejected] =
            [middle - self.indifference, middle + self.indifference, self.type_two, self.type_one]
                .map(Confidence::new);
        Ok(Sprt::new(lower?, upper?, accepted?, rejected?, SprtThresholds::Wald)?)
    }
}

/// A trigger and the class that it is to lead to.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Backdoor {
    /// The stamp.
    pub trigger: Trigger,
    /// The range of its pixels.
    pub range: Interval,
    /// The class.
    pub target: usize,
}

impl Backdoor {
    /// That no stamp makes an image one of the target class.
    ///
    /// # Errors
    ///
    /// [`PropertyError`] for an image of another size and a class that there is not.
    pub fn property(&self, image: &[f64], classes: usize) -> Result<Property, PropertyError> {
        let region = self.trigger.region(image, self.range)?;
        Property::not_class(region, classes, self.target)
    }
}

/// What a sequential test of one network says, word for word.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BackdoorStatement {
    /// What was tested.
    pub backdoor: Backdoor,
    /// At which levels.
    pub levels: BackdoorLevels,
    /// `n`: the sets that were drawn.
    pub sets: u64,
    /// `z`: those with an image that, shown by bounds, no stamp turns.
    pub safe: u64,
    /// Whether H0 was accepted.
    pub accepted: bool,
}

/// What a synthesis against backdoors comes to.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum BackdoorOutcome {
    /// A strategy, and what fresh images say of the network that it makes.
    Found {
        /// The strategy. Every image that it was made for is certified in its network.
        strategy: Strategy,
        /// Of the original network, on the images that the strategy was made from.
        design: BackdoorStatement,
        /// Of the quantized network, on images that the strategy knows nothing of.
        confirmation: BackdoorStatement,
    },
    /// The quantized network did not pass the test on fresh images.
    Unconfirmed {
        /// The strategy.
        strategy: Strategy,
        /// What the fresh images say.
        confirmation: BackdoorStatement,
    },
    /// H0 was not accepted for the original network.
    NotAccepted(BackdoorStatement),
    /// No strategy keeps the certified images certified.
    Unknown(Failure),
}

/// Looks for a strategy under which a network is free of a backdoor: algorithm 2.
///
/// `draw` gives independent images of the distribution that the statement is about; the images of the
/// confirmation are drawn after all others. The strategy depends on the first images, which is why
/// the statement about the quantized network rests on the others alone.
///
/// Guarantee: an image counts as one that no stamp turns if that is certified, soundly; a
/// set counts for the confirmation only if an image of it is certified *in the quantized network*. The
/// error levels are those of Wald's test: that both errors together are at most `σ + ϱ` is
/// sound, each one alone is so up to factors of `1 / (1 - ϱ)` and `1 / (1 - σ)`.
///
/// # Errors
///
/// [`BackdoorError`] for levels that are none, and as [`synthesize`](super::synthesize).
pub fn synthesize_backdoor_free(
    network: &Network,
    backdoor: &Backdoor,
    levels: &BackdoorLevels,
    draw: &mut dyn FnMut() -> Vec<f64>,
    (method, options): (&Method<'_>, &Options),
) -> Result<BackdoorOutcome, BackdoorError> {
    options.check()?;
    let chain = Chain::of(network)?;
    let watch = options.time.map_or_else(Watch::default, Watch::limit);
    let scratch = &mut Scratch::default();
    let (mut kept, mut late) = (Vec::<(Property, Vec<super::Preimage>)>::new(), false);
    let design = sequential(backdoor, levels, &watch, &mut || {
        let mut best: Option<(f64, Property, Vec<super::Preimage>)> = None;
        for _ in 0..levels.set {
            let property = backdoor.property(&draw(), network.outputs())?;
            property.check(network)?;
            let (_, found) = method.preimages(&chain, &property, options, scratch, &watch)?;
            late |= found == Err(Failure::Time);
            let Ok(preimages) = found else { continue };
            let scale = preimages.first().map_or(f64::INFINITY, |first| first.scale);
            if best.as_ref().is_none_or(|(known, ..)| scale > *known) {
                best = Some((scale, property, preimages));
            }
        }
        let best = best.filter(|(scale, ..)| *scale >= levels.scale);
        Ok(match best {
            Some((_, property, preimages)) => {
                kept.push((property, preimages));
                true
            }
            None => false,
        })
    })?;
    if late {
        return Ok(BackdoorOutcome::Unknown(Failure::Time));
    }
    if !design.accepted {
        return Ok(BackdoorOutcome::NotAccepted(design));
    }
    let goals: Vec<Goal<'_>> = kept
        .iter()
        .map(|(property, preimages)| Goal { property, preimages: preimages.clone() })
        .collect();
    let strategy = match forward(&chain, &goals, options, scratch, &watch)? {
        Ok(strategy) => strategy,
        Err(failure) => return Ok(BackdoorOutcome::Unknown(failure)),
    };
    let quantized = strategy.quantize(network).map_err(SynthesisError::from)?;
    let confirmation = confirm_in(scratch, &quantized, backdoor, levels, draw, options)?;
    Ok(if confirmation.accepted {
        BackdoorOutcome::Found { strategy, design, confirmation }
    } else {
        BackdoorOutcome::Unconfirmed { strategy, confirmation }
    })
}

/// The sequential test of a network as it is: a set counts if one of its images is certified.
///
/// # Errors
///
/// As [`synthesize_backdoor_free`].
pub fn confirm_backdoor_free(
    network: &Network,
    backdoor: &Backdoor,
    levels: &BackdoorLevels,
    draw: &mut dyn FnMut() -> Vec<f64>,
    options: &Options,
) -> Result<BackdoorStatement, BackdoorError> {
    confirm_in(&mut Scratch::default(), network, backdoor, levels, draw, options)
}

fn confirm_in(
    scratch: &mut Scratch,
    network: &Network,
    backdoor: &Backdoor,
    levels: &BackdoorLevels,
    draw: &mut dyn FnMut() -> Vec<f64>,
    options: &Options,
) -> Result<BackdoorStatement, BackdoorError> {
    let watch = options.time.map_or_else(Watch::default, Watch::limit);
    sequential(backdoor, levels, &watch, &mut || {
        let mut safe = false;
        for _ in 0..levels.set {
            // All images are drawn, so that sets do not depend on each other.
            let property = backdoor.property(&draw(), network.outputs())?;
            if !safe {
                let end = certify_in(scratch, network, &property, &options.certify)
                    .map_err(SynthesisError::from)?;
                safe = matches!(end.verdict, Verdict::Certified(_));
            }
        }
        Ok(safe)
    })
}

/// Draws sets until the test decides.
fn sequential(
    backdoor: &Backdoor,
    levels: &BackdoorLevels,
    watch: &Watch<'_>,
    is_safe: &mut dyn FnMut() -> Result<bool, BackdoorError>,
) -> Result<BackdoorStatement, BackdoorError> {
    let test = levels.sprt()?;
    let (mut sets, mut safe) = (0, 0);
    let mut accepted = false;
    for _ in 0..levels.most_sets {
        if watch.left().is_some_and(|left| left.is_zero()) {
            break;
        }
        sets += 1;
        safe += u64::from(is_safe()?);
        // More safe sets than sets there are not.
        let Ok(count) = Count::new(safe, sets) else { break };
        match test.decide(count) {
            SprtDecision::Continue => {}
            decision => {
                accepted = decision == SprtDecision::AcceptUpper;
                break;
            }
        }
    }
    Ok(BackdoorStatement { backdoor: *backdoor, levels: *levels, sets, safe, accepted })
}

impl fmt::Display for BackdoorStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backdoor, levels, sets, safe, accepted } = self;
        let ([height, width], [row, column]) =
            (backdoor.trigger.shape(), backdoor.trigger.position());
        let (set, bound) = (levels.set, levels.middle() + levels.indifference);
        write!(
            f,
            "{safe} of {sets} sets of {set} images have one that no stamp of {height} by {width} \
             pixels at row {row}, column {column} makes class {}: by Wald's sequential test, \
             that their probability is at least {bound:.3} is {} (type I error {}, type II error \
             {}, half-width of indifference {})",
            backdoor.target,
            if *accepted { "accepted" } else { "not accepted" },
            levels.type_one,
            levels.type_two,
            levels.indifference,
        )?;
        if *accepted {
            write!(f, "; a stamp that works for {} of all images has less", levels.success_rate)?;
        }
        Ok(())
    }
}

/// Why a test cannot run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BackdoorError {
    /// A set is empty.
    #[error("{set} images are no set")]
    Set {
        /// The images.
        set: usize,
    },
    /// A level is no probability.
    #[error(transparent)]
    Level(#[from] ConfidenceError),
    /// The hypotheses or the errors make no test.
    #[error(transparent)]
    Test(#[from] SprtError),
    /// The synthesis cannot run.
    #[error(transparent)]
    Synthesis(#[from] SynthesisError),
    /// An image or a class does not fit.
    #[error(transparent)]
    Property(#[from] PropertyError),
}
