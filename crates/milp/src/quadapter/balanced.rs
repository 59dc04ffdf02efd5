//! Preimages from the front: one scaling for all layers, and slack where it is needed.

use nncert_bounds::{AlphaOptions, Scratch};
use nncert_core::directed::add_up;

use super::chain::Chain;
use super::scaling::largest;
use super::synthesis::Backward;
use super::{Failure, Image, Options, Preimage, Property, Scaling, Step, SynthesisError};
use crate::Watch;

/// Preimages of all layers with one scaling.
///
/// Backward, the slack of a layer is spread over its neurons by one number, before it is known
/// which of them the layer before needs; in deep networks the image of an element alone, without any
/// scaling, then leaves the next template. Here templates go forward: that of the first layer
/// is its element scaled by `χ`; that of the next is what the image of the one before needs, and
/// `χ` steps more for its own weights. All of them are preimages if the last is mapped
/// into `O`, and `χ` is the largest number for which bounds show that.
///
/// ```text
/// below_j, above_j = what layer k maps the template k - 1 beyond its element at j + χ · step_j
/// ```
///
/// Guarantee: sound. The templates are under-approximate preimages in the sense of the paper
/// (definition 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balanced {
    /// How exactly the largest scaling is searched for, as a share of it.
    pub precision: f64,
    /// The steps of α-CROWN for the last layer, where CROWN is not enough.
    pub alpha: Option<AlphaOptions>,
}

impl Default for Balanced {
    /// To two percent, with a dozen steps.
    fn default() -> Self {
        let alpha = AlphaOptions { iterations: 12, intermediate: 0, ..AlphaOptions::default() };
        Self { precision: 0.02, alpha: Some(alpha) }
    }
}

impl Balanced {
    pub(super) fn preimages(
        &self,
        chain: &Chain,
        property: &Property,
        options: &Options,
        scratch: &mut Scratch,
        watch: &Watch<'_>,
    ) -> Result<Backward, SynthesisError> {
        let (inputs, step) = (property.inputs(), options.step);
        let hidden = chain.layers.len() - 1;
        if hidden == 0 {
            return Ok((Vec::new(), Ok(Vec::new())));
        }
        let mut images = Vec::with_capacity(hidden);
        let mut element = chain.element(0, inputs.bounding_box(), scratch)?;
        let first = element.clone();
        for layer in 1..hidden {
            let next = chain.element(layer, inputs.bounding_box(), scratch)?;
            let target = Preimage::scaled(next.clone(), step, 0.0);
            let affine = &chain.layers[layer];
            images.push((Image::of_template(inputs, element, step, affine, &target), target));
            element = next;
        }
        let affine = &chain.layers[hidden];
        let last = Image::of_outputs(inputs, element, step, affine, property.outputs());
        let mut found = None;
        let scaling = largest(self.precision, watch, |scale| {
            let mut templates = vec![Preimage::scaled(first.clone(), step, scale)];
            for (image, target) in &images {
                let before = templates.last().expect("the first is there");
                let beyond = image.rows_least(before, None, scratch)?;
                templates.push(reaching(target, &beyond, scale, step));
            }
            let before = templates.last().expect("the first is there");
            let least = last.summary(&last.rows_least(before, self.alpha.as_ref(), scratch)?);
            if least > 0.0 {
                found = Some(templates);
            }
            Ok(least)
        })?;
        Ok(match (scaling, found) {
            (Scaling::Found(scale), Some(templates)) => (vec![scale; hidden], Ok(templates)),
            (Scaling::Time, _) => (Vec::new(), Err(Failure::Time)),
            _ => (Vec::new(), Err(Failure::Preimage { layer: hidden - 1 })),
        })
    }
}

/// The template that holds the image of the one before and reaches so many steps further.
///
/// `least` is at most how far the image stays inside the element, above and below each neuron.
fn reaching(target: &Preimage, least: &[f64], scale: f64, step: Step) -> Preimage {
    let mut template = Preimage::scaled(target.element.clone(), step, scale);
    for (neuron, rows) in least.chunks(2).enumerate() {
        template.above[neuron] = add_up(template.above[neuron], (-rows[0]).max(0.0));
        template.below[neuron] = add_up(template.below[neuron], (-rows[1]).max(0.0));
    }
    template
}
