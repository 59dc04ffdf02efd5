//! Why a layer does not fit what goes into it.

use crate::{Branch, LayerKind, MAX_WIDTH, Shape};

/// Why a layer does not fit the shape that goes into it, or itself.
///
/// Says nothing about which layer: [`NetworkError`](crate::NetworkError) does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Another number of values.
    #[error("expected {expected} inputs, found {found}")]
    Inputs {
        /// The values that the layer takes.
        expected: usize,
        /// The values that it is given.
        found: usize,
    },
    /// The layer works on `[channels, height, width]`.
    #[error("expected an image of channels x height x width, found {found}")]
    Image {
        /// The shape that it is given.
        found: Shape,
    },
    /// Another number of channels.
    #[error("expected {expected} channels, found {found}")]
    Channels {
        /// The channels that the layer takes.
        expected: usize,
        /// The channels that it is given.
        found: usize,
    },
    /// A size that must be positive and ordinary is not.
    #[error("a {field} of {found} is outside what a layer can have (at most {MAX_WIDTH})")]
    Size {
        /// Which size.
        field: &'static str,
        /// The size.
        found: usize,
    },
    /// The groups do not divide the channels.
    #[error("{groups} groups do not divide {found} {which} channels")]
    Groups {
        /// The groups.
        groups: usize,
        /// `input` or `output`.
        which: &'static str,
        /// The channels.
        found: usize,
    },
    /// A filter does not have one weight for each value that it looks at.
    #[error("expected filters of {expected} weights, found {found}")]
    Filters {
        /// Channels of a group times the values of a window.
        expected: usize,
        /// The columns of the weight.
        found: usize,
    },
    /// A window does not fit.
    #[error("a window of {extent} is larger than the padded {axis} of {found}")]
    Window {
        /// `height` or `width`.
        axis: &'static str,
        /// How far the window reaches.
        extent: usize,
        /// The image, with its padding.
        found: usize,
    },
    /// A pooling window lies in the padding alone.
    #[error("output {index} along the {axis} looks at padding alone")]
    Bare {
        /// `height` or `width`.
        axis: &'static str,
        /// The output row or column.
        index: usize,
    },
    /// A shape does not have as many values as there are entries for it.
    #[error("expected {expected} entries for the shape {shape}, found {found}")]
    Entries {
        /// The values of the shape.
        expected: usize,
        /// The entries.
        found: usize,
        /// The shape.
        shape: Shape,
    },
    /// A selection from beyond the last input.
    #[error("output {output} is input {source_index}, which is not one of {inputs}")]
    Source {
        /// The output.
        output: usize,
        /// The input that it selects.
        source_index: usize,
        /// The number of inputs.
        inputs: usize,
    },
    /// Body and shortcut of a block give different shapes.
    #[error("the body gives {body}, the shortcut {shortcut}")]
    Branches {
        /// What comes out of the body.
        body: Shape,
        /// What comes out of the shortcut.
        shortcut: Shape,
    },
    /// A layer of a block does not fit.
    #[error("{branch} layer {layer} ({kind}): {error}")]
    Block {
        /// The branch of the block.
        branch: Branch,
        /// The layer, counted from 0 in its branch.
        layer: usize,
        /// Its kind.
        kind: LayerKind,
        /// What is wrong with it.
        error: Box<LayerError>,
    },
}
