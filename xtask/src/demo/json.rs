//! The results as JSON.
//!
//! | key | holds |
//! |---|---|
//! | `nncert` | the version |
//! | `study` | `demo` or `acasxu` |
//! | `heading`, `original`, `region` | what was looked at, in words |
//! | `region_radius` | the radius of the regions; `null` for a box |
//! | `seed` | of the sampled inputs; `null` when none were sampled |
//! | `gamma` | the confidence of the radii |
//! | `rows` | for each copy or network, what follows |
//! | `rows[].name`, `about` | its name, and how it was made |
//! | `rows[].agreement` | `right` inputs `of` so many |
//! | `rows[].outputs` | the output that counts; `null` for all |
//! | `rows[].places` | the names of the inputs; lists named `each` are in their order |
//! | `rows[].worst_case_epsilon` | `largest`, and `each` |
//! | `rows[].probabilities` | a list of `epsilon`, mean `lower` and `upper`, `lower_each`, `upper_each` |
//! | `rows[].radii` | `epsilon`, and `methods`: `name`, `propagation`, `tail`, `mean`, `each`, `verdicts` |
//! | `rows[].seconds` | how long it took |
//! | `curves` | `rows` that are averaged, `chance` = `1 - γ` of each point, and `methods`: `name`, `propagation`, `tail`, `radius` |
//!
//! Radii and lower ends are at most, upper ends and worst cases at least what was computed.

use nncert::prelude::*;
use serde_json::{Value, json};

use super::curve::Curves;
use super::row::{GAMMA, Row};
use super::study::{Study, Subject};
use super::way::{COLUMNS, CURVES, Way};

/// All numbers of the table and the picture; `pictured` rows are those of the curves.
pub(super) fn json(study: &Study, rows: &[Row], pictured: usize, curves: &Curves) -> Value {
    let all: Vec<Value> =
        study.subjects.iter().zip(rows).map(|(subject, row)| one(subject, row)).collect();
    let methods: Vec<Value> = CURVES
        .iter()
        .zip(&curves.radii)
        .map(|(way, radii)| with(way, json!({ "radius": radii })))
        .collect();
    let names: Vec<&str> = study.subjects.iter().take(pictured).map(|s| &*s.name).collect();
    json!({
        "nncert": env!("CARGO_PKG_VERSION"),
        "study": study.name,
        "heading": study.heading,
        "original": study.original,
        "region": study.words.region,
        "region_radius": study.radius,
        "seed": study.seed,
        "gamma": GAMMA,
        "rows": all,
        "curves": { "rows": names, "chance": curves.chances, "methods": methods },
    })
}

fn one(subject: &Subject, row: &Row) -> Value {
    let probabilities = row.probabilities.iter().map(|asked| {
        let (lower, upper) = asked.mean();
        json!({
            "epsilon": asked.epsilon, "lower": lower, "upper": upper,
            "lower_each": asked.lower, "upper_each": asked.upper,
        })
    });
    let methods = COLUMNS.iter().zip(&row.radii).map(|(way, radii)| {
        let (mean, each, verdicts) = (radii.mean(), &radii.each, &radii.verdicts);
        with(way, json!({ "mean": mean, "each": each, "verdicts": verdicts }))
    });
    let output = match subject.outputs {
        Outputs::One(output) => Some(output),
        _ => None,
    };
    let places: Vec<&str> = subject.places.iter().map(|place| &*place.name).collect();
    json!({
        "name": subject.name,
        "about": subject.about,
        "agreement": { "right": subject.agreement.right, "of": subject.agreement.of },
        "outputs": output,
        "places": places,
        "worst_case_epsilon": { "largest": row.worst, "each": row.worst_each },
        "probabilities": probabilities.collect::<Vec<_>>(),
        "radii": { "epsilon": row.epsilon(), "methods": methods.collect::<Vec<_>>() },
        "seconds": row.seconds,
    })
}

/// The name of a method and what it is made of, beside other values.
fn with(way: &Way, mut values: Value) -> Value {
    values["name"] = json!(way.name);
    values["tail"] = json!(way.method.tail.name());
    values["propagation"] = json!(match way.method.propagation {
        Propagation::Forward => "forward",
        _ => "differential",
    });
    values
}

#[cfg(test)]
mod tests {
    use super::super::testing::{curves, study};
    use super::*;

    #[test]
    fn every_number_is_there() {
        let (study, rows) = study(true);
        let value = json(&study, &rows, 3, &curves());
        assert_eq!(value["rows"].as_array().unwrap().len(), 3);
        assert_eq!(value["rows"][0]["radii"]["methods"][3]["tail"], "exact");
        assert_eq!(value["curves"]["methods"].as_array().unwrap().len(), CURVES.len());
        assert_eq!(value["curves"]["chance"].as_array().unwrap().len(), 6);
        assert!(!value.to_string().contains('\n'));
    }
}
