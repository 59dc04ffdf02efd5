//! Samples a second, and what they are spent on.

use std::fmt;
use std::time::Instant;

use nalgebra::{DMatrix, DVector};
use nncert_core::product::multiply;
use nncert_core::{Activation, Affine, Convolution, Layer, Network, Shape, Window};
use nncert_smoothing::{
    BatchClassifier, FnClassifier, Input, NetworkClassifier, Noise, RecordOptions, Smoothed,
    Smoothing,
};

use super::subject::Subject;
use crate::verb::{Error, failed};

/// A model on so many threads.
pub(crate) struct Throughput {
    model: &'static str,
    threads: usize,
    pub(super) samples_per_second: f64,
    pub(super) noise_share: f64,
    /// Of a plain product, on one thread.
    pub(super) peak_share: Option<f64>,
}

impl Throughput {
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.model, self.threads)
    }
}

/// At least so long is measured.
const SECONDS: f64 = 0.4;

pub(super) fn measure(subject: &Subject) -> Result<Vec<Throughput>, Error> {
    let Some((image, _)) = subject.images.first() else { return Ok(Vec::new()) };
    rates(subject.name, &subject.network, image)
}

/// A small network for images of 3x32x32, whose rate under PyTorch is known: convolutions of 16 and 32 channels, one dense layer.
pub(super) fn small_cnn() -> Result<Vec<Throughput>, Error> {
    let affine = |outputs: usize, inputs: usize| {
        let entry = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 199) as f64 / 1000.0 - 0.1;
        Affine::new(DMatrix::from_fn(outputs, inputs, entry), DVector::zeros(outputs))
    };
    let window = Window::new([3, 3]).padded(1);
    let layers = vec![
        Layer::from(Convolution::new(affine(16, 27), window)),
        Activation::Relu.into(),
        Convolution::new(affine(32, 144), Window { stride: [2, 2], ..window }).into(),
        Activation::Relu.into(),
        Layer::Flatten,
        affine(10, 32 * 256).into(),
    ];
    let network = Network::new(Shape::new([3, 32, 32]), layers).map_err(failed)?;
    rates("small-cnn", &network, &vec![0.5; 3072])
}

fn rates(model: &'static str, network: &Network, image: &[f64]) -> Result<Vec<Throughput>, Error> {
    let smoothing = Smoothing::new(Noise::Gaussian, 0.25, 1).map_err(failed)?;
    let classifier = NetworkClassifier::new(network).map_err(failed)?;
    let smoothed = Smoothed::new(&classifier, smoothing.clone()).map_err(failed)?;
    let input = Input { id: 0, values: image };
    let mut figures = Vec::new();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(failed)?;
        let seconds = pool.install(|| least_seconds(|n| record(&smoothed, input, n)))?;
        // All but the classifier: the same run with a label that takes no time.
        let constant = FnClassifier::new(image.len(), network.outputs(), "constant", |batch| {
            vec![0; batch.ncols()]
        });
        let idle = Smoothed::new(constant, smoothing.clone()).map_err(failed)?;
        let noise = pool.install(|| least_seconds(|samples| record(&idle, input, samples)))?;
        let alone = pool.install(|| seconds_per_sample(&classifier, &smoothing, image))?;
        let products = multiplications(network) as f64;
        figures.push(Throughput {
            model,
            threads,
            samples_per_second: 1.0 / seconds,
            noise_share: noise / seconds,
            peak_share: (threads == 1).then(|| products / alone / peak()),
        });
    }
    Ok(figures)
}

fn record(
    smoothed: &Smoothed<impl BatchClassifier>,
    input: Input<'_>,
    samples: u64,
) -> Result<(), Error> {
    let options = RecordOptions { selection: 1, first: 0, samples, batch: 1000, margins: false };
    smoothed.record(input, &options).map(|_| ()).map_err(failed)
}

/// Seconds of the classifier alone, on the current pool.
pub(super) fn seconds_per_sample(
    classifier: &impl BatchClassifier,
    smoothing: &Smoothing,
    image: &[f64],
) -> Result<f64, Error> {
    let input = Input { id: 0, values: image };
    let mut batch = DMatrix::zeros(image.len(), 256);
    let mut best = f64::INFINITY;
    let mut index = 1 << 40;
    let begun = Instant::now();
    while best.is_infinite() || begun.elapsed().as_secs_f64() < SECONDS {
        for mut column in batch.column_iter_mut() {
            // New samples, so that a classifier that remembers has to work.
            if let Some(sample) = smoothing.sample(input, index).map_err(failed)? {
                column.as_mut_slice().copy_from_slice(&sample);
            }
            index += 1;
        }
        let start = Instant::now();
        classifier.classify(&batch).map_err(failed)?;
        best = best.min(start.elapsed().as_secs_f64() / 256.0);
    }
    Ok(best)
}

/// Seconds of a sample, at best.
fn least_seconds(mut run: impl FnMut(u64) -> Result<(), Error>) -> Result<f64, Error> {
    let (mut samples, mut best) = (256, f64::INFINITY);
    let begun = Instant::now();
    while best.is_infinite() || begun.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        run(samples)?;
        let seconds = start.elapsed().as_secs_f64();
        best = best.min(seconds / samples as f64);
        if seconds < 0.1 {
            samples *= 2;
        }
    }
    Ok(best)
}

/// Multiplications a second of a plain product in `f32`, on one thread.
fn peak() -> f64 {
    const N: usize = 1024;
    let matrix = DMatrix::from_fn(N, N, |i, j| ((i * 7 + j * 3) % 11) as f32 - 5.0);
    let mut product = DMatrix::zeros(N, N);
    let mut best = 0.0_f64;
    for _ in 0..8 {
        let start = Instant::now();
        multiply(&mut product, false, &matrix, &matrix);
        best = best.max((N * N * N) as f64 / start.elapsed().as_secs_f64());
    }
    best
}

/// Multiplications of one evaluation.
fn multiplications(network: &Network) -> usize {
    let shapes = network.shapes().iter();
    network
        .layers()
        .iter()
        .zip(shapes)
        .map(|(layer, input)| of_layers(core::slice::from_ref(layer), input))
        .sum()
}

fn of_layers(layers: &[Layer], input: &Shape) -> usize {
    let (mut shape, mut sum) = (input.clone(), 0);
    for layer in layers {
        let Ok(output) = layer.output_shape(&shape) else { return sum };
        sum += match layer {
            Layer::Affine(affine) => affine.weight.len(),
            Layer::Convolution(convolution) => {
                let channels = convolution.output_channels().max(1);
                convolution.filters.weight.len() * (output.len() / channels)
            }
            Layer::Residual(residual) => {
                of_layers(&residual.body, &shape) + of_layers(&residual.shortcut, &shape)
            }
            _ => 0,
        };
        shape = output;
    }
    sum
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, threads, samples_per_second, noise_share, peak_share } = self;
        write!(f, "{model}, {threads} threads: {samples_per_second:.0} samples a second")?;
        write!(f, ", {:.1} % of it noise", 100.0 * noise_share)?;
        match peak_share {
            Some(share) => write!(f, ", {:.0} % of a plain product's speed", 100.0 * share),
            None => Ok(()),
        }
    }
}
