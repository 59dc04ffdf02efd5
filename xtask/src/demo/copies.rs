//! The compressed copies of the digits network.

use std::path::Path;

use nncert::prelude::*;

use crate::verb::{Error, failed};

/// A copy, with its original aligned to it.
pub(super) struct Copy {
    pub(super) name: &'static str,
    /// How it was made.
    pub(super) about: String,
    /// With its own widths.
    pub(super) network: Network,
    pub(super) pair: PairedNetworks,
}

/// The share of weights that magnitude pruning removes.
const WEIGHTS: f64 = 0.2;
/// The share of neurons that structured pruning removes from each hidden layer.
const NEURONS: f64 = 0.1;

/// Five copies made here, and the fine-tuned one when its files lie beside the network.
pub(super) fn all(network: &Network, path: &Path) -> Result<Vec<Copy>, Error> {
    let copy = |name, about: &str, compressed: Compressed| -> Result<Copy, Error> {
        let pair = compressed.pair(network).map_err(failed)?;
        Ok(Copy { name, about: about.to_owned(), network: compressed.network, pair })
    };
    let int8 = compress::int8(network, Granularity::PerChannel).map_err(failed)?;
    let float16 = compress::float16(network).map_err(failed)?;
    let fixed = compress::fixed_point_bits(network, 6).map_err(failed)?;
    let weights = compress::prune_weights(network, WEIGHTS, Scope::Layer).map_err(failed)?;
    let neurons = compress::remove_lowest_norm(network, NEURONS).map_err(failed)?;
    let gone: usize = neurons.summary.removed.iter().map(Vec::len).sum();
    let mut copies = vec![
        copy("int8", "8-bit weights, one scale a neuron", int8)?,
        copy("f16", "16-bit floating-point weights", float16)?,
        copy("6-bit fixed point", "weights and biases in 6 bits, one format a layer", fixed)?,
        copy("weights pruned", "the smallest 20 % of each layer's weights set to zero", weights)?,
        copy(
            "neurons pruned",
            &format!("{gone} hidden neurons removed, lowest norm first"),
            neurons,
        )?,
    ];
    copies.extend(fine_tuned(network, path)?);
    Ok(copies)
}

/// `NAME_pruned` beside the network `NAME`, with the list of what it lost.
fn fine_tuned(network: &Network, path: &Path) -> Result<Option<Copy>, Error> {
    let Some(stem) = path.file_stem() else { return Ok(None) };
    let beside =
        |extension| path.with_file_name(format!("{}_pruned.{extension}", stem.to_string_lossy()));
    let (weights, list) = (beside("safetensors"), beside("json"));
    if !weights.is_file() || !list.is_file() {
        return Ok(None);
    }
    let copy = io::read_network(&weights).map_err(failed)?;
    let removed = removed(&list)?;
    let pair = PairedNetworks::with_removed(network, &copy, &removed)
        .map_err(|error| failed(format!("{}: {error}", list.display())))?;
    let gone: usize = removed.iter().map(Vec::len).sum();
    let about = format!("{gone} hidden neurons removed, then trained further");
    Ok(Some(Copy { name: "pruned, fine-tuned", about, network: copy, pair }))
}

/// The lists under `removed`.
fn removed(path: &Path) -> Result<Vec<Vec<usize>>, Error> {
    let fail = |what: &dyn std::fmt::Display| failed(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| fail(&error))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| fail(&error))?;
    let lists = value["removed"].as_array().map(|lists| lists.iter().map(neurons).collect());
    lists.flatten().ok_or_else(|| fail(&"\"removed\" is not a list of lists of neurons"))
}

fn neurons(list: &serde_json::Value) -> Option<Vec<usize>> {
    let index = |neuron: &serde_json::Value| usize::try_from(neuron.as_u64()?).ok();
    list.as_array()?.iter().map(index).collect()
}
