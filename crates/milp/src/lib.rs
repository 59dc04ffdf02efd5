//! Exact verification of fixed-point neural networks.
//!
//! A [`FixedPointNetwork`](nncert_core::FixedPointNetwork) computes in integers. On a ball of the
//! integer grid ([`IntegerRegion`]: L0, L1, L2, L∞) a [`Property`] of its outputs either holds
//! everywhere or fails somewhere, and [`verify`] says which: [`Verdict::Robust`] with a
//! [`Certificate`], [`Verdict::Falsified`] with an input that was replayed, or
//! [`Verdict::Unknown`] with the reason.
//!
//! # Which stage
//!
//! Each can be used alone.
//!
//! **Bounds** ([`Branch::root`]) relax every neuron once. Milliseconds; enough for most balls of
//! small radius.
//!
//! **Attack** ([`Attacker`]) follows gradients, then single coordinates. What it finds is
//! certain; that it finds nothing means nothing.
//!
//! **Branch and bound** ([`Branch::run`]) cuts ranges of accumulators until bounds close every part.
//! It is complete but for one thing: where every neuron has one value, whether an input of integers
//! is there is searched for and not decided.
//!
//! **Solver** ([`verify_with_solver`]): what is left as an integer linear model. [`Compact`] is the
//! encoding to use; [`Qvip`] is the paper's, to compare with. With feature `highs` the solver is
//! `Highs`; any other can implement [`Solver`], or read what [`write_lp`] and [`write_mps`] write.
//!
//! [`maximum_radius`] asks for the largest ball, [`verify_all`] many questions at once.
//!
//! # What a verdict rests on
//!
//! A witness was replayed in integers. Bounds are searched for in floats and proven in integers;
//! [`check`] proves them again, from the certificate alone, with code that shares no bound with
//! what found them. Only [`Evidence::Solver`] rests on floating point, and on a solver that has been
//! wrong before: `verify` never uses one.
//!
//! # The feature `highs`
//!
//! HiGHS is built from C++, which needs cmake, a C++ compiler and libclang. In the
//! project's repository `cargo xtask highs` installs cmake and libclang from PyPI, without root, into
//! the target directory. By hand:
//!
//! ```text
//! pip install --target tools cmake libclang
//! export CMAKE=$PWD/tools/cmake/data/bin/cmake LIBCLANG_PATH=$PWD/tools/clang/native
//! export BINDGEN_EXTRA_CLANG_ARGS=-I$(cc -print-file-name=include)
//! ```
//!
//! # Features
//!
//! - `highs`: the solver.
//! - `rayon`: [`verify_all`] uses the threads of the current pool, with the same verdicts.
//! - `serde`: results can be stored.
//! - `proptest`: strategies for networks, regions, properties and models, in the module
//!   `strategies`, for tests of what is built on top.
//!
//! # References
//!
//! 1. Zhang et al., *QVIP: An ILP-based formal verification approach for quantized neural
//!    networks*, ASE 2022.
//! 2. Neumaier and Shcherbina, *Safe bounds in linear and mixed-integer linear programming*,
//!    Mathematical Programming 99, 2004: bounds from any multipliers.

mod anneal;
mod attack;
mod batch;
mod branch;
mod cascade;
mod certificate;
mod check;
mod climb;
mod closeness;
mod cut;
mod encoding;
#[cfg(feature = "highs")]
mod highs;
mod model;
mod pair;
mod property;
pub mod quadapter;
mod radius;
mod solver;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod strategies;
mod verdict;
mod watch;

#[cfg(feature = "highs")]
pub use self::highs::{Highs, HighsSink};
pub use attack::{AttackOptions, Attacker};
pub use batch::verify_all;
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
pub use watch::{Observer, Progress, Watch};
