//! What is measured: pairs of networks, and the inputs around which they are compared.

use nncert::prelude::*;

/// Pairs of one kind, with the words for them.
pub(super) struct Study {
    /// The names of the files to write, without extension.
    pub(super) name: &'static str,
    /// What is looked at, in one line.
    pub(super) heading: String,
    /// What the copies were compared with.
    pub(super) original: String,
    /// The seed of sampled inputs, if any are sampled.
    pub(super) seed: Option<u64>,
    pub(super) words: Words,
    pub(super) subjects: Vec<Subject>,
    /// The radius of the regions, if they are balls.
    pub(super) radius: Option<f64>,
}

/// How things are called.
pub(super) struct Words {
    /// The head of the column of names.
    pub(super) subject: &'static str,
    /// The head of the column of [`Agreement`].
    pub(super) agreement: &'static str,
    /// What [`Agreement`] counts, after "the share of".
    pub(super) counted: String,
    /// What moves.
    pub(super) input: &'static str,
    /// What has to agree, with its verb.
    pub(super) scores_are: String,
    /// The region, after "on".
    pub(super) region: String,
    /// What a radius is measured in.
    pub(super) unit: &'static str,
    /// What a row averages over, if anything.
    pub(super) places: Option<String>,
    /// What the picture shows, and averages over.
    pub(super) pictured: String,
}

/// A network and its copy, and where they are compared.
pub(super) struct Subject {
    /// At most 18 characters.
    pub(super) name: String,
    /// How the copy was made.
    pub(super) about: String,
    pub(super) pair: PairedNetworks,
    pub(super) outputs: Outputs,
    pub(super) agreement: Agreement,
    pub(super) places: Vec<Place>,
}

/// An input with a region and balls around it.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) region: Region,
    pub(super) balls: Balls,
}

/// Of so many inputs, this many came out right.
#[derive(Clone, Copy)]
pub(super) struct Agreement {
    pub(super) right: usize,
    pub(super) of: usize,
}

impl Agreement {
    /// In percent, rounded down to a hundredth.
    pub(super) fn percent(self) -> f64 {
        (self.right * 10_000 / self.of.max(1)) as f64 / 100.0
    }
}
