//! Loads two networks, pairs them, encloses their difference around an input, and
//! feeds the affine functions to an analysis of our own: which inputs matter most?
//!
//! `cargo run --release -p nncert --example envelope -- F.safetensors COPY.safetensors RADIUS`

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use nncert::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [original, copy, radius] = &arguments[..] else {
        return Err("usage: envelope ORIGINAL COPY RADIUS".into());
    };
    let (f, g) = (io::read_network(original)?, io::read_network(copy)?);
    let pair = PairedNetworks::new(&f, &g)?;
    let region = Region::linf_ball(&vec![0.5; f.inputs()], radius.parse()?, &Domain::unit())?;

    let bounds = differential(&pair, &region)?;
    for (output, envelope) in bounds.outputs.iter().enumerate() {
        let (input, influence) = most_influential(envelope, &region);
        println!("output {output}: difference in {:.6}, ", envelope.bounds);
        println!("    most of it from input {input} (up to {influence:.6})");
    }
    Ok(())
}

/// The input over whose interval the upper form moves furthest.
fn most_influential(envelope: &Envelope, region: &Region) -> (usize, f64) {
    let moves = envelope.upper.coefficients.iter().enumerate();
    moves
        .map(|(input, slope)| (input, slope.abs() * region.interval(input).width()))
        .fold((0, 0.0), |most, next| if next.1 > most.1 { next } else { most })
}
