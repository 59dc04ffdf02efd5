//! Linear layers written out as matrices.
//!
//! Exact: every entry of the matrix is a weight of the layer. Convolutions of small
//! images are small matrices; larger ones are refused.

use nalgebra::{DMatrix, DVector};
use nncert_core::{Affine, Layer, Pool, Shape};

use crate::BoundsError;

/// The most entries that a matrix is written out with.
const MAX_ENTRIES: usize = 1 << 25;

/// A linear layer, the `layer`-th of its network, as a matrix from `input` to `output`.
pub(crate) fn dense(
    layer: usize,
    kind: &Layer,
    input: &Shape,
    output: &Shape,
) -> Result<Affine, BoundsError> {
    let (entries, limit) = (input.len().saturating_mul(output.len()), MAX_ENTRIES);
    if entries > limit {
        return Err(BoundsError::TooLarge { layer, kind: kind.kind(), entries, limit });
    }
    let unsupported = BoundsError::Unsupported { layer, kind: kind.kind() };
    match kind {
        Layer::Convolution(convolution) => convolution.to_affine(input).map_err(|_| unsupported),
        Layer::Pool(pool) => average(pool, input, output).ok_or(unsupported),
        Layer::Scale(scale) => {
            let (factor, offset): (Vec<f64>, Vec<f64>) = scale.entries(input.len()).unzip();
            let weight = DMatrix::from_diagonal(&DVector::from_vec(factor));
            Ok(Affine::new(weight, DVector::from_vec(offset)))
        }
        Layer::Select(select) => {
            let mut weight = DMatrix::zeros(output.len(), input.len());
            for (row, source) in select.sources.iter().enumerate() {
                if let Some(column) = source {
                    weight[(row, *column)] = 1.0;
                }
            }
            Ok(Affine::new(weight, DVector::zeros(output.len())))
        }
        _ => Err(unsupported),
    }
}

/// The matrix of an average; `None` for a maximum, which has none.
fn average(pool: &Pool, input: &Shape, output: &Shape) -> Option<Affine> {
    let &[channels, height, width] = input.axes() else { return None };
    let mut weight = DMatrix::zeros(output.len(), input.len());
    let outputs = output.len() / channels;
    let (mut window, mut linear) = (0, true);
    pool.for_each_window([height, width], |places, share| {
        let Some(share) = share else {
            linear = false;
            return;
        };
        for channel in 0..channels {
            for place in places {
                weight[(channel * outputs + window, channel * height * width + place)] = share;
            }
        }
        window += 1;
    });
    linear.then(|| Affine::new(weight, DVector::zeros(output.len())))
}
