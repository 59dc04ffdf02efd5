//! How far samples, and what networks make of them, go from 0 and from the input.

use nalgebra::DMatrix;
use nncert_core::Entering;

/// What enters each layer with weights, and each block, of a network, at one input.
///
/// The layers are those that [`Evaluator::evaluate_seen`](nncert_core::Evaluator::evaluate_seen) shows.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Activations {
    /// For each layer, its inputs.
    pub layers: Vec<Vec<f32>>,
}

/// How far what enters a layer goes, in the Euclidean norm, rounded up; infinite where that is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LayerReach {
    /// From 0.
    pub norm: f32,
    /// From what enters it at the input itself.
    pub distance: f32,
}

/// Labels and margins of a batch, and how far its samples went.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Margins {
    /// The label of each sample, and by how much its output exceeds all others; NaN where that is not known.
    pub labels: Vec<(usize, f32)>,
    /// For each layer with weights, and each block, over all samples; empty where that is not known.
    pub reach: Vec<LayerReach>,
}

/// How far samples of one input go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reach {
    /// The greatest norm of a sample; infinite where it is not known.
    pub(crate) sample: f32,
    /// As [`Margins::reach`].
    pub(crate) layers: Vec<LayerReach>,
}

impl Reach {
    /// Of samples of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self { sample: f32::INFINITY, layers: Vec::new() }
    }

    /// Of both; nothing is known of layers that one of them does not know.
    pub(crate) fn join(&mut self, other: &Self) {
        self.sample = greater(self.sample, other.sample);
        join(&mut self.layers, &other.layers);
    }

    /// Of all of them, if there are any.
    pub(crate) fn of_all<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut joined = None;
        all.into_iter().for_each(|next| add(&mut joined, next.clone(), Self::join));
        joined.unwrap_or_else(Self::unknown)
    }
}

/// Joins what comes next to what there is, if there is anything.
pub(crate) fn add<T>(all: &mut Option<T>, next: T, join: impl FnOnce(&mut T, &T)) {
    match all {
        Some(all) => join(all, &next),
        None => *all = Some(next),
    }
}

/// The input that networks are seen at, as a batch: values rounded to `f32`.
pub(crate) fn rounded(input: &[f64]) -> DMatrix<f32> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "any point serves, if it is always the same"
    )]
    DMatrix::from_iterator(input.len(), 1, input.iter().map(|value| *value as f32))
}

fn join(reach: &mut Vec<LayerReach>, other: &[LayerReach]) {
    if reach.len() != other.len() {
        reach.clear();
    }
    for (reach, other) in reach.iter_mut().zip(other) {
        reach.norm = greater(reach.norm, other.norm);
        reach.distance = greater(reach.distance, other.distance);
    }
}

/// What is no number may be anything.
fn greater(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::INFINITY } else { a.max(b) }
}

/// A look at what enters layers, while samples are evaluated a block at a time.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    around: Option<&'a Activations>,
    /// Squares of norms and distances, of each layer and sample of the block.
    squares: Vec<Vec<[f64; 2]>>,
    reach: Option<Vec<LayerReach>>,
}

impl<'a> Look<'a> {
    /// Distances are from these activations, where they know of a layer.
    pub(crate) fn new(around: Option<&'a Activations>) -> Self {
        Self { around, squares: Vec::new(), reach: None }
    }

    /// Takes up what enters a layer.
    pub(crate) fn see(&mut self, entering: &Entering<'_, f32>) {
        let Entering { layer, first, values, rows } = *entering;
        let (length, count) =
            if rows { (values.ncols(), values.nrows()) } else { (values.nrows(), values.ncols()) };
        if self.squares.len() <= layer {
            self.squares.resize(layer + 1, Vec::new());
        }
        let sums = &mut self.squares[layer];
        sums.resize(sums.len().max(first + count), [0.0; 2]);
        let sums = &mut sums[first..first + count];
        let centre = self.around.and_then(|around| around.layers.get(layer));
        let centre = centre.filter(|centre| centre.len() == length);
        // In the widest vectors that the machine has; the order of sums is the same in all.
        pulp::Arch::new().dispatch(|| {
            if rows {
                sums.fill([0.0; 2]);
                for (index, values) in values.column_iter().enumerate() {
                    let at = centre.map_or(f64::INFINITY, |centre| f64::from(centre[index]));
                    for (sums, x) in sums.iter_mut().zip(values.as_slice()) {
                        let x = f64::from(*x);
                        sums[0] += x * x;
                        sums[1] += (x - at) * (x - at);
                    }
                }
            } else {
                for (sums, values) in sums.iter_mut().zip(values.column_iter()) {
                    let values = values.as_slice();
                    let distance =
                        centre.map_or(f64::INFINITY, |centre| squares(values, Some(centre)));
                    *sums = [squares(values, None), distance];
                }
            }
        });
    }

    /// Ends a block, of which the first samples count.
    pub(crate) fn end_block(&mut self, count: usize) {
        let of_layer = |sums: &Vec<[f64; 2]>| {
            let most = |which: usize| {
                sums.iter().take(count).map(|sums| root_up(sums[which])).fold(0.0, f32::max)
            };
            LayerReach { norm: most(0), distance: most(1) }
        };
        let of_block = self.squares.iter().map(of_layer).collect();
        add(&mut self.reach, of_block, |all: &mut Vec<_>, next| join(all, next));
    }

    /// How far all of them went.
    pub(crate) fn reach(self) -> Vec<LayerReach> {
        self.reach.unwrap_or_default()
    }
}

/// The Euclidean norm of a sample, rounded up.
pub(crate) fn norm_up(sample: &[f32]) -> f32 {
    root_up(pulp::Arch::new().dispatch(|| squares(sample, None)))
}

/// The root of a sum of squares, rounded up by more than the errors of the sum; infinite for what is no number.
fn root_up(squares: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation)]
    let root = (squares.sqrt() * (1.0 + 1e-6)) as f32;
    if root.is_nan() { f32::INFINITY } else { root.next_up() }
}

/// Of values, or of their distances from others as many; in eight sums, which do not wait for each other.
#[inline(always)]
fn squares(values: &[f32], centre: Option<&[f32]>) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let mut add = |lane: usize, x: f32, c: f32| {
        let value = f64::from(x) - f64::from(c);
        sums[lane] += value * value;
    };
    let (parts, rest) = values.as_chunks::<LANES>();
    match centre {
        Some(centre) => {
            let (centres, behind) = centre.as_chunks::<LANES>();
            for (part, centre) in parts.iter().zip(centres) {
                let pairs = part.iter().zip(centre).enumerate();
                pairs.for_each(|(lane, (x, c))| add(lane, *x, *c));
            }
            for (lane, (x, c)) in rest.iter().zip(behind).enumerate() {
                add(lane, *x, *c);
            }
        }
        None => {
            for part in parts {
                part.iter().enumerate().for_each(|(lane, x)| add(lane, *x, 0.0));
            }
            for (lane, x) in rest.iter().enumerate() {
                add(lane, *x, 0.0);
            }
        }
    }
    sums.iter().sum()
}
