//! Strategies for property tests.

use std::ops::RangeInclusive;

use nncert_core::{PairedNetworks, Region};
use nncert_prob::Tail;
use proptest::prelude::*;

use crate::{Method, Outputs, Propagation};

/// Methods: every propagation and every tail, for all outputs or the first.
pub fn method() -> impl Strategy<Value = Method> + Clone {
    let propagation = prop_oneof![
        4 => Just(Propagation::Differential),
        4 => Just(Propagation::Forward),
        1 => Just(Propagation::Alpha),
    ];
    let tail = prop::sample::select(Tail::ALL.to_vec());
    let outputs = prop_oneof![Just(Outputs::All), Just(Outputs::One(0))];
    (propagation, tail, outputs).prop_map(|(propagation, tail, outputs)| Method {
        propagation,
        tail,
        outputs,
    })
}

/// A pair of networks, a region, and an `ε` around the size of their difference there.
///
/// # Panics
///
/// When a range is empty or starts at 0.
pub fn question(
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
) -> impl Strategy<Value = (PairedNetworks, Region, f64)> + Clone {
    let pair = nncert_core::strategies::pair_and_region(layers, width);
    (pair, -4i32..4).prop_map(|((pair, region), scale)| {
        let size = nncert_bounds::differential(&pair, &region).map_or(1.0, |b| b.epsilon());
        let epsilon = size * f64::from(scale).exp2();
        (pair, region, if epsilon.is_finite() { epsilon } else { 1.0 })
    })
}
