//! The logarithm of the moment generating function of a uniform law, against values of 60 digits.

use nncert_prob::{Distribution, Uniform};

fn number(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

#[test]
fn log_mgf_encloses_its_value() {
    let law = Uniform::new(-1.0, 1.0).unwrap();
    let mut count = 0;
    for line in
        include_str!("data/elementary.txt").lines().filter(|line| line.starts_with("log_sinhc "))
    {
        let fields: Vec<&str> = line.split(' ').collect();
        let (a, least) = (number(fields[1]), number(fields[2]));
        for s in [a, -a] {
            let bound = law.log_mgf(s);
            assert!(bound >= least, "{a:e}: {bound:e} below {least:e}");
            assert!(
                bound <= least * (1.0 + 2e-14) + 3e-323,
                "{a:e}: {bound:e} far above {least:e}"
            );
        }
        count += 1;
    }
    assert!(count >= 400);
}

#[test]
fn log_mgf_bears_any_argument() {
    let wide = Uniform::new(f64::MIN, f64::MAX).unwrap();
    let point = Uniform::new(0.3, 0.3).unwrap();
    assert_eq!((wide.log_mgf(0.0), point.log_mgf(0.0), point.log_mgf(1e300)), (0.0, 0.0, 0.0));
    assert_eq!(wide.log_mgf(1.0), f64::INFINITY);
    assert!(Uniform::new(-1.0, 1.0).unwrap().log_mgf(f64::MAX).is_finite());
}

#[test]
fn derivatives_are_those_of_log_mgf() {
    let law = Uniform::new(-2.0, 4.0).unwrap();
    for s in [-9.0, -1.0, -0.34, -0.33, -1e-3, 0.01, 0.32, 0.3333, 0.34, 0.7, 3.0, 20.0] {
        let h = 1e-4;
        let (before, here, after) = (law.log_mgf(s - h), law.log_mgf(s), law.log_mgf(s + h));
        let (mean, variance) = law.tilted_moments(s);
        assert!((mean - (after - before) / (2.0 * h)).abs() < 1e-5, "{s}");
        assert!(
            (variance - (after - 2.0 * here + before) / (h * h)).abs() < 1e-4 * variance + 1e-5,
            "{s}"
        );
    }
    let (mean, variance) = law.tilted_moments(0.0);
    assert!(mean == 0.0 && (variance - 3.0).abs() < 1e-15);
}
