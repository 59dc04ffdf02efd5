//! The probability that both networks choose the same class.

use core::fmt;
use core::ops::ControlFlow;
use std::time::Instant;

use nalgebra::{DMatrix, DVector};
use nncert_bounds::{AffineForm, Bisection, Envelope, MAX_CLASSES, PairBounds};
use nncert_core::directed::{add_up, sub_down};
use nncert_core::{Affine, Network, PairedNetworks, Region};
use nncert_prob::{LinearForm, Probability, Tail, Uniform};

use crate::branch::Tree;
use crate::probability::{on_free, tail_of, uniform_inputs};
use crate::union::{Event, beyond, scale};
use crate::{BranchEnd, BranchOptions, BranchProgress, SimilarityError};

/// The probability that two networks choose the same class, and how it was reached.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TopOneReport {
    /// `γ_min`: the probability is at least this.
    pub lower: Probability,
    /// `γ_max`: the probability is at most this.
    pub upper: Probability,
    /// The region on which the input is uniform.
    pub region: Region,
    /// How the tails of affine functions were bounded.
    pub tail: Tail,
    /// The classes that one of the networks may choose on the region.
    pub classes: Vec<usize>,
    /// How many boxes the region was cut into.
    pub boxes: usize,
    /// How many of them are still undecided.
    pub open: usize,
    /// Why the search ended.
    pub end: BranchEnd,
}

/// Bounds the probability that two networks choose the same class, by cutting the region.
///
/// ```text
/// γ_min ≤ P(argmax f(X) = argmax f'(X)) ≤ γ_max,   X uniform on the region
/// ```
///
/// The class is the first of the largest outputs. With the margins `m_ij = f_i - f_j` and
/// `m'_ij` of the copy, the networks disagree only where `m_ij ≥ 0 ≥ m'_ij` for some `i, j`.
/// These are slabs along the decision boundaries, thin where the networks are close. A pass
/// bounds all margins by affine functions of the input, and with `m ≤ U` and `m' ≥ L`
///
/// ```text
/// P(m ≥ 0 ≥ m') ≤ P(U ≥ 0) - P(L > 0) + P(L - λU > 0)   for every λ ≥ 0
/// ```
///
/// so that tight tails ([`Tail::Exact`]) see a slab as thin as it is. What a pass leaves open
/// is cut, as in [`branch_and_bound`](crate::branch_and_bound).
///
/// Guarantee: sound; both ends are rounded outward. The result is the same every time, with
/// any number of threads, unless a time limit ends it.
///
/// # Errors
///
/// [`SimilarityError`] for fewer than two outputs or more than [`MAX_CLASSES`], a width that
/// is negative or NaN, a region of another dimension, or bounds that overflow.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// use nncert_similarity::{BranchOptions, Tail, top_one_probability};
///
/// // f chooses class 0 for x ≥ 0, f' for x ≥ 1/8: they differ on a sixteenth of [-1, 1].
/// let network = |b: f64| {
///     Network::relu_mlp(vec![Affine::new(dmatrix![1.0; -1.0], dvector![b, 0.0])])
/// };
/// let pair = PairedNetworks::new(&network(0.0)?, &network(-0.25)?)?;
/// let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything)?;
/// let report = top_one_probability(&pair, &region, Tail::Exact, &BranchOptions::default())?;
/// let exact = 15.0 / 16.0;
/// assert!(report.lower.get() <= exact && exact <= report.upper.get());
/// assert!(report.upper.get() - report.lower.get() <= 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn top_one_probability(
    pair: &PairedNetworks,
    region: &Region,
    tail: Tail,
    options: &BranchOptions,
) -> Result<TopOneReport, SimilarityError> {
    top_one_probability_observed(pair, region, tail, options, |_| ControlFlow::Continue(()))
}

/// [`top_one_probability`] with an observer that sees every round of cuts and may end it.
///
/// # Errors
///
/// As [`top_one_probability`].
pub fn top_one_probability_observed(
    pair: &PairedNetworks,
    region: &Region,
    tail: Tail,
    options: &BranchOptions,
    mut observer: impl FnMut(BranchProgress) -> ControlFlow<()>,
) -> Result<TopOneReport, SimilarityError> {
    let started = Instant::now();
    let count = pair.outputs();
    if !(2..=MAX_CLASSES).contains(&count) {
        return Err(SimilarityError::Classes { classes: count });
    }
    options.check()?;
    let all: Vec<usize> = (0..count).collect();
    let margins = Margins::new(&all);
    let stacked = margins.stacked(pair);
    let (_, whole) = Bisection::new(&stacked, region, &margins.rows(count))?;
    // What no network can choose anywhere on the region needs no margins.
    let classes = margins.candidates(&whole.bounds);
    if classes.len() < 2 {
        let (lower, upper) = (Probability::ONE, Probability::ONE);
        let (region, end) = (region.clone(), BranchEnd::Width);
        return Ok(TopOneReport { lower, upper, region, tail, classes, boxes: 1, open: 0, end });
    }
    let margins = Margins::new(&classes);
    let judge = |bounds: &PairBounds| margins.bracket(bounds, tail);
    let (bisection, whole) = Bisection::new(&stacked, region, &margins.rows(count))?;
    let mut tree = Tree::new(bisection, judge, started);
    tree.add(whole, 1.0);
    let end = tree.grow(options, &mut observer)?;
    let ((lower, upper), boxes, open) = (tree.interval(), tree.boxes, tree.open());
    Ok(TopOneReport { lower, upper, region: region.clone(), tail, classes, boxes, open, end })
}

/// The margins between some classes, two by two.
struct Margins {
    classes: Vec<usize>,
    /// `i < j`, as places in `classes`.
    pairs: Vec<(usize, usize)>,
}

/// Envelopes of a margin `m_ij` of `f`, where `i < j`, and of that of `f'`.
struct Row<'a> {
    original: &'a Envelope,
    /// With the other sign: `-m'_ij`.
    compressed: &'a Envelope,
    /// `m_ij - m'_ij`.
    change: &'a Envelope,
}

impl Margins {
    fn new(classes: &[usize]) -> Self {
        let places = 0..classes.len();
        let pairs = places.clone().flat_map(|i| places.clone().skip(i + 1).map(move |j| (i, j)));
        Self { classes: classes.to_vec(), pairs: pairs.collect() }
    }

    /// The pair whose difference has the margins of both networks for outputs, and how they
    /// differ: `m - 0`, `0 - m'` and `m - m'`. For all classes.
    fn stacked(&self, pair: &PairedNetworks) -> PairedNetworks {
        let (count, rows) = (self.classes.len(), self.pairs.len());
        let followed = |network: &Network, parts: [usize; 2]| {
            let mut weight = DMatrix::zeros(3 * rows, count);
            for (row, &(i, j)) in self.pairs.iter().enumerate() {
                for part in parts {
                    weight[(part * rows + row, i)] = 1.0;
                    weight[(part * rows + row, j)] = -1.0;
                }
            }
            let last = Affine::new(weight, DVector::zeros(3 * rows));
            network.followed_by(last).expect("a layer of ones fits behind any network")
        };
        let (f, g) = (followed(pair.original(), [0, 2]), followed(pair.compressed(), [1, 2]));
        PairedNetworks::new(&f, &g).expect("both networks got a layer of one shape")
    }

    /// The outputs of the stacked pair of so many classes: first all margins of `f`, then
    /// those of `f'`, then how they differ.
    fn rows(&self, count: usize) -> Vec<usize> {
        let all = count * (count - 1) / 2;
        let row = |&(i, j): &(usize, usize)| {
            let (i, j) = (self.classes[i], self.classes[j]);
            i * (2 * count - i - 1) / 2 + j - i - 1
        };
        let first: Vec<usize> = self.pairs.iter().map(row).collect();
        (0..3).flat_map(|part| first.iter().map(move |row| part * all + row)).collect()
    }

    fn row<'a>(&self, bounds: &'a PairBounds, index: usize) -> Row<'a> {
        let part = |part: usize| &bounds.outputs[part * self.pairs.len() + index];
        Row { original: part(0), compressed: part(1), change: part(2) }
    }

    /// The classes that `f` or `f'` may choose.
    fn candidates(&self, bounds: &PairBounds) -> Vec<usize> {
        let mut beaten = [vec![false; self.classes.len()], vec![false; self.classes.len()]];
        for (index, &(i, j)) in self.pairs.iter().enumerate() {
            let Row { original, compressed, .. } = self.row(bounds, index);
            let (m, minus) = (original.bounds, compressed.bounds);
            // Of equal ones the first is chosen.
            beaten[0][i] |= m.upper < 0.0;
            beaten[0][j] |= m.lower >= 0.0;
            beaten[1][i] |= minus.lower > 0.0;
            beaten[1][j] |= minus.upper <= 0.0;
        }
        let may = |place: &usize| !(beaten[0][*place] && beaten[1][*place]);
        (0..self.classes.len()).filter(may).map(|place| self.classes[place]).collect()
    }

    /// `γ_min` and `γ_max` on a box.
    fn bracket(&self, bounds: &PairBounds, tail: Tail) -> (Probability, Probability) {
        let inputs = uniform_inputs(&bounds.region);
        let tails = Tails { inputs: &inputs, free: bounds.region.free(), tail };
        let count = self.classes.len();
        // For each class at least the probability that it is not chosen, and at most that
        // another beats it: for `f` and `f'`.
        let mut lost = [vec![0.0; count], vec![0.0; count]];
        let mut beaten = [vec![0.0f64; count], vec![0.0f64; count]];
        let mut apart = 0.0;
        for (index, &(i, j)) in self.pairs.iter().enumerate() {
            let Row { original, compressed, change } = self.row(bounds, index);
            let below = [tails.at_most_zero(original), tails.at_least_zero(compressed)];
            let above = [tails.at_least_zero(original), tails.at_most_zero(compressed)];
            for network in 0..2 {
                // P(m_ij ≤ 0), at most: then i is not surely ahead of j.
                lost[network][i] = add_up(lost[network][i], below[network].get());
                lost[network][j] = add_up(lost[network][j], above[network].get());
                // P(m_ij < 0) is at least 1 - P(m_ij ≥ 0).
                let behind = sub_down(1.0, above[network].get());
                beaten[network][i] = beaten[network][i].max(behind);
                let behind = sub_down(1.0, below[network].get());
                beaten[network][j] = beaten[network][j].max(behind);
            }
            // Either m ≥ 0 > m', or m < 0 ≤ m', and then m and m' differ.
            let falls = tails.both(&original.upper, above[0], &compressed.upper, below[1]);
            let falls = falls.min(tails.above_zero(change));
            let minus = [original.lower.negated(), compressed.lower.negated()];
            let rises = tails.both(&minus[0], below[0], &minus[1], above[1]);
            let rises = rises.min(tails.below_zero(change));
            apart = add_up(apart, add_up(falls.get(), rises.get()));
        }
        let sum = |term: &dyn Fn(usize) -> f64| {
            let terms = (0..count).map(|class| term(class).max(0.0));
            terms.fold(0.0, |sum: f64, term| (sum + term).next_down().max(0.0))
        };
        // f chooses a class for certain, and so does f': the events of the classes exclude
        // each other.
        let same = sum(&|class| sub_down(1.0, add_up(lost[0][class], lost[1][class])));
        let differ = [(0, 1), (1, 0)].map(|(one, other): (usize, usize)| {
            sum(&|class| sub_down(beaten[other][class], lost[one][class]))
        });
        let known = Probability::from_lower_bound;
        let lower = known(sub_down(1.0, apart).max(same));
        (lower, known(differ[0].max(differ[1])).complement_up())
    }
}

/// The laws of the free inputs on a box, and how tails are bounded.
struct Tails<'a> {
    inputs: &'a [Uniform],
    free: &'a [usize],
    tail: Tail,
}

impl Tails<'_> {
    /// At least `P(g ≥ 0)` for what an envelope is around.
    fn at_least_zero(&self, envelope: &Envelope) -> Probability {
        match envelope.bounds {
            bounds if bounds.upper < 0.0 => Probability::ZERO,
            bounds if bounds.lower >= 0.0 => Probability::ONE,
            _ => self.form(&envelope.upper, |form| form.upper_tail(0.0, self.tail)),
        }
    }

    /// At least `P(g ≤ 0)`.
    fn at_most_zero(&self, envelope: &Envelope) -> Probability {
        match envelope.bounds {
            bounds if bounds.lower > 0.0 => Probability::ZERO,
            bounds if bounds.upper <= 0.0 => Probability::ONE,
            _ => self.form(&envelope.lower, |form| form.lower_tail(0.0, self.tail)),
        }
    }

    /// At least `P(g > 0)`.
    fn above_zero(&self, envelope: &Envelope) -> Probability {
        if envelope.bounds.upper <= 0.0 { Probability::ZERO } else { self.at_least_zero(envelope) }
    }

    /// At least `P(g < 0)`.
    fn below_zero(&self, envelope: &Envelope) -> Probability {
        if envelope.bounds.lower >= 0.0 { Probability::ZERO } else { self.at_most_zero(envelope) }
    }

    /// At least `P(u ≥ 0 and v ≥ 0)` for two affine functions and the probabilities of
    /// each.
    ///
    /// ```text
    /// P(u ≥ 0, v ≥ 0) = P(u ≥ 0) - P(v < 0) + P(u < 0, v < 0)
    /// P(u ≥ 0, v ≥ 0) ≤ P(v + λu ≥ 0)
    /// ```
    fn both(
        &self,
        u: &AffineForm,
        of_u: Probability,
        v: &AffineForm,
        of_v: Probability,
    ) -> Probability {
        let least = of_u.min(of_v);
        if least == Probability::ZERO || of_u == Probability::ONE || of_v == Probability::ONE {
            return least;
        }
        let (minus_u, minus_v) = (self.event(&u.negated()), self.event(&v.negated()));
        let (u, v) = (self.event(u), self.event(v));
        let ratio = scale(&v) / scale(&u);
        let without = |event: &Event, other: &Event| {
            let bound = |factor| beyond(event, other, factor, self.inputs, self.tail);
            bound(ratio).min(bound(1.0))
        };
        let least = least.min(without(&v, &minus_u));
        let neither = without(&minus_v, &u);
        // P(v < 0) ≥ 1 - P(v ≥ 0).
        let slab = add_up(add_up(of_u.get(), -sub_down(1.0, of_v.get())), neither.get());
        least.min(Probability::from_upper_bound(slab))
    }

    fn event(&self, form: &AffineForm) -> Event {
        let coefficients = on_free(form, self.free);
        Event { coefficients, constant: form.constant, probability: Probability::ONE }
    }

    fn form(
        &self,
        form: &AffineForm,
        tail: impl FnOnce(&LinearForm<'_, Uniform>) -> Probability,
    ) -> Probability {
        tail_of(form, self.free, self.inputs, tail)
    }
}

impl fmt::Display for TopOneReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lower, upper, region, boxes, open, end, .. } = self;
        write!(
            f,
            "P(argmax f = argmax f') is in [{lower}, {upper}] on {region} ({boxes} boxes, {open} open, {end:?})"
        )
    }
}
