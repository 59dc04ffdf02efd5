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
    /// What [`Agreement`] says, in a line.
    pub(super) agreement_legend: String,
    /// What moves.
    pub(super) input: &'static str,
    /// What has to agree.
    pub(super) scores: String,
    /// The region, after "on".
    pub(super) region: String,
    /// What a radius is measured in, in a line.
    pub(super) unit: &'static str,
    /// What the values of a row are means of.
    pub(super) places: String,
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
    pub(super) fn share(self) -> f64 {
        self.right as f64 / self.of.max(1) as f64
    }
}
