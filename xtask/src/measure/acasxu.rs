//! The ACAS Xu tasks of NeuroDiff: network pairs, regions, and what it logged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nncert_core::io::nnet;
use nncert_core::{PairedNetworks, Region, compress};

use crate::verb::{Error, failed};

/// A pair of networks and the normalisation of their inputs.
pub(crate) struct Acas {
    pub(crate) pair: PairedNetworks,
    pub(crate) normalization: nnet::Normalization,
}

/// An input box in raw units and the output that is checked on it.
pub(crate) struct Property {
    pub(crate) target: usize,
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
}

/// One line of the published log.
pub(crate) struct Row {
    pub(crate) tool: String,
    pub(crate) epsilon: String,
    pub(crate) property: String,
    pub(crate) network: String,
    /// The bounds of each output's difference after the first pass.
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    pub(crate) result: String,
    /// Until its verdict, on 12 threads.
    pub(crate) seconds: Option<f64>,
}

impl Row {
    /// The seconds of a task that was certified.
    pub(crate) fn certified_seconds(&self) -> Option<f64> {
        self.seconds.filter(|_| self.result == "certified")
    }
}

impl Acas {
    /// The names of all networks, of which a folder may lack some.
    pub(crate) fn names() -> impl Iterator<Item = String> {
        (1..=5).flat_map(|first| (1..=9).map(move |second| format!("{first}_{second}")))
    }

    /// The pair of a network such as `1_1`, or `None` when the folder lacks a file.
    ///
    /// The copy is rounded to 16 bits once more: most of the published files hold
    /// short decimals near the 16-bit numbers, not the numbers themselves.
    pub(crate) fn read(data: &Path, name: &str) -> Result<Option<Self>, Error> {
        let original = data.join(format!("acasxu/orig/ACASXU_run2a_{name}_batch_2000.nnet"));
        let copy = data.join(format!("acasxu/fp16/ACASXU_run2a_{name}_batch_2000_16bit.nnet"));
        if !original.is_file() || !copy.is_file() {
            return Ok(None);
        }
        let (original, copy) =
            (nnet::read(original).map_err(failed)?, nnet::read(copy).map_err(failed)?);
        let copy = compress::float16(&copy.network).map_err(failed)?.network;
        let pair = PairedNetworks::new(&original.network, &copy).map_err(failed)?;
        Ok(Some(Self { pair, normalization: original.normalization }))
    }

    /// A property's box in the units of the network's inputs.
    pub(crate) fn region(&self, property: &Property) -> Result<Region, Error> {
        self.normalization.normalize_box(&property.lower, &property.upper).map_err(failed)
    }
}

/// The properties by number.
pub(crate) fn properties(
    data: &Path,
    missing: &mut Vec<String>,
) -> Result<BTreeMap<String, Property>, Error> {
    let mut properties = BTreeMap::new();
    for fields in table(data, "acasxu/properties.csv", missing)? {
        let numbers = parse(fields.get(2..12).unwrap_or_default().iter())?;
        let ([name, target, ..], 10) = (&fields[..], numbers.len()) else {
            return Err(failed("a property needs a number, an output and ten ends"));
        };
        let target = target.parse().map_err(failed)?;
        let (lower, upper) = (numbers[..5].to_vec(), numbers[5..].to_vec());
        properties.insert(name.clone(), Property { target, lower, upper });
    }
    Ok(properties)
}

/// The lines of NeuroDiff's log.
pub(crate) fn log(data: &Path, missing: &mut Vec<String>) -> Result<Vec<Row>, Error> {
    let rows = table(data, "results/neurodiff_acasxu.csv", missing)?.into_iter().map(|fields| {
        let field = |index: usize| fields.get(index).cloned().unwrap_or_default();
        Ok(Row {
            tool: field(0),
            epsilon: field(1),
            property: field(2),
            network: field(3),
            lower: parse(field(4).split_whitespace())?,
            upper: parse(field(5).split_whitespace())?,
            result: field(6),
            seconds: field(7).parse().ok(),
        })
    });
    rows.collect()
}

/// The rows of a comma-separated file, without comments and the head line; none when
/// the file is missing.
fn table(data: &Path, name: &str, missing: &mut Vec<String>) -> Result<Vec<Vec<String>>, Error> {
    let path = data.join(name);
    if !path.is_file() {
        missing.push(name.to_owned());
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(|e| failed(format!("{}: {e}", path.display())))?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    Ok(lines.skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

fn parse(fields: impl Iterator<Item = impl AsRef<str>>) -> Result<Vec<f64>, Error> {
    fields.map(|field| field.as_ref().trim().parse().map_err(failed)).collect()
}
