//! Questions that are small enough to enumerate.

// Each test file takes a part of these.
#![allow(dead_code)]

use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::class;
use nncert_core::strategies::{fixed_point_input, fixed_point_of};
use nncert_milp::{Formula, Inequality, IntegerRegion, Norm, Property};
use proptest::prelude::*;

/// The most inputs of a region that are enumerated.
const MAX_INPUTS: usize = 40_000;

/// All inputs of a region.
pub(crate) fn inputs(region: &IntegerRegion) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new()];
    for range in region.coordinates() {
        let longer = |x: &Vec<i64>| {
            let next = |value| [x.as_slice(), &[value]].concat();
            (range.lower()..=range.upper()).map(next).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.retain(|x| region.contains(x));
    all
}

pub(crate) fn size(region: &IntegerRegion) -> usize {
    let lengths =
        region.coordinates().iter().map(|range| range.lower().abs_diff(range.upper()) + 1);
    lengths.fold(1u64, u64::saturating_mul).try_into().unwrap_or(usize::MAX)
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) network: FixedPointNetwork,
    pub(crate) region: IntegerRegion,
    pub(crate) property: Property,
}

fn formula(outputs: usize) -> impl Strategy<Value = Formula> {
    let row = (proptest::collection::vec(-3..=3i64, outputs), -20..=20i64);
    let leaf =
        row.prop_map(|(coefficients, bound)| Formula::AtLeast(Inequality { coefficients, bound }));
    leaf.prop_recursive(2, 6, 3, |inner| {
        let parts = proptest::collection::vec(inner, 1..=3);
        prop_oneof![parts.clone().prop_map(Formula::All), parts.prop_map(Formula::Any)]
    })
}

pub(crate) fn question() -> impl Strategy<Value = Asked> {
    fixed_point_of(1..=4, 1..=3, 1..=3, 1..=4, 2..=4)
        .prop_flat_map(|network| {
            let input = fixed_point_input(&network);
            let outputs = network.outputs();
            let norm = proptest::sample::select(Norm::ALL.to_vec());
            (Just(network), input, norm, 0..=4u64, 0..3u8, formula(outputs))
        })
        .prop_filter_map("too many inputs", |(network, x, norm, radius, kind, formula)| {
            let region = IntegerRegion::around(&network, x.clone(), norm, radius).ok()?;
            if size(&region) > MAX_INPUTS {
                return None;
            }
            let outputs = network.evaluate(&x).ok()?;
            let property = match kind {
                0 => Property::same_class(outputs.len(), class(&outputs)),
                1 => Property::same_outputs(&outputs),
                _ => Property::formula(outputs.len(), &formula),
            };
            Some(Asked { network, region, property: property.ok()? })
        })
}
