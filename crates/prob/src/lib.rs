//! Tails.
#![forbid(unsafe_code)]

mod rounding;

