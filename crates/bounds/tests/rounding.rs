//! Pairs built against the rounding analysis: every bound holds exactly.

mod exact;

use exact::{corners, runner, twice, violation};
use nalgebra::{DMatrix, DVector, dmatrix, dvector};
use nncert_bounds::strategies::{absorbing_pair, cancelling_pair, faint_pair};
use nncert_core::{Affine, Network, PairedNetworks, Region};
use proptest::prelude::*;

fn check(cases: u32, strategy: &impl Strategy<Value = (PairedNetworks, Region)>) {
    let result = runner(cases).run(strategy, |(pair, region)| {
        let found = violation(&pair, &region, corners(&region));
        found.map_or(Ok(()), |what| Err(TestCaseError::fail(what)))
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn large_terms_cancel() {
    check(3_000, &cancelling_pair());
}

#[test]
fn long_sums_lose_their_terms() {
    check(40, &absorbing_pair(2..=200));
    check(4, &absorbing_pair(500..=500));
}

#[test]
fn coefficients_underflow() {
    check(1_000, &faint_pair());
}

/// `10^16 + 1 - 10^16` from fixed inputs: 1 is lost while they are folded.
#[test]
fn folding_may_lose_everything() {
    let weight = dmatrix![1.0, 1.0, 1.0, 1.0];
    let network = Network::relu_mlp(vec![Affine::new(weight, dvector![0.0])]).unwrap();
    let lower = vec![1e16, 1.0, -1e16, 0.0];
    let upper = vec![1e16, 1.0, -1e16, 0.25];
    let region = Region::new(lower, upper).unwrap();
    assert_eq!(violation(&twice(&network), &region, corners(&region)), None);
}

/// A bias does the same as a fixed input.
#[test]
fn biases_may_cancel() {
    let region = Region::new(vec![1e16, 0.0], vec![1e16, 1.0]).unwrap();
    for hidden in [false, true] {
        let mut layers =
            vec![Affine::new(dmatrix![1.0, 1.0; 1.0, -1.0], dvector![1.0 - 1e16, -1e16])];
        if hidden {
            layers.push(Affine::new(dmatrix![1.0, -1.0], dvector![0.0]));
        }
        let network = Network::relu_mlp(layers).unwrap();
        assert_eq!(violation(&twice(&network), &region, corners(&region)), None);
    }
}

/// `w · w'` is zero in `f64`; times the input it is `10^-300`, far above the smallest number.
#[test]
fn an_underflowing_coefficient_is_paid_for() {
    let layer = |w: f64| Affine::new(dmatrix![w], dvector![0.0]);
    let original = Network::relu_mlp(vec![layer(1e-200), layer(1e-200)]).unwrap();
    let compressed = Network::relu_mlp(vec![layer(1e-200), layer(-1e-200)]).unwrap();
    let pair = PairedNetworks::new(&original, &compressed).unwrap();
    let region = Region::new(vec![5e99], vec![1e100]).unwrap();
    assert_eq!(violation(&pair, &region, corners(&region)), None);
}

/// Slopes of `10^-13` take coefficients of `10^-300` into the subnormal numbers; the next
/// weight makes up for it.
#[test]
fn underflowing_slopes_are_paid_for() {
    for k in 1..=64 {
        let (w, size) = (f64::from(k) * 1e-301, 1e100);
        let b = -w * size * (1.0 - 1e-12 / f64::from(k));
        let networks = [size, 0.0].map(|last| {
            Network::relu_mlp(vec![
                Affine::new(dmatrix![w; w * 0.9], dvector![b, b * 0.9]),
                Affine::new(dmatrix![last, -last], dvector![0.0]),
            ])
            .unwrap()
        });
        let pair = PairedNetworks::new(&networks[0], &networks[1]).unwrap();
        let region = Region::new(vec![0.5 * size], vec![size]).unwrap();
        assert_eq!(violation(&pair, &region, corners(&region)), None);
    }
}

/// A thousand products that are each rounded to zero.
#[test]
fn a_thousand_underflowing_products_are_paid_for() {
    let (n, small) = (1_000, 2f64.powi(-537) * 0.65);
    let sum = Affine::new(DMatrix::from_element(1, n, small), dvector![0.0]);
    let network = Network::relu_mlp(vec![sum]).unwrap();
    let point = Region::point(&vec![small; n]).unwrap();
    let free = Region::new(vec![small; n], vec![small.next_up(); n]).unwrap();
    for region in [point, free] {
        assert_eq!(violation(&twice(&network), &region, corners(&region)), None);
    }
}

/// A sum of 1 and a thousand terms that are each lost, in every place where a pass sums.
#[test]
fn a_thousand_lost_terms_are_paid_for() {
    let (n, lost) = (1_000, f64::EPSILON * 0.499);
    let row = |outputs| DMatrix::from_fn(outputs, n, |_, j| if j == 0 { 1.0 } else { lost });
    let ones = Affine::new(DMatrix::from_element(n, 1, 1.0), DVector::zeros(n));
    let sum = Affine::new(row(1), dvector![0.0]);
    let shallow = Network::relu_mlp(vec![sum.clone()]).unwrap();
    let deep = Network::relu_mlp(vec![ones, sum]).unwrap();
    for (network, inputs) in [(shallow, n), (deep, 1)] {
        let point = Region::point(&vec![1.0; inputs]).unwrap();
        let free = Region::new(vec![1.0; inputs], vec![1.0f64.next_up(); inputs]).unwrap();
        let wide = Region::new(vec![1.0; inputs], vec![1.5; inputs]).unwrap();
        for region in [point, free, wide] {
            assert_eq!(violation(&twice(&network), &region, corners(&region)), None);
        }
    }
}
