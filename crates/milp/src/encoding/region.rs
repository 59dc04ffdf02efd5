//! Inputs, and the region that they are in.

use super::{Value, Writer};
use crate::Norm;
use crate::model::{ModelError, Origin};

impl Writer<'_, '_> {
    /// The columns of the inputs, and the rows of the region.
    ///
    /// ```text
    /// L∞   ranges alone
    /// L1   |x_i - u_i| ≤ d_i,  Σ d_i ≤ r
    /// L0   (l_i - u_i) d_i ≤ x_i - u_i ≤ (h_i - u_i) d_i,  d_i Boolean,  Σ d_i ≤ r
    /// L2   d_i ≥ (2k + 1) |x_i - u_i| - k (k + 1)  for k = 0 ... ,  Σ d_i ≤ r²
    /// ```
    ///
    /// The rows of L2 are the chords of the square between `k` and `k + 1`: at integers the
    /// greatest of them is the square itself, so that no quadratic row is needed.
    pub(crate) fn inputs(&mut self) -> Result<Vec<Value>, ModelError> {
        let region = self.question.region;
        let integer = self.question.integer_inputs;
        let (mut inputs, mut distances) = (Vec::with_capacity(region.dimension()), Vec::new());
        for (index, range) in region.coordinates().iter().enumerate() {
            let (lower, upper, u) = (range.lower(), range.upper(), region.center()[index]);
            if lower == upper {
                inputs.push(Value::Constant(lower));
                continue;
            }
            let x = self.column((lower, upper), integer, Origin::Input(index))?;
            inputs.push(Value::Column(x));
            let reach = (u - lower).max(upper - u);
            let origin = Origin::Distance(index);
            match region.norm() {
                Norm::Linf => {}
                Norm::L1 => {
                    let d = self.column((0, reach), integer, origin)?;
                    self.row(vec![(x, 1), (d, -1)], None, Some(u))?;
                    self.row(vec![(x, 1), (d, 1)], Some(u), None)?;
                    distances.push((d, 1));
                }
                Norm::L0 => {
                    let d = self.boolean(origin)?;
                    self.row(vec![(x, 1), (d, u - upper)], None, Some(u))?;
                    self.row(vec![(x, 1), (d, u - lower)], Some(u), None)?;
                    distances.push((d, 1));
                }
                Norm::L2 => {
                    let square = reach.checked_mul(reach).ok_or(ModelError::Shape)?;
                    let d = self.column((0, square), integer, origin)?;
                    for k in 0..reach {
                        let (slope, constant) = (2 * k + 1, k * (k + 1));
                        self.row(vec![(d, 1), (x, -slope)], Some(-slope * u - constant), None)?;
                        self.row(vec![(d, 1), (x, slope)], Some(slope * u - constant), None)?;
                    }
                    distances.push((d, 1));
                }
            }
        }
        let radius = i64::try_from(region.radius()).unwrap_or(i64::MAX);
        let budget = if region.norm() == Norm::L2 { radius.saturating_mul(radius) } else { radius };
        // Beyond what all distances can sum to, the row says nothing.
        let reach: i64 = region
            .coordinates()
            .iter()
            .zip(region.center())
            .map(|(range, u)| {
                let reach = (u - range.lower()).max(range.upper() - u);
                match region.norm() {
                    Norm::L0 => i64::from(reach > 0),
                    Norm::L2 => reach.saturating_mul(reach),
                    Norm::L1 | Norm::Linf => reach,
                }
            })
            .fold(0, i64::saturating_add);
        if !distances.is_empty() && budget < reach {
            self.row(distances, None, Some(budget))?;
        }
        Ok(inputs)
    }
}
