//! The worked example of SimCert: `δᴸ = 0.09x - 0.45`, `δᵁ = 0.03x + 0.40`, `ε = 0.5`, `X ~ U(-1, 1)`.

use nncert_prob::{LinearForm, Probability, Tail, Uniform};

/// Lower bounds of `P(|δ| ≤ ε)`: as printed, and with tails that are 0 beyond the largest deviation.
fn lower_bounds(method: Tail) -> (f64, f64) {
    let inputs = [Uniform::new(-1.0, 1.0).unwrap()];
    let lower = LinearForm::new(&[0.09], -0.45, &inputs).unwrap();
    let upper = LinearForm::new(&[0.03], 0.40, &inputs).unwrap();
    let inside = |tails: [Probability; 2]| Probability::sum_up(tails).complement_down().get();
    (
        inside([upper.upper_tail_unclipped(0.5, method), lower.lower_tail_unclipped(-0.5, method)]),
        inside([upper.upper_tail(0.5, method), lower.lower_tail(-0.5, method)]),
    )
}

#[test]
fn bounds_have_the_printed_digits() {
    let printed = [
        (Tail::HoeffdingPrinted, 0.139),
        (Tail::Hoeffding, 0.139),
        (Tail::BernsteinWhole, 0.236),
        (Tail::Bernstein, 0.236),
        (Tail::SubGaussian, 0.371),
        (Tail::Chernoff, 0.404),
        (Tail::Best, 0.404),
        (Tail::WorstCase, 0.0),
    ];
    for (method, expected) in printed {
        let (bound, clipped) = lower_bounds(method);
        assert!((bound - expected).abs() <= 5e-4, "{method}: {bound}");
        assert!(clipped >= bound, "{method}: {clipped} < {bound}");
    }
}

#[test]
fn clipping_sharpens_the_tail_beyond_the_largest_deviation() {
    let (bound, clipped) = lower_bounds(Tail::HoeffdingPrinted);
    assert!(clipped > bound + 0.003);
}
