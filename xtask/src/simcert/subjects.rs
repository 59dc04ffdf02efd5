//! The pairs of networks of tables 1 and 2, and the inputs around which they are compared.

use std::path::Path;

use nncert::prelude::*;
use nncert_core::io::read_dataset;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value as Json;

use crate::measure::mnist::{Image, images};
use crate::verb::{Error, failed};

/// A network and its copy, and where they are compared.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) pair: PairedNetworks,
    /// By how much the score of an image's label may move.
    pub(crate) epsilon: f64,
    /// Where searches for a radius begin and how fine they are.
    pub(crate) search: RadiusSearch,
    pub(crate) places: Vec<Place>,
    /// Images before the last place at which the networks differ too much as they are.
    pub(crate) skipped: usize,
}

/// An image and the pixels that move.
pub(crate) struct Place {
    pub(crate) image: usize,
    pub(crate) label: usize,
    pub(crate) balls: Balls,
}

impl Subject {
    /// The first `count` places at whose centre the networks agree to `ε/2`: where they
    /// differ by more than `ε`, no ball is right.
    fn new(
        name: String,
        pair: PairedNetworks,
        epsilon: f64,
        search: RadiusSearch,
        places: impl Iterator<Item = Place>,
        count: usize,
    ) -> Result<Self, Error> {
        let (mut kept, mut skipped) = (Vec::new(), 0);
        for place in places {
            if kept.len() == count {
                break;
            }
            let score = |network: &Network| {
                let outputs = network.evaluate(place.balls.centre()).map_err(failed)?;
                outputs.get(place.label).copied().ok_or_else(|| failed("a label is no output"))
            };
            let change = score(pair.original())? - score(pair.compressed())?;
            if change.abs() <= epsilon / 2.0 { kept.push(place) } else { skipped += 1 }
        }
        Ok(Self { name, pair, epsilon, search, places: kept, skipped })
    }
}

/// How many pixels move: the paper's numbers.
const MNIST_PIXELS: usize = 15;
const CIFAR_PIXELS: usize = 30;
/// All channels of a pixel move.
const CHANNELS: usize = 3;
/// Of the choice of pixels of CIFAR.
const SEED: u64 = 2025;

const MNIST: [&str; 2] = ["3x1024", "4x1024"];
/// The paper does not say its ε for MNIST; with this one SimCert's radii are of the size
/// of those that it prints.
const MNIST_EPSILON: f64 = 0.02;
/// The ratio of removed neurons and ε, as in table 2.
const PRUNINGS: [(f64, f64); 4] = [(0.01, 0.015), (0.05, 0.075), (0.10, 0.1), (0.15, 0.12)];

/// 784-3x1024-10 and 784-4x1024-10 with their int8 copies, around so many images.
pub(crate) fn mnist(
    data: &Path,
    count: usize,
    missing: &mut Vec<String>,
) -> Result<Vec<Subject>, Error> {
    let mut subjects = Vec::new();
    let Some(images) = images(data, missing)? else { return Ok(subjects) };
    for name in MNIST {
        let file = format!("mnist/mlp_{name}.safetensors");
        let Some(network) = network(data, &file, missing)? else { continue };
        let copy = compress::int8(&network, Granularity::PerChannel).map_err(failed)?;
        let pair = copy.pair(&network).map_err(failed)?;
        let place = |(image, found): (usize, &Image)| {
            let pixels = &found.random[..MNIST_PIXELS.min(found.random.len())];
            let balls = Balls::around(&found.unit()).on(pixels).within(Domain::unit());
            Place { image, label: found.label, balls }
        };
        let places = images.iter().enumerate().map(place);
        let name = format!("MNIST {name}, int8");
        let search = RadiusSearch::default();
        subjects.push(Subject::new(name, pair, MNIST_EPSILON, search, places, count)?);
    }
    Ok(subjects)
}

/// 3072-5x2048-10 with its pruned copies, around so many images.
pub(crate) fn cifar(
    data: &Path,
    count: usize,
    missing: &mut Vec<String>,
) -> Result<Vec<Subject>, Error> {
    let names = ["cifar/images.safetensors", "cifar/mlp_5x2048_pruning.json"];
    let lacking = names.iter().filter(|name| !data.join(name).is_file());
    let before = missing.len();
    missing.extend(lacking.map(|name| (*name).to_owned()));
    if missing.len() > before {
        return Ok(Vec::new());
    }
    let Some(network) = network(data, "cifar/mlp_5x2048.safetensors", missing)? else {
        return Ok(Vec::new());
    };
    let images = read_dataset(data.join(names[0])).map_err(failed)?;
    let text = std::fs::read_to_string(data.join(names[1])).map_err(failed)?;
    let lists: Json = serde_json::from_str(&text).map_err(failed)?;
    let place = |(image, (pixels, label)): (usize, (&[f64], usize))| {
        let chosen = chosen_pixels(image, pixels.len() / CHANNELS);
        let balls = Balls::around(pixels).on(&chosen).within(Domain::unit());
        Place { image, label, balls }
    };
    let subject = |(ratio, epsilon): (f64, f64)| {
        let removed = removed(&lists, ratio).ok_or_else(|| failed("no list for a ratio"))?;
        let copy = compress::remove_neurons(&network, &removed).map_err(failed)?;
        let pair = copy.pair(&network).map_err(failed)?;
        let name = format!("CIFAR 5x2048, {:.0} % pruned", 100.0 * ratio);
        // A pass of the baseline takes seconds.
        let search = RadiusSearch { start: 1e-3, tolerance: 1e-2, ..RadiusSearch::default() };
        Subject::new(name, pair, epsilon, search, images.iter().enumerate().map(place), count)
    };
    PRUNINGS.into_iter().map(subject).collect()
}

fn network(data: &Path, file: &str, missing: &mut Vec<String>) -> Result<Option<Network>, Error> {
    let path = data.join(file);
    if !path.is_file() {
        missing.push(file.to_owned());
        return Ok(None);
    }
    io::read_network(path).map(Some).map_err(failed)
}

/// The neurons that are removed from each hidden layer at a ratio.
fn removed(lists: &Json, ratio: f64) -> Option<Vec<Vec<usize>>> {
    let variants = lists["variants"].as_array()?;
    let variant = variants.iter().find(|variant| variant["ratio"].as_f64() == Some(ratio))?;
    let index = |value: &Json| usize::try_from(value.as_u64()?).ok();
    let layer = |layer: &Json| layer.as_array()?.iter().map(index).collect::<Option<Vec<_>>>();
    variant["removed"].as_array()?.iter().map(layer).collect()
}

/// The coordinates of random pixels: the same ones of all channels.
fn chosen_pixels(image: usize, pixels: usize) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    random.set_stream(image as u64);
    let mut all: Vec<usize> = (0..pixels).collect();
    for place in 0..CIFAR_PIXELS.min(pixels) {
        // The bias of a remainder does not matter here.
        let other = place + random.next_u64() as usize % (pixels - place);
        all.swap(place, other);
    }
    let chosen = &all[..CIFAR_PIXELS.min(pixels)];
    (0..CHANNELS).flat_map(|channel| chosen.iter().map(move |p| channel * pixels + p)).collect()
}
