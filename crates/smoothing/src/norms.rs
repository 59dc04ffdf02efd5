//! How far two networks can be apart on samples, by norms of their layers and of what enters these.
//!
//! Let `x` and `x'` be what both compute, rounding included, `|x| ≤ R` and `|x - x'| ≤ D` in the Euclidean norm. After a layer
//!
//! ```text
//! R ← |W| R + |b| + e,    D ← (|W| + |W - W'|) D + M + |b - b'| + e + e',    e = γ(|abs W| R + |b|)
//! M = |W - W'| R    or    |(W - W')c| + |W - W'| (r + E)
//! ```
//!
//! with spectral norms and `γ` as in `evaluation_error.rs`; ReLU makes neither greater. Before a layer that was seen, `R` is the
//! greatest norm that was recorded, if that is less. `c` is what enters the layer at the input itself, `r` how far from it
//! the samples were seen to go, and `E` how far `c` may be from what was computed when they were recorded:
//! weights that change at random hardly move `c`, but may move what is best for them, wherever that is.
//!
//! Behind the layers that end the network in a sequence, norms of products take the place of products of norms: see `tails.rs`.
//!
//! # References
//! N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition, 2002, sections 3.5 and 6.2.

use nalgebra::{DMatrix, DVector};
use nncert_core::{
    Activation, Affine, Convolution, Evaluator, Layer, Network, Pool, Residual, Select, Shape,
};

use crate::classifier::activations;
use crate::evaluation_error::{SLACK, SUBNORMAL, UNDERFLOW, gamma, unless_overflow};
use crate::reach::{Reach, rounded};
use crate::spectral::{absolute_norm, convolution_norm, norm, overlap, spectral_norm};
use crate::tails::{Factors, Piece, Tails};
use crate::{ClassifierError, Fingerprint};

/// Squarings of a Gram matrix of order `n`: the norm is at most `n^(2^-(k+2))` times too large.
const SQUARINGS: usize = 7;

/// The same for differences, of every copy: fewer where a squaring takes long.
fn squarings_of_difference(matrix: &DMatrix<f64>) -> usize {
    if matrix.nrows().min(matrix.ncols()) <= 256 { 6 } else { 1 }
}

/// Spectral norms of the layers of a network, from above: of the original once, for all its copies.
///
/// Guarantee: sound.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorms {
    fingerprint: Fingerprint,
    norms: Vec<f64>,
}

impl LayerNorms {
    /// Bounds the norm of every layer with weights.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let mut norms = Vec::new();
        collect(network.layers(), &mut norms);
        Self { fingerprint: Fingerprint::of_network(network), norms }
    }

    /// Whose they are.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// In the order in which [`Step::of`] asks for them.
fn collect(layers: &[Layer], found: &mut Vec<f64>) {
    for layer in layers {
        match layer {
            Layer::Affine(affine) => found.push(spectral_norm(&affine.weight, SQUARINGS)),
            Layer::Convolution(convolution) => {
                let filters = &convolution.filters.weight;
                found.push(convolution_norm(convolution, filters, SQUARINGS));
            }
            Layer::Residual(Residual { body, shortcut }) => {
                collect(body, found);
                collect(shortcut, found);
            }
            _ => {}
        }
    }
}

/// Norms of what both networks compute.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Of the original.
    size: f64,
    /// Of the difference.
    apart: f64,
}

/// What is known of the samples before a layer.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// No value is longer.
    norm: f64,
    /// What the change of the weights makes of it is no longer than this and the norm of the change times the other.
    moved: Option<(f64, f64)>,
}

/// A pair of networks, ready to say how far they are apart.
#[derive(Clone, Debug)]
pub(crate) struct NormBounds {
    steps: Vec<Step>,
    outputs: usize,
    original: Evaluator<f32>,
    /// For each layer that is seen, what changes in it; `None` for blocks, and for a last layer.
    changes: Vec<Option<Evaluator<f64>>>,
    /// What is behind the layers of a sequence that ends with the last one, and its first step.
    tails: Option<(usize, Tails)>,
}

/// What the changes of a pair do at one input, for each layer that is seen: `(|(W - W')c|, E)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moved(Vec<Option<(f64, f64)>>);

impl NormBounds {
    /// The layer, if there is no bound for one.
    pub(crate) fn new(pair: [&Network; 2], norms: &LayerNorms) -> Result<Self, usize> {
        let [original, copy] = pair;
        let mut norms = norms.norms.iter().copied();
        let last = original.layers().len().saturating_sub(1);
        let layers = original.layers().iter().zip(copy.layers()).zip(original.shapes());
        let (mut steps, mut changes) = (Vec::new(), Vec::new());
        for (index, (layers, shape)) in layers.enumerate() {
            let step = match layers {
                (Layer::Affine(a), Layer::Affine(b)) if index == last => {
                    Step::Classes(a.clone(), b.clone(), Linear::of_rows(a, b))
                }
                layers => Step::of(layers, shape, &mut norms).ok_or(index)?,
            };
            if step.is_seen() {
                let changed = matches!(step, Step::Linear(_)).then(|| change(layers, shape));
                changes.push(changed.transpose().map_err(|()| index)?.flatten());
            }
            steps.push(step);
        }
        let outputs = original.outputs();
        let tails = tails(&steps, pair);
        let original = Evaluator::new(original).map_err(|error| error.layer)?;
        Ok(Self { steps, outputs, original, changes, tails })
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// What the changes do to what enters the layers at an input.
    pub(crate) fn moved(&mut self, input: &[f64]) -> Result<Moved, ClassifierError> {
        let around = activations(&mut self.original, &rounded(input))?;
        let mut moved = Vec::with_capacity(around.layers.len());
        // The original beside itself: by how much two evaluations of it may differ.
        let mut state = State { size: norm(input.iter().copied()) * SLACK, apart: 0.0 };
        let mut layers = around.layers.iter().zip(&mut self.changes);
        for step in &self.steps {
            if step.is_seen()
                && let Some((values, change)) = layers.next()
            {
                let values: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
                let size = norm(values.iter().copied()) * SLACK;
                state.size = state.size.min(size + state.apart);
                moved.push(match change {
                    Some(change) => {
                        let values = DMatrix::from_vec(values.len(), 1, values);
                        let of_values = norm(change.evaluate(&values)?.iter().copied()) * SLACK;
                        // What the evaluation in f64 rounds off is far less than that in f32.
                        let rounding = step.rounding(size) * 1e-6;
                        Some((of_values + rounding, state.apart))
                    }
                    None => None,
                });
            }
            let Some(next) = step.run(state, None, true) else { break };
            state = next;
        }
        Ok(Moved(moved))
    }

    /// By how much the margin of a class over any other can differ on samples that went so far.
    pub(crate) fn apart(&self, class: usize, reach: &Reach, moved: Option<&Moved>) -> f64 {
        let mut state = State { size: f64::from(reach.sample), apart: 0.0 };
        // Of a classifier that sees other layers nothing is known.
        let known = reach.layers.len() == self.changes.len();
        let reaches = if known { &reach.layers[..] } else { &[] };
        let mut layer = 0;
        // What comes into the sequence, and what each layer of it adds.
        let mut incoming = None;
        let mut added: Vec<Added> = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            if self.tails.as_ref().is_some_and(|(first, _)| *first == index) {
                incoming = Some(state.apart);
            }
            let mut seen = None;
            if step.is_seen() {
                if let Some(reach) = reaches.get(layer) {
                    let moved = moved.and_then(|moved| *moved.0.get(layer)?);
                    let distance = f64::from(reach.distance);
                    let moved = moved.map(|(centre, off)| (centre, distance + off));
                    seen = Some(Seen { norm: f64::from(reach.norm), moved });
                }
                layer += 1;
            }
            if let Step::Classes(a, b, linear) = step {
                let through = |other: usize| {
                    let tails = self.tails.as_ref().and_then(|(_, tails)| tails.of(class, other));
                    match (tails, incoming) {
                        (Some(factors), Some(incoming)) => through(factors, incoming, &added),
                        _ => f64::INFINITY,
                    }
                };
                return classes(a, b, linear, class, cut(state, seen), through);
            }
            if let (Step::Linear(linear), Some(_)) = (step, incoming) {
                added.push(linear.added(cut(state, seen), seen.and_then(|seen| seen.moved), false));
            }
            match step.run(state, seen, false) {
                Some(next) => state = next,
                None => return f64::INFINITY,
            }
        }
        // A difference of two entries.
        core::f64::consts::SQRT_2 * state.apart * SLACK
    }
}

/// The tails of the affine layers and convolutions at the end, with nothing but ReLU between them.
fn tails(steps: &[Step], pair: [&Network; 2]) -> Option<(usize, Tails)> {
    let (Step::Classes(_, last, _), before) = steps.split_last()? else { return None };
    let is_plain = |step: &Step| matches!(step, Step::Linear(_) | Step::Same);
    let first = before.iter().rposition(|step| !is_plain(step)).map_or(0, |index| index + 1);
    let [original, copy] = pair.map(Network::layers);
    let linear: Vec<_> = (first..before.len())
        .filter_map(|index| match &before[index] {
            Step::Linear(linear) => {
                Some((index, linear, difference((&original[index], &copy[index]))?))
            }
            _ => None,
        })
        .collect();
    let pieces = linear.iter().map(|(index, linear, change)| Piece {
        layer: &copy[*index],
        input: &pair[1].shapes()[*index],
        norm: linear.norm_of_copy(false),
        absolute: linear.absolute[1],
        change,
        change_norm: linear.change,
        change_absolute: linear.absolute.iter().sum(),
    });
    Some((first, Tails::new(&pieces.collect::<Vec<_>>(), last)?))
}

/// The difference of two outputs that comes from before the last layer.
fn through(factors: &Factors, incoming: f64, added: &[Added]) -> f64 {
    let Some((first, differences)) = factors.differences.split_first() else {
        return f64::INFINITY;
    };
    if differences.len() != added.len() || factors.changes.len() != added.len() {
        return f64::INFINITY;
    }
    let layers = differences.iter().zip(&factors.changes).zip(added);
    let terms = layers.map(|((factor, changed), added)| {
        added.through(*factor, (factor * added.change).min(*changed))
    });
    (first * incoming + terms.sum::<f64>()) * SLACK
}

fn cut(state: State, seen: Option<Seen>) -> State {
    State { size: seen.map_or(state.size, |seen| state.size.min(seen.norm)), ..state }
}

/// What changes in a layer with weights, without the bias.
fn difference(layers: (&Layer, &Layer)) -> Option<Layer> {
    let difference =
        |a: &Affine, b: &Affine| Affine::new(&a.weight - &b.weight, DVector::zeros(a.outputs()));
    Some(match layers {
        (Layer::Affine(a), Layer::Affine(b)) => Layer::Affine(difference(a, b)),
        (Layer::Convolution(a), Layer::Convolution(b)) => {
            let filters = difference(&a.filters, &b.filters);
            Layer::Convolution(Convolution { filters, ..a.clone() })
        }
        _ => return None,
    })
}

/// The same as a network; `None` for blocks.
fn change(layers: (&Layer, &Layer), input: &Shape) -> Result<Option<Evaluator<f64>>, ()> {
    let Some(layer) = difference(layers) else { return Ok(None) };
    let network = Network::new(input.clone(), vec![layer]).map_err(|_| ())?;
    Evaluator::new(&network).map(Some).map_err(|_| ())
}

/// Through a last affine layer: differences of rows are shorter than the matrix. `through` bounds in another way what the difference of two
/// outputs has from before the layer.
fn classes(
    a: &Affine,
    b: &Affine,
    linear: &Linear,
    class: usize,
    state: State,
    through: impl Fn(usize) -> f64,
) -> f64 {
    let rounding = 2.0 * linear.rounding(state).into_iter().sum::<f64>();
    let row = |of: &dyn Fn(usize) -> f64| {
        let squares: f64 = (0..a.inputs()).map(|column| of(column) * of(column)).sum();
        squares.sqrt()
    };
    let apart = |other: usize| {
        let copy = row(&|i| b.weight[(class, i)] - b.weight[(other, i)]);
        let change = |of: usize, i: usize| a.weight[(of, i)] - b.weight[(of, i)];
        let changed = row(&|i| change(class, i) - change(other, i));
        // Both are differences of numbers that may nearly cancel.
        let size = row(&|i| a.weight[(class, i)].abs() + a.weight[(other, i)].abs());
        let cancelled = 8.0 * f64::EPSILON * (size + changed + copy) * (state.size + state.apart);
        let bias = (a.bias[class] - b.bias[class]) - (a.bias[other] - b.bias[other]);
        let of_bias = bias.abs() + 8.0 * f64::EPSILON * (a.bias[class].abs() + a.bias[other].abs());
        let before = through(other).min(copy * state.apart);
        before + changed * state.size + of_bias + cancelled + rounding
    };
    let others = (0..a.outputs()).filter(|other| *other != class);
    let most = others
        .map(apart)
        .fold(0.0, |most: f64, next| if next.is_nan() { f64::INFINITY } else { most.max(next) });
    most * SLACK
}

/// A layer of both networks.
#[derive(Clone, Debug)]
enum Step {
    Linear(Linear),
    /// The last layer, which gives the outputs.
    Classes(Affine, Affine, Linear),
    /// Something that multiplies by at most `norm`, the same in both, with sums of `terms`, and adds at most `offset`.
    Scaled {
        norm: f64,
        terms: f64,
        offset: f64,
    },
    /// Entries of the input, none more often than the square of this.
    Select(f64),
    Sum(Vec<Step>, Vec<Step>),
    Same,
}

impl Step {
    fn of(
        layers: (&Layer, &Layer),
        input: &Shape,
        norms: &mut impl Iterator<Item = f64>,
    ) -> Option<Self> {
        Some(match layers {
            (Layer::Affine(a), Layer::Affine(b)) => {
                let change = &a.weight - &b.weight;
                let change = spectral_norm(&change, squarings_of_difference(&change));
                Self::Linear(Linear::new((a, b), [norms.next()?, change], 1.0, 1.0))
            }
            (Layer::Convolution(a), Layer::Convolution(b)) => {
                let outputs = layers.0.output_shape(input).ok()?.len();
                let positions = outputs as f64 / a.output_channels().max(1) as f64;
                let change = &a.filters.weight - &b.filters.weight;
                let change = convolution_norm(a, &change, squarings_of_difference(&change));
                let both = (&a.filters, &b.filters);
                let of_both = [norms.next()?, change];
                Self::Linear(Linear::new(both, of_both, overlap(&a.window), positions))
            }
            (Layer::Pool(a), Layer::Pool(b)) if a == b => {
                // Rows are averages: their sums are 1 at most, and those of columns are the windows times the weight.
                let (norm, terms) = match a {
                    Pool::Average { window, count_include_pad } => {
                        let outputs = layers.0.output_shape(input).ok()?.len();
                        let windows = overlap(window).min(positions(input, outputs));
                        let whole = *count_include_pad || window.padding == [[0; 2]; 2];
                        let values = if whole { window.len() } else { 1 };
                        ((windows / values.max(1) as f64).sqrt() * SLACK, window.len())
                    }
                    Pool::GlobalAverage => {
                        let [_, height, width] = input.image().ok()?;
                        (((height * width).max(1) as f64).sqrt().recip() * SLACK, height * width)
                    }
                    _ => return None,
                };
                Self::Scaled { norm, terms: terms as f64, offset: 0.0 }
            }
            (Layer::Scale(a), Layer::Scale(b)) if a == b => {
                let norm = a.factor.iter().fold(0.0, |most: f64, factor| most.max(factor.abs()));
                let repeat = input.len() as f64 / a.offset.len().max(1) as f64;
                let offset = self::norm(a.offset.iter().copied()) * repeat.sqrt() * SLACK;
                Self::Scaled { norm, terms: 2.0, offset }
            }
            (Layer::Select(a), Layer::Select(b)) if a == b => Self::Select(most_often(a).sqrt()),
            (Layer::Flatten, Layer::Flatten)
            | (Layer::Activation(Activation::Relu), Layer::Activation(Activation::Relu)) => {
                Self::Same
            }
            (Layer::Residual(a), Layer::Residual(b)) => {
                let mut branch = |a: &[Layer], b: &[Layer]| {
                    let mut shape = input.clone();
                    let mut steps = Vec::with_capacity(a.len());
                    for layers in a.iter().zip(b) {
                        steps.push(Self::of(layers, &shape, norms)?);
                        shape = layers.0.output_shape(&shape).ok()?;
                    }
                    Some(steps)
                };
                Self::Sum(branch(&a.body, &b.body)?, branch(&a.shortcut, &b.shortcut)?)
            }
            _ => return None,
        })
    }

    /// Whether what enters it is seen when samples are recorded.
    fn is_seen(&self) -> bool {
        matches!(self, Self::Linear(_) | Self::Classes(..) | Self::Sum(..))
    }

    /// Of an evaluation of the change in `f32`, at least.
    fn rounding(&self, size: f64) -> f64 {
        match self {
            Self::Linear(linear) | Self::Classes(_, _, linear) => {
                linear.rounding(State { size, apart: 0.0 }).into_iter().sum()
            }
            _ => f64::INFINITY,
        }
    }

    /// Through the layer; with `alone`, through that of the original twice. `None` for the last one.
    fn run(&self, state: State, seen: Option<Seen>, alone: bool) -> Option<State> {
        let state = cut(state, seen);
        let State { size, apart } = state;
        Some(match self {
            Self::Linear(linear) => linear.step(state, seen.and_then(|seen| seen.moved), alone),
            Self::Classes(..) => return None,
            Self::Scaled { norm, terms, offset } => {
                let rounding =
                    gamma(*terms) * (norm * (2.0 * size + apart) + 2.0 * offset) + UNDERFLOW * 1e9;
                State {
                    size: (norm * size + offset + rounding) * SLACK,
                    apart: (norm * apart + rounding) * SLACK,
                }
            }
            Self::Select(often) => {
                State { size: size * often * SLACK, apart: apart * often * SLACK }
            }
            Self::Sum(body, shortcut) => {
                let branch = |steps: &[Self]| {
                    steps.iter().try_fold(state, |state, step| step.run(state, None, alone))
                };
                let (body, shortcut) = (branch(body)?, branch(shortcut)?);
                let size = body.size + shortcut.size;
                let apart = body.apart + shortcut.apart;
                // One rounding of each sum.
                let sums = 2.0 * size + apart;
                let rounding = unless_overflow(sums, gamma(1.0) * sums);
                State { size: (size + rounding) * SLACK, apart: (apart + rounding) * SLACK }
            }
            Self::Same => state,
        })
    }
}

fn most_often(select: &Select) -> f64 {
    let mut often = vec![0_u32; select.inputs];
    for source in select.sources.iter().flatten() {
        if let Some(count) = often.get_mut(*source) {
            *count += 1;
        }
    }
    f64::from(often.into_iter().max().unwrap_or(0))
}

/// The outputs of a channel, where there are as many channels as before.
fn positions(input: &Shape, outputs: usize) -> f64 {
    let channels = input.image().map_or(1, |[channels, ..]| channels.max(1));
    outputs as f64 / channels as f64
}

/// A layer with weights, and its copy.
#[derive(Clone, Copy, Debug)]
struct Linear {
    /// Of the original.
    norm: f64,
    /// Of the difference.
    change: f64,
    /// Of the weights without their signs.
    absolute: [f64; 2],
    bias: [f64; 2],
    bias_change: f64,
    gamma: f64,
    underflow: f64,
    /// What roundings of weights next to 0 make of a value of norm 1.
    subnormal: f64,
}

/// What a layer adds to a difference, in parts.
#[derive(Clone, Copy, Debug)]
struct Added {
    /// From biases and rounding.
    rest: f64,
    /// The norm of what changes in the weights, and of what enters.
    change: f64,
    size: f64,
    /// As [`Seen::moved`].
    moved: Option<(f64, f64)>,
}

impl Added {
    /// What becomes of it behind layers that multiply it by `factor` at most, and what enters by `change`, the change included.
    fn through(&self, factor: f64, change: f64) -> f64 {
        let by_size = change * self.size;
        let by_change = match self.moved {
            Some((centre, distance)) => by_size.min(factor * centre + change * distance),
            None => by_size,
        };
        factor * self.rest + by_change
    }

    /// All of it, at most.
    fn norm(&self) -> f64 {
        self.through(1.0, self.change) * SLACK
    }
}

impl Linear {
    fn new(
        (a, b): (&Affine, &Affine),
        [norm_of_original, change]: [f64; 2],
        overlap: f64,
        positions: f64,
    ) -> Self {
        let (spread, repeat) = (overlap.sqrt() * SLACK, positions.sqrt());
        let of_bias = |affine: &Affine| norm(affine.bias.iter().copied()) * repeat * SLACK;
        Self {
            norm: norm_of_original,
            change,
            absolute: [a, b].map(|affine| absolute_norm(&affine.weight) * spread),
            bias: [a, b].map(of_bias),
            bias_change: norm((&a.bias - &b.bias).iter().copied()) * repeat * SLACK,
            gamma: gamma(a.inputs() as f64),
            underflow: UNDERFLOW * (a.outputs() as f64).sqrt() * repeat,
            subnormal: SUBNORMAL * (a.weight.len() as f64).sqrt() * spread,
        }
    }

    /// Of a last layer, whose norms are not asked for.
    fn of_rows(a: &Affine, b: &Affine) -> Self {
        Self::new((a, b), [f64::INFINITY; 2], 1.0, 1.0)
    }

    /// Of both networks, at most.
    fn rounding(&self, state: State) -> [f64; 2] {
        let sizes = [state.size, state.size + state.apart];
        core::array::from_fn(|i| {
            let sums = self.absolute[i] * sizes[i] + self.bias[i];
            let below = self.underflow + self.subnormal * sizes[i];
            unless_overflow(sums, self.gamma * sums + below)
        })
    }

    /// What the layer adds to the difference, beside what was there before.
    fn added(&self, state: State, moved: Option<(f64, f64)>, alone: bool) -> Added {
        let [first, second] = self.rounding(state);
        if alone {
            let again = Self { absolute: [self.absolute[0]; 2], bias: [self.bias[0]; 2], ..*self };
            let rest = first + again.rounding(state)[1];
            return Added { rest, change: 0.0, size: 0.0, moved: None };
        }
        let rest = self.bias_change + first + second;
        Added { rest, change: self.change, size: state.size, moved }
    }

    /// Of the copy, or of the original where it is alone.
    fn norm_of_copy(&self, alone: bool) -> f64 {
        if alone { self.norm } else { (self.norm + self.change) * SLACK }
    }

    fn step(&self, state: State, moved: Option<(f64, f64)>, alone: bool) -> State {
        let State { size, apart } = state;
        let [first, _] = self.rounding(state);
        let added = self.added(state, moved, alone).norm();
        State {
            size: (self.norm * size + self.bias[0] + first) * SLACK,
            apart: (self.norm_of_copy(alone) * apart + added) * SLACK,
        }
    }
}
