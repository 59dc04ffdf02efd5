//! Branch and bound with dual bounds: complete but for the last integers of an input.

use nncert_bounds::fixed_point::{
    Ascent, FixedPointBounder, IntegerBounds, IntegerRegion, cut_gain,
};
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::{IntegerInterval, Requantization};

use crate::attack::Attacker;
use crate::pair::Pair;
use crate::{Node, Progress, Property, Stage, Tree, UnknownReason, Violation, Watch, Witness};

/// How branch and bound searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BranchOptions {
    /// Steps of dual ascent on all of the region.
    pub root_steps: usize,
    /// Steps of dual ascent at every other node.
    pub steps: usize,
    /// Steps for each bound of a layer behind the first, on all of the region.
    pub bound_steps: usize,
    /// Cuts that are compared by the bounds of their halves; 1 for none.
    pub candidates: usize,
    /// Steps of dual ascent for each of these.
    pub probe_steps: usize,
    /// The most nodes for a violation.
    pub nodes: usize,
}

impl Default for BranchOptions {
    fn default() -> Self {
        Self {
            root_steps: 400,
            steps: 20,
            bound_steps: 20,
            candidates: 8,
            probe_steps: 4,
            nodes: 1_000_000,
        }
    }
}

/// How the search for one violation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BranchEnd {
    /// The violation occurs nowhere in the region.
    Closed(Tree),
    /// It, or another one, occurs here.
    Witness(Witness),
    /// It is not known.
    Open(UnknownReason),
}

/// One violation of a property on a region, ready to be searched.
#[derive(Clone, Copy, Debug)]
pub struct Branch<'a> {
    /// The network.
    pub bounder: &'a FixedPointBounder<'a>,
    /// The region.
    pub region: &'a IntegerRegion,
    /// The property.
    pub property: &'a Property,
    /// Which of its violations.
    pub violation: usize,
    /// Ranges on all of the region, from [`FixedPointBounder::bounds`].
    pub bounds: &'a IntegerBounds,
}

/// A node that is not decided.
struct Open {
    place: usize,
    bounds: IntegerBounds,
    start: Option<Vec<Vec<f64>>>,
    /// The layer whose range was cut last; `None` for a node to start from.
    layer: Option<usize>,
}

/// A tree while it grows.
#[derive(Default)]
struct Growth {
    nodes: Vec<Grown>,
}

impl Growth {
    /// Cuts a node: the place of the half below, which the half above follows.
    fn split(&mut self, place: usize, cut: Cut) -> usize {
        let below = self.nodes.len();
        self.nodes[place] =
            Grown::Split { layer: cut.layer, neuron: cut.neuron, at: cut.at, below };
        self.nodes.extend([Grown::Pending, Grown::Pending]);
        below
    }

    fn close(&mut self, place: usize, node: Node) {
        self.nodes[place] = Grown::Closed(node);
    }
}

/// A node of the tree while it grows.
enum Grown {
    Pending,
    Closed(Node),
    Split { layer: usize, neuron: usize, at: i64, below: usize },
}

/// A cut of a range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) layer: usize,
    pub(crate) neuron: usize,
    pub(crate) at: i64,
}

impl Cut {
    /// The range of one half.
    fn half(self, bounds: &IntegerBounds, below: bool) -> Option<IntegerInterval> {
        let range = bounds.accumulators[self.layer][self.neuron];
        let (lower, upper) = if below {
            (range.lower(), self.at)
        } else {
            // Above the greatest number there is nothing.
            (self.at.checked_add(1)?, range.upper())
        };
        IntegerInterval::new(lower.max(range.lower()), upper.min(range.upper())).ok()
    }
}

impl<'a> Branch<'a> {
    fn network(&self) -> &'a FixedPointNetwork {
        self.bounder.network()
    }

    fn way(&self) -> &'a Violation {
        &self.property.violations()[self.violation]
    }

    /// Bounds the violation on all of the region, with no cuts but those that tell apart where
    /// outputs are clamped: a small tree if that closes it.
    ///
    /// Guarantee: exact about what is closed.
    #[must_use]
    pub fn root(&self, steps: usize) -> (Option<Tree>, Ascent) {
        let (mut tree, open) = self.plant();
        let mut worst: Option<(f64, Ascent)> = None;
        for node in open {
            let (closed, ascent) = self.bound(&node.bounds, None, steps);
            match closed {
                Some(leaf) => tree.close(node.place, leaf),
                None => {
                    let excess = self.excess(&ascent);
                    if worst.as_ref().is_none_or(|(most, _)| excess > *most) {
                        worst = Some((excess, ascent));
                    }
                }
            }
        }
        match worst {
            Some((_, ascent)) => (None, ascent),
            None => {
                let form = vec![0.0; self.network().outputs()];
                let ascent =
                    self.bounder.search(self.region, self.bounds, &form, None, f64::INFINITY, 1);
                (Some(flatten(tree.nodes)), ascent)
            }
        }
    }

    /// How far a bound is from closing the violation: in accumulators of the last layer for a pair,
    /// else in values.
    pub(crate) fn excess(&self, ascent: &Ascent) -> f64 {
        let weights = vec![1; self.way().rows.len()];
        let (_, needed) = weighted(self.way(), &weights, self.network().outputs());
        let unit = match (self.pair(), ascent.multipliers.last()) {
            (Some(_), Some(last)) => last.iter().fold(0.0f64, |most, l| most.max(l.abs())),
            _ => 1.0,
        };
        (ascent.value - needed as f64) / unit.max(f64::MIN_POSITIVE)
    }

    fn pair(&self) -> Option<Pair> {
        Pair::of(self.network(), self.way())
    }

    /// The nodes to start from: for a pair of outputs one for each arm, and one for the diagonal.
    fn plant(&self) -> (Growth, Vec<Open>) {
        let mut tree = Growth { nodes: vec![Grown::Pending] };
        let mut open = Vec::new();
        let (mut place, mut bounds) = (0, self.bounds.clone());
        let Some(pair) = self.pair() else {
            open.push(Open { place, bounds, start: None, layer: None });
            return (tree, open);
        };
        for (cut, is_below) in pair.arms(self.network()).into_iter().flatten() {
            let (Some(arm), Some(rest)) =
                (cut.half(&bounds, is_below), cut.half(&bounds, !is_below))
            else {
                continue;
            };
            let below = tree.split(place, cut);
            let mut of_arm = bounds.clone();
            of_arm.accumulators[cut.layer][cut.neuron] = arm;
            open.extend(self.clip(pair, &mut tree, below + usize::from(!is_below), of_arm));
            bounds.accumulators[cut.layer][cut.neuron] = rest;
            place = below + usize::from(is_below);
        }
        open.extend(self.clip(pair, &mut tree, place, bounds));
        (tree, open)
    }

    /// Cuts off what ranges alone close, and closes it.
    fn clip(
        &self,
        pair: Pair,
        tree: &mut Growth,
        mut place: usize,
        mut bounds: IntegerBounds,
    ) -> Option<Open> {
        if let Some(leaf) = self.by_ranges(&bounds) {
            tree.close(place, leaf);
            return None;
        }
        for (cut, is_below) in pair.needed(self.network(), &bounds).into_iter().flatten() {
            let (Some(kept), Some(other)) =
                (cut.half(&bounds, is_below), cut.half(&bounds, !is_below))
            else {
                continue;
            };
            let mut off = bounds.clone();
            off.accumulators[cut.layer][cut.neuron] = other;
            let Some(leaf) = self.by_ranges(&off) else { continue };
            let below = tree.split(place, cut);
            tree.close(below + usize::from(is_below), leaf);
            place = below + usize::from(!is_below);
            bounds.accumulators[cut.layer][cut.neuron] = kept;
        }
        Some(Open { place, bounds, start: None, layer: None })
    }

    /// A leaf, if the ranges of the outputs alone close a violation.
    fn by_ranges(&self, bounds: &IntegerBounds) -> Option<Node> {
        let weights = vec![1; self.way().rows.len()];
        let (row, needed) = weighted(self.way(), &weights, self.network().outputs());
        let layers = self.network().layers().iter();
        let zeros: Vec<_> = layers.map(|layer| vec![0.0; layer.outputs()]).collect();
        let proof = self.bounder.prove(self.region, bounds, &row, &zeros)?;
        let (scale, multipliers) = (proof.scale, proof.multipliers);
        (proof.maximum < needed).then_some(Node::Leaf { weights, scale, multipliers })
    }

    /// Searches until the violation is closed, a witness is found, or the watch ends it.
    ///
    /// The search is in depth, with the half that has the greater bound first. Every node is
    /// bounded by dual ascent from the multipliers of its parent; the inputs at which bounds are
    /// attained are replayed, since they are good candidates. Ranges are cut where that lowers the
    /// hull of a staircase most.
    ///
    /// Guarantee: exact about `Closed` and `Witness`.
    #[must_use]
    pub fn run(&self, options: &BranchOptions, watch: &Watch<'_>, nodes: &mut usize) -> BranchEnd {
        let attacker = Attacker::new(self.bounder, self.region, self.property);
        let (mut tree, mut open) = self.plant();
        let mut unrepaired = false;
        let first = *nodes;
        while let Some(mut node) = open.pop() {
            *nodes += 1;
            let progress = Progress {
                stage: Stage::Branch,
                violation: self.violation,
                nodes: *nodes - first,
                open: open.len() + 1,
            };
            if let Some(reason) = watch.stop(&progress) {
                return BranchEnd::Open(reason);
            }
            if *nodes - first > options.nodes {
                return BranchEnd::Open(UnknownReason::Nodes);
            }
            if let Some(layer) = node.layer
                && !node.bounds.propagate(self.network(), layer)
            {
                tree.close(node.place, Node::Empty);
                continue;
            }
            let steps = if node.layer.is_none() { options.root_steps } else { options.steps };
            let (closed, ascent) = self.bound(&node.bounds, node.start.as_deref(), steps);
            if let Some(leaf) = closed {
                tree.close(node.place, leaf);
                continue;
            }
            if let Some(witness) = self.candidates(&attacker, &ascent, progress.nodes, watch) {
                return BranchEnd::Witness(witness);
            }
            let Some(cut) = self.choose(&node.bounds, &ascent, options) else {
                // Every value is decided: is there an input?
                match self.repair(&attacker, &ascent, watch) {
                    Some(witness) => return BranchEnd::Witness(witness),
                    None => unrepaired = true,
                }
                continue;
            };
            let below = tree.split(node.place, cut);
            self.push(&mut open, node.bounds, cut, below, &ascent);
        }
        if unrepaired {
            return BranchEnd::Open(UnknownReason::Repair);
        }
        BranchEnd::Closed(flatten(tree.nodes))
    }

    /// Pushes both halves, the one that the relaxed optimum is in last.
    fn push(
        &self,
        open: &mut Vec<Open>,
        bounds: IntegerBounds,
        cut: Cut,
        below: usize,
        ascent: &Ascent,
    ) {
        let Cut { layer, neuron, at } = cut;
        let half = |place: usize, is_below: bool| {
            let mut bounds = bounds.clone();
            bounds.accumulators[layer][neuron] = cut.half(&bounds, is_below)?;
            let start = Some(ascent.multipliers.clone());
            Some(Open { place, bounds, start, layer: Some(layer) })
        };
        let (lower, upper) = (half(below, true), half(below + 1, false));
        let is_below = ascent.accumulators[layer][neuron] <= at as f64;
        let ordered = if is_below { [upper, lower] } else { [lower, upper] };
        open.extend(ordered.into_iter().flatten());
    }

    /// Bounds the rows of the violation; a leaf if they cannot all be met.
    fn bound(
        &self,
        bounds: &IntegerBounds,
        start: Option<&[Vec<f64>]>,
        steps: usize,
    ) -> (Option<Node>, Ascent) {
        if let Some(pair) = self.pair() {
            return self.bound_pair(pair, bounds, start, steps);
        }
        let rows = &self.way().rows;
        // Each row alone, and their sum.
        let mut choices: Vec<Vec<i64>> = Vec::new();
        let all = vec![1; rows.len()];
        if rows.len() > 1 {
            let single = |row| (0..rows.len()).map(|index| i64::from(index == row)).collect();
            choices.extend((0..rows.len()).map(single));
        }
        choices.push(all);
        let mut last = None;
        for weights in choices {
            let (row, needed) = weighted(self.way(), &weights, self.network().outputs());
            let form: Vec<f64> = row.iter().map(|c| *c as f64).collect();
            let is_sum = weights.iter().all(|weight| *weight == 1);
            let start = if is_sum { start } else { None };
            let ascent =
                self.bounder.search(self.region, bounds, &form, start, needed as f64 - 1e-3, steps);
            if ascent.value < needed as f64
                && let Some(proof) =
                    self.bounder.prove(self.region, bounds, &row, &ascent.multipliers)
                && proof.maximum < needed
            {
                let (scale, multipliers) = (proof.scale, proof.multipliers);
                return (Some(Node::Leaf { weights, scale, multipliers }), ascent);
            }
            if !self.is_decided(bounds) {
                last = Some(ascent);
                continue;
            }
            // Ranges alone.
            let zeros: Vec<_> = ascent.multipliers.iter().map(|row| vec![0.0; row.len()]).collect();
            if let Some(proof) = self.bounder.prove(self.region, bounds, &row, &zeros)
                && proof.maximum < needed
            {
                let (scale, multipliers) = (proof.scale, proof.multipliers);
                return (Some(Node::Leaf { weights, scale, multipliers }), ascent);
            }
            last = Some(ascent);
        }
        // There is one choice at least.
        let ascent = last.unwrap_or_else(|| {
            let form = vec![0.0; self.network().outputs()];
            self.bounder.search(self.region, bounds, &form, None, f64::NEG_INFINITY, 1)
        });
        (None, ascent)
    }

    /// Bounds a pair: toward where the parent did, or toward all sides.
    fn bound_pair(
        &self,
        pair: Pair,
        bounds: &IntegerBounds,
        start: Option<&[Vec<f64>]>,
        steps: usize,
    ) -> (Option<Node>, Ascent) {
        let weights = vec![1];
        let (row, needed) = weighted(self.way(), &weights, self.network().outputs());
        let form: Vec<f64> = row.iter().map(|c| *c as f64).collect();
        let mut best: Option<(f64, Ascent)> = None;
        let inherited = start.and_then(|start| start.last()).cloned();
        let directions = match inherited {
            Some(direction) => vec![direction],
            None => pair.directions(self.network(), bounds).to_vec(),
        };
        for direction in directions {
            let target = needed as f64 - 1e-3;
            let ascent = self.bounder.search_toward(
                self.region,
                bounds,
                &form,
                &direction,
                start,
                target,
                steps,
            );
            if ascent.value < needed as f64
                && let Some(proof) =
                    self.bounder.prove(self.region, bounds, &row, &ascent.multipliers)
                && proof.maximum < needed
            {
                let (scale, multipliers) = (proof.scale, proof.multipliers);
                return (Some(Node::Leaf { weights, scale, multipliers }), ascent);
            }
            let excess = self.excess(&ascent);
            if best.as_ref().is_none_or(|(least, _)| excess < *least) {
                best = Some((excess, ascent));
            }
        }
        let leaf = if self.is_decided(bounds) { self.by_ranges(bounds) } else { None };
        let ascent = best.map(|(_, ascent)| ascent).unwrap_or_else(|| {
            self.bounder.search(self.region, bounds, &form, None, f64::NEG_INFINITY, 1)
        });
        (leaf, ascent)
    }

    /// Bounds the rows once more after a few steps, in floats.
    fn probe(&self, bounds: &IntegerBounds, ascent: &Ascent, target: f64, steps: usize) -> f64 {
        let weights = vec![1; self.way().rows.len()];
        let (row, _) = weighted(self.way(), &weights, self.network().outputs());
        let form: Vec<f64> = row.iter().map(|c| *c as f64).collect();
        let start = Some(&*ascent.multipliers);
        let found = match (self.pair(), ascent.multipliers.last()) {
            (Some(_), Some(last)) => {
                self.bounder.search_toward(self.region, bounds, &form, last, start, target, steps)
            }
            _ => self.bounder.search(self.region, bounds, &form, start, target, steps),
        };
        found.value
    }

    /// Whether every neuron has one value.
    fn is_decided(&self, bounds: &IntegerBounds) -> bool {
        let mut layers = 0..self.network().layers().len();
        layers.all(|layer| {
            bounds.values(self.network(), layer).all(|range| range.lower() == range.upper())
        })
    }

    /// Replays what a bound points at.
    fn candidates(
        &self,
        attacker: &Attacker<'_>,
        ascent: &Ascent,
        nodes: usize,
        watch: &Watch<'_>,
    ) -> Option<Witness> {
        let point = self.region.nearest(&ascent.point);
        let mean = self.region.nearest(&ascent.mean);
        let found = attacker.replay(&point).or_else(|| attacker.replay(&mean));
        // Climbing costs as much as a node or more.
        let climbs = nodes <= 2 || nodes.is_power_of_two() || nodes.is_multiple_of(64);
        found.or_else(|| {
            let start = if nodes.is_multiple_of(128) { point } else { mean };
            if climbs { attacker.climb(start, self.way(), 4, watch) } else { None }
        })
    }

    /// Looks for an input where all values are decided.
    fn repair(
        &self,
        attacker: &Attacker<'_>,
        ascent: &Ascent,
        watch: &Watch<'_>,
    ) -> Option<Witness> {
        [&ascent.mean, &ascent.point]
            .into_iter()
            .find_map(|x| attacker.climb(self.region.nearest(x), self.way(), 20, watch))
    }

    /// The cut whose halves have the least bounds, if some value is not decided: of the few that
    /// lower the hull of a staircase most, each half is bounded with a few steps.
    fn choose(
        &self,
        bounds: &IntegerBounds,
        ascent: &Ascent,
        options: &BranchOptions,
    ) -> Option<Cut> {
        let mut cuts: Vec<(f64, Cut)> = Vec::new();
        let last = self.network().layers().len() - 1;
        for (layer, network) in self.network().layers().iter().enumerate() {
            // Outputs of a pair have had their cuts.
            if layer == last && !cuts.is_empty() && self.pair().is_some() {
                break;
            }
            for (neuron, parts) in network.neurons().enumerate() {
                cuts.extend(self.best_cut((layer, neuron), parts.requantization, bounds, ascent));
            }
        }
        cuts.sort_by(|a, b| b.0.total_cmp(&a.0));
        cuts.truncate(options.candidates.max(1));
        if let [(_, only)] = cuts[..] {
            return Some(only);
        }
        let weights = vec![1; self.way().rows.len()];
        let (_, needed) = weighted(self.way(), &weights, self.network().outputs());
        let least = needed as f64 - 1e-3;
        let gain = |cut: Cut, below: bool| {
            let mut half = bounds.clone();
            let Some(ends) = cut.half(bounds, below) else { return f64::MAX };
            half.accumulators[cut.layer][cut.neuron] = ends;
            if !half.propagate(self.network(), cut.layer) {
                return ascent.value - least;
            }
            let bound = self.probe(&half, ascent, least, options.probe_steps);
            // A closed half is worth no more than that.
            (ascent.value - bound.max(least)).max(1e-6)
        };
        let score = |cut: &(f64, Cut)| gain(cut.1, true) * gain(cut.1, false);
        let scored = cuts.iter().map(|cut| (score(cut), cut.1));
        scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, cut)| cut)
    }

    /// The cut of one neuron's range that lowers the hull of its staircase most.
    fn best_cut(
        &self,
        (layer, neuron): (usize, usize),
        step: &Requantization,
        bounds: &IntegerBounds,
        ascent: &Ascent,
    ) -> Option<(f64, Cut)> {
        let range = bounds.accumulators[layer][neuron];
        let (first, last) = (step.apply(range.lower()), step.apply(range.upper()));
        if first == last {
            return None;
        }
        let a = ascent.accumulators[layer][neuron];
        let coefficient = ascent.coefficients[layer][neuron];
        let mut best: Option<(f64, Cut)> = None;
        for at in places(step, range, (first, last), a) {
            let gain = cut_gain(step, range, coefficient, a, at);
            // A cut that gains nothing now still decides something: the widest staircase that
            // matters, in second place.
            let steps = (last - first) as f64;
            let score = gain + 1e-6 * coefficient.abs() * steps + 1e-12 * steps;
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, Cut { layer, neuron, at }));
            }
        }
        best
    }
}

/// Where a range may be cut: behind the first value, before the last, around the optimum, and in
/// the middle.
fn places(
    step: &Requantization,
    range: IntegerInterval,
    (first, last): (i64, i64),
    a: f64,
) -> impl Iterator<Item = i64> {
    // Saturates.
    #[allow(clippy::cast_possible_truncation)]
    let near = step.apply(range.clamp(a as i64));
    let values = [first + 1, last, near, near.saturating_add(1), first.midpoint(last) + 1];
    let within = values.into_iter().filter(move |y| first < *y && *y <= last);
    let step = *step;
    within.filter_map(move |y| {
        let at = step.threshold(y)?.checked_sub(1)?;
        (range.lower() <= at && at < range.upper()).then_some(at)
    })
}

/// The weighted sum of rows, and of their bounds.
fn weighted(way: &Violation, weights: &[i64], outputs: usize) -> (Vec<i64>, i128) {
    let (mut form, mut needed) = (vec![0; outputs], 0);
    for (row, weight) in way.rows.iter().zip(weights) {
        // At most 2^12 rows of at most 2^31.
        form.iter_mut().zip(&row.coefficients).for_each(|(sum, c)| *sum += weight * c);
        needed += i128::from(*weight) * i128::from(row.bound);
    }
    (form, needed)
}

/// The nodes in order, each before its children.
fn flatten(mut grown: Vec<Grown>) -> Tree {
    let mut nodes = Vec::with_capacity(grown.len());
    let mut pending = vec![0];
    while let Some(place) = pending.pop() {
        match core::mem::replace(&mut grown[place], Grown::Pending) {
            Grown::Split { layer, neuron, at, below } => {
                nodes.push(Node::Split { layer, neuron, at });
                pending.extend([below + 1, below]);
            }
            Grown::Closed(node) => nodes.push(node),
            Grown::Pending => nodes.push(Node::Empty),
        }
    }
    Tree { nodes }
}
