//! Lower bounds for a changed classifier, from the counts of the original and the places where the two differ.
//!
//! The original answers `c` with probability `p`. Where it does, the changed one fails to with probability `u`; where it does not, the
//! changed one does all the same with probability `v`. The changed one answers `c` with probability
//!
//! ```text
//! q = p(1 - u) + (1 - p)v
//! ```
//!
//! Given the labels of the original, the counts for `u` and `v` are binomial and independent of each other, whatever these
//! labels are. So are the p-values of the hypotheses "not more than `p`", "not less than `u`", "not more than `v`", and their product can be
//! tested as one number (Fisher). What the test does not reject is a region of `(p, u, v)`; the bound is the least `q` in it.
//!
//! # References
//! 1. S. Ugare et al., *Incremental randomized smoothing certification*, ICLR 2024.
//! 2. R. Fisher, *Statistical Methods for Research Workers*, 4th edition, 1932, section 21.1.

use crate::clopper_pearson::{clopper_pearson_lower, clopper_pearson_upper};
use crate::counts::Count;
use crate::fisher::fisher_critical_of_three;
use crate::probability::Probability;
use crate::rounding::{add_down, add_up, div_down, mul_down, mul_up, sub_down};
use crate::sided::SidedProbability;
use crate::weighted::weighted_fisher_lower;

/// A cell is fine enough when its levels differ by this factor. On the scale of a bound that is a few thousandths of the distance
/// from the estimate.
const FINE: f64 = 1.02;

/// Divisions of the region, at most. The bound is sound after any number of them.
const MAX_DIVISIONS: usize = 400;

/// The bound of incremental randomized smoothing: every disagreement counts as a loss.
///
/// ```text
/// q ≥ lower(p; α) - upper(ζ; α_ζ),    ζ = P(f' ≠ f)
/// ```
///
/// `cached` counts where the original answers `c`, `disagreements` where the two classifiers differ.
///
/// Guarantee: sound, false with a probability of at most `α + α_ζ`. The samples may be the same or not.
#[must_use]
pub fn disagreement_lower(
    cached: Count,
    disagreements: Count,
    alpha: Probability,
    alpha_zeta: Probability,
) -> SidedProbability {
    let p = clopper_pearson_lower(cached, alpha);
    let zeta = clopper_pearson_upper(disagreements, alpha_zeta);
    from_both(sub_down(p.down(), zeta.up()), add_up(p.complement_up(), zeta.up()))
}

/// The bound that counts only what can be lost: answers `c` of the original that the changed classifier does not give.
///
/// ```text
/// q ≥ lower(p; α)·(1 - upper(u; α_u))
/// ```
///
/// `cached` counts where the original answers `c`. Among such samples, and only there, `lost` counts where the changed one does
/// not.
///
/// Guarantee: sound, false with a probability of at most `α + α_u`.
///
/// # Examples
/// ```
/// use nncert_prob::{Count, Probability, disagreement_lower, one_sided_lower};
///
/// let (cached, alpha) = (Count::new(9_000, 10_000)?, Probability::new(0.0005)?);
/// let published = disagreement_lower(cached, Count::new(12, 1000)?, alpha, alpha);
/// // The same samples: on 900 of them the original answers c, and 6 of these are lost.
/// let ours = one_sided_lower(cached, Count::new(6, 900)?, alpha, alpha);
/// assert!(ours > published);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn one_sided_lower(
    cached: Count,
    lost: Count,
    alpha: Probability,
    alpha_u: Probability,
) -> SidedProbability {
    let p = clopper_pearson_lower(cached, alpha);
    joint(p, clopper_pearson_upper(lost, alpha_u), SidedProbability::ZERO)
}

/// The bound from Fisher's test of the p-values of `p` and `u` together.
///
/// ```text
/// q ≥ min p(1 - u)    over    P(Bin(n, p) ≥ k)·P(Bin(m, u) ≤ d) > c,    c(1 - ln c) = α
/// ```
///
/// `cached` is `k` of `n`, where the original answers `c`; `lost` is `d` of `m`, where it does and the changed one does not.
///
/// Guarantee: sound, false with a probability of at most `α`. Which samples are evaluated may depend on the labels of the original, but not
/// on those of the changed classifier.
///
/// # Examples
/// ```
/// use nncert_prob::{Count, Probability, fisher_two_lower, one_sided_lower};
///
/// let (cached, lost) = (Count::new(9_000, 10_000)?, Count::new(6, 900)?);
/// let halves = Probability::new(0.0005)?;
/// let together = fisher_two_lower(cached, lost, Probability::new(0.001)?);
/// assert!(together > one_sided_lower(cached, lost, halves, halves));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn fisher_two_lower(cached: Count, lost: Count, alpha: Probability) -> SidedProbability {
    weighted_fisher_lower(cached, lost, 1.0, alpha)
}

/// The bound from Fisher's test of the p-values of `p`, `u` and `v` together.
///
/// ```text
/// q ≥ min p(1 - u) + (1 - p)v    over    P(Bin(n, p) ≥ k)·P(Bin(m, u) ≤ d)·P(Bin(l, v) ≥ e) > c,    c(1 - ln c + ½ ln² c) = α
/// ```
///
/// `cached` and `lost` as in [`fisher_two_lower`]; `gained` is `e` of `l`, where the changed classifier answers `c` and the original does
/// not. Worth its evaluations where `p` is far from 1. It takes some 15 milliseconds, where two take 15 µs.
///
/// Guarantee: sound, false with a probability of at most `α`. Which samples are evaluated may depend on the labels of the original, but not
/// on those of the changed classifier.
#[must_use]
pub fn fisher_three_lower(
    cached: Count,
    lost: Count,
    gained: Count,
    alpha: Probability,
) -> SidedProbability {
    let critical = fisher_critical_of_three(alpha).get();
    least(critical, Some((critical, 1.0)), |cell| {
        let p = clopper_pearson_lower(cached, level(cell.first.0));
        let Some(second) = cell.second else { return SidedProbability::ZERO };
        let u = clopper_pearson_upper(lost, level(second.0));
        let rest = div_down(critical, mul_up(cell.first.1, second.1));
        joint(p, u, clopper_pearson_lower(gained, level(rest)))
    })
}

/// The level for a bound; above one it says nothing more.
fn level(value: f64) -> Probability {
    Probability::from_upper_bound(value)
}

/// A lower bound of `q = p(1 - u) + (1 - p)v` for all greater `p`, smaller `u` and greater `v`.
///
/// `q` is linear in `p`: least at the bound of `p`, or at 1, where it is `1 - u`.
fn joint(p: SidedProbability, u: SidedProbability, v: SidedProbability) -> SidedProbability {
    let kept = mul_down(p.down(), u.complement_down());
    // At the least p, where 1 - p has its upper bound.
    let gained = mul_down(p.complement_down(), v.down());
    let value = add_down(kept, gained).min(u.complement_down());
    let missed = mul_up(p.complement_up(), v.complement_up());
    let loss = add_up(missed, mul_up(p.up(), u.up())).max(u.up());
    from_both(value, loss)
}

/// The better of a lower bound and an upper bound of the complement: the one that is small.
pub(crate) fn from_both(value: f64, loss: f64) -> SidedProbability {
    if loss < 0.5 {
        SidedProbability::from_side(loss, true)
    } else {
        SidedProbability::from_side(value.max(0.0), false)
    }
}

/// A part of the region: the p-values are above the first and at most the second number of each pair.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// The p-value of `p`.
    first: (f64, f64),
    /// The p-value of `u`, where that of `v` follows from both.
    second: Option<(f64, f64)>,
    /// A lower bound of `q` in the cell.
    bound: SidedProbability,
}

/// The least bound over a cover of the region by cells; the cell that attains it is divided until it is fine.
///
/// Every point of the region lies in a cell: where the product of the p-values exceeds `c`, each of them does.
fn least(
    critical: f64,
    second: Option<(f64, f64)>,
    bound: impl Fn(&Cell) -> SidedProbability,
) -> SidedProbability {
    if critical == 0.0 {
        return SidedProbability::ZERO;
    }
    let evaluated = |first, second| {
        let cell = Cell { first, second, bound: SidedProbability::ZERO };
        Cell { bound: bound(&cell), ..cell }
    };
    let mut cells = vec![evaluated((critical, 1.0), second)];
    for _ in 0..MAX_DIVISIONS {
        let Some(index) = (0..cells.len()).min_by_key(|&i| cells[i].bound) else { break };
        let cell = cells[index];
        let ratio = |(low, high): (f64, f64)| high / low;
        let widths = (ratio(cell.first), cell.second.map_or(1.0, ratio));
        if widths.0.max(widths.1) <= FINE {
            break;
        }
        cells.swap_remove(index);
        let halves = |(low, high): (f64, f64)| {
            let middle = (low.sqrt() * high.sqrt()).clamp(low, high);
            [(low, middle), (middle, high)]
        };
        let parts = match cell.second {
            Some(second) if widths.1 > widths.0 => halves(second).map(|s| (cell.first, Some(s))),
            second => halves(cell.first).map(|f| (f, second)),
        };
        for (first, second) in parts {
            // No p-values of the region are this small.
            if second.is_none_or(|(_, high)| mul_up(first.1, high) > critical) && first.1 > critical
            {
                cells.push(evaluated(first, second));
            }
        }
    }
    cells.iter().map(|cell| cell.bound).min().unwrap_or(SidedProbability::ZERO)
}
