//! Values in fixed point: every input of integers, enumerated.

use nncert_milp::quadapter::{Deployment, Strategy};
use nncert_milp::{Verdict, VerifyOptions};

use crate::small::{network, question, rng};

#[test]
fn integer_networks_are_decided_as_enumeration_decides() {
    let (mut robust, mut falsified) = (0, 0);
    for seed in 0..80 {
        let mut rng = rng(seed);
        let network = network(&mut rng, &[2, 4, 3]);
        let property = question(&mut rng, &network, 0.08);
        let region = property.inputs().bounding_box();
        let strategy = Strategy::fitting(&network, &[3, 3]).unwrap();
        let deployment = Deployment::fitting(&network, region, 6).unwrap();
        let end =
            deployment.certify(&network, &strategy, &property, &VerifyOptions::default()).unwrap();
        let integers = deployment.network(&network, &strategy).unwrap();
        let corner = |x: &[f64]| integers.quantize(x, deployment.rounding).unwrap();
        let (lower, upper) = (corner(region.lower()), corner(region.upper()));
        let class = property.outputs().rows()[0].coefficients.iter().position(|c| *c > 0.0);
        let class = class.unwrap();
        let keeps = |x: &[i64]| {
            let y = integers.evaluate(x).unwrap();
            (0..3).all(|other| other == class || y[class] > y[other])
        };
        let mut holds = true;
        for a in lower[0]..=upper[0] {
            for b in lower[1]..=upper[1] {
                holds &= keeps(&[a, b]);
            }
        }
        match end {
            Verdict::Robust => {
                assert!(holds, "seed {seed}");
                robust += 1;
            }
            Verdict::Falsified(witness) => {
                assert!(!holds && !keeps(&witness.input), "seed {seed}");
                falsified += 1;
            }
            Verdict::Unknown(_) => {}
        }
    }
    assert!(robust > 10 && falsified > 2, "{robust} robust, {falsified} falsified");
}
