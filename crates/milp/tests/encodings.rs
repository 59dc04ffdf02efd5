//! Encodings against every input of tiny networks, with the exact checker.

mod common;

use common::{Asked, question};
use nncert_bounds::fixed_point::{FixedPointBounder, integer_intervals};
use nncert_milp::{Column, Compact, Encoding, Model, Origin, Question, Qvip, write_lp, write_mps};
use proptest::prelude::*;

const ENCODINGS: [&dyn Encoding; 3] =
    [&Compact, &Qvip { simplify: true }, &Qvip { simplify: false }];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// An input, with all columns as the network computes them, is a solution if and only if
    /// one of the violations occurs there.
    #[test]
    fn inputs_are_solutions_where_violations_occur(asked in question()) {
        let Asked { network, region, property } = &asked;
        let ways: Vec<usize> = (0..property.violations().len()).collect();
        let (tight, _) = FixedPointBounder::new(network).bounds(region, 5).unwrap();
        let loose = integer_intervals(network, region).unwrap();
        let opens = ways.iter().map(core::slice::from_ref).chain([&*ways]);
        for (encoding, open) in ENCODINGS.iter().flat_map(|e| opens.clone().map(move |o| (e, o))) {
            for bounds in [&tight, &loose] {
                let integer_inputs = true;
                let question = Question { network, region, bounds, property, open, integer_inputs };
                let mut model = Model::default();
                encoding.encode(&question, &mut model).unwrap();
                let origins: Vec<Origin> = model.columns.iter().map(|c: &Column| c.origin).collect();
                // Columns of `qvip-full` are about all inputs.
                for x in common::integer_inputs(region) {
                    let outputs = network.evaluate(&x).unwrap();
                    let occurs =
                        open.iter().any(|way| property.violations()[*way].is_met(&outputs));
                    let point = question.point(&origins, &x).unwrap();
                    let solves = model.first_violated(&point).is_none();
                    prop_assert_eq!(solves, occurs, "{} at {:?}", encoding.name(), x);
                }
            }
        }
    }

    /// Text of both formats has a line for each row and each column.
    #[test]
    fn texts_have_all_rows(asked in question()) {
        let Asked { network, region, property } = &asked;
        let bounds = &integer_intervals(network, region).unwrap();
        let open: Vec<usize> = (0..property.violations().len()).collect();
        let question = Question {
            network, region, bounds, property, open: &open, integer_inputs: true,
        };
        let mut model = Model::default();
        Compact.encode(&question, &mut model).unwrap();
        prop_assume!(!model.columns.is_empty());
        let (mut lp, mut mps) = (String::new(), String::new());
        write_lp(&model, &mut lp).unwrap();
        write_mps(&model, &mut mps).unwrap();
        for index in 0..model.rows.len() {
            let label = format!(" r{index}:");
            prop_assert!(lp.contains(&label));
            let line = format!(" r{index}\n");
            prop_assert!(mps.contains(&line));
        }
        prop_assert!(lp.ends_with("End\n") && mps.ends_with("ENDATA\n"));
    }
}
