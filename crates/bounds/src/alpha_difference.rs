//! α-CROWN for a pair: slopes of `x` and mixes of faces, chosen row by row.

use nalgebra::DMatrix;
use nncert_core::{Activation, Interval};

use crate::activation::apart_faces;
use crate::alpha::{AlphaOptions, Climb, add_biases, climb, minimisers};
use crate::free::Ascent;
use crate::intervals::Intervals;
use crate::joint::{Joint, JointPending};
use crate::kernel::{GateFaces, GateLines};
use crate::relu::{Face, Faces, relu_lines};
use crate::rows::Rows;
use crate::scratch::Scratch;
use crate::selection::Selection;

/// What rows may choose at a difference gate on one box.
#[derive(Debug, Default)]
pub(crate) struct Freedom {
    /// The faces beside those of the gate.
    pub(crate) others: GateFaces,
    /// What a mix costs per unit of coefficient, padded.
    pub(crate) charge: Vec<f64>,
    /// Which shares of the others there may be: from 0 to 0 or to 1, padded.
    pub(crate) shares: Intervals,
}

/// Other faces of an activation than those that the gate has, sound as well.
pub(crate) fn other_faces(
    activation: Activation,
    faces: &Faces,
    (x, compressed, delta): (Interval, Interval, Interval),
) -> Faces {
    let dead = |x: Interval| x.upper <= 0.0;
    let other = |x: Interval| 1.0 - relu_lines(x).lower.slope;
    match activation {
        // The other lower line of the only ReLU that is there.
        Activation::Relu if dead(compressed) && !dead(x) => {
            let lower = Face { delta: 0.0, x: other(x), constant: 0.0 };
            Faces { lower, upper: faces.upper }
        }
        Activation::Relu if dead(x) && !dead(compressed) => {
            let slope = other(compressed);
            let upper = Face { delta: slope, x: -slope, constant: 0.0 };
            Faces { lower: faces.lower, upper }
        }
        _ => apart_faces(activation, x, compressed, delta),
    }
}

/// What a mix of two faces may be wrong by, per unit of coefficient.
pub(crate) fn mixing_charge(one: &Faces, other: &Faces, x: Interval, delta: Interval) -> f64 {
    let size = |face: &Face| {
        face.delta.abs() * delta.magnitude() + face.x.abs() * x.magnitude() + face.constant.abs()
    };
    let sizes = [&one.lower, &one.upper, &other.lower, &other.upper].map(size);
    // Two roundings for each number, one for the shares: far fewer than 16 units.
    8.0 * f64::EPSILON * sizes.iter().sum::<f64>() + f64::MIN_POSITIVE
}

/// The numbers that rows choose at one stage.
pub(crate) struct Choices {
    pub(crate) slopes: Ascent,
    pub(crate) shares: Ascent,
}

impl Joint<'_> {
    /// Rows of the difference of neurons of a pending stage, optimised or not: with the
    /// best choices that some steps find, never worse than those of the gates.
    pub(crate) fn bound(
        &self,
        layer: &JointPending,
        neurons: &Selection,
        how: Option<(usize, &AlphaOptions)>,
        scratch: &mut Scratch,
    ) -> Rows {
        let Some(how) = how else { return self.rows(layer, neurons, scratch) };
        let steps = self.steps.iter().zip(&*self.original.steps);
        let choices = steps.map(|(step, original)| {
            let gates = original.gates.iter().zip(&*original.limits);
            let slopes = gates.map(|(gate, limits)| (&gate.lower_slope[..], limits));
            let shares = step.freedom.iter().map(|f| (&f.shares.lower[..], &f.shares));
            Choices { slopes: Ascent::new(slopes, neurons), shares: Ascent::new(shares, neurons) }
        });
        let choices = choices.collect();
        let tape = (0..self.steps.len()).map(|_| None).collect();
        let mixes = Mixes { joint: self, layer, neurons, choices, tape, moved: false };
        climb(mixes, self.original.input, how, scratch)
    }
}

/// The choices of a joint pass.
struct Mixes<'j, 'a> {
    joint: &'j Joint<'a>,
    layer: &'j JointPending,
    neurons: &'j Selection,
    choices: Vec<Choices>,
    /// The coefficients on `(δ̂, x̂)` that the latest rows had before every gate.
    tape: Vec<Option<(DMatrix<f64>, DMatrix<f64>)>>,
    /// Whether they are no longer those of the gates.
    moved: bool,
}

impl Climb for Mixes<'_, '_> {
    fn rows(&mut self, scratch: &mut Scratch) -> Rows {
        let Self { joint, layer, neurons, choices, tape, moved } = self;
        for (delta, x) in tape.iter_mut().filter_map(Option::take) {
            scratch.give(delta);
            scratch.give(x);
        }
        joint.rows_through(layer, neurons, scratch, |index, rows, constants, spans, scratch| {
            let (delta, x) = rows;
            tape[index] = Some((scratch.copy(delta), scratch.copy(x)));
            let choices = moved.then(|| &choices[index]);
            joint.through_gate(index, (delta, x), constants, spans, choices);
        })
    }

    /// A pass forward through what the rows have chosen, from the inputs at which they are
    /// least.
    fn ascend(&mut self, rows: &Rows, rate: f64, step: i32, scratch: &mut Scratch) {
        self.moved = true;
        let joint = self.joint;
        let count = joint.original.values.len();
        let (mut x_values, mut delta_values) = (vec![None; count], vec![None; count]);
        x_values[0] = Some(minimisers(rows, joint.original.input, scratch));
        for (index, relaxed) in joint.steps.iter().enumerate() {
            let Some((on_delta, on_x)) = &self.tape[index] else { continue };
            let (f, g) = (&joint.original.steps[index], &joint.compressed.steps[index]);
            let mut x = scratch.zeros(on_x.nrows(), on_x.ncols());
            let mut delta = scratch.zeros(on_x.nrows(), on_x.ncols());
            let terms = f.terms.iter().zip(&g.terms).zip(&relaxed.differences);
            for (((value, map), (_, copy)), difference) in terms {
                if let Some(input) = &x_values[*value] {
                    map.push(input, &mut x, true);
                    if let Some(difference) = difference {
                        difference.push(input, &mut delta, true);
                    }
                }
                if let Some(input) = &delta_values[*value] {
                    copy.push(input, &mut delta, true);
                }
            }
            add_biases(&mut x, f.gates.iter().map(|gate| &gate.bias[..]), &rows.spans);
            let biases = relaxed.faces.iter().map(|faces| &faces.bias[..]);
            add_biases(&mut delta, biases, &rows.spans);
            let mut slope_gradient = scratch.zeros(x.nrows(), x.ncols());
            let mut share_gradient = scratch.zeros(x.nrows(), x.ncols());
            let choice = &mut self.choices[index];
            for (at, span) in rows.spans.iter().enumerate() {
                let (gate, faces) = (&f.gates[at], &relaxed.faces[at]);
                let others = &relaxed.freedom[at].others;
                for column in span.columns() {
                    for j in 0..faces.bias.len() {
                        let here = (j, column);
                        let (a, b) = (on_delta[here], on_x[here]);
                        let (z, d) = (x[here], delta[here]);
                        let (one, other) = (face(faces, j, a), face(others, j, a));
                        let value = |face: Face| face.delta * d + face.x * z + face.constant;
                        let (one, other) = (value(one), value(other));
                        slope_gradient[here] = b.max(0.0) * z;
                        share_gradient[here] = a * (other - one);
                        let share = choice.shares.values[here];
                        delta[here] = (1.0 - share) * one + share * other;
                        x[here] = line(gate, j, b, choice.slopes.values[here], z);
                    }
                }
            }
            choice.slopes.step(&slope_gradient, rate, step);
            choice.shares.step(&share_gradient, rate, step);
            scratch.give(slope_gradient);
            scratch.give(share_gradient);
            x_values[index + 1] = Some(x);
            delta_values[index + 1] = Some(delta);
        }
        let values = x_values.into_iter().chain(delta_values).flatten();
        values.for_each(|matrix| scratch.give(matrix));
    }
}

/// The face that a coefficient chooses.
fn face(faces: &GateFaces, j: usize, coefficient: f64) -> Face {
    if coefficient >= 0.0 {
        Face { delta: faces.lower_delta[j], x: faces.lower_x[j], constant: faces.lower_constant[j] }
    } else {
        Face { delta: faces.upper_delta[j], x: faces.upper_x[j], constant: faces.upper_constant[j] }
    }
}

/// The value of the line that a coefficient chooses, below with a slope of its own.
fn line(gate: &GateLines, j: usize, coefficient: f64, slope: f64, x: f64) -> f64 {
    if coefficient >= 0.0 {
        slope * x + gate.lower_intercept[j]
    } else {
        gate.upper_slope[j] * x + gate.upper_intercept[j]
    }
}
