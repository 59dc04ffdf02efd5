//! Closeness to the original as a requirement.

use nncert_core::{Network, PairedNetworks, Region};
use nncert_prob::{Confidence, Tail};
use nncert_similarity::{Method, SimilarityError, probability_interval};

use super::super::{Proof, Reason, Verdict};
use super::requirement::unknown_on_overflow;
use super::{Requirement, SearchError};

/// That a quantized network stays close to the original on a region, with a probability.
///
/// ```text
/// P(|f(X) - f'(X)| ≤ ε) ≥ γ   for X uniform on the region
/// ```
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Affine, Network, Region};
/// use nncert_milp::quadapter::{Search, SearchOptions, Similar};
/// use nncert_prob::Confidence;
///
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![0.71, -0.33; 0.42, 0.27], dvector![0.1, 0.0]),
///     Affine::new(dmatrix![0.55, -0.81], dvector![0.2]),
/// ])?;
/// let region = Region::new(vec![0.0; 2], vec![1.0; 2])?;
/// let mut surely = Similar::everywhere(&network, region.clone(), 0.02)?;
/// let mut likely = Similar::new(&network, region, 0.02, Confidence::new(0.9)?)?;
/// let mut search = Search::new(&network, SearchOptions::default())?;
/// let surely = search.run(&mut [&mut surely], None)?.strategy.expect("some strategy does");
/// let likely = search.run(&mut [&mut likely], None)?.strategy.expect("some strategy does");
/// assert!(likely.mean_bits() <= surely.mean_bits());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Similar<'a> {
    original: &'a Network,
    region: Region,
    epsilon: f64,
    gamma: f64,
    method: Method,
}

impl<'a> Similar<'a> {
    /// With a probability of at least `gamma`.
    ///
    /// # Errors
    ///
    /// [`SimilarityError`] for an `ε` that is none.
    pub fn new(
        original: &'a Network,
        region: Region,
        epsilon: f64,
        gamma: Confidence,
    ) -> Result<Self, SimilarityError> {
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(SimilarityError::Epsilon { epsilon });
        }
        let method = Method::default();
        Ok(Self { original, region, epsilon, gamma: gamma.get(), method })
    }

    /// Everywhere on the region: the worst case.
    ///
    /// # Errors
    ///
    /// As [`Similar::new`].
    pub fn everywhere(
        original: &'a Network,
        region: Region,
        epsilon: f64,
    ) -> Result<Self, SimilarityError> {
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(SimilarityError::Epsilon { epsilon });
        }
        let method = Method { tail: Tail::WorstCase, ..Method::default() };
        Ok(Self { original, region, epsilon, gamma: 1.0, method })
    }
}

impl Requirement for Similar<'_> {
    fn verdict(&mut self, quantized: &Network, _: bool) -> Result<Verdict, SearchError> {
        let pair = PairedNetworks::new(self.original, quantized)?;
        match probability_interval(&pair, &self.region, self.epsilon, self.method) {
            Ok(found) if found.lower.get() >= self.gamma => {
                Ok(Verdict::Certified(Proof::Similarity))
            }
            Ok(_) => Ok(Verdict::Unknown(Reason::Bounds)),
            Err(SimilarityError::Bounds(error)) => unknown_on_overflow(error),
            Err(error) => Err(error.into()),
        }
    }
}
