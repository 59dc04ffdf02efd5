//! Balls on the grid of integer inputs.

use core::fmt;

use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::IntegerInterval;

/// The widest input range that regions take: `2^31`.
const MAX_RANGE: u64 = 1 << 31;

/// How far apart two inputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Norm {
    /// How many coordinates differ.
    L0,
    /// The sum of the differences.
    L1,
    /// The root of the sum of their squares.
    L2,
    /// The largest difference.
    Linf,
}

impl Norm {
    /// Every norm.
    pub const ALL: [Self; 4] = [Self::L0, Self::L1, Self::L2, Self::Linf];

    /// Its name: `L0`, `L1`, `L2`, `Linf`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::Linf => "Linf",
        }
    }

    /// What a coordinate so far from the center takes of the [`IntegerRegion::budget`].
    ///
    /// ```text
    /// L0: [d > 0],    L1: d,    L2: d²,    L∞: 0
    /// ```
    #[must_use]
    pub const fn cost(self, distance: u64) -> u128 {
        match self {
            Self::L0 => (distance > 0) as u128,
            Self::L1 => distance as u128,
            Self::L2 => (distance as u128).saturating_mul(distance as u128),
            Self::Linf => 0,
        }
    }

    /// How far from the center a coordinate may stay that is too far for what is left of the budget.
    #[must_use]
    pub const fn kept(self, left: u128) -> u64 {
        let kept = match self {
            Self::L0 | Self::Linf => 0,
            Self::L1 => left,
            Self::L2 => left.isqrt(),
        };
        if kept > u64::MAX as u128 { u64::MAX } else { kept as u64 }
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The integer inputs within a radius of a center, clipped to the input range.
///
/// ```text
/// { x ∈ Z^n : ‖x - u‖_p ≤ r, lower ≤ x_i ≤ upper }
/// ```
///
/// # Examples
///
/// ```
/// use nncert_bounds::fixed_point::{IntegerRegion, Norm};
/// use nncert_core::fixed_point::IntegerInterval;
///
/// let pixels = IntegerInterval::new(0, 255)?;
/// let region = IntegerRegion::new(vec![10, 2], Norm::L1, 4, pixels)?;
/// assert_eq!(region.coordinates()[1], IntegerInterval::new(0, 6)?);
/// assert!(region.contains(&[8, 4]) && !region.contains(&[8, 5]));
/// // Four steps, all best spent on the second coordinate.
/// assert_eq!(region.maximum(&[2, 3]), 2 * 10 + 3 * 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
///
/// QVIP, section 2.3; its section 3.5 gives coordinates of the L2 ball a range of
/// `⌊√r⌋` where it is `r`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct IntegerRegion {
    center: Vec<i64>,
    norm: Norm,
    radius: u64,
    range: IntegerInterval,
    #[cfg_attr(feature = "serde", serde(skip))]
    coordinates: Vec<IntegerInterval>,
}

impl IntegerRegion {
    /// The ball of this radius.
    ///
    /// # Errors
    ///
    /// [`IntegerRegionError`] for a center outside the range, and a range wider than
    /// `2^31`.
    pub fn new(
        center: Vec<i64>,
        norm: Norm,
        radius: u64,
        range: IntegerInterval,
    ) -> Result<Self, IntegerRegionError> {
        let (lower, upper) = (range.lower(), range.upper());
        if lower.abs_diff(upper) > MAX_RANGE || range.magnitude() > MAX_RANGE {
            return Err(IntegerRegionError::Range { range });
        }
        if let Some(index) = center.iter().position(|value| !range.contains(*value)) {
            return Err(IntegerRegionError::Center { index, value: center[index], range });
        }
        let reach = match (norm, radius) {
            (_, 0) => 0,
            (Norm::L0, _) => MAX_RANGE,
            (_, radius) => radius.min(MAX_RANGE),
        };
        // At most 2^31.
        let reach = reach.cast_signed();
        let interval = |u: &i64| {
            let ends = ((*u - reach).max(lower), (*u + reach).min(upper));
            IntegerInterval::new(ends.0, ends.1).unwrap_or(range)
        };
        let coordinates = center.iter().map(interval).collect();
        Ok(Self { center, norm, radius, range, coordinates })
    }

    /// The ball around an input of a network, clipped to the network's input range.
    ///
    /// # Errors
    ///
    /// As [`IntegerRegion::new`], and for a center of another length.
    pub fn around(
        network: &FixedPointNetwork,
        center: Vec<i64>,
        norm: Norm,
        radius: u64,
    ) -> Result<Self, IntegerRegionError> {
        let (expected, found) = (network.inputs(), center.len());
        if expected != found {
            return Err(IntegerRegionError::Length { expected, found });
        }
        Self::new(center, norm, radius, network.input().interval())
    }

    /// The same ball with another radius.
    #[must_use]
    pub fn with_radius(&self, radius: u64) -> Self {
        let Self { center, norm, range, .. } = self;
        // The center and the range were checked.
        Self::new(center.clone(), *norm, radius, *range).unwrap_or_else(|_| self.clone())
    }

    /// The center.
    #[must_use]
    pub fn center(&self) -> &[i64] {
        &self.center
    }

    /// The norm.
    #[must_use]
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// The radius.
    #[must_use]
    pub fn radius(&self) -> u64 {
        self.radius
    }

    /// What the coordinates of a point of the ball may cost together ([`Norm::cost`]): the radius,
    /// or its square in L2.
    ///
    /// ```
    /// # use nncert_bounds::fixed_point::{IntegerRegion, Norm};
    /// # use nncert_core::fixed_point::IntegerInterval;
    /// let region = IntegerRegion::new(vec![5, 5], Norm::L2, 3, IntegerInterval::new(0, 9)?)?;
    /// // 2² + 2² ≤ 3².
    /// assert!(Norm::L2.cost(2) + Norm::L2.cost(2) <= region.budget());
    /// assert!(region.contains(&[3, 7]) && !region.contains(&[2, 6]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn budget(&self) -> u128 {
        let radius = self.radius as u128;
        if matches!(self.norm, Norm::L2) { radius * radius } else { radius }
    }

    /// What inputs are clipped to.
    #[must_use]
    pub fn range(&self) -> IntegerInterval {
        self.range
    }

    /// The number of inputs.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.center.len()
    }

    /// The range of each coordinate: the least box around the region.
    #[must_use]
    pub fn coordinates(&self) -> &[IntegerInterval] {
        &self.coordinates
    }

    /// The least radius of the norm at which `x` is in the ball: the distance, rounded
    /// upward for L2. `None` for another length.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn distance(&self, x: &[i64]) -> Option<u64> {
        if x.len() != self.dimension() {
            return None;
        }
        let differences = x.iter().zip(&self.center).map(|(x, u)| x.abs_diff(*u));
        Some(match self.norm {
            Norm::L0 => differences.filter(|d| *d > 0).count() as u64,
            Norm::L1 => differences.fold(0, u64::saturating_add),
            Norm::L2 => {
                let square = |d: u64| u128::from(d).saturating_mul(u128::from(d));
                let sum = differences.map(square).fold(0, u128::saturating_add);
                let root = sum.isqrt();
                let up = root + u128::from(root * root < sum);
                u64::try_from(up).unwrap_or(u64::MAX)
            }
            Norm::Linf => differences.max().unwrap_or(0),
        })
    }

    /// Whether `x` is in the region.
    ///
    /// Guarantee: exact.
    #[must_use]
    pub fn contains(&self, x: &[i64]) -> bool {
        self.distance(x).is_some_and(|distance| distance <= self.radius)
            && x.iter().all(|x| self.range.contains(*x))
    }

    /// The largest value of a linear form on the region.
    ///
    /// ```text
    /// max { c · x : x in the region }
    /// ```
    ///
    /// Coefficients beyond `2^62` in absolute value give the largest `i128`, as does a
    /// wrong length.
    ///
    /// Guarantee: exact for L0, L1 and L∞. For L2 an upper bound: the least of
    /// `Σ max (c_i d - ρ d²) + ρ r²` over integers `ρ`.
    #[must_use]
    pub fn maximum(&self, c: &[i64]) -> i128 {
        let largest = c.iter().map(|c| c.unsigned_abs()).max().unwrap_or(0);
        if c.len() != self.dimension() || largest > 1 << 62 {
            return i128::MAX;
        }
        let terms = c.iter().zip(&self.center);
        let base: i128 = terms.map(|(c, u)| i128::from(*c) * i128::from(*u)).sum();
        base + match self.norm {
            Norm::Linf => self.moves(c).map(|(rate, room)| rate * room).sum(),
            Norm::L0 => top(self.moves(c).map(|(rate, room)| (rate * room, 1)), self.radius),
            Norm::L1 => top(self.moves(c), self.radius),
            Norm::L2 => self.ball(c, largest),
        }
    }

    /// For each coordinate what a step in the better direction gains, and how many there are.
    fn moves(&self, c: &[i64]) -> impl Iterator<Item = (i128, i128)> {
        let ends = c.iter().zip(&self.center).zip(&self.coordinates);
        ends.map(|((c, u), ends)| {
            let room = if *c > 0 { ends.upper().abs_diff(*u) } else { ends.lower().abs_diff(*u) };
            (i128::from(*c).abs(), i128::from(room))
        })
    }

    /// An upper bound of the gain in the L2 ball.
    fn ball(&self, c: &[i64], largest: u64) -> i128 {
        let moves: Vec<_> = self.moves(c).collect();
        let square = i128::from(self.radius).checked_mul(i128::from(self.radius));
        let gain = |rho: i128| -> (Option<i128>, i128) {
            let (mut sum, mut spent) = (0i128, 0i128);
            for (rate, room) in &moves {
                let best = if rho == 0 { *room } else { ((rate + rho) / (2 * rho)).min(*room) };
                sum += rate * best - rho * best * best;
                spent = spent.saturating_add(best * best);
            }
            let budget = square.and_then(|square| square.checked_mul(rho));
            (budget.and_then(|budget| budget.checked_add(sum)), spent)
        };
        // Less is spent as ρ grows: the best is where the budget is met.
        let (mut low, mut high) = (0, i128::from(largest) + 1);
        let mut least = gain(0).0.unwrap_or(i128::MAX);
        while low < high {
            let middle = low.midpoint(high);
            let (bound, spent) = gain(middle);
            least = least.min(bound.unwrap_or(i128::MAX));
            if square.is_none_or(|square| spent <= square) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        least
    }

    /// A point at which a linear form of floats is about largest, and that value. The point
    /// need not be one of integers for L2.
    ///
    /// Guarantee: heuristic.
    #[must_use]
    pub fn support(&self, c: &[f64]) -> (f64, Vec<f64>) {
        let room = |index: usize| {
            let (u, ends) = (self.center[index], self.coordinates[index]);
            (if c[index] > 0.0 { ends.upper() - u } else { ends.lower() - u }) as f64
        };
        let mut steps: Vec<f64> = (0..c.len()).map(room).collect();
        match self.norm {
            Norm::Linf => {}
            Norm::L0 => spend(&mut steps, self.radius, |i, step| (c[i] * step, 1.0)),
            Norm::L1 => spend(&mut steps, self.radius, |i, step| (c[i].abs(), step.abs())),
            Norm::L2 => {
                let square = |t: f64| -> f64 {
                    let step = |(c, room): (&f64, &f64)| (c.abs() * t).min(room.abs());
                    c.iter().zip(&steps).map(step).map(|step| step * step).sum()
                };
                let budget = (self.radius as f64) * (self.radius as f64);
                let (mut low, mut high) = (0.0f64, f64::MAX.sqrt());
                if square(high) > budget {
                    // In logarithms first would be as good: the range of doubles is 2^11.
                    for _ in 0..200 {
                        let middle = if low == 0.0 { high * 1e-9 } else { (low * high).sqrt() };
                        if square(middle) > budget { high = middle } else { low = middle }
                    }
                } else {
                    low = high;
                }
                for (step, c) in steps.iter_mut().zip(c) {
                    *step = (c * low).clamp(-step.abs(), step.abs());
                }
            }
        }
        let point: Vec<f64> =
            steps.iter().zip(&self.center).map(|(step, u)| step + *u as f64).collect();
        let value = c.iter().zip(&point).map(|(c, x)| c * x).sum();
        (value, point)
    }

    /// A point of the region close to `x`: rounded to integers, and pulled inside.
    ///
    /// Guarantee: exact, in that the point is in the region.
    #[must_use]
    pub fn nearest(&self, x: &[f64]) -> Vec<i64> {
        let near = |((x, u), ends): ((&f64, &i64), &IntegerInterval)| {
            // Saturates; NaN becomes 0.
            #[allow(clippy::cast_possible_truncation)]
            let rounded = x.round() as i64;
            if x.is_nan() { *u } else { ends.clamp(rounded) }
        };
        let mut point: Vec<i64> =
            x.iter().zip(&self.center).zip(&self.coordinates).map(near).collect();
        if point.len() != self.dimension() {
            return self.center.clone();
        }
        // The smallest changes are undone first, and no more than is needed.
        let mut order: Vec<usize> =
            (0..point.len()).filter(|i| point[*i] != self.center[*i]).collect();
        order.sort_by_key(|i| point[*i].abs_diff(self.center[*i]));
        let changes = point.iter().zip(&self.center).map(|(x, u)| x.abs_diff(*u));
        let mut total: u128 = changes.map(|distance| self.norm.cost(distance)).sum();
        for index in order {
            if total <= self.budget() {
                break;
            }
            let (x, u) = (point[index], self.center[index]);
            let distance = x.abs_diff(u);
            let others = total - self.norm.cost(distance);
            // Less than the distance, which is at most 2^31.
            let kept = self.norm.kept(self.budget().saturating_sub(others)).min(distance);
            total = others + self.norm.cost(kept);
            point[index] = u + (x - u).signum() * kept.cast_signed();
        }
        point
    }
}

/// The most that `budget` steps gain, of those of each coordinate: (gain of a step, steps).
fn top(moves: impl Iterator<Item = (i128, i128)>, budget: u64) -> i128 {
    let mut moves: Vec<_> = moves.filter(|(rate, room)| *rate > 0 && *room > 0).collect();
    moves.sort_unstable_by_key(|(rate, _)| core::cmp::Reverse(*rate));
    let (mut left, mut gain) = (i128::from(budget), 0);
    for (rate, room) in moves {
        let taken = room.min(left);
        gain += rate * taken;
        left -= taken;
    }
    gain
}

/// Keeps the steps that gain most, as far as the budget goes.
fn spend(steps: &mut [f64], budget: u64, gain: impl Fn(usize, f64) -> (f64, f64)) {
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by(|a, b| gain(*b, steps[*b]).0.total_cmp(&gain(*a, steps[*a]).0));
    let mut left = budget as f64;
    for index in order {
        let cost = gain(index, steps[index]).1;
        if cost > left {
            steps[index] *= if cost > 1.0 { left / cost } else { 0.0 };
        }
        left = (left - cost).max(0.0);
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for IntegerRegion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Fields {
            center: Vec<i64>,
            norm: Norm,
            radius: u64,
            range: IntegerInterval,
        }
        let Fields { center, norm, radius, range } = Fields::deserialize(deserializer)?;
        Self::new(center, norm, radius, range).map_err(serde::de::Error::custom)
    }
}

/// `Linf ball of radius 3`.
impl fmt::Display for IntegerRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ball of radius {}", self.norm, self.radius)
    }
}

/// Why numbers do not make an [`IntegerRegion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntegerRegionError {
    /// The center has another length than the network has inputs.
    #[error("expected a center of {expected} integers, found {found}")]
    Length {
        /// The network's inputs.
        expected: usize,
        /// The coordinates.
        found: usize,
    },
    /// A coordinate of the center is outside the range.
    #[error("coordinate {index}: {value} is not in {range}")]
    Center {
        /// The coordinate, counted from 0.
        index: usize,
        /// Its value.
        value: i64,
        /// The range.
        range: IntegerInterval,
    },
    /// The range is wider than `2^31`, or further from 0.
    #[error("the inputs {range} are beyond 2^31")]
    Range {
        /// The range.
        range: IntegerInterval,
    },
}
