//! Whether one layer maps a template into what comes after it.
//!
//! Values of a template are free between two affine functions of the input, and every
//! inequality of the target is monotone in each of them. So its worst case over the
//! template is a function of the input alone, and that function is a ReLU network of one hidden
//! layer: where a value counts positively its lower end, where it counts negatively its upper
//! end. What bounds networks bounds the image of a template.

use nalgebra::{DMatrix, DVector};
use nncert_bounds::{AlphaOptions, Envelope, Scratch, alpha_crown, crown_in};
use nncert_core::directed::{add_down, add_up, mul_down, mul_up, sub_down, sub_up};
use nncert_core::{Activation, Affine, Layer, Network, NetworkError, Region, Residual};

use super::{HalfSpace, Inputs, Outputs, Preimage, Step, SynthesisError};

/// The most rows that are bounded again: where more fail, the scaling is hopeless.
const REFINED: usize = 48;

/// An inequality that the values after ReLU must satisfy:
///
/// ```text
/// weights · ReLU(z) + coefficients · x + constant > 0
/// ```
#[derive(Clone, Debug)]
pub(super) struct ImageRow {
    pub(super) weights: Vec<f64>,
    /// How far each weight may be from the true one.
    error: Vec<f64>,
    /// Of the input; empty for none.
    pub(super) coefficients: Vec<f64>,
    pub(super) constant: f64,
}

/// The question for which scalings a layer maps the template of an element into a target.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    inputs: &'a Inputs,
    element: Vec<Envelope>,
    step: Step,
    rows: Vec<ImageRow>,
    /// Whether one of the rows is enough.
    any: bool,
    /// How many neurons of the target may leave it.
    leaving: usize,
}

impl<'a> Image<'a> {
    /// The layer must map the template into the outputs of a property.
    pub(super) fn of_outputs(
        inputs: &'a Inputs,
        element: Vec<Envelope>,
        step: Step,
        layer: &Affine,
        outputs: &Outputs,
    ) -> Self {
        let rows = outputs.rows().iter().map(|row| output_row(layer, row)).collect();
        let any = matches!(outputs, Outputs::Any(_));
        Self { inputs, element, step, rows, any, leaving: 0 }
    }

    /// The layer must map the template into the preimage of the next one, as far as ReLU sees it.
    pub(super) fn of_preimage(
        inputs: &'a Inputs,
        element: Vec<Envelope>,
        step: Step,
        layer: &Affine,
        target: &Preimage,
    ) -> Self {
        let mut image = Self::of_template(inputs, element, step, layer, target);
        for (neuron, [above, _]) in image.rows.as_chunks_mut().0.iter_mut().enumerate() {
            let most = target.element[neuron].upper.range(inputs.bounding_box()).upper;
            if add_up(most, target.above[neuron]) <= 0.0 {
                *above = inactive_row(layer, neuron);
            }
        }
        image
    }

    /// The same, where so many neurons of the next layer may leave.
    pub(super) fn with_leaving(self, leaving: usize) -> Self {
        Self { leaving, ..self }
    }

    /// How far the layer maps the template beyond another one: above, at neurons that are never
    /// active, too.
    pub(super) fn of_template(
        inputs: &'a Inputs,
        element: Vec<Envelope>,
        step: Step,
        layer: &Affine,
        target: &Preimage,
    ) -> Self {
        let region = inputs.bounding_box();
        let neurons = 0..layer.outputs();
        let rows = neurons.flat_map(|neuron| template_rows(layer, target, neuron, region));
        Self { inputs, element, step, rows: rows.collect(), any: false, leaving: 0 }
    }

    /// The inputs.
    #[must_use]
    pub fn inputs(&self) -> &Inputs {
        self.inputs
    }

    /// The rows.
    pub(super) fn rows(&self) -> &[ImageRow] {
        &self.rows
    }

    /// Whether one of the rows is enough.
    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// The template with a scaling.
    #[must_use]
    pub fn template(&self, scale: f64) -> Preimage {
        Preimage::scaled(self.element.clone(), self.step, scale)
    }

    /// How far at least the layer maps the template inside the target: the template is a
    /// preimage where this is positive.
    ///
    /// CROWN bounds all rows; those that it does not show, α-CROWN bounds again, if asked.
    ///
    /// Guarantee: sound, if [`Image::leaving`] is 0.
    ///
    /// # Errors
    ///
    /// [`SynthesisError::Bounds`] when a bound overflows.
    pub fn least(
        &self,
        scale: f64,
        alpha: Option<&AlphaOptions>,
        scratch: &mut Scratch,
    ) -> Result<f64, SynthesisError> {
        Ok(self.summary(&self.rows_least(&self.template(scale), alpha, scratch)?))
    }

    /// [`Image::least`] of each row, for any template of the element.
    pub(super) fn rows_least(
        &self,
        template: &Preimage,
        alpha: Option<&AlphaOptions>,
        scratch: &mut Scratch,
    ) -> Result<Vec<f64>, SynthesisError> {
        let region = self.inputs.bounding_box();
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let network = self.worst_case(template, &all)?;
        let outputs = crown_in(scratch, &network, region)?.outputs;
        let mut least: Vec<f64> = outputs.iter().map(|output| self.least_of(output)).collect();
        if let Some(alpha) = alpha {
            let open: Vec<usize> = all.into_iter().filter(|row| least[*row] <= 0.0).collect();
            if (1..=REFINED).contains(&open.len()) {
                let network = self.worst_case(template, &open)?;
                let outputs = alpha_crown(&network, region, alpha)?.outputs;
                for (row, output) in open.into_iter().zip(&outputs) {
                    least[row] = least[row].max(self.least_of(output));
                }
            }
        }
        Ok(least)
    }

    fn least_of(&self, output: &Envelope) -> f64 {
        let bound = output.bounds.lower;
        if self.inputs.cuts().is_empty() {
            bound
        } else {
            bound.max(self.inputs.least(&output.lower))
        }
    }

    /// The bound that decides, of those of all rows.
    pub(super) fn summary(&self, least: &[f64]) -> f64 {
        if self.any {
            return least.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        }
        if self.leaving == 0 {
            return least.iter().copied().fold(f64::INFINITY, f64::min);
        }
        // Two rows a neuron.
        let neurons = least.chunks(2);
        let mut neurons: Vec<f64> =
            neurons.map(|rows| rows.iter().copied().fold(f64::INFINITY, f64::min)).collect();
        neurons.sort_by(f64::total_cmp);
        neurons.get(self.leaving).copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// How many neurons of the next layer may leave their template.
    ///
    /// Where it is not 0, what comes out is no preimage, but a guide to the bits of a layer.
    #[must_use]
    pub fn leaving(&self) -> usize {
        self.leaving
    }

    /// The network whose outputs are the worst cases of rows over a template, or less.
    pub(super) fn worst_case(
        &self,
        template: &Preimage,
        rows: &[usize],
    ) -> Result<Network, NetworkError> {
        let rows: Vec<&ImageRow> = rows.iter().map(|row| &self.rows[*row]).collect();
        let (neurons, inputs) = (self.element.len(), self.inputs.bounding_box().dimension());
        let ends = |at: usize| {
            let (neuron, below) = (at % neurons, at < neurons);
            let envelope = &self.element[neuron];
            if below {
                (&envelope.lower, sub_down(envelope.lower.constant, template.below[neuron]))
            } else {
                (&envelope.upper, add_up(envelope.upper.constant, template.above[neuron]))
            }
        };
        let first = Affine::new(
            DMatrix::from_fn(2 * neurons, inputs, |row, at| ends(row).0.coefficients[at]),
            DVector::from_fn(2 * neurons, |row, _| ends(row).1),
        );
        let second = DMatrix::from_fn(rows.len(), 2 * neurons, |row, at| {
            let weight = rows[row].weights[at % neurons];
            if (weight > 0.0) == (at < neurons) { weight } else { 0.0 }
        });
        let most = self.most(template);
        let constants = rows.iter().map(|row| row.constant_for(&most));
        let second = Affine::new(second, DVector::from_iterator(rows.len(), constants));
        let body: Vec<Layer> = vec![first.into(), Activation::Relu.into(), second.into()];
        if rows.iter().all(|row| row.coefficients.is_empty()) {
            return Network::new(inputs, body);
        }
        let shortcut = DMatrix::from_fn(rows.len(), inputs, |row, at| {
            rows[row].coefficients.get(at).copied().unwrap_or(0.0)
        });
        let shortcut = vec![Affine::new(shortcut, DVector::zeros(rows.len())).into()];
        Network::new(inputs, vec![Residual { body, shortcut }.into()])
    }

    /// At least `ReLU(z)` on a template.
    pub(super) fn most(&self, template: &Preimage) -> Vec<f64> {
        let region = self.inputs.bounding_box();
        let pairs = self.element.iter().zip(&template.above);
        pairs.map(|(e, slack)| add_up(e.upper.range(region).upper, *slack).max(0.0)).collect()
    }

    /// The abstract element.
    pub(super) fn element(&self) -> &[Envelope] {
        &self.element
    }

    /// The step of each neuron.
    pub(super) fn steps(&self) -> Vec<f64> {
        super::preimage::steps(&self.element, self.step)
    }
}

impl ImageRow {
    /// The constant, less what the errors of the weights can take; `most` is at least `ReLU(z)`.
    pub(super) fn constant_for(&self, most: &[f64]) -> f64 {
        let pairs = self.error.iter().zip(most).filter(|(error, _)| **error > 0.0);
        pairs.fold(self.constant, |sum, (error, most)| sub_down(sum, mul_up(*error, *most)))
    }
}

/// `row · (W ReLU(z) + b) - bound`.
fn output_row(layer: &Affine, row: &HalfSpace) -> ImageRow {
    let (mut weights, mut error) = (Vec::new(), Vec::new());
    for column in layer.weight.column_iter() {
        let (mut low, mut high) = (0.0, 0.0);
        for (c, w) in row.coefficients.iter().zip(&column) {
            low = add_down(low, mul_down(*c, *w));
            high = add_up(high, mul_up(*c, *w));
        }
        weights.push(low);
        error.push(sub_up(high, low));
    }
    let terms = row.coefficients.iter().zip(&layer.bias);
    let constant = terms.fold(-row.bound, |sum, (c, b)| add_down(sum, mul_down(*c, *b)));
    ImageRow { weights, error, coefficients: Vec::new(), constant }
}

/// That a neuron stays below the upper end of its template, and above the lower one where that is
/// ever positive.
fn template_rows(
    layer: &Affine,
    target: &Preimage,
    neuron: usize,
    region: &Region,
) -> [ImageRow; 2] {
    let (envelope, above) = (&target.element[neuron], target.above[neuron]);
    let weights: Vec<f64> = layer.weight.row(neuron).iter().copied().collect();
    let (bias, error) = (layer.bias[neuron], vec![0.0; weights.len()]);
    let above = ImageRow {
        weights: weights.iter().map(|w| -w).collect(),
        error: error.clone(),
        coefficients: envelope.upper.coefficients.clone(),
        constant: sub_down(add_down(envelope.upper.constant, above), bias),
    };
    if sub_up(envelope.lower.range(region).upper, target.below[neuron]) <= 0.0 {
        // ReLU is not negative: nothing is asked, and 1 > 0.
        let (weights, coefficients) = (vec![0.0; weights.len()], Vec::new());
        return [above, ImageRow { weights, error, coefficients, constant: 1.0 }];
    }
    let below = ImageRow {
        weights,
        error,
        coefficients: envelope.lower.coefficients.iter().map(|c| -c).collect(),
        constant: sub_down(add_down(bias, target.below[neuron]), envelope.lower.constant),
    };
    [above, below]
}

/// That a neuron is not active.
fn inactive_row(layer: &Affine, neuron: usize) -> ImageRow {
    let weights: Vec<f64> = layer.weight.row(neuron).iter().map(|w| -w).collect();
    let error = vec![0.0; weights.len()];
    ImageRow { weights, error, coefficients: Vec::new(), constant: -layer.bias[neuron] }
}
