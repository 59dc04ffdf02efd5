//! The methods that are compared.

use nncert::prelude::*;

/// A method with its name.
pub(super) struct Way {
    /// In tables and pictures.
    pub(super) name: &'static str,
    /// What it does, in a line.
    pub(super) about: &'static str,
    pub(super) method: Method,
}

const DIFFERENTIAL: Method =
    Method { propagation: Propagation::Differential, tail: Tail::Exact, outputs: Outputs::All };

pub(super) const WORST_CASE: Way = Way {
    name: "worst case",
    about: "wherever the input moves, so without probability",
    method: DIFFERENTIAL.with_tail(Tail::WorstCase),
};

pub(super) const HOEFFDING: Way = Way {
    name: "Hoeffding",
    about: "at random, by Hoeffding's inequality",
    method: DIFFERENTIAL.with_tail(Tail::Hoeffding),
};

pub(super) const PRINTED: Way = Way {
    name: "Bernstein",
    about: "at random, by Bernstein's as SimCert prints it: the whole sum as one variable",
    method: DIFFERENTIAL.with_tail(Tail::BernsteinWhole),
};

const PER_SUMMAND: Way = Way {
    name: "Bernstein per summand",
    about: "Bernstein's inequality, term by term",
    method: DIFFERENTIAL.with_tail(Tail::Bernstein),
};

const SUB_GAUSSIAN: Way = Way {
    name: "sub-Gaussian",
    about: "the tail of a Gaussian with the same variance",
    method: DIFFERENTIAL.with_tail(Tail::SubGaussian),
};

pub(super) const BEST: Way =
    Way { name: "nncert", about: "at random, by the exact tails of nncert", method: DIFFERENTIAL };

pub(super) const SIMCERT: Way = Way {
    name: "SimCert",
    about: "at random, by all of SimCert: its forward propagation and its Bernstein",
    method: Method::SIMCERT,
};

/// The columns of the table.
pub(super) const COLUMNS: [Way; 5] = [WORST_CASE, HOEFFDING, PRINTED, BEST, SIMCERT];

/// The curves of the picture.
pub(super) const CURVES: [Way; 7] =
    [SIMCERT, WORST_CASE, PRINTED, HOEFFDING, PER_SUMMAND, SUB_GAUSSIAN, BEST];

impl Way {
    /// Whether no chance is taken.
    pub(super) fn is_certain(&self) -> bool {
        self.method.tail == Tail::WorstCase
    }
}
