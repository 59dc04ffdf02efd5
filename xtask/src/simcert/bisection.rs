//! Refinement as SimCert does it: boxes are cut in two at their longest side, and each is
//! bounded by its forward propagation and its tails.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use nncert::prelude::*;

use crate::verb::{Error, failed};

/// An undecided box.
struct Node {
    region: Region,
    weight: f64,
    lower: f64,
    upper: f64,
}

impl Node {
    fn gap(&self) -> f64 {
        self.weight * (self.upper - self.lower)
    }
}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gap().total_cmp(&other.gap())
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

/// When a bisection ends.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    Time(Duration),
    Boxes(usize),
}

/// `γ_max - γ_min` at the end, and how many boxes were bounded.
///
/// The boxes that leave the most open are cut first, as in our own search: the paper does
/// not say its order. Sides are compared relative to those of the whole region.
pub(crate) fn bisection(
    pair: &PairedNetworks,
    region: &Region,
    epsilon: f64,
    method: Method,
    budget: Budget,
) -> Result<(f64, usize), Error> {
    let started = Instant::now();
    let bound = |region: Region, weight: f64| -> Result<Node, Error> {
        let interval = probability_interval(pair, &region, epsilon, method).map_err(failed)?;
        let (lower, upper) = (interval.lower.get(), interval.upper.get());
        Ok(Node { region, weight, lower, upper })
    };
    let whole: Vec<f64> = region.free().iter().map(|&i| region.interval(i).width()).collect();
    let (mut open, mut decided) = (BinaryHeap::from([bound(region.clone(), 1.0)?]), 0.0);
    let mut boxes = 1;
    let spent = |boxes: usize| match budget {
        Budget::Time(time) => started.elapsed() >= time,
        Budget::Boxes(most) => boxes >= most,
    };
    while !spent(boxes) {
        let Some(node) = open.pop() else { break };
        let relative = |at: usize, input: usize| node.region.interval(input).width() / whole[at];
        let longest = region.free().iter().enumerate().max_by(|(a, i), (b, j)| {
            relative(*a, **i).total_cmp(&relative(*b, **j)).then(b.cmp(a))
        });
        let Some((_, &input)) = longest else { break };
        for half in halves(&node.region, input)? {
            let half = bound(half, node.weight / 2.0)?;
            boxes += 1;
            if half.gap() > 0.0 { open.push(half) } else { decided += half.gap() }
        }
    }
    Ok((decided + open.iter().map(Node::gap).sum::<f64>(), boxes))
}

fn halves(region: &Region, input: usize) -> Result<[Region; 2], Error> {
    let side = region.interval(input);
    let middle = f64::midpoint(side.lower, side.upper);
    let (mut low, mut high) = (region.lower().to_vec(), region.upper().to_vec());
    high[input] = middle;
    let first = Region::new(low.clone(), high.clone()).map_err(failed)?;
    (low[input], high[input]) = (middle, side.upper);
    Ok([first, Region::new(low, high).map_err(failed)?])
}
