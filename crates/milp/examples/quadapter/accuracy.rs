//! The test set, and how often a network is right on it.

use std::path::Path;

use nalgebra::DMatrix;
use nncert_core::{Evaluator, Network};

use crate::{Failure, idx};

/// Pixels of an image.
pub(crate) const PIXELS: usize = 784;
/// Images that are evaluated together.
const BATCH: usize = 500;

/// Images with pixels in `[0, 1]`, and their classes.
pub(crate) struct Images {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    /// How many count for accuracy.
    test: usize,
}

impl Images {
    pub(crate) fn read(data: &Path, test: usize) -> Result<Self, Failure> {
        let (pixels, labels) = (idx(data, "images-idx3", 16)?, idx(data, "labels-idx1", 8)?);
        let test = test.min(labels.len());
        Ok(Self { pixels, labels, test })
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn image(&self, id: usize) -> Vec<f64> {
        let pixels = &self.pixels[id * PIXELS..][..PIXELS];
        pixels.iter().map(|pixel| f64::from(*pixel) / 255.0).collect()
    }

    pub(crate) fn label(&self, id: usize) -> usize {
        usize::from(self.labels[id])
    }

    /// The images that count for accuracy, one a column, and their classes.
    pub(crate) fn test(&self) -> (DMatrix<f32>, Vec<usize>) {
        let pixels = self.pixels[..self.test * PIXELS].iter();
        let pixels = pixels.map(|pixel| f32::from(*pixel) / 255.0);
        let labels = (0..self.test).map(|id| self.label(id)).collect();
        (DMatrix::from_iterator(PIXELS, self.test, pixels), labels)
    }

    /// The share of images whose largest output is the right one, in percent.
    pub(crate) fn accuracy(&self, network: &Network) -> Result<f64, Failure> {
        let mut evaluator = Evaluator::<f32>::new(network)?;
        let mut right = 0;
        for start in (0..self.test).step_by(BATCH) {
            let ids = start..(start + BATCH).min(self.test);
            #[allow(clippy::cast_possible_truncation)]
            let points = DMatrix::from_fn(PIXELS, ids.len(), |pixel, at| {
                f32::from(self.pixels[(start + at) * PIXELS + pixel]) / 255.0
            });
            let outputs = evaluator.evaluate(&points)?;
            for (id, output) in ids.zip(outputs.column_iter()) {
                let (class, _) = output.argmax();
                right += usize::from(class == self.label(id));
            }
        }
        Ok(100.0 * right as f64 / self.test.max(1) as f64)
    }
}
