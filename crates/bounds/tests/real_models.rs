//! Every float network of the published data can be bounded, where `NNCERT_DATA` says
//! where they are.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nalgebra::DMatrix;
use nncert_bounds::{crown, crown_ibp, crown_limited, differential_limited, interval};
use nncert_core::compress::{Granularity, int8};
use nncert_core::io::{read_dataset, read_network};
use nncert_core::{Domain, Evaluator, Interval, Network, Region};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The folder of the data, or a line that says why nothing is tested.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("NNCERT_DATA").map(PathBuf::from);
    if folder.is_none() {
        say("skipped: NNCERT_DATA does not name a folder with the published networks");
    }
    folder
}

/// Past the capture of a passing test's output.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The float networks: what is in integers, or is no network, is read elsewhere.
fn networks(data: &Path) -> Vec<(String, Network)> {
    let mut found = Vec::new();
    for folder in ["mnist", "cifar", "quadapter"] {
        let entries = std::fs::read_dir(data.join(folder)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap().to_str().unwrap();
            let network = [".onnx", ".safetensors", ".nnet"].iter().any(|end| name.ends_with(end));
            if network && !name.contains("int8") && name != "images.safetensors" {
                let network = read_network(&path).unwrap_or_else(|error| panic!("{error}"));
                found.push((format!("{folder}/{name}"), network));
            }
        }
    }
    assert!(found.len() > 15, "{} networks", found.len());
    found
}

/// An image as large as the network's input: of CIFAR-10, or stripes of grey.
fn image(data: &Path, inputs: usize) -> Vec<f64> {
    let images = read_dataset(data.join("cifar/images.safetensors")).unwrap();
    let first = images.iter().next().unwrap().0;
    first.iter().copied().cycle().take(inputs).collect()
}

#[test]
fn residual_networks_are_bounded_backward_from_the_outputs() {
    let Some(data) = data() else { return };
    let network = read_network(data.join("cifar/resnet20_clean.onnx")).unwrap();
    let image = image(&data, network.inputs());
    let region = Region::linf_ball(&image, 1.0 / 2550.0, &Domain::unit()).unwrap();
    let start = Instant::now();
    let bounds = crown_ibp(&network, &region).unwrap();
    say(&format!(
        "resnet20_clean, crown_ibp on all pixels: {:.2} s",
        start.elapsed().as_secs_f64()
    ));
    let outputs: Vec<Interval> = bounds.outputs.iter().map(|output| output.bounds).collect();
    for (quick, ibp) in outputs.iter().zip(interval(&network, &region).unwrap()) {
        assert!(quick.is_within(ibp));
    }
    assert_inside("resnet20_clean", &network, &region, &outputs);
}

/// The values of points of a region, all of which lie in `bounds`.
fn assert_inside(name: &str, network: &Network, region: &Region, bounds: &[Interval]) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let points: Vec<Vec<f64>> = (0..20).map(|_| region.sample(&mut rng)).collect();
    let points = DMatrix::from_fn(region.dimension(), 20, |row, column| points[column][row]);
    let mut evaluator = Evaluator::<f64>::new(network).unwrap();
    let values = evaluator.evaluate(&points).unwrap();
    assert_eq!(values.nrows(), bounds.len());
    for column in values.column_iter() {
        for (value, bounds) in column.iter().zip(bounds) {
            // Points from the middle of a region: what they round to is far from its ends.
            assert!(bounds.lower <= *value && *value <= bounds.upper, "{name}: {value} {bounds:?}");
        }
    }
}

#[test]
fn every_float_network_is_bounded_by_intervals() {
    let Some(data) = data() else { return };
    for (name, network) in networks(&data) {
        let image = image(&data, network.inputs());
        for radius in [1.0 / 255.0, 0.1] {
            let region = Region::linf_ball(&image, radius, &Domain::unit()).unwrap();
            let start = Instant::now();
            let bounds = interval(&network, &region).unwrap();
            say(&format!("{name}, radius {radius:.3}: interval {:.1?}", start.elapsed()));
            assert_inside(&name, &network, &region, &bounds);
        }
    }
}

#[test]
fn small_networks_are_bounded_by_crown() {
    let Some(data) = data() else { return };
    let small = |name: &str| !["resnet", "5x2048", "1024"].iter().any(|part| name.contains(part));
    for (name, network) in networks(&data).into_iter().filter(|(name, _)| small(name)) {
        let image = image(&data, network.inputs());
        let region = Region::linf_ball(&image, 1.0 / 255.0, &Domain::unit()).unwrap();
        let start = Instant::now();
        let bounds = crown(&network, &region).unwrap();
        say(&format!("{name}: crown {:.1?}", start.elapsed()));
        let tighter: Vec<Interval> = bounds.outputs.iter().map(|output| output.bounds).collect();
        assert_inside(&name, &network, &region, &tighter);
    }
}

/// Few free values of a convolutional network: rows for some neurons of the first layers.
#[test]
fn residual_networks_are_bounded_by_some_rows() {
    let Some(data) = data() else { return };
    let network = read_network(data.join("cifar/resnet20_clean.onnx")).unwrap();
    let image = image(&data, network.inputs());
    let region = Region::ball_on(&image, 1.0 / 255.0, &[500, 1524, 2548], &Domain::unit()).unwrap();
    let ibp = interval(&network, &region).unwrap();
    let mut widths: Vec<f64> = Vec::new();
    for rows in [0, 100, 250] {
        let start = Instant::now();
        let bounds = crown_limited(&network, &region, rows).unwrap();
        let took = start.elapsed();
        let bounds: Vec<Interval> = bounds.outputs.iter().map(|output| output.bounds).collect();
        assert!(bounds.iter().zip(&ibp).all(|(tighter, ibp)| tighter.is_within(*ibp)));
        assert_inside("resnet20_clean", &network, &region, &bounds);
        widths.push(bounds.iter().map(|bounds| bounds.width()).sum());
        say(&format!("resnet20_clean, 3 values free, {rows} rows: {took:.1?}"));
    }
    assert!(widths[0] > widths[1] && widths[1] > widths[2], "{widths:?}");
}

/// A residual network and its 8-bit copy, with intervals between.
#[test]
fn residual_pairs_are_bounded() {
    let Some(data) = data() else { return };
    let network = read_network(data.join("cifar/resnet20_clean.onnx")).unwrap();
    let pair = int8(&network, Granularity::PerChannel).unwrap().pair(&network).unwrap();
    let image = image(&data, network.inputs());
    let region = Region::linf_ball(&image, 1.0 / 2550.0, &Domain::unit()).unwrap();
    let apart = [pair.original(), pair.compressed()].map(|f| interval(f, &region).unwrap());
    let start = Instant::now();
    let bounds = differential_limited(&pair, &region, 0).unwrap();
    say(&format!("resnet20_clean by int8 on all pixels: {:.1?}", start.elapsed()));
    for (output, envelope) in bounds.outputs.iter().enumerate() {
        let [f, g] = [apart[0][output], apart[1][output]];
        let between = Interval::new((f.lower - g.upper).next_down(), (f.upper - g.lower).next_up());
        assert!(envelope.bounds.is_within(between));
    }
    assert_inside("resnet20_clean", pair.original(), &region, &bounds.original);
    assert_inside("its copy", pair.compressed(), &region, &bounds.compressed);
}
