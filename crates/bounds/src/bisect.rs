//! Cutting a region into boxes: the machinery of branch and bound.

use core::fmt;

use nncert_core::{Interval, PairedNetworks, Region};

use crate::differential::{Lessons, differential_within};
use crate::graph::PairGraph;
use crate::parallel::in_parallel;
use crate::scratch::Scratch;
use crate::stability::Stability;
use crate::{BoundsError, PairBounds};

/// The most boxes that share a matrix product.
///
/// The halves of a box leave nearly the same neurons alive, boxes from elsewhere others:
/// on ACAS Xu two together are some 4 % faster than one alone, and eight 20 % slower.
const GROUP: u64 = 2;
/// What a group multiplies at most, if it has more than one box. Small products gain by
/// being shared; large ones are as fast alone.
const GROUP_PRODUCTS: u64 = 1 << 26;

/// The most boxes that are cut in a round.
const ROUND: u64 = 16;
/// What a round multiplies at most, if it cuts more than one box.
const ROUND_PRODUCTS: u64 = 1 << 31;

/// Bounds a pair on a region and on smaller and smaller parts of it.
///
/// What holds on a box holds on its halves, and is not shown again: neurons that are on
/// one side of 0 stay there. Several boxes at a time share their matrix products, and
/// with feature `rayon` the threads of the current pool, with the same results. Which
/// boxes to cut is the caller's to choose: [`DifferentialVerifier`] takes the worst first.
///
/// [`DifferentialVerifier`]: crate::DifferentialVerifier
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// use nncert_bounds::Bisection;
///
/// # let network = |w: f64| Network::relu_mlp(vec![
/// #     Affine::new(dmatrix![w, 0.5; -1.0, 1.0], dvector![0.0, 0.5]),
/// #     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// # ]);
/// let pair = PairedNetworks::new(&network(1.0)?, &network(1.125)?)?;
/// let region = Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything)?;
/// let (mut bisection, whole) = Bisection::new(&pair, &region, &[0])?;
/// let halves = bisection.halve(&[&whole])?.remove(0);
/// for half in &halves {
///     assert!(half.bounds.epsilon() <= whole.bounds.epsilon());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Bisection<'a> {
    graph: PairGraph<'a>,
    outputs: Vec<usize>,
    scratch: Scratch,
    /// How many boxes are bounded together.
    group: usize,
    /// How many are worth cutting at a time.
    round: usize,
}

/// A box with its bounds.
pub struct BoundedBox {
    /// The bounds of the chosen outputs, in their order.
    pub bounds: PairBounds,
    /// The input at which to cut it, to which the bounds owe most; `None` when no input
    /// has a double between its ends.
    ///
    /// Guarantee: heuristic.
    pub cut: Option<usize>,
    /// What is known of the networks on it, and so on its halves.
    stability: [Stability; 2],
}

impl<'a> Bisection<'a> {
    /// Bounds some outputs of a pair on all of a region.
    ///
    /// # Errors
    ///
    /// [`BoundsError`] when the region does not fit, a layer is not supported, or a bound
    /// overflows.
    ///
    /// # Panics
    ///
    /// For an output that the networks do not have.
    pub fn new(
        pair: &'a PairedNetworks,
        region: &Region,
        outputs: &[usize],
    ) -> Result<(Self, BoundedBox), BoundsError> {
        let graph = PairGraph::new(pair, region)?;
        let scratch = Scratch::default();
        let mut bisection = Self { graph, outputs: outputs.to_vec(), scratch, group: 1, round: 1 };
        let whole = bisection.bound(&[(region.clone(), None)], &|| false)?.remove(0);
        bisection.group = share(whole.bounds.products, GROUP_PRODUCTS, GROUP);
        bisection.round = share(whole.bounds.products, ROUND_PRODUCTS, ROUND);
        Ok((bisection, whole))
    }

    /// How many boxes are worth cutting at a time: enough for their products to be shared,
    /// fewer where one box is a lot of work. Does not depend on the number of threads.
    #[must_use]
    pub fn round(&self) -> usize {
        self.round
    }

    /// The bounds on the two halves of each of some boxes; halves share the cut. A box
    /// that cannot be cut gives itself twice.
    ///
    /// # Errors
    ///
    /// As [`Bisection::new`].
    pub fn halve(&mut self, boxes: &[&BoundedBox]) -> Result<Vec<[BoundedBox; 2]>, BoundsError> {
        self.halve_until(boxes, &|| false)
    }

    /// [`Bisection::halve`] of the first boxes, as many as come before it is time to `stop`:
    /// that is asked before every few boxes, on any thread.
    pub(crate) fn halve_until(
        &mut self,
        boxes: &[&BoundedBox],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<[BoundedBox; 2]>, BoundsError> {
        let halves = boxes.iter().flat_map(|one| {
            let region = &one.bounds.region;
            let halves = match one.cut {
                Some(input) => halves(region, input),
                None => [region.clone(), region.clone()],
            };
            halves.map(|half| (half, Some(&one.stability)))
        });
        let tasks: Vec<Task<'_>> = halves.collect();
        let mut bounded = self.bound(&tasks, stop)?.into_iter();
        let pairs = core::iter::from_fn(|| Some([bounded.next()?, bounded.next()?]));
        Ok(pairs.collect())
    }

    /// The bounds on some boxes: on all of them, or on those before the first that comes
    /// when it is time to `stop`.
    fn bound(
        &mut self,
        tasks: &[Task<'_>],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<BoundedBox>, BoundsError> {
        let groups: Vec<&[Task<'_>]> = tasks.chunks(self.group).collect();
        let (graph, outputs) = (&self.graph, &self.outputs);
        let mut all = Vec::with_capacity(groups.len());
        in_parallel(
            groups.len(),
            &mut all,
            &mut self.scratch,
            |_, scratch, at| {
                if stop() {
                    return Ok(None);
                }
                let (regions, known): (Vec<Region>, Vec<_>) = groups[at].iter().cloned().unzip();
                let bounded = differential_within(scratch, graph, &regions, outputs, &known)?;
                let boxes = bounded.into_iter().map(|(b, lessons)| keep(graph, b, lessons));
                Ok(Some(boxes.collect()))
            },
            |all, _, _, bounded| all.push(bounded),
        );
        let bounded: Result<Vec<Option<Vec<BoundedBox>>>, BoundsError> = all.into_iter().collect();
        Ok(bounded?.into_iter().map_while(|group| group).flatten().collect())
    }
}

/// A box that is to be bounded, and what is known of one that it is part of.
type Task<'n> = (Region, Option<&'n [Stability; 2]>);

fn keep(graph: &PairGraph<'_>, bounds: PairBounds, lessons: Lessons) -> BoundedBox {
    let Lessons { influence, stability } = lessons;
    let cut = most_influential(&bounds.region, &graph.original.free, &influence);
    BoundedBox { bounds, cut, stability }
}

/// How many pieces of work of this many products are done together.
fn share(products: u64, most: u64, limit: u64) -> usize {
    usize::try_from((most / products.max(1)).clamp(1, limit)).unwrap_or(1)
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

impl fmt::Debug for BoundedBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bounds, cut, .. } = self;
        f.debug_struct("BoundedBox").field("bounds", bounds).field("cut", cut).finish()
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use nalgebra::{dmatrix, dvector};
    use nncert_core::{Affine, Domain, Network};

    use super::*;

    #[test]
    fn what_is_not_come_to_is_left() {
        let network = |w: f64| {
            let first = Affine::new(dmatrix![w, 0.5; -1.0, 1.0], dvector![0.0, 0.5]);
            let last = Affine::new(dmatrix![1.0, 1.0], dvector![0.0]);
            Network::relu_mlp(vec![first, last]).unwrap()
        };
        let pair = PairedNetworks::new(&network(1.0), &network(1.125)).unwrap();
        let region = Region::linf_ball(&[0.0, 0.0], 1.0, &Domain::Everything).unwrap();
        let (mut bisection, whole) = Bisection::new(&pair, &region, &[0]).unwrap();
        let halves = bisection.halve(&[&whole]).unwrap().remove(0);
        let boxes = [&halves[0], &halves[1], &whole];
        let all = bisection.halve(&boxes).unwrap();
        assert_eq!(all.len(), 3);
        // Each box is a group of its own: the halves of small boxes share their products.
        for first in 0..=3 {
            let asked = AtomicUsize::new(0);
            let stop = || asked.fetch_add(1, Ordering::Relaxed) >= first;
            let some = bisection.halve_until(&boxes, &stop).unwrap();
            assert_eq!(some.len(), first);
            for (some, all) in some.iter().flatten().zip(all.iter().flatten()) {
                assert_eq!(some.bounds, all.bounds);
            }
        }
    }
}
