//! The inner loops of the passes, in the widest vectors of the machine.
//!
//! `pulp` picks the instruction set at run time. Sums may be fused and taken in
//! any order: the rounding analysis covers every one of them.

use nncert_core::Interval;
use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};

use crate::dense::{Bias, Weights};
use crate::intervals::Intervals;
use crate::relu::{Face, Faces, Lines};

/// The widest vector of any machine, in numbers: padded lengths are multiples of it.
const LANES: usize = 8;

/// The least multiple of [`LANES`] that holds `neurons`.
///
/// Values between layers are padded to it with neurons that are always zero.
pub(crate) fn padded(neurons: usize) -> usize {
    neurons.next_multiple_of(LANES)
}

/// Sums over a layer, for interval propagation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    /// `W c + b`, `c` the middle of the input box.
    pub(crate) middle: Vec<f64>,
    /// `|W| r`, `r` at least the radius around `c`.
    pub(crate) spread: Vec<f64>,
    /// `|W| X + |b|`, `X` at least the inputs in absolute value.
    pub(crate) reach: Vec<f64>,
}

impl Sums {
    pub(crate) fn new(bias: &Bias) -> Self {
        let mut sums = Self::default();
        sums.start(bias);
        sums
    }

    /// The sums of nothing but a bias.
    pub(crate) fn start(&mut self, bias: &Bias) {
        self.middle.clone_from(&bias.value);
        self.reach.clone_from(&bias.reach);
        self.spread.clear();
        self.spread.resize(bias.value.len(), 0.0);
    }

    /// The middle of an interval, at least its radius around that, and its magnitude.
    pub(crate) fn around(interval: Interval) -> [f64; 3] {
        let centre = interval.lower + (interval.upper - interval.lower) / 2.0;
        let radius = (interval.upper - centre).max(centre - interval.lower).next_up();
        [centre, radius, interval.magnitude()]
    }

    /// Adds one input times its weight to an output.
    pub(crate) fn add_term(&mut self, output: usize, weight: f64, input: Interval) {
        let [centre, radius, magnitude] = Self::around(input);
        self.middle[output] += weight * centre;
        self.spread[output] += weight.abs() * radius;
        self.reach[output] += weight.abs() * magnitude;
    }

    /// Adds `W x` for the inputs `live` of `W` in a box; unless `outward`, leaves the
    /// reach alone.
    pub(crate) fn add(
        &mut self,
        weights: Weights<'_>,
        live: &[usize],
        input: &Intervals,
        outward: bool,
    ) {
        for (&column, interval) in live.iter().zip(input.iter()) {
            let around = Self::around(interval);
            let (column, copy) = weights.column(column);
            let sums = &mut *self;
            if outward {
                Arch::new().dispatch(AddColumn::<true> { column, copy, around, sums });
            } else {
                Arch::new().dispatch(AddColumn::<false> { column, copy, around, sums });
            }
        }
    }
}

struct AddColumn<'a, const OUTWARD: bool> {
    column: &'a [f64],
    copy: Option<&'a [f64]>,
    around: [f64; 3],
    sums: &'a mut Sums,
}

impl<const OUTWARD: bool> NullaryFnOnce for AddColumn<'_, OUTWARD> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { column, copy, around, sums } = self;
        match copy {
            None => sums.add_column::<OUTWARD>(column.iter().copied(), around),
            Some(copy) => {
                let difference = column.iter().zip(copy).map(|(a, b)| a - b);
                sums.add_column::<OUTWARD>(difference, around);
            }
        }
    }
}

impl Sums {
    #[inline(always)]
    fn add_column<const OUTWARD: bool>(
        &mut self,
        column: impl Iterator<Item = f64>,
        [centre, radius, magnitude]: [f64; 3],
    ) {
        let sums = self.middle.iter_mut().zip(&mut self.spread).zip(&mut self.reach);
        for (weight, ((middle, spread), reach)) in column.zip(sums) {
            let size = weight.abs();
            *middle += weight * centre;
            *spread += size * radius;
            if OUTWARD {
                *reach += size * magnitude;
            }
        }
    }
}

/// What a neuron's layer adds when rows pass it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// The bias.
    pub(crate) bias: f64,
    /// What rounding costs per unit of coefficient on the pre-activation.
    pub(crate) charge: f64,
}

/// The lines of a gate over its live neurons, padded with zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateLines {
    pub(crate) lower_slope: Vec<f64>,
    pub(crate) lower_intercept: Vec<f64>,
    pub(crate) upper_slope: Vec<f64>,
    pub(crate) upper_intercept: Vec<f64>,
    pub(crate) bias: Vec<f64>,
    pub(crate) charge: Vec<f64>,
}

/// The faces of a difference gate over its live neurons, padded with zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateFaces {
    pub(crate) lower_delta: Vec<f64>,
    pub(crate) lower_x: Vec<f64>,
    pub(crate) lower_constant: Vec<f64>,
    pub(crate) upper_delta: Vec<f64>,
    pub(crate) upper_x: Vec<f64>,
    pub(crate) upper_constant: Vec<f64>,
    pub(crate) bias: Vec<f64>,
    pub(crate) charge: Vec<f64>,
}

/// Makes columns of the numbers of each neuron, padded with zeros.
fn fill<const N: usize>(columns: [&mut Vec<f64>; N], neurons: impl Iterator<Item = [f64; N]>) {
    let mut columns = columns;
    columns.iter_mut().for_each(|column| column.clear());
    for neuron in neurons {
        for (column, value) in columns.iter_mut().zip(neuron) {
            column.push(value);
        }
    }
    for column in columns {
        column.resize(padded(column.len()), 0.0);
    }
}

impl GateLines {
    #[cfg(test)]
    pub(crate) fn new(neurons: &[(Lines, Before)]) -> Self {
        let mut gate = Self::default();
        gate.fill(neurons.iter().copied());
        gate
    }

    /// The lines of other neurons, in the same storage.
    pub(crate) fn fill(&mut self, neurons: impl Iterator<Item = (Lines, Before)>) {
        let Self { lower_slope, lower_intercept, upper_slope, upper_intercept, bias, charge } =
            self;
        let columns = [lower_slope, lower_intercept, upper_slope, upper_intercept, bias, charge];
        let numbers = neurons.map(|(Lines { lower, upper }, before)| {
            let Before { bias, charge } = before;
            [lower.slope, lower.intercept, upper.slope, upper.intercept, bias, charge]
        });
        fill(columns, numbers);
    }
}

impl GateFaces {
    #[cfg(test)]
    pub(crate) fn new(neurons: &[(Faces, Before)]) -> Self {
        let mut gate = Self::default();
        gate.fill(neurons.iter().copied());
        gate
    }

    /// The faces of other neurons, in the same storage.
    pub(crate) fn fill(&mut self, neurons: impl Iterator<Item = (Faces, Before)>) {
        let Self {
            lower_delta,
            lower_x,
            lower_constant,
            upper_delta,
            upper_x,
            upper_constant,
            bias,
            charge,
        } = self;
        let below = [lower_delta, lower_x, lower_constant];
        let above = [upper_delta, upper_x, upper_constant];
        let ([a, b, c], [d, e, f]) = (below, above);
        let numbers = neurons.map(|(Faces { lower, upper }, Before { bias, charge })| {
            let Face { delta, x, constant } = lower;
            [delta, x, constant, upper.delta, upper.x, upper.constant, bias, charge]
        });
        fill([a, b, c, d, e, f, bias, charge], numbers);
    }
}

/// A constant and what rounding may have taken from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Charged {
    pub(crate) value: f64,
    pub(crate) charge: f64,
}

/// What passing a gate costs a row, beyond what its coefficients are charged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toll {
    /// The relative cost of a rounded product with an intercept.
    pub(crate) unit: f64,
    /// What underflow costs, whatever the coefficients.
    pub(crate) underflow: f64,
}

/// Moves lower-bounding rows from post- to pre-activations, in place.
///
/// `rows` holds one row after the other, each as long as the gate is wide.
pub(crate) fn through_gate<const OUTWARD: bool>(
    rows: &mut [f64],
    constants: &mut [Charged],
    gate: &GateLines,
    toll: Toll,
) {
    if !rows.is_empty() {
        Arch::new().dispatch(Gate::<OUTWARD> { rows, constants, gate, toll });
    }
}

struct Gate<'a, const OUTWARD: bool> {
    rows: &'a mut [f64],
    constants: &'a mut [Charged],
    gate: &'a GateLines,
    toll: Toll,
}

impl<const OUTWARD: bool> WithSimd for Gate<'_, OUTWARD> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.gate.bias.len();
        let lines = LineVectors::<S>::new(self.gate);
        let (zero, unit) = (simd.splat_f64s(0.0), simd.splat_f64s(self.toll.unit));
        let columns = self.rows.chunks_exact_mut(n);
        for (column, constant) in columns.zip(self.constants) {
            let (mut value, mut charge) = (zero, zero);
            for (j, a) in S::as_mut_simd_f64s(column).0.iter_mut().enumerate() {
                let (b, t) = lines.pass(simd, *a, j);
                value = simd.add_f64s(value, simd.mul_add_e_f64s(b, lines.bias[j], t));
                if OUTWARD {
                    charge = simd.mul_add_e_f64s(simd.abs_f64s(b), lines.charge[j], charge);
                    charge = simd.mul_add_e_f64s(simd.abs_f64s(t), unit, charge);
                }
                *a = b;
            }
            constant.value += simd.reduce_sum_f64s(value);
            constant.charge += simd.reduce_sum_f64s(charge) + self.toll.underflow;
        }
    }
}

/// [`GateLines`] in vectors.
struct LineVectors<'a, S: Simd> {
    lower: [&'a [S::f64s]; 2],
    upper: [&'a [S::f64s]; 2],
    bias: &'a [S::f64s],
    charge: &'a [S::f64s],
}

impl<'a, S: Simd> LineVectors<'a, S> {
    #[inline(always)]
    fn new(gate: &'a GateLines) -> Self {
        let n = S::as_simd_f64s(&gate.bias).0.len();
        let view = |values: &'a [f64]| &S::as_simd_f64s(values).0[..n];
        Self {
            lower: [view(&gate.lower_slope), view(&gate.lower_intercept)],
            upper: [view(&gate.upper_slope), view(&gate.upper_intercept)],
            bias: view(&gate.bias),
            charge: view(&gate.charge),
        }
    }

    /// `a` times the slopes and times the intercepts of the lines on its side.
    #[inline(always)]
    fn pass(&self, simd: S, a: S::f64s, j: usize) -> (S::f64s, S::f64s) {
        // A NaN takes some line and stays NaN.
        let low = simd.greater_than_or_equal_f64s(a, simd.splat_f64s(0.0));
        let pick = |which: usize| simd.select_f64s(low, self.lower[which][j], self.upper[which][j]);
        (simd.mul_f64s(a, pick(0)), simd.mul_f64s(a, pick(1)))
    }
}

/// [`through_gate`] for the difference: rows on `(δ̂, x̂)` become rows on `(δ, x)`.
pub(crate) fn through_difference_gate<const OUTWARD: bool>(
    (delta, x): (&mut [f64], &mut [f64]),
    constants: &mut [Charged],
    (faces, lines): (&GateFaces, &GateLines),
    toll: Toll,
) {
    if !x.is_empty() {
        let gate = DifferenceGate::<OUTWARD> { delta, x, constants, faces, lines, toll };
        Arch::new().dispatch(gate);
    }
}

struct DifferenceGate<'a, const OUTWARD: bool> {
    delta: &'a mut [f64],
    x: &'a mut [f64],
    constants: &'a mut [Charged],
    faces: &'a GateFaces,
    lines: &'a GateLines,
    toll: Toll,
}

impl<const OUTWARD: bool> WithSimd for DifferenceGate<'_, OUTWARD> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.faces.bias.len();
        let faces = FaceVectors::<S>::new(self.faces);
        let lines = LineVectors::<S>::new(self.lines);
        let (zero, unit) = (simd.splat_f64s(0.0), simd.splat_f64s(self.toll.unit));
        let size = |a| simd.abs_f64s(a);
        let delta = self.delta.chunks_exact_mut(n);
        let x = self.x.chunks_exact_mut(n);
        for ((delta, x), constant) in delta.zip(x).zip(self.constants) {
            let (mut value, mut charge) = (zero, zero);
            let rows = S::as_mut_simd_f64s(delta).0.iter_mut().zip(S::as_mut_simd_f64s(x).0);
            for (j, (a, b)) in rows.enumerate() {
                let (on_delta, through, t) = faces.pass(simd, *a, j);
                let (direct, s) = lines.pass(simd, *b, j);
                let on_x = simd.add_f64s(through, direct);
                value = simd.add_f64s(value, simd.add_f64s(t, s));
                value = simd.mul_add_e_f64s(on_delta, faces.bias[j], value);
                value = simd.mul_add_e_f64s(on_x, lines.bias[j], value);
                if OUTWARD {
                    let x_size = simd.add_f64s(size(through), size(direct));
                    charge = simd.mul_add_e_f64s(size(on_delta), faces.charge[j], charge);
                    charge = simd.mul_add_e_f64s(x_size, lines.charge[j], charge);
                    charge = simd.mul_add_e_f64s(simd.add_f64s(size(t), size(s)), unit, charge);
                }
                *a = on_delta;
                *b = on_x;
            }
            constant.value += simd.reduce_sum_f64s(value);
            constant.charge += simd.reduce_sum_f64s(charge) + self.toll.underflow;
        }
    }
}

/// [`GateFaces`] in vectors.
struct FaceVectors<'a, S: Simd> {
    lower: [&'a [S::f64s]; 3],
    upper: [&'a [S::f64s]; 3],
    bias: &'a [S::f64s],
    charge: &'a [S::f64s],
}

impl<'a, S: Simd> FaceVectors<'a, S> {
    #[inline(always)]
    fn new(gate: &'a GateFaces) -> Self {
        let n = S::as_simd_f64s(&gate.bias).0.len();
        let view = |values: &'a [f64]| &S::as_simd_f64s(values).0[..n];
        Self {
            lower: [view(&gate.lower_delta), view(&gate.lower_x), view(&gate.lower_constant)],
            upper: [view(&gate.upper_delta), view(&gate.upper_x), view(&gate.upper_constant)],
            bias: view(&gate.bias),
            charge: view(&gate.charge),
        }
    }

    /// `a` times the three numbers of the faces on its side.
    #[inline(always)]
    fn pass(&self, simd: S, a: S::f64s, j: usize) -> (S::f64s, S::f64s, S::f64s) {
        let low = simd.greater_than_or_equal_f64s(a, simd.splat_f64s(0.0));
        let pick = |which: usize| simd.select_f64s(low, self.lower[which][j], self.upper[which][j]);
        (simd.mul_f64s(a, pick(0)), simd.mul_f64s(a, pick(1)), simd.mul_f64s(a, pick(2)))
    }
}

/// Calls with each of `count` rows, its least value over a box, and the sum of its terms
/// in absolute value.
pub(crate) fn least(
    rows: &[f64],
    count: usize,
    input: &Intervals,
    mut visit: impl FnMut(usize, Charged),
) {
    if rows.is_empty() {
        (0..count).for_each(|row| visit(row, Charged::default()));
    } else {
        Arch::new().dispatch(Least { rows, input, visit });
    }
}

struct Least<'a, F> {
    rows: &'a [f64],
    input: &'a Intervals,
    visit: F,
}

impl<F: FnMut(usize, Charged)> WithSimd for Least<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Intervals { lower, upper } = self.input;
        let (low, low_rest) = S::as_simd_f64s(lower);
        let (high, high_rest) = S::as_simd_f64s(upper);
        let zero = simd.splat_f64s(0.0);
        for (row, column) in self.rows.chunks_exact(lower.len()).enumerate() {
            let (a, rest) = S::as_simd_f64s(column);
            let (mut value, mut charge) = (zero, zero);
            for ((a, low), high) in a.iter().zip(low).zip(high) {
                let size = simd.max_f64s(simd.abs_f64s(*low), simd.abs_f64s(*high));
                let end = simd.greater_than_or_equal_f64s(*a, zero);
                value = simd.mul_add_e_f64s(*a, simd.select_f64s(end, *low, *high), value);
                charge = simd.mul_add_e_f64s(simd.abs_f64s(*a), size, charge);
            }
            let (value, charge) = (simd.reduce_sum_f64s(value), simd.reduce_sum_f64s(charge));
            let mut sum = Charged { value, charge };
            for ((a, low), high) in rest.iter().zip(low_rest).zip(high_rest) {
                sum.value += a * if *a >= 0.0 { low } else { high };
                sum.charge += a.abs() * low.abs().max(high.abs());
            }
            (self.visit)(row, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relu::Line;
    use nalgebra::DMatrix;
    use proptest::prelude::*;

    /// The gate as one would write it down, for one row.
    fn plain(row: &[f64], neurons: &[(Lines, Before)]) -> (Vec<f64>, f64) {
        let mut sum = 0.0;
        let passed = row.iter().zip(neurons).map(|(a, (lines, before))| {
            let line = if *a >= 0.0 { lines.lower } else { lines.upper };
            sum += a * line.intercept + a * line.slope * before.bias;
            a * line.slope
        });
        (passed.collect(), sum)
    }

    fn neuron() -> impl Strategy<Value = (f64, Lines, Before, f64)> {
        let number = || (-8i32..8).prop_map(f64::from);
        (number(), number(), number(), number(), number(), number(), number()).prop_map(
            |(a, b, c, d, e, f, x)| {
                let line = |slope, intercept| Line { slope, intercept };
                (
                    a,
                    Lines { lower: line(b, c), upper: line(d, e) },
                    Before { bias: f, charge: 1.0 },
                    x,
                )
            },
        )
    }

    proptest! {
        // Small integers: every way to sum them is exact.
        #[test]
        fn a_gate_does_what_it_says(neurons in prop::collection::vec(neuron(), 1..30)) {
            let gate: Vec<_> = neurons.iter().map(|(_, lines, before, _)| (*lines, *before)).collect();
            let row: Vec<f64> = neurons.iter().map(|(a, ..)| *a).collect();
            let (passed, sum) = plain(&row, &gate);
            let mut rows = DMatrix::zeros(padded(row.len()), 1);
            rows.as_mut_slice()[..row.len()].copy_from_slice(&row);
            let mut constants = [Charged::default()];
            let toll = Toll { unit: 0.0, underflow: 0.5 };
            through_gate::<true>(rows.as_mut_slice(), &mut constants, &GateLines::new(&gate), toll);
            prop_assert_eq!(&rows.as_slice()[..row.len()], &passed[..]);
            let charge = passed.iter().map(|b| b.abs()).sum::<f64>() + 0.5;
            prop_assert_eq!(constants[0], Charged { value: sum, charge });
        }

        // With no difference in them, the difference gate is the gate of `x`.
        #[test]
        fn a_difference_gate_contains_the_gate(neurons in prop::collection::vec(neuron(), 1..30)) {
            let lines: Vec<_> = neurons.iter().map(|(_, lines, before, _)| (*lines, *before)).collect();
            let faces: Vec<_> = neurons
                .iter()
                .map(|(_, lines, before, x)| {
                    let face = |l: Line| Face { delta: l.slope, x: *x, constant: l.intercept };
                    (Faces { lower: face(lines.lower), upper: face(lines.upper) }, *before)
                })
                .collect();
            let row: Vec<f64> = neurons.iter().map(|(a, ..)| *a).collect();
            let (passed, sum) = plain(&row, &lines);
            let n = padded(row.len());
            let mut a = DMatrix::zeros(n, 1);
            a.as_mut_slice()[..row.len()].copy_from_slice(&row);
            let (mut delta, mut x) = (a.clone(), DMatrix::zeros(n, 1));
            let toll = Toll { unit: 0.0, underflow: 0.0 };
            let gates = (&GateFaces::new(&faces), &GateLines::new(&lines));
            let mut constants = [Charged::default()];
            through_difference_gate::<true>((delta.as_mut_slice(), x.as_mut_slice()), &mut constants, gates, toll);
            prop_assert_eq!(&delta.as_slice()[..row.len()], &passed[..]);
            let on_x: Vec<f64> = neurons.iter().map(|(a, _, _, x)| a * x).collect();
            prop_assert_eq!(&x.as_slice()[..row.len()], &on_x[..]);
            let through: f64 =
                neurons.iter().zip(&on_x).map(|((_, _, before, _), x)| x * before.bias).sum();
            prop_assert_eq!(constants[0].value, sum + through);
        }
    }

    #[test]
    fn nan_is_never_lost() {
        let neurons = [(Lines::default(), Before { bias: 1.0, charge: 1.0 })];
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut rows = DMatrix::zeros(LANES, 1);
            rows[0] = bad;
            let mut constants = [Charged::default()];
            let toll = Toll { unit: 0.0, underflow: 0.0 };
            through_gate::<true>(
                rows.as_mut_slice(),
                &mut constants,
                &GateLines::new(&neurons),
                toll,
            );
            assert!(constants[0].value.is_nan() && rows[0].is_nan());
        }
    }
}
