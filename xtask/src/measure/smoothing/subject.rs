//! The models that are smoothed, their images, and their copies.

use std::path::Path;

use nalgebra::DMatrix;
use nncert_core::compress::{self, Granularity, Scope};
use nncert_core::{Network, io};
use nncert_smoothing::{BatchClassifier, Input, NetworkClassifier, Smoothing};

use super::Size;
use crate::project;
use crate::verb::{Error, failed};

/// Values and label.
type Image = (Vec<f64>, usize);

/// Noisy copies of a candidate; most have to be classified rightly.
const TRIALS: u64 = 24;

/// A model and what it is measured on.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) network: Network,
    pub(super) sigmas: &'static [f64],
    pub(super) images: Vec<Image>,
    /// The images among which those are looked for that the network gets right under noise; empty where it does get most right.
    candidates: Vec<Image>,
    /// Cached samples of an image.
    pub(super) samples: u64,
    /// Whether the difference from a copy is bounded on a box too.
    pub(super) bounded: bool,
}

/// Where a model is, and how much of it is measured unless something else is asked for.
struct Plan {
    name: &'static str,
    network: &'static str,
    images: &'static str,
    /// In the repository, or in the data folder.
    ours: bool,
    sigmas: &'static [f64],
    inputs: usize,
    samples: u64,
    bounded: bool,
    /// Images to look through for `inputs` that are classified rightly; 0 takes the first ones.
    candidates: usize,
}

const PLANS: [Plan; 5] = [
    Plan {
        name: "digits-mlp",
        network: "fixtures/digits/digits_100.safetensors",
        images: "fixtures/digits/test_images.safetensors",
        ours: true,
        sigmas: &[0.25, 0.5],
        inputs: 60,
        samples: 10_000,
        bounded: true,
        candidates: 0,
    },
    Plan {
        name: "digits-resnet",
        network: "fixtures/onnx/digits_resnet.onnx",
        images: "fixtures/digits/test_images.safetensors",
        ours: true,
        sigmas: &[0.25],
        inputs: 30,
        samples: 10_000,
        bounded: true,
        candidates: 0,
    },
    Plan {
        name: "mnist-cnn",
        network: "mnist/cnn.onnx",
        images: "mnist/mnist100.csv",
        ours: false,
        sigmas: &[0.25, 0.5],
        inputs: 100,
        samples: 10_000,
        bounded: false,
        candidates: 0,
    },
    Plan {
        name: "mnist-mlp",
        network: "mnist/mlp_3x1024.safetensors",
        images: "mnist/mnist100.csv",
        ours: false,
        sigmas: &[0.25],
        inputs: 60,
        samples: 10_000,
        bounded: false,
        candidates: 0,
    },
    Plan {
        name: "cifar-resnet20",
        network: "cifar/resnet20_sigma025.onnx",
        images: "cifar/images.safetensors",
        ours: false,
        sigmas: &[0.25, 0.5, 1.0],
        inputs: 6,
        samples: 1_500,
        bounded: false,
        candidates: 150,
    },
];

impl Subject {
    /// The models that are there.
    pub(super) fn all(
        data: &Path,
        size: &Size,
        missing: &mut Vec<String>,
    ) -> Result<Vec<Self>, Error> {
        let root = project::root();
        let asked = |plan: &&Plan| size.model.as_deref().is_none_or(|name| name == plan.name);
        let mut subjects = Vec::new();
        for plan in PLANS.iter().filter(asked) {
            let folder = if plan.ours { &*root } else { data };
            let lacking: Vec<_> = [plan.network, plan.images]
                .into_iter()
                .filter(|p| !folder.join(p).is_file())
                .collect();
            if lacking.is_empty() {
                subjects.push(plan.read(folder, size)?);
            }
            missing.extend(lacking.into_iter().map(str::to_owned));
        }
        Ok(subjects)
    }

    /// The copies, weights really rounded or removed.
    pub(super) fn copies(&self) -> Result<Vec<(&'static str, Network)>, Error> {
        let f = &self.network;
        let prune = |ratio| compress::prune_weights(f, ratio, Scope::Network).map_err(failed);
        let copies = [
            ("fp16", compress::float16(f).map_err(failed)?),
            ("bf16", compress::bfloat16(f).map_err(failed)?),
            ("int8", compress::int8(f, Granularity::PerChannel).map_err(failed)?),
            ("prune5", prune(0.05)?),
            ("prune10", prune(0.1)?),
            ("prune20", prune(0.2)?),
        ];
        Ok(copies.into_iter().map(|(name, copy)| (name, copy.network)).collect())
    }
}

impl Plan {
    fn read(&self, folder: &Path, size: &Size) -> Result<Subject, Error> {
        let network = folder.join(self.network);
        let network = if self.network.ends_with(".onnx") {
            io::onnx::read(network).map_err(failed)?
        } else {
            io::read_network(network).map_err(failed)?
        };
        let images = folder.join(self.images);
        let mut images = if self.images.ends_with(".csv") {
            greys(&images)?
        } else {
            let set = io::read_dataset(images).map_err(failed)?;
            set.iter().map(|(image, label)| (image.to_vec(), label)).collect()
        };
        let mut candidates = images.clone();
        candidates.truncate(self.candidates);
        images.truncate(size.inputs.unwrap_or(self.inputs));
        if images.iter().any(|(image, _)| image.len() != network.inputs()) {
            return Err(failed(format!("{} and {} do not fit", self.network, self.images)));
        }
        let samples = size.samples.unwrap_or(self.samples);
        let Self { name, sigmas, bounded, .. } = *self;
        Ok(Subject { name, network, sigmas, images, candidates, samples, bounded })
    }
}

impl Subject {
    /// With as many images, the first that the network gets right in most of a few samples, where there are candidates. These samples are
    /// used for nothing else, and every method is run on the same images.
    pub(super) fn at(&self, f: &NetworkClassifier, smoothing: &Smoothing) -> Result<Self, Error> {
        let mut images = Vec::new();
        for (id, (values, label)) in (1 << 32..).zip(&self.candidates) {
            let input = Input { id, values };
            let samples = (0..TRIALS)
                .map(|index| smoothing.sample(input, index).map(Option::unwrap_or_default))
                .collect::<Result<Vec<_>, _>>()
                .map_err(failed)?;
            let batch = DMatrix::from_fn(values.len(), samples.len(), |i, j| samples[j][i]);
            let labels = f.classify(&batch).map_err(failed)?;
            let right = labels.iter().filter(|found| *found == label).count() as u64;
            if 2 * right > TRIALS {
                images.push((values.clone(), *label));
            }
            if images.len() == self.images.len() {
                break;
            }
        }
        let images = if images.is_empty() { self.images.clone() } else { images };
        Ok(Self { images, ..self.clone() })
    }
}

/// Rows of a label and grey values.
fn greys(path: &Path) -> Result<Vec<(Vec<f64>, usize)>, Error> {
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let row = |line: &str| {
        let fields = line.split(',').map(str::trim).filter(|field| !field.is_empty());
        let numbers: Vec<u16> =
            fields.map(|f| f.parse().map_err(failed)).collect::<Result<_, _>>()?;
        let (label, grey) = numbers.split_first().ok_or_else(|| failed("an empty row"))?;
        Ok((grey.iter().map(|g| f64::from(*g) / 255.0).collect(), usize::from(*label)))
    };
    text.lines().map(row).collect()
}
