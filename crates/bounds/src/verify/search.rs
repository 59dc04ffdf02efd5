//! Branch and bound over boxes of inputs.

use core::cmp::Ordering;
use std::collections::BinaryHeap;

use nncert_core::{Interval, Region};

use super::question::{Judgement, Question};
use super::{Progress, VerifyError, Witness, attack};
use crate::BoundsError;
use crate::PairBounds;
use crate::differential::{Lessons, differential_within};
use crate::graph::PairGraph;
use crate::parallel::in_parallel;
use crate::scratch::Scratch;
use crate::stability::Stability;

/// The most boxes that are cut in a round.
const ROUND: u64 = 16;
/// The most boxes that share a matrix product.
const GROUP: u64 = 8;
/// What a round multiplies at most, if it cuts more than one box.
const ROUND_PRODUCTS: u64 = 1 << 31;
/// What a group multiplies at most, if it has more than one box. Small products gain by
/// being shared; large ones are as fast alone.
const GROUP_PRODUCTS: u64 = 1 << 26;

/// An undecided box.
#[derive(Debug)]
struct Node {
    region: Region,
    /// A bound on it, of what the report is about.
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

/// A box that is to be bounded, and what is known of one that it is part of.
type Task<'n> = (Region, Option<&'n [Stability; 2]>);

/// A box that has been bounded.
type Bounded = (PairBounds, Lessons);

pub(super) struct Search<'a> {
    question: &'a Question<'a>,
    graph: PairGraph<'a>,
    open: BinaryHeap<Node>,
    boxes: usize,
    /// The largest bound on the boxes that are decided.
    decided: f64,
    /// How many boxes are cut in a round, and how many are bounded together.
    round: usize,
    group: usize,
    scratch: Scratch,
    pub(super) witness: Option<Witness>,
    pub(super) exhausted: bool,
}

impl<'a> Search<'a> {
    /// A search that has tried an attack, and bounded the region whole.
    pub(super) fn new(question: &'a Question<'a>, region: &Region) -> Result<Self, VerifyError> {
        let graph = PairGraph::new(&question.bounded, region)?;
        let mut search = Self {
            question,
            graph,
            open: BinaryHeap::new(),
            boxes: 0,
            decided: 0.0,
            round: 1,
            group: 1,
            scratch: Scratch::default(),
            witness: None,
            exhausted: false,
        };
        let root = search.bound(&[(region.clone(), None)])?;
        for bounded in root {
            let products = bounded.0.products.max(1);
            let share = |most: u64, limit: u64| {
                usize::try_from((most / products).clamp(1, limit)).unwrap_or(1)
            };
            search.round = share(ROUND_PRODUCTS, ROUND);
            search.group = share(GROUP_PRODUCTS, GROUP);
            search.add(bounded);
        }
        if search.witness.is_none() && !search.open.is_empty() {
            search.witness = attack::search(question, question.asked(), region);
        }
        Ok(search)
    }

    pub(super) fn progress(&self) -> Progress {
        let worst = self.open.peek().map_or(0.0, |node| node.epsilon);
        Progress { boxes: self.boxes, open: self.open.len(), epsilon: self.decided.max(worst) }
    }

    /// Takes the worst boxes and replaces them by their halves, at most `budget` of these
    /// beyond the first two.
    pub(super) fn cut(&mut self, budget: usize) -> Result<(), VerifyError> {
        let count = self.round.min(budget.div_ceil(2)).max(1);
        let nodes: Vec<Node> = core::iter::from_fn(|| self.open.pop()).take(count).collect();
        let halves = nodes.iter().flat_map(|node| {
            halves(&node.region, node.input).map(|half| (half, Some(&node.stability)))
        });
        let tasks: Vec<Task<'_>> = halves.collect();
        let bounded = self.bound(&tasks)?;
        for bounded in bounded {
            self.add(bounded);
        }
        if self.witness.is_some() {
            // Where there is a witness the bounds of the halves are bounds all the same.
            let worst = nodes.iter().map(|node| node.epsilon).fold(0.0, f64::max);
            self.decided = self.decided.max(worst);
        }
        Ok(())
    }

    /// Bounds boxes, some at a time.
    fn bound(&mut self, tasks: &[Task<'_>]) -> Result<Vec<Bounded>, BoundsError> {
        let group = |scratch: &mut Scratch, tasks: &&[Task<'_>]| {
            let (regions, known): (Vec<Region>, Vec<_>) = tasks.iter().cloned().unzip();
            differential_within(scratch, &self.graph, &regions, &self.question.rows, &known)
        };
        let groups: Vec<&[Task<'_>]> = tasks.chunks(self.group).collect();
        let mut scratch = core::mem::take(&mut self.scratch);
        let bounded = in_parallel(&groups, &mut scratch, group);
        self.scratch = scratch;
        let bounded: Result<Vec<Vec<Bounded>>, BoundsError> = bounded.into_iter().collect();
        Ok(bounded?.into_iter().flatten().collect())
    }

    /// Keeps a box if it is undecided.
    fn add(&mut self, (bounds, lessons): Bounded) {
        self.boxes += 1;
        let Judgement { open, epsilon } = self.question.judge(&bounds);
        if open.is_empty() {
            self.decided = self.decided.max(epsilon);
            return;
        }
        if self.witness.is_none() {
            self.witness = attack::corners(self.question, &bounds, &open);
        }
        let Lessons { influence, stability } = lessons;
        let region = bounds.region;
        match most_influential(&region, &self.graph.original.free, &influence) {
            Some(input) => {
                let serial = self.boxes;
                self.open.push(Node { region, epsilon, input, stability, serial });
            }
            None => {
                self.exhausted = true;
                self.decided = self.decided.max(epsilon);
            }
        }
    }
}

/// The input of the greatest influence among those that can still be cut; the widest
/// where none has any.
fn most_influential(region: &Region, free: &[usize], influence: &[f64]) -> Option<usize> {
    let cuttable = |input: usize| {
        let middle = middle(region.interval(input));
        region.lower()[input] < middle && middle < region.upper()[input]
    };
    let score = |score: f64| if score.is_finite() { score } else { 0.0 };
    free.iter()
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
