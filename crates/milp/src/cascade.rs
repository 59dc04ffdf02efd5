//! The cascade: bounds, attack, branch and bound, solver.

use std::time::{Duration, Instant};

use nncert_bounds::fixed_point::{FixedPointBounder, FixedPointBoundsError, IntegerRegion};
use nncert_core::FixedPointNetwork;

use crate::{
    AttackOptions, Attacker, Branch, BranchEnd, BranchOptions, Certificate, Evidence, Property,
    Report, Stage, Tree, UnknownReason, Verdict, Watch,
};

/// Which stages run, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VerifyOptions {
    /// The attack; `None` for none.
    pub attack: Option<AttackOptions>,
    /// Branch and bound; `None` for none. Its steps are those of the bounds too.
    pub branch: Option<BranchOptions>,
    /// The most time, in all.
    pub time: Option<Duration>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            attack: Some(AttackOptions::default()),
            branch: Some(BranchOptions::default()),
            time: None,
        }
    }
}

/// Decides a property on a region, without a solver.
///
/// Stages, in order, each only about what the ones before it left open:
///
/// 1. dual bounds on the region as it is;
/// 2. a search for witnesses;
/// 3. branch and bound.
///
/// Guarantee: exact. `Robust` comes with a [`Certificate`], `Falsified` with a witness that was
/// replayed in integers.
///
/// # Errors
///
/// [`VerifyError`] for a region or a property of another shape than the network.
///
/// # Examples
///
/// ```
/// use nalgebra::dmatrix;
/// use nncert_core::FixedPointNetwork;
/// use nncert_core::fixed_point::{FixedPointLayer, Format, LayerFormats, Rounding};
/// use nncert_milp::{IntegerRegion, Norm, Property, Verdict, VerifyOptions, check, verify};
///
/// let values = Format::unsigned(6, 4)?;
/// let weight = Format::signed(6, 4)?;
/// let formats = LayerFormats { weight, bias: weight, output: values, rounding: Rounding::HalfUp };
/// let layer = |weights| {
///     FixedPointLayer::with_formats(&weights, &[0, 0], values, formats, formats.relu_clamp())
/// };
/// let network = FixedPointNetwork::new(
///     values,
///     vec![layer(dmatrix![9, -20; 24, 17])?, layer(dmatrix![-12, 10; 13, 7])?],
/// )?;
/// let property = Property::same_class_as(&network, &[2, 10])?;
/// let region = IntegerRegion::around(&network, vec![2, 10], Norm::Linf, 1)?;
/// let report = verify(&network, &region, &property, &VerifyOptions::default())?;
/// assert_eq!(report.verdict, Verdict::Robust);
/// check(&network, &region, &property, &report.certificate.unwrap())?;
///
/// let region = region.with_radius(9);
/// let report = verify(&network, &region, &property, &VerifyOptions::default())?;
/// let Verdict::Falsified(witness) = report.verdict else { panic!("there is a witness") };
/// assert!(!property.holds(&network.evaluate(&witness.input)?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(
    network: &FixedPointNetwork,
    region: &IntegerRegion,
    property: &Property,
    options: &VerifyOptions,
) -> Result<Report, VerifyError> {
    verify_watched(network, region, property, options, &Watch::default())
}

/// [`verify`] with a deadline and an observer.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_watched(
    network: &FixedPointNetwork,
    region: &IntegerRegion,
    property: &Property,
    options: &VerifyOptions,
    watch: &Watch<'_>,
) -> Result<Report, VerifyError> {
    let limited = options.time.map(|time| watch.at_most(time));
    let watch = limited.as_ref().unwrap_or(watch);
    let bounder = FixedPointBounder::new(network);
    let mut cascade = Cascade::new(&bounder, region, property, options)?;
    cascade.run(watch);
    Ok(cascade.report())
}

/// A verification under way.
#[derive(Debug)]
pub(crate) struct Cascade<'a> {
    bounder: &'a FixedPointBounder<'a>,
    pub(crate) region: &'a IntegerRegion,
    pub(crate) property: &'a Property,
    options: &'a VerifyOptions,
    started: Instant,
    pub(crate) bounds: nncert_bounds::fixed_point::IntegerBounds,
    certificate: Certificate,
    /// For each violation, what it was closed by.
    pub(crate) closed: Vec<Option<Evidence>>,
    /// Violations in the order in which they are worth looking at.
    order: Vec<usize>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) stage: Stage,
    nodes: usize,
}

impl<'a> Cascade<'a> {
    pub(crate) fn new(
        bounder: &'a FixedPointBounder<'a>,
        region: &'a IntegerRegion,
        property: &'a Property,
        options: &'a VerifyOptions,
    ) -> Result<Self, VerifyError> {
        let started = Instant::now();
        let (expected, found) = (bounder.network().outputs(), property.outputs());
        if expected != found {
            return Err(VerifyError::Outputs { expected, found });
        }
        let steps = options.branch.map_or(0, |branch| branch.bound_steps);
        let (bounds, lemmas) = bounder.bounds(region, steps)?;
        let ways = property.violations().len();
        let trees = vec![Tree::default(); ways];
        Ok(Self {
            bounder,
            region,
            property,
            options,
            started,
            bounds,
            certificate: Certificate { lemmas, trees },
            closed: vec![None; ways],
            order: (0..ways).collect(),
            verdict: None,
            stage: Stage::Bounds,
            nodes: 0,
        })
    }

    /// Takes violations as closed, for which that is known. There is no certificate then.
    pub(crate) fn assume_closed(&mut self, known: impl Fn(usize) -> bool) {
        for (way, closed) in self.closed.iter_mut().enumerate() {
            if known(way) {
                *closed = Some(Evidence::Exact { leaves: 0 });
            }
        }
    }

    fn branch(&self, violation: usize) -> Branch<'_> {
        let Self { bounder, region, property, bounds, .. } = self;
        Branch { bounder, region, property, violation, bounds }
    }

    /// The violations that are open, the most likely first.
    pub(crate) fn open(&self) -> Vec<usize> {
        self.order.iter().copied().filter(|way| self.closed[*way].is_none()).collect()
    }

    /// The stages without a solver.
    pub(crate) fn run(&mut self, watch: &Watch<'_>) {
        self.bound(watch);
        if self.verdict.is_none()
            && let Some(attack) = self.options.attack
        {
            self.stage = Stage::Attack;
            let attacker = Attacker::new(self.bounder, self.region, self.property);
            let found = attacker.run(&self.open(), &attack, watch);
            self.verdict = found.map(Verdict::Falsified);
        }
        if self.verdict.is_none()
            && let Some(branch) = self.options.branch
        {
            self.stage = Stage::Branch;
            self.search(&branch, watch);
        }
    }

    /// Closes what bounds close, and orders the rest by how far it is from that.
    fn bound(&mut self, watch: &Watch<'_>) {
        let attacker = Attacker::new(self.bounder, self.region, self.property);
        if let Some(witness) = attacker.replay(self.region.center()) {
            self.verdict = Some(Verdict::Falsified(witness));
            return;
        }
        let mut excess = vec![f64::NEG_INFINITY; self.closed.len()];
        for way in self.open() {
            let progress =
                crate::Progress { stage: Stage::Bounds, violation: way, nodes: 0, open: 1 };
            if let Some(reason) = watch.stop(&progress) {
                self.verdict = Some(Verdict::Unknown(reason));
                return;
            }
            // CROWN first; ascent where it fails.
            let steps = self.options.branch.map_or(1, |branch| branch.root_steps);
            let (tree, ascent) = self.branch(way).root(steps);
            self.nodes += 1;
            match tree {
                Some(tree) => self.close(way, tree),
                None => {
                    excess[way] = self.branch(way).excess(&ascent);
                    let candidates = [&ascent.point, &ascent.mean];
                    let found = candidates
                        .into_iter()
                        .find_map(|x| attacker.replay(&self.region.nearest(x)));
                    if let Some(witness) = found {
                        self.stage = Stage::Attack;
                        self.verdict = Some(Verdict::Falsified(witness));
                        return;
                    }
                }
            }
        }
        self.order.sort_by(|a, b| excess[*b].total_cmp(&excess[*a]));
        self.settle();
    }

    fn close(&mut self, way: usize, tree: Tree) {
        self.closed[way] = Some(Evidence::Exact { leaves: tree.leaves() });
        self.certificate.trees[way] = tree;
    }

    /// The verdict once nothing is open.
    pub(crate) fn settle(&mut self) {
        if self.verdict.is_none() && self.closed.iter().all(Option::is_some) {
            self.verdict = Some(Verdict::Robust);
        }
    }

    fn search(&mut self, options: &BranchOptions, watch: &Watch<'_>) {
        let mut unknown = None;
        for way in self.open() {
            let mut nodes = 0;
            let end = self.branch(way).run(options, watch, &mut nodes);
            self.nodes += nodes;
            match end {
                BranchEnd::Closed(tree) => self.close(way, tree),
                BranchEnd::Witness(witness) => {
                    self.verdict = Some(Verdict::Falsified(witness));
                    return;
                }
                BranchEnd::Open(reason) => {
                    unknown = Some(reason);
                    if matches!(reason, UnknownReason::Time | UnknownReason::Cancelled) {
                        break;
                    }
                }
            }
        }
        self.settle();
        if let (None, Some(reason)) = (&self.verdict, unknown) {
            self.verdict = Some(Verdict::Unknown(reason));
        }
    }

    pub(crate) fn report(self) -> Report {
        let verdict = self.verdict.unwrap_or(Verdict::Unknown(UnknownReason::Stages));
        let robust = verdict == Verdict::Robust;
        let evidence: Vec<Evidence> =
            if robust { self.closed.into_iter().flatten().collect() } else { Vec::new() };
        let exact = evidence.iter().all(|evidence| matches!(evidence, Evidence::Exact { .. }));
        let certificate = (robust && exact).then_some(self.certificate);
        Report {
            verdict,
            stage: self.stage,
            evidence,
            certificate,
            nodes: self.nodes,
            elapsed: self.started.elapsed(),
        }
    }
}

/// Why a question to a verifier is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The property is about another number of outputs.
    #[error("expected a property of {expected} outputs, found {found}")]
    Outputs {
        /// The network's outputs.
        expected: usize,
        /// The property's.
        found: usize,
    },
    /// The region does not fit.
    #[error(transparent)]
    Bounds(#[from] FixedPointBoundsError),
}
