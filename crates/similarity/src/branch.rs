//! Branch and bound: the probability, as closely as one cares to wait for.

use core::cmp::Ordering;
use core::fmt;
use core::ops::ControlFlow;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use nncert_bounds::{Bisection, BoundedBox, Outputs, PairBounds};
use nncert_core::directed::{add_down, mul_down, sub_down, sub_up};
use nncert_core::{PairedNetworks, Region};
use nncert_prob::{Confidence, Probability};

use crate::probability::{bracket, check};
use crate::{Method, ProbabilityInterval, SimilarityError};

/// When a branch and bound ends.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BranchOptions {
    /// When `γ_max - γ_min` is at most this.
    pub width: f64,
    /// When it is decided whether the probability is at least this.
    pub target: Option<Confidence>,
    /// After this many boxes. Also a bound of the memory.
    pub boxes: usize,
    /// After this time.
    pub time: Option<Duration>,
}

impl Default for BranchOptions {
    /// To a width of 0.001, with at most 100,000 boxes.
    fn default() -> Self {
        Self { width: 1e-3, target: None, boxes: 100_000, time: None }
    }
}

impl BranchOptions {
    pub(crate) fn check(&self) -> Result<(), SimilarityError> {
        if self.width.is_nan() || self.width < 0.0 {
            let expected = "a number of at least 0";
            return Err(SimilarityError::Search { option: "width", value: self.width, expected });
        }
        Ok(())
    }
}

/// Why a branch and bound ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum BranchEnd {
    /// The interval is as narrow as was asked for.
    Width,
    /// The target is reached, or out of reach: see the interval.
    Target,
    /// The limit of boxes.
    Boxes,
    /// The time limit.
    Time,
    /// The observer ended it.
    Stopped,
    /// The boxes that are left cannot be cut.
    Resolution,
}

/// The probability that two networks agree, and how it was reached.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct BranchReport {
    /// The probability, from below and above.
    pub interval: ProbabilityInterval,
    /// Why it ended.
    pub end: BranchEnd,
    /// How many boxes are still undecided.
    pub open: usize,
}

/// How far a branch and bound has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BranchProgress {
    /// How many boxes have been bounded.
    pub boxes: usize,
    /// How many are undecided.
    pub open: usize,
    /// About `γ_min`.
    pub lower: f64,
    /// About `γ_max`.
    pub upper: f64,
}

/// Bounds the probability that two networks agree to `ε` on a region, by cutting it.
///
/// ```text
/// γ_min = Σ_boxes volume(B) / volume(region) · γ_min(B),   γ_max likewise
/// ```
///
/// Boxes on which the outputs agree or differ everywhere count fully; the others
/// contribute what the tails of their affine forms say, from both sides. The box that
/// leaves the most open is cut next. The interval holds whenever the search is ended, is
/// never wider than that of the whole region at once, narrows as the boxes do, and in few dimensions converges to the exact probability.
///
/// The difference is bounded by joint propagation, whatever [`Method::propagation`] says.
///
/// Guarantee: sound; both ends are rounded outward, volumes too. The result is the same
/// every time, with any number of threads, unless a time limit ends it.
///
/// # Errors
///
/// [`SimilarityError`] for an `ε` that is negative or not finite, an output that does not
/// exist, a width that is negative or NaN, a region of another dimension, or bounds that
/// overflow.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// use nncert_similarity::{BranchOptions, Method, branch_and_bound};
///
/// // f(x) - f'(x) = ReLU(x) - ReLU(-x) / 2, at most 1/4 in size for 3/8 of [-1, 1].
/// let network = |a: f64, b: f64| Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.0]),
///     Affine::new(dmatrix![a, b], dvector![0.0]),
/// ]);
/// let pair = PairedNetworks::new(&network(1.0, -0.5)?, &network(0.0, 0.0)?)?;
/// let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything)?;
/// let report = branch_and_bound(&pair, &region, 0.25, Method::default(), &BranchOptions::default())?;
/// let (lower, upper) = (report.interval.lower.get(), report.interval.upper.get());
/// assert!(lower <= 0.375 && 0.375 <= upper && upper - lower <= 0.001);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// SimCert's "progressive refinement through domain partitioning", made complete.
pub fn branch_and_bound(
    pair: &PairedNetworks,
    region: &Region,
    epsilon: f64,
    method: Method,
    options: &BranchOptions,
) -> Result<BranchReport, SimilarityError> {
    let unobserved = |_| ControlFlow::Continue(());
    branch_and_bound_observed(pair, region, epsilon, method, options, unobserved)
}

/// [`branch_and_bound`] with an observer that sees every round of cuts and may end it.
///
/// # Errors
///
/// As [`branch_and_bound`].
pub fn branch_and_bound_observed(
    pair: &PairedNetworks,
    region: &Region,
    epsilon: f64,
    method: Method,
    options: &BranchOptions,
    mut observer: impl FnMut(BranchProgress) -> ControlFlow<()>,
) -> Result<BranchReport, SimilarityError> {
    let started = Instant::now();
    check(pair.outputs(), epsilon, method.outputs)?;
    options.check()?;
    let outputs = method.outputs.of(pair.outputs()).unwrap_or_default();
    let (bisection, whole) = Bisection::new(pair, region, &outputs)?;
    let root = whole.bounds.clone();
    // The rows that are bounded are those that count.
    let among = Method { outputs: Outputs::All, ..method };
    let judge = |bounds: &PairBounds| bracket(bounds, epsilon, among);
    let mut tree = Tree::new(bisection, judge, started);
    tree.add(whole, 1.0);
    let end = tree.grow(options, &mut observer)?;
    let ((lower, upper), boxes) = (tree.interval(), tree.boxes);
    let bounds = root_bounds(root, pair, region, method)?;
    let interval = ProbabilityInterval { lower, upper, epsilon, method, bounds, boxes };
    Ok(BranchReport { interval, end, open: tree.open() })
}

/// The bounds on the whole region, of all outputs.
fn root_bounds(
    root: PairBounds,
    pair: &PairedNetworks,
    region: &Region,
    method: Method,
) -> Result<PairBounds, SimilarityError> {
    let all = root.outputs.len() == pair.outputs();
    Ok(if all { root } else { method.bound(pair, region)? })
}

/// An undecided box.
struct Node {
    bounded: BoundedBox,
    /// At most its share of the region's volume.
    weight: f64,
    lower: Probability,
    upper: Probability,
    /// When it was made, so that the order never depends on the heap.
    serial: usize,
}

impl Node {
    /// How much of the probability it leaves open.
    fn gap(&self) -> f64 {
        self.weight * (self.upper.get() - self.lower.get())
    }
}

/// What leaves the most open first; of two equal ones the older.
impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gap().total_cmp(&other.gap()).then(other.serial.cmp(&self.serial))
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

/// A search: the undecided boxes, and what the decided ones say.
///
/// `J` bounds the probability on a box, from below and above.
pub(crate) struct Tree<'a, J> {
    bisection: Bisection<'a>,
    judge: J,
    started: Instant,
    open: BinaryHeap<Node>,
    pub(crate) boxes: usize,
    /// At most the probability of agreeing and of differing on what is decided.
    inside: f64,
    outside: f64,
    /// What the whole region says at once: halves alone may say less.
    whole: (Probability, Probability),
    /// About the same with the undecided boxes.
    rough: [f64; 2],
}

impl<'a, J: Fn(&PairBounds) -> (Probability, Probability)> Tree<'a, J> {
    pub(crate) fn new(bisection: Bisection<'a>, judge: J, started: Instant) -> Self {
        let (open, boxes) = (BinaryHeap::new(), 0);
        let (inside, outside, rough) = (0.0, 0.0, [0.0; 2]);
        let whole = (Probability::ZERO, Probability::ONE);
        Self { bisection, judge, started, open, boxes, inside, outside, whole, rough }
    }

    /// How many boxes are undecided.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Cuts until the options or the observer say that it is enough.
    pub(crate) fn grow(
        &mut self,
        options: &BranchOptions,
        observer: &mut dyn FnMut(BranchProgress) -> ControlFlow<()>,
    ) -> Result<BranchEnd, SimilarityError> {
        loop {
            let progress = self.progress();
            let width = progress.upper - progress.lower;
            if width <= options.width && self.interval_width() <= options.width {
                return Ok(BranchEnd::Width);
            }
            if options.target.is_some_and(|target| self.reaches(target.get(), progress)) {
                return Ok(BranchEnd::Target);
            }
            if progress.open == 0 {
                return Ok(BranchEnd::Resolution);
            }
            if observer(progress).is_break() {
                return Ok(BranchEnd::Stopped);
            }
            if options.time.is_some_and(|limit| self.started.elapsed() >= limit) {
                return Ok(BranchEnd::Time);
            }
            if progress.boxes >= options.boxes {
                return Ok(BranchEnd::Boxes);
            }
            self.cut(options.boxes - progress.boxes)?;
        }
    }

    /// Whether the interval is on one side of a target. What is roughly known tells
    /// whether it is worth a look.
    fn reaches(&self, target: f64, rough: BranchProgress) -> bool {
        let near = 1e-9;
        if rough.lower + near < target && rough.upper - near > target {
            return false;
        }
        let (lower, upper) = self.interval();
        lower.get() >= target || upper.get() < target
    }

    fn progress(&self) -> BranchProgress {
        let [inside, outside] = self.rough;
        let (boxes, open) = (self.boxes, self.open.len());
        BranchProgress { boxes, open, lower: inside, upper: 1.0 - outside }
    }

    /// Keeps a box if it is undecided. The first is the whole region.
    pub(crate) fn add(&mut self, bounded: BoundedBox, weight: f64) {
        self.boxes += 1;
        let (lower, upper) = (self.judge)(&bounded.bounds);
        if self.boxes == 1 {
            self.whole = (lower, upper);
        }
        self.rough[0] += weight * lower.get();
        self.rough[1] += weight * (1.0 - upper.get());
        if bounded.cut.is_none() || lower >= upper {
            self.inside = add_down(self.inside, mul_down(weight, lower.get()));
            let differ = upper.complement_down().get();
            self.outside = add_down(self.outside, mul_down(weight, differ));
        } else {
            self.open.push(Node { bounded, weight, lower, upper, serial: self.boxes });
        }
    }

    /// Takes the boxes that leave the most open and replaces them by their halves.
    fn cut(&mut self, budget: usize) -> Result<(), SimilarityError> {
        let count = self.bisection.round().min(budget.div_ceil(2)).max(1);
        let nodes: Vec<Node> = core::iter::from_fn(|| self.open.pop()).take(count).collect();
        let boxes: Vec<&BoundedBox> = nodes.iter().map(|node| &node.bounded).collect();
        let halves = self.bisection.halve(&boxes)?;
        for (node, halves) in nodes.into_iter().zip(halves) {
            self.rough[0] -= node.weight * node.lower.get();
            self.rough[1] -= node.weight * (1.0 - node.upper.get());
            for half in halves {
                let share = share(&half.bounds.region, &node.bounded);
                self.add(half, mul_down(node.weight, share));
            }
        }
        Ok(())
    }

    /// `γ_min` and `γ_max`, rounded outward.
    pub(crate) fn interval(&self) -> (Probability, Probability) {
        let (mut inside, mut outside) = (self.inside, self.outside);
        for node in &self.open {
            inside = add_down(inside, mul_down(node.weight, node.lower.get()));
            let differ = node.upper.complement_down().get();
            outside = add_down(outside, mul_down(node.weight, differ));
        }
        let known = Probability::from_lower_bound;
        let (lower, upper) = self.whole;
        (known(inside).max(lower), known(outside).complement_up().min(upper))
    }

    fn interval_width(&self) -> f64 {
        let (lower, upper) = self.interval();
        upper.get() - lower.get()
    }
}

/// At most the share of a box that is in one of its halves.
fn share(half: &Region, whole: &BoundedBox) -> f64 {
    let Some(input) = whole.cut else { return 0.0 };
    let (part, all) = (half.interval(input), whole.bounds.region.interval(input));
    let (part, all) = (sub_down(part.upper, part.lower), sub_up(all.upper, all.lower));
    (part / all).next_down().clamp(0.0, 1.0)
}

impl fmt::Display for BranchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:?} with {} boxes open", self.interval, self.end, self.open)
    }
}
