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

/// The certified radius at each confidence, and the seconds that all took.
pub(crate) fn radii(
    subject: &Subject,
    place: &Place,
    way: &Way,
    confidences: &[f64],
) -> Result<(Vec<f64>, f64), Error> {
    let method = way.method.with_outputs(Outputs::One(place.label));
    let gammas: Result<Vec<_>, _> = confidences.iter().map(|c| Confidence::new(*c)).collect();
    let (gammas, search) = (gammas.map_err(failed)?, RadiusSearch::default());
    let started = Instant::now();
    let Subject { pair, epsilon, .. } = subject;
    let curve = certified_curve(pair, &place.balls, *epsilon, &gammas, method, &search);
    let curve = curve.map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok((curve.points.iter().map(|point| point.radius.unwrap_or(0.0)).collect(), seconds))
}
