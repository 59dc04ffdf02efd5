//! Where a network and its copy must give the same class: samples on which the copy need not be run.

use nncert_bounds::{BoundsError, differential};
use nncert_core::directed::{add_up, sub_up};
use nncert_core::{PairedNetworks, Region};

use crate::evaluation_error::evaluation_error;
use crate::norms::{LayerNorms, margins_apart};
use crate::{CachedInput, Fingerprint};

/// A sound bound on how much of a margin a copy can lose, anywhere on a region.
///
/// ```text
/// f'_c - f'_j = (f_c - f_j) - (δ_c - δ_j) ≥ margin - (upper(δ_c) - lower(δ_j)),    δ = f - f'
/// ```
///
/// Where the cached margin of the original exceeds the bound, and the sample lies in the region, the copy gives the class of the
/// original, and is not run. The bound is on evaluation in `f32`, not only on real arithmetic: a rounding analysis of both
/// networks is a part of it. One region for all inputs (the domain, and a few `σ` around it) costs one pass.
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
/// assert!(agreement.needed(3) < 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    domain: AgreementDomain,
    /// Of both networks.
    fingerprints: [Fingerprint; 2],
    /// For each class.
    needed: Vec<f32>,
}

/// Where an agreement holds.
#[derive(Clone, Debug, PartialEq)]
enum AgreementDomain {
    Box(Region),
    /// Of this radius, around 0.
    Ball(f64),
}

/// Why no agreement can be shown.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
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
            let needed = add_up(loss, error);
            // A margin is a difference of two floats, rounded: it may be off by 2^-24 of itself.
            #[allow(clippy::cast_possible_truncation)]
            let needed = (needed * (1.0 + 1e-6)) as f32;
            if needed.is_finite() { needed.next_up() } else { f32::INFINITY }
        });
        let fingerprints = [pair.original(), pair.compressed()].map(Fingerprint::of_network);
        let domain = AgreementDomain::Box(region.clone());
        Ok(Self { domain, fingerprints, needed: needed.collect() })
    }

    /// Bounds the difference of a pair on a ball around 0, by norms of their layers: far cheaper than [`Agreement::new`], and for fine
    /// quantization and many inputs tighter.
    ///
    /// ```text
    /// radius:  the greatest norm of an input, and σ(√d + 4) for noise in d dimensions
    /// ```
    ///
    /// # Errors
    /// [`AgreementError::Layer`] for layers other than affine ones, convolutions, averages, ReLU and their blocks.
    ///
    /// # Examples
    /// ```
    /// use nncert_core::{compress, io};
    /// use nncert_smoothing::{Agreement, LayerNorms};
    ///
    /// # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
    /// let f = io::read_network(format!("{fixtures}/digits_32.safetensors"))?;
    /// let norms = LayerNorms::new(&f);
    /// let pair = compress::float16(&f)?.pair(&f)?;
    /// let agreement = Agreement::by_norms(&pair, &norms, 8.0)?;
    /// assert!(agreement.needed(3) < 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by_norms(
        pair: &PairedNetworks,
        norms: &LayerNorms,
        radius: f64,
    ) -> Result<Self, AgreementError> {
        let networks = [pair.original(), pair.compressed()];
        let apart = margins_apart(networks, norms, radius);
        let apart = apart.map_err(|layer| AgreementError::Layer { layer })?;
        let needed = apart.into_iter().map(|apart| {
            // As above.
            #[allow(clippy::cast_possible_truncation)]
            let needed = (apart * (1.0 + 1e-6)) as f32;
            if needed.is_finite() { needed.next_up() } else { f32::INFINITY }
        });
        let fingerprints = networks.map(Fingerprint::of_network);
        let domain = AgreementDomain::Ball(radius);
        Ok(Self { domain, fingerprints, needed: needed.collect() })
    }

    /// The margin of a class that is enough.
    #[must_use]
    pub fn needed(&self, class: usize) -> f32 {
        self.needed.get(class).copied().unwrap_or(f32::INFINITY)
    }

    /// The share of an input's samples on which a copy need not be run, about: that of the samples that chose the class, which were recorded
    /// with margins.
    #[must_use]
    pub fn spared(&self, input: &CachedInput) -> f64 {
        input.share_above(self.needed(input.class()))
    }

    /// Whether it is about these classifiers.
    pub(crate) fn is_of(&self, original: Fingerprint, changed: Fingerprint) -> bool {
        self.fingerprints == [original, changed]
    }

    /// Whether all samples of at most this norm lie in the region.
    pub(crate) fn covers_norm(&self, reach: f32) -> bool {
        matches!(self.domain, AgreementDomain::Ball(radius) if f64::from(reach) <= radius)
    }

    /// Whether a sample lies in the region.
    pub(crate) fn covers(&self, sample: &[f32]) -> bool {
        match &self.domain {
            AgreementDomain::Box(region) => {
                let ends = region.lower().iter().zip(region.upper());
                sample.len() == region.dimension()
                    && sample.iter().zip(ends).all(|(x, (low, high))| {
                        let x = f64::from(*x);
                        *low <= x && x <= *high
                    })
            }
            AgreementDomain::Ball(radius) => {
                let squares: f64 = sample.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
                // The sum, and this product, are off by far less.
                squares * (1.0 + 1e-6) <= radius * radius
            }
        }
    }
}
