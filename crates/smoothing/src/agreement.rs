//! Where a network and its copy must give the same class: samples on which the copy need not be run.

use std::collections::BTreeMap;

use nncert_bounds::{BoundsError, differential};
use nncert_core::directed::{add_up, sub_up};
use nncert_core::{PairedNetworks, Region};

use crate::cache::digest;
use crate::evaluation_error::evaluation_error;
use crate::norms::{LayerNorms, Moved, NormBounds};
use crate::reach::Reach;
use crate::{CachedInput, ClassifierError, Fingerprint};

/// A sound bound on how much of a margin a copy can lose, anywhere on a region or on all cached samples.
///
/// ```text
/// f'_c - f'_j = (f_c - f_j) - (δ_c - δ_j) ≥ margin - (upper(δ_c) - lower(δ_j)),    δ = f - f'
/// ```
///
/// Where the cached margin of the original exceeds the bound, and the sample lies in the region, the copy gives the class of the
/// original, and is not run. The bound is on evaluation in `f32`, not only on real arithmetic: a rounding analysis of both
/// networks is a part of it. One region for all inputs (the domain, and a few `σ` around it) costs one pass; norms
/// need none ([`Agreement::by_norms`]).
///
/// Guarantee: sound, for networks evaluated by [`NetworkClassifier`](crate::NetworkClassifier).
///
/// # Examples
/// ```
/// use nncert_core::{Domain, Region, compress, io};
/// use nncert_smoothing::Agreement;
///
/// # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
/// let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
/// let pair = compress::float16(&f)?.pair(&f)?;
/// // Every image, and 4.5 σ around it.
/// let region = Region::linf_ball(&[0.5; 64], 0.5 + 4.5 * 0.25, &Domain::Everything)?;
/// let agreement = Agreement::new(&pair, &region)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Agreement {
    kind: Kind,
    /// Of both networks.
    fingerprints: [Fingerprint; 2],
}

/// Where an agreement holds, and from which margin on.
#[derive(Clone, Debug)]
enum Kind {
    /// On a region, for each class.
    Box { region: Region, needed: Vec<f32> },
    /// On all samples that went so far when they were recorded; with what changes at some inputs, by the digests of their values.
    Norms { bounds: Box<NormBounds>, moved: BTreeMap<[u8; 32], Moved> },
}

/// Why no agreement can be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgreementError {
    /// The difference cannot be bounded.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// A layer whose evaluation in `f32` has no bound here.
    #[error("layer {layer} has no bound of its rounding errors in f32")]
    Layer {
        /// The layer, counted from 0; a block is one.
        layer: usize,
    },
    /// The norms are not those of the original.
    #[error("the norms are those of another network")]
    Norms,
    /// The network does not take the input.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
}

impl Agreement {
    /// Bounds the difference of a pair on a region.
    ///
    /// # Errors
    /// [`AgreementError`] for a region of another dimension, bounds that overflow, and layers (sigmoid, tanh, maxima) whose rounding
    /// errors are not bounded.
    pub fn new(pair: &PairedNetworks, region: &Region) -> Result<Self, AgreementError> {
        let bounds = differential(pair, region)?;
        // Each output of each network is off by this, and a margin has two outputs.
        let mut error = 0.0;
        for network in [pair.original(), pair.compressed()] {
            let found = evaluation_error(network, region);
            let found = found.map_err(|layer| AgreementError::Layer { layer })?;
            error = add_up(error, 2.0 * found);
        }
        let deltas: Vec<_> = bounds.outputs.iter().map(|output| output.bounds).collect();
        let needed = deltas.iter().enumerate().map(|(class, delta)| {
            let others = deltas.iter().enumerate().filter(|(other, _)| *other != class);
            let loss =
                others.map(|(_, other)| sub_up(delta.upper, other.lower)).fold(0.0, f64::max);
            margin_up(add_up(loss, error))
        });
        let fingerprints = [pair.original(), pair.compressed()].map(Fingerprint::of_network);
        let kind = Kind::Box { region: region.clone(), needed: needed.collect() };
        Ok(Self { kind, fingerprints })
    }

    /// Bounds the difference of a pair on cached samples, by norms of the layers and of what was seen to enter them: far cheaper than
    /// [`Agreement::new`], and for many inputs tighter.
    ///
    /// What is needed depends on the input: how far its samples went is recorded with their margins. [`Agreement::around`] makes it
    /// less.
    ///
    /// # Errors
    /// [`AgreementError::Layer`] for layers other than affine ones, convolutions, averages, ReLU and their blocks;
    /// [`AgreementError::Norms`] for norms of another network than the original.
    ///
    /// # Examples
    /// ```
    /// use nncert_core::{compress, io};
    /// use nncert_smoothing::{
    ///     Agreement, Input, LayerNorms, NetworkClassifier, Noise, RecordOptions, Smoothed, Smoothing,
    /// };
    ///
    /// # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
    /// let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
    /// let images = io::read_dataset(format!("{fixtures}/test_images.safetensors"))?;
    /// let (image, _) = images.iter().next().expect("a hundred images");
    /// let input = Input { id: 0, values: image };
    /// let smoothed =
    ///     Smoothed::new(NetworkClassifier::new(&f)?, Smoothing::new(Noise::Gaussian, 0.25, 1)?)?;
    /// let options = RecordOptions { samples: 1000, margins: true, ..Default::default() };
    /// let recorded = smoothed.record(input, &options)?;
    ///
    /// let norms = LayerNorms::new(&f);
    /// let pair = compress::float16(&f)?.pair(&f)?;
    /// let mut agreement = Agreement::by_norms(&pair, &norms)?;
    /// let needed = agreement.needed(&recorded);
    /// agreement.around(image)?;
    /// assert!(agreement.needed(&recorded) <= needed && needed < 0.1, "{needed}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by_norms(pair: &PairedNetworks, norms: &LayerNorms) -> Result<Self, AgreementError> {
        let networks = [pair.original(), pair.compressed()];
        let fingerprints = networks.map(Fingerprint::of_network);
        if norms.fingerprint() != fingerprints[0] {
            return Err(AgreementError::Norms);
        }
        let bounds = NormBounds::new(networks, norms);
        let bounds = bounds.map_err(|layer| AgreementError::Layer { layer })?;
        let kind = Kind::Norms { bounds: Box::new(bounds), moved: BTreeMap::new() };
        Ok(Self { kind, fingerprints })
    }

    /// Sees what the change of the weights does at an input, for its samples: then only how far they go from there counts in full. Costs
    /// about as much as some evaluations; of no use to one on a region.
    ///
    /// # Errors
    /// [`AgreementError::Classifier`] for an input of another length.
    pub fn around(&mut self, input: &[f64]) -> Result<(), AgreementError> {
        if let Kind::Norms { bounds, moved } = &mut self.kind {
            moved.insert(digest(input), bounds.moved(input)?);
        }
        Ok(())
    }

    /// The margin that is enough, on the cached samples of an input.
    #[must_use]
    pub fn needed(&self, input: &CachedInput) -> f32 {
        self.needed_within(input, &input.reach())
    }

    /// The same for samples that go as far as those that chose the class: independent of all that are counted.
    pub(crate) fn expected(&self, input: &CachedInput) -> f32 {
        self.needed_within(input, input.selection_reach())
    }

    fn needed_within(&self, input: &CachedInput, reach: &Reach) -> f32 {
        match &self.kind {
            Kind::Box { needed, .. } => needed.get(input.class()).copied().unwrap_or(f32::INFINITY),
            Kind::Norms { bounds, moved } if input.class() < bounds.outputs() => {
                margin_up(bounds.apart(input.class(), reach, moved.get(&input.digest)))
            }
            Kind::Norms { .. } => f32::INFINITY,
        }
    }

    /// The share of an input's samples on which a copy need not be run, about: that of the samples that chose the class, which were recorded
    /// with margins.
    #[must_use]
    pub fn spared(&self, input: &CachedInput) -> f64 {
        input.share_above(self.expected(input))
    }

    /// Whether it is about these classifiers.
    pub(crate) fn is_of(&self, original: Fingerprint, changed: Fingerprint) -> bool {
        self.fingerprints == [original, changed]
    }

    /// Whether it holds on every cached sample, so that none has to be looked at.
    pub(crate) fn covers_all(&self) -> bool {
        matches!(self.kind, Kind::Norms { .. })
    }

    /// Whether it holds on a cached sample.
    pub(crate) fn covers(&self, sample: &[f32]) -> bool {
        match &self.kind {
            Kind::Box { region, .. } => {
                let ends = region.lower().iter().zip(region.upper());
                sample.len() == region.dimension()
                    && sample.iter().zip(ends).all(|(x, (low, high))| {
                        let x = f64::from(*x);
                        *low <= x && x <= *high
                    })
            }
            Kind::Norms { .. } => true,
        }
    }
}

/// A bound of a loss, for margins that are differences of two floats, rounded: they may be off by 2^-24 of themselves.
fn margin_up(loss: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation)]
    let needed = (loss * (1.0 + 1e-6)) as f32;
    if needed.is_finite() { needed.next_up() } else { f32::INFINITY }
}
