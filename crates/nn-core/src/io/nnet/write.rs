//! [`Nnet`] to text.

use core::fmt::{self, Write};

use super::normalization::check_entry;
use super::{MAX_COMMENTS, Nnet, NormalizationError, UnusedInput};
use crate::{Activation, Affine, Layer, LayerKind, MAX_WIDTH};

/// The `.nnet` text of a network.
///
/// Numbers are the shortest decimals that read back as the same `f64`; every line
/// of numbers ends in a comma.
///
/// Guarantee: exact. [`parse`](super::parse) of the result gives an equal value.
///
/// # Errors
///
/// [`NnetWriteError`] for what the format cannot hold: layers that are not affine
/// ones with a ReLU between any two, a normalisation that does not fit the
/// network, a comment with a line end, a largest layer that is no size.
///
/// # Examples
///
/// ```
/// use nncert_core::io::nnet;
///
/// let text = "// scales by two\n1,1,1,1,\n1,1,\n0,\n0.0,\n1.0,\n0.0,0.0,\n1.0,1.0,\n2.0,\n0.0,\n";
/// assert_eq!(nnet::write(&nnet::parse(text)?)?, text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(nnet: &Nnet) -> Result<String, NnetWriteError> {
    let affine = alternating(nnet.network.layers())?;
    let (inputs, outputs) = (nnet.network.inputs(), nnet.network.outputs());
    nnet.normalization.check(inputs)?;
    for (index, UnusedInput { min, max, mean, range }) in nnet.unused_inputs.iter().enumerate() {
        check_entry(Some(inputs + index), [*min, *max, *mean, *range])?;
    }
    check_comments(&nnet.comments)?;
    let max_layer_size = nnet.max_layer_size;
    if !(1..=MAX_WIDTH).contains(&max_layer_size) {
        return Err(NnetWriteError::MaxLayerSize { found: max_layer_size });
    }

    let mut text = String::new();
    for comment in &nnet.comments {
        text.extend(["//", comment, "\n"]);
    }
    line(&mut text, [affine.len(), inputs, outputs, max_layer_size]);
    line(&mut text, core::iter::once(inputs).chain(affine.iter().map(|layer| layer.outputs())));
    line(&mut text, [nnet.flag]);
    let normalization = &nnet.normalization;
    let unused = nnet.unused_inputs.iter();
    line(&mut text, normalization.mins.iter().chain(unused.clone().map(|input| &input.min)));
    line(&mut text, normalization.maxes.iter().chain(unused.clone().map(|input| &input.max)));
    let means = normalization.means.iter().chain(unused.clone().map(|input| &input.mean));
    line(&mut text, means.chain([&normalization.output_mean]));
    let ranges = normalization.ranges.iter().chain(unused.map(|input| &input.range));
    line(&mut text, ranges.chain([&normalization.output_range]));
    for layer in affine {
        for row in layer.weight.row_iter() {
            line(&mut text, row.iter());
        }
        for bias in layer.bias.iter() {
            line(&mut text, [bias]);
        }
    }
    Ok(text)
}

/// Why the `.nnet` format cannot hold something.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NnetWriteError {
    /// The layers are not affine ones with a ReLU between any two.
    #[error("layer {layer}: expected {expected}, found {found}")]
    Layer {
        /// The layer, counted from 0.
        layer: usize,
        /// The kind that the format has there.
        expected: LayerKind,
        /// The kind that the network has there.
        found: LayerKind,
    },
    /// The network ends with an activation.
    #[error("layer {layer}: {found} after the last affine layer")]
    LastLayer {
        /// The layer, counted from 0.
        layer: usize,
        /// Its kind.
        found: LayerKind,
    },
    /// The normalisation does not fit the network, or that of an unused input
    /// (counted on from the network's) is none.
    #[error(transparent)]
    Normalization(#[from] NormalizationError),
    /// A comment holds or ends in a line end.
    #[error("comment {comment} holds a line end")]
    Comment {
        /// The comment, counted from 0.
        comment: usize,
    },
    /// More than [`MAX_COMMENTS`].
    #[error("{found} comments are more than the limit of {MAX_COMMENTS}")]
    TooManyComments {
        /// How many there are.
        found: usize,
    },
    /// The largest layer is of no size that a layer can have.
    #[error("a largest layer of {found} is outside 1 to {MAX_WIDTH}")]
    MaxLayerSize {
        /// The size.
        found: usize,
    },
}

/// The affine layers of a network that is affine, ReLU, affine, ..., affine.
fn alternating(layers: &[Layer]) -> Result<Vec<&Affine>, NnetWriteError> {
    let mut affine = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let expected = if index % 2 == 0 { LayerKind::Affine } else { LayerKind::Relu };
        match layer {
            Layer::Affine(layer) if expected == LayerKind::Affine => affine.push(layer),
            Layer::Activation(Activation::Relu) if expected == LayerKind::Relu => {}
            other => {
                return Err(NnetWriteError::Layer { layer: index, expected, found: other.kind() });
            }
        }
    }
    match layers.last() {
        Some(last) if last.kind() != LayerKind::Affine => {
            Err(NnetWriteError::LastLayer { layer: layers.len() - 1, found: last.kind() })
        }
        _ => Ok(affine),
    }
}

/// A carriage return at the end would be read as part of the line end.
fn check_comments(comments: &[String]) -> Result<(), NnetWriteError> {
    if comments.len() > MAX_COMMENTS {
        return Err(NnetWriteError::TooManyComments { found: comments.len() });
    }
    match comments.iter().position(|comment| comment.contains('\n') || comment.ends_with('\r')) {
        Some(comment) => Err(NnetWriteError::Comment { comment }),
        None => Ok(()),
    }
}

fn line(text: &mut String, numbers: impl IntoIterator<Item = impl fmt::Debug>) {
    for number in numbers {
        // Writing to a string cannot fail.
        let _ = write!(text, "{number:?},");
    }
    text.push('\n');
}
