//! The same bits, whatever the batch, the threads, and the samples that are drawn.

use nalgebra::DMatrix;
use nncert_core::fixed_point::FixedPointConfig;
use nncert_core::{FixedPointNetwork, Network, compress, io};
use nncert_smoothing::{
    BatchClassifier, Cache, CertifyOptions, ErrorBudget, FixedPointClassifier, Incremental, Input,
    NetworkClassifier, Noise, RecordOptions, Sampling, Smoothed, Smoothing, Transfer,
    TransferOptions,
};

fn fixture(name: &str) -> String {
    format!("{}/../../fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn images() -> DMatrix<f64> {
    io::read_dataset(fixture("digits/test_images.safetensors")).unwrap().images
}

fn networks() -> Vec<(Network, f64)> {
    let mlp = io::read_network(fixture("digits/digits_100.safetensors")).unwrap();
    let resnet = io::onnx::read(fixture("onnx/digits_resnet.onnx")).unwrap();
    vec![(mlp, 0.8), (resnet, 0.5)]
}

/// Runs on a pool of so many threads, where there are pools.
fn on<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    #[cfg(feature = "rayon")]
    return rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    #[cfg(not(feature = "rayon"))]
    {
        let _ = threads;
        run()
    }
}

#[test]
fn labels_do_not_depend_on_batches_or_threads() {
    let images = images();
    for (network, sigma) in networks() {
        let smoothing = Smoothing::new(Noise::Gaussian, sigma, 9).unwrap();
        let smoothed = Smoothed::new(NetworkClassifier::new(&network).unwrap(), smoothing).unwrap();
        let record_of = |image: &[f64], batch, first, samples| {
            let input = Input { id: 4, values: image };
            let options = RecordOptions { selection: 30, first, samples, batch, margins: false };
            smoothed.record(input, &options).unwrap()
        };
        // An image whose samples have several classes, if there is one.
        let mixed = |image: &&[f64]| {
            let count = record_of(image, 64, 0, 100).count();
            count.failures() > 10 && count.successes() > 10
        };
        let rows = || images.as_slice().chunks_exact(images.nrows());
        let image = rows().find(mixed).or_else(|| rows().next()).unwrap();
        let record = |batch, first, samples| record_of(image, batch, first, samples);
        let expected = record(256, 0, 3000);
        for (threads, batch) in [(1, 1), (1, 7), (1, 1000), (2, 1), (2, 7), (2, 1000)] {
            let samples = if batch == 1 { 500 } else { 3000 };
            let found = on(threads, || record(batch, 0, samples));
            assert!(found.labels().eq(expected.labels().take(samples as usize)));
        }
        // Only some of them.
        let some = record(7, 1234, 100);
        assert!(some.labels().eq(expected.labels().skip(1234).take(100)));
    }
}

/// A column has the same outputs in any place of any batch.
#[test]
fn classifiers_see_one_sample_at_a_time() {
    let images = images();
    for (network, _) in networks() {
        let classifier = NetworkClassifier::new(&network).unwrap();
        let batch = DMatrix::from_fn(images.nrows(), 67, |i, j| {
            images[(i, j)] as f32 + 0.3 * (((i * 31 + j * 17) % 13) as f32 - 6.0) / 6.0
        });
        let whole = classifier.classify(&batch).unwrap();
        for (column, label) in whole.iter().enumerate() {
            let alone = classifier.classify(&batch.columns(column, 1).into_owned()).unwrap();
            assert_eq!(alone, [*label]);
        }
        let error = classifier.classify(&DMatrix::zeros(3, 1)).unwrap_err();
        assert!(error.to_string().contains("found 3"));
    }
}

#[test]
fn certificates_do_not_depend_on_batches_or_threads() {
    let images = images();
    let image: Vec<f64> = images.column(0).iter().copied().collect();
    let (network, sigma) = networks().remove(0);
    let copy = compress::int8(&network, compress::Granularity::PerTensor).unwrap().network;
    let copy = NetworkClassifier::new(&copy).unwrap();
    let f = NetworkClassifier::new(&network).unwrap();
    let smoothing = Smoothing::new(Noise::Gaussian, sigma, 1).unwrap();
    let smoothed = Smoothed::new(&f, smoothing.clone()).unwrap();
    let input = Input { id: 0, values: &image };
    let sequential = Sampling::Sequential { radius: 0.2, most: 3000 };
    let certify = |batch, sampling| {
        let options = CertifyOptions { sampling, batch, ..Default::default() };
        smoothed.certify(input, &options).unwrap()
    };
    let transfer = |batch, method| {
        let options =
            RecordOptions { selection: 100, first: 0, samples: 2000, batch, margins: false };
        let mut cache = Cache::new(&smoothed);
        cache.insert(smoothed.record(input, &options).unwrap()).unwrap();
        let budget = ErrorBudget::new(0.001, 1).unwrap();
        let mut incremental =
            Incremental::new(&cache, f.fingerprint(), &smoothing, budget).unwrap();
        let options = TransferOptions { method, samples: 300, batch, ..Default::default() };
        incremental.certify_incremental(&copy, input, &options).unwrap()
    };
    let fixed = Sampling::Fixed { samples: 1000 };
    for (threads, batch) in [(1, 7), (2, 1000), (2, 7)] {
        for sampling in [fixed, sequential] {
            assert_eq!(on(threads, || certify(batch, sampling)), certify(256, sampling));
        }
        for method in [Transfer::FisherTwo { weight: 0.5 }, Transfer::FisherThree, Transfer::Fresh]
        {
            assert_eq!(on(threads, || transfer(batch, method)), transfer(256, method));
        }
    }
}

/// The integers that are drawn are the integers that the network sees.
#[test]
fn fixed_point_networks_see_the_grid() {
    let images = images();
    let image: Vec<f64> = images.column(2).iter().map(|x| (x * 256.0).round() / 256.0).collect();
    let (network, _) = networks().remove(0);
    let config = FixedPointConfig::qvip(8, network.affine_layers().count()).unwrap();
    let fixed = FixedPointNetwork::from_network(&network, &config).unwrap();
    let classifier = FixedPointClassifier::new(&fixed).unwrap();
    let noise = Noise::Grid { levels: 256, clamped: true };
    let smoothing = Smoothing::new(noise, 0.2, 3).unwrap();
    let input = Input { id: 2, values: &image };
    for index in 0..200 {
        let sample = smoothing.sample(input, index).unwrap().unwrap();
        // The network takes integers up to 255.
        let integers: Vec<i64> = sample.iter().map(|x| (x * 256.0) as i64).collect();
        assert!(sample.iter().zip(&integers).all(|(x, k)| *x == *k as f32 / 256.0));
        let clamped: Vec<i64> = integers.iter().map(|k| *k.min(&255)).collect();
        let batch = DMatrix::from_vec(sample.len(), 1, sample);
        assert_eq!(classifier.classify(&batch).unwrap(), [fixed.classify(&clamped).unwrap()]);
    }
    let smoothed = Smoothed::new(classifier, smoothing).unwrap();
    let sampling = Sampling::Fixed { samples: 2000 };
    let options = CertifyOptions { sampling, ..Default::default() };
    let report = smoothed.certify(input, &options).unwrap();
    assert!(report.certification.radius() > 0.05, "{report}");
}
