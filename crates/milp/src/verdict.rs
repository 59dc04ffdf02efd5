//! What a verifier says.

use core::fmt;
use std::time::Duration;

use nncert_bounds::fixed_point::IntegerRegion;
use nncert_core::FixedPointNetwork;

use crate::{Certificate, Property};

/// Whether a property holds on a region.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Verdict {
    /// It holds for every input of the region.
    Robust,
    /// It fails at this input, which was replayed in integers.
    Falsified(Witness),
    /// It could not be decided.
    Unknown(UnknownReason),
}

impl Verdict {
    /// `robust`, `falsified` or `unknown`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Robust => "robust",
            Self::Falsified(_) => "falsified",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum UnknownReason {
    /// The deadline passed.
    Time,
    /// The observer ended the search.
    Cancelled,
    /// As many nodes as are allowed were not enough.
    Nodes,
    /// The stages that were asked for do not decide it.
    Stages,
    /// Every neuron is decided somewhere, and whether an input is there is not.
    Repair,
    /// The solver gave no answer that can be used.
    Solver,
}

/// An input of the region where a property fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Witness {
    /// The input.
    pub input: Vec<i64>,
    /// The outputs of the network there.
    pub outputs: Vec<i64>,
    /// The least radius at which the region holds it.
    pub distance: u64,
    /// The way in which the property fails: an index of [`Property::violations`].
    pub violation: usize,
}

impl Witness {
    /// Replays an input: a witness if it is in the region, and the network's outputs there
    /// fail the property.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn replay(
        network: &FixedPointNetwork,
        region: &IntegerRegion,
        property: &Property,
        input: &[i64],
    ) -> Option<Self> {
        let distance = region.distance(input)?;
        if !region.contains(input) {
            return None;
        }
        let outputs = network.evaluate(input).ok()?;
        let violation = property.violation(&outputs)?;
        Some(Self { input: input.to_vec(), outputs, distance, violation })
    }
}

/// The stages of a verification, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Stage {
    /// Dual bounds on the region as it is.
    Bounds,
    /// A search for witnesses.
    Attack,
    /// Branch and bound with dual bounds.
    Branch,
    /// The solver.
    Solver,
}

impl Stage {
    /// Its name: `bounds`, `attack`, `branch`, `solver`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bounds => "bounds",
            Self::Attack => "attack",
            Self::Branch => "branch",
            Self::Solver => "solver",
        }
    }
}

/// What the absence of one violation rests on.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Evidence {
    /// A tree of dual bounds, each proven in exact integers; one leaf for [`Stage::Bounds`].
    Exact {
        /// The leaves.
        leaves: usize,
    },
    /// The answer of a solver in floating point, with a margin.
    Solver {
        /// Its name and version.
        solver: String,
        /// The options that are not its defaults.
        options: String,
        /// What it said.
        status: String,
        /// By how much every inequality could be missed, and there was still no solution. A question
        /// has no objective, so that this is its proven bound: in exact numbers an inequality
        /// of integers is missed by 1 or not at all.
        margin: Option<f64>,
    },
}

/// A verdict, and how it was reached.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// The last stage that was needed.
    pub stage: Stage,
    /// What each violation's absence rests on; empty unless the verdict is robust.
    pub evidence: Vec<Evidence>,
    /// The trees of exact bounds, where every violation was closed by one.
    pub certificate: Option<Certificate>,
    /// Nodes of branch and bound.
    pub nodes: usize,
    /// How long it took.
    pub elapsed: Duration,
}

/// `robust (branch, 35 nodes, 0.2 s)`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdict, stage, nodes, elapsed, .. } = self;
        write!(f, "{}", verdict.name())?;
        match verdict {
            Verdict::Falsified(witness) => write!(f, " at distance {}", witness.distance)?,
            Verdict::Unknown(reason) => write!(f, " ({reason:?})")?,
            Verdict::Robust => {}
        }
        write!(f, " ({}, {nodes} nodes, {:.1} s)", stage.name(), elapsed.as_secs_f64())
    }
}
