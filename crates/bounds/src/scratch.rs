//! Room for what a pass needs, kept from one pass to the next.

use nalgebra::DMatrix;
use nncert_core::Interval;

use crate::chain::Relaxed;
use crate::dense::Image;
use crate::intervals::Intervals;
use crate::joint::{JointPending, JointRelaxed};
use crate::joint_refine::Triple;
use crate::kernel::Charged;
use crate::linear::Room;
use crate::rows::Span;
use crate::slots::Slots;

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
    numbers: Pool<f64>,
    pub(crate) places: Pool<usize>,
    /// Where lists end.
    pub(crate) ends: Pool<usize>,
    /// Where neurons are among others.
    pub(crate) found: Pool<Option<usize>>,
    pub(crate) lists: Pool<(usize, f64)>,
    pub(crate) charges: Pool<Charged>,
    pub(crate) spans: Pool<Span>,
    pub(crate) intervals: Pool<Interval>,
    pub(crate) triples: Pool<Triple>,
    pub(crate) frontiers: Pool<Option<DMatrix<f64>>>,
    /// What linear maps need.
    pub(crate) room: Room,
    /// What passes keep of the layers, while there is no pass.
    pub(crate) values: Slots<Intervals>,
    pub(crate) chains: [Relaxed; 2],
    pub(crate) images: Slots<Image>,
    pub(crate) joint: JointRelaxed,
    pub(crate) joint_images: JointPending,
}

/// Vectors that are not in use.
#[derive(Debug)]
pub(crate) struct Pool<T>(Vec<Vec<T>>);

/// The most vectors of a kind that are kept.
const KEPT: usize = 512;

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Pool<T> {
    /// An empty vector with room for so many entries.
    pub(crate) fn take(&mut self, needed: usize) -> Vec<T> {
        // The least that is large enough, else the largest: what a pass finds depends on which
        // sizes there are, not on their order, so that it finds the same when it is repeated.
        let (mut fits, mut largest) = (None, None);
        for (at, entries) in self.0.iter().enumerate() {
            let here = (entries.capacity(), at);
            if here.0 >= needed && fits.is_none_or(|least| here < least) {
                fits = Some(here);
            }
            largest = largest.max(Some(here));
        }
        let mut entries = match fits.or(largest) {
            Some((_, at)) => self.0.swap_remove(at),
            None => Vec::new(),
        };
        entries.clear();
        entries.reserve(needed);
        entries
    }

    /// Takes a vector back.
    pub(crate) fn give(&mut self, entries: Vec<T>) {
        if self.0.len() < KEPT {
            self.0.push(entries);
        }
    }

    fn memory_usage(&self) -> usize {
        self.0.iter().map(Vec::capacity).sum::<usize>() * size_of::<T>()
    }
}

impl Scratch {
    /// An empty vector with room for so many numbers.
    pub(crate) fn buffer(&mut self, needed: usize) -> Vec<f64> {
        self.numbers.take(needed)
    }

    /// A matrix of zeros.
    pub(crate) fn zeros(&mut self, rows: usize, columns: usize) -> DMatrix<f64> {
        let mut values = self.buffer(rows * columns);
        values.resize(rows * columns, 0.0);
        DMatrix::from_vec(rows, columns, values)
    }

    /// A copy of a matrix.
    pub(crate) fn copy(&mut self, matrix: &DMatrix<f64>) -> DMatrix<f64> {
        let mut values = self.buffer(matrix.len());
        values.extend_from_slice(matrix.as_slice());
        DMatrix::from_vec(matrix.nrows(), matrix.ncols(), values)
    }

    /// Takes a matrix back.
    pub(crate) fn give(&mut self, matrix: DMatrix<f64>) {
        self.give_buffer(matrix.data.into());
    }

    /// Takes a vector of numbers back.
    pub(crate) fn give_buffer(&mut self, values: Vec<f64>) {
        self.numbers.give(values);
    }

    /// The bytes of the matrices and lists that are held; what is kept of layers, a few
    /// vectors as long as each is wide, is not counted.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        self.numbers.memory_usage()
            + self.places.memory_usage()
            + self.ends.memory_usage()
            + self.found.memory_usage()
            + self.lists.memory_usage()
            + self.charges.memory_usage()
            + self.spans.memory_usage()
            + self.intervals.memory_usage()
            + self.triples.memory_usage()
            + self.frontiers.memory_usage()
            + self.room.memory_usage()
    }
}
