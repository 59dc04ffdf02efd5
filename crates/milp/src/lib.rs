//! Exact verification of fixed-point neural networks.

mod attack;
mod branch;
mod cascade;
mod certificate;
mod check;
mod property;
mod verdict;
mod watch;

pub use attack::{AttackOptions, Attacker};
pub use branch::{Branch, BranchEnd, BranchOptions};
pub use cascade::{VerifyError, VerifyOptions, verify, verify_watched};
pub use certificate::{Certificate, CertificateError, Node, Tree};
pub use check::{CheckError, check};
pub use nncert_bounds::fixed_point::{IntegerRegion, IntegerRegionError, Norm};
pub use property::{
    Formula, Inequality, MAX_COEFFICIENT, MAX_VIOLATIONS, Property, PropertyError, Violation,
};
pub use verdict::{Evidence, Report, Stage, UnknownReason, Verdict, Witness};
pub use watch::{Progress, Watch};
