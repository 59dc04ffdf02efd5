//! A property of a pair, ready to be decided box by box.

use core::cmp::Ordering;
use std::borrow::Cow;

use nalgebra::{DMatrix, DVector};
use nncert_core::exact::{self, Dyadic};
use nncert_core::{Affine, Interval, PairedNetworks, Region};

use super::property::{Agreement, MAX_CLASSES, Property, TopOne};
use super::{Disagreement, VerifyError, Witness};
use crate::{PairBounds, interval};

/// A property, and the pair whose bounds decide it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// The pair that was asked about.
    pair: &'a PairedNetworks,
    /// The pair that is bounded: for a top class its outputs are `f_i - f_j`, `i < j`.
    pub(super) bounded: Cow<'a, PairedNetworks>,
    /// Which outputs of that are bounded, in this order.
    pub(super) rows: Vec<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Agreement(Agreement),
    /// `margin` is by how much `f` leads, wherever it is confident enough.
    TopOne {
        classes: usize,
        confidence: f64,
        margin: f64,
    },
}

/// What bounds on a box say about a property.
#[derive(Debug)]
pub(super) struct Judgement {
    /// Where the bounds leave a violation possible: the rows that show it.
    pub(super) open: Vec<usize>,
    /// A sound bound of what [`Report::epsilon`](super::Report::epsilon) is about.
    pub(super) epsilon: f64,
}

impl<'a> Question<'a> {
    pub(super) fn new(property: Property, pair: &'a PairedNetworks) -> Result<Self, VerifyError> {
        match property {
            Property::Agreement(agreement) => Self::agreement(agreement, pair),
            Property::TopOne(top) => Self::top_one(top, pair),
        }
    }

    fn agreement(property: Agreement, pair: &'a PairedNetworks) -> Result<Self, VerifyError> {
        let Agreement { epsilon, outputs, .. } = property;
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(VerifyError::Epsilon { epsilon });
        }
        let missing = VerifyError::Output { outputs: pair.outputs(), output: first(outputs) };
        let rows = outputs.of(pair.outputs()).ok_or(missing)?;
        Ok(Self { pair, bounded: Cow::Borrowed(pair), rows, kind: Kind::Agreement(property) })
    }

    fn top_one(
        TopOne { confidence }: TopOne,
        pair: &'a PairedNetworks,
    ) -> Result<Self, VerifyError> {
        let classes = pair.outputs();
        if !(0.0..1.0).contains(&confidence) {
            return Err(VerifyError::Confidence { confidence });
        }
        if !(2..=MAX_CLASSES).contains(&classes) {
            return Err(VerifyError::Classes { classes });
        }
        let bounded = margins(pair);
        let rows = (0..bounded.outputs()).collect();
        let kind = Kind::TopOne { classes, confidence, margin: margin(confidence) };
        Ok(Self { pair, bounded: Cow::Owned(bounded), rows, kind })
    }

    /// The pair that was asked about.
    pub(super) fn asked(&self) -> &'a PairedNetworks {
        self.pair
    }

    /// What bounds on a box say.
    pub(super) fn judge(&self, bounds: &PairBounds) -> Judgement {
        match &self.kind {
            Kind::Agreement(property) => {
                let rows = bounds.outputs.iter().enumerate();
                let open = rows.filter(|(_, row)| !holds(property, row.bounds));
                Judgement { open: open.map(|(row, _)| row).collect(), epsilon: bounds.epsilon() }
            }
            &Kind::TopOne { classes, margin, .. } => Margins { bounds, classes }.judge(margin),
        }
    }

    /// How far a property is from being violated at points, to find one where it is: the
    /// outputs of both networks there. Violated is above 0; heuristic.
    pub(super) fn score(&self, f: &[f64], g: &[f64]) -> f64 {
        match &self.kind {
            Kind::Agreement(Agreement { epsilon, .. }) => {
                let gap = |&output: &usize| (f[output] - g[output]).abs();
                self.rows.iter().map(gap).fold(0.0, f64::max) - epsilon
            }
            Kind::TopOne { margin, .. } => {
                let top = first_largest(f);
                let others = |values: &[f64]| {
                    let others = values.iter().enumerate().filter(|(class, _)| *class != top);
                    others.map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max)
                };
                let lead = f[top] - others(f);
                (others(g) - g[top]).min(if *margin > 0.0 { lead - margin } else { f64::MAX })
            }
        }
    }

    /// The input as a witness, if the property fails there: a quick look in floating
    /// point, and the exact answer where that finds something.
    pub(super) fn witness(&self, input: &[f64]) -> Option<Witness> {
        let (f, g) = (self.pair.original(), self.pair.compressed());
        let rough = (f.evaluate(input).ok()?, g.evaluate(input).ok()?);
        let size = rough.0.amax().max(rough.1.amax());
        if self.score(rough.0.as_slice(), rough.1.as_slice()) < -1e-9 * size {
            return None;
        }
        let disagreement = match (exact::evaluate(f, input), exact::evaluate(g, input)) {
            (Ok(f), Ok(g)) => self.violated(&f, &g),
            // Sigmoids have no exact values: outward-rounded ones may still tell.
            _ => {
                let point = Region::point(input).ok()?;
                let (f, g) = (interval(f, &point).ok()?, interval(g, &point).ok()?);
                self.violated_within(&f, &g)
            }
        };
        disagreement.map(|disagreement| Witness { input: input.to_vec(), disagreement })
    }

    /// How exact outputs violate the property.
    fn violated(&self, f: &[Dyadic], g: &[Dyadic]) -> Option<Disagreement> {
        match &self.kind {
            Kind::Agreement(property) => {
                let too_large =
                    |&&output: &&usize| is_violated(property, &(&f[output] - &g[output]));
                self.rows.iter().find(too_large).map(|&output| Disagreement::Output(output))
            }
            Kind::TopOne { confidence, .. } => {
                let (original, compressed) = (first_largest(f), first_largest(g));
                let leads = f.iter().map(|value| {
                    // A bound of the difference below, in `f64`.
                    above(&(value - &f[original]))
                });
                let confident = is_confident(*confidence, leads);
                (original != compressed && confident)
                    .then_some(Disagreement::Class { original, compressed })
            }
        }
    }

    /// The same for outputs that are known to lie in intervals.
    fn violated_within(&self, f: &[Interval], g: &[Interval]) -> Option<Disagreement> {
        use nncert_core::directed::sub_down;
        match &self.kind {
            Kind::Agreement(property) => {
                let too_large = |&&output: &&usize| {
                    let (f, g) = (f[output], g[output]);
                    let gap = sub_down(f.lower, g.upper).max(sub_down(g.lower, f.upper));
                    gap > property.epsilon || property.strict && gap >= property.epsilon
                };
                self.rows.iter().find(too_large).map(|&output| Disagreement::Output(output))
            }
            Kind::TopOne { confidence, .. } => {
                let (original, compressed) = (certain_largest(f)?, certain_largest(g)?);
                let leads = f.iter().enumerate().map(|(class, value)| {
                    let top = f[original].lower;
                    if class == original { 0.0 } else { -sub_down(top, value.upper) }
                });
                let confident = is_confident(*confidence, leads);
                (original != compressed && confident)
                    .then_some(Disagreement::Class { original, compressed })
            }
        }
    }
}

fn first(outputs: super::Outputs) -> usize {
    match outputs {
        super::Outputs::All => 0,
        super::Outputs::One(output) => output,
    }
}

/// Whether a difference in an interval is shown to be fine.
fn holds(property: &Agreement, difference: Interval) -> bool {
    let size = difference.magnitude();
    if property.strict { size < property.epsilon } else { size <= property.epsilon }
}

/// Whether a difference is exactly known to be too large.
fn is_violated(property: &Agreement, difference: &Dyadic) -> bool {
    let size = if difference.is_negative() { -difference } else { difference.clone() };
    match size.compare(property.epsilon) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => property.strict,
        _ => false,
    }
}

/// The index of the largest; of equal ones the first.
fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

/// The index of the largest, where intervals tell it.
fn certain_largest(values: &[Interval]) -> Option<usize> {
    (0..values.len()).find(|&top| {
        let beaten = |other: usize| values[other].upper < values[top].lower;
        (0..values.len()).all(|other| other == top || beaten(other))
    })
}

/// A double at least as large as a number; infinite when that is far off.
fn above(value: &Dyadic) -> f64 {
    // Bisection over all doubles: witnesses are few.
    let (mut low, mut high) = (f64::MIN, f64::INFINITY);
    if value.compare(low).is_some_and(Ordering::is_le) {
        return low;
    }
    for _ in 0..2200 {
        let middle = if high.is_infinite() {
            if low < 0.0 { 0.0 } else { low.max(1.0) * 2.0 }
        } else {
            low / 2.0 + high / 2.0
        };
        if middle <= low || middle >= high {
            break;
        }
        let below = value.compare(middle).is_some_and(Ordering::is_le);
        if below { high = middle } else { low = middle }
    }
    high
}

/// Whether the softmax of the top class is at least `confidence`, for certain:
/// `leads` are bounds above of `f_k - f_top`.
fn is_confident(confidence: f64, leads: impl Iterator<Item = f64>) -> bool {
    if confidence <= 0.0 {
        return true;
    }
    // 1 / softmax = Σ exp(f_k - f_top); the factor is far above the error of exp and sums.
    let sum: f64 = leads.map(libm::exp).sum();
    sum * (1.0 + 1e-12) * confidence <= 1.0
}

/// At most `ln(δ / (1 - δ))`, and at least 0: by so much `f` leads where it is confident.
fn margin(confidence: f64) -> f64 {
    if confidence <= 0.5 {
        return 0.0;
    }
    // `1 - δ` is exact for δ in [1/2, 1]; the factor is far above the error of the rest.
    let odds = confidence / (1.0 - confidence);
    (libm::log(odds) * (1.0 - 1e-12) - 1e-15).max(0.0)
}

/// The pair followed by `f_i - f_j` for all `i < j`.
fn margins(pair: &PairedNetworks) -> PairedNetworks {
    let classes = pair.outputs();
    let pairs: Vec<(usize, usize)> =
        (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))).collect();
    let mut weight = DMatrix::zeros(pairs.len(), classes);
    for (row, &(i, j)) in pairs.iter().enumerate() {
        weight[(row, i)] = 1.0;
        weight[(row, j)] = -1.0;
    }
    let last = Affine::new(weight, DVector::zeros(pairs.len()));
    let [f, g] = [pair.original(), pair.compressed()].map(|network| {
        network.followed_by(last.clone()).expect("a layer of ones fits behind any network")
    });
    PairedNetworks::new(&f, &g).expect("both networks got the same layer")
}

/// Bounds of `f_i - f_j`, of `f'_i - f'_j` and of how they differ.
struct Margins<'a> {
    bounds: &'a PairBounds,
    classes: usize,
}

impl Margins<'_> {
    /// The row that compares two classes, and its sign.
    fn row(&self, i: usize, j: usize) -> (usize, bool) {
        let (low, high) = (i.min(j), i.max(j));
        let before = low * (2 * self.classes - low - 1) / 2;
        (before + high - low - 1, i < j)
    }

    fn pick(&self, i: usize, j: usize, of: impl Fn(usize) -> Interval) -> Interval {
        let (row, forward) = self.row(i, j);
        let Interval { lower, upper } = of(row);
        if forward { Interval::new(lower, upper) } else { Interval::new(-upper, -lower) }
    }

    /// Whether `class` may be the first largest, leading by `margin`.
    fn may_lead(&self, class: usize, margin: f64, of: impl Fn(usize) -> Interval) -> bool {
        (0..self.classes).filter(|&other| other != class).all(|other| {
            let most = self.pick(class, other, &of).upper;
            // Of equal ones the first leads.
            if margin > 0.0 || class < other { most >= margin } else { most > 0.0 }
        })
    }

    fn judge(&self, margin: f64) -> Judgement {
        let original = |row: usize| self.bounds.original[row];
        let compressed = |row: usize| self.bounds.compressed[row];
        let change = |row: usize| self.bounds.outputs[row].bounds;
        let lead = |class| self.may_lead(class, margin, original);
        let follow = |class| self.may_lead(class, 0.0, compressed);
        let followers: Vec<usize> = (0..self.classes).filter(|&class| follow(class)).collect();
        let (mut open, mut epsilon) = (Vec::new(), 0.0f64);
        for i in (0..self.classes).filter(|&class| lead(class)) {
            for &j in followers.iter().filter(|&&j| j != i) {
                // f leads by the margin, f' does not lead: the change is at least that.
                if self.pick(i, j, change).upper >= margin {
                    open.push(self.row(i, j).0);
                    epsilon = epsilon.max(-self.pick(i, j, compressed).lower);
                }
            }
        }
        open.sort_unstable();
        open.dedup();
        Judgement { open, epsilon }
    }
}
