//! Gates whose lines differ from row to row: what α-CROWN optimises over.
//!
//! A gate of [`kernel`](crate::kernel) has the same lines for all rows. Here every row
//! has numbers of its own, within limits that keep the lines sound.

use nalgebra::DMatrix;
use pulp::{Arch, Simd, WithSimd};

use crate::intervals::Intervals;
use crate::kernel::{Charged, GateFaces, GateLines, Toll};
use crate::selection::Selection;

/// Moves rows from post- to pre-activations with lower slopes of their own.
///
/// `slopes` is laid out as `rows` is; the intercepts are those of the gate.
pub(crate) fn through_free_gate(
    rows: &mut [f64],
    slopes: &[f64],
    constants: &mut [Charged],
    gate: &GateLines,
    toll: Toll,
) {
    if !rows.is_empty() {
        Arch::new().dispatch(FreeGate { rows, slopes, constants, gate, toll });
    }
}

struct FreeGate<'a> {
    rows: &'a mut [f64],
    slopes: &'a [f64],
    constants: &'a mut [Charged],
    gate: &'a GateLines,
    toll: Toll,
}

impl WithSimd for FreeGate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.gate.bias.len();
        let vectors = |values| S::as_simd_f64s(values).0;
        let (low, high) =
            (vectors(&self.gate.lower_intercept), vectors(&self.gate.upper_intercept));
        let (steep, bias) = (vectors(&self.gate.upper_slope), vectors(&self.gate.bias));
        let cost = vectors(&self.gate.charge);
        let (zero, unit) = (simd.splat_f64s(0.0), simd.splat_f64s(self.toll.unit));
        let columns = self.rows.chunks_exact_mut(n).zip(self.slopes.chunks_exact(n));
        for ((column, slopes), constant) in columns.zip(self.constants) {
            let (mut value, mut charge) = (zero, zero);
            let slopes = vectors(slopes);
            for (j, a) in S::as_mut_simd_f64s(column).0.iter_mut().enumerate() {
                let below = simd.greater_than_or_equal_f64s(*a, zero);
                let b = simd.mul_f64s(*a, simd.select_f64s(below, slopes[j], steep[j]));
                let t = simd.mul_f64s(*a, simd.select_f64s(below, low[j], high[j]));
                value = simd.add_f64s(value, simd.mul_add_e_f64s(b, bias[j], t));
                charge = simd.mul_add_e_f64s(simd.abs_f64s(b), cost[j], charge);
                charge = simd.mul_add_e_f64s(simd.abs_f64s(t), unit, charge);
                *a = b;
            }
            constant.value += simd.reduce_sum_f64s(value);
            constant.charge += simd.reduce_sum_f64s(charge) + self.toll.underflow;
        }
    }
}

/// What every row chooses at a difference gate.
#[derive(Clone, Copy)]
pub(crate) struct Choice<'a> {
    /// The slopes of the lower lines of `x`, as the rows are laid out.
    pub(crate) slopes: &'a [f64],
    /// The share of the other faces, in `[0, 1]`, as the rows are laid out.
    pub(crate) shares: &'a [f64],
}

/// Two sets of faces to mix, and what mixing them costs per unit of coefficient.
#[derive(Clone, Copy)]
pub(crate) struct Mixed<'a> {
    pub(crate) faces: &'a GateFaces,
    pub(crate) others: &'a GateFaces,
    pub(crate) charge: &'a [f64],
}

/// Moves rows on `(δ̂, x̂)` to `(δ, x)`, each by its own mix of two sets of faces.
pub(crate) fn through_free_difference_gate(
    (delta, x): (&mut [f64], &mut [f64]),
    choice: Choice<'_>,
    constants: &mut [Charged],
    mixed: Mixed<'_>,
    lines: &GateLines,
    toll: Toll,
) {
    if !x.is_empty() {
        let gate = FreeDifferenceGate { delta, x, choice, constants, mixed, lines, toll };
        Arch::new().dispatch(gate);
    }
}

struct FreeDifferenceGate<'a> {
    delta: &'a mut [f64],
    x: &'a mut [f64],
    choice: Choice<'a>,
    constants: &'a mut [Charged],
    mixed: Mixed<'a>,
    lines: &'a GateLines,
    toll: Toll,
}

impl WithSimd for FreeDifferenceGate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.lines.bias.len();
        let Mixed { faces, others, charge: cost } = self.mixed;
        let vectors = |values| S::as_simd_f64s(values).0;
        let (one, other) = (ends::<S>(faces), ends::<S>(others));
        let (bias, cost_delta) = (vectors(&faces.bias), vectors(&faces.charge));
        let (bias_x, cost_x) = (vectors(&self.lines.bias), vectors(&self.lines.charge));
        let (steep, low) = (vectors(&self.lines.upper_slope), vectors(&self.lines.lower_intercept));
        let (high, cost) = (vectors(&self.lines.upper_intercept), vectors(cost));
        let (zero, unit) = (simd.splat_f64s(0.0), simd.splat_f64s(self.toll.unit));
        let all = simd.splat_f64s(1.0);
        let size = |a| simd.abs_f64s(a);
        let rows = self.delta.chunks_exact_mut(n).zip(self.x.chunks_exact_mut(n));
        let choices = self.choice.slopes.chunks_exact(n).zip(self.choice.shares.chunks_exact(n));
        for (((delta, x), (slopes, shares)), constant) in rows.zip(choices).zip(self.constants) {
            let (mut value, mut charge) = (zero, zero);
            let (slopes, shares) = (vectors(slopes), vectors(shares));
            let pairs = S::as_mut_simd_f64s(delta).0.iter_mut().zip(S::as_mut_simd_f64s(x).0);
            for (j, (a, b)) in pairs.enumerate() {
                let below = simd.greater_than_or_equal_f64s(*a, zero);
                let (share, rest) = (shares[j], simd.sub_f64s(all, shares[j]));
                let mix = |which: usize| {
                    let [low, high] = one[which];
                    let [low_other, high_other] = other[which];
                    let first = simd.mul_f64s(rest, simd.select_f64s(below, low[j], high[j]));
                    let second = simd.select_f64s(below, low_other[j], high_other[j]);
                    simd.mul_f64s(*a, simd.mul_add_e_f64s(share, second, first))
                };
                let (on_delta, through, t) = (mix(0), mix(1), mix(2));
                let direct_below = simd.greater_than_or_equal_f64s(*b, zero);
                let slope = simd.select_f64s(direct_below, slopes[j], steep[j]);
                let direct = simd.mul_f64s(*b, slope);
                let s = simd.mul_f64s(*b, simd.select_f64s(direct_below, low[j], high[j]));
                let on_x = simd.add_f64s(through, direct);
                value = simd.add_f64s(value, simd.add_f64s(t, s));
                value = simd.mul_add_e_f64s(on_delta, bias[j], value);
                value = simd.mul_add_e_f64s(on_x, bias_x[j], value);
                let x_size = simd.add_f64s(size(through), size(direct));
                charge = simd.mul_add_e_f64s(size(on_delta), cost_delta[j], charge);
                charge = simd.mul_add_e_f64s(x_size, cost_x[j], charge);
                charge = simd.mul_add_e_f64s(simd.add_f64s(size(t), size(s)), unit, charge);
                charge = simd.mul_add_e_f64s(size(*a), cost[j], charge);
                *a = on_delta;
                *b = on_x;
            }
            constant.value += simd.reduce_sum_f64s(value);
            constant.charge += simd.reduce_sum_f64s(charge) + self.toll.underflow;
        }
    }
}

/// The lower and upper numbers of faces, in vectors: those of `δ`, of `x`, and constants.
#[inline(always)]
fn ends<S: Simd>(gate: &GateFaces) -> [[&[S::f64s]; 2]; 3] {
    let vectors = |values| S::as_simd_f64s(values).0;
    [
        [vectors(&gate.lower_delta), vectors(&gate.upper_delta)],
        [vectors(&gate.lower_x), vectors(&gate.upper_x)],
        [vectors(&gate.lower_constant), vectors(&gate.upper_constant)],
    ]
}

/// Numbers that gradient ascent moves within limits, one column a row.
///
/// Adam's steps, projected. Heuristic: any numbers within the limits are sound.
#[derive(Debug)]
pub(crate) struct Ascent {
    /// The numbers.
    pub(crate) values: DMatrix<f64>,
    /// The limits of each box, which all its columns share.
    limits: Vec<Intervals>,
    /// Where the columns of each box end.
    ends: Vec<usize>,
    first: DMatrix<f64>,
    second: DMatrix<f64>,
}

impl Ascent {
    /// Starts the rows of some neurons of each box at a column between limits.
    pub(crate) fn new<'l>(
        boxes: impl Iterator<Item = (&'l [f64], &'l Intervals)>,
        neurons: &Selection,
    ) -> Self {
        let (mut starts, mut limits, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for ((start, limit), neurons) in boxes.zip(neurons.iter()) {
            starts.extend(core::iter::repeat_n(start, 2 * neurons.len()).flatten());
            limits.push(limit.clone());
            ends.push(ends.last().map_or(0, |end| *end) + 2 * neurons.len());
        }
        let (width, columns) = (limits.first().map_or(0, Intervals::len), 2 * neurons.len());
        let values = DMatrix::from_iterator(width, columns, starts.into_iter().copied());
        let zeros = DMatrix::zeros(width, columns);
        Self { values, limits, ends, first: zeros.clone(), second: zeros }
    }

    /// Moves along a gradient; `step` counts from 1.
    pub(crate) fn step(&mut self, gradient: &DMatrix<f64>, rate: f64, step: i32) {
        const MEMORY: [f64; 2] = [0.9, 0.999];
        let correct = MEMORY.map(|memory| 1.0 / (1.0 - memory.powi(step)));
        let mut limits = self.limits.iter().zip(&self.ends);
        let mut current = limits.next();
        for column in 0..gradient.ncols() {
            while current.is_some_and(|(_, end)| column >= *end) {
                current = limits.next();
            }
            let Some((limits, _)) = current else { return };
            for (row, limit) in limits.iter().enumerate() {
                let slope = gradient[(row, column)];
                if limit.lower >= limit.upper || !slope.is_finite() {
                    continue;
                }
                let first = &mut self.first[(row, column)];
                *first += (1.0 - MEMORY[0]) * (slope - *first);
                let second = &mut self.second[(row, column)];
                *second += (1.0 - MEMORY[1]) * (slope * slope - *second);
                let size = (*second * correct[1]).sqrt();
                if size > 0.0 {
                    let range = limit.upper - limit.lower;
                    let value = &mut self.values[(row, column)];
                    let moved = *value + rate * range * *first * correct[0] / size;
                    *value = moved.clamp(limit.lower, limit.upper);
                }
            }
        }
    }
}
