//! The digits network and its copies, around ten test images.

use std::path::Path;

use nncert::core::{RegionError, io::Dataset};
use nncert::prelude::*;

use super::copies::{self, Copy};
use super::study::{Agreement, Place, Study, Subject, Words};
use crate::verb::{Error, failed};

/// The images around which the copies are measured.
const IMAGES: usize = 10;

/// The study of a network on images; `first` is the first of the images that are used.
pub(super) fn study(
    network: &Path,
    images: &Path,
    first: usize,
    radius: f64,
) -> Result<Study, Error> {
    let original = io::read_network(network).map_err(failed)?;
    let data = io::read_dataset(images).map_err(failed)?;
    check(&original, &data, images, first)?;
    let chosen: Vec<usize> = (first..data.len()).chain(0..first).take(IMAGES).collect();
    let places = || -> Result<Vec<Place>, RegionError> {
        chosen.iter().map(|&index| place(&data, index, radius)).collect()
    };
    let mut subjects = Vec::new();
    for Copy { name, about, network, pair } in copies::all(&original, network)? {
        subjects.push(Subject {
            name: name.to_owned(),
            about,
            pair,
            outputs: Outputs::All,
            agreement: accuracy(&network, &data)?,
            places: places().map_err(failed)?,
        });
    }
    let right = accuracy(&original, &data)?;
    let file = network.file_name().unwrap_or_default().to_string_lossy();
    let count = chosen.len();
    Ok(Study {
        name: "demo",
        heading: format!(
            "{file}: {original}, {} of {} test images right; around {count} of them, from number {first} on",
            right.right, right.of
        ),
        original: file.into_owned(),
        seed: None,
        words: Words {
            subject: "copy",
            agreement: "accuracy",
            counted: format!("the {} test images that the copy gets right", right.of),
            input: "pixel",
            scores_are: format!("all {} scores are", original.outputs()),
            region: format!("the box of inputs within {radius} of the image in each pixel"),
            unit: "pixels run from 0 to 1",
            places: Some(format!("{count} images")),
            pictured: format!("the int8 copy, mean of {count} images"),
        },
        subjects,
        radius: Some(radius),
    })
}

fn check(network: &Network, data: &Dataset, path: &Path, first: usize) -> Result<(), Error> {
    let path = path.display();
    if data.images.nrows() != network.inputs() {
        let (found, expected) = (data.images.nrows(), network.inputs());
        return Err(failed(format!(
            "{path}: images of {found} pixels for a network of {expected} inputs"
        )));
    }
    if first >= data.len() {
        let last = data.len().saturating_sub(1);
        return Err(Error::Usage(format!("--image {first}: {path} has images 0 to {last}")));
    }
    Ok(())
}

fn place(data: &Dataset, index: usize, radius: f64) -> Result<Place, RegionError> {
    let image = data.images.column(index);
    let image = image.as_slice();
    Ok(Place {
        name: format!("image {index} (a {})", data.labels[index]),
        region: Region::linf_ball(image, radius, &Domain::unit())?,
        balls: Balls::around(image).within(Domain::unit()),
    })
}

fn accuracy(network: &Network, data: &Dataset) -> Result<Agreement, Error> {
    let mut evaluator = Evaluator::<f64>::new(network).map_err(failed)?;
    let scores = evaluator.evaluate(&data.images).map_err(failed)?;
    let right = scores.column_iter().zip(&data.labels).filter(|(s, label)| s.imax() == **label);
    Ok(Agreement { right: right.count(), of: data.len() })
}
