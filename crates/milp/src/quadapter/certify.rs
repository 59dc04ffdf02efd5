//! The final word about a network and a property: bounds from scratch, and an attack.

use core::cmp::Ordering;
use core::fmt;

use nalgebra::{DMatrix, DVector, RowDVector};
use nncert_bounds::{AlphaOptions, BoundsError, Envelope, Scratch, alpha_crown, crown_in};
use nncert_core::{Affine, Network, NetworkError, exact};

use super::{HalfSpace, Outputs, Property, PropertyError};

/// How many weights of a mean are tried.
const MEANS: u32 = 120;

/// What is tried on a property.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CertifyOptions {
    /// The steps of α-CROWN where CROWN is not enough; none to leave it at CROWN.
    pub alpha: Option<AlphaOptions>,
    /// Rounds of gradient steps that look for a witness; 0 for the corners of the bounds alone.
    pub attack: usize,
}

impl Default for CertifyOptions {
    fn default() -> Self {
        Self { alpha: Some(AlphaOptions::default()), attack: 20 }
    }
}

/// Whether a network has a property.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Verdict {
    /// It has: shown by bounds that are rounded outward.
    Certified(Proof),
    /// It has not: it fails at this input, which was replayed exactly.
    Falsified(Witness),
    /// Neither was shown.
    Unknown(Reason),
}

/// What a certificate rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Proof {
    /// [`crown`](nncert_bounds::crown) of the network behind whose outputs the inequalities stand.
    Crown,
    /// [`alpha_crown`](nncert_bounds::alpha_crown) of the same.
    AlphaCrown,
    /// CROWN or α-CROWN of a mean of the inequalities: where the mean is positive, one of them is.
    Mean,
    /// A lower bound of the probability that the network stays close to the original.
    Similarity,
    /// The proven bound of a solver, less a margin: [`certify_by_model`](super::certify_by_model).
    Solver,
}

/// Why neither was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reason {
    /// The bounds are too loose, and no witness was found.
    Bounds,
    /// The time is over.
    Time,
}

/// An input at which a property fails.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Witness {
    /// The input, one of the property's.
    pub input: Vec<f64>,
    /// The inequality that fails there; where one of several must hold, one of those that fail.
    pub row: usize,
}

/// A verdict, and the numbers behind it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Certification {
    /// The verdict.
    pub verdict: Verdict,
    /// At most `coefficients · y - bound`, for each inequality and all inputs.
    pub least: Vec<f64>,
}

/// Decides, as far as bounds and an attack can, whether a network has a property.
///
/// This is how every strategy is verified in the end, however it was found: nothing is taken over from
/// a search but the network itself.
///
/// Guarantee: [`Verdict::Certified`] is sound, about exact real arithmetic. A [`Witness`] was
/// replayed in exact arithmetic; networks with sigmoid or tanh have none.
///
/// # Errors
///
/// [`CertifyError`] when network and property do not fit, and for what bounds refuse.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Affine, Domain, Network, Region};
/// use nncert_milp::quadapter::{CertifyOptions, Property, Strategy, Verdict, certify};
///
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.1, -0.6; -0.7, 0.9], dvector![0.05, -0.1]),
///     Affine::new(dmatrix![1.0, -1.0; -1.0, 1.0], dvector![0.0, 0.0]),
/// ])?;
/// let ball = Region::linf_ball(&[0.9, 0.2], 0.2, &Domain::unit())?;
/// let property = Property::same_class(ball, 2, 0)?;
/// let coarse = Strategy::fitting(&network, &[1, 0])?.quantize(&network)?;
/// let certified = certify(&coarse, &property, &CertifyOptions::default())?;
/// assert!(matches!(certified.verdict, Verdict::Certified(_)), "{certified}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn certify(
    network: &Network,
    property: &Property,
    options: &CertifyOptions,
) -> Result<Certification, CertifyError> {
    certify_in(&mut Scratch::default(), network, property, options)
}

/// [`certify`] with room of the caller's, for one question after the other.
///
/// # Errors
///
/// As [`certify`].
pub fn certify_in(
    scratch: &mut Scratch,
    network: &Network,
    property: &Property,
    options: &CertifyOptions,
) -> Result<Certification, CertifyError> {
    property.check(network)?;
    let rows = property.outputs().rows();
    let asked = network.followed_by(layer(rows))?;
    let region = property.inputs().bounding_box();
    let plain = crown_in(scratch, &asked, region)?.outputs;
    let mut state = State::new(property, plain);
    if let Some(verdict) = state.shown(Proof::Crown) {
        return Ok(state.certification(verdict));
    }
    if let Some(witness) = super::attack::search(&asked, property, &state.envelopes, options.attack)
    {
        return Ok(state.certification(Verdict::Falsified(witness)));
    }
    if let Some(alpha) = &options.alpha {
        state.meet(property, alpha_crown(&asked, region, alpha)?.outputs);
        if let Some(verdict) = state.shown(Proof::AlphaCrown) {
            return Ok(state.certification(verdict));
        }
    }
    if let Outputs::Any(rows) = property.outputs()
        && rows.len() > 1
        && state.is_shown_by_mean(&asked, property, options)?
    {
        return Ok(state.certification(Verdict::Certified(Proof::Mean)));
    }
    Ok(state.certification(Verdict::Unknown(Reason::Bounds)))
}

/// Looks for an input at which a network fails a property: at corners where bounds are least, and
/// along gradients from there.
///
/// Guarantee: exact about a witness, which was replayed; none means nothing.
///
/// # Errors
///
/// As [`certify`].
pub fn falsify(
    network: &Network,
    property: &Property,
    rounds: usize,
) -> Result<Option<Witness>, CertifyError> {
    property.check(network)?;
    let asked = network.followed_by(layer(property.outputs().rows()))?;
    let region = property.inputs().bounding_box();
    let envelopes = crown_in(&mut Scratch::default(), &asked, region)?.outputs;
    Ok(super::attack::search(&asked, property, &envelopes, rounds))
}

/// The layer whose outputs are `coefficients · y - bound`.
fn layer(rows: &[HalfSpace]) -> Affine {
    let width = rows.first().map_or(0, |row| row.coefficients.len());
    let weight = DMatrix::from_fn(rows.len(), width, |row, at| rows[row].coefficients[at]);
    let bias = DVector::from_iterator(rows.len(), rows.iter().map(|row| -row.bound));
    Affine::new(weight, bias)
}

/// Whether an input fails a property, in exact arithmetic.
///
/// `asked` is the network behind whose outputs the inequalities stand.
pub(super) fn replay(asked: &Network, property: &Property, x: &[f64]) -> Option<Witness> {
    if !property.inputs().contains(x) {
        return None;
    }
    let values = exact::evaluate(asked, x).ok()?;
    let fails = |(row, value): (&HalfSpace, &exact::Dyadic)| match value.compare(0.0) {
        Some(Ordering::Less) => true,
        Some(Ordering::Equal) => row.strict,
        _ => false,
    };
    let mut pairs = property.outputs().rows().iter().zip(&values);
    let row = match property.outputs() {
        Outputs::All(_) => pairs.position(fails)?,
        Outputs::Any(_) => pairs.all(fails).then_some(0)?,
    };
    Some(Witness { input: x.to_vec(), row })
}

/// What is known of the inequalities.
struct State<'a> {
    outputs: &'a Outputs,
    envelopes: Vec<Envelope>,
    least: Vec<f64>,
}

impl<'a> State<'a> {
    fn new(property: &'a Property, envelopes: Vec<Envelope>) -> Self {
        let least = envelopes.iter().map(|envelope| least(property, envelope)).collect();
        Self { outputs: property.outputs(), envelopes, least }
    }

    /// Takes over what is better.
    fn meet(&mut self, property: &Property, envelopes: Vec<Envelope>) {
        for (index, envelope) in envelopes.into_iter().enumerate() {
            let new = least(property, &envelope);
            if new > self.least[index] {
                self.least[index] = new;
                self.envelopes[index] = envelope;
            }
        }
    }

    /// The verdict, if the bounds are enough.
    fn shown(&self, proof: Proof) -> Option<Verdict> {
        let shown = |(row, least): (&HalfSpace, &f64)| row.is_shown_by(*least);
        let mut pairs = self.outputs.rows().iter().zip(&self.least);
        let certified = match self.outputs {
            Outputs::All(_) => pairs.all(shown),
            Outputs::Any(_) => pairs.any(shown),
        };
        certified.then_some(Verdict::Certified(proof))
    }

    /// Whether a mean of the inequalities, of which one must hold, is above zero.
    ///
    /// The weights are a choice: those that do well where the forms below the inequalities are
    /// least. They stand in a layer of their own, so that nothing is rounded between.
    fn is_shown_by_mean(
        &self,
        asked: &Network,
        property: &Property,
        options: &CertifyOptions,
    ) -> Result<bool, CertifyError> {
        let weights = self.mean(property);
        let mean = Affine::new(
            DMatrix::from_rows(&[RowDVector::from_row_slice(&weights)]),
            DVector::zeros(1),
        );
        let mean = asked.followed_by(mean)?;
        let region = property.inputs().bounding_box();
        let outputs = match &options.alpha {
            Some(alpha) => alpha_crown(&mean, region, alpha)?.outputs,
            None => crown_in(&mut Scratch::default(), &mean, region)?.outputs,
        };
        Ok(least(property, &outputs[0]) > 0.0)
    }

    /// Weights of a mean, none negative: multiplicative updates against the worst corner, with
    /// steps that grow shorter; the best that were met.
    fn mean(&self, property: &Property) -> Vec<f64> {
        let region = property.inputs().bounding_box();
        let count = self.envelopes.len();
        let mut weights = vec![1.0 / count as f64; count];
        let mut best = (f64::NEG_INFINITY, weights.clone());
        let spread = self.envelopes.iter().map(|envelope| envelope.bounds.width());
        let rate = 2.0 / spread.fold(1e-9, f64::max);
        for round in 1..=MEANS {
            let coefficient = |at: usize| {
                let terms = self.envelopes.iter().zip(&weights);
                terms.map(|(envelope, w)| w * envelope.lower.coefficients[at]).sum::<f64>()
            };
            let corner = |at: usize| {
                let x = region.interval(at);
                if coefficient(at) >= 0.0 { x.lower } else { x.upper }
            };
            let corner: Vec<f64> = (0..region.dimension()).map(corner).collect();
            let forms = self.envelopes.iter().map(|envelope| envelope.lower.at(&corner).lower);
            let values: Vec<f64> = forms.collect();
            let least = weights.iter().zip(&values).map(|(w, value)| w * value).sum();
            if least > best.0 {
                best = (least, weights.clone());
            }
            let step = rate / f64::from(round).sqrt();
            for (weight, value) in weights.iter_mut().zip(&values) {
                *weight = (*weight * libm::exp((step * value).clamp(-30.0, 30.0))).max(1e-12);
            }
            let total: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= total);
        }
        best.1
    }

    fn certification(self, verdict: Verdict) -> Certification {
        Certification { verdict, least: self.least }
    }
}

/// At most the output, for all inputs.
fn least(property: &Property, envelope: &Envelope) -> f64 {
    let inputs = property.inputs();
    let bound = envelope.bounds.lower;
    if inputs.cuts().is_empty() { bound } else { bound.max(inputs.least(&envelope.lower)) }
}

impl fmt::Display for Certification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Certified(proof) => write!(f, "certified by {proof}")?,
            Verdict::Falsified(witness) => write!(f, "falsified, inequality {}", witness.row)?,
            Verdict::Unknown(reason) => write!(f, "unknown: {reason}")?,
        }
        let least = self.least.iter().copied().fold(f64::INFINITY, f64::min);
        write!(f, ", least bound {least:.3e}")
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crown => "CROWN",
            Self::AlphaCrown => "α-CROWN",
            Self::Mean => "a mean of the inequalities",
            Self::Solver => "the proven bound of a solver",
            Self::Similarity => "a bound of the probability of similarity",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bounds => "bounds are too loose, and no witness was found",
            Self::Time => "the time is over",
        })
    }
}

/// Why nothing can be said of a network and a property.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertifyError {
    /// The property is none of this network.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// The inequalities cannot stand behind the network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The network cannot be bounded.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}
