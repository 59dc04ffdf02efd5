//! The MNIST tasks of NeuroDiff on 784-100-100-10 and its 16-bit copy.
//!
//! From the artifact (pauls658/NeuroDiff-ASE2020-Artifact, `load_inputs` of `nnet.c`):
//! pixels are grey values by 255; a global task moves all of them by `r` grey values and
//! stays in `[0, 1]`, a pixel task frees the first `x` of 30 random pixels of its image
//! in `[0, 1]`. Only the output of the image's label is checked, `|δ| < 1`.
//!
//! Its logs (`logs_ASE/icse_exps/neurodiff`) have `r = 3` and `x = 3` for this network:
//! all 200 certified in the first pass, in 0.069 to 0.132 s each. The larger `r` and `x`
//! are those that it ran on a larger network, which is not published.

use std::fs;
use std::path::{Path, PathBuf};

use nncert_core::io::nnet;
use nncert_core::{Domain, PairedNetworks, Region, compress};

use crate::verb::{Error, failed};

/// By how many grey values, and how many pixels.
const SETTINGS: [Setting; 6] = [
    Setting { kind: Kind::Global, size: 3, seconds: Some(LEAST_SECONDS) },
    Setting { kind: Kind::Global, size: 5, seconds: None },
    Setting { kind: Kind::Global, size: 7, seconds: None },
    Setting { kind: Kind::Pixels, size: 3, seconds: Some(LEAST_SECONDS) },
    Setting { kind: Kind::Pixels, size: 15, seconds: None },
    Setting { kind: Kind::Pixels, size: 30, seconds: None },
];
/// The least of the logged seconds, for each task: the sum is below theirs.
const LEAST_SECONDS: f64 = 0.069;
const PIXELS: usize = 784;

#[derive(Clone, Copy)]
enum Kind {
    Global,
    Pixels,
}

#[derive(Clone, Copy)]
struct Setting {
    kind: Kind,
    size: u8,
    seconds: Option<f64>,
}

/// The networks and the images.
pub(super) struct Mnist {
    pub(super) pair: PairedNetworks,
    images: Vec<Image>,
}

/// One of the hundred images.
pub(crate) struct Image {
    pub(crate) label: usize,
    grey: Vec<f64>,
    /// The pixels that are freed, in this order.
    pub(crate) random: Vec<usize>,
}

/// A region of one image.
pub(super) struct MnistTask {
    /// `global 3`, `pixels 15`.
    pub(super) setting: String,
    /// The image, counted from 0.
    pub(super) image: usize,
    pub(super) label: usize,
    pub(super) region: Region,
    /// NeuroDiff's seconds, if its log has the setting.
    pub(super) seconds: Option<f64>,
}

impl Mnist {
    /// The networks and images, or `None` when the folder lacks a file.
    pub(super) fn read(data: &Path, missing: &mut Vec<String>) -> Result<Option<Self>, Error> {
        let names = ["mnist/mnist_relu_3_100.nnet", "mnist/mnist_relu_3_100_16bit.nnet"];
        let Some([original, copy]) = found(data, names, missing) else { return Ok(None) };
        let Some(images) = images(data, missing)? else { return Ok(None) };
        let original = nnet::read(original).map_err(failed)?.network;
        let copy = nnet::read(copy).map_err(failed)?.network;
        // The file holds 16-bit numbers already; rounding keeps them and makes sure.
        let copy = compress::float16(&copy).map_err(failed)?.network;
        let pair = PairedNetworks::new(&original, &copy).map_err(failed)?;
        Ok(Some(Self { pair, images }))
    }

    /// All tasks, one setting after the other.
    pub(super) fn tasks(&self) -> Result<Vec<MnistTask>, Error> {
        let tasks = SETTINGS.iter().flat_map(|setting| {
            self.images.iter().enumerate().map(|(at, image)| {
                let name = match setting.kind {
                    Kind::Global => "global",
                    Kind::Pixels => "pixels",
                };
                Ok(MnistTask {
                    setting: format!("{name} {}", setting.size),
                    image: at,
                    label: image.label,
                    region: image.region(*setting)?,
                    seconds: setting.seconds,
                })
            })
        });
        tasks.collect()
    }
}

impl Image {
    /// The pixels in `[0, 1]`.
    pub(crate) fn unit(&self) -> Vec<f64> {
        self.grey.iter().map(|grey| (grey / 255.0).clamp(0.0, 1.0)).collect()
    }

    fn region(&self, setting: Setting) -> Result<Region, Error> {
        let unit = |grey: &f64| (grey / 255.0).clamp(0.0, 1.0);
        match setting.kind {
            Kind::Global => {
                let by = f64::from(setting.size);
                let moved = |by: f64| self.grey.iter().map(|grey| unit(&(grey + by))).collect();
                Region::new(moved(-by), moved(by)).map_err(failed)
            }
            Kind::Pixels => {
                let image = self.unit();
                let count = usize::from(setting.size);
                let free = self.random.get(..count).ok_or_else(|| failed("too few pixels"))?;
                Region::ball_on(&image, 1.0, free, &Domain::unit()).map_err(failed)
            }
        }
    }
}

/// The images and their random pixels, or `None` when the folder lacks a file.
pub(crate) fn images(data: &Path, missing: &mut Vec<String>) -> Result<Option<Vec<Image>>, Error> {
    let names = ["mnist/mnist100.csv", "mnist/mnist100_random_pixels.csv"];
    let Some([images, pixels]) = found(data, names, missing) else { return Ok(None) };
    let images = table(&images)?.into_iter().zip(table(&pixels)?).map(|(image, random)| {
        let Some((&label, grey)) = image.split_first().filter(|(_, grey)| grey.len() == PIXELS)
        else {
            return Err(failed("an image is a label and 784 grey values"));
        };
        if random.iter().any(|&pixel| usize::from(pixel) >= PIXELS) {
            return Err(failed("a pixel is one of 784"));
        }
        Ok(Image {
            label: label.into(),
            grey: grey.iter().map(|&grey| f64::from(grey)).collect(),
            random: random.into_iter().map(usize::from).collect(),
        })
    });
    images.collect::<Result<_, _>>().map(Some)
}

/// The paths of some files; `None` when one is missing.
fn found<const N: usize>(
    data: &Path,
    names: [&str; N],
    missing: &mut Vec<String>,
) -> Option<[PathBuf; N]> {
    let paths = names.map(|name| data.join(name));
    let lacking = names.iter().zip(&paths).filter(|(_, path)| !path.is_file());
    let before = missing.len();
    missing.extend(lacking.map(|(name, _)| (*name).to_owned()));
    (missing.len() == before).then_some(paths)
}

/// The rows of a file of whole numbers.
fn table(path: &Path) -> Result<Vec<Vec<u16>>, Error> {
    let text = fs::read_to_string(path).map_err(|e| failed(format!("{}: {e}", path.display())))?;
    let rows = text.lines().map(|line| {
        let fields = line.split(',').map(str::trim).filter(|field| !field.is_empty());
        fields.map(|field| field.parse().map_err(failed)).collect()
    });
    rows.collect()
}
