//! Networks that are small enough to enumerate: every stage against every input.

mod common;

use common::{Asked, integer_inputs, question};
use nncert_bounds::fixed_point::FixedPointBounder;
use nncert_milp::{
    AttackOptions, Certificate, Norm, RadiusOptions, Verdict, VerifyOptions, Watch, check,
    maximum_radius, verify,
};
use proptest::prelude::*;

fn is_robust(question: &Asked) -> bool {
    let Asked { network, region, property } = question;
    integer_inputs(region).iter().all(|x| property.holds(&network.evaluate(x).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// The cascade decides every question but those where an input cannot be repaired, as
    /// enumeration does; its certificates are checked, its witnesses are in the region.
    #[test]
    fn the_cascade_agrees_with_enumeration(question in question()) {
        let Asked { network, region, property } = &question;
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

    /// Ranges hold at every input, and a range that is one too short at its end does not: interval
    /// analysis is exact about the first layer, so that the plant is always found there.
    #[test]
    fn ranges_hold_and_shorter_ones_do_not(question in question()) {
        let Asked { network, region, .. } = &question;
        let (bounds, _) = FixedPointBounder::new(network).bounds(region, 5).unwrap();
        let (mut reached, exact) = (i64::MIN, region.norm() != Norm::L2);
        for x in integer_inputs(region) {
            let trace = network.trace(&x).unwrap();
            for (ranges, layer) in bounds.accumulators.iter().zip(&trace[1..]) {
                for (range, a) in ranges.iter().zip(&layer.accumulators) {
                    prop_assert!(range.contains(*a), "{a} is not in {range}");
                }
            }
            reached = reached.max(trace[1].accumulators[0]);
        }
        if exact {
            let shorter = bounds.accumulators[0][0].upper() - 1;
            prop_assert!(reached > shorter, "the plant is not found");
        }
    }

    /// Every stage alone errs on no side.
    #[test]
    fn stages_alone_are_right(question in question()) {
        let Asked { network, region, property } = &question;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// The radius is that of the nearest failing input less one, in every norm.
    #[test]
    fn radii_agree_with_enumeration(question in question()) {
        let Asked { network, region, property } = &question;
        let options = RadiusOptions { start: 2, step: 2, verify: VerifyOptions::default() };
        // Balls that grow until they are all inputs: only those that can be enumerated.
        let all = region.with_radius(u64::MAX);
        prop_assume!(common::integer_box(&all) <= 5000);
        let report = maximum_radius(network, region, property, &options, &Watch::default()).unwrap();
        let failing = integer_inputs(&all)
            .into_iter()
            .filter(|x| !property.holds(&network.evaluate(x).unwrap()))
            .filter_map(|x| region.distance(&x))
            .min();
        if let Some(radius) = report.radius() {
            match failing {
                Some(nearest) => prop_assert_eq!(radius + 1, nearest),
                None => prop_assert!(report.witness.is_none()),
            }
        }
        if let (Some(robust), Some(nearest)) = (report.robust, failing) {
            prop_assert!(robust < nearest);
        }
        if let Some(witness) = report.witness {
            prop_assert!(witness.distance >= failing.unwrap());
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
        let Asked { network, region, property } = strategy.new_tree(&mut runner).unwrap().current();
        let report = verify(&network, &region, &property, &VerifyOptions::default()).unwrap();
        match report.verdict {
            Verdict::Unknown(_) => open += 1,
            Verdict::Robust => robust += 1,
            Verdict::Falsified(_) => {}
        }
    }
    assert!(open < QUESTIONS / 50, "{open} open");
    assert!(robust > QUESTIONS / 10, "{robust} robust");
}

/// A batch gives what each question gives alone.
#[test]
fn a_batch_is_its_questions() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let Asked { network, region, property } = question().new_tree(&mut runner).unwrap().current();
    let questions: Vec<_> =
        (0..4).map(|radius| (region.with_radius(radius), property.clone())).collect();
    let options = VerifyOptions::default();
    let reports = nncert_milp::verify_all(&network, &questions, &options, &Watch::default());
    for ((region, property), report) in questions.iter().zip(reports) {
        let alone = verify(&network, region, property, &options).unwrap();
        assert_eq!(report.unwrap().verdict, alone.verdict);
    }
}

/// A deadline that has passed and an observer that says so end the search.
#[test]
fn watches_end_searches() {
    use nncert_milp::{UnknownReason, verify_watched};
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = question().prop_filter("no violation", |asked| {
        !asked.property.violations().is_empty()
            && asked.property.holds(&asked.network.evaluate(asked.region.center()).unwrap())
    });
    let Asked { network, region, property } = strategy.new_tree(&mut runner).unwrap().current();
    let options = VerifyOptions::default();
    let late = Watch { deadline: Some(std::time::Instant::now()), observer: None };
    let report = verify_watched(&network, &region, &property, &options, &late).unwrap();
    assert_eq!(report.verdict, Verdict::Unknown(UnknownReason::Time));
    let stop = |_: &nncert_milp::Progress| core::ops::ControlFlow::Break(());
    let cancelled = Watch { deadline: None, observer: Some(&stop) };
    let report = verify_watched(&network, &region, &property, &options, &cancelled).unwrap();
    assert_eq!(report.verdict, Verdict::Unknown(UnknownReason::Cancelled));
}
