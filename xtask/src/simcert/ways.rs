//! The methods that are compared, and their radii.

use std::time::Instant;

use nncert::prelude::*;

use super::subjects::{Place, Subject};
use crate::verb::{Error, failed};

/// A method with its name.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
}

/// NeuroDiff's single pass, which the paper takes for the worst case.
pub(crate) const WORST_CASE: Way =
    Way { name: "worst case", method: Method::SIMCERT.with_tail(Tail::WorstCase) };
pub(crate) const PROVEN: Way = Way { name: "PROVEN", method: Method::PROVEN };
pub(crate) const SIMCERT: Way = Way { name: "SimCert", method: Method::SIMCERT };
pub(crate) const OURS: Way = Way {
    name: "nncert",
    method: Method {
        propagation: Propagation::Differential,
        tail: Tail::Exact,
        outputs: Outputs::All,
    },
};

/// Our bounds without probability.
pub(crate) const CERTAIN: Way =
    Way { name: "nncert, worst case", method: OURS.method.with_tail(Tail::WorstCase) };

/// Certified radii of one way, and the seconds of one.
pub(crate) struct Radii {
    /// One for each confidence.
    pub(crate) radii: Vec<f64>,
    /// What the last alone took.
    pub(crate) seconds: f64,
}

/// The radii of several ways around one place. A search begins at the radius of the way
/// that `known` names, an earlier one without probability: that is certified for all.
pub(crate) fn radii_of(
    subject: &Subject,
    place: &Place,
    ways: &[(&Way, Option<usize>)],
    confidences: &[f64],
) -> Result<Vec<Radii>, Error> {
    let mut found: Vec<Radii> = Vec::new();
    for (way, known) in ways {
        let known = known.map(|known| &found[known]);
        found.push(radii(subject, place, way, confidences, known)?);
    }
    Ok(found)
}

/// The certified radius at each confidence; the last is timed. A search begins at a radius
/// that is known to be certified, if there is one.
fn radii(
    subject: &Subject,
    place: &Place,
    way: &Way,
    confidences: &[f64],
    known: Option<&Radii>,
) -> Result<Radii, Error> {
    let method = way.method.with_outputs(Outputs::One(place.label));
    let gammas: Result<Vec<_>, _> = confidences.iter().map(|c| Confidence::new(*c)).collect();
    let (gammas, Subject { pair, epsilon, search, .. }) = (gammas.map_err(failed)?, subject);
    let known = known.and_then(|known| known.radii.last()).copied().unwrap_or(0.0);
    let start = if known > 0.0 { known } else { search.start };
    let search = RadiusSearch { start, ..*search };
    let curve = |gammas: &[Confidence], search: &RadiusSearch| {
        certified_curve(pair, &place.balls, *epsilon, gammas, method, search).map_err(failed)
    };
    let (last, others) = gammas.split_last().ok_or_else(|| failed("no confidence"))?;
    let started = Instant::now();
    let radius = curve(core::slice::from_ref(last), &search)?.radius(*last);
    let seconds = started.elapsed().as_secs_f64();
    let mut radii = vec![radius; others.len()];
    if way.method.tail != Tail::WorstCase && radius > 0.0 {
        let start = RadiusSearch { start: radius, ..search };
        radii = curve(others, &start)?.points.iter().map(|p| p.radius.unwrap_or(0.0)).collect();
    }
    radii.push(radius);
    Ok(Radii { radii, seconds })
}
