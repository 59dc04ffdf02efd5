//! ACAS Xu networks and their 16-bit copies, on a box of inputs.
//!
//! ```text
//! DIR/orig/ACASXU_run2a_I_J_batch_2000.nnet
//! DIR/fp16/ACASXU_run2a_I_J_batch_2000_16bit.nnet
//! DIR/properties.csv      boxes in raw units and the output that each is about
//! ```
//!
//! Many of the published 16-bit files hold short decimals that are close to an f16. They are
//! rounded to f16 again, so that the copy is what a 16-bit device would run.

use std::collections::BTreeMap;
use std::path::Path;

use nncert::core::io::nnet::{self, Normalization};
use nncert::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::study::{Agreement, Place, Study, Subject, Words};
use crate::verb::{Error, failed};

/// The property whose box is used.
const PROPERTY: &str = "3";
const SAMPLES: usize = 1000;
const SEED: u64 = 3;

/// What is asked of the networks on a box.
struct Property {
    output: usize,
    /// In raw units.
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// The names of networks that it is not for.
    except: Vec<String>,
}

/// The study of all pairs in a folder.
pub(super) fn study(folder: &Path) -> Result<Study, Error> {
    let property = property(&folder.join("properties.csv"))?;
    let mut subjects = Vec::new();
    for (first, second) in (1..=5).flat_map(|i| (1..=9).map(move |j| (i, j))) {
        let name = format!("{first}_{second}");
        let stem = format!("ACASXU_run2a_{name}_batch_2000");
        let original = folder.join(format!("orig/{stem}.nnet"));
        let copy = folder.join(format!("fp16/{stem}_16bit.nnet"));
        if property.except.contains(&name) || !original.is_file() || !copy.is_file() {
            continue;
        }
        subjects.push(subject(name, &original, &copy, &property)?);
    }
    if subjects.is_empty() {
        return Err(failed(format!(
            "{}: no pair of orig/ACASXU_run2a_I_J_batch_2000.nnet and fp16/..._16bit.nnet",
            folder.display()
        )));
    }
    let count = subjects.len();
    Ok(Study {
        name: "acasxu",
        heading: format!("{count} ACAS Xu networks and their f16 copies, property {PROPERTY}"),
        original: "ACAS Xu".to_owned(),
        seed: Some(SEED),
        words: Words {
            subject: "network",
            agreement: "same",
            counted: format!("{SAMPLES} random inputs of the box with the same advisory"),
            input: "input",
            scores_are: format!("score {} is", property.output),
            region: format!("the box of property {PROPERTY}"),
            unit: "in shares of the range of each input",
            places: None,
            pictured: format!("mean of {count} networks, each with its own ε"),
        },
        subjects,
        radius: None,
    })
}

fn subject(
    name: String,
    original: &Path,
    copy: &Path,
    property: &Property,
) -> Result<Subject, Error> {
    let file = nnet::read(original).map_err(failed)?;
    let short = nnet::read(copy).map_err(failed)?.network;
    let copy = compress::float16(&short).map_err(failed)?.network;
    let fail = |what: &dyn std::fmt::Display| failed(format!("{}: {what}", original.display()));
    let pair = PairedNetworks::new(&file.network, &copy).map_err(|error| fail(&error))?;
    if property.output >= pair.outputs() {
        return Err(fail(&format!("there is no output {}", property.output)));
    }
    let place = place(&file.normalization, property).map_err(|error| fail(&error))?;
    let agreement = agreement(&pair, &place.region).map_err(failed)?;
    let about = format!("{} and its f16 copy", file.network);
    let outputs = Outputs::One(property.output);
    Ok(Subject { name, about, pair, outputs, agreement, places: vec![place] })
}

/// The normalised box, and balls around its centre within all that the network takes.
fn place(
    normalization: &Normalization,
    property: &Property,
) -> Result<Place, nnet::NormalizationError> {
    let region = normalization.normalize_box(&property.lower, &property.upper)?;
    let whole = normalization.normalize_box(&normalization.mins, &normalization.maxes)?;
    let domain = (0..whole.dimension()).map(|input| whole.interval(input)).collect();
    let balls = Balls::around(&region.centre()).within(Domain::Box(domain));
    Ok(Place { name: format!("centre of property {PROPERTY}"), region, balls })
}

fn agreement(
    pair: &PairedNetworks,
    region: &Region,
) -> Result<Agreement, nncert::core::InputError> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut right = 0;
    for _ in 0..SAMPLES {
        let input = region.sample(&mut rng);
        let advisory = |network: &Network| network.evaluate(&input).map(|scores| scores.imin());
        right += usize::from(advisory(pair.original())? == advisory(pair.compressed())?);
    }
    Ok(Agreement { right, of: SAMPLES })
}

fn property(path: &Path) -> Result<Property, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| failed(format!("{}: {error}", path.display())))?;
    parse(&text).map_err(|what| failed(format!("{}: {what}", path.display())))
}

/// The columns are found by their names; lines that begin with `#` are comments.
fn parse(text: &str) -> Result<Property, String> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows = lines.map(|line| line.splitn(header.len(), ',').map(str::trim));
    let mut rows = rows.map(|cells| header.iter().copied().zip(cells).collect());
    let is = |row: &BTreeMap<&str, &str>| row.get("property") == Some(&PROPERTY);
    let row = rows.find(is).ok_or_else(|| format!("there is no property {PROPERTY}"))?;
    let cell = |column: &str| {
        row.get(column).copied().ok_or_else(|| format!("there is no column {column:?}"))
    };
    let number = |column: String| -> Result<f64, String> {
        let text = cell(&column)?;
        text.parse().map_err(|_| format!("{column} of property {PROPERTY} is {text:?}, no number"))
    };
    let corner = |side: &str| -> Result<Vec<f64>, String> {
        let inputs = ["rho", "theta", "psi", "vown", "vint"];
        inputs.iter().map(|input| number(format!("{side}_{input}"))).collect()
    };
    let output = cell("target_output")?;
    let output =
        output.parse().map_err(|_| format!("target_output is {output:?}, which is no output"))?;
    let except = row.get("networks_used").and_then(|used| used.split_once("except"));
    let names = except.map_or("", |(_, names)| names).split([',', ' ', '"']);
    Ok(Property {
        output,
        lower: corner("lo")?,
        upper: corner("hi")?,
        except: names.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "property,target_output,lo_rho,lo_theta,lo_psi,lo_vown,lo_vint,\
                          hi_rho,hi_theta,hi_psi,hi_vown,hi_vint,networks_used";

    #[test]
    fn properties_are_found_by_number() {
        let text = format!(
            "# raw units\n{HEADER}\n1,4,9,9,9,9,9,9,9,9,9,9,1_1\n\
             3,0,1500,-0.06,3.1,980,960,1800,0.06,3.125,1200,1200,all except 1_7,1_8\n"
        );
        let property = parse(&text).unwrap();
        assert_eq!(property.output, 0);
        assert_eq!(property.lower, [1500.0, -0.06, 3.1, 980.0, 960.0]);
        assert_eq!(property.upper, [1800.0, 0.06, 3.125, 1200.0, 1200.0]);
        assert_eq!(property.except, ["1_7", "1_8"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |text: &str| parse(text).err().unwrap();
        assert_eq!(error(""), "there is no property 3");
        assert_eq!(error("property\n3\n"), "there is no column \"target_output\"");
        let text = format!("{HEADER}\n3,0,x,0,0,0,0,0,0,0,0,0,all\n");
        assert_eq!(error(&text), "lo_rho of property 3 is \"x\", no number");
    }
}
