//! The same bits on every machine: what is pinned here changes only with a line in the changelog.
//!
//! After an intended change, take the new bits from the message of the failing test.

use nncert_prob::{
    Count, Distribution, LinearForm, Probability, SidedProbability, Tail, Uniform,
    clopper_pearson_lower, clopper_pearson_upper, fisher_three_lower, sequence_lower,
    weighted_fisher_lower,
};

#[test]
fn bounds_keep_their_bits() {
    let inputs: Vec<Uniform> = (0..50)
        .map(|i| Uniform::new(-0.1 * f64::from(i % 7), 0.3 + 0.01 * f64::from(i)).unwrap())
        .collect();
    let coefficients: Vec<f64> = (0..50).map(|i| 0.7 - 0.03 * f64::from(i)).collect();
    let form = LinearForm::new(&coefficients, 0.1, &inputs).unwrap();
    let bits: Vec<String> = Tail::ALL
        .into_iter()
        .flat_map(|method| [form.upper_tail(2.0, method), form.lower_tail(-3.5, method)])
        .map(|bound| format!("{:016x}", bound.get().to_bits()))
        .collect();
    assert_eq!(
        bits,
        [
            "3fd064216044eb81",
            "3fe47a847bfa02f0",
            "3fa59d346be84a90",
            "3fd6afb0a4610d24",
            "3fe1420d59d6cfa8",
            "3fe6d7d7e50fcdfb",
            "3f7d749ce411f113",
            "3fc0ba5277b5ed40",
            "3f13b8b57f0b8f05",
            "3fa6cdf3444fa3ba",
            "3ef819b73f92bfa4",
            "3fa44c0970580d29",
            "3ef819b73f92bfa4",
            "3fa44c0970580d29",
            "3ff0000000000000",
            "3ff0000000000000",
            "3ec2a2d752420245",
            "3f780a6bcfab0bef",
        ]
    );
}

#[test]
fn log_mgf_keeps_its_bits() {
    let law = Uniform::new(-0.3, 0.8).unwrap();
    let bits = [1e-9, 0.1, 1.0, -30.0, 1e12].map(|s| format!("{:016x}", law.log_mgf(s).to_bits()));
    assert_eq!(
        bits,
        [
            "3bedc2c052830366",
            "3f4084d485b4a627",
            "3fa98ed4fa690d20",
            "402a01c9c2ca91cc",
            "426001d1bf7c88c3"
        ]
    );
}

#[test]
fn bounds_of_counts_keep_their_bits() {
    let count = |k, n| Count::new(k, n).unwrap();
    let alpha = Probability::new(0.001).unwrap();
    let (cached, lost) = (count(9_000, 10_000), count(3, 500));
    let bounds = [
        clopper_pearson_lower(count(990, 1000), alpha),
        clopper_pearson_lower(count(6_000_000, 10_000_000), alpha),
        clopper_pearson_upper(count(0, 1000), alpha),
        sequence_lower(cached, alpha).unwrap(),
        weighted_fisher_lower(cached, lost, 0.5, alpha),
        weighted_fisher_lower(cached, lost, 1.0, alpha),
        fisher_three_lower(cached, lost, count(4, 50), alpha),
    ];
    let bits = bounds.map(|bound: SidedProbability| {
        let (side, of_complement) = bound.small_side();
        format!("{:016x} {of_complement}", side.to_bits())
    });
    assert_eq!(
        bits,
        [
            "3f9889f841d25516 true",
            "3fd9a1720ec09785 true",
            "3f7c3258ae63af43 false",
            "3fbd19aca931e4db true",
            "3fc03621e7291e5d true",
            "3fc04ea44ed5ac0b true",
            "3fc008597d2698d3 true",
        ]
    );
}
