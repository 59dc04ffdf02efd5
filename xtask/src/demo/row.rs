//! What is measured of one pair.

use std::time::Instant;

use nncert::bounds::PairBounds;
use nncert::prelude::*;
use nncert::similarity::{SimilarityError, probability_within};

use super::rounding::{mean_down, mean_up, three_digits_up};
use super::study::Subject;
use super::way::{COLUMNS, Way};

/// The confidence of the certified radii in the table.
pub(super) const GAMMA: f64 = 0.9999;
/// The `ε` that are asked about, as shares of the worst case over the region.
pub(super) const SHARES: [f64; 2] = [0.75, 0.5];

/// What is measured of one pair.
pub(super) struct Row {
    /// The largest difference on any of the regions, proven.
    pub(super) worst: f64,
    /// The same for each region.
    pub(super) worst_each: Vec<f64>,
    /// For each of [`SHARES`].
    pub(super) probabilities: Vec<Probabilities>,
    /// For each of [`COLUMNS`], at the first `ε`.
    pub(super) radii: Vec<Radii>,
    pub(super) seconds: f64,
}

/// Bounds of the probability to agree to `ε`, for each region.
pub(super) struct Probabilities {
    pub(super) epsilon: f64,
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
}

/// Certified radii around each input.
pub(super) struct Radii {
    pub(super) each: Vec<f64>,
    /// How each search ended.
    pub(super) verdicts: Vec<&'static str>,
}

impl Probabilities {
    pub(super) fn mean(&self) -> (f64, f64) {
        (mean_down(&self.lower), mean_up(&self.upper))
    }
}

impl Radii {
    pub(super) fn mean(&self) -> f64 {
        mean_down(&self.each)
    }
}

impl Row {
    /// The `ε` of the radii.
    pub(super) fn epsilon(&self) -> f64 {
        self.probabilities[0].epsilon
    }

    /// The radii of one of [`COLUMNS`].
    pub(super) fn of(&self, way: &Way) -> &Radii {
        let column = COLUMNS.iter().position(|column| column.name == way.name);
        &self.radii[column.expect("a column of the table")]
    }
}

/// Measures a pair; `progress` hears what is being done.
pub(super) fn measure(
    subject: &Subject,
    mut progress: impl FnMut(&str),
) -> Result<Row, SimilarityError> {
    let start = Instant::now();
    progress("bounds");
    let bounds: Vec<PairBounds> = subject
        .places
        .iter()
        .map(|place| differential(&subject.pair, &place.region))
        .collect::<Result<_, _>>()?;
    let worst_each: Vec<f64> =
        bounds.iter().map(|bounds| epsilon(bounds, subject.outputs)).collect();
    let worst = worst_each.iter().copied().fold(0.0, f64::max);

    progress("probabilities");
    let epsilons = SHARES.map(|share| three_digits(share * worst));
    let probabilities = epsilons
        .into_iter()
        .map(|epsilon| probabilities(&bounds, epsilon, subject.outputs))
        .collect::<Result<_, _>>()?;

    let mut radii = Vec::new();
    for way in &COLUMNS {
        progress(way.name);
        radii.push(search(subject, way, epsilons[0])?);
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Row { worst, worst_each, probabilities, radii, seconds })
}

/// A double near `x` that prints in three digits.
fn three_digits(x: f64) -> f64 {
    three_digits_up(x).parse().unwrap_or(x)
}

/// The largest difference of the outputs that count.
fn epsilon(bounds: &PairBounds, outputs: Outputs) -> f64 {
    match outputs {
        Outputs::One(output) => bounds.outputs[output].bounds.magnitude(),
        _ => bounds.epsilon(),
    }
}

fn probabilities(
    bounds: &[PairBounds],
    epsilon: f64,
    outputs: Outputs,
) -> Result<Probabilities, SimilarityError> {
    let method = Method::default().with_outputs(outputs);
    let (mut lower, mut upper) = (Vec::new(), Vec::new());
    for bounds in bounds {
        let interval = probability_within(bounds.clone(), epsilon, method)?;
        lower.push(interval.lower.get());
        upper.push(interval.upper.get());
    }
    Ok(Probabilities { epsilon, lower, upper })
}

fn search(subject: &Subject, way: &Way, epsilon: f64) -> Result<Radii, SimilarityError> {
    let method = way.method.with_outputs(subject.outputs);
    let options = RadiusSearch::default();
    let gamma = Confidence::new(GAMMA).expect("a constant in (0, 1)");
    let (mut each, mut verdicts) = (Vec::new(), Vec::new());
    for place in &subject.places {
        let verdict = if way.is_certain() {
            worst_case_radius(&subject.pair, &place.balls, epsilon, method, &options)?
        } else {
            certified_radius(&subject.pair, &place.balls, epsilon, gamma, method, &options)?
        };
        each.push(verdict.radius());
        verdicts.push(match verdict {
            RadiusVerdict::Certified(_) => "certified",
            RadiusVerdict::Falsified { .. } => "falsified",
            _ => "unknown",
        });
    }
    Ok(Radii { each, verdicts })
}
