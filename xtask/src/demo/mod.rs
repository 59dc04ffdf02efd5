//! `cargo xtask demo`: what nncert does, in about a minute.

mod acasxu;
mod copies;
mod curve;
mod digits;
mod progress;
mod rounding;
mod row;
mod study;
mod table;
mod way;

use std::path::PathBuf;

use progress::Progress;

use crate::project::root;
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "demo",
    about: "compress the digits network and certify the copies: a table and a picture",
    options: &[],
    run,
};

struct Options {
    network: PathBuf,
    images: PathBuf,
    image: usize,
    radius: f64,
    out: PathBuf,
    acasxu: Option<PathBuf>,
    json: bool,
}

fn options(mut arguments: lexopt::Parser) -> Result<Options, Error> {
    use lexopt::prelude::*;
    let digits = root().join("fixtures/digits");
    let mut options = Options {
        network: digits.join("digits_32.safetensors"),
        images: digits.join("test_images.safetensors"),
        image: 0,
        radius: 0.05,
        out: root().join("target/demo"),
        acasxu: None,
        json: false,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("network") => options.network = arguments.value()?.into(),
            Long("images") => options.images = arguments.value()?.into(),
            Long("image") => options.image = arguments.value()?.parse()?,
            Long("radius") => options.radius = arguments.value()?.parse()?,
            Long("out") => options.out = arguments.value()?.into(),
            Long("acasxu") => options.acasxu = Some(arguments.value()?.into()),
            Long("json") => options.json = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(options)
}

fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let options = options(arguments)?;
    let progress = Progress::new();
    progress.stage("reading networks");
    let study = match &options.acasxu {
        Some(folder) => acasxu::study(folder)?,
        None => digits::study(&options.network, &options.images, options.image, options.radius)?,
    };
    let count = study.subjects.len();
    let mut rows = Vec::new();
    for (index, subject) in study.subjects.iter().enumerate() {
        let stage = format!("[{}/{count}] {}", index + 1, subject.name);
        progress.stage(&stage);
        let detail = |what: &str| progress.detail(&format!("{stage}: {what}"));
        rows.push(row::measure(subject, detail).map_err(failed)?);
    }
    progress.stage("curves");
    let asked: Vec<_> = study.subjects.iter().zip(&rows).map(|(s, r)| (s, r.epsilon())).collect();
    let asked = if options.acasxu.is_some() { &asked[..] } else { &asked[..1] };
    let curves =
        curve::curves(asked, |share| progress.detail(&format!("curves {:.0} %", share * 100.0)))
            .map_err(failed)?;
    progress.done();
    print!("{}", table::table(&study, &rows));
    for (way, radii) in way::CURVES.iter().zip(&curves.radii) {
        println!("{} {:?}", way.name, radii.iter().step_by(12).collect::<Vec<_>>());
    }
    Ok(())
}
