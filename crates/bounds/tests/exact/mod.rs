//! Every bound of a pair, held against exact values without any slack.

#![allow(dead_code)] // each suite uses some of it

use nncert_bounds::{AffineForm, BoundsError, Envelope, crown, differential, forward, interval};
use nncert_core::exact::{self, Dyadic};
use nncert_core::{Interval, Network, PairedNetworks, Region};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The seed of every suite: a failure is the same for everyone.
pub(crate) const SEED: [u8; 32] = *b"nncert-bounds: sampled by suites";

/// A runner of this many cases from [`SEED`].
pub(crate) fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED))
}

/// All that the passes say about a pair on a region.
pub(crate) struct Bounds {
    /// A name, and bounds of the outputs of `f`.
    pub(crate) original: Vec<(&'static str, Vec<Claim>)>,
    pub(crate) compressed: Vec<(&'static str, Vec<Claim>)>,
    pub(crate) difference: Vec<(&'static str, Vec<Claim>)>,
}

/// What a pass says about one output.
pub(crate) enum Claim {
    Bounds(Interval),
    Envelope(Envelope),
}

impl Bounds {
    /// Runs every pass, except for those that refuse because of overflow.
    pub(crate) fn of(pair: &PairedNetworks, region: &Region) -> Self {
        let [mut original, mut compressed] = [pair.original(), pair.compressed()].map(|network| {
            let mut claims = Vec::new();
            if let Some(bounds) = refused(interval(network, region)) {
                claims.push(("interval", plain(bounds)));
            }
            if let Some(bounds) = refused(crown(network, region)) {
                claims.push(("crown", enveloped(bounds.outputs)));
            }
            claims
        });
        let mut difference = Vec::new();
        let passes =
            [("differential", differential(pair, region)), ("forward", forward(pair, region))];
        for (name, result) in passes {
            if let Some(bounds) = refused(result) {
                original.push((name, plain(bounds.original)));
                compressed.push((name, plain(bounds.compressed)));
                difference.push((name, enveloped(bounds.outputs)));
            }
        }
        Self { original, compressed, difference }
    }

    /// The first claim that a point refutes.
    pub(crate) fn violation(&self, pair: &PairedNetworks, x: &[f64]) -> Option<String> {
        let f = exact::evaluate(pair.original(), x).expect("a finite input");
        let g = exact::evaluate(pair.compressed(), x).expect("a finite input");
        let delta: Vec<Dyadic> = f.iter().zip(&g).map(|(f, g)| f - g).collect();
        let x: Vec<Dyadic> = x.iter().map(|x| dyadic(*x)).collect();
        [("f", &self.original, f), ("f'", &self.compressed, g), ("δ", &self.difference, delta)]
            .into_iter()
            .find_map(|(of, passes, values)| {
                passes.iter().find_map(|(pass, claims)| {
                    let wrong = claims.iter().zip(&values).position(|(c, v)| !c.holds(&x, v))?;
                    Some(format!("{pass}: output {wrong} of {of}"))
                })
            })
    }
}

impl Claim {
    /// Whether the claim holds where the output at `x` is `value`.
    pub(crate) fn holds(&self, x: &[Dyadic], value: &Dyadic) -> bool {
        match self {
            Self::Bounds(bounds) => value.is_within(*bounds),
            Self::Envelope(Envelope { lower, upper, bounds }) => {
                value.is_within(*bounds)
                    && (lower.constant == f64::NEG_INFINITY || form(lower, x) <= *value)
                    && (upper.constant == f64::INFINITY || form(upper, x) >= *value)
            }
        }
    }
}

/// The first point that refutes a pass.
pub(crate) fn violation(
    pair: &PairedNetworks,
    region: &Region,
    points: impl IntoIterator<Item = Vec<f64>>,
) -> Option<String> {
    let bounds = Bounds::of(pair, region);
    points.into_iter().find_map(|x| {
        assert!(region.contains(&x));
        bounds.violation(pair, &x).map(|what| format!("{what}, at {x:?}"))
    })
}

/// The centre of a region and corners: the lower, the upper, and both with every other end swapped.
pub(crate) fn corners(region: &Region) -> Vec<Vec<f64>> {
    let ends = [region.lower(), region.upper()];
    let mixed = |odd: usize| -> Vec<f64> {
        (0..region.dimension()).map(|i| ends[(i + odd) % 2][i]).collect()
    };
    vec![region.centre(), ends[0].to_vec(), ends[1].to_vec(), mixed(0), mixed(1)]
}

/// A network and itself.
pub(crate) fn twice(network: &Network) -> PairedNetworks {
    PairedNetworks::new(network, network).expect("a network fits itself")
}

pub(crate) fn dyadic(value: f64) -> Dyadic {
    Dyadic::from_f64(value).expect("a finite number")
}

/// `c · x + d` at an exact point.
pub(crate) fn form(form: &AffineForm, x: &[Dyadic]) -> Dyadic {
    exact::dot(&form.coefficients, x, form.constant).expect("a finite form")
}

/// The result, or nothing where the pass refuses because of overflow.
fn refused<T>(result: Result<T, BoundsError>) -> Option<T> {
    match result {
        Err(BoundsError::Overflow { .. }) => None,
        other => Some(other.expect("the pair and the region fit")),
    }
}

fn plain(bounds: Vec<Interval>) -> Vec<Claim> {
    bounds.into_iter().map(Claim::Bounds).collect()
}

fn enveloped(envelopes: Vec<Envelope>) -> Vec<Claim> {
    envelopes.into_iter().map(Claim::Envelope).collect()
}
