//! Joint backward propagation of a network and its compressed copy.

use core::fmt;

use nalgebra::DMatrix;
use nncert_core::product::{multiply_transposed, reshape};
use nncert_core::{Interval, PairedNetworks, Region};

use crate::chain::{Chain, Pending, Step, unstable};
use crate::dense::{Bias, Image, Weights};
use crate::envelope::Envelope;
use crate::influence::{Influence, face_gap, line_gap};
use crate::intervals::Intervals;
use crate::kernel::{Before, GateFaces, Toll, padded, through_difference_gate};
use crate::relaxations::Relaxations;
use crate::relu::{Face, Faces, reconcile, relu_difference_interval};
use crate::rows::Rows;
use crate::stability::Stability;
use crate::stage::Gate;
use crate::{BoundsError, Rounding};

/// What [`differential`] returns: bounds of `f`, `f'` and `f - f'`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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

impl fmt::Display for PairBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "|f - f'| <= {} on {}", self.epsilon(), self.region)?;
        for (output, envelope) in self.outputs.iter().enumerate() {
            write!(f, "\n  output {output}: {}", envelope.bounds)?;
        }
        Ok(())
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
    Joint::new(pair, region, rounding)?.run(relaxations, None)
}

/// What the bounds of a pair leave for the parts of the region.
#[derive(Debug)]
pub(crate) struct Lessons {
    /// For each free input how much the bounds owe to the width of its interval.
    pub(crate) influence: Vec<f64>,
    /// The sides of the ReLUs of the original and of the copy.
    pub(crate) stability: [Stability; 2],
}

/// [`differential`] of some outputs, in that order, on part of a region, with what is
/// known of the whole.
///
/// Guarantee: the bounds are sound, the influence is heuristic.
pub(crate) fn differential_within(
    pair: &PairedNetworks,
    region: &Region,
    outputs: &[usize],
    known: Option<&[Stability; 2]>,
) -> Result<(PairBounds, Lessons), BoundsError> {
    let mut joint = Joint::new(pair, region, Rounding::Outward)?;
    joint.influence = Some(Influence::new(&joint.original.input));
    if let Some([original, compressed]) = known {
        joint.original.known = Some(original);
        joint.compressed.known = Some(compressed);
    }
    let bounds = joint.run(&Relaxations::default(), Some(outputs))?;
    let influence = joint.influence.map(Influence::scores).unwrap_or_default();
    let stability = [joint.original.found, joint.compressed.found];
    Ok((bounds, Lessons { influence, stability }))
}

/// From this share of a neuron's own interval on, a difference is not small.
const COARSE: f64 = 1.0 / 64.0;

/// Both networks and the difference, as far as they have been relaxed.
///
/// The two chains keep the same neurons, those that are not dead in both networks,
/// so that the weights of one serve the other.
struct Joint<'a> {
    original: Chain<'a>,
    compressed: Chain<'a>,
    steps: Vec<JointStep>,
    /// The bounds of `δ̂` after the last relaxed stage, padded.
    differences: Intervals,
    /// Room for one product.
    scratch: DMatrix<f64>,
    /// Multiplications in matrix products so far, beside those of the chains.
    products: u64,
    /// Whether most differences were coarse in the layer before.
    coarse: bool,
    /// What the bounds owe to each input, when it is asked for.
    influence: Option<Influence>,
}

/// The affine layers of the next stage, before their gates are relaxed.
struct JointPending {
    original: Pending,
    compressed: Pending,
    /// `b - b'`.
    bias: Bias,
    /// The bounds of `δ` so far.
    image: Image,
}

/// What a relaxed stage of the pair has beside those of the two chains.
struct JointStep {
    /// `W - W'`.
    difference: DMatrix<f64>,
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
        Ok(Self {
            differences: Intervals::zeros(original.input.len()),
            original,
            compressed,
            steps: Vec::new(),
            scratch: DMatrix::zeros(0, 0),
            products: 0,
            coarse: false,
            influence: None,
        })
    }

    /// Bounds some outputs, or all of them.
    fn run(
        &mut self,
        relaxations: &Relaxations,
        outputs: Option<&[usize]>,
    ) -> Result<PairBounds, BoundsError> {
        loop {
            let mut layer = self.pending()?;
            match self.original.gate() {
                None => {
                    let all: Vec<usize> = (0..layer.image.bounds.len()).collect();
                    return Ok(self.outputs(layer, outputs.unwrap_or(&all)));
                }
                Some(Gate::Open) => self.pass_open(&layer),
                Some(Gate::Relu) => {
                    self.refine(&mut layer);
                    self.pass_relu(&layer, relaxations);
                }
            }
        }
    }

    /// `W - W'` and `W'` of the next stage.
    fn weights(&self) -> (Weights<'_>, Weights<'_>) {
        let (f, g) = (&self.original.stage().affine.weight, &self.compressed.stage().affine.weight);
        (Weights::Difference(f, g), Weights::Plain(g))
    }

    fn pending(&self) -> Result<JointPending, BoundsError> {
        let (original, compressed) = (self.original.pending()?, self.compressed.pending()?);
        let (difference, copy) = self.weights();
        let stage = self.original.stage();
        let mut bias = Bias::new(&stage.affine, Some(&self.compressed.stage().affine));
        let values = &self.original.values;
        let terms = [(difference, values), (copy, &self.differences)];
        // Before the first layer there is no difference yet.
        let first = self.steps.is_empty();
        if first {
            bias = bias.fold(difference, self.original.region);
        }
        let terms = if first { &terms[..1] } else { &terms };
        let (live, unit) = (&self.original.live, original.image.unit);
        let mut image =
            Image::new(&bias, live, terms, unit, self.original.outward).finite(stage.layer)?;
        for neuron in 0..image.bounds.len() {
            let (x, y) = (original.image.bounds.get(neuron), compressed.image.bounds.get(neuron));
            image.bounds.set(neuron, image.bounds.get(neuron).intersect(apart(x, y)));
        }
        image.underflow += original.image.underflow;
        Ok(JointPending { original, compressed, bias, image })
    }

    /// Bounds the difference of `neurons` of a pending layer by affine functions of the
    /// input; when they are the outputs, weighs what each stage costs them.
    fn rows(&mut self, layer: &JointPending, neurons: &[usize], output: bool) -> Rows {
        let (live, width) = (&self.original.live, self.original.values.len());
        let (difference, copy) = self.weights();
        let coefficients = difference.seed(neurons, live, width);
        let mut rows = Rows::seed(coefficients, &layer.bias, &layer.image, neurons);
        let mut delta = copy.seed(neurons, live, width);
        let chains = self.original.steps.iter().zip(&self.compressed.steps);
        for (index, (step, (f, g))) in self.steps.iter().zip(chains).enumerate().rev() {
            let pull = Pull { step, original: f, compressed: g, outward: self.original.outward };
            let first = index == 0;
            if let (true, Some(influence)) = (output, &mut self.influence) {
                influence.weigh(index, &delta, &rows.coefficients);
            }
            pull.run(&mut delta, &mut rows, &mut self.scratch, first);
            let matrices = if first { 2 } else { 3 };
            self.products += (matrices * f.weight.len() * rows.coefficients.ncols()) as u64;
        }
        rows
    }

    /// Tightens the bounds of `x`, `x'` and `δ` of a pending layer.
    fn refine(&mut self, layer: &mut JointPending) {
        let mixed = layer.mixed();
        let f = self.original.refine(&mut layer.original, &mixed);
        if let Some(influence) = &mut self.influence {
            influence.remember(&mixed, &f, &layer.original.image.bounds);
        }
        // What was coarse in the layer before is likely to be so in this one: then the
        // two passes apart come first, and leave fewer neurons to the joint one.
        if self.coarse {
            self.refine_apart(layer, &mixed, &f);
            let rest = layer.mixed();
            self.refine_jointly(layer, &rest);
        } else {
            self.refine_jointly(layer, &mixed);
            // Where the difference is small, `x - δ` bounds `x'` as well as a pass of its own.
            let coarse = |&row: &usize| layer.is_mixed(mixed[row]) && layer.is_coarse(mixed[row]);
            let coarse: Vec<usize> = (0..mixed.len()).filter(coarse).collect();
            if !coarse.is_empty() {
                let neurons: Vec<usize> = coarse.iter().map(|&row| mixed[row]).collect();
                self.refine_apart(layer, &neurons, &f.pick(&coarse));
            }
        }
        let coarse = mixed.iter().filter(|&&neuron| layer.is_coarse(neuron)).count();
        self.coarse = 2 * coarse > mixed.len();
    }

    /// Tightens the bounds of some neurons by the joint pass.
    fn refine_jointly(&mut self, layer: &mut JointPending, neurons: &[usize]) {
        let rows = self.rows(layer, neurons, false);
        layer.tighten(neurons, &rows.concretise(&self.original.input, self.original.outward));
    }

    /// Tightens the bounds of some neurons by a pass over `f'`, and by how far it stays
    /// from the pass over `f` that gave `f`.
    fn refine_apart(&mut self, layer: &mut JointPending, neurons: &[usize], f: &Rows) {
        let g = self.compressed.refine(&mut layer.compressed, neurons);
        let apart = f.minus(&g, &self.original.input);
        layer.tighten(neurons, &apart.concretise(&self.original.input, self.original.outward));
    }

    fn outputs(&mut self, mut layer: JointPending, outputs: &[usize]) -> PairBounds {
        let (region, outward) = (self.original.region, self.original.outward);
        let f = self.original.refine(&mut layer.original, outputs);
        let g = self.compressed.refine(&mut layer.compressed, outputs);
        let joint = self.rows(&layer, outputs, true);
        let input = &self.original.input;
        let apart = f.minus(&g, input);
        let joint_bounds = joint.concretise(input, outward);
        let apart_bounds = apart.concretise(input, outward);
        layer.tighten(outputs, &apart_bounds);
        layer.tighten(outputs, &joint_bounds);
        if let Some(influence) = &mut self.influence {
            influence.spread(&joint);
        }
        let envelopes = outputs.iter().enumerate().map(|(row, &output)| {
            let (j, a) = (joint_bounds[row], apart_bounds[row]);
            let lower = if j.lower >= a.lower { &joint } else { &apart };
            let upper = if j.upper <= a.upper { &joint } else { &apart };
            Envelope {
                lower: lower.lower_form(row, region, outward),
                upper: upper.upper_form(row, region, outward),
                bounds: layer.image.bounds.get(output),
            }
        });
        PairBounds {
            region: region.clone(),
            outputs: envelopes.collect(),
            original: outputs.iter().map(|&o| layer.original.image.bounds.get(o)).collect(),
            compressed: outputs.iter().map(|&o| layer.compressed.image.bounds.get(o)).collect(),
            products: self.products + self.original.products + self.compressed.products,
        }
    }

    fn pass_relu(&mut self, layer: &JointPending, relaxations: &Relaxations) {
        let alive = |neuron: &usize| {
            let (x, y, _) = layer.at(*neuron);
            x.upper > 0.0 || y.upper > 0.0
        };
        let live: Vec<usize> = (0..layer.image.bounds.len()).filter(alive).collect();
        let faces = layer.gate(&live, |n| {
            let (x, y, d) = layer.at(n);
            (relaxations.relu_difference)(x, y, d)
        });
        let difference = |&neuron: &usize| {
            let (x, y, d) = layer.at(neuron);
            relu_difference_interval(x, y, d)
        };
        if let Some(influence) = &mut self.influence {
            let gaps = |n: usize| {
                let (x, y, d) = layer.at(n);
                let faces = (relaxations.relu_difference)(x, y, d);
                (face_gap(&faces, x, d), line_gap(x))
            };
            influence.gate(&live, gaps);
        }
        self.pass(layer, faces, &live, live.iter().map(difference).collect());
        self.original.pass_relu(&layer.original, relaxations, live.clone());
        self.compressed.pass_relu(&layer.compressed, relaxations, live);
    }

    fn pass_open(&mut self, layer: &JointPending) {
        let live: Vec<usize> = (0..layer.image.bounds.len()).collect();
        let open = Face { delta: 1.0, ..Face::default() };
        let faces = layer.gate(&live, |_| Faces { lower: open, upper: open });
        if let Some(influence) = &mut self.influence {
            influence.open();
        }
        self.pass(layer, faces, &live, layer.image.bounds.clone());
        self.original.pass_open(&layer.original);
        self.compressed.pass_open(&layer.compressed);
    }

    fn pass(
        &mut self,
        JointPending { image, .. }: &JointPending,
        faces: GateFaces,
        live: &[usize],
        differences: Intervals,
    ) {
        let (inputs, width) = (&self.original.live, self.original.values.len());
        let difference = self.weights().0.compact(live, inputs, width);
        let toll = Toll { unit: image.unit, underflow: image.underflow };
        self.steps.push(JointStep { difference, faces, toll });
        self.differences = differences.padded(padded(live.len()));
    }
}

impl JointPending {
    /// A difference gate over the neurons `live`.
    fn gate(&self, live: &[usize], faces: impl Fn(usize) -> Faces) -> GateFaces {
        let neuron = |&n: &usize| {
            (faces(n), Before { bias: self.bias.value[n], charge: self.image.charge(n) })
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
        (0..self.image.bounds.len()).filter(|&neuron| self.is_mixed(neuron)).collect()
    }

    fn is_mixed(&self, neuron: usize) -> bool {
        let (x, y, _) = self.at(neuron);
        unstable(x) || unstable(y) || (x.upper <= 0.0) != (y.upper <= 0.0)
    }

    /// Whether the difference of a neuron is not small beside the neuron itself.
    fn is_coarse(&self, neuron: usize) -> bool {
        let (x, _, d) = self.at(neuron);
        d.width() > COARSE * x.width()
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

/// A relaxed stage of the pair, put together.
struct Pull<'a> {
    step: &'a JointStep,
    original: &'a Step,
    compressed: &'a Step,
    outward: bool,
}

impl Pull<'_> {
    /// Substitutes the stage backward. `rows` hold the coefficients on `x̂` and the
    /// constants, `delta` those on `δ̂`, which is nothing before the first layer.
    fn run(
        &self,
        delta: &mut DMatrix<f64>,
        rows: &mut Rows,
        scratch: &mut DMatrix<f64>,
        first: bool,
    ) {
        let Rows { coefficients: x, constants } = rows;
        let (gate, toll) = ((&self.step.faces, &self.original.gate), self.step.toll);
        if self.outward {
            through_difference_gate::<true>((delta, x), constants, gate, toll);
        } else {
            through_difference_gate::<false>((delta, x), constants, gate, toll);
        }
        reshape(scratch, self.original.weight.ncols(), x.ncols());
        multiply_transposed(scratch, false, &self.original.weight, x);
        multiply_transposed(scratch, true, &self.step.difference, delta);
        core::mem::swap(x, scratch);
        if !first {
            reshape(scratch, self.compressed.weight.ncols(), delta.ncols());
            multiply_transposed(scratch, false, &self.compressed.weight, delta);
            core::mem::swap(delta, scratch);
        }
    }
}

/// `x - y` for values known separately.
fn apart(x: Interval, y: Interval) -> Interval {
    use nncert_core::directed::{sub_down, sub_up};
    Interval::new(sub_down(x.lower, y.upper), sub_up(x.upper, y.lower))
}
