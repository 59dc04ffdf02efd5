//! SimCert's forward propagation: the baseline that the joint pass is held against.

use nalgebra::DMatrix;
use nncert_core::directed::{sub_down, sub_up};
use nncert_core::product::multiply;
use nncert_core::{Activation, Interval, PairedNetworks, Region};

use crate::BoundsError;
use crate::dense::Bias;
use crate::differential::PairBounds;
use crate::envelope::{AffineForm, Envelope};
use crate::graph::{Gate, PairGraph};
use crate::intervals::Intervals;
use crate::kernel::{self, Charged};
use crate::relu::{Line, Lines, chord_above, chord_below, relu_lines};
use crate::rounding::{UNDERFLOW, charged_down, charged_up, gamma};
use crate::scratch::Scratch;

/// The most entries that a layer is written out with as a matrix.
const MAX_ENTRIES: usize = 1 << 25;

/// Bounds `f - f'` by forward propagation, as SimCert prints it, with signs split.
///
/// Every neuron and every difference is bounded by two affine functions of the
/// input, layer by layer:
///
/// ```text
/// A_k^l = W⁺ Â^l + W⁻ Â^u
/// C_k^l = (W - W')⁺ Â^l + (W - W')⁻ Â^u + W'⁺ Ĉ^l + W'⁻ Ĉ^u
/// ```
///
/// and likewise above; ReLU scales each by its lines, and the difference of two
/// ReLUs by lines in `δ` alone. `x'` is bounded by `x - δ`.
///
/// Looser than [`differential`](crate::differential) wherever coefficients of
/// different signs meet. Kept to reproduce the paper and to measure against.
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
/// # let network = |w: f64| Network::relu_mlp(vec![
/// #     Affine::new(dmatrix![w; -1.0], dvector![0.0, 0.5]),
/// #     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// # ]);
/// let pair = PairedNetworks::new(&network(1.0)?, &network(1.125)?)?;
/// let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything)?;
/// let baseline = nncert_bounds::forward(&pair, &region)?;
/// assert!(baseline.epsilon() >= nncert_bounds::differential(&pair, &region)?.epsilon());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// Li, Song, Li, *SimCert*, section 4.1. The paper's `A_k^l = W_k Â_{k-1}^l` is
/// unsound as soon as one weight is negative, hence the split by sign. The lines
/// in `δ` are those of NeuroDiff (Paulsen et al., 2020).
pub fn forward(pair: &PairedNetworks, region: &Region) -> Result<PairBounds, BoundsError> {
    let graph = PairGraph::new(pair, region)?;
    let input = Intervals::of(region, region.free());
    let (entries, limit) = (input.len().saturating_mul(input.len()), MAX_ENTRIES);
    if entries > limit {
        let kind = pair.original().layers()[0].kind();
        return Err(BoundsError::TooLarge { layer: 0, kind, entries, limit });
    }
    let mut x = Forms::identity(&input);
    let mut delta: Option<Forms> = None;
    let last = graph.differences.len() - 1;
    let mut products = 0;
    let stages = graph.original.stages.iter().zip(&graph.compressed.stages);
    for (index, ((f, g), change)) in stages.zip(&graph.differences).enumerate() {
        let (layer, unit) = (f.layer, f.unit);
        let kind = pair.original().layers()[layer].kind();
        let unsupported = BoundsError::Unsupported { layer, kind };
        let ([term], [copy], [difference]) = (&f.terms[..], &g.terms[..], &change.maps[..]) else {
            return Err(unsupported);
        };
        let known = matches!(f.gate, Gate::Open | Gate::Activation(Activation::Relu));
        if term.value != index || !known {
            return Err(unsupported);
        }
        // Of the input only what is free has a form.
        let live: Vec<usize> = if index == 0 {
            graph.original.free.clone()
        } else {
            (0..graph.original.stages[index - 1].width).collect()
        };
        let (rows, columns) = (f.width, input.len());
        let (entries, limit) = (rows.saturating_mul(live.len()), MAX_ENTRIES);
        if entries > limit {
            return Err(BoundsError::TooLarge { layer, kind, entries, limit });
        }
        let all: Vec<usize> = (0..rows).collect();
        let scratch = &mut Scratch::default();
        let mut written_out = |seed: &dyn Fn(&mut [f64], &mut Scratch)| -> DMatrix<f64> {
            let mut coefficients = DMatrix::zeros(live.len(), 2 * rows);
            seed(coefficients.as_mut_slice(), scratch);
            coefficients.columns(0, rows).transpose()
        };
        // Four products for each of the two or three matrices.
        let matrices = if delta.is_some() { 3 } else { 2 };
        products += (4 * matrices * rows * live.len() * columns) as u64;
        let mut next = Forms::zeros(rows, columns);
        if let Some(difference) = difference {
            next.add_layer(&written_out(&|out, room| difference.seed(&all, &live, out, room)), &x);
        }
        if let Some(delta) = &delta {
            next.add_layer(&written_out(&|out, room| copy.seed(&all, &live, out, room)), delta);
        }
        next.finish(&change.bias, &input, live.len(), unit);
        let mut next_x = Forms::zeros(rows, columns);
        next_x.add_layer(&written_out(&|out, room| term.seed(&all, &live, out, room)), &x);
        next_x.finish(&f.bias, &input, live.len(), unit);
        let x_bounds = next_x.concretise(&input, layer)?;
        let delta_bounds = next.concretise(&input, layer)?;
        let compressed_bounds: Vec<Interval> = x_bounds
            .iter()
            .zip(&delta_bounds)
            .map(|(x, d)| Interval::new(sub_down(x.lower, d.upper), sub_up(x.upper, d.lower)))
            .collect();
        match f.gate {
            Gate::Activation(_) => {
                let bounds = x_bounds.iter().zip(&compressed_bounds).zip(&delta_bounds);
                let lines = bounds.map(|((x, y), d)| relu_difference_lines(*x, *y, *d));
                next.scale(&lines.collect::<Vec<_>>(), &input);
                let lines: Vec<Lines> = x_bounds.iter().map(|x| relu_lines(*x)).collect();
                next_x.scale(&lines, &input);
            }
            Gate::Open if index == last => {
                let outputs = delta_bounds.into_iter().enumerate();
                return Ok(PairBounds {
                    region: region.clone(),
                    outputs: outputs
                        .map(|(row, bounds)| next.envelope(row, bounds, region))
                        .collect(),
                    original: x_bounds,
                    compressed: compressed_bounds,
                    products,
                });
            }
            Gate::Open => {}
        }
        next.set_reach(&input);
        next_x.set_reach(&input);
        (x, delta) = (next_x, Some(next));
    }
    unreachable!("the last stage has an open gate")
}

/// Lines in `δ` alone around `ReLU(x) - ReLU(x')`, as NeuroDiff draws them.
fn relu_difference_lines(x: Interval, compressed: Interval, delta: Interval) -> Lines {
    let identity = Line { slope: 1.0, intercept: 0.0 };
    let constant = |intercept| Line { slope: 0.0, intercept };
    let (d, e) = (delta.lower, delta.upper);
    let below = |cap: f64| chord_below((d, d.min(cap)), (e, e.min(cap)));
    let above = |floor: f64| chord_above((d, d.max(floor)), (e, e.max(floor)));
    if x.upper <= 0.0 && compressed.upper <= 0.0 {
        Lines { lower: constant(0.0), upper: constant(0.0) }
    } else if x.lower >= 0.0 && compressed.lower >= 0.0 {
        Lines { lower: identity, upper: identity }
    } else if x.upper <= 0.0 {
        Lines { lower: below(0.0), upper: constant(0.0) }
    } else if compressed.upper <= 0.0 {
        Lines { lower: constant(0.0), upper: above(0.0) }
    } else if x.lower >= 0.0 {
        Lines { lower: below(x.lower), upper: identity }
    } else if compressed.lower >= 0.0 {
        Lines { lower: identity, upper: above(-compressed.lower) }
    } else {
        Lines { lower: below(0.0), upper: above(0.0) }
    }
}

/// Affine functions of the free inputs below and above each neuron of a layer.
#[derive(Debug)]
struct Forms {
    /// One row per neuron, one column per free input.
    lower: DMatrix<f64>,
    upper: DMatrix<f64>,
    lower_constant: Vec<f64>,
    upper_constant: Vec<f64>,
    /// At least both forms in absolute value, term by term: rounding is charged in proportion.
    reach: Vec<f64>,
}

impl Forms {
    fn zeros(neurons: usize, inputs: usize) -> Self {
        Self {
            lower: DMatrix::zeros(neurons, inputs),
            upper: DMatrix::zeros(neurons, inputs),
            lower_constant: vec![0.0; neurons],
            upper_constant: vec![0.0; neurons],
            reach: vec![0.0; neurons],
        }
    }

    fn identity(input: &Intervals) -> Self {
        let n = input.len();
        let matrix = DMatrix::identity(n, n);
        Self {
            upper: matrix.clone(),
            lower: matrix,
            reach: input.magnitudes(),
            ..Self::zeros(n, n)
        }
    }

    /// Adds `W` times the forms of another layer; charges come with [`Forms::finish`].
    fn add_layer(&mut self, weight: &DMatrix<f64>, of: &Self) {
        let positive = weight.map(|w| w.max(0.0));
        let negative = weight.map(|w| w.min(0.0));
        multiply(&mut self.lower, true, &positive, &of.lower);
        multiply(&mut self.lower, true, &negative, &of.upper);
        multiply(&mut self.upper, true, &positive, &of.upper);
        multiply(&mut self.upper, true, &negative, &of.lower);
        for (column, j) in weight.as_slice().chunks_exact(weight.nrows()).zip(0..) {
            let (low, high, reach) = (of.lower_constant[j], of.upper_constant[j], of.reach[j]);
            for (row, &w) in column.iter().enumerate() {
                let (at_low, at_high) = if w >= 0.0 { (low, high) } else { (high, low) };
                self.lower_constant[row] += w * at_low;
                self.upper_constant[row] += w * at_high;
                self.reach[row] += w.abs() * reach;
            }
        }
    }

    /// Adds the bias and charges what rounding may have taken in a layer of so many inputs.
    fn finish(&mut self, bias: &Bias, input: &Intervals, inputs: usize, unit: f64) {
        let terms = (inputs + self.lower.ncols() + 1) as f64;
        // What underflow takes from a coefficient meets the network's input.
        let magnitude: f64 = input.magnitudes().iter().sum();
        for (row, (value, size)) in bias.value.iter().zip(&bias.reach).enumerate() {
            let reach = self.reach[row] + size;
            let underflow = UNDERFLOW * terms * (1.0 + reach + magnitude);
            let charge = 4.0 * unit * reach + f64::MIN_POSITIVE + underflow;
            self.lower_constant[row] = charged_down(self.lower_constant[row] + value, charge);
            self.upper_constant[row] = charged_up(self.upper_constant[row] + value, charge);
        }
    }

    /// The bounds of each neuron over a box of inputs.
    fn concretise(&self, input: &Intervals, layer: usize) -> Result<Vec<Interval>, BoundsError> {
        let least = |forms: DMatrix<f64>| {
            let mut sums = vec![Charged::default(); forms.ncols()];
            kernel::least(forms.as_slice(), forms.ncols(), input, |row, sum| sums[row] = sum);
            sums
        };
        let lower = least(self.lower.transpose());
        let upper = least(-self.upper.transpose());
        let n = input.len();
        let charge = |size: f64| gamma(n + 8) * size + UNDERFLOW * (n + 1) as f64;
        let bounds = (0..self.reach.len()).map(|row| {
            let (l, c) = (lower[row], self.lower_constant[row]);
            let (u, d) = (upper[row], self.upper_constant[row]);
            let bound = Interval::new(
                charged_down(c + l.value, charge(l.charge + c.abs())),
                charged_up(d - u.value, charge(u.charge + d.abs())),
            );
            let finite = bound.lower.is_finite() && bound.upper.is_finite();
            if finite { Ok(bound) } else { Err(BoundsError::Overflow { layer, neuron: row }) }
        });
        bounds.collect()
    }

    /// Applies lines of slope at least 0.
    fn scale(&mut self, lines: &[Lines], input: &Intervals) {
        let magnitudes = input.magnitudes();
        let one = |forms: &mut DMatrix<f64>, constant: &mut f64, row: usize, line: Line| {
            let mut reach = (*constant * line.slope).abs() + line.intercept.abs();
            for (value, magnitude) in forms.row_mut(row).iter_mut().zip(&magnitudes) {
                *value *= line.slope;
                reach += value.abs() * magnitude;
            }
            *constant = *constant * line.slope + line.intercept;
            gamma(magnitudes.len() + 8) * reach + UNDERFLOW * (1.0 + magnitudes.iter().sum::<f64>())
        };
        for (row, lines) in lines.iter().enumerate() {
            let constant = &mut self.lower_constant[row];
            let charge = one(&mut self.lower, constant, row, lines.lower);
            *constant = charged_down(*constant, charge);
            let constant = &mut self.upper_constant[row];
            let charge = one(&mut self.upper, constant, row, lines.upper);
            *constant = charged_up(*constant, charge);
        }
    }

    /// Sets the reach from the forms themselves.
    fn set_reach(&mut self, input: &Intervals) {
        let magnitudes = input.magnitudes();
        let size = |forms: &DMatrix<f64>, row: usize| -> f64 {
            forms.row(row).iter().zip(&magnitudes).map(|(value, m)| value.abs() * m).sum()
        };
        for row in 0..self.reach.len() {
            let low = size(&self.lower, row) + self.lower_constant[row].abs();
            let high = size(&self.upper, row) + self.upper_constant[row].abs();
            // The constants keep it above what the sums lose to underflow.
            self.reach[row] = low.max(high);
        }
    }

    fn envelope(&self, row: usize, bounds: Interval, region: &Region) -> Envelope {
        let form = |forms: &DMatrix<f64>, constant: f64| {
            let mut coefficients = vec![0.0; region.dimension()];
            for (&input, value) in region.free().iter().zip(forms.row(row).iter()) {
                coefficients[input] = *value;
            }
            AffineForm { coefficients, constant }
        };
        Envelope {
            lower: form(&self.lower, self.lower_constant[row]),
            upper: form(&self.upper, self.upper_constant[row]),
            bounds,
        }
    }
}
