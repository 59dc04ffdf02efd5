//! Strategies for property tests: questions that are small enough to enumerate, and their models.
//!
//! # Examples
//!
//! ```
//! use nncert_milp::strategies::{Asked, question};
//! use nncert_milp::{Verdict, VerifyOptions, verify};
//! use proptest::prelude::*;
//!
//! proptest!(ProptestConfig::with_cases(16), |(asked in question())| {
//!     let Asked { network, region, property } = &asked;
//!     let report = verify(network, region, property, &VerifyOptions::default())?;
//!     if report.verdict == Verdict::Robust {
//!         prop_assert!(asked.inputs().iter().all(|x| asked.holds_at(x)));
//!     }
//! });
//! ```

use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::class;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Column, Formula, Inequality, IntegerRegion, Model, ModelSink, Origin, Property, Row};

#[doc(no_inline)]
pub use nncert_bounds::strategies::*;

/// The most inputs of the box around a region.
const MAX_INPUTS: usize = 40_000;

/// A network, a region and a property that belong together.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The network.
    pub network: FixedPointNetwork,
    /// The region.
    pub region: IntegerRegion,
    /// The property.
    pub property: Property,
}

impl Asked {
    /// All inputs of the region.
    #[must_use]
    pub fn inputs(&self) -> Vec<Vec<i64>> {
        integer_inputs(&self.region)
    }

    /// Whether the property holds at an input; `false` for what the network does not take.
    #[must_use]
    pub fn holds_at(&self, x: &[i64]) -> bool {
        self.network.evaluate(x).is_ok_and(|outputs| self.property.holds(&outputs))
    }
}

/// Inequalities of so many outputs, and all and any of them.
pub fn formula(outputs: usize) -> impl Strategy<Value = Formula> {
    let row = (vec(-3..=3i64, outputs), -20..=20i64);
    let leaf =
        row.prop_map(|(coefficients, bound)| Formula::AtLeast(Inequality { coefficients, bound }));
    leaf.prop_recursive(2, 6, 3, |inner| {
        let parts = vec(inner, 1..=3);
        prop_oneof![parts.clone().prop_map(Formula::All), parts.prop_map(Formula::Any)]
    })
}

/// Properties of a network: the class, or the outputs, of an input, or a formula.
pub fn property(network: &FixedPointNetwork, x: &[i64]) -> impl Strategy<Value = Property> + use<> {
    let outputs = network.evaluate(x).unwrap_or_else(|_| vec![0; network.outputs()]);
    let count = outputs.len();
    (0..3u8, formula(count)).prop_filter_map("too many ways to fail", move |(kind, formula)| {
        let property = match kind {
            0 => Property::same_class(count, class(&outputs)),
            1 => Property::same_outputs(&outputs),
            _ => Property::formula(count, &formula),
        };
        property.ok()
    })
}

/// Questions about networks of at most 4 inputs of 2 to 4 bits, of every rounding and norm.
pub fn question() -> impl Strategy<Value = Asked> {
    fixed_point_of(1..=4, 1..=3, 1..=3, 1..=4, 2..=4)
        .prop_flat_map(|network| (integer_region(&network), Just(network)))
        .prop_filter("too many inputs", |(region, _)| integer_box(region) <= MAX_INPUTS)
        .prop_flat_map(|(region, network)| {
            let property = property(&network, region.center());
            (Just(network), Just(region), property)
        })
        .prop_map(|(network, region, property)| Asked { network, region, property })
}

/// Models of a few integer columns and rows of small numbers.
pub fn model() -> impl Strategy<Value = Model> {
    let columns = vec((-4..=4i64, 0..=4i64), 1..=4);
    let rows = vec((vec(-5..=5i64, 4), -12..=12i64, 0..=8i64, 0..3u8), 0..=4);
    (columns, rows).prop_map(|(columns, rows)| {
        let mut model = Model::default();
        let column = |(index, (lower, width)): (usize, (i64, i64))| {
            let (upper, origin) = (lower + width, Origin::Input(index));
            model.column(Column { lower, upper, integer: true, origin })
        };
        let variables: Vec<_> = columns.into_iter().enumerate().flat_map(column).collect();
        for (coefficients, lower, width, ends) in rows {
            let terms = variables.iter().copied().zip(coefficients).filter(|(_, c)| *c != 0);
            let row = Row {
                terms: terms.collect(),
                lower: (ends != 1).then_some(lower),
                upper: (ends != 0).then_some(lower + width),
            };
            // Numbers are small, and variables are those of the model.
            let _ = model.row(row);
        }
        model
    })
}
