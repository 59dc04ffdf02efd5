//! Linear maps as they are: a pass multiplies by filters and moves values, without
//! writing matrices out.
//!
//! | kind | layers | backward |
//! |---|---|---|
//! | [`Linear::Dense`] | affine | a matrix product over live neurons, in blocks where neurons were pruned |
//! | [`Linear::Convolution`] | convolutions | products with the filters, around what is not zero |
//! | [`Linear::Sparse`] | pooling, scales, selections, maxima | a few sums |
//!
//! Every entry that comes out is a plain sum of products, in any order: the rounding
//! analysis needs no more.

mod blocks;
mod convolution;
mod sparse;

use nalgebra::DMatrix;
use nncert_core::product::{multiply, multiply_transposed};
use nncert_core::{Layer, Shape};

use self::blocks::Blocks;
pub(crate) use self::convolution::Correlation;
use self::convolution::Patch;
pub(crate) use self::sparse::Sparse;
use self::sparse::SparseBetween;
use crate::dense::Weights;
use crate::intervals::Intervals;
use crate::kernel::Sums;
use crate::scratch::Scratch;

/// A linear map without its bias, between values of whole layers.
#[derive(Clone, Debug)]
pub(crate) enum Linear<'a> {
    /// A matrix, or the difference of two.
    Dense(Weights<'a>),
    /// The same filters everywhere.
    Convolution(Correlation),
    /// Few weights.
    Sparse(Sparse),
}

/// A linear map between the live neurons of two values, padded.
#[derive(Clone, Debug)]
pub(crate) enum Compact {
    /// One row for each output, one column for each input.
    Dense(DMatrix<f64>),
    /// A matrix with many rows or columns of zeros.
    Blocks(Blocks),
    /// Over all neurons.
    Convolution(Correlation),
    /// Few weights.
    Sparse(SparseBetween),
}

/// What maps need besides their arguments; reused.
#[derive(Debug, Default)]
pub(crate) struct Room {
    windows: DMatrix<f64>,
    products: DMatrix<f64>,
    patches: Vec<Patch>,
}

impl Room {
    pub(crate) fn memory_usage(&self) -> usize {
        (self.windows.len() + self.products.len()) * size_of::<f64>()
            + self.patches.capacity() * size_of::<Patch>()
    }
}

/// The map and the bias of a layer; `None` for one that is not linear.
///
/// An average is a map with `f64` weights, like any other.
pub(crate) fn linear_of_layer<'a>(
    kind: &'a Layer,
    input: &Shape,
    output: &Shape,
) -> Option<(Linear<'a>, Vec<f64>)> {
    let zeros = || vec![0.0; output.len()];
    match kind {
        Layer::Affine(affine) => {
            let bias = affine.bias.iter().copied().collect();
            Some((Linear::Dense(Weights::Plain(&affine.weight)), bias))
        }
        Layer::Convolution(convolution) => {
            let (map, bias) = Correlation::new(convolution, input, output)?;
            Some((Linear::Convolution(map), bias))
        }
        Layer::Pool(pool) => Some((Linear::Sparse(Sparse::average(pool, input, output)?), zeros())),
        Layer::Scale(scale) => {
            let entries = scale.entries(input.len()).enumerate();
            let entries = entries.map(|(at, (factor, _))| (at, at, factor)).collect();
            let bias = scale.entries(input.len()).map(|(_, offset)| offset).collect();
            Some((Linear::Sparse(Sparse::new(output.len(), input.len(), entries)), bias))
        }
        Layer::Select(select) => {
            let sources = select.sources.iter().enumerate();
            let entries = sources.filter_map(|(to, from)| Some((to, (*from)?, 1.0))).collect();
            Some((Linear::Sparse(Sparse::new(output.len(), input.len(), entries)), zeros()))
        }
        _ => None,
    }
}

impl<'a> Linear<'a> {
    /// `f - g` for two maps of one kind and structure, entry by entry, rounded; `None` for
    /// others.
    pub(crate) fn difference(f: &Self, g: &Self) -> Option<Self> {
        Some(match (f, g) {
            (Self::Dense(Weights::Plain(f)), Self::Dense(Weights::Plain(g)))
                if f.shape() == g.shape() =>
            {
                Self::Dense(Weights::Difference(f, g))
            }
            (Self::Convolution(f), Self::Convolution(g)) => Self::Convolution(f.minus(g)?),
            (Self::Sparse(f), Self::Sparse(g)) => Self::Sparse(f.minus(g)?),
            _ => return None,
        })
    }

    /// The terms of the longest sum forward and of the longest backward.
    pub(crate) fn terms(&self) -> usize {
        match self {
            Self::Dense(Weights::Plain(w) | Weights::Difference(w, _)) => w.nrows() + w.ncols(),
            Self::Convolution(map) => map.terms(),
            Self::Sparse(map) => map.terms(),
        }
    }

    /// Adds `W x` to sums, for the entries `live` of `x` in a box and zeros elsewhere.
    pub(crate) fn add_image(
        &self,
        live: &[usize],
        input: &Intervals,
        sums: &mut Sums,
        outward: bool,
        scratch: &mut Scratch,
    ) {
        match self {
            Self::Dense(weights) => sums.add(*weights, live, input, outward),
            Self::Convolution(map) => map.add_image(live, input, sums, scratch),
            Self::Sparse(map) => map.add_image(live, input, sums, scratch),
        }
    }

    /// Sets the coefficients of rows that start at this map, and of their negations, one
    /// after the other, over the inputs `live`. `out` is zero.
    pub(crate) fn seed(
        &self,
        neurons: &[usize],
        live: &[usize],
        out: &mut [f64],
        scratch: &mut Scratch,
    ) {
        match self {
            Self::Dense(weights) => weights.seed(neurons, live, out),
            Self::Convolution(map) => {
                sparse::seed(map.inputs(), (neurons, live), out, scratch, |neuron, add| {
                    map.for_each_weight(neuron, add);
                });
            }
            Self::Sparse(map) => {
                sparse::seed(map.inputs(), (neurons, live), out, scratch, |neuron, add| {
                    map.for_each_weight(neuron, add);
                });
            }
        }
    }

    /// The map between some of its neurons; of a convolution these must be all.
    pub(crate) fn compact(
        &self,
        outputs: &[usize],
        inputs: &[usize],
        width: usize,
        scratch: &mut Scratch,
    ) -> Compact {
        match self {
            Self::Dense(weights) => {
                let matrix = weights.compact(outputs, inputs, width, scratch);
                Blocks::of(matrix, scratch).map_or_else(Compact::Dense, Compact::Blocks)
            }
            Self::Convolution(map) => Compact::Convolution(map.clone()),
            Self::Sparse(map) => Compact::Sparse(map.between(outputs, inputs, width, scratch)),
        }
    }

    /// A convolution as a sparse map of some of its inputs.
    pub(crate) fn to_sparse(&self, inputs: &[usize]) -> Option<Sparse> {
        match self {
            Self::Convolution(map) => Some(map.to_sparse(inputs)),
            _ => None,
        }
    }
}

/// [`Linear::seed`] of the identity.
pub(crate) fn seed_identity(
    neurons: &[usize],
    live: &[usize],
    out: &mut [f64],
    scratch: &mut Scratch,
) {
    let inputs = sparse::beyond(neurons, live);
    sparse::seed(inputs, (neurons, live), out, scratch, |neuron, add| add(neuron, 1.0));
}

impl Compact {
    /// The identity between some neurons.
    pub(crate) fn identity(
        outputs: &[usize],
        inputs: &[usize],
        width: usize,
        scratch: &mut Scratch,
    ) -> Self {
        Self::Sparse(SparseBetween::identity(outputs, inputs, width, scratch))
    }

    /// Gives back what it takes.
    pub(crate) fn recycle(self, scratch: &mut Scratch) {
        match self {
            Self::Dense(weight) => scratch.give(weight),
            Self::Blocks(map) => map.recycle(scratch),
            Self::Sparse(map) => map.recycle(scratch),
            Self::Convolution(_) => {}
        }
    }

    /// Backward: `out = Mᵀ rows`, or `out += Mᵀ rows`.
    ///
    /// Shapes: one row a column; `rows` on the padded outputs, `out` on the padded inputs.
    pub(crate) fn pull(
        &self,
        rows: &DMatrix<f64>,
        out: &mut DMatrix<f64>,
        accumulate: bool,
        room: &mut Room,
    ) {
        match self {
            Self::Dense(weight) => multiply_transposed(out, accumulate, weight, rows),
            Self::Blocks(map) => map.pull(rows, out, accumulate, room),
            Self::Convolution(map) => {
                if !accumulate {
                    out.fill(0.0);
                }
                map.pull(rows, out, room);
            }
            Self::Sparse(map) => map.pull(rows, out, accumulate),
        }
    }

    /// Forward: `out = M values`, or `out += M values`, one vector a column.
    ///
    /// Guarantee: heuristic. For gradients, which choose slopes and prove nothing: a matrix
    /// multiplies in `f32`, at twice the speed.
    pub(crate) fn push(&self, values: &DMatrix<f64>, out: &mut DMatrix<f64>, accumulate: bool) {
        match self {
            Self::Dense(weight) => {
                let single = |matrix: &DMatrix<f64>| matrix.map(|entry| entry as f32);
                let mut product = DMatrix::zeros(out.nrows(), out.ncols());
                multiply(&mut product, false, &single(weight), &single(values));
                for (entry, sum) in out.iter_mut().zip(&product) {
                    *entry = if accumulate { *entry } else { 0.0 } + f64::from(*sum);
                }
            }
            Self::Blocks(map) => {
                if !accumulate {
                    out.fill(0.0);
                }
                map.push(values, out);
            }
            Self::Convolution(map) => {
                if !accumulate {
                    out.fill(0.0);
                }
                map.push(values, out);
            }
            Self::Sparse(map) => map.push(values, out, accumulate),
        }
    }

    /// The multiplications of a pass backward over so many rows.
    pub(crate) fn products(&self, rows: usize) -> u64 {
        let each = match self {
            Self::Dense(weight) => weight.len(),
            Self::Blocks(map) => map.len(),
            Self::Convolution(map) => map.products(),
            Self::Sparse(map) => map.len(),
        };
        each as u64 * rows as u64
    }
}
