//! Certified radius against confidence.

use core::fmt;
use core::ops::ControlFlow;

use nncert_core::PairedNetworks;
use nncert_prob::{Confidence, Probability};

use crate::guess::Guess;
use crate::radius::{Search, next_radius};
use crate::{Balls, Method, Probe, RadiusSearch, SimilarityError};

/// A radius for each of some confidences.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CertifiedCurve {
    /// One point for each confidence, in the order that they were asked for.
    pub points: Vec<CurvePoint>,
    /// The `ε` that was asked about.
    pub epsilon: f64,
    /// How the bounds were made.
    pub method: Method,
    /// How many radii were tried, for all points together.
    pub probes: usize,
}

/// A point of a certified curve.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CurvePoint {
    /// The confidence `γ`.
    pub gamma: Confidence,
    /// The largest radius that was certified at it; `None` when there is none, not even 0.
    pub radius: Option<f64>,
    /// The smallest radius above it that was tried and not certified, if any was.
    pub refused: Option<f64>,
}

/// The largest certified balls for some confidences, in one sweep.
///
/// ```text
/// R(γ) = max { r : γ_min(B(r), ε) ≥ γ }   for each γ
/// ```
///
/// What is found out about a radius serves all confidences, so that a curve of ten points
/// costs little more than two. The curve is monotone: a higher confidence never has a
/// larger radius.
///
/// Guarantee: sound for each radius, as in [`certified_radius`](crate::certified_radius).
///
/// # Errors
///
/// As [`certified_radius`](crate::certified_radius).
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks};
/// use nncert_similarity::{Balls, Confidence, Method, RadiusSearch, certified_curve};
///
/// // f(x) - f'(x) = 0.5 x, which is at most 0.25 for |x| ≤ 0.5.
/// let network = |w: f64| Network::relu_mlp(vec![Affine::new(dmatrix![w], dvector![0.0])]);
/// let pair = PairedNetworks::new(&network(1.5)?, &network(1.0)?)?;
/// let (balls, search) = (Balls::around(&[0.0]), RadiusSearch::default());
/// let gammas = [Confidence::new(0.5)?, Confidence::new(0.9999)?];
/// let curve = certified_curve(&pair, &balls, 0.25, &gammas, Method::default(), &search)?;
/// let [half, sure] = [0, 1].map(|at: usize| curve.points[at].radius.unwrap());
/// assert!(0.999 < half && half <= 1.0 && 0.4995 < sure && sure <= 0.5001);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// SimCert, definition 3; the rows of its table 1 are such curves.
pub fn certified_curve(
    pair: &PairedNetworks,
    balls: &Balls,
    epsilon: f64,
    gammas: &[Confidence],
    method: Method,
    search: &RadiusSearch,
) -> Result<CertifiedCurve, SimilarityError> {
    let unobserved = |_| ControlFlow::Continue(());
    certified_curve_observed(pair, balls, epsilon, gammas, method, search, unobserved)
}

/// [`certified_curve`] with an observer that sees every radius that is tried.
///
/// When the observer breaks, the points have the largest radii certified so far.
/// [`Probe::certified`] is about the confidence that the radius was chosen for.
///
/// # Errors
///
/// As [`certified_curve`].
pub fn certified_curve_observed(
    pair: &PairedNetworks,
    balls: &Balls,
    epsilon: f64,
    gammas: &[Confidence],
    method: Method,
    search: &RadiusSearch,
    mut observer: impl FnMut(Probe) -> ControlFlow<()>,
) -> Result<CertifiedCurve, SimilarityError> {
    let options = search;
    let search = Search { pair, balls, epsilon, method, options };
    search.check()?;
    let mut probes = Probes::default();
    // The highest first: its radius is the smallest, and certified for all.
    let mut descending = gammas.to_vec();
    descending.sort_by_key(|gamma| core::cmp::Reverse(*gamma));
    let mut guesses = vec![Guess::new(pair, balls.centre(), method); descending.len()];
    'sweep: for (at, &gamma) in descending.iter().enumerate() {
        loop {
            let (certified, refused) = probes.around(gamma);
            let Some(plain) = next_radius(certified, refused, options) else { break };
            let radius = guesses[at].next(certified, refused, epsilon, options).unwrap_or(plain);
            // Without a target: what is found serves the other confidences too.
            let found = search.bound(radius, None)?;
            for (guess, gamma) in guesses[at..].iter_mut().zip(&descending[at..]) {
                search.learn(guess, radius, found.as_ref(), gamma.get());
            }
            let lower = found.map_or(Probability::ZERO, |found| found.lower);
            probes.add(radius, lower);
            let certified = lower.get() >= gamma.get();
            let probe = Probe { radius, certified, count: probes.tried.len() };
            if observer(probe).is_break() {
                break 'sweep;
            }
        }
        if probes.around(gamma).0.is_none() {
            // The smallest ball fails: perhaps its centre does not.
            probes.centre = match probes.centre {
                None => Some(search.bound(0.0, None)?.map_or(Probability::ZERO, |p| p.lower)),
                known => known,
            };
        }
    }
    let point = |&gamma: &Confidence| {
        let (certified, refused) = probes.around(gamma);
        let centre = probes.centre.filter(|lower| lower.get() >= gamma.get()).map(|_| 0.0);
        CurvePoint { gamma, radius: certified.or(centre), refused }
    };
    let points = gammas.iter().map(point).collect();
    Ok(CertifiedCurve { points, epsilon, method, probes: probes.tried.len() })
}

/// The radii that were tried, and what is certified at them.
#[derive(Default)]
struct Probes {
    /// Ascending.
    tried: Vec<(f64, Probability)>,
    centre: Option<Probability>,
}

impl Probes {
    fn add(&mut self, radius: f64, lower: Probability) {
        let place = self.tried.partition_point(|(other, _)| *other < radius);
        self.tried.insert(place, (radius, lower));
    }

    /// The largest radius that is certified at a confidence, and the next that is not.
    fn around(&self, gamma: Confidence) -> (Option<f64>, Option<f64>) {
        let reaches = |(_, lower): &(f64, Probability)| lower.get() >= gamma.get();
        let last = self.tried.iter().rposition(reaches);
        let next = self.tried.get(last.map_or(0, |last| last + 1));
        (last.map(|last| self.tried[last].0), next.map(|(radius, _)| *radius))
    }
}

impl CertifiedCurve {
    /// The radius at a confidence that was asked for; 0 when there is none.
    #[must_use]
    pub fn radius(&self, gamma: Confidence) -> f64 {
        let point = self.points.iter().find(|point| point.gamma == gamma);
        point.and_then(|point| point.radius).unwrap_or(0.0)
    }
}

impl fmt::Display for CertifiedCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P(|f - f'| <= {}) ({}):", self.epsilon, self.method)?;
        for CurvePoint { gamma, radius, .. } in &self.points {
            match radius {
                Some(radius) => write!(f, "\n  at least {gamma} up to radius {radius}")?,
                None => write!(f, "\n  not shown to be {gamma} at any radius")?,
            }
        }
        Ok(())
    }
}
