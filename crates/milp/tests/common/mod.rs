//! Questions that are small enough to enumerate.

// Each test file takes a part of these.
#![allow(unused_imports)]

pub(crate) use nncert_milp::strategies::{Asked, integer_box, integer_inputs, model, question};
