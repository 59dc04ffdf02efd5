//! The inner loops of the passes, compiled for the widest vectors of the machine.
//!
//! Each is plain Rust over chunks of [`LANES`] numbers; `pulp` picks the
//! instruction set. No loop is fused or reordered by it, so the bits that come
//! out are the same for every instruction set.

use nalgebra::DMatrix;
use pulp::Arch;

use crate::intervals::Intervals;

/// Partial sums that are kept apart, so that they fill vectors.
const LANES: usize = 8;

/// Sums over a layer, for interval propagation.
#[derive(Debug)]
pub(crate) struct Sums {
    /// `W c + b`, `c` the middle of the input box.
    pub(crate) middle: Vec<f64>,
    /// `|W| r`, `r` at least the radius around `c`.
    pub(crate) spread: Vec<f64>,
    /// `|W| X + |b|`, `X` at least the inputs in absolute value.
    pub(crate) reach: Vec<f64>,
}

impl Sums {
    pub(crate) fn new(bias: &[f64], bias_reach: &[f64]) -> Self {
        let spread = vec![0.0; bias.len()];
        Self { middle: bias.to_vec(), spread, reach: bias_reach.to_vec() }
    }

    /// Adds `W x` for `x` in a box; without `OUTWARD`, leaves the reach alone.
    pub(crate) fn add<const OUTWARD: bool>(&mut self, weight: &DMatrix<f64>, input: &Intervals) {
        let (middle, spread, reach) = (&mut self.middle, &mut self.spread, &mut self.reach);
        Arch::new().dispatch(|| {
            for (column, interval) in weight.column_iter().zip(input.iter()) {
                let centre = interval.lower + (interval.upper - interval.lower) / 2.0;
                let radius = (interval.upper - centre).max(centre - interval.lower).next_up();
                add_column::<OUTWARD>(
                    column.as_slice(),
                    [centre, radius, interval.magnitude()],
                    middle,
                    spread,
                    reach,
                );
            }
        });
    }
}

#[inline(always)]
fn add_column<const OUTWARD: bool>(
    weights: &[f64],
    [centre, radius, magnitude]: [f64; 3],
    middle: &mut [f64],
    spread: &mut [f64],
    reach: &mut [f64],
) {
    let n = weights.len();
    let (middle, spread, reach) = (&mut middle[..n], &mut spread[..n], &mut reach[..n]);
    for row in 0..n {
        let size = weights[row].abs();
        middle[row] += weights[row] * centre;
        spread[row] += size * radius;
        if OUTWARD {
            reach[row] += size * magnitude;
        }
    }
}

/// The lines of a gate and the layer before it, over its live neurons.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateLines {
    pub(crate) lower_slope: Vec<f64>,
    pub(crate) lower_intercept: Vec<f64>,
    pub(crate) upper_slope: Vec<f64>,
    pub(crate) upper_intercept: Vec<f64>,
    /// The bias of the layer before the gate.
    pub(crate) bias: Vec<f64>,
    /// What rounding costs per unit of coefficient on each pre-activation.
    pub(crate) charge: Vec<f64>,
}

/// The faces of a difference gate, over its live neurons.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateFaces {
    pub(crate) lower_delta: Vec<f64>,
    pub(crate) lower_x: Vec<f64>,
    pub(crate) lower_constant: Vec<f64>,
    pub(crate) upper_delta: Vec<f64>,
    pub(crate) upper_x: Vec<f64>,
    pub(crate) upper_constant: Vec<f64>,
    /// The difference of the biases of the layer before the gate.
    pub(crate) bias: Vec<f64>,
    /// What rounding costs per unit of coefficient on each difference.
    pub(crate) charge: Vec<f64>,
}

/// A constant and what rounding may have taken from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Charged {
    pub(crate) value: f64,
    pub(crate) charge: f64,
}

/// Moves lower-bounding rows from post- to pre-activations, in place.
///
/// `unit` is the relative cost of a rounded product with an intercept.
pub(crate) fn through_gate<const OUTWARD: bool>(
    rows: &mut DMatrix<f64>,
    gate: &GateLines,
    unit: f64,
    mut add: impl FnMut(usize, Charged),
) {
    let n = rows.nrows();
    if n == 0 {
        return;
    }
    for (index, column) in rows.as_mut_slice().chunks_exact_mut(n).enumerate() {
        let sum = Arch::new().dispatch(|| gate_column::<OUTWARD>(column, gate, unit));
        add(index, sum);
    }
}

#[inline(always)]
fn gate_column<const OUTWARD: bool>(a: &mut [f64], gate: &GateLines, unit: f64) -> Charged {
    let n = a.len();
    let (ls, li) = (&gate.lower_slope[..n], &gate.lower_intercept[..n]);
    let (us, ui) = (&gate.upper_slope[..n], &gate.upper_intercept[..n]);
    let (bias, charge) = (&gate.bias[..n], &gate.charge[..n]);
    let mut sums = [[0.0; LANES]; 2];
    let mut at = |j: usize, lane: usize| {
        // A NaN takes the upper branch and stays NaN.
        let lower = a[j] >= 0.0;
        let b = a[j] * if lower { ls[j] } else { us[j] };
        let t = a[j] * if lower { li[j] } else { ui[j] };
        sums[0][lane] += t + b * bias[j];
        if OUTWARD {
            sums[1][lane] += b.abs() * charge[j] + t.abs() * unit;
        }
        a[j] = b;
    };
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            at(start + lane, lane);
        }
    }
    for j in whole..n {
        at(j, j - whole);
    }
    Charged { value: total(sums[0]), charge: total(sums[1]) }
}

/// [`through_gate`] for the difference: rows on `(δ̂, x̂)` become rows on `(δ, x)`.
pub(crate) fn through_difference_gate<const OUTWARD: bool>(
    delta: &mut DMatrix<f64>,
    x: &mut DMatrix<f64>,
    faces: &GateFaces,
    lines: &GateLines,
    unit: f64,
    mut add: impl FnMut(usize, Charged),
) {
    let n = delta.nrows();
    if n == 0 {
        return;
    }
    let columns =
        delta.as_mut_slice().chunks_exact_mut(n).zip(x.as_mut_slice().chunks_exact_mut(n));
    for (index, (delta, x)) in columns.enumerate() {
        let sum =
            Arch::new().dispatch(|| difference_column::<OUTWARD>(delta, x, faces, lines, unit));
        add(index, sum);
    }
}

#[inline(always)]
fn difference_column<const OUTWARD: bool>(
    alpha: &mut [f64],
    beta: &mut [f64],
    faces: &GateFaces,
    lines: &GateLines,
    unit: f64,
) -> Charged {
    let n = alpha.len();
    let beta = &mut beta[..n];
    let (ld, lx, lc) = (&faces.lower_delta[..n], &faces.lower_x[..n], &faces.lower_constant[..n]);
    let (ud, ux, uc) = (&faces.upper_delta[..n], &faces.upper_x[..n], &faces.upper_constant[..n]);
    let (ls, li) = (&lines.lower_slope[..n], &lines.lower_intercept[..n]);
    let (us, ui) = (&lines.upper_slope[..n], &lines.upper_intercept[..n]);
    let (bias_d, charge_d) = (&faces.bias[..n], &faces.charge[..n]);
    let (bias_x, charge_x) = (&lines.bias[..n], &lines.charge[..n]);
    let mut sums = [[0.0; LANES]; 2];
    let mut at = |j: usize, lane: usize| {
        let (a, b) = (alpha[j], beta[j]);
        let (low_d, low_x) = (a >= 0.0, b >= 0.0);
        let on_delta = a * if low_d { ld[j] } else { ud[j] };
        let through = a * if low_d { lx[j] } else { ux[j] };
        let direct = b * if low_x { ls[j] } else { us[j] };
        let t = a * if low_d { lc[j] } else { uc[j] };
        let s = b * if low_x { li[j] } else { ui[j] };
        let on_x = through + direct;
        sums[0][lane] += (t + s) + (on_delta * bias_d[j] + on_x * bias_x[j]);
        if OUTWARD {
            sums[1][lane] += on_delta.abs() * charge_d[j]
                + (through.abs() + direct.abs()) * charge_x[j]
                + (t.abs() + s.abs()) * unit;
        }
        alpha[j] = on_delta;
        beta[j] = on_x;
    };
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            at(start + lane, lane);
        }
    }
    for j in whole..n {
        at(j, j - whole);
    }
    Charged { value: total(sums[0]), charge: total(sums[1]) }
}

/// The least value of `a · x` over a box, and `|a| · |x|` at its largest.
pub(crate) fn least(a: &[f64], lower: &[f64], upper: &[f64]) -> Charged {
    Arch::new().dispatch(|| least_of(a, lower, upper))
}

#[inline(always)]
fn least_of(a: &[f64], lower: &[f64], upper: &[f64]) -> Charged {
    let n = a.len();
    let (lower, upper) = (&lower[..n], &upper[..n]);
    let mut sums = [[0.0; LANES]; 2];
    for j in 0..n {
        let end = if a[j] >= 0.0 { lower[j] } else { upper[j] };
        sums[0][j % LANES] += a[j] * end;
        sums[1][j % LANES] += a[j].abs() * lower[j].abs().max(upper[j].abs());
    }
    Charged { value: total(sums[0]), charge: total(sums[1]) }
}

#[inline(always)]
fn total(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
