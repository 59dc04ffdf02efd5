//! Fisher's critical values against 50-digit values.

use nncert_prob::{
    Probability, fisher_critical_of_three, fisher_critical_of_two, fisher_of_three, fisher_of_two,
};

fn number(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

#[test]
fn critical_values_are_below_the_exact_ones_and_close() {
    let mut rows = 0;
    for line in include_str!("data/statistics.txt").lines() {
        if let ["fisher", m, alpha, below, _] = line.split(' ').collect::<Vec<_>>()[..] {
            let alpha = Probability::new(number(alpha)).unwrap();
            let (critical, p_value): (_, fn(Probability) -> Probability) = match m {
                "2" => (fisher_critical_of_two(alpha), fisher_of_two),
                _ => (fisher_critical_of_three(alpha), fisher_of_three),
            };
            assert!(critical.get() <= number(below), "{line}: {critical}");
            assert!(critical.get() >= number(below) * (1.0 - 1e-14), "{line}: {critical}");
            assert!(p_value(critical) <= alpha);
            rows += 1;
        }
    }
    assert_eq!(rows, 16);
}

#[test]
fn extremes_have_values() {
    for critical in [fisher_critical_of_two, fisher_critical_of_three] {
        assert_eq!(critical(Probability::ZERO), Probability::ZERO);
        assert_eq!(critical(Probability::ONE), Probability::ONE);
        assert!(critical(Probability::new(5e-324).unwrap()).get() < 1e-320);
    }
    assert_eq!(fisher_of_two(Probability::ZERO), Probability::ZERO);
    assert_eq!(fisher_of_three(Probability::ONE), Probability::ONE);
}
