//! Complete differential verification: prove that two networks agree, or show where
//! they do not.

use core::cmp::Ordering;
use core::fmt;
use core::ops::ControlFlow;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use nncert_core::exact::{self, Dyadic};
use nncert_core::{Interval, PairedNetworks, Region};

use crate::differential::{Lessons, differential_within};
use crate::stability::Stability;
use crate::{BoundsError, PairBounds};

/// What is to be shown: the outputs stay together.
///
/// ```text
/// |f_o(x) - f'_o(x)| ≤ ε   (or < ε)   for all x in the region and the chosen outputs o
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Agreement {
    /// `ε`, in units of the outputs.
    pub epsilon: f64,
    /// Whether the difference has to stay strictly below `ε`.
    pub strict: bool,
    /// The output that has to agree, counted from 0; `None` for all of them.
    pub output: Option<usize>,
}

impl Agreement {
    /// All outputs stay within `ε`.
    #[must_use]
    pub const fn within(epsilon: f64) -> Self {
        Self { epsilon, strict: false, output: None }
    }

    /// The same for one output only.
    #[must_use]
    pub const fn of_output(self, output: usize) -> Self {
        Self { output: Some(output), ..self }
    }

    /// The same with `<` in place of `≤`.
    #[must_use]
    pub const fn strictly(self) -> Self {
        Self { strict: true, ..self }
    }

    fn outputs(&self, count: usize) -> Vec<usize> {
        self.output.map_or_else(|| (0..count).collect(), |output| vec![output])
    }

    /// Whether a difference in an interval is shown to be fine.
    fn holds(&self, difference: Interval) -> bool {
        let size = difference.magnitude();
        if self.strict { size < self.epsilon } else { size <= self.epsilon }
    }

    /// Whether a difference is exactly known to be too large.
    fn is_violated(&self, difference: &Dyadic) -> bool {
        let size = if difference.is_negative() { -difference } else { difference.clone() };
        match size.compare(self.epsilon) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => self.strict,
            _ => false,
        }
    }
}

/// When a verifier gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// After this time.
    pub time: Option<Duration>,
    /// After this many boxes. Also a bound of the memory: at most as many are kept.
    pub boxes: usize,
}

impl Default for Limits {
    /// No time limit, a million boxes.
    fn default() -> Self {
        Self { time: None, boxes: 1_000_000 }
    }
}

/// Proves that a network and its copy agree on a region, or finds an input where they
/// do not.
///
/// The region is bounded by [`differential`](crate::differential) and cut in two
/// where that is not enough, at the input to which the bounds owe most, worst box
/// first. The corners at which the bounds are reached are tried as counterexamples.
///
/// Guarantee: [`Verdict::Certified`] is sound, a [`Witness`] is replayed in exact
/// arithmetic. The result is the same every time unless a time limit ends the search.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// use nncert_bounds::{Agreement, DifferentialVerifier, Verdict};
///
/// # let network = |w: f64| Network::relu_mlp(vec![
/// #     Affine::new(dmatrix![w, 0.5; -1.0, 1.0], dvector![0.0, 0.5]),
/// #     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// # ]);
/// let pair = PairedNetworks::new(&network(1.0)?, &network(1.125)?)?;
/// let region = Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything)?;
///
/// let agree = DifferentialVerifier::new(Agreement::within(0.126)).verify(&pair, &region)?;
/// assert_eq!(agree.verdict, Verdict::Certified);
///
/// let differ = DifferentialVerifier::new(Agreement::within(0.1)).verify(&pair, &region)?;
/// let Verdict::Falsified(witness) = differ.verdict else { panic!("{differ}") };
/// assert!(region.contains(&witness.input));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Paulsen et al., *NeuroDiff*, 2020, for the question; the pass, the choice of cuts
/// and the order are ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DifferentialVerifier {
    /// What is to be shown.
    pub property: Agreement,
    /// When to give up.
    pub limits: Limits,
}

/// An input at which the networks differ by too much.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Witness {
    /// The input, inside the region.
    pub input: Vec<f64>,
    /// The output at which they differ.
    pub output: usize,
}

/// What a verifier comes to.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Verdict {
    /// The property holds on all of the region.
    Certified,
    /// The property fails at an input.
    Falsified(Witness),
    /// Neither was shown.
    Unknown(UnknownReason),
}

/// Why neither was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum UnknownReason {
    /// The time limit.
    Time,
    /// The limit of boxes.
    Boxes,
    /// The observer ended the search.
    Stopped,
    /// A box as small as doubles allow is still undecided.
    Resolution,
}

/// A verdict, and how it was reached.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// A sound bound of the difference of the chosen outputs on all of the region.
    pub epsilon: f64,
    /// How many boxes were bounded.
    pub boxes: usize,
    /// How many are still undecided.
    pub open: usize,
}

/// How far a verifier has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// How many boxes have been bounded.
    pub boxes: usize,
    /// How many are undecided.
    pub open: usize,
    /// The largest difference that is not excluded.
    pub epsilon: f64,
}

/// What is wrong with a question to a verifier.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// `ε` is negative, NaN or infinite.
    #[error("an epsilon of {epsilon} is not a finite number of at least 0")]
    Epsilon {
        /// The `ε`.
        epsilon: f64,
    },
    /// An output that the networks do not have.
    #[error("there is no output {output} among {outputs}")]
    Output {
        /// The output, counted from 0.
        output: usize,
        /// The outputs of the networks.
        outputs: usize,
    },
    /// The difference cannot be bounded.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}

impl DifferentialVerifier {
    /// A verifier without a time limit.
    #[must_use]
    pub fn new(property: Agreement) -> Self {
        Self { property, limits: Limits::default() }
    }

    /// Decides the property on a region, within the limits.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] for an `ε` that is negative or not finite, an output that does
    /// not exist, a region of another dimension, a layer that is not supported, or
    /// bounds that overflow.
    pub fn verify(&self, pair: &PairedNetworks, region: &Region) -> Result<Report, VerifyError> {
        self.verify_observed(pair, region, |_| ControlFlow::Continue(()))
    }

    /// [`DifferentialVerifier::verify`] with an observer that sees every cut and may end
    /// the search.
    ///
    /// # Errors
    ///
    /// As [`DifferentialVerifier::verify`].
    pub fn verify_observed(
        &self,
        pair: &PairedNetworks,
        region: &Region,
        mut observer: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Report, VerifyError> {
        let epsilon = self.property.epsilon;
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(VerifyError::Epsilon { epsilon });
        }
        if let Some(output) = self.property.output.filter(|output| *output >= pair.outputs()) {
            return Err(VerifyError::Output { output, outputs: pair.outputs() });
        }
        let started = Instant::now();
        let mut search = Search::new(pair, self.property);
        search.add(region, None)?;
        loop {
            let progress = search.progress();
            let report = |verdict| {
                let Progress { boxes, open, epsilon } = progress;
                Ok(Report { verdict, epsilon, boxes, open })
            };
            if let Some(witness) = search.witness.take() {
                return report(Verdict::Falsified(witness));
            }
            let unknown = |reason| report(Verdict::Unknown(reason));
            if search.exhausted {
                return unknown(UnknownReason::Resolution);
            }
            if progress.open == 0 {
                return report(Verdict::Certified);
            }
            if observer(progress).is_break() {
                return unknown(UnknownReason::Stopped);
            }
            if self.limits.time.is_some_and(|limit| started.elapsed() >= limit) {
                return unknown(UnknownReason::Time);
            }
            if progress.boxes >= self.limits.boxes {
                return unknown(UnknownReason::Boxes);
            }
            search.cut()?;
        }
    }
}

/// An undecided box.
#[derive(Debug)]
struct Node {
    region: Region,
    /// A bound of the difference on it.
    epsilon: f64,
    /// The input at which to cut.
    input: usize,
    /// What is known of the networks on it, and so on its halves.
    stability: [Stability; 2],
    /// When it was made, so that the order never depends on the heap.
    serial: usize,
}

/// The worst box first; of two equal ones the older.
impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epsilon.total_cmp(&other.epsilon).then(other.serial.cmp(&self.serial))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Node {}

struct Search<'a> {
    pair: &'a PairedNetworks,
    property: Agreement,
    outputs: Vec<usize>,
    open: BinaryHeap<Node>,
    boxes: usize,
    /// The largest bound on the boxes that are decided.
    decided: f64,
    witness: Option<Witness>,
    exhausted: bool,
}

impl<'a> Search<'a> {
    fn new(pair: &'a PairedNetworks, property: Agreement) -> Self {
        Self {
            pair,
            property,
            outputs: property.outputs(pair.outputs()),
            open: BinaryHeap::new(),
            boxes: 0,
            decided: 0.0,
            witness: None,
            exhausted: false,
        }
    }

    fn progress(&self) -> Progress {
        let worst = self.open.peek().map_or(0.0, |node| node.epsilon);
        Progress { boxes: self.boxes, open: self.open.len(), epsilon: self.decided.max(worst) }
    }

    /// Bounds a box, part of one of which something is known, and keeps it if it is
    /// undecided.
    fn add(&mut self, region: &Region, known: Option<&[Stability; 2]>) -> Result<(), VerifyError> {
        let (bounds, lessons) = differential_within(self.pair, region, &self.outputs, known)?;
        let Lessons { influence, stability } = lessons;
        self.boxes += 1;
        let epsilon = bounds.epsilon();
        if bounds.outputs.iter().all(|output| self.property.holds(output.bounds)) {
            self.decided = self.decided.max(epsilon);
            return Ok(());
        }
        self.witness = self.attack(&bounds);
        let input = most_influential(region, &influence);
        let region = region.clone();
        match input {
            Some(input) => {
                let serial = self.boxes;
                self.open.push(Node { region, epsilon, input, stability, serial });
            }
            None => {
                self.exhausted = true;
                self.decided = self.decided.max(epsilon);
            }
        }
        Ok(())
    }

    /// Takes the worst box and replaces it by its halves.
    fn cut(&mut self) -> Result<(), VerifyError> {
        let Some(node) = self.open.pop() else { return Ok(()) };
        let Node { region, epsilon, input, stability, .. } = node;
        for half in halves(&region, input) {
            self.add(&half, Some(&stability))?;
            if self.witness.is_some() {
                // The other half may not have been bounded: what held for both still does.
                self.decided = self.decided.max(epsilon);
                break;
            }
        }
        Ok(())
    }

    /// Tries the corners at which the bounds of the difference are reached.
    fn attack(&self, bounds: &PairBounds) -> Option<Witness> {
        let outputs = self.outputs.iter().zip(&bounds.outputs);
        for (&output, envelope) in outputs.filter(|(_, e)| !self.property.holds(e.bounds)) {
            let up = corner(&envelope.upper.coefficients, &bounds.region);
            let down: Vec<f64> = envelope.lower.coefficients.iter().map(|c| -c).collect();
            for input in [up, corner(&down, &bounds.region), bounds.region.centre()] {
                if self.differs(&input, output) {
                    return Some(Witness { input, output });
                }
            }
        }
        None
    }

    /// Whether the networks differ by too much at a point: a quick look in floating
    /// point, and the exact answer where that finds something.
    fn differs(&self, input: &[f64], output: usize) -> bool {
        let (f, g) = (self.pair.original(), self.pair.compressed());
        let rough = match (f.evaluate(input), g.evaluate(input)) {
            (Ok(f), Ok(g)) => (f[output] - g[output]).abs(),
            _ => return false,
        };
        if rough < self.property.epsilon * (1.0 - 1e-9) {
            return false;
        }
        match (exact::evaluate(f, input), exact::evaluate(g, input)) {
            (Ok(f), Ok(g)) => self.property.is_violated(&(&f[output] - &g[output])),
            _ => false,
        }
    }
}

/// The corner of a region that is furthest in a direction.
fn corner(direction: &[f64], region: &Region) -> Vec<f64> {
    let ends = region.lower().iter().zip(region.upper());
    let pick = |(c, (low, high)): (&f64, (&f64, &f64))| if *c >= 0.0 { *high } else { *low };
    direction.iter().zip(ends).map(pick).collect()
}

/// The input of the greatest influence among those that can still be cut; the widest
/// where none has any.
fn most_influential(region: &Region, influence: &[f64]) -> Option<usize> {
    let cuttable = |input: usize| {
        let middle = middle(region.interval(input));
        region.lower()[input] < middle && middle < region.upper()[input]
    };
    let score = |score: f64| if score.is_finite() { score } else { 0.0 };
    region
        .free()
        .iter()
        .zip(influence)
        .filter(|(input, _)| cuttable(**input))
        .map(|(&input, &value)| (score(value), region.interval(input).width(), input))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(b.2.cmp(&a.2)))
        .map(|(_, _, input)| input)
}

fn middle(interval: Interval) -> f64 {
    interval.lower + interval.width() / 2.0
}

/// The two halves of a region; they share the cut.
fn halves(region: &Region, input: usize) -> [Region; 2] {
    let middle = middle(region.interval(input));
    let (mut low, mut high) = (region.lower().to_vec(), region.upper().to_vec());
    high[input] = middle;
    let first = Region::new(low.clone(), high.clone());
    high[input] = region.upper()[input];
    low[input] = middle;
    let second = Region::new(low, high);
    [first, second].map(|half| half.expect("half of a region is a region"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Certified => write!(f, "certified")?,
            Verdict::Falsified(witness) => write!(f, "falsified at output {}", witness.output)?,
            Verdict::Unknown(reason) => {
                write!(f, "unknown ({reason:?}), {} boxes open", self.open)?;
            }
        }
        write!(f, ": |f - f'| <= {} ({} boxes)", self.epsilon, self.boxes)
    }
}
