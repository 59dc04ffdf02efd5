//! What is wrong with a cache.

use core::fmt;
use std::io;
use std::path::PathBuf;

use crate::SmoothingError;

/// What is wrong with a cache, or with the file of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The cache is of something else.
    #[error("the cache was made with another {field}")]
    Mismatch {
        /// The first thing that differs.
        field: CacheField,
    },
    /// Two caches disagree about an input.
    #[error("two caches of input {id} have different {what}")]
    Conflict {
        /// The input.
        id: u64,
        /// What differs.
        what: &'static str,
    },
    /// Two ranges of samples overlap, and are not the same.
    #[error("samples from {first} on of input {id} are in two ranges")]
    Overlap {
        /// The input.
        id: u64,
        /// Where the second range begins.
        first: u64,
    },
    /// There is no such input.
    #[error("input {id} is not in the cache")]
    NoInput {
        /// The input.
        id: u64,
    },
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no cache.
    #[error("not a cache: it does not begin with NNCERTSC")]
    NoCache,
    /// The file has a version that this program does not read.
    #[error("version {found} of the format, not {expected}")]
    Version {
        /// The version of the file.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// The file ends too early.
    #[error("{part} ends at byte {length}, which is too early")]
    Truncated {
        /// The part.
        part: CachePart,
        /// The length of the file.
        length: u64,
    },
    /// Bytes of the file are not what was written.
    #[error("{part} is corrupt: its digest does not match")]
    Corrupt {
        /// The part.
        part: CachePart,
    },
    /// The bytes are what was written, and make no sense.
    #[error("{part} is malformed: {what}")]
    Malformed {
        /// The part.
        part: CachePart,
        /// What makes no sense.
        what: &'static str,
    },
    /// An option, or an input, that is not right.
    #[error(transparent)]
    Smoothing(#[from] SmoothingError),
}

/// What a cache belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheField {
    /// The classifier that was sampled.
    Classifier,
    /// The deviation of the noise.
    Sigma,
    /// The kind of noise.
    Noise,
    /// The seed.
    Seed,
    /// The number of classes.
    Classes,
    /// The numbers of an input.
    Inputs,
    /// The values of an input.
    Values,
}

/// A part of the file of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CachePart {
    /// What comes first: the key and the places of the inputs.
    Header,
    /// What is kept of an input.
    Input {
        /// The input.
        id: u64,
    },
}

impl fmt::Display for CacheField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classifier => "classifier",
            Self::Sigma => "sigma",
            Self::Noise => "noise",
            Self::Seed => "seed",
            Self::Classes => "number of classes",
            Self::Inputs => "length of an input",
            Self::Values => "input",
        })
    }
}

impl fmt::Display for CachePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::Input { id } => write!(f, "input {id}"),
        }
    }
}
