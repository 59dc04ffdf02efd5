//! One model, copy and deviation: three methods at ten sample sizes.

use std::ops::ControlFlow;
use std::time::Instant;

use nncert_core::{Domain, Network, PairedNetworks, Region};
use nncert_prob::{Probability, SidedProbability, clopper_pearson_lower, clopper_pearson_upper};
use nncert_smoothing::{
    Agreement, Allocation, BatchClassifier, Cache, Certification, CertifyOptions, ErrorBudget,
    Experience, GammaSwitch, Incremental, Input, LayerNorms, NetworkClassifier, Noise,
    RecordOptions, Sampling, Smoothed, Smoothing, Transfer, TransferMethod, TransferOptions,
    TransferReport, certified_radius,
};
use serde_json::{Value as Json, json};

use super::curve::{Point, speedup};
use super::memo::Memo;
use super::subject::Subject;
use super::throughput::seconds_per_sample;
use crate::verb::{Error, failed};

/// The level of every statement: `α_b = α + α_ζ` of the paper.
const ALPHA: f64 = 0.002;
/// The samples that choose a class.
const SELECTION: u64 = 100;
/// Sample sizes, in thousandths of the cached samples: those of the paper, and smaller ones for the curves to overlap.
const SIZES: [u64; 9] = [2, 4, 7, 10, 20, 35, 50, 75, 100];
/// How far around the images bounds of the difference hold, in deviations.
const REACH: f64 = 4.5;
/// Bounds that spare a smaller share of the evaluations are not used.
const WORTH: f64 = 0.005;
/// Norms that spare so many leave bounds on a box little to add.
const ENOUGH: f64 = 0.5;
/// And those that take longer than this share of the evaluations.
const AFFORDABLE: f64 = 0.2;
/// `γ` of the paper for CIFAR-10.
const GAMMA: f64 = 0.99;
/// Samples of which `ζ` is estimated in the paper's table, and the level.
const ZETA: (u64, f64) = (1000, 0.001);

/// The curves of one model, copy and deviation.
pub(crate) struct Cell {
    pub(crate) model: &'static str,
    pub(crate) copy: &'static str,
    pub(crate) sigma: f64,
    /// Inputs, and those where the original shows a majority.
    pub(crate) inputs: (usize, usize),
    pub(crate) samples: u64,
    /// The mean upper bound of the disagreement, and the mean share itself.
    pub(crate) zeta: (f64, f64),
    /// Of the samples that were counted, those on which bounds show what the copy gives, and the seconds for the bounds; where
    /// these were worth it.
    pub(crate) agreement: Option<(f64, f64)>,
    curves: [Curves; 2],
}

/// From scratch, IRS, ours.
#[derive(Clone, Default)]
pub(crate) struct Curves {
    pub(crate) scratch: Vec<Point>,
    pub(crate) irs: Vec<Point>,
    pub(crate) ours: Vec<Point>,
    /// Ours, had the probability of the class under the original been known exactly: what no bound from its counts betters.
    pub(crate) known: Vec<Point>,
}

/// Over certifying from scratch.
pub(crate) struct Speedup {
    pub(crate) irs: f64,
    pub(crate) ours: f64,
    pub(crate) irs_seconds: f64,
    pub(crate) ours_seconds: f64,
    /// Ours over IRS, directly.
    pub(crate) ours_by_irs: f64,
    /// With the probability of the original known, in evaluations.
    pub(crate) known: f64,
}

impl Curves {
    pub(crate) fn speedup(&self) -> Speedup {
        let evaluations: fn(&Point) -> f64 = |point| point.evaluations;
        let seconds: fn(&Point) -> f64 = |point| point.seconds;
        Speedup {
            irs: speedup(&self.scratch, &self.irs, evaluations),
            ours: speedup(&self.scratch, &self.ours, evaluations),
            irs_seconds: speedup(&self.scratch, &self.irs, seconds),
            ours_seconds: speedup(&self.scratch, &self.ours, seconds),
            ours_by_irs: speedup(&self.irs, &self.ours, evaluations),
            known: speedup(&self.scratch, &self.known, evaluations),
        }
    }
}

impl Cell {
    /// Over the inputs where the original shows a majority.
    pub(crate) fn kept(&self) -> Speedup {
        self.curves[1].speedup()
    }

    /// Over these inputs.
    pub(crate) fn curves(&self) -> &Curves {
        &self.curves[1]
    }

    pub(super) fn json(&self) -> Json {
        let figures = |speedup: Speedup| {
            json!({
                "model": self.model, "compression": self.copy, "sigma": self.sigma,
                "irs_speedup": speedup.irs, "ours_speedup": speedup.ours,
                "irs_seconds_speedup": speedup.irs_seconds,
                "ours_seconds_speedup": speedup.ours_seconds,
                "ours_by_irs": speedup.ours_by_irs,
                "known_speedup": speedup.known,
            })
        };
        let mut cell = figures(self.kept());
        cell["all_inputs"] = figures(self.curves[0].speedup());
        cell["inputs"] = json!(self.inputs.1);
        cell["inputs_in_all"] = json!(self.inputs.0);
        cell["samples"] = json!(self.samples);
        let curve = |points: &[Point]| -> Json {
            points
                .iter()
                .map(|point| json!([point.acr, point.evaluations, point.seconds]))
                .collect()
        };
        let Curves { scratch, irs, ours, .. } = self.curves();
        cell["curves"] =
            json!({ "scratch": curve(scratch), "irs": curve(irs), "ours": curve(ours) });
        cell["zeta_mean"] = json!(self.zeta.0);
        cell["disagreement_mean"] = json!(self.zeta.1);
        cell["skipped_share"] = json!(self.agreement.map(|(share, _)| share));
        cell["bound_seconds"] = json!(self.agreement.map(|(_, seconds)| seconds));
        cell
    }
}

/// All copies at all deviations.
pub(super) fn run(subject: &Subject) -> Result<Vec<Cell>, Error> {
    let copies = subject.copies()?;
    // Of the original: as its samples, for all copies.
    let norms = LayerNorms::new(&subject.network);
    let mut cells = Vec::new();
    for &sigma in subject.sigmas {
        let smoothing = Smoothing::new(Noise::Gaussian, sigma, 2024).map_err(failed)?;
        let f = NetworkClassifier::new(&subject.network).map_err(failed)?;
        let subject = &subject.at(&f, &smoothing)?;
        let smoothed = Smoothed::new(f, smoothing.clone()).map_err(failed)?;
        let mut cache = Cache::new(&smoothed);
        let record = RecordOptions {
            selection: SELECTION,
            first: 0,
            samples: subject.samples,
            batch: 256,
            margins: true,
        };
        for input in inputs(subject) {
            cache.insert(smoothed.record(input, &record).map_err(failed)?).map_err(failed)?;
        }
        for (name, copy) in &copies {
            eprintln!("  σ {sigma}, {name}");
            let bounds = bounds(subject, &norms, copy, sigma, &cache)?;
            let copy = Memo::new(NetworkClassifier::new(copy).map_err(failed)?);
            let original = smoothed.classifier().fingerprint();
            let (smoothing, cache) = (&smoothing, &cache);
            let bench = Bench { subject, smoothing, cache, original, copy, bounds };
            cells.push(bench.cell(name, sigma)?);
        }
    }
    Ok(cells)
}

/// Bounds of the difference around all images, and the seconds that they took: by norms, or for small networks on a box where that spares
/// more.
fn bounds(
    subject: &Subject,
    norms: &LayerNorms,
    copy: &Network,
    sigma: f64,
    cache: &Cache,
) -> Result<Option<(Agreement, f64)>, Error> {
    let spared = |agreement: &Agreement| {
        cache.iter().map(|input| agreement.spared(input)).sum::<f64>() / cache.len().max(1) as f64
    };
    let start = Instant::now();
    let pair = PairedNetworks::new(&subject.network, copy).map_err(failed)?;
    let mut found: Option<(f64, Agreement)> = None;
    let mut keep = |agreement: Agreement| {
        let share = spared(&agreement);
        if share > found.as_ref().map_or(WORTH, |(most, _)| *most) {
            found = Some((share, agreement));
        }
        share
    };
    let mut most = 0.0;
    if let Ok(mut agreement) = Agreement::by_norms(&pair, norms) {
        for (image, _) in &subject.images {
            agreement.around(image).map_err(failed)?;
        }
        most = keep(agreement);
    }
    if subject.bounded && most < ENOUGH {
        let centre = vec![0.5; subject.network.inputs()];
        let region = Region::linf_ball(&centre, 0.5 + REACH * sigma, &Domain::Everything);
        keep(Agreement::new(&pair, &region.map_err(failed)?).map_err(failed)?);
    }
    Ok(found.map(|(_, agreement)| (agreement, start.elapsed().as_secs_f64())))
}

fn inputs(subject: &Subject) -> impl Iterator<Item = Input<'_>> {
    (0..).zip(&subject.images).map(|(id, (values, _))| Input { id, values })
}

/// What the methods are run on.
struct Bench<'a> {
    subject: &'a Subject,
    smoothing: &'a Smoothing,
    cache: &'a Cache,
    original: nncert_smoothing::Fingerprint,
    copy: Memo,
    bounds: Option<(Agreement, f64)>,
}

/// A method at one sample size: for each input what was certified, and with how many evaluations.
struct Outcome {
    found: Vec<(Option<Certification>, u64)>,
    /// Radii with the probability of the original known exactly; empty where it plays no part.
    known: Vec<f64>,
    /// Seconds outside of the classifier.
    overhead: f64,
    skipped: u64,
}

impl Bench<'_> {
    fn cell(&self, copy: &'static str, sigma: f64) -> Result<Cell, Error> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(failed)?;
        let kept: Vec<bool> = (0..self.subject.images.len() as u64)
            .map(|id| self.cache.certification(id, 0.5 * ALPHA).is_ok_and(|c| c.radius() > 0.0))
            .collect();
        let image = self.subject.images.first().map_or(&[][..], |(image, _)| image);
        let each = pool.install(|| seconds_per_sample(&self.copy, self.smoothing, image))?;
        self.copy.forget();
        let most = self.subject.samples * SIZES[SIZES.len() - 1] / 1000;
        let longest = (most * self.subject.images.len() as u64) as f64 * each;
        let bounds = self.bounds.as_ref().filter(|(_, seconds)| *seconds <= AFFORDABLE * longest);
        let mut share = 0.0;
        let mut curves = [Curves::default(), Curves::default()];
        // Most samples are classified on all threads first; what is timed after that is the rest.
        self.irs(most, GammaSwitch::Selection)?;
        self.scratch(most)?;
        self.ours(most, bounds)?;
        for size in SIZES {
            let samples = (self.subject.samples * size / 1000).max(1);
            pool.install(|| -> Result<(), Error> {
                let scratch = self.scratch(samples)?;
                let switches = [GammaSwitch::Selection, GammaSwitch::Cached];
                let irs = switches.map(|switch| self.irs(samples, switch));
                let ours = self.ours(samples, bounds)?;
                let irs = irs.into_iter().collect::<Result<Vec<_>, _>>()?;
                let run: u64 = ours.found.iter().map(|(_, evaluations)| evaluations).sum();
                share = ours.skipped as f64 / (ours.skipped + run).max(1) as f64;
                for (curves, among) in curves.iter_mut().zip([None, Some(&kept[..])]) {
                    curves.scratch.push(self.point(&scratch, among, each));
                    curves.ours.push(self.point(&ours, among, each));
                    let of_known = |i: usize, _: f64| ours.known.get(i).copied().unwrap_or(0.0);
                    curves.known.push(self.point_with(&ours, among, each, of_known));
                    // The switch that is better for it.
                    let points = irs.iter().map(|irs| self.point(irs, among, each));
                    curves.irs.extend(points.max_by(|a, b| a.acr.total_cmp(&b.acr)));
                }
                Ok(())
            })?;
        }
        let zeta = self.zeta()?;
        let inputs = (kept.len(), kept.iter().filter(|kept| **kept).count());
        let Subject { name: model, samples, .. } = *self.subject;
        let agreement = bounds.map(|(_, seconds)| (share, *seconds));
        Ok(Cell { model, copy, sigma, inputs, samples, zeta, agreement, curves })
    }

    fn timed(
        &self,
        run: impl FnOnce() -> Result<Vec<(Option<Certification>, u64)>, Error>,
    ) -> Result<Outcome, Error> {
        self.copy.take_seconds();
        let start = Instant::now();
        let found = run()?;
        let overhead = start.elapsed().as_secs_f64() - self.copy.take_seconds();
        Ok(Outcome { found, known: Vec::new(), overhead, skipped: 0 })
    }

    /// Cohen's algorithm.
    fn scratch(&self, samples: u64) -> Result<Outcome, Error> {
        let smoothed = Smoothed::new(&self.copy, self.smoothing.clone()).map_err(failed)?;
        let options = CertifyOptions {
            alpha: ALPHA,
            selection: SELECTION,
            sampling: Sampling::Fixed { samples },
            ..Default::default()
        };
        self.timed(|| {
            let run = |input| smoothed.certify(input, &options).map_err(failed);
            let reports = inputs(self.subject).map(run);
            reports.map(|r| r.map(|r| (Some(r.certification), r.evaluations))).collect()
        })
    }

    fn incremental(&self) -> Result<Incremental<'_>, Error> {
        let budget = ErrorBudget::new(ALPHA, 1).map_err(failed)?;
        Incremental::new(self.cache, self.original, self.smoothing, budget).map_err(failed)
    }

    fn irs(&self, samples: u64, switch: GammaSwitch) -> Result<Outcome, Error> {
        let method = Transfer::Irs { gamma: GAMMA, share: 0.5, switch };
        let options = TransferOptions { method, samples, ..Default::default() };
        let mut incremental = self.incremental()?;
        self.timed(|| {
            let reports = inputs(self.subject).map(|input| {
                incremental.certify_incremental(&self.copy, input, &options).map_err(failed)
            });
            reports.map(|r| r.map(|r| (Some(r.certification), r.evaluations))).collect()
        })
    }

    /// As many samples on average, spread over the inputs; the method is chosen by what earlier inputs showed. The bounds are paid for.
    fn ours(&self, samples: u64, bounds: Option<&(Agreement, f64)>) -> Result<Outcome, Error> {
        let mut incremental = self.incremental()?;
        let mut experience = Experience::default();
        let agreement = bounds.map(|(agreement, _)| agreement);
        let mut skipped = 0;
        let mut reports = Vec::new();
        let outcome = self.timed(|| {
            let inputs: Vec<Input<'_>> = inputs(self.subject).collect();
            let total = samples * inputs.len() as u64;
            let mut plan = Vec::new();
            let mut found = Vec::new();
            for (place, input) in inputs.into_iter().enumerate() {
                // The plan follows what earlier inputs have shown.
                if place == 0
                    || place.is_power_of_two() && place.trailing_zeros() % 2 == 0 && place > 1
                {
                    let expected = experience.expectation();
                    let allocation =
                        Allocation::agreeing(self.cache, ALPHA, samples, expected, agreement);
                    plan = allocation.map_err(failed)?.samples(total);
                }
                let share = plan[place].1;
                if share == 0 {
                    found.push((None, 0));
                    reports.push(None);
                    continue;
                }
                let method = Transfer::Automatic(experience.expectation());
                let nominal = Some(samples);
                let options =
                    TransferOptions { method, samples: share, nominal, ..Default::default() };
                let report = match agreement {
                    Some(agreement) => {
                        incremental.certify_agreeing(&self.copy, agreement, input, &options, |_| {
                            ControlFlow::Continue(())
                        })
                    }
                    None => incremental.certify_incremental(&self.copy, input, &options),
                };
                let report = report.map_err(failed)?;
                experience.learn(&report);
                reports.push(Some(report));
                skipped += report.skipped;
                found.push((Some(report.certification), report.evaluations));
            }
            Ok(found)
        })?;
        let known = reports.iter().map(|report| report.as_ref().map_or(Ok(0.0), |r| self.known(r)));
        let known = known.collect::<Result<_, _>>().map_err(failed)?;
        let overhead = outcome.overhead + bounds.map_or(0.0, |(_, seconds)| *seconds);
        Ok(Outcome { overhead, skipped, known, ..outcome })
    }

    /// The radius that a report would have, had the probability of the class under the original been known.
    fn known(&self, report: &TransferReport) -> Result<f64, nncert_prob::ProbabilityError> {
        let joint = matches!(
            report.method,
            TransferMethod::FisherTwo | TransferMethod::FisherThree | TransferMethod::OneSided
        );
        if !joint {
            return Ok(report.certification.radius());
        }
        let (cached, level) = (report.cached, Probability::new(ALPHA)?);
        let p = cached.successes() as f64 / cached.trials().max(1) as f64;
        let kept = clopper_pearson_lower(report.changed.complement(), level);
        let bound = SidedProbability::from_complement((1.0 - p) + p * kept.complement_up())?;
        Ok(certified_radius(self.smoothing.sigma(), bound).max(report.certification.radius()))
    }

    /// Over the inputs that count; time outside of the classifier is that of all of them, by evaluations.
    fn point(&self, outcome: &Outcome, among: Option<&[bool]>, each: f64) -> Point {
        self.point_with(outcome, among, each, |_, radius| radius)
    }

    fn point_with(
        &self,
        outcome: &Outcome,
        among: Option<&[bool]>,
        each: f64,
        radius: impl Fn(usize, f64) -> f64,
    ) -> Point {
        let counts = |index: usize| among.is_none_or(|among| among[index]);
        let results = || outcome.found.iter().zip(&self.subject.images).enumerate();
        let (mut sum, mut inputs, mut evaluations) = (0.0, 0.0, 0);
        for (index, ((certification, spent), (_, label))) in results().filter(|(i, _)| counts(*i)) {
            let certificate = certification.as_ref().and_then(Certification::certificate);
            sum +=
                certificate.filter(|c| c.class == *label).map_or(0.0, |c| radius(index, c.radius));
            inputs += 1.0;
            evaluations += spent;
        }
        // Statistics take as long for each input, about; ours has none where it spends nothing.
        let run = |index: &usize| outcome.found[*index].1 > 0;
        let of = (0..outcome.found.len()).filter(run);
        let share = of.clone().filter(|i| counts(*i)).count() as f64 / of.count().max(1) as f64;
        let seconds = evaluations as f64 * each + share * outcome.overhead;
        Point { acr: sum / f64::max(inputs, 1.0), evaluations: evaluations as f64, seconds }
    }

    /// The disagreements of the first samples: the mean of the upper bounds, and of the shares.
    fn zeta(&self) -> Result<(f64, f64), Error> {
        // Above every probability: the difference is always estimated.
        let method = Transfer::Irs { gamma: 1.0, share: 0.5, switch: GammaSwitch::Cached };
        let samples = ZETA.0.min(self.subject.samples);
        let options = TransferOptions { method, samples, ..Default::default() };
        let level = Probability::new(ZETA.1).map_err(failed)?;
        let mut incremental = self.incremental()?;
        let (mut bounds, mut shares, mut n) = (0.0, 0.0, 0.0);
        for input in inputs(self.subject) {
            let report = incremental.certify_incremental(&self.copy, input, &options);
            let report = report.map_err(failed)?;
            if report.method == TransferMethod::Disagreement {
                bounds += clopper_pearson_upper(report.changed, level).up();
                shares += report.changed.successes() as f64 / report.changed.trials() as f64;
                n += 1.0;
            }
        }
        Ok((bounds / f64::max(n, 1.0), shares / f64::max(n, 1.0)))
    }
}
