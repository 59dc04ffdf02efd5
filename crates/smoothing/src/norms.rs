//! How far two networks can be apart on a ball, by norms of their layers.
//!
//! Let `x` and `x'` be what both compute, rounding included, `|x| ≤ R` and `|x - x'| ≤ D` in the Euclidean norm. After a layer
//!
//! ```text
//! R ← |W| R + |b| + e,    D ← (|W| + |W - W'|) D + |W - W'| R + |b - b'| + e + e',    e = γ(|abs W| R + |b|)
//! ```
//!
//! with spectral norms and `γ` as in `evaluation_error.rs`; ReLU makes neither greater. The norm of a convolution is at most that of its
//! filters times the root of the number of windows that a value is in. Some products of matrices a copy, whatever the dimension of the
//! input: for fine quantization that is enough.
//!
//! # References
//! N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition, 2002, sections 3.5 and 6.2.

use nalgebra::DMatrix;
use nncert_core::product::{multiply, multiply_transposed};
use nncert_core::{
    Activation, Affine, Convolution, Layer, Network, Pool, Residual, Scale, Select, Shape, Window,
};

use crate::evaluation_error::{SLACK, UNDERFLOW, gamma};

/// Squarings of a Gram matrix of order `n`: the norm is at most `n^(2^-(k+2))` times too large.
const SQUARINGS: usize = 3;

/// The same for differences, which are no more than noise.
const SQUARINGS_OF_DIFFERENCE: usize = 1;

/// Spectral norms of the layers of a network, from above: of the original once, for all its copies.
///
/// Guarantee: sound.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorms(Vec<f64>);

impl LayerNorms {
    /// Bounds the norm of every layer with weights.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let mut found = Vec::new();
        collect(network.layers(), &mut found);
        Self(found)
    }
}

/// In the order in which [`step`] asks for them.
fn collect(layers: &[Layer], found: &mut Vec<f64>) {
    for layer in layers {
        match layer {
            Layer::Affine(affine) | Layer::Convolution(Convolution { filters: affine, .. }) => {
                found.push(spectral_norm(&affine.weight, SQUARINGS));
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

/// For each class, by how much its margin over any other can differ, for inputs of at most this norm; the layer, if there is no bound for
/// one.
pub(crate) fn margins_apart(
    pair: [&Network; 2],
    norms: &LayerNorms,
    radius: f64,
) -> Result<Vec<f64>, usize> {
    let [original, copy] = pair;
    let mut norms = norms.0.iter().copied();
    let mut state = State { size: radius, apart: 0.0 };
    let mut shape = original.shapes().first().cloned().ok_or(0_usize)?;
    let layers = original.layers().iter().zip(copy.layers());
    let last = original.layers().len() - 1;
    for (index, layers) in layers.enumerate() {
        if let (Layer::Affine(a), Layer::Affine(b)) = layers
            && index == last
        {
            return Ok(classes(a, b, state));
        }
        state = step(layers, &shape, &mut norms, state).ok_or(index)?;
        shape = layers.0.output_shape(&shape).map_err(|_| index)?;
    }
    // A difference of two entries.
    Ok(vec![core::f64::consts::SQRT_2 * state.apart * SLACK; original.outputs()])
}

/// Through a last affine layer: differences of rows are shorter than the matrix.
fn classes(a: &Affine, b: &Affine, state: State) -> Vec<f64> {
    let linear = Linear::new(a, b, 1.0, 1.0);
    let rounding = 2.0 * linear.rounding(state).into_iter().sum::<f64>();
    let row = |of: &dyn Fn(usize) -> f64| {
        let squares: f64 = (0..a.inputs()).map(|column| of(column) * of(column)).sum();
        squares.sqrt()
    };
    let apart = |class: usize, other: usize| {
        let copy = row(&|i| b.weight[(class, i)] - b.weight[(other, i)]);
        let change = |of: usize, i: usize| a.weight[(of, i)] - b.weight[(of, i)];
        let changed = row(&|i| change(class, i) - change(other, i));
        // Both are differences of numbers that may nearly cancel.
        let size = row(&|i| a.weight[(class, i)].abs() + a.weight[(other, i)].abs());
        let cancelled = 8.0 * f64::EPSILON * (size + changed + copy) * (state.size + state.apart);
        let bias = (a.bias[class] - b.bias[class]) - (a.bias[other] - b.bias[other]);
        let of_bias = bias.abs() + 8.0 * f64::EPSILON * (a.bias[class].abs() + a.bias[other].abs());
        copy * state.apart + changed * state.size + of_bias + cancelled + rounding
    };
    let outputs = 0..a.outputs();
    outputs
        .clone()
        .map(|class| {
            let others = outputs.clone().filter(|other| *other != class);
            let most = others.map(|other| apart(class, other)).fold(0.0, |most: f64, next| {
                if next.is_nan() { f64::INFINITY } else { most.max(next) }
            });
            most * SLACK
        })
        .collect()
}

fn step(
    layers: (&Layer, &Layer),
    input: &Shape,
    norms: &mut impl Iterator<Item = f64>,
    state: State,
) -> Option<State> {
    match layers {
        (Layer::Affine(a), Layer::Affine(b)) => {
            Some(Linear::new(a, b, 1.0, 1.0).step(norms.next()?, state))
        }
        (Layer::Convolution(a), Layer::Convolution(b)) => {
            let outputs = layers.0.output_shape(input).ok()?.len();
            let positions = outputs as f64 / a.output_channels().max(1) as f64;
            let linear = Linear::new(&a.filters, &b.filters, overlap(&a.window), positions);
            Some(linear.step(norms.next()?, state))
        }
        (Layer::Pool(a), Layer::Pool(b)) if a == b => {
            let (overlap, terms) = match a {
                Pool::Average { window, .. } => (overlap(window), window.len()),
                Pool::GlobalAverage => (1.0, input.len()),
                _ => return None,
            };
            // Rows are averages, of norm 1 at most.
            Some(scaled(overlap.sqrt(), terms as f64, state))
        }
        (Layer::Scale(a), Layer::Scale(b)) if a == b => Some(scale(a, input, state)),
        (Layer::Select(a), Layer::Select(b)) if a == b => {
            let often = most_often(a).sqrt();
            let State { size, apart } = state;
            Some(State { size: size * often * SLACK, apart: apart * often * SLACK })
        }
        (Layer::Flatten, Layer::Flatten)
        | (Layer::Activation(Activation::Relu), Layer::Activation(Activation::Relu)) => Some(state),
        (Layer::Residual(a), Layer::Residual(b)) => {
            let mut branch = |a: &[Layer], b: &[Layer]| {
                let begin = (state, input.clone());
                a.iter().zip(b).try_fold(begin, |(state, shape), layers| {
                    let state = step(layers, &shape, norms, state)?;
                    Some((state, layers.0.output_shape(&shape).ok()?))
                })
            };
            let (body, _) = branch(&a.body, &b.body)?;
            let (shortcut, _) = branch(&a.shortcut, &b.shortcut)?;
            let size = body.size + shortcut.size;
            let apart = body.apart + shortcut.apart;
            // One rounding of each sum.
            let rounding = gamma(1.0) * (2.0 * size + apart);
            Some(State { size: (size + rounding) * SLACK, apart: (apart + rounding) * SLACK })
        }
        _ => None,
    }
}

/// Something that multiplies by at most `norm`, the same in both, with sums of `terms`.
fn scaled(norm: f64, terms: f64, state: State) -> State {
    let State { size, apart } = state;
    let rounding = gamma(terms) * norm * (2.0 * size + apart) + UNDERFLOW * 1e9;
    State { size: (norm * size + rounding) * SLACK, apart: (norm * apart + rounding) * SLACK }
}

fn scale(scale: &Scale, input: &Shape, state: State) -> State {
    let most = scale.factor.iter().fold(0.0, |most: f64, factor| most.max(factor.abs()));
    let repeat = input.len() as f64 / scale.offset.len().max(1) as f64;
    let offset = (norm(scale.offset.iter().copied()) * repeat.sqrt()) * SLACK;
    let State { size, apart } = scaled(most, 2.0, state);
    let rounding = 2.0 * gamma(2.0) * offset;
    State { size: size + offset + rounding, apart: apart + rounding }
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

/// In how many windows a value is, at most.
fn overlap(window: &Window) -> f64 {
    let along = |axis: usize| {
        let (kernel, stride) = (window.kernel[axis], window.stride[axis].max(1));
        if window.dilation[axis] == 1 { kernel.div_ceil(stride) } else { kernel }
    };
    (along(0) * along(1)) as f64
}

/// A layer with weights, and its copy.
struct Linear {
    /// Of the difference of the weights.
    change: f64,
    /// Of the weights without their signs.
    absolute: [f64; 2],
    bias: [f64; 2],
    bias_change: f64,
    /// The root of the number of windows that a value is in.
    spread: f64,
    gamma: f64,
    underflow: f64,
}

impl Linear {
    fn new(a: &Affine, b: &Affine, overlap: f64, positions: f64) -> Self {
        let (spread, repeat) = (overlap.sqrt(), positions.sqrt());
        let of_bias = |affine: &Affine| norm(affine.bias.iter().copied()) * repeat * SLACK;
        Self {
            change: spectral_norm(&(&a.weight - &b.weight), SQUARINGS_OF_DIFFERENCE),
            absolute: [a, b].map(|affine| absolute_norm(&affine.weight)),
            bias: [a, b].map(of_bias),
            bias_change: norm((&a.bias - &b.bias).iter().copied()) * repeat * SLACK,
            spread,
            gamma: gamma(a.inputs() as f64),
            underflow: UNDERFLOW * (a.outputs() as f64).sqrt() * repeat,
        }
    }

    /// Of both networks, at most.
    fn rounding(&self, state: State) -> [f64; 2] {
        let sizes = [state.size, state.size + state.apart];
        core::array::from_fn(|i| {
            let sums = self.absolute[i] * self.spread * sizes[i] + self.bias[i];
            self.gamma * sums + self.underflow
        })
    }

    fn step(&self, norm: f64, state: State) -> State {
        let State { size, apart } = state;
        let (norm, change) = (norm * self.spread, self.change * self.spread);
        let [first, second] = self.rounding(state);
        let moved = (norm + change) * apart + change * size + self.bias_change;
        State {
            size: (norm * size + self.bias[0] + first) * SLACK,
            apart: (moved + first + second) * SLACK,
        }
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// Of the absolute values: the root of the greatest sums of rows and of columns.
fn absolute_norm(matrix: &DMatrix<f64>) -> f64 {
    let sums = |most: f64, sum: f64| most.max(sum);
    let columns = matrix.column_iter().map(|column| column.abs().sum()).fold(0.0, sums);
    let mut rows = vec![0.0; matrix.nrows()];
    for column in matrix.column_iter() {
        rows.iter_mut().zip(column.iter()).for_each(|(row, value)| *row += value.abs());
    }
    (columns * rows.into_iter().fold(0.0, sums)).sqrt() * SLACK
}

/// An upper bound of the spectral norm: `|A|² = |AᵀA|`, and a symmetric matrix has the root of the norm of its square, which is at most its
/// Frobenius norm.
fn spectral_norm(matrix: &DMatrix<f64>, squarings: usize) -> f64 {
    let whole = frobenius(matrix);
    if whole == 0.0 || !whole.is_finite() {
        return if whole == 0.0 { 0.0 } else { f64::INFINITY };
    }
    let unit = matrix / whole;
    let least = unit.nrows().min(unit.ncols());
    let mut gram = DMatrix::zeros(least, least);
    if unit.nrows() <= unit.ncols() {
        multiply(&mut gram, false, &unit, &unit.transpose());
    } else {
        multiply_transposed(&mut gram, false, &unit, &unit);
    }
    let terms = unit.nrows().max(unit.ncols());
    whole * (symmetric_norm(gram, squarings) + product_error(terms)).sqrt() * SLACK
}

fn symmetric_norm(matrix: DMatrix<f64>, squarings: usize) -> f64 {
    let whole = frobenius(&matrix);
    if squarings == 0 || whole == 0.0 {
        return whole;
    }
    let unit = matrix / whole;
    let mut square = DMatrix::zeros(unit.nrows(), unit.nrows());
    multiply(&mut square, false, &unit, &unit);
    let error = product_error(unit.nrows());
    whole * (symmetric_norm(square, squarings - 1) + error).sqrt() * SLACK
}

/// How far a product of matrices of Frobenius norm 1 is off in that norm, at most.
fn product_error(terms: usize) -> f64 {
    2.0 * f64::EPSILON * (terms as f64 + 8.0)
}

fn frobenius(matrix: &DMatrix<f64>) -> f64 {
    norm(matrix.iter().copied()) * SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize) -> DMatrix<f64> {
        let entry = |i: usize, j: usize| ((i * 31 + j * 17 + i * j) % 23) as f64 / 11.0 - 1.0;
        DMatrix::from_fn(rows, columns, entry)
    }

    #[test]
    fn norms_are_above_and_close() {
        for (rows, columns) in [(1, 1), (7, 40), (40, 7), (30, 30)] {
            let a = matrix(rows, columns);
            let exact = a.clone().svd(false, false).singular_values.max();
            for (squarings, close) in [(0, 2.5), (1, 1.6), (3, 1.15)] {
                let found = spectral_norm(&a, squarings);
                assert!(found >= exact && found <= close * exact, "{found} for {exact}");
            }
            assert!(absolute_norm(&a) >= exact);
        }
        assert_eq!(spectral_norm(&DMatrix::zeros(3, 2), 2), 0.0);
        assert!(spectral_norm(&DMatrix::from_element(2, 2, f64::NAN), 1).is_infinite());
    }
}
