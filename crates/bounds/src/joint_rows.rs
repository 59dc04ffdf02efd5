//! Backward substitution of both networks together.

use nalgebra::DMatrix;

use crate::alpha_difference::{Choices, Freedom};
use crate::chain::{Frontier, add_seed, charge, charge_doubles, seed_constants};
use crate::free::{Choice, Mixed, through_free_difference_gate};
use crate::intervals::Intervals;
use crate::joint::{Joint, JointPending};
use crate::kernel::{Charged, through_difference_gate};
use crate::linear::Compact;
use crate::rows::{Rows, Span};
use crate::scratch::Scratch;
use crate::selection::Selection;

impl Joint<'_> {
    /// Bounds the difference of neurons of a pending stage by affine functions of the
    /// input: some of each box.
    pub(crate) fn rows(
        &self,
        layer: &JointPending,
        neurons: &Selection,
        scratch: &mut Scratch,
    ) -> Rows {
        self.rows_through(layer, neurons, scratch, |index, rows, constants, spans, _| {
            self.through_gate(index, rows, constants, spans, None);
        })
    }

    /// [`Joint::rows`] of the outputs; weighs what each stage costs them.
    pub(crate) fn output_rows(
        &mut self,
        layer: &JointPending,
        outputs: &Selection,
        scratch: &mut Scratch,
    ) -> Rows {
        let mut influence = core::mem::take(&mut self.influence);
        let rows =
            self.rows_through(layer, outputs, scratch, |index, rows, constants, spans, _| {
                let (delta, x) = rows;
                let width = x.nrows();
                for (span, influence) in spans.iter().zip(&mut influence) {
                    let part = span.columns().start * width..span.columns().end * width;
                    let (delta, x) = (&delta.as_slice()[part.clone()], &x.as_slice()[part]);
                    influence.weigh(index, width, delta, x);
                }
                self.through_gate(index, (delta, x), constants, spans, None);
            });
        self.influence = influence;
        rows
    }

    /// [`Joint::rows`] through gates of the caller's: `gate` moves rows on `(δ, x)` past a
    /// stage.
    pub(crate) fn rows_through(
        &self,
        layer: &JointPending,
        neurons: &Selection,
        scratch: &mut Scratch,
        mut gate: impl FnMut(
            usize,
            (&mut DMatrix<f64>, &mut DMatrix<f64>),
            &mut [Charged],
            &[Span],
            &mut Scratch,
        ),
    ) -> Rows {
        let spans = Span::of(neurons, scratch);
        let (stage, copy, difference) = self.stage();
        let mut on_x = self.original.frontier(scratch);
        let mut on_delta = self.original.frontier(scratch);
        for ((term, copy), map) in stage.terms.iter().zip(&copy.terms).zip(&difference.maps) {
            let value = &self.original.values[term.value];
            let (live, width) = (&value.live, value.width);
            if let Some(map) = map {
                let seed = |neurons: &[usize], out: &mut [f64], scratch: &mut Scratch| {
                    map.seed(neurons, live, out, scratch);
                };
                add_seed(&mut on_x[term.value], width, neurons, &spans, scratch, seed);
            }
            if term.value > 0 {
                let seed = |neurons: &[usize], out: &mut [f64], scratch: &mut Scratch| {
                    copy.seed(neurons, live, out, scratch);
                };
                add_seed(&mut on_delta[term.value], width, neurons, &spans, scratch, seed);
            }
        }
        let mut constants =
            seed_constants(&difference.bias.value, &layer.difference, neurons, scratch);
        let values = |value: usize| &self.original.values[value].bounds[..];
        charge_doubles(&mut constants, stage, &on_x, values, &spans);
        let differences = |value: usize| &self.differences[value][..];
        charge_doubles(&mut constants, stage, &on_delta, differences, &spans);
        let mut products = 0;
        for index in (0..self.steps.len()).rev() {
            let (x, delta) = (on_x[index + 1].take(), on_delta[index + 1].take());
            if x.is_none() && delta.is_none() {
                continue;
            }
            let (width, columns) = (self.original.values[index + 1].width, constants.len());
            let mut x = x.unwrap_or_else(|| scratch.zeros(width, columns));
            let mut delta = delta.unwrap_or_else(|| scratch.zeros(width, columns));
            gate(index, (&mut delta, &mut x), &mut constants, &spans, scratch);
            let frontiers = (&mut on_x, &mut on_delta);
            products += self.pull(index, (x, delta), frontiers, &mut constants, &spans, scratch);
        }
        let (width, columns) = (self.original.values[0].width, constants.len());
        let coefficients = on_x[0].take();
        let coefficients = coefficients.unwrap_or_else(|| scratch.zeros(width, columns));
        scratch.frontiers.give(on_x);
        scratch.frontiers.give(on_delta);
        Rows { coefficients, constants, spans, products }
    }

    /// Moves rows past the gates of a relaxed stage, each by the faces of its box, or by
    /// choices of its own.
    pub(crate) fn through_gate(
        &self,
        index: usize,
        (delta, x): (&mut DMatrix<f64>, &mut DMatrix<f64>),
        constants: &mut [Charged],
        spans: &[Span],
        choices: Option<&Choices>,
    ) {
        let (step, width) = (&self.steps[index], x.nrows());
        for (at, span) in spans.iter().enumerate() {
            let columns = span.columns();
            let part = columns.start * width..columns.end * width;
            let (delta, x) = (delta.as_mut_slice(), x.as_mut_slice());
            let rows = (&mut delta[part.clone()], &mut x[part.clone()]);
            let (faces, lines) = (&step.faces[at], &self.original.steps[index].gates[at]);
            let (constants, toll) = (&mut constants[columns], step.tolls[at]);
            match choices {
                Some(Choices { slopes, shares }) => {
                    let slopes = &slopes.values.as_slice()[part.clone()];
                    let choice = Choice { slopes, shares: &shares.values.as_slice()[part] };
                    let Freedom { others, charge, .. } = &step.freedom[at];
                    let mixed = Mixed { faces, others, charge };
                    through_free_difference_gate(rows, choice, constants, mixed, lines, toll);
                }
                None if self.original.outward => {
                    through_difference_gate::<true>(rows, constants, (faces, lines), toll);
                }
                None => through_difference_gate::<false>(rows, constants, (faces, lines), toll),
            }
        }
    }

    /// Substitutes the sums of a relaxed stage: rows on `(x, δ)` become rows on its terms.
    fn pull(
        &self,
        index: usize,
        (x, delta): (DMatrix<f64>, DMatrix<f64>),
        (on_x, on_delta): (&mut Frontier, &mut Frontier),
        constants: &mut [Charged],
        spans: &[Span],
        scratch: &mut Scratch,
    ) -> u64 {
        let mut products = 0;
        let (step, columns) = (&self.steps[index], x.ncols());
        let (f, g) = (&self.original.steps[index], &self.compressed.steps[index]);
        let outward = self.original.outward;
        let mut add = |slot: &mut Option<DMatrix<f64>>,
                       (maps, bounds): (&[(&Compact, &DMatrix<f64>)], &[Intervals]),
                       width: usize| {
            let known = slot.is_some();
            let mut sum = slot.take().unwrap_or_else(|| scratch.zeros(width, columns));
            if known && outward {
                charge(constants, &sum, bounds, f.unit, spans);
            }
            for (at, (map, rows)) in maps.iter().enumerate() {
                map.pull(rows, &mut sum, known || at > 0, &mut scratch.room);
                products += map.products(columns);
            }
            *slot = Some(sum);
        };
        let terms = f.terms.iter().zip(&g.terms).zip(&step.differences);
        for (((value, map), (_, copy)), difference) in terms {
            let (width, bounds) =
                (self.original.values[*value].width, &self.original.values[*value].bounds);
            let direct = (map, &x);
            let (both, one) = match difference {
                Some(difference) => ([direct, (difference, &delta)], 2),
                None => ([direct, direct], 1),
            };
            add(&mut on_x[*value], (&both[..one], bounds), width);
            if *value > 0 {
                let carried = [(copy, &delta)];
                add(&mut on_delta[*value], (&carried, &self.differences[*value]), width);
            }
        }
        scratch.give(x);
        scratch.give(delta);
        products
    }
}
