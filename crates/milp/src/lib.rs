//! Exact verification of fixed-point neural networks.

mod attack;
mod branch;
mod cascade;
mod certificate;
mod check;
mod encoding;
#[cfg(feature = "highs")]
mod highs;
mod model;
mod property;
mod radius;
mod solver;
mod verdict;
mod watch;

#[cfg(feature = "highs")]
pub use self::highs::{Highs, HighsSink};
pub use attack::{AttackOptions, Attacker};
pub use branch::{Branch, BranchEnd, BranchOptions};
pub use cascade::{VerifyError, VerifyOptions, verify, verify_watched};
pub use certificate::{Certificate, CertificateError, Node, Tree};
pub use check::{CheckError, check};
pub use encoding::{Compact, Encoding, Question, Qvip};
pub use model::{
    Column, MAX_NUMBER, Model, ModelError, ModelSink, Origin, Row, Variable, Violated, write_lp,
    write_mps,
};
pub use nncert_bounds::fixed_point::{IntegerRegion, IntegerRegionError, Norm};
pub use property::{
    Formula, Inequality, MAX_COEFFICIENT, MAX_VIOLATIONS, Property, PropertyError, Violation,
};
pub use radius::{RadiusOptions, RadiusReport, maximum_radius};
pub use solver::{Answer, Solver, SolverEnd, SolverQuestion, verify_with_solver};
pub use verdict::{Evidence, Report, Stage, UnknownReason, Verdict, Witness};
pub use watch::{Progress, Watch};
