//! Networks that are small enough to enumerate: every stage against every input.

use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::class;
use nncert_core::strategies::{fixed_point_input, fixed_point_of};
use nncert_milp::{
    AttackOptions, Certificate, Formula, Inequality, IntegerRegion, Norm, Property, Verdict,
    VerifyOptions, check, verify,
};
use proptest::prelude::*;

/// The most inputs of a region that are enumerated.
const MAX_INPUTS: usize = 40_000;

/// All inputs of a region.
fn inputs(region: &IntegerRegion) -> Vec<Vec<i64>> {
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

fn size(region: &IntegerRegion) -> usize {
    let lengths = region.coordinates().iter().map(|range| range.lower().abs_diff(range.upper()) + 1);
    lengths.fold(1u64, u64::saturating_mul).try_into().unwrap_or(usize::MAX)
}

#[derive(Clone, Debug)]
struct Question {
    network: FixedPointNetwork,
    region: IntegerRegion,
    property: Property,
}

fn formula(outputs: usize) -> impl Strategy<Value = Formula> {
    let row = (proptest::collection::vec(-3..=3i64, outputs), -20..=20i64);
    let leaf = row.prop_map(|(coefficients, bound)| {
        Formula::AtLeast(Inequality { coefficients, bound })
    });
    leaf.prop_recursive(2, 6, 3, |inner| {
        let parts = proptest::collection::vec(inner, 1..=3);
        prop_oneof![parts.clone().prop_map(Formula::All), parts.prop_map(Formula::Any)]
    })
}

fn question() -> impl Strategy<Value = Question> {
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
            Some(Question { network, region, property: property.ok()? })
        })
}

fn is_robust(question: &Question) -> bool {
    let Question { network, region, property } = question;
    inputs(region).iter().all(|x| property.holds(&network.evaluate(x).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// The cascade decides every question but those where an input cannot be repaired, as
    /// enumeration does; its certificates are checked, its witnesses are in the region.
    #[test]
    fn the_cascade_agrees_with_enumeration(question in question()) {
        let Question { network, region, property } = &question;
        let truth = is_robust(&question);
        let report = verify(network, region, property, &VerifyOptions::default()).unwrap();
        match &report.verdict {
            Verdict::Robust => {
                prop_assert!(truth);
                let certificate = report.certificate.as_ref().unwrap();
                let leaves = check(network, region, property, certificate);
                prop_assert_eq!(leaves, Ok(certificate.leaves()));
                let text = certificate.to_text();
                prop_assert_eq!(&Certificate::from_text(&text).unwrap(), certificate);
            }
            Verdict::Falsified(witness) => {
                prop_assert!(!truth);
                prop_assert!(region.contains(&witness.input));
                prop_assert!(!property.holds(&network.evaluate(&witness.input).unwrap()));
            }
            // Integers between which no input lies: what the solver is for.
            Verdict::Unknown(_) => {}
        }
    }

    /// Every stage alone errs on no side.
    #[test]
    fn stages_alone_are_right(question in question()) {
        let Question { network, region, property } = &question;
        let truth = is_robust(&question);
        let stages = [
            VerifyOptions { attack: None, branch: None, time: None },
            VerifyOptions { attack: Some(AttackOptions::default()), branch: None, time: None },
        ];
        for options in stages {
            match verify(network, region, property, &options).unwrap().verdict {
                Verdict::Robust => prop_assert!(truth),
                Verdict::Falsified(witness) => {
                    prop_assert!(!truth);
                    prop_assert!(!property.holds(&network.evaluate(&witness.input).unwrap()));
                }
                Verdict::Unknown(_) => {}
            }
        }
    }
}

/// How many questions are left open, of many: few.
#[test]
fn few_questions_stay_open() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (strategy, mut open, mut robust) = (question(), 0, 0);
    const QUESTIONS: usize = 1000;
    for _ in 0..QUESTIONS {
        let Question { network, region, property } =
            strategy.new_tree(&mut runner).unwrap().current();
        let report = verify(&network, &region, &property, &VerifyOptions::default()).unwrap();
        match report.verdict {
            Verdict::Unknown(_) => open += 1,
            Verdict::Robust => robust += 1,
            Verdict::Falsified(_) => {}
        }
    }
    eprintln!("{open} open, {robust} robust of {QUESTIONS}");
    assert!(open < QUESTIONS / 50, "{open} open");
    assert!(robust > QUESTIONS / 10, "{robust} robust");
}
