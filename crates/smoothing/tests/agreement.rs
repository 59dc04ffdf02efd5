//! Where bounds show what a copy gives, it gives that.

use std::io::Cursor;
use std::ops::ControlFlow;

use nalgebra::DMatrix;
use nncert_core::compress::{self, Granularity, Scope};
use nncert_core::{Domain, Evaluator, Network, PairedNetworks, Region, io};
use nncert_smoothing::{
    Agreement, BatchClassifier, Cache, CacheReader, CachedInput, ErrorBudget, FnClassifier,
    Incremental, IncrementalError, Input, LayerNorms, NetworkClassifier, Noise, RecordOptions,
    Smoothed, Smoothing, Transfer, TransferOptions,
};

const SIGMA: f64 = 0.4;

fn fixture(name: &str) -> String {
    format!("{}/../../fixtures/digits/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn network() -> Network {
    io::read_network(fixture("digits_32.safetensors")).unwrap()
}

fn around_images() -> Region {
    Region::linf_ball(&[0.5; 64], 0.5 + 4.5 * SIGMA, &Domain::Everything).unwrap()
}

/// What is skipped has the label that the copy gives; so skipping changes evaluations and nothing else.
#[test]
fn skipped_samples_have_the_label_of_the_copy() {
    for by in [By::Region, By::Norms, By::NormsAround] {
        skipped_samples(by);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Region,
    Norms,
    NormsAround,
}

fn skipped_samples(by: By) {
    let f = network();
    let copies = [
        compress::float16(&f).unwrap(),
        compress::bfloat16(&f).unwrap(),
        compress::prune_weights(&f, 0.05, Scope::Network).unwrap(),
        compress::int8(&f, Granularity::PerChannel).unwrap(),
    ];
    let images = io::read_dataset(fixture("test_images.safetensors")).unwrap();
    let original = NetworkClassifier::new(&f).unwrap();
    let smoothing = Smoothing::new(Noise::Gaussian, SIGMA, 8).unwrap();
    let smoothed = Smoothed::new(&original, smoothing.clone()).unwrap();
    let options = RecordOptions { selection: 50, first: 0, samples: 600, batch: 64, margins: true };
    let mut cache = Cache::new(&smoothed);
    let inputs: Vec<(Vec<f64>, usize)> =
        images.iter().take(6).map(|(image, label)| (image.to_vec(), label)).collect();
    let input = |id: usize| Input { id: id as u64, values: &inputs[id].0 };
    for id in 0..inputs.len() {
        cache.insert(smoothed.record(input(id), &options).unwrap()).unwrap();
    }
    // How far samples go is kept in the file.
    let file = CacheReader::from_source(Cursor::new(cache.to_bytes()));
    let read = file.unwrap().read_all().unwrap();
    assert_eq!(read, cache);
    let cache = read;
    let mut skipped = Vec::new();
    for copy in copies {
        let pair = PairedNetworks::new(&f, &copy.network).unwrap();
        let mut agreement = match by {
            By::Region => Agreement::new(&pair, &around_images()).unwrap(),
            _ => Agreement::by_norms(&pair, &LayerNorms::new(&f)).unwrap(),
        };
        if by == By::NormsAround {
            inputs.iter().for_each(|(image, _)| agreement.around(image).unwrap());
        }
        let copy = NetworkClassifier::new(&copy.network).unwrap();
        let run = |method, id, agreeing: bool| {
            let budget = ErrorBudget::new(0.001, 1).unwrap();
            let original = original.fingerprint();
            let mut incremental = Incremental::new(&cache, original, &smoothing, budget).unwrap();
            let options = TransferOptions { method, samples: 600, ..Default::default() };
            if agreeing {
                let unobserved = |_| ControlFlow::Continue(());
                incremental
                    .certify_agreeing(&copy, &agreement, input(id), &options, unobserved)
                    .unwrap()
            } else {
                incremental.certify_incremental(&copy, input(id), &options).unwrap()
            }
        };
        let mut total = 0;
        for id in 0..inputs.len() {
            for method in [
                Transfer::FisherTwo { weight: 0.5 },
                Transfer::FisherThree,
                Transfer::Replay,
                Transfer::Fresh,
            ] {
                let (with, without) = (run(method, id, true), run(method, id, false));
                assert_eq!(with.certification, without.certification);
                assert_eq!((with.changed, with.gained), (without.changed, without.gained));
                assert_eq!(with.evaluations + with.skipped, without.evaluations);
                total += with.skipped;
            }
        }
        skipped.push(total);
    }
    // It fires for f16, and for weights next to zero.
    assert!(skipped[0] > 1000 && skipped[2] > 1000, "{skipped:?}");
}

#[test]
fn an_agreement_about_others_is_refused() {
    let f = network();
    let copy = compress::float16(&f).unwrap().network;
    let other = compress::bfloat16(&f).unwrap().network;
    let pair = PairedNetworks::new(&f, &other).unwrap();
    let agreement = Agreement::new(&pair, &around_images()).unwrap();
    let original = NetworkClassifier::new(&f).unwrap();
    let smoothing = Smoothing::new(Noise::Gaussian, SIGMA, 8).unwrap();
    let smoothed = Smoothed::new(&original, smoothing.clone()).unwrap();
    let cache = Cache::new(&smoothed);
    let budget = ErrorBudget::new(0.001, 1).unwrap();
    let mut incremental =
        Incremental::new(&cache, original.fingerprint(), &smoothing, budget).unwrap();
    let error = incremental
        .certify_agreeing(
            &NetworkClassifier::new(&copy).unwrap(),
            &agreement,
            Input { id: 0, values: &[0.0; 64] },
            &TransferOptions::default(),
            |_| ControlFlow::Continue(()),
        )
        .unwrap_err();
    assert!(matches!(error, IncrementalError::Agreement), "{error}");
}

/// A cached input of every class.
fn of_each_class(f: &Network) -> Vec<CachedInput> {
    let images = io::read_dataset(fixture("test_images.safetensors")).unwrap();
    let smoothing = Smoothing::new(Noise::Gaussian, 0.01, 0).unwrap();
    let smoothed = Smoothed::new(NetworkClassifier::new(f).unwrap(), smoothing).unwrap();
    let options = RecordOptions { selection: 1, samples: 1, ..Default::default() };
    let mut found: Vec<Option<CachedInput>> = vec![None; 10];
    for (id, (image, _)) in (0..).zip(images.iter()) {
        let input = smoothed.record(Input { id, values: image }, &options).unwrap();
        let class = input.class();
        found[class].get_or_insert(input);
    }
    found.into_iter().map(Option::unwrap).collect()
}

/// Margins of the copy, evaluated in `f32` at the corners and inside, stay within what was bounded.
#[test]
fn margins_move_by_less_than_is_needed() {
    let f = network();
    let region = around_images();
    let of_each_class = of_each_class(&f);
    for copy in [compress::float16(&f).unwrap(), compress::bfloat16(&f).unwrap()] {
        let pair = PairedNetworks::new(&f, &copy.network).unwrap();
        let agreement = Agreement::new(&pair, &region).unwrap();
        let needed: Vec<f32> = of_each_class.iter().map(|input| agreement.needed(input)).collect();
        let mut evaluators =
            [&f, &copy.network].map(|network| Evaluator::<f32>::new(network).unwrap());
        let batch = DMatrix::from_fn(64, 500, |i, j| {
            let hash = (i * 7919 + j * 104_729) % 1009;
            let (low, high) = (region.lower()[i], region.upper()[i]);
            let place = match j % 3 {
                0 => hash % 2,
                _ => return (low + (high - low) * hash as f64 / 1009.0) as f32 * 0.999,
            };
            if place == 0 { low as f32 * 0.9999 } else { high as f32 * 0.9999 }
        });
        let [before, after] =
            evaluators.each_mut().map(|evaluator| evaluator.evaluate(&batch).unwrap().clone());
        for (x, y) in before.column_iter().zip(after.column_iter()) {
            for class in 0..10 {
                for other in (0..10).filter(|other| *other != class) {
                    let margin = |z: &[f32]| f64::from(z[class]) - f64::from(z[other]);
                    let loss = margin(x.as_slice()) - margin(y.as_slice());
                    assert!(loss < f64::from(needed[class]));
                }
            }
        }
    }
}

/// Margins of copies on recorded samples, of a dense network and of a small residual one.
#[test]
fn margins_move_by_less_than_norms_say() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");
    let resnet = io::onnx::read(format!("{root}/onnx/digits_resnet.onnx")).unwrap();
    let images = io::read_dataset(fixture("test_images.safetensors")).unwrap();
    let smoothing = Smoothing::new(Noise::Gaussian, SIGMA, 3).unwrap();
    let options = RecordOptions { selection: 5, first: 7, samples: 300, batch: 70, margins: true };
    // Of a deep network they are little use, and bounds all the same.
    for (f, close) in [(network(), 1e-2), (resnet, 1e-4)] {
        let norms = LayerNorms::new(&f);
        let smoothed = NetworkClassifier::new(&f).unwrap();
        let smoothed = Smoothed::new(smoothed, smoothing.clone()).unwrap();
        let copies = [
            compress::float16(&f).unwrap(),
            compress::int8(&f, Granularity::PerChannel).unwrap(),
            compress::prune_weights(&f, 0.3, Scope::Network).unwrap(),
        ];
        for copy in copies {
            let pair = PairedNetworks::new(&f, &copy.network).unwrap();
            let mut agreement = Agreement::by_norms(&pair, &norms).unwrap();
            let mut evaluators =
                [&f, &copy.network].map(|network| Evaluator::<f32>::new(network).unwrap());
            let mut most = 0.0_f64;
            for (id, (image, _)) in (0..).zip(images.iter().take(4)) {
                let input = Input { id, values: image };
                let recorded = smoothed.record(input, &options).unwrap();
                let far = agreement.needed(&recorded);
                agreement.around(image).unwrap();
                let near = agreement.needed(&recorded);
                assert!(near <= far, "{near} {far}");
                let samples: Vec<_> = (7..307)
                    .map(|index| smoothing.sample(input, index).unwrap().unwrap())
                    .collect();
                let batch = DMatrix::from_fn(64, samples.len(), |i, j| samples[j][i]);
                let [before, after] = evaluators
                    .each_mut()
                    .map(|evaluator| evaluator.evaluate(&batch).unwrap().clone());
                let class = recorded.class();
                for (x, y) in before.column_iter().zip(after.column_iter()) {
                    for other in (0..10).filter(|other| *other != class) {
                        let margin = |z: &[f32]| f64::from(z[class]) - f64::from(z[other]);
                        let loss = margin(x.as_slice()) - margin(y.as_slice());
                        assert!(loss < f64::from(near));
                        most = most.max(loss.abs() / f64::from(near));
                    }
                }
            }
            assert!(most > close, "{most}");
        }
    }
}

/// Margins, and how far samples go, do not depend on batches.
#[test]
fn reach_does_not_depend_on_batches() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");
    let resnet = io::onnx::read(format!("{root}/onnx/digits_resnet.onnx")).unwrap();
    let images = io::read_dataset(fixture("test_images.safetensors")).unwrap();
    let (image, _) = images.iter().next().unwrap();
    let smoothing = Smoothing::new(Noise::Gaussian, SIGMA, 4).unwrap();
    for f in [network(), resnet] {
        let smoothed =
            Smoothed::new(NetworkClassifier::new(&f).unwrap(), smoothing.clone()).unwrap();
        let record = |batch| {
            let options =
                RecordOptions { selection: 20, first: 0, samples: 300, batch, margins: true };
            smoothed.record(Input { id: 1, values: image }, &options).unwrap()
        };
        let whole = record(1000);
        for batch in [1, 7, 64] {
            assert_eq!(record(batch), whole);
        }
    }
}

/// Classifiers without outputs have no margins, and are run on everything.
#[test]
fn without_margins_nothing_is_skipped() {
    let plane = FnClassifier::new(2, 2, "plane", |batch| {
        batch.column_iter().map(|x| usize::from(x[0] > 0.0)).collect()
    });
    let smoothed = Smoothed::new(&plane, Smoothing::new(Noise::Gaussian, 1.0, 0).unwrap()).unwrap();
    let options = RecordOptions { selection: 9, first: 0, samples: 60, batch: 7, margins: true };
    let mut cache = Cache::new(&smoothed);
    let recorded = smoothed.record(Input { id: 0, values: &[0.5, 0.0] }, &options).unwrap();
    cache.insert(recorded).unwrap();
    let copy = CacheReader::from_source(Cursor::new(cache.to_bytes()));
    assert_eq!(copy.unwrap().read_all().unwrap(), cache);
}
