//! Joint backward propagation of a network and its compressed copy.

use nalgebra::DMatrix;
use nncert_core::product::{multiply_transposed, reshape};
use nncert_core::{Affine, Interval, PairedNetworks, Region};

use crate::chain::{Chain, OPEN, Pending, unstable};
use crate::crown::refine;
use crate::dense::{Dense, Image, difference, image, padded_rows};
use crate::envelope::Envelope;
use crate::intervals::Intervals;
use crate::kernel::{Before, GateFaces, GateLines, Toll, padded, through_difference_gate};
use crate::relaxations::Relaxations;
use crate::relu::{Face, Faces, reconcile, relu_difference_interval, relu_interval};
use crate::rows::{Rows, seed_coefficients};
use crate::stage::Gate;
use crate::{BoundsError, Rounding};

/// What [`differential`] returns: bounds of `f`, `f'` and `f - f'`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PairBounds {
    /// The region that the bounds hold on.
    pub region: Region,
    /// For each output an envelope of `f - f'`.
    pub outputs: Vec<Envelope>,
    /// The bounds of the outputs of `f`.
    pub original: Vec<Interval>,
    /// The bounds of the outputs of `f'`.
    pub compressed: Vec<Interval>,
    /// How many multiplications of matrix products the pass took.
    pub products: u64,
}

impl PairBounds {
    /// The least `ε` for which `|f(x) - f'(x)| ≤ ε` is shown for all outputs and all `x`.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        self.outputs.iter().map(|output| output.bounds.magnitude()).fold(0.0, f64::max)
    }
}

/// Bounds `f - f'` by two affine functions of the input for each output.
///
/// The pass substitutes both networks backward together. Its state are
/// coefficients on the difference and on the original's value,
///
/// ```text
/// δ_k = W' δ̂ + (W - W') x̂ + (b - b'),   x_k = W x̂ + b
/// ```
///
/// and each pair of ReLUs contributes faces of `ReLU(x) - ReLU(x - δ)`
/// ([`relu_difference_faces`](crate::relu_difference_faces)). At every layer the
/// bounds of `x`, `x'` and `δ` tighten each other, and where two separate CROWN
/// passes do better (coarse compression on a large region), theirs are taken.
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
/// let network = |w: f64| Network::relu_mlp(vec![
///     Affine::new(dmatrix![w; -1.0], dvector![0.0, 0.5]),
///     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// ]);
/// let pair = PairedNetworks::new(&network(1.0)?, &network(1.125)?)?;
/// let region = Region::linf_ball(&[0.0], 1.0, &Domain::Everything)?;
/// let bounds = nncert_bounds::differential(&pair, &region)?;
/// // The exact difference ReLU(x) - ReLU(1.125 x) is between -0.125 and 0.
/// let delta = bounds.outputs[0].bounds;
/// assert!(delta.lower <= -0.125 && delta.upper >= 0.0 && bounds.epsilon() < 0.1251);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn differential(pair: &PairedNetworks, region: &Region) -> Result<PairBounds, BoundsError> {
    differential_with(pair, region, &Relaxations::default(), Rounding::Outward)
}

/// [`differential`] with relaxations of the caller's choice.
///
/// The result is as sound as the relaxations are.
///
/// # Errors
///
/// As [`differential`].
pub fn differential_with(
    pair: &PairedNetworks,
    region: &Region,
    relaxations: &Relaxations,
    rounding: Rounding,
) -> Result<PairBounds, BoundsError> {
    let mut joint = Joint::new(pair, region, rounding)?;
    loop {
        let mut layer = joint.pending()?;
        match joint.original.gate() {
            None => return Ok(joint.outputs(layer)),
            Some(Gate::Open) => joint.pass_open(&layer),
            Some(Gate::Relu) => {
                joint.refine(&mut layer);
                joint.pass_relu(&layer, relaxations);
            }
        }
    }
}

/// Both networks and the difference, as far as they have been relaxed.
struct Joint<'a> {
    original: Chain<'a>,
    compressed: Chain<'a>,
    steps: Vec<JointStep>,
    /// Neurons after the last relaxed stage that are not dead in both networks.
    live: Vec<usize>,
    /// The bounds there of `x̂`, and of `δ̂`.
    values: Intervals,
    differences: Intervals,
    /// Room for one product.
    scratch: DMatrix<f64>,
    /// Multiplications in matrix products so far, beside those of the chains.
    products: u64,
}

/// The affine layers of the next stage, before their gates are relaxed.
struct JointPending {
    original: Pending,
    compressed: Pending,
    /// `W'` over the live inputs, `W` likewise, and `W - W'`, `b - b'`.
    compressed_weight: DMatrix<f64>,
    original_weight: DMatrix<f64>,
    difference: Dense,
    /// The bounds of `δ` so far.
    image: Image,
}

/// A relaxed stage of the pair, over live neurons only.
struct JointStep {
    original: DMatrix<f64>,
    compressed: DMatrix<f64>,
    difference: DMatrix<f64>,
    lines: GateLines,
    faces: GateFaces,
    toll: Toll,
}

impl<'a> Joint<'a> {
    fn new(
        pair: &'a PairedNetworks,
        region: &'a Region,
        rounding: Rounding,
    ) -> Result<Self, BoundsError> {
        let original = Chain::new(pair.original(), region, rounding)?;
        let compressed = Chain::new(pair.compressed(), region, rounding)?;
        let values = original.input.clone();
        Ok(Self {
            original,
            compressed,
            steps: Vec::new(),
            live: region.free().to_vec(),
            differences: Intervals::zeros(values.len()),
            scratch: DMatrix::zeros(0, 0),
            products: 0,
            values,
        })
    }

    fn pending(&self) -> Result<JointPending, BoundsError> {
        let (original, compressed) = (self.original.pending()?, self.compressed.pending()?);
        let stage = self.steps.len();
        let (f, g) = (&self.original.stages[stage].affine, &self.compressed.stages[stage].affine);
        let restricted = |affine: &Affine| Dense::restricted(affine, &self.live, self.values.len());
        let delta = difference(f, g);
        let first = self.steps.is_empty();
        let delta =
            if first { Dense::folded(&delta, self.original.region) } else { restricted(&delta) };
        let (unit, outward) = (original.unit, self.original.outward);
        let (full, copy) = (restricted(f), restricted(g));
        // Before the first layer there is no difference yet.
        let earlier = (!first).then_some((&copy, &self.differences));
        let mut image = image(earlier, (&delta, &self.values), unit, outward)
            .finite(self.original.stages[stage].layer)?;
        for neuron in 0..image.bounds.len() {
            let (x, y) = (original.image.bounds.get(neuron), compressed.image.bounds.get(neuron));
            image.bounds.set(neuron, image.bounds.get(neuron).intersect(apart(x, y)));
        }
        Ok(JointPending {
            original,
            compressed,
            original_weight: full.weight,
            compressed_weight: copy.weight,
            difference: delta,
            image,
        })
    }

    /// What underflow costs a row that passes a pending layer.
    fn underflow(&self, layer: &JointPending) -> f64 {
        layer.image.underflow(&self.differences) + layer.original.image.underflow(&self.values)
    }

    /// Bounds the difference of `neurons` of a pending layer by affine functions of the input.
    fn rows(&mut self, layer: &JointPending, neurons: &[usize]) -> Rows {
        let underflow = self.underflow(layer);
        let unit = layer.original.unit;
        let charge = |n: usize| layer.image.charge(unit, n) + underflow;
        let difference = &layer.difference;
        let mut rows = Rows::seed(&difference.weight, &difference.bias, neurons, charge);
        let mut delta = seed_coefficients(&layer.compressed_weight, neurons);
        for (index, step) in self.steps.iter().enumerate().rev() {
            step.pull(&mut delta, &mut rows, &mut self.scratch, index == 0, self.original.outward);
            let matrices = if index == 0 { 2 } else { 3 };
            self.products += (matrices * step.original.len() * rows.coefficients.ncols()) as u64;
        }
        rows
    }

    /// Tightens the bounds of `x`, `x'` and `δ` of a pending layer.
    fn refine(&mut self, layer: &mut JointPending) {
        let mixed = layer.mixed();
        let f = refine(&mut self.original, &mut layer.original, &mixed);
        let g = refine(&mut self.compressed, &mut layer.compressed, &mixed);
        let apart = f.minus(&g, &self.original.input);
        layer.tighten(&mixed, &apart.concretise(&self.original.input, self.original.outward));
        let mixed = layer.mixed();
        let rows = self.rows(layer, &mixed);
        layer.tighten(&mixed, &rows.concretise(&self.original.input, self.original.outward));
    }

    fn outputs(&mut self, mut layer: JointPending) -> PairBounds {
        let (region, outward) = (self.original.region, self.original.outward);
        let all: Vec<usize> = (0..layer.image.bounds.len()).collect();
        let f = refine(&mut self.original, &mut layer.original, &all);
        let g = refine(&mut self.compressed, &mut layer.compressed, &all);
        let joint = self.rows(&layer, &all);
        let input = &self.original.input;
        let apart = f.minus(&g, input);
        let joint_bounds = joint.concretise(input, outward);
        let apart_bounds = apart.concretise(input, outward);
        layer.tighten(&all, &apart_bounds);
        layer.tighten(&all, &joint_bounds);
        let outputs = all.iter().map(|&output| {
            let (j, a) = (joint_bounds[output], apart_bounds[output]);
            let lower = if j.lower >= a.lower { &joint } else { &apart };
            let upper = if j.upper <= a.upper { &joint } else { &apart };
            Envelope {
                lower: lower.lower_form(output, region, outward),
                upper: upper.upper_form(output, region, outward),
                bounds: layer.image.bounds.get(output),
            }
        });
        PairBounds {
            region: region.clone(),
            outputs: outputs.collect(),
            original: layer.original.image.bounds.iter().collect(),
            compressed: layer.compressed.image.bounds.iter().collect(),
            products: self.products + self.original.products + self.compressed.products,
        }
    }

    fn pass_relu(&mut self, layer: &JointPending, relaxations: &Relaxations) {
        let live: Vec<usize> = (0..layer.image.bounds.len())
            .filter(|&neuron| {
                let (x, y, _) = layer.at(neuron);
                x.upper > 0.0 || y.upper > 0.0
            })
            .collect();
        let lines = layer.original.gate(&live, |n| (relaxations.relu)(layer.at(n).0));
        let faces = layer.gate(&live, |n| {
            let (x, y, d) = layer.at(n);
            (relaxations.relu_difference)(x, y, d)
        });
        let values = live.iter().map(|&n| relu_interval(layer.at(n).0)).collect();
        let differences = live
            .iter()
            .map(|&neuron| {
                let (x, y, d) = layer.at(neuron);
                relu_difference_interval(x, y, d)
            })
            .collect();
        self.relax(layer, (faces, lines), live, values, differences);
        self.original.pass_relu(&layer.original, relaxations);
        self.compressed.pass_relu(&layer.compressed, relaxations);
    }

    fn pass_open(&mut self, layer: &JointPending) {
        let live: Vec<usize> = (0..layer.image.bounds.len()).collect();
        let open = Face { delta: 1.0, ..Face::default() };
        let faces = layer.gate(&live, |_| Faces { lower: open, upper: open });
        let lines = layer.original.gate(&live, |_| OPEN);
        let values = layer.original.image.bounds.clone();
        let differences = layer.image.bounds.clone();
        self.relax(layer, (faces, lines), live, values, differences);
        self.original.pass_open(&layer.original);
        self.compressed.pass_open(&layer.compressed);
    }

    fn relax(
        &mut self,
        layer: &JointPending,
        (faces, lines): (GateFaces, GateLines),
        live: Vec<usize>,
        values: Intervals,
        differences: Intervals,
    ) {
        let width = padded(live.len());
        self.steps.push(JointStep {
            original: padded_rows(&layer.original_weight, &live),
            compressed: padded_rows(&layer.compressed_weight, &live),
            difference: padded_rows(&layer.difference.weight, &live),
            lines,
            faces,
            toll: Toll { unit: layer.original.unit, underflow: self.underflow(layer) },
        });
        self.live = live;
        self.values = values.padded(width);
        self.differences = differences.padded(width);
    }
}

impl JointPending {
    /// A difference gate over the neurons `live`.
    fn gate(&self, live: &[usize], faces: impl Fn(usize) -> Faces) -> GateFaces {
        let neuron = |&n: &usize| {
            let charge = self.image.charge(self.original.unit, n);
            (faces(n), Before { bias: self.difference.bias[n], charge })
        };
        GateFaces::new(&live.iter().map(neuron).collect::<Vec<_>>())
    }

    /// The bounds of `x`, `x'` and `δ` of a neuron.
    fn at(&self, neuron: usize) -> (Interval, Interval, Interval) {
        let x = self.original.image.bounds.get(neuron);
        let y = self.compressed.image.bounds.get(neuron);
        (x, y, self.image.bounds.get(neuron))
    }

    /// The neurons whose two ReLUs are not both known to be on one side.
    fn mixed(&self) -> Vec<usize> {
        let mixed = |neuron: &usize| {
            let (x, y, _) = self.at(*neuron);
            unstable(x) || unstable(y) || (x.upper <= 0.0) != (y.upper <= 0.0)
        };
        (0..self.image.bounds.len()).filter(mixed).collect()
    }

    /// Takes over bounds of the differences of some neurons.
    fn tighten(&mut self, neurons: &[usize], bounds: &[Interval]) {
        for (&neuron, bound) in neurons.iter().zip(bounds) {
            let (mut x, mut y, d) = self.at(neuron);
            let mut d = d.intersect(*bound);
            reconcile(&mut x, &mut y, &mut d);
            self.original.image.bounds.set(neuron, x);
            self.compressed.image.bounds.set(neuron, y);
            self.image.bounds.set(neuron, d);
        }
    }
}

impl JointStep {
    /// Substitutes the stage backward. `rows` hold the coefficients on `x̂` and the
    /// constants, `delta` those on `δ̂`, which is nothing before the first layer.
    fn pull(
        &self,
        delta: &mut DMatrix<f64>,
        rows: &mut Rows,
        scratch: &mut DMatrix<f64>,
        first: bool,
        outward: bool,
    ) {
        let Rows { coefficients: x, constants } = rows;
        let gate = (&self.faces, &self.lines);
        if outward {
            through_difference_gate::<true>((delta, x), constants, gate, self.toll);
        } else {
            through_difference_gate::<false>((delta, x), constants, gate, self.toll);
        }
        reshape(scratch, self.original.ncols(), x.ncols());
        multiply_transposed(scratch, false, &self.original, x);
        multiply_transposed(scratch, true, &self.difference, delta);
        core::mem::swap(x, scratch);
        if !first {
            reshape(scratch, self.compressed.ncols(), delta.ncols());
            multiply_transposed(scratch, false, &self.compressed, delta);
            core::mem::swap(delta, scratch);
        }
    }
}

/// `x - y` for values known separately.
fn apart(x: Interval, y: Interval) -> Interval {
    use nncert_core::directed::{sub_down, sub_up};
    Interval::new(sub_down(x.lower, y.upper), sub_up(x.upper, y.lower))
}
