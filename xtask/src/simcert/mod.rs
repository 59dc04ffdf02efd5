//! The experiments of SimCert: its kinds of networks, and what is asked about them.
//!
//! Shared by `measure similarity`, which gives figures, and `reproduce simcert`, which
//! writes the paper's tables and figures.

mod bisection;
mod limit;
mod subjects;
mod ways;

pub(crate) use self::bisection::{Budget, bisection};
pub(crate) use self::limit::{limit, quantiles};
pub(crate) use self::subjects::{Subject, cifar, mnist};
pub(crate) use self::ways::{CERTAIN, OURS, PROVEN, Radii, SIMCERT, WORST_CASE, Way, radii_of};
