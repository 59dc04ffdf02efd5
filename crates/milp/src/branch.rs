//! Branch and bound with dual bounds: complete but for the last integers of an input.

use nncert_bounds::fixed_point::{
    Along, Ascent, FixedPointBounder, IntegerBounds, IntegerRegion, LineSearch,
};
use nncert_core::FixedPointNetwork;

use crate::attack::Attacker;
use crate::cut::Cut;
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
    /// The most nodes for a violation.
    pub nodes: usize,
}

impl Default for BranchOptions {
    fn default() -> Self {
        Self { root_steps: 400, steps: 20, bound_steps: 20, candidates: 16, nodes: 1_000_000 }
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

impl<'a> Branch<'a> {
    pub(crate) fn network(&self) -> &'a FixedPointNetwork {
        self.bounder.network()
    }

    pub(crate) fn way(&self) -> &'a Violation {
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

    /// How far a bound is from closing the violation: in values, or for a pair in accumulators of the
    /// last layer, of which a direction is a mean.
    ///
    /// A direction is measured by the sum of its weights. `a_a ≥ c` and `a_b ≤ d`, missed by `u` and `v`,
    /// are missed by `(u + v) / 2` halfway between them, never by more than the worse of both.
    pub(crate) fn excess(&self, ascent: &Ascent) -> f64 {
        let (_, needed) = self.sum();
        let unit = match (self.pair(), ascent.multipliers.last()) {
            (Some(_), Some(last)) => last.iter().map(|l| l.abs()).sum::<f64>(),
            _ => 1.0,
        };
        (ascent.value - needed as f64) / unit.max(f64::MIN_POSITIVE)
    }

    pub(crate) fn pair(&self) -> Option<Pair> {
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
        if let Some(leaf) = self.by_ranges(&bounds, vec![1]) {
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
            let Some(leaf) = self.by_ranges(&off, vec![1]) else { continue };
            let below = tree.split(place, cut);
            tree.close(below + usize::from(is_below), leaf);
            place = below + usize::from(!is_below);
            bounds.accumulators[cut.layer][cut.neuron] = kept;
        }
        Some(Open { place, bounds, start: None, layer: None })
    }

    /// The sum of the rows, and of their bounds.
    pub(crate) fn sum(&self) -> (Vec<i64>, i128) {
        self.weighted(&vec![1; self.way().rows.len()])
    }

    /// The weighted sum of the rows, and of their bounds.
    fn weighted(&self, weights: &[i64]) -> (Vec<i64>, i128) {
        let (mut form, mut needed) = (vec![0; self.network().outputs()], 0);
        for (row, weight) in self.way().rows.iter().zip(weights) {
            // At most 2^12 rows of at most 2^31.
            form.iter_mut().zip(&row.coefficients).for_each(|(sum, c)| *sum += weight * c);
            needed += i128::from(*weight) * i128::from(row.bound);
        }
        (form, needed)
    }

    /// A leaf, if multipliers prove that weighted rows cannot all be met.
    fn leaf(
        &self,
        bounds: &IntegerBounds,
        weights: Vec<i64>,
        multipliers: &[Vec<f64>],
    ) -> Option<Node> {
        let (row, needed) = self.weighted(&weights);
        let proof = self.bounder.prove(self.region, bounds, &row, multipliers)?;
        let (scale, multipliers) = (proof.scale, proof.multipliers);
        (proof.maximum < needed).then_some(Node::Leaf { weights, scale, multipliers })
    }

    /// A leaf, if ranges alone prove that weighted rows cannot all be met.
    fn by_ranges(&self, bounds: &IntegerBounds, weights: Vec<i64>) -> Option<Node> {
        let layers = self.network().layers().iter();
        let zeros: Vec<_> = layers.map(|layer| vec![0.0; layer.outputs()]).collect();
        self.leaf(bounds, weights, &zeros)
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
        let lines = LineSearch::new(self.bounder, self.region);
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
            let Some((cut, halves)) = self.choose(&node.bounds, &ascent, &lines, options) else {
                // Every value is decided: is there an input?
                match self.repair(&attacker, &ascent, watch) {
                    Some(witness) => return BranchEnd::Witness(witness),
                    None => unrepaired = true,
                }
                continue;
            };
            let below = tree.split(node.place, cut);
            self.push(&mut open, node.bounds, (cut, halves), below, &ascent);
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
        (cut, halves): (Cut, [Along; 2]),
        below: usize,
        ascent: &Ascent,
    ) {
        let Cut { layer, neuron, at } = cut;
        let half = |place: usize, is_below: bool| {
            let mut bounds = bounds.clone();
            bounds.accumulators[layer][neuron] = cut.half(&bounds, is_below)?;
            let mut start = ascent.multipliers.clone();
            start[layer][neuron] = halves[usize::from(!is_below)].multiplier;
            Some(Open { place, bounds, start: Some(start), layer: Some(layer) })
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
            let (row, needed) = self.weighted(&weights);
            let form: Vec<f64> = row.iter().map(|c| *c as f64).collect();
            let is_sum = weights.iter().all(|weight| *weight == 1);
            let start = if is_sum { start } else { None };
            let ascent =
                self.bounder.search(self.region, bounds, &form, start, needed as f64 - 1e-3, steps);
            if ascent.value < needed as f64
                && let Some(leaf) = self.leaf(bounds, weights.clone(), &ascent.multipliers)
            {
                return (Some(leaf), ascent);
            }
            if self.is_decided(bounds)
                && let Some(leaf) = self.by_ranges(bounds, weights)
            {
                return (Some(leaf), ascent);
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
        let (row, needed) = self.sum();
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
                && let Some(leaf) = self.leaf(bounds, vec![1], &ascent.multipliers)
            {
                return (Some(leaf), ascent);
            }
            let excess = self.excess(&ascent);
            if best.as_ref().is_none_or(|(least, _)| excess < *least) {
                best = Some((excess, ascent));
            }
        }
        let leaf = match &best {
            Some((_, ascent)) if self.is_settled(bounds, ascent) => self.settled(bounds, ascent),
            _ => None,
        };
        let ascent = best.map(|(_, ascent)| ascent).unwrap_or_else(|| {
            self.bounder.search(self.region, bounds, &form, None, f64::NEG_INFINITY, 1)
        });
        (leaf, ascent)
    }

    /// Whether every neuron before the outputs that the rows weigh has one value.
    fn is_settled(&self, bounds: &IntegerBounds, ascent: &Ascent) -> bool {
        let hidden = 0..self.network().layers().len() - 1;
        let weighs = hidden.flat_map(|layer| {
            let values = bounds.values(self.network(), layer);
            values.zip(&ascent.coefficients[layer]).filter(|(_, c)| **c != 0.0)
        });
        weighs.map(|(range, _)| range).all(|range| range.lower() == range.upper())
    }

    /// A leaf of a pair where all that counts is settled: by ranges alone, or since no input has these
    /// accumulators.
    ///
    /// What multipliers of the hidden layers add to the bound grows with them in proportion there;
    /// if they lower it at all, enough of them close it.
    fn settled(&self, bounds: &IntegerBounds, ascent: &Ascent) -> Option<Node> {
        if let Some(leaf) = self.by_ranges(bounds, vec![1]) {
            return Some(leaf);
        }
        let (row, needed) = self.sum();
        let form: Vec<f64> = row.iter().map(|c| *c as f64).collect();
        let last = ascent.multipliers.len() - 1;
        let mut scaled = ascent.multipliers.clone();
        scaled[..last].iter_mut().flatten().for_each(|lambda| *lambda = 0.0);
        let without = self.bounder.value(self.region, bounds, &form, &scaled);
        let gained = without - ascent.value;
        let factor = 1.01 * (without - needed as f64 + 1.0) / gained;
        if !(gained > 1e-6 * without.abs().max(1.0) && factor < 1e6) {
            return None;
        }
        scaled[..last].clone_from_slice(&ascent.multipliers[..last]);
        scaled[..last].iter_mut().flatten().for_each(|lambda| *lambda *= factor);
        self.leaf(bounds, vec![1], &scaled)
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
        // Annealing costs as much as some nodes.
        let moves = match nodes {
            _ if nodes > 8 && nodes.is_power_of_two() => 300_000,
            _ if nodes <= 2 || nodes.is_multiple_of(64) => 30_000,
            _ => return found,
        };
        found.or_else(|| {
            let start = if nodes.is_multiple_of(128) { point } else { mean };
            attacker.anneal(start, self.way(), moves, nodes as u64, watch)
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

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::dmatrix;
    use nncert_core::fixed_point::{FixedPointLayer, Format, LayerFormats, Rounding};

    /// Two sides of the corner, both missed: what is between them is not further away.
    #[test]
    fn mean_of_two_directions_is_missed_by_no_more_than_the_worse() {
        let values = Format::unsigned(6, 4).unwrap();
        let weight = Format::signed(6, 4).unwrap();
        let formats =
            LayerFormats { weight, bias: weight, output: values, rounding: Rounding::HalfUp };
        let layer = |weights| {
            FixedPointLayer::with_formats(&weights, &[0, 0], values, formats, formats.relu_clamp())
                .unwrap()
        };
        let layers = vec![layer(dmatrix![9, -20; 24, 17]), layer(dmatrix![-12, 20; 13, -7])];
        let network = FixedPointNetwork::new(values, layers).unwrap();
        let region = IntegerRegion::around(
            &network,
            vec![20, 20],
            nncert_bounds::fixed_point::Norm::Linf,
            9,
        )
        .unwrap();
        let property = Property::same_class_as(&network, &[20, 20]).unwrap();
        let bounder = FixedPointBounder::new(&network);
        let (bounds, _) = bounder.bounds(&region, 20).unwrap();
        let branch = Branch {
            bounder: &bounder,
            region: &region,
            property: &property,
            violation: 0,
            bounds: &bounds,
        };
        let form: Vec<f64> = branch.sum().0.iter().map(|c| *c as f64).collect();
        let [_, below, above] = branch.pair().unwrap().directions(&network, &bounds);
        let [below, above] = [below, above].map(|last| {
            bounder.search_toward(&region, &bounds, &form, &last, None, f64::NEG_INFINITY, 50)
        });
        let mut mean = below.clone();
        for (mean, other) in
            mean.multipliers.iter_mut().flatten().zip(above.multipliers.iter().flatten())
        {
            *mean = mean.midpoint(*other);
        }
        mean.value = bounder.value(&region, &bounds, &form, &mean.multipliers);
        let [mean, below, above] = [mean, below, above].map(|ascent| branch.excess(&ascent));
        assert!(below > 1.0 && above > 1.0, "{below} {above}");
        assert!(mean <= below.max(above), "{mean} {below} {above}");
    }
}
