//! How close outputs are to a violation, before they are rounded.

use crate::{Inequality, Violation};

/// A row with its terms at hand.
#[derive(Clone, Debug)]
struct Row {
    terms: Vec<(usize, f64)>,
    bound: f64,
    /// The outputs of `o_a - o_b ≥ bound`.
    pair: Option<(usize, usize)>,
}

impl Row {
    fn new(row: &Inequality) -> Self {
        let terms = row.coefficients.iter().enumerate().filter(|(_, c)| **c != 0);
        let terms = terms.map(|(output, c)| (output, *c as f64)).collect();
        Self { terms, bound: row.bound as f64, pair: row.pair() }
    }

    /// A pair is told from its clamps too: at a common end both are equal, whatever they were.
    #[inline(always)]
    fn at(&self, real: &impl Fn(usize) -> f64, clamp: &impl Fn(usize) -> [f64; 2]) -> f64 {
        let mut smooth = -self.bound;
        for (output, c) in &self.terms {
            smooth += c * real(*output);
        }
        let Some((a, b)) = self.pair else { return smooth };
        let [lower, upper] = clamp(a);
        if clamp(b) != [lower, upper] {
            return smooth;
        }
        if self.bound <= 0.0 {
            // A tie is enough.
            smooth.max(real(a) - upper).max(lower - real(b))
        } else {
            smooth.min(upper - self.bound - real(b)).min(real(a) - lower - self.bound)
        }
    }
}

/// A violation, ready to be looked at very often.
#[derive(Clone, Debug)]
pub(crate) struct Closeness {
    rows: Vec<Row>,
    /// The outputs that some row weighs.
    pub(crate) outputs: Vec<usize>,
}

impl Closeness {
    pub(crate) fn new(way: &Violation) -> Self {
        let rows: Vec<Row> = way.rows.iter().map(Row::new).collect();
        let mut outputs: Vec<usize> =
            rows.iter().flat_map(|row| &row.terms).map(|(output, _)| *output).collect();
        outputs.sort_unstable();
        outputs.dedup();
        Self { rows, outputs }
    }

    /// The least of the rows: at least 0 where all would be met if outputs were not rounded.
    #[inline(always)]
    pub(crate) fn at(&self, real: impl Fn(usize) -> f64, clamp: impl Fn(usize) -> [f64; 2]) -> f64 {
        let mut least = f64::INFINITY;
        for row in &self.rows {
            least = least.min(row.at(&real, &clamp));
        }
        least
    }

    /// Whether outputs, rounded or not, meet all rows.
    #[inline(always)]
    pub(crate) fn is_met(&self, outputs: impl Fn(usize) -> f64) -> bool {
        for row in &self.rows {
            let mut slack = -row.bound;
            for (output, c) in &row.terms {
                slack += c * outputs(*output);
            }
            if slack < 0.0 {
                return false;
            }
        }
        true
    }
}
