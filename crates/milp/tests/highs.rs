//! HiGHS on both encodings against enumeration, and the cascade with it.
#![cfg(feature = "highs")]

mod common;

use common::{Asked, integer_inputs, model, question};
use nncert_bounds::fixed_point::integer_intervals;
use nncert_milp::{
    Answer, Compact, Encoding, Highs, Model, Question, Qvip, Solver, Verdict, VerifyOptions, Watch,
    verify_with_solver,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// HiGHS finds a solution of a small model if and only if enumeration does, with every row
    /// relaxed by the margin or not.
    #[test]
    fn small_models_are_solved(model in model(), relaxed in any::<bool>()) {
        let mut points = vec![Vec::new()];
        for column in &model.columns {
            let longer = |x: &Vec<i64>| {
                let next = |value| [x.as_slice(), &[value]].concat();
                (column.lower..=column.upper).map(next).collect::<Vec<_>>()
            };
            points = points.iter().flat_map(longer).collect();
        }
        let has = points.iter().any(|point| model.first_violated(point).is_none());
        let margin = if relaxed { 0.5 } else { 0.0 };
        let highs = Highs { margin, ..Highs::default() };
        match highs.solve(&model, None, None).unwrap() {
            Answer::Infeasible => prop_assert!(!has),
            Answer::Solution(point) => {
                let rounded: Vec<i64> = point.iter().map(|v| v.round() as i64).collect();
                prop_assert_eq!(model.first_violated(&rounded), None);
            }
            _ => prop_assert!(false),
        }
    }

    /// A model has a solution if and only if some input fails the property.
    #[test]
    fn models_have_solutions_where_properties_fail(asked in question()) {
        let Asked { network, region, property } = &asked;
        let bounds = &integer_intervals(network, region).unwrap();
        let open: Vec<usize> = (0..property.violations().len()).collect();
        prop_assume!(!open.is_empty());
        let fails = integer_inputs(region).iter().any(|x| !property.holds(&network.evaluate(x).unwrap()));
        let encodings: [&dyn Encoding; 3] =
            [&Compact, &Qvip { simplify: true }, &Qvip { simplify: false }];
        for encoding in encodings {
            let question =
                Question { network, region, bounds, property, open: &open, integer_inputs: true };
            let mut model = Model::default();
            encoding.encode(&question, &mut model).unwrap();
            let answer = Highs::default().solve(&model, None, None).unwrap();
            match answer {
                Answer::Infeasible => prop_assert!(!fails, "{}", encoding.name()),
                Answer::Solution(point) => {
                    prop_assert!(fails, "{}", encoding.name());
                    // Its integers are a solution in exact arithmetic.
                    let rounded: Vec<i64> = point.iter().map(|v| v.round() as i64).collect();
                    prop_assert_eq!(model.first_violated(&rounded), None);
                }
                _ => prop_assert!(false, "{} is undecided", encoding.name()),
            }
        }
    }

    /// With the solver every question is decided, as enumeration does.
    #[test]
    fn the_whole_cascade_decides_everything(asked in question(), branch in any::<bool>()) {
        let Asked { network, region, property } = &asked;
        let fails = integer_inputs(region).iter().any(|x| !property.holds(&network.evaluate(x).unwrap()));
        let mut options = VerifyOptions::default();
        if !branch {
            (options.attack, options.branch) = (None, None);
        }
        let solver: (&dyn Solver, &dyn Encoding) = (&Highs::default(), &Compact);
        let report =
            verify_with_solver(network, region, property, &options, solver, &Watch::default())
                .unwrap();
        match report.verdict {
            Verdict::Robust => prop_assert!(!fails),
            Verdict::Falsified(witness) => {
                prop_assert!(fails && region.contains(&witness.input));
                prop_assert!(!property.holds(&network.evaluate(&witness.input).unwrap()));
            }
            Verdict::Unknown(reason) => prop_assert!(false, "{reason:?}"),
        }
    }
}
