//! Room for the matrices of a pass, kept from one pass to the next.

use nalgebra::DMatrix;

use crate::linear::Room;

/// What passes need besides their results.
///
/// A pass takes its matrices from here and gives them back, so that passes of one
/// shape after the other find theirs ready. Belongs to the caller: one for each
/// thread. Has no influence on results.
///
/// # Examples
///
/// ```
/// # use nalgebra::{dmatrix, dvector};
/// # use nncert_core::{Affine, Domain, Network, PairedNetworks, Region};
/// use nncert_bounds::{Rounding, Scratch, crown, crown_in};
///
/// # let network = Network::relu_mlp(vec![
/// #     Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.5]),
/// #     Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
/// # ])?;
/// let mut scratch = Scratch::default();
/// for centre in [0.0, 0.5, 1.0] {
///     let region = Region::linf_ball(&[centre], 0.25, &Domain::Everything)?;
///     let bounds = crown_in(&mut scratch, &network, &region)?;
///     assert_eq!(bounds, crown(&network, &region)?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Scratch {
    free: Vec<Vec<f64>>,
    /// What linear maps need.
    pub(crate) room: Room,
}

/// The most matrices that are kept.
const KEPT: usize = 64;

impl Scratch {
    /// An empty vector with room for so many numbers.
    pub(crate) fn buffer(&mut self, needed: usize) -> Vec<f64> {
        // The last that is large enough: passes give back in the order of their needs.
        let fits = self.free.iter().rposition(|values| values.capacity() >= needed);
        let mut values = match fits {
            Some(at) => self.free.swap_remove(at),
            None => self.free.pop().unwrap_or_default(),
        };
        values.clear();
        values.reserve(needed);
        values
    }

    /// A matrix of zeros.
    pub(crate) fn zeros(&mut self, rows: usize, columns: usize) -> DMatrix<f64> {
        let mut values = self.buffer(rows * columns);
        values.resize(rows * columns, 0.0);
        DMatrix::from_vec(rows, columns, values)
    }

    /// Takes a matrix back.
    pub(crate) fn give(&mut self, matrix: DMatrix<f64>) {
        if self.free.len() < KEPT {
            self.free.push(matrix.data.into());
        }
    }

    /// The bytes that are held.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        let values: usize = self.free.iter().map(Vec::capacity).sum();
        values * size_of::<f64>() + self.room.memory_usage()
    }
}
