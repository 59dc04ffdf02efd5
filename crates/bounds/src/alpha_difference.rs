//! α-CROWN for a pair: slopes of `x` and mixes of faces, chosen row by row.

use nalgebra::DMatrix;
use nncert_core::{Activation, Interval};

use crate::activation::apart_faces;
use crate::alpha::{AlphaOptions, Best, add_biases, minimisers};
use crate::free::{Ascent, Choice, Mixed, through_free_difference_gate};
use crate::joint::{Joint, JointPending};
use crate::kernel::{GateFaces, GateLines};
use crate::relu::{Face, Faces, relu_lines};
use crate::rows::{Rows, Span};
use crate::scratch::Scratch;

/// What rows may choose at a difference gate on one box.
#[derive(Debug)]
pub(crate) struct Freedom {
    /// The faces beside those of the gate.
    pub(crate) others: GateFaces,
    /// What a mix costs per unit of coefficient, padded.
    pub(crate) charge: Vec<f64>,
    /// The largest share of the others, 0 or 1, padded.
    pub(crate) share: Vec<f64>,
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
struct Choices {
    slopes: Ascent,
    shares: Ascent,
}

/// The coefficients on `(δ̂, x̂)` that rows had before a gate.
type Tape = Vec<Option<(DMatrix<f64>, DMatrix<f64>)>>;

impl Joint<'_> {
    /// [`Joint::rows`] with the best choices that some steps find: never worse than those
    /// of the gates.
    pub(crate) fn rows_alpha(
        &self,
        layer: &JointPending,
        neurons: &[Vec<usize>],
        (iterations, options): (usize, &AlphaOptions),
        scratch: &mut Scratch,
    ) -> Rows {
        let spans = Span::of(neurons);
        let input = self.original.input;
        let mut best = Best::new(self.rows(layer, neurons, scratch), input);
        let columns: Vec<usize> = spans.iter().map(|span| span.columns().len()).collect();
        let mut choices = self.choices(&columns);
        let mut rate = options.rate;
        for iteration in 0..=iterations {
            let mut tape: Tape = (0..choices.len()).map(|_| None).collect();
            let gate = |joint: &Self,
                        index: usize,
                        (delta, x): (&mut DMatrix<f64>, &mut DMatrix<f64>),
                        constants: &mut [crate::kernel::Charged],
                        spans: &[Span]| {
                tape[index] = Some((delta.clone(), x.clone()));
                let choice = &choices[index];
                joint.through_free_gate(index, choice, (delta, x), constants, spans);
            };
            let rows = self.rows_through(layer, neurons, scratch, gate);
            best.offer(&rows, input);
            best.rows.products += rows.products;
            if iteration < iterations {
                let step = i32::try_from(iteration + 1).unwrap_or(i32::MAX);
                self.ascend(&rows, &tape, &mut choices, (rate, step), scratch);
                rate *= options.decay;
            }
            for (delta, x) in tape.into_iter().flatten() {
                scratch.give(delta);
                scratch.give(x);
            }
            scratch.give(rows.coefficients);
        }
        best.rows
    }

    fn choices(&self, columns: &[usize]) -> Vec<Choices> {
        let steps = self.steps.iter().zip(&self.original.steps);
        let choices = steps.map(|(step, original)| {
            let slopes = original.gates.iter().zip(&original.limits).map(|(gate, limits)| {
                (gate.lower_slope.clone(), limits.0.clone(), limits.1.clone())
            });
            let shares = step.freedom.iter().map(|freedom| {
                let zeros = vec![0.0; freedom.share.len()];
                (zeros.clone(), zeros, freedom.share.clone())
            });
            Choices {
                slopes: Ascent::new(slopes.collect(), columns),
                shares: Ascent::new(shares.collect(), columns),
            }
        });
        choices.collect()
    }

    fn through_free_gate(
        &self,
        index: usize,
        choice: &Choices,
        (delta, x): (&mut DMatrix<f64>, &mut DMatrix<f64>),
        constants: &mut [crate::kernel::Charged],
        spans: &[Span],
    ) {
        let (step, width) = (&self.steps[index], x.nrows());
        for (at, span) in spans.iter().enumerate() {
            let columns = span.columns();
            let part = columns.start * width..columns.end * width;
            let freedom = &step.freedom[at];
            through_free_difference_gate(
                (&mut delta.as_mut_slice()[part.clone()], &mut x.as_mut_slice()[part.clone()]),
                Choice {
                    slopes: &choice.slopes.values.as_slice()[part.clone()],
                    shares: &choice.shares.values.as_slice()[part],
                },
                &mut constants[columns],
                Mixed { faces: &step.faces[at], others: &freedom.others, charge: &freedom.charge },
                &self.original.steps[index].gates[at],
                step.tolls[at],
            );
        }
    }

    /// Moves the choices of all rows along their gradients: a pass forward through what
    /// the rows have chosen, from the inputs at which they are least.
    fn ascend(
        &self,
        rows: &Rows,
        tape: &Tape,
        choices: &mut [Choices],
        (rate, step): (f64, i32),
        scratch: &mut Scratch,
    ) {
        let count = self.original.values.len();
        let (mut x_values, mut delta_values) = (vec![None; count], vec![None; count]);
        x_values[0] = Some(minimisers(rows, self.original.input));
        for (index, joint) in self.steps.iter().enumerate() {
            let Some((on_delta, on_x)) = &tape[index] else { continue };
            let (f, g) = (&self.original.steps[index], &self.compressed.steps[index]);
            let mut x = scratch.zeros(on_x.nrows(), on_x.ncols());
            let mut delta = scratch.zeros(on_x.nrows(), on_x.ncols());
            let terms = f.terms.iter().zip(&g.terms).zip(&joint.differences);
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
            add_biases(&mut x, &f.gates, &rows.spans);
            add_face_biases(&mut delta, &joint.faces, &rows.spans);
            let mut slope_gradient = scratch.zeros(x.nrows(), x.ncols());
            let mut share_gradient = scratch.zeros(x.nrows(), x.ncols());
            let choice = &choices[index];
            for (at, span) in rows.spans.iter().enumerate() {
                let (gate, faces) = (&f.gates[at], &joint.faces[at]);
                let others = &joint.freedom[at].others;
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
            let choice = &mut choices[index];
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

fn add_face_biases(sums: &mut DMatrix<f64>, faces: &[GateFaces], spans: &[Span]) {
    for (span, faces) in spans.iter().zip(faces) {
        for column in span.columns() {
            for (entry, bias) in sums.column_mut(column).iter_mut().zip(&faces.bias) {
                *entry += bias;
            }
        }
    }
}
