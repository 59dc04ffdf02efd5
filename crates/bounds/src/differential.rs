//! Joint backward propagation of a network and its compressed copy.

use core::fmt;

use nncert_core::{Interval, PairedNetworks, Region};

use crate::activation::minus;
use crate::alpha::AlphaOptions;
use crate::crown::How;
use crate::envelope::Envelope;
use crate::graph::PairGraph;
use crate::influence::Influence;
use crate::interval::interval_into;
use crate::intervals::Intervals;
use crate::joint::Joint;
use crate::relaxations::Relaxations;
use crate::scratch::Scratch;
use crate::stability::Stability;
use crate::{BoundsError, Rounding};

/// What [`differential`] returns: bounds of `f`, `f'` and `f - f'`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PairBounds {
    /// The region that the bounds hold on.
    pub region: Region,
    /// For each output an envelope of `f - f'`.
    pub outputs: Vec<Envelope>,
    /// The bounds of the outputs of `f`.
    pub original: Vec<Interval>,
    /// The bounds of the outputs of `f'`.
    pub compressed: Vec<Interval>,
    /// How many multiplications of matrix products the pass took.
    pub products: u64,
}

impl PairBounds {
    /// Nothing yet, on a region.
    pub(crate) fn blank(region: &Region) -> Self {
        let (outputs, original, compressed) = (Vec::new(), Vec::new(), Vec::new());
        Self { region: region.clone(), outputs, original, compressed, products: 0 }
    }

    /// The least `ε` for which `|f(x) - f'(x)| ≤ ε` is shown for all outputs and all `x`.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        self.outputs.iter().map(|output| output.bounds.magnitude()).fold(0.0, f64::max)
    }
}

impl fmt::Display for PairBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "|f - f'| <= {} on {}", self.epsilon(), self.region)?;
        for (output, envelope) in self.outputs.iter().enumerate() {
            write!(f, "\n  output {output}: {}", envelope.bounds)?;
        }
        Ok(())
    }
}

/// Bounds `f - f'` by two affine functions of the input for each output.
///
/// The pass substitutes both networks backward together. Its state are
/// coefficients on the difference and on the original's value,
///
/// ```text
/// δ_k = W' δ̂ + (W - W') x̂ + (b - b'),   x_k = W x̂ + b
/// ```
///
/// and each pair of ReLUs contributes faces of `ReLU(x) - ReLU(x - δ)`
/// ([`relu_difference_faces`](crate::relu_difference_faces)). At every layer the
/// bounds of `x`, `x'` and `δ` tighten each other, and where two separate CROWN
/// passes do better (coarse compression on a large region), theirs are taken.
///
/// Guarantee: sound.
///
/// # Errors
///
/// [`BoundsError`] when the region does not fit, a layer is not supported, or a
/// bound overflows.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// let network = |w: f64| Network::relu_mlp(vec![
///     Affine::new(dmatrix![w; -1.0], dvector![0.0, 0.5]),
///     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// ]);
/// let pair = PairedNetworks::new(&network(1.0)?, &network(1.125)?)?;
/// let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything)?;
/// let bounds = nncert_bounds::differential(&pair, &region)?;
/// // The exact difference ReLU(x) - ReLU(1.125 x) is between -0.125 and 0.
/// let delta = bounds.outputs[0].bounds;
/// assert!(delta.lower <= -0.125 && delta.upper >= 0.0 && bounds.epsilon() < 0.1251);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn differential(pair: &PairedNetworks, region: &Region) -> Result<PairBounds, BoundsError> {
    differential_with(pair, region, &Relaxations::default(), Rounding::Outward)
}

/// [`differential`] with relaxations of the caller's choice.
///
/// The result is as sound as the relaxations are.
///
/// # Errors
///
/// As [`differential`].
pub fn differential_with(
    pair: &PairedNetworks,
    region: &Region,
    relaxations: &Relaxations,
    rounding: Rounding,
) -> Result<PairBounds, BoundsError> {
    let how = How { relaxations: *relaxations, rounding, ..How::default() };
    run(&mut Scratch::default(), pair, region, how)
}

/// [`differential`] with room of the caller's, for one region after the other.
///
/// What it allocates is the pair's normal form and the result; [`PreparedPair`] spares
/// these too.
///
/// [`PreparedPair`]: crate::PreparedPair
///
/// # Errors
///
/// As [`differential`].
pub fn differential_in(
    scratch: &mut Scratch,
    pair: &PairedNetworks,
    region: &Region,
) -> Result<PairBounds, BoundsError> {
    run(scratch, pair, region, How::default())
}

/// [`differential`] with rows for some neurons only, at most `rows` in all; the others
/// have interval bounds.
///
/// As in [`crown_limited`](crate::crown_limited) the first layers come first, and in a
/// layer the neurons whose difference is bounded most loosely. With no rows but those of
/// the outputs, as in [`crown_ibp`](crate::crown_ibp), it is three passes backward, whatever
/// the size of the networks.
///
/// The bounds are never looser than those of [`interval`](crate::interval), of either
/// network, and of `f - f'` as the difference of the two.
///
/// Guarantee: sound.
///
/// # Errors
///
/// As [`differential`].
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// # use nncert_bounds::{differential, differential_limited};
/// # let network = |w: f64| Network::relu_mlp(vec![
/// #     Affine::new(dmatrix![w; -1.0], dvector![0.0, 0.5]),
/// #     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// # ]);
/// let pair = PairedNetworks::new(&network(1.0)?, &network(1.125)?)?;
/// let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything)?;
/// let (all, none) = (differential(&pair, &region)?, differential_limited(&pair, &region, 0)?);
/// assert!(none.epsilon() >= all.epsilon() && none.products <= all.products);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn differential_limited(
    pair: &PairedNetworks,
    region: &Region,
    rows: usize,
) -> Result<PairBounds, BoundsError> {
    let scratch = &mut Scratch::default();
    run(scratch, pair, region, How { rows, ..How::default() })
}

/// [`differential`] with choices made by gradient ascent (α-CROWN for a pair).
///
/// Beside the lower slopes of [`alpha_crown`](crate::alpha_crown), every row mixes two
/// sets of faces at every neuron that is not stable: those of `δ`, and those of the two
/// networks apart. Where the copy is coarse the mix is better than either.
///
/// The bounds are never looser than those of [`differential`].
///
/// Guarantee: sound.
///
/// # Errors
///
/// As [`differential`].
pub fn alpha_differential(
    pair: &PairedNetworks,
    region: &Region,
    options: &AlphaOptions,
) -> Result<PairBounds, BoundsError> {
    let scratch = &mut Scratch::default();
    let plain = differential_in(scratch, pair, region)?;
    let better = run(scratch, pair, region, How { alpha: Some(*options), ..How::default() })?;
    // Tighter bounds between can turn the choices that the steps start from.
    let outputs = better.outputs.into_iter().zip(plain.outputs);
    let meet = |a: Vec<Interval>, b: Vec<Interval>| -> Vec<Interval> {
        a.into_iter().zip(b).map(|(a, b)| a.intersect(b)).collect()
    };
    Ok(PairBounds {
        outputs: outputs.map(|(better, plain)| better.meet(plain)).collect(),
        original: meet(better.original, plain.original),
        compressed: meet(better.compressed, plain.compressed),
        products: better.products + plain.products,
        region: better.region,
    })
}

fn run(
    scratch: &mut Scratch,
    pair: &PairedNetworks,
    region: &Region,
    how: How,
) -> Result<PairBounds, BoundsError> {
    let graph = PairGraph::new(pair, region)?;
    let mut bounds = PairBounds::blank(region);
    run_into(scratch, &graph, region, how, &mut bounds)?;
    Ok(bounds)
}

/// [`differential`] of a pair in normal form, in the storage of earlier bounds.
pub(crate) fn run_into(
    scratch: &mut Scratch,
    graph: &PairGraph<'_>,
    region: &Region,
    how: How,
    bounds: &mut PairBounds,
) -> Result<(), BoundsError> {
    let input = [Intervals::of_in(region, &graph.original.free, scratch)];
    bounds.region.clone_from(region);
    Joint::new(graph, &input, how, scratch).run(None, core::slice::from_mut(bounds), scratch)?;
    let [input] = input;
    input.recycle(scratch);
    if how.rows < usize::MAX {
        // Tighter bounds between, and the last bit of an output may be looser.
        let mut plain = scratch.intervals.take(bounds.outputs.len());
        let mut minuend = scratch.intervals.take(bounds.outputs.len());
        for (graph, known) in
            [(&graph.original, &mut bounds.original), (&graph.compressed, &mut bounds.compressed)]
        {
            core::mem::swap(&mut plain, &mut minuend);
            interval_into(scratch, graph, region, &mut plain)?;
            known.iter_mut().zip(&plain).for_each(|(x, plain)| *x = x.intersect(*plain));
        }
        let between = minuend.iter().zip(&plain).map(|(x, y)| minus(*x, *y));
        for (output, between) in bounds.outputs.iter_mut().zip(between) {
            output.bounds = output.bounds.intersect(between);
        }
        scratch.intervals.give(plain);
        scratch.intervals.give(minuend);
    }
    Ok(())
}

/// What the bounds of a pair leave for the parts of the region.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    /// For each free input how much the bounds owe to the width of its interval.
    pub(crate) influence: Vec<f64>,
    /// The sides of the neurons of the original and of the copy.
    pub(crate) stability: [Stability; 2],
}

/// [`differential`] of some outputs, in that order, on some parts of the region of a
/// graph, with what is known of each.
///
/// Guarantee: the bounds are sound, the influence is heuristic.
pub(crate) fn differential_within(
    scratch: &mut Scratch,
    graph: &PairGraph<'_>,
    regions: &[Region],
    outputs: &[usize],
    known: &[Option<&[Stability; 2]>],
) -> Result<Vec<(PairBounds, Lessons)>, BoundsError> {
    let free = &graph.original.free;
    let input: Vec<Intervals> = regions.iter().map(|r| Intervals::of(r, free)).collect();
    let mut joint = Joint::new(graph, &input, How::default(), scratch);
    joint.influence = input.iter().map(Influence::new).collect();
    for chain in [&mut joint.original, &mut joint.compressed] {
        chain.known = known;
        chain.found = vec![Stability::default(); regions.len()];
    }
    let mut bounds: Vec<PairBounds> = regions.iter().map(PairBounds::blank).collect();
    joint.run(Some(outputs), &mut bounds, scratch)?;
    let stability = joint.original.found.into_iter().zip(joint.compressed.found);
    let lessons = joint.influence.into_iter().zip(stability).map(|(influence, (f, g))| {
        let influence = influence.scores();
        Lessons { influence, stability: [f, g] }
    });
    Ok(bounds.into_iter().zip(lessons).collect())
}
