//! Branch and bound over boxes of inputs.

use core::cmp::Ordering;
use std::collections::BinaryHeap;

use nncert_core::Region;

use super::question::{Judgement, Question};
use super::{Progress, VerifyError, Witness, attack};
use crate::bisect::{Bisection, BoundedBox};

/// How many boxes are attacked before most are left alone: what is false is found early.
const ATTACKED: usize = 1024;
/// After that, one box in so many is attacked.
const ATTACK_EVERY: usize = 16;

/// An undecided box.
#[derive(Debug)]
struct Node {
    bounded: BoundedBox,
    /// A bound on it, of what the report is about.
    epsilon: f64,
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

pub(super) struct Search<'a> {
    question: &'a Question<'a>,
    bisection: Bisection<'a>,
    open: BinaryHeap<Node>,
    boxes: usize,
    /// The largest bound on the boxes that are decided.
    decided: f64,
    pub(super) witness: Option<Witness>,
    pub(super) exhausted: bool,
}

impl<'a> Search<'a> {
    /// A search that has bounded the region whole and, if need be, tried an attack.
    pub(super) fn new(question: &'a Question<'a>, region: &Region) -> Result<Self, VerifyError> {
        let (bisection, whole) = Bisection::new(&question.bounded, region, &question.rows)?;
        let mut search = Self {
            question,
            bisection,
            open: BinaryHeap::new(),
            boxes: 0,
            decided: 0.0,
            witness: None,
            exhausted: false,
        };
        search.add(whole);
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
    /// beyond the first two; those that it does not come to before it is time to `stop` stay.
    pub(super) fn cut(
        &mut self,
        budget: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), VerifyError> {
        let count = self.bisection.round().min(budget.div_ceil(2)).max(1);
        let nodes: Vec<Node> = core::iter::from_fn(|| self.open.pop()).take(count).collect();
        let boxes: Vec<&BoundedBox> = nodes.iter().map(|node| &node.bounded).collect();
        let halves = self.bisection.halve_until(&boxes, stop)?;
        let left = halves.len();
        halves.into_iter().flatten().for_each(|half| self.add(half));
        self.open.extend(nodes.into_iter().skip(left));
        Ok(())
    }

    /// Keeps a box if it is undecided.
    fn add(&mut self, bounded: BoundedBox) {
        self.boxes += 1;
        let Judgement { open, epsilon } = self.question.judge(&bounded.bounds);
        if open.is_empty() {
            self.decided = self.decided.max(epsilon);
            return;
        }
        let attacked = self.boxes <= ATTACKED || self.boxes.is_multiple_of(ATTACK_EVERY);
        if self.witness.is_none() && attacked {
            self.witness = attack::corners(self.question, &bounded.bounds, &open);
        }
        if bounded.cut.is_some() {
            self.open.push(Node { bounded, epsilon, serial: self.boxes });
        } else {
            self.exhausted = true;
            self.decided = self.decided.max(epsilon);
        }
    }
}
