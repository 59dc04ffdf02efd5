//! What can be wrong with a `.nnet` text, and where.

use core::fmt;

use crate::NetworkError;

/// A part of a `.nnet` file. Layers and rows are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NnetField {
    /// Layers, inputs, outputs, largest layer.
    Header,
    /// The sizes of the layers.
    LayerSizes,
    /// The flag that is not used.
    Flag,
    /// The smallest raw inputs.
    Minimums,
    /// The largest raw inputs.
    Maximums,
    /// The means of inputs and outputs.
    Means,
    /// The ranges of inputs and outputs.
    Ranges,
    /// The weights of one neuron.
    Weights {
        /// The affine layer.
        layer: usize,
        /// The output neuron.
        row: usize,
    },
    /// The bias of one neuron.
    Bias {
        /// The affine layer.
        layer: usize,
        /// The output neuron.
        row: usize,
    },
}

impl fmt::Display for NnetField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::LayerSizes => f.write_str("layer sizes"),
            Self::Flag => f.write_str("flag"),
            Self::Minimums => f.write_str("minimums"),
            Self::Maximums => f.write_str("maximums"),
            Self::Means => f.write_str("means"),
            Self::Ranges => f.write_str("ranges"),
            Self::Weights { layer, row } => write!(f, "weight row {row} of layer {layer}"),
            Self::Bias { layer, row } => write!(f, "bias {row} of layer {layer}"),
        }
    }
}

/// Why a text is not a `.nnet` network. Lines are counted from 1, all else from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NnetError {
    /// A line is not text.
    #[error("line {line}: not UTF-8")]
    Utf8 {
        /// The line.
        line: usize,
    },
    /// More than [`MAX_COMMENTS`](super::MAX_COMMENTS).
    #[error("line {line}: more than the limit of {} comments", super::MAX_COMMENTS)]
    TooManyComments {
        /// The line of the first that is too many.
        line: usize,
    },
    /// The text ends too early.
    #[error("line {line}: the file ends where {field} should be")]
    End {
        /// The line at which it ends.
        line: usize,
        /// What is missing.
        field: NnetField,
    },
    /// A line has too few or too many numbers.
    #[error("line {line}, {field}: expected {}, found {found}", numbers(*.expected))]
    Count {
        /// The line.
        line: usize,
        /// What the line is.
        field: NnetField,
        /// How many numbers it should have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A number cannot be read.
    #[error("line {line}, {field}: {text:?} is not a number")]
    NotANumber {
        /// The line.
        line: usize,
        /// What the line is.
        field: NnetField,
        /// What stands there, shortened.
        text: String,
    },
    /// The flag cannot be read.
    #[error("line {line}, flag: {text:?} is not an integer")]
    NotAnInteger {
        /// The line.
        line: usize,
        /// What stands there, shortened.
        text: String,
    },
    /// A number of layers or neurons is no such number, or beyond its limit.
    #[error("line {line}, {field}: {text:?} is not a whole number from 1 to {limit}")]
    Size {
        /// The line.
        line: usize,
        /// What the line is.
        field: NnetField,
        /// What stands there, shortened.
        text: String,
        /// The largest that is allowed.
        limit: usize,
    },
    /// The layer sizes disagree with the header.
    #[error("line {line}, layer sizes: {found} {end} where the header has {expected}")]
    Disagreement {
        /// The line of the layer sizes.
        line: usize,
        /// `inputs` or `outputs`.
        end: &'static str,
        /// The header's number.
        expected: usize,
        /// The number among the layer sizes.
        found: usize,
    },
    /// A number is NaN, infinite or too large.
    #[error(
        "line {line}, {field}: number {index} is {value}, which is not a number of at most {limit:e}"
    )]
    Magnitude {
        /// The line.
        line: usize,
        /// What the line is.
        field: NnetField,
        /// Its place on the line.
        index: usize,
        /// The number.
        value: f64,
        /// The largest absolute value that is allowed.
        limit: f64,
    },
    /// A maximum is below its minimum.
    #[error("line {line}, maximums: number {index} is {maximum}, below its minimum {minimum}")]
    Empty {
        /// The line.
        line: usize,
        /// The input.
        index: usize,
        /// Its minimum.
        minimum: f64,
        /// Its maximum.
        maximum: f64,
    },
    /// A range is zero or negative.
    #[error("line {line}, ranges: number {index} is {value}, which is not positive")]
    Range {
        /// The line.
        line: usize,
        /// Its place on the line.
        index: usize,
        /// The range.
        value: f64,
    },
    /// There is more after the last bias.
    #[error("line {line}: data after the last bias")]
    Trailing {
        /// The line of the first such data.
        line: usize,
    },
    /// The layers do not make a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

fn numbers(count: usize) -> String {
    if count == 1 { "1 number".to_owned() } else { format!("{count} numbers") }
}
