//! Forward quantization: layer by layer, the fewest bits after the point.

use nncert_bounds::{Scratch, crown_in};
use nncert_core::compress::LayerFormat;
use nncert_core::{Affine, Network};

use super::chain::Chain;
use super::synthesis::share;
use super::{
    CertifyOptions, Failure, Options, Preimage, Property, Strategy, SynthesisError, Verdict,
    certify_in, fitting_layer,
};
use crate::Watch;

/// A property with the preimages of all layers but the last.
#[derive(Clone, Debug)]
pub(super) struct Goal<'a> {
    pub(super) property: &'a Property,
    pub(super) preimages: Vec<Preimage>,
}

/// The strategy with the fewest bits after the point in each layer, the first layers first, for
/// which every hidden layer stays in the preimages of all goals, but for the ends that may
/// leave, and the outputs are what they must be.
///
/// Where no number of bits is enough for a layer, the layer before has one bit more, as often as is
/// asked: the fewest bits there may leave no room here.
///
/// Guarantee: sound about the outputs, which are bounded over the whole quantized network.
pub(super) fn forward(
    chain: &Chain,
    goals: &[Goal<'_>],
    options: &Options,
    scratch: &mut Scratch,
    watch: &Watch<'_>,
) -> Result<Result<Strategy, Failure>, SynthesisError> {
    let (mut layers, mut formats) = (Vec::<Affine>::new(), Vec::<LayerFormat>::new());
    // The fewest bits that are tried in each layer, and those that it got.
    let mut least = vec![options.least_fraction; chain.layers.len()];
    let (mut fractions, mut backtracks) = (Vec::<u32>::new(), options.backtracks);
    while let Some(layer) = chain.layers.get(layers.len()) {
        let index = layers.len();
        let mut found = None;
        for fraction in least[index]..=options.most_fraction {
            if watch.left().is_some_and(|left| left.is_zero()) {
                return Ok(Err(Failure::Time));
            }
            let format = fitting_layer(layer, fraction)?;
            let rounded = quantize(layer, format);
            let prefix = layers.iter().chain([&rounded]).cloned().collect();
            let network = Network::relu_mlp(prefix)?;
            if accepts(&network, index, chain, goals, options, scratch)? {
                found = Some((format, rounded, fraction));
                break;
            }
        }
        if let Some((format, rounded, fraction)) = found {
            formats.push(format);
            layers.push(rounded);
            fractions.push(fraction);
        } else if let (Some(before), true) = (fractions.pop(), backtracks > 0) {
            backtracks -= 1;
            formats.pop();
            layers.pop();
            least[index] = options.least_fraction;
            least[index - 1] = before + 1;
        } else {
            return Ok(Err(Failure::Fractions { layer: index }));
        }
    }
    Ok(Ok(Strategy { layers: formats }))
}

/// Whether the last layer of a quantized prefix is where it must be, for all goals.
fn accepts(
    network: &Network,
    layer: usize,
    chain: &Chain,
    goals: &[Goal<'_>],
    options: &Options,
    scratch: &mut Scratch,
) -> Result<bool, SynthesisError> {
    for goal in goals {
        let accepted = if layer + 1 == chain.layers.len() {
            // Bounds alone: a witness would be of no use here.
            let bounds = CertifyOptions { attack: 0, ..options.certify };
            let end = certify_in(scratch, network, goal.property, &bounds)?;
            matches!(end.verdict, Verdict::Certified(_))
        } else {
            let region = goal.property.inputs().bounding_box();
            let element = crown_in(scratch, network, region)?.outputs;
            let inside = goal.preimages[layer].contains(&element, region);
            let left = inside.iter().flatten().filter(|inside| !**inside).count();
            left <= share(options.relaxed, 2 * inside.len())
        };
        if !accepted {
            return Ok(false);
        }
    }
    Ok(true)
}

fn quantize(layer: &Affine, format: LayerFormat) -> Affine {
    Affine::new(
        layer.weight.map(|w| format.weight.quantize(w)),
        layer.bias.map(|b| format.bias.quantize(b)),
    )
}
