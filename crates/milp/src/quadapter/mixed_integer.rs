//! The MILP method: the least scaling at which a template leaves its target.

use std::time::Duration;

use nncert_bounds::{AlphaOptions, Envelope, Scratch};

use super::image::ImageRow;
use super::{
    Abstraction, DualBound, Effort, Image, LinearModel, Minimizer, Scaling, SynthesisError,
    UnderPreimage,
};
use crate::Watch;

/// What is subtracted from a proven bound, as a share of it and on top.
///
/// A solver keeps rows to `1e-7` and not exactly, and its bound is that of the rows as it keeps them.
/// Coefficients are of the order of 1, and a row moves a scaling by its tolerance over the steps that
/// it contains: a hundred times that is taken off, and in any case a ten thousandth of the scaling.
pub const MARGIN: [f64; 2] = [1e-4, 1e-5];

/// Scalings are not searched for beyond this many times the one that bounds show.
const WIDEST: f64 = 64.0;

/// How much further a scaling goes at a time: models are small where it is little.
const STRIDE: f64 = 1.2;

/// The share of the largest scaling that is tried where bounds show none.
const FIRST: f64 = 16.0;

/// Preimages by mixed-integer programming: `UnderPreImage` of the paper.
///
/// The template of every scaling below the least one at which some value of it leaves the target is
/// a preimage. That least scaling is what the model minimises; its *proven bound*, less [`MARGIN`],
/// is taken, never a solution that was found.
///
/// The model is smaller than the paper's. The worst case of a row over a template is
/// known: values that count positively are at their lower ends, the others at their upper ones; so a
/// row has a problem of its own, without the values of other neurons, and a Boolean only
/// for unstable neurons that count negatively. Rows that bounds close at a
/// scaling where another fails need no problem at all.
///
/// Guarantee: sound as far as the solver's bounds are; strategies rest on [`certify`](super::certify)
/// alone.
///
/// The scaling grows by steps, from the one that bounds show: a model whose scalings are few is
/// small, and whatever was reached is one, whenever time is over.
///
/// # References
///
/// Zhang et al. (Quadapter), section 3.4.
pub struct MixedInteger<'a> {
    /// The solver.
    pub solver: &'a dyn Minimizer,
    /// Bounds, for a scaling to start from.
    pub abstraction: Abstraction,
    /// A scaling is not searched for more exactly than to this share of it.
    pub gap: f64,
    /// The nodes of the search tree of a row, after which the bound that it has is taken; none for as
    /// many as it takes.
    pub nodes: Option<u32>,
    /// The time for one layer, after which what was reached is taken; none for as long as it takes.
    pub time: Option<Duration>,
}

impl<'a> MixedInteger<'a> {
    /// The method with a solver, without a limit of time.
    #[must_use]
    pub fn new(solver: &'a dyn Minimizer) -> Self {
        Self { solver, abstraction: Abstraction::default(), gap: 0.02, nodes: None, time: None }
    }
}

impl core::fmt::Debug for MixedInteger<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (abstraction, gap) = (&self.abstraction, &self.gap);
        f.debug_struct("MixedInteger")
            .field("abstraction", abstraction)
            .field("gap", gap)
            .field("nodes", &self.nodes)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl MixedInteger<'_> {
    /// A scaling up to a goal, from one that is known, below which no value leaves the target.
    fn reach(
        &self,
        image: &Image<'_>,
        (known, mut goal): (f64, f64),
        scratch: &mut Scratch,
        watch: &Watch<'_>,
    ) -> Result<f64, SynthesisError> {
        for rows in open_rows(image, goal, self.abstraction.alpha.as_ref(), scratch)? {
            let model = encode(image, &rows, known, goal);
            let effort = Effort { time: watch.left(), nodes: self.nodes, gap: self.gap };
            match self.solver.dual_bound(&model, &effort)? {
                DualBound::Infeasible => {}
                DualBound::AtLeast(bound) => goal = goal.min(bound),
                DualBound::Nothing => return Ok(known),
            }
            // Not worth the rows that are left, without which nothing above what is known is.
            if goal <= known * (1.0 + self.gap) {
                return Ok(known);
            }
        }
        Ok(goal)
    }
}

impl UnderPreimage for MixedInteger<'_> {
    fn scaling(
        &self,
        image: &Image<'_>,
        scratch: &mut Scratch,
        watch: &Watch<'_>,
    ) -> Result<Scaling, SynthesisError> {
        let shown = match self.abstraction.scaling(image, scratch, watch)? {
            Scaling::Found(shown) => shown,
            Scaling::Empty => 0.0,
            Scaling::Time => return Ok(Scaling::Time),
        };
        // Some value leaves the target here, or the scaling is as large as anybody needs.
        let leaves = leaving_scale(image).min(WIDEST * shown.max(1.0)) * (1.0 - self.gap);
        let limited = self.time.map(|time| watch.at_most(time));
        let limited = limited.as_ref().unwrap_or(watch);
        let mut scale = shown;
        while scale < leaves {
            let goal = if scale > 0.0 { scale * STRIDE } else { leaves / FIRST };
            let goal = goal.min(leaves);
            let reached = self.reach(image, (scale, goal), scratch, limited)?;
            scale = scale.max(reached);
            if watch.left().is_some_and(|left| left.is_zero()) {
                return Ok(Scaling::Time);
            }
            if reached < goal {
                break;
            }
        }
        let scale = shown.max(scale - MARGIN[0] * scale - MARGIN[1]);
        Ok(if scale > 0.0 { Scaling::Found(scale) } else { Scaling::Empty })
    }
}

/// The rows that a problem each is needed for: all together where one of them is enough.
fn open_rows(
    image: &Image<'_>,
    scale: f64,
    alpha: Option<&AlphaOptions>,
    scratch: &mut Scratch,
) -> Result<Vec<Vec<usize>>, SynthesisError> {
    if image.any() {
        return Ok(vec![(0..image.rows().len()).collect()]);
    }
    let least = image.rows_least(&image.template(scale), alpha, scratch)?;
    let mut open: Vec<usize> = (0..least.len()).filter(|row| least[*row] <= 0.0).collect();
    // The worst first: they bring the scaling down, and close others.
    open.sort_by(|a, b| least[*a].total_cmp(&least[*b]));
    Ok(open.into_iter().map(|row| vec![row]).collect())
}

/// A scaling at which a value of the template leaves the target, as far as floats tell; from
/// corners of the region. A choice: it limits the search and proves nothing.
fn leaving_scale(image: &Image<'_>) -> f64 {
    const LARGEST: f64 = 1e6;
    let steps = image.steps();
    let region = image.inputs().bounding_box();
    let mut points = vec![region.centre()];
    if image.any() || image.rows().len() <= 32 {
        for row in image.rows() {
            points.push(corner(image, row));
        }
    }
    let mut scale = LARGEST;
    for point in points {
        let at = |form: &nncert_bounds::AffineForm| {
            let products = form.coefficients.iter().zip(&point).map(|(c, x)| c * x);
            products.sum::<f64>() + form.constant
        };
        let ends: Vec<[f64; 2]> =
            image.element().iter().map(|e| [at(&e.lower), at(&e.upper)]).collect();
        let value = |row: &ImageRow, scale: f64| {
            let ends = ends.iter().zip(&steps).zip(&row.weights);
            let values = ends.map(|(([low, high], step), w)| {
                let z = if *w > 0.0 { low - scale * step } else { high + scale * step };
                w * z.max(0.0)
            });
            let linear = row.coefficients.iter().zip(&point).map(|(c, x)| c * x);
            values.sum::<f64>() + linear.sum::<f64>() + row.constant
        };
        let leaves = |scale: f64| {
            let mut fails = image.rows().iter().map(|row| value(row, scale) <= 0.0);
            if image.any() { fails.all(|fails| fails) } else { fails.any(|fails| fails) }
        };
        if !leaves(scale) {
            continue;
        }
        let mut low = 0.0;
        for _ in 0..40 {
            let middle = 0.5 * (low + scale);
            if leaves(middle) { scale = middle } else { low = middle }
        }
    }
    scale
}

/// The corner at which a row is least, as if every neuron were active that is so in the middle.
fn corner(image: &Image<'_>, row: &ImageRow) -> Vec<f64> {
    let region = image.inputs().bounding_box();
    let mut slopes = row.coefficients.clone();
    slopes.resize(region.dimension(), 0.0);
    for (envelope, w) in image.element().iter().zip(&row.weights) {
        let form = if *w > 0.0 { &envelope.lower } else { &envelope.upper };
        let range = form.range(region);
        if range.lower + range.upper > 0.0 {
            for (slope, c) in slopes.iter_mut().zip(&form.coefficients) {
                *slope += w * c;
            }
        }
    }
    let ends = region.lower().iter().zip(region.upper());
    slopes.iter().zip(ends).map(|(s, (low, high))| if *s >= 0.0 { *low } else { *high }).collect()
}

/// The model whose solutions are scalings between two at which all of some rows fail.
///
/// Columns are the scaling, the inputs that are free, and a value for each neuron that is not
/// stable at the largest scaling.
pub(super) fn encode(image: &Image<'_>, rows: &[usize], least: f64, most: f64) -> LinearModel {
    let region = image.inputs().bounding_box();
    let mut model = LinearModel::default();
    let scale = model.column(least, most, false);
    model.objective = scale;
    let mut input = vec![None; region.dimension()];
    for free in region.free() {
        let x = region.interval(*free);
        input[*free] = Some(model.column(x.lower, x.upper, false));
    }
    for cut in image.inputs().cuts() {
        let (terms, fixed) = linear(&input, &cut.coefficients, image, -1.0);
        model.row(terms, -cut.bound - fixed);
    }
    let template = image.template(most);
    let largest = image.most(&template);
    let steps = image.steps();
    let magnitudes: Vec<f64> =
        (0..region.dimension()).map(|index| region.interval(index).magnitude()).collect();
    let mut values: [Vec<Option<Value>>; 2] = [vec![None; steps.len()], vec![None; steps.len()]];
    for row in rows.iter().map(|row| &image.rows()[*row]) {
        // Σ w v + coefficients · x + constant ≤ slack
        let mut sums = Sums::new(&magnitudes);
        sums.add(&row.coefficients, 1.0, 0.0);
        sums.constant += row.constant_for(&largest);
        let mut terms = Vec::new();
        for (neuron, w) in row.weights.iter().copied().enumerate().filter(|(_, w)| *w != 0.0) {
            let upper = usize::from(w < 0.0);
            let value = values[upper][neuron].get_or_insert_with(|| {
                let envelope = &image.element()[neuron];
                let end = End { envelope, step: steps[neuron], upper: upper == 1 };
                end.encode(image, &mut model, (scale, &input), most)
            });
            match value {
                Value::Zero => {}
                Value::Column(column) => terms.push((*column, w)),
                Value::Linear => {
                    let envelope = &image.element()[neuron];
                    let (form, sign) =
                        if upper == 1 { (&envelope.upper, 1.0) } else { (&envelope.lower, -1.0) };
                    sums.add(&form.coefficients, w, w * form.constant);
                    sums.scale += w * sign * steps[neuron];
                    sums.size += w.abs() * (form.constant.abs() + most * steps[neuron]);
                }
            }
        }
        terms.push((scale, sums.scale));
        let (inputs, fixed) = linear(&input, &sums.coefficients, image, 1.0);
        terms.extend(inputs);
        // What rounding can have taken from the sums.
        let slack = 1e-12 * (sums.size + sums.constant.abs() + 1.0);
        model.row(terms, slack - sums.constant - fixed);
    }
    model
}

/// An end of a neuron's template: `lower(x) - χ · step`, or `upper(x) + χ · step`.
struct End<'a> {
    envelope: &'a Envelope,
    step: f64,
    upper: bool,
}

/// What `ReLU` of an end is in a model.
#[derive(Clone, Copy, Debug)]
enum Value {
    Zero,
    Linear,
    Column(usize),
}

impl End<'_> {
    fn encode(
        &self,
        image: &Image<'_>,
        model: &mut LinearModel,
        (scale, input): (usize, &[Option<usize>]),
        most: f64,
    ) -> Value {
        let reach = most * self.step;
        let (form, sign) =
            if self.upper { (&self.envelope.upper, 1.0) } else { (&self.envelope.lower, -1.0) };
        let range = form.range(image.inputs().bounding_box());
        let (low, high) = if self.upper {
            (range.lower, range.upper + reach)
        } else {
            (range.lower - reach, range.upper)
        };
        if high <= 0.0 {
            return Value::Zero;
        }
        if low >= 0.0 {
            return Value::Linear;
        }
        let value = model.column(0.0, high, false);
        let slack = 1e-12 * (high - low + form.constant.abs() + 1.0);
        if self.upper {
            // v ≤ ReLU(z): v ≤ high η and v ≤ z - low (1 - η).
            let active = model.column(0.0, 1.0, true);
            model.row(vec![(value, 1.0), (active, -high)], slack);
            let (mut terms, fixed) = linear(input, &form.coefficients, image, -1.0);
            terms.extend([(value, 1.0), (scale, -sign * self.step), (active, -low)]);
            model.row(terms, form.constant - fixed - low + slack);
        } else {
            // v ≥ z; it need not be larger.
            let (mut terms, fixed) = linear(input, &form.coefficients, image, 1.0);
            terms.extend([(value, -1.0), (scale, sign * self.step)]);
            model.row(terms, slack - form.constant - fixed);
        }
        Value::Column(value)
    }
}

/// Terms of the inputs that are free, and what those that are fixed give, each times a sign.
fn linear(
    input: &[Option<usize>],
    coefficients: &[f64],
    image: &Image<'_>,
    sign: f64,
) -> (Vec<(usize, f64)>, f64) {
    let region = image.inputs().bounding_box();
    let (mut terms, mut fixed) = (Vec::new(), 0.0);
    for (index, c) in coefficients.iter().copied().enumerate().filter(|(_, c)| *c != 0.0) {
        match input[index] {
            Some(column) => terms.push((column, sign * c)),
            None => fixed += sign * c * region.lower()[index],
        }
    }
    (terms, fixed)
}

/// A sum of affine functions.
struct Sums<'a> {
    /// The largest absolute value of each input.
    magnitudes: &'a [f64],
    coefficients: Vec<f64>,
    scale: f64,
    constant: f64,
    /// At least the absolute values that were summed.
    size: f64,
}

impl<'a> Sums<'a> {
    fn new(magnitudes: &'a [f64]) -> Self {
        let coefficients = vec![0.0; magnitudes.len()];
        Self { magnitudes, coefficients, scale: 0.0, constant: 0.0, size: 0.0 }
    }

    fn add(&mut self, coefficients: &[f64], w: f64, constant: f64) {
        self.constant += constant;
        let pairs = coefficients.iter().zip(self.magnitudes);
        for (sum, (c, x)) in self.coefficients.iter_mut().zip(pairs) {
            *sum += w * c;
            self.size += (w * c).abs() * x;
        }
    }
}
