//! Bounds by norms hold on every recorded sample, whatever the networks.

use nalgebra::DMatrix;
use nncert_core::compress::{self, Granularity, Scope};
use nncert_core::strategies::{convolutional, pair_of};
use nncert_core::{Evaluator, Network, PairedNetworks};
use nncert_smoothing::{
    Agreement, Input, LayerNorms, NetworkClassifier, Noise, RecordOptions, Smoothed, Smoothing,
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
