//! `cargo xtask demo`: what nncert does, in about a minute.
//!
//! Compresses the digits network in several ways (or reads pairs of ACAS Xu networks), measures
//! how far the copies are from the original, and prints a table and what one of its rows means.
//! Writes `demo.svg` and `demo.json` (`acasxu.svg` and `acasxu.json`).

mod acasxu;
mod caption;
mod copies;
mod curve;
mod digits;
mod json;
mod progress;
mod reading;
mod rounding;
mod row;
mod study;
mod svg;
mod table;
#[cfg(test)]
mod testing;
mod way;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use progress::Progress;
use row::Row;
use study::Study;

use crate::project::{Took, root};
use crate::verb::{Error, Verb, failed};

pub(crate) const VERB: Verb = Verb {
    name: "demo",
    about: "compress the digits network and certify the copies: a table and a picture",
    options: &[
        ("--network FILE", "the network; fixtures/digits/digits_32.safetensors"),
        ("--images FILE", "labelled images; fixtures/digits/test_images.safetensors"),
        ("--image N", "the first of the ten images that are used; 0"),
        ("--radius R", "of the region around each image, from 0 to 1; 0.05"),
        ("--acasxu DIR", "instead of all that: ACAS Xu pairs in DIR/orig and DIR/fp16"),
        ("--out DIR", "where the picture and the JSON go; target/demo"),
        ("--json", "the JSON also as the last line of the output"),
    ],
    run,
};

struct Options {
    network: PathBuf,
    images: PathBuf,
    image: usize,
    radius: f64,
    acasxu: Option<PathBuf>,
    out: PathBuf,
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
        acasxu: None,
        out: root().join("target/demo"),
        json: false,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("network") => options.network = arguments.value()?.into(),
            Long("images") => options.images = arguments.value()?.into(),
            Long("image") => options.image = arguments.value()?.parse()?,
            Long("radius") => options.radius = arguments.value()?.parse()?,
            Long("acasxu") => options.acasxu = Some(arguments.value()?.into()),
            Long("out") => options.out = arguments.value()?.into(),
            Long("json") => options.json = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    let radius = options.radius;
    if !(radius > 0.0 && radius <= 1.0) {
        return Err(Error::Usage(format!("--radius {radius}: a number above 0 and up to 1")));
    }
    Ok(options)
}

fn run(arguments: lexopt::Parser) -> Result<(), Error> {
    let options = options(arguments)?;
    let start = Instant::now();
    let progress = Progress::new();
    progress.stage("reading networks");
    let study = match &options.acasxu {
        Some(folder) => acasxu::study(folder)?,
        None => digits::study(&options.network, &options.images, options.image, options.radius)?,
    };
    let rows = measure(&study, &progress)?;
    // Copies of one network are too different to be averaged: the picture is of the first.
    let pictured = if study.words.places.is_some() { 1 } else { rows.len() };
    let asked: Vec<_> = study.subjects.iter().zip(&rows).take(pictured).collect();
    progress.stage("curves");
    let percent = |share: f64| progress.detail(&format!("curves: {:.0} %", 100.0 * share));
    let curves = curve::curves(&asked, percent).map_err(failed)?;
    progress.done();

    let caption = caption::caption(&study, &rows[..pictured]);
    let json = json::json(&study, &rows, pictured, &curves).to_string();
    let picture = write(&options.out, study.name, "svg", &svg::svg(&caption, &curves))?;
    let numbers = write(&options.out, study.name, "json", &format!("{json}\n"))?;

    let table = table::table(&study, &rows);
    let reading = reading::reading(&study, &rows);
    let took = Took(start.elapsed());
    let mut page = format!(
        "{table}\n{reading}\nPicture: {}\nNumbers: {}\nTime: {took}\n",
        picture.display(),
        numbers.display()
    );
    if options.json {
        page += &json;
        page.push('\n');
    }
    print(&page)
}

fn measure(study: &Study, progress: &Progress) -> Result<Vec<Row>, Error> {
    let count = study.subjects.len();
    let mut rows = Vec::with_capacity(count);
    for (index, subject) in study.subjects.iter().enumerate() {
        let stage = format!("[{}/{count}] {}: {}", index + 1, subject.name, subject.about);
        progress.stage(&stage);
        let detail = |what: &str| progress.detail(&format!("{stage}: {what}"));
        let row = row::measure(subject, detail);
        rows.push(row.map_err(|error| failed(format!("{}: {error}", subject.name)))?);
    }
    Ok(rows)
}

/// Writes `folder/name.extension` and says where that is.
fn write(folder: &Path, name: &str, extension: &str, text: &str) -> Result<PathBuf, Error> {
    let path = folder.join(name).with_extension(extension);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| failed(format!("{}: {error}", path.display())))?;
    Ok(path)
}

/// A reader that closes the pipe early is no failure.
fn print(page: &str) -> Result<(), Error> {
    match io::stdout().write_all(page.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}
