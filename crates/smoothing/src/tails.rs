//! By how much the layers behind one lengthen a difference, all of them together.
//!
//! ReLU maps a difference `d` to `D d` with a diagonal `D` between 0 and 1, which is `(I + S)/2` with `|S| ≤ 1`. For the layers
//! `W_1, ..., W_H` with ReLU behind each, and a difference `w` of two rows of the last layer,
//!
//! ```text
//! |w D_H W_H ··· D_(l+1) W_(l+1)| ≤ 2^-(H-l) U_l
//! U_H = |w|,    U_l = |w W_H ··· W_(l+1)| + Σ_(k=l+1..H) |W_k ··· W_(l+1)| U_k
//! ```
//!
//! since each `S` that is taken cuts the product there. Norms of products are less than products of norms: images are not
//! lengthened most by every layer in turn. What a change `V_l` of the weights makes of a vector is found in the same way:
//!
//! ```text
//! |w D_H W_H ··· D_(l+1) W_(l+1) D_l V_l| ≤ 2^-(H-l+1) ( |w W_H ··· W_(l+1) V_l| + Σ_(k=l..H) |W_k ··· W_(l+1) V_l| U_k )
//! ```
//!
//! # References
//! P. Combettes, J.-C. Pesquet, *Lipschitz certificates for layered network structures driven by averaged activation operators*, SIAM J. Math.
//! Data Sci. 2, 2020, theorem 4.2.

use nalgebra::DMatrix;
use nncert_core::product::multiply;
use nncert_core::{Affine, Convolution, Layer, Shape};

use crate::evaluation_error::SLACK;
use crate::spectral::spectral_norm;

/// Differences of rows of a last layer of so many rows are looked at one by one.
const MOST_CLASSES: usize = 32;

/// Multiplications of a product of layers, and of its norm, at most.
const MOST_PRODUCTS: f64 = 1e9;

/// Squarings for the norm of a product.
const SQUARINGS: usize = 4;

/// A layer of the copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) input: &'a Shape,
    /// Its spectral norm, from above.
    pub(crate) norm: f64,
    /// That of its weights without signs.
    pub(crate) absolute: f64,
    /// What changed in the layer, and its norm.
    pub(crate) change: &'a Layer,
    pub(crate) change_norm: f64,
    /// The norm of its entries without signs.
    pub(crate) change_absolute: f64,
}

impl Piece<'_> {
    /// The change in place of the layer.
    fn changed(&self) -> Self {
        let (norm, absolute) = (self.change_norm, self.change_absolute);
        Self { layer: self.change, norm, absolute, ..*self }
    }
}

/// For each two classes, by how much what is behind each layer lengthens a difference.
#[derive(Clone, Debug)]
pub(crate) struct Tails {
    classes: usize,
    /// For `a < b`, for `l` from 0 to the number of layers.
    factors: Vec<Factors>,
}

/// For two classes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Factors {
    /// What a difference before the first layer, or behind layer `l`, is multiplied by at most; for `l` from 0.
    pub(crate) differences: Vec<f64>,
    /// What a vector that enters layer `l` is, for what its change makes of it; for `l` from 1.
    pub(crate) changes: Vec<f64>,
}

impl Tails {
    /// Of layers one behind the other, and the last; `None` for none, and for too many classes.
    pub(crate) fn new(pieces: &[Piece<'_>], last: &Affine) -> Option<Self> {
        let (classes, depth) = (last.outputs(), pieces.len());
        if depth == 0 || classes > MOST_CLASSES {
            return None;
        }
        // At [k - 1][l - 1].
        let segments: Vec<Vec<Segment>> = (0..depth).map(|k| segments(&pieces[..=k])).collect();
        let pairs = || (0..classes).flat_map(|a| (a + 1..classes).map(move |b| (a, b)));
        let count = pairs().count();
        let mut rows = DMatrix::zeros(count, last.inputs());
        let mut errors = Vec::with_capacity(count);
        for (mut row, (a, b)) in rows.row_iter_mut().zip(pairs()) {
            row.copy_from(&(last.weight.row(a) - last.weight.row(b)));
            let size = last.weight.row(a).norm() + last.weight.row(b).norm();
            errors.push(4.0 * f64::EPSILON * size);
        }
        // |w W_H ··· W_(l+1)| for each l, from H down, and |w W_H ··· W_(l+1) V_l|.
        let mut rows = Some(Rows { values: rows, errors });
        let mut whole = vec![rows.as_ref()?.norms()];
        let mut changed = Vec::with_capacity(depth);
        for piece in pieces.iter().rev() {
            let before = &whole[whole.len() - 1];
            let times = |piece: &Piece<'_>| {
                let product = rows.as_ref().and_then(|rows| rows.times(piece));
                let by_norm = before.iter().map(|norm| norm * piece.norm * SLACK);
                let norms: Vec<f64> = match &product {
                    Some(product) => {
                        product.norms().into_iter().zip(by_norm).map(|(a, b)| a.min(b)).collect()
                    }
                    None => by_norm.collect(),
                };
                (product, norms)
            };
            changed.push(times(&piece.changed()).1);
            let (product, norms) = times(piece);
            rows = product;
            whole.push(norms);
        }
        let half = |of: usize, sum: f64| sum * 0.5_f64.powi(i32::try_from(of).unwrap_or(i32::MAX));
        let factors = (0..count).map(|pair| {
            let mut sums = vec![0.0; depth + 1];
            sums[depth] = whole[0][pair];
            for l in (0..depth).rev() {
                let cut: f64 = (l + 1..=depth).map(|k| segments[k - 1][l].norm * sums[k]).sum();
                sums[l] = (whole[depth - l][pair] + cut) * SLACK;
            }
            let changes = (1..=depth).map(|l| {
                let cut: f64 = (l..=depth).map(|k| segments[k - 1][l - 1].changed * sums[k]).sum();
                half(depth - l + 1, (changed[depth - l][pair] + cut) * SLACK)
            });
            let changes = changes.collect();
            let differences = sums.iter().enumerate().map(|(l, sum)| half(depth - l, *sum));
            Factors { differences: differences.collect(), changes }
        });
        Some(Self { classes, factors: factors.collect() })
    }

    /// Of two classes, if they are two.
    pub(crate) fn of(&self, class: usize, other: usize) -> Option<&Factors> {
        let (a, b) = (class.min(other), class.max(other));
        // Of the rows before a there are classes - 1, classes - 2, ...
        let place = a * (2 * self.classes - a - 1) / 2 + (b - a).checked_sub(1)?;
        self.factors.get(place)
    }
}

/// Layers one behind the other.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    /// `|W_k ··· W_l|`
    norm: f64,
    /// `|W_k ··· W_(l+1) V_l|`
    changed: f64,
}

/// For `l` from the first piece to the last, which is `W_k`.
fn segments(pieces: &[Piece<'_>]) -> Vec<Segment> {
    let mut found = vec![Segment::default(); pieces.len()];
    let (mut rows, mut norm) = (None, 1.0);
    for (place, piece) in pieces.iter().enumerate().rev() {
        if place + 1 == pieces.len() {
            (rows, norm) = (Rows::of(piece.layer), piece.norm);
            found[place] = Segment { norm, changed: piece.change_norm };
            continue;
        }
        let times = |piece: &Piece<'_>| {
            let product = rows.as_ref().and_then(|rows: &Rows| rows.times(piece));
            let by_norms = norm * piece.norm * SLACK;
            let norm = product.as_ref().map_or(by_norms, |rows| rows.norm().min(by_norms));
            (product, norm)
        };
        let (_, changed) = times(&piece.changed());
        (rows, norm) = times(piece);
        found[place] = Segment { norm, changed };
    }
    found
}

/// Rows of a product of layers, each with how far it is off at most.
struct Rows {
    values: DMatrix<f64>,
    errors: Vec<f64>,
}

impl Rows {
    /// Of a dense layer.
    fn of(layer: &Layer) -> Option<Self> {
        let Layer::Affine(affine) = layer else { return None };
        Some(Self { values: affine.weight.clone(), errors: vec![0.0; affine.outputs()] })
    }

    /// Of each row, from above.
    fn norms(&self) -> Vec<f64> {
        let rows = self.values.row_iter().zip(&self.errors);
        rows.map(|(row, error)| (row.norm() + error) * SLACK).collect()
    }

    /// Of all, from above.
    fn norm(&self) -> f64 {
        let error = self.errors.iter().map(|error| error * error).sum::<f64>().sqrt();
        (spectral_norm(&self.values, SQUARINGS) + error) * SLACK
    }

    /// Times one layer more; `None` where that takes too long.
    fn times(&self, piece: &Piece<'_>) -> Option<Self> {
        let Self { values, errors } = self;
        let (count, inputs) = (values.nrows(), piece.input.len());
        // What is multiplied for a row, and how many products an entry is the sum of.
        let (products, terms) = match piece.layer {
            Layer::Affine(affine) => (affine.outputs() * inputs, affine.outputs()),
            Layer::Convolution(convolution) => {
                let Convolution { filters, window, .. } = convolution;
                (values.ncols() * filters.inputs(), filters.outputs() * window.len())
            }
            _ => return None,
        };
        if count as f64 * (products + count * inputs) as f64 > MOST_PRODUCTS {
            return None;
        }
        let product = match piece.layer {
            Layer::Affine(affine) => {
                let mut product = DMatrix::zeros(count, inputs);
                multiply(&mut product, false, values, &affine.weight);
                product
            }
            Layer::Convolution(convolution) => transposed(convolution, piece.input, values)?,
            _ => return None,
        };
        let unit = (terms as f64 + 8.0) * f64::EPSILON * piece.absolute;
        let errors = values.row_iter().zip(errors).map(|(row, error)| {
            let rounding = unit * (row.norm() + error);
            (piece.norm * error + rounding) * SLACK
        });
        Some(Self { errors: errors.collect(), values: product })
    }
}

/// Rows times the matrix of a convolution in one group.
fn transposed(
    convolution: &Convolution,
    input: &Shape,
    rows: &DMatrix<f64>,
) -> Option<DMatrix<f64>> {
    let Convolution { filters, window, groups: 1 } = convolution else { return None };
    let [channels, height, width] = input.image().ok()?;
    let [high, wide] = window.output([height, width]).ok()?;
    let positions = high * wide;
    let mut image = DMatrix::zeros(positions, filters.outputs());
    let mut windows = DMatrix::zeros(positions, filters.inputs());
    let mut sums = DMatrix::zeros(rows.nrows(), input.len());
    let mut sum = vec![0.0; input.len()];
    let at = |axis: usize, count: usize, size: usize| -> Vec<Vec<(usize, usize)>> {
        (0..count).map(|place| window.taps(axis, place, size).collect()).collect()
    };
    let (down, across) = (at(0, high, height), at(1, wide, width));
    for (from, mut to) in rows.row_iter().zip(sums.row_iter_mut()) {
        for (value, from) in image.iter_mut().zip(from.iter()) {
            *value = *from;
        }
        multiply(&mut windows, false, &image, &filters.weight);
        sum.fill(0.0);
        for c in 0..channels {
            for (i, rows) in down.iter().enumerate() {
                for (j, columns) in across.iter().enumerate() {
                    for (p, y) in rows {
                        let filter = (c * window.kernel[0] + p) * window.kernel[1];
                        for (q, x) in columns {
                            sum[(c * height + y) * width + x] +=
                                windows[(i * wide + j, filter + q)];
                        }
                    }
                }
            }
        }
        for (to, sum) in to.iter_mut().zip(&sum) {
            *to = *sum;
        }
    }
    Some(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DVector;
    use nncert_core::{Evaluator, Network, Window};

    fn entry(i: usize, j: usize) -> f64 {
        ((i * 31 + j * 17 + i * j) % 23) as f64 / 11.0 - 1.0
    }

    fn affine(outputs: usize, inputs: usize) -> Affine {
        Affine::new(DMatrix::from_fn(outputs, inputs, entry), DVector::zeros(outputs))
    }

    fn norm(matrix: &DMatrix<f64>) -> f64 {
        matrix.clone().svd(false, false).singular_values.max()
    }

    #[test]
    fn rows_times_a_convolution() {
        let window = Window { stride: [2, 1], ..Window::new([3, 2]) }.padded(1);
        let convolution = Convolution::new(affine(4, 12), window);
        let shape = Shape::new([2, 5, 4]);
        let network = Network::new(shape.clone(), vec![convolution.clone().into()]).unwrap();
        let unit = DMatrix::<f64>::identity(network.inputs(), network.inputs());
        let operator = Evaluator::<f64>::new(&network).unwrap().evaluate(&unit).unwrap().clone();
        let rows = DMatrix::from_fn(3, network.outputs(), entry);
        let found = transposed(&convolution, &shape, &rows).unwrap();
        assert!((found - rows * operator).amax() < 1e-9);
    }

    /// For every pattern of ReLU the tail is at most the factor, and that is at most the product of norms.
    #[test]
    fn factors_are_above_every_pattern() {
        let layers: [Layer; 3] = [affine(4, 5).into(), affine(3, 4).into(), affine(4, 3).into()];
        let shapes = [5, 4, 3].map(|length| Shape::new([length]));
        let weights = [affine(4, 5), affine(3, 4), affine(4, 3)].map(|affine| affine.weight);
        let last = affine(3, 4);
        let pieces: Vec<Piece<'_>> = layers
            .iter()
            .zip(&shapes)
            .zip(&weights)
            .map(|((layer, input), weight)| {
                let (norm, absolute) = (norm(weight), norm(&weight.abs()));
                // The layer itself as its change: one more step of the same kind.
                let (change, change_norm, change_absolute) = (layer, norm, absolute);
                Piece { layer, input, norm, absolute, change, change_norm, change_absolute }
            })
            .collect();
        let tails = Tails::new(&pieces, &last).unwrap();
        let mut less = 0;
        for (a, b) in [(0, 1), (2, 0), (1, 2)] {
            let w = last.weight.row(a) - last.weight.row(b);
            for l in 0..=3 {
                let Factors { differences, changes } = tails.of(a, b).unwrap();
                let factor = differences[l];
                if l < 3 {
                    assert!((changes[l] - factor).abs() <= 1e-9 * factor);
                }
                // Bits say which neurons are on.
                for pattern in 0..1_u32 << 12 {
                    let mut row =
                        DMatrix::from_row_slice(1, 4, &w.iter().copied().collect::<Vec<_>>());
                    for k in (l..3).rev() {
                        for (index, value) in row.iter_mut().enumerate() {
                            *value *= f64::from(pattern >> (4 * k + index) & 1);
                        }
                        row *= &weights[k];
                    }
                    assert!(row.norm() <= factor, "{l}: {} {factor}", row.norm());
                }
                let by_norms = w.norm() * weights[l..].iter().map(norm).product::<f64>();
                assert!(factor <= by_norms * 1.001);
                less += usize::from(factor < 0.95 * by_norms);
            }
        }
        assert!(less >= 6, "{less}");
        assert!(Tails::new(&[], &last).is_none());
    }
}
