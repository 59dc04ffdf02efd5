//! A property as a mixed-integer model: for what bounds leave open.

use nncert_bounds::{Scratch, crown_in};
use nncert_core::{Affine, Interval, Network};

use super::chain::Chain;
use super::{
    DualBound, Effort, HalfSpace, LinearModel, Minimizer, Outputs, Proof, Property, Reason,
    SynthesisError, Verdict,
};
use crate::Watch;

/// How far a solver may miss each row, integer and range; its own tolerances are smaller.
pub const TOLERANCE: f64 = 1e-6;

/// Decides by a mixed-integer model whether a network of affine layers and ReLU has a property.
///
/// Every unstable neuron has a Boolean; ranges come from [`crown`](nncert_bounds::crown). The least
/// value of each inequality that bounds leave open is minimised, and its proven bound, less what
/// [`TOLERANCE`] in every row can come to at the outputs, has to be above zero:
///
/// ```text
/// e_0 = τ,   e_k = ‖W_k‖_∞ e_{k-1} + τ (1 + max(u, -l)),   least ≥ bound - |row|_1 e_L - τ
/// ```
///
/// It finds no witness: [`falsify`](super::falsify) does.
///
/// Guarantee: as far as the solver's proven bounds are right. [`Proof::Solver`] says that it was
/// asked.
///
/// # Errors
///
/// [`SynthesisError`] for other layers, a property that does not fit, bounds that overflow, and models
/// that the solver refuses.
///
/// # References
///
/// Tjeng, Xiao and Tedrake, *Evaluating Robustness of Neural Networks with Mixed Integer Programming*,
/// ICLR 2019.
pub fn certify_by_model(
    network: &Network,
    property: &Property,
    solver: &dyn Minimizer,
    watch: &Watch<'_>,
) -> Result<Verdict, SynthesisError> {
    property.check(network)?;
    let chain = Chain::of(network)?;
    let bounds = crown_in(&mut Scratch::default(), network, property.inputs().bounding_box())?;
    let outputs: Vec<Interval> = bounds.outputs.iter().map(|output| output.bounds).collect();
    let mut encoding = Encoding::new(property);
    for (layer, ranges) in chain.layers.iter().zip(&bounds.pre_activations) {
        encoding.hidden(layer, ranges);
    }
    let last = &chain.layers[chain.layers.len() - 1];
    encoding.affine(last, &outputs);
    let rows = property.outputs().rows();
    // Each row alone; of a disjunction the largest of all.
    let questions: Vec<&[HalfSpace]> = match property.outputs() {
        Outputs::All(_) => rows.chunks(1).collect(),
        Outputs::Any(_) => vec![rows],
    };
    for question in questions {
        let (model, margin) = encoding.question(question, &outputs);
        match solver.dual_bound(&model, &Effort { time: watch.left(), ..Effort::default() })? {
            DualBound::Infeasible => {}
            DualBound::AtLeast(bound) if bound - margin > 0.0 => {}
            DualBound::AtLeast(_) => return Ok(Verdict::Unknown(Reason::Bounds)),
            DualBound::Nothing => return Ok(Verdict::Unknown(Reason::Time)),
        }
    }
    Ok(Verdict::Certified(Proof::Solver))
}

/// A network up to some layer, in columns.
#[derive(Clone)]
struct Encoding {
    model: LinearModel,
    /// The column of each value that is not always 0.
    values: Vec<Option<usize>>,
    /// How far values can be from those of the network, for what the solver tolerates.
    error: f64,
}

impl Encoding {
    fn new(property: &Property) -> Self {
        let mut model = LinearModel::default();
        let region = property.inputs().bounding_box();
        let inputs = (0..region.dimension()).map(|input| region.interval(input));
        let values = inputs.map(|x| Some(model.column(x.lower, x.upper, false))).collect();
        for cut in property.inputs().cuts() {
            let terms = cut.coefficients.iter().enumerate().filter(|(_, c)| **c != 0.0);
            model.row(terms.map(|(at, c)| (at, -c)).collect(), -cut.bound);
        }
        Self { model, values, error: TOLERANCE }
    }

    /// The terms of a neuron's sum, times a sign.
    fn terms(&self, layer: &Affine, neuron: usize, sign: f64) -> Vec<(usize, f64)> {
        let weights = layer.weight.row(neuron);
        let pairs = weights.iter().zip(&self.values);
        pairs.filter_map(|(w, value)| Some(((*value)?, sign * w))).filter(|t| t.1 != 0.0).collect()
    }

    fn grow(&mut self, layer: &Affine, ranges: &[Interval]) {
        let rows = layer.weight.row_iter();
        let norm = rows.map(|row| row.iter().map(|w| w.abs()).sum::<f64>()).fold(0.0, f64::max);
        let most = ranges.iter().map(|range| range.magnitude()).fold(0.0, f64::max);
        self.error = (norm * self.error + TOLERANCE * (1.0 + most)) * (1.0 + 1e-9);
    }

    /// A layer with ReLU behind it.
    fn hidden(&mut self, layer: &Affine, ranges: &[Interval]) {
        let neuron = |(neuron, range): (usize, &Interval)| {
            if range.upper <= 0.0 {
                return None;
            }
            let value = self.model.column(range.lower.max(0.0), range.upper, false);
            let bias = layer.bias[neuron];
            // v ≥ z
            let mut terms = self.terms(layer, neuron, 1.0);
            terms.push((value, -1.0));
            self.model.row(terms, -bias);
            // v ≤ z where it is active, and 0 where it is not.
            let mut terms = self.terms(layer, neuron, -1.0);
            terms.push((value, 1.0));
            if range.lower >= 0.0 {
                self.model.row(terms, bias);
            } else {
                let active = self.model.column(0.0, 1.0, true);
                terms.push((active, -range.lower));
                self.model.row(terms, bias - range.lower);
                self.model.row(vec![(value, 1.0), (active, -range.upper)], 0.0);
            }
            Some(value)
        };
        let values = ranges.iter().enumerate().map(neuron).collect();
        self.values = values;
        self.grow(layer, ranges);
    }

    /// A layer without.
    fn affine(&mut self, layer: &Affine, ranges: &[Interval]) {
        let neuron = |(neuron, range): (usize, &Interval)| {
            let value = self.model.column(range.lower, range.upper, false);
            for sign in [1.0, -1.0] {
                let mut terms = self.terms(layer, neuron, sign);
                terms.push((value, -sign));
                self.model.row(terms, -sign * layer.bias[neuron]);
            }
            Some(value)
        };
        let values = ranges.iter().enumerate().map(neuron).collect();
        self.values = values;
        self.grow(layer, ranges);
    }

    /// The model that minimises the largest of some inequalities, and the margin of its bound.
    fn question(&self, rows: &[HalfSpace], outputs: &[Interval]) -> (LinearModel, f64) {
        let mut model = self.model.clone();
        let size = |row: &HalfSpace| row.coefficients.iter().map(|c| c.abs()).sum::<f64>();
        let reach = |row: &HalfSpace| {
            let terms = row.coefficients.iter().zip(outputs).map(|(c, y)| c.abs() * y.magnitude());
            terms.sum::<f64>() + row.bound.abs() + 1.0
        };
        let most = rows.iter().map(reach).fold(1.0, f64::max);
        model.objective = model.column(-most, most, false);
        for row in rows {
            // coefficients · y - bound ≤ t
            let terms = row.coefficients.iter().zip(&self.values).filter(|(c, _)| **c != 0.0);
            let mut terms: Vec<_> = terms.filter_map(|(c, value)| Some(((*value)?, *c))).collect();
            terms.push((model.objective, -1.0));
            model.row(terms, row.bound);
        }
        let margin = rows.iter().map(size).fold(0.0, f64::max) * self.error + TOLERANCE;
        (model, margin * (1.0 + 1e-9))
    }
}
