//! Bounds by norms hold on every recorded sample, whatever the networks.

use nalgebra::{DMatrix, dmatrix, dvector};
use nncert_core::compress::{self, Granularity, Scope};
use nncert_core::strategies::{convolutional, pair_of};
use nncert_core::{Affine, Evaluator, Network, PairedNetworks};
use nncert_smoothing::{
    Agreement, AgreementError, Input, LayerNorms, NetworkClassifier, Noise, RecordOptions,
    Smoothed, Smoothing,
};
use proptest::prelude::*;

const SAMPLES: u64 = 40;

/// The margin of the class over every other moves by less than what is needed, seen from 0 and from the input.
fn holds(pair: &PairedNetworks, input: &[f64], sigma: f64) -> Result<(), TestCaseError> {
    let f = pair.original();
    let smoothing = Smoothing::new(Noise::Gaussian, sigma, 7)?;
    let smoothed = Smoothed::new(NetworkClassifier::new(f)?, smoothing.clone())?;
    let options =
        RecordOptions { selection: 3, first: 0, samples: SAMPLES, batch: 16, margins: true };
    let input = Input { id: 0, values: input };
    let recorded = smoothed.record(input, &options)?;
    let mut agreement = Agreement::by_norms(pair, &LayerNorms::new(f))?;
    let far = agreement.needed(&recorded);
    agreement.around(input.values)?;
    let needed = agreement.needed(&recorded);
    prop_assert!(needed <= far, "{needed} {far}");
    let samples: Vec<Vec<f32>> = (0..SAMPLES)
        .map(|index| smoothing.sample(input, index).map(Option::unwrap_or_default))
        .collect::<Result<_, _>>()?;
    let batch = DMatrix::from_fn(f.inputs(), samples.len(), |i, j| samples[j][i]);
    let outputs = |network: &Network| -> Result<DMatrix<f32>, TestCaseError> {
        Ok(Evaluator::<f32>::new(network)?.evaluate(&batch)?.clone())
    };
    let (before, after) = (outputs(f)?, outputs(pair.compressed())?);
    let class = recorded.class();
    for (x, y) in before.column_iter().zip(after.column_iter()) {
        for other in (0..f.outputs()).filter(|other| *other != class) {
            let margin = |z: &[f32]| f64::from(z[class]) - f64::from(z[other]);
            let loss = margin(x.as_slice()) - margin(y.as_slice());
            prop_assert!(loss < f64::from(needed), "{loss} {needed}");
        }
    }
    Ok(())
}

/// What is needed by a pair of chains of one neuron each, and another class with a constant output, around 1.
fn needed(original: [f64; 4], copy: [f64; 4], constant: f64) -> f32 {
    let chain = |[a, b, c, d]: [f64; 4]| {
        let one = |weight| Affine::new(dmatrix![weight], dvector![0.0]);
        let last = Affine::new(dmatrix![d; 0.0], dvector![0.0, constant]);
        Network::relu_mlp(vec![one(a), one(b), one(c), last]).unwrap()
    };
    let (f, copy) = (chain(original), chain(copy));
    let pair = PairedNetworks::new(&f, &copy).unwrap();
    let smoothing = Smoothing::new(Noise::Gaussian, 1e-3, 7).unwrap();
    let smoothed = Smoothed::new(NetworkClassifier::new(&f).unwrap(), smoothing).unwrap();
    let options = RecordOptions { selection: 3, samples: 9, margins: true, ..Default::default() };
    let recorded = smoothed.record(Input { id: 0, values: &[1.0] }, &options).unwrap();
    let mut agreement = Agreement::by_norms(&pair, &LayerNorms::new(&f)).unwrap();
    agreement.around(&[1.0]).unwrap();
    agreement.needed(&recorded)
}

/// A sum of the copy that overflows, where that of the original does not: its output is infinite.
#[test]
fn where_sums_may_overflow_there_is_no_bound() {
    let of = |weight| [1e30, weight, 1e-30, 1e-8];
    assert_eq!(needed(of(3.39e8), of(3.403e8), 5.0), f32::INFINITY);
    assert!(needed(of(3e6), of(3.1e6), 5.0) < 1.0);
}

/// Weights that `f32` rounds to its smallest number and to 0.
#[test]
fn weights_next_to_zero_are_rounded_by_more_than_a_share() {
    let tiny = f64::from(f32::from_bits(1));
    let of = |share: f64| [9e37, share * tiny, 1e7, 1.0];
    let (f, copy) = (of(0.6), of(0.4));
    // 9e37 · 2^-149 · 1e7 against 0.
    let loss = 9e37 * tiny * 1e7;
    assert!(needed(f, copy, 0.0) > loss as f32, "{loss}");
}

#[test]
fn norms_of_another_network_are_refused() {
    let network = |weight| {
        Network::relu_mlp(vec![Affine::new(dmatrix![weight; 1.0], dvector![0.0, 0.0])]).unwrap()
    };
    let pair = PairedNetworks::new(&network(2.0), &network(2.5)).unwrap();
    let error = Agreement::by_norms(&pair, &LayerNorms::new(&network(2.5))).unwrap_err();
    assert!(matches!(error, AgreementError::Norms), "{error}");
}

fn input(length: usize) -> Vec<f64> {
    (0..length).map(|index| ((index * 37 + 11) % 101) as f64 / 101.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn dense_networks(pair in pair_of(1..=6, 2..=4, 1..=4, 1..=8), sigma in 0.01..1.0) {
        holds(&pair, &input(pair.original().inputs()), sigma)?;
    }

    #[test]
    fn images(f in convolutional(0..=3, 1..=2, 1..=6), kind in 0..4_u8, sigma in 0.01..1.0) {
        let copy = match kind {
            0 => compress::float16(&f).ok(),
            1 => compress::bfloat16(&f).ok(),
            2 => compress::int8(&f, Granularity::PerChannel).ok(),
            _ => compress::prune_weights(&f, 0.4, Scope::Network).ok(),
        };
        // Weights may be too large.
        let Some(copy) = copy else { return Ok(()) };
        let pair = copy.pair(&f)?;
        holds(&pair, &input(f.inputs()), sigma)?;
    }
}
