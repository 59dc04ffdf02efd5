//! `measure smoothing`: certificates of copies, from scratch, by IRS as published, and ours.
//!
//! | key | what |
//! |---|---|
//! | `cells` | for each model, copy and σ: speed-ups over certifying from scratch at equal ACR, in evaluations of the copy and in seconds |
//! | `least_ratio` | the least of `ours_by_irs`: what IRS costs over what ours does, over the ACR that both reach |
//! | `samples_per_second` | noise and classification, f32, for each model and number of threads |
//! | `noise_share` | the share of noise in that time |
//! | `peak_share` | products of the classifier a second, by those of a plain f32 matrix product |
//! | `missing` | what the folder lacks |
//!
//! Every method is run on the same inputs: those where the original's samples show a majority. `all_inputs` has the same figures
//! over all of them, where ours spends nothing on the others. From scratch pays for the samples that choose the class, as
//! Cohen's algorithm does; the class of the others is cached. Labels of the images enter the ACR alone.

mod cell;
mod coverage;
mod curve;
mod memo;
mod subject;
mod throughput;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value as Json, json};

pub(crate) use self::cell::Cell;
pub(crate) use self::coverage::{Coverage, RUNS};
pub(crate) use self::curve::Point;
use self::subject::Subject;
pub(crate) use self::throughput::Throughput;
use super::Measurement;
use crate::verb::Error;

/// How much is measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Size {
    /// Images of a model, at most.
    pub(crate) inputs: Option<usize>,
    /// Cached samples of an image.
    pub(crate) samples: Option<u64>,
    /// Runs of a setting, for the coverage.
    pub(crate) runs: Option<u64>,
    /// The only model.
    pub(crate) model: Option<String>,
}

/// All that was measured.
pub(crate) struct Study {
    pub(crate) cells: Vec<Cell>,
    pub(crate) throughput: Vec<Throughput>,
    missing: Vec<String>,
}

pub(super) fn measure(data: &Path, size: &Size) -> Result<Measurement, Error> {
    let study = Study::run(data, size)?;
    let mut report = String::from("speed-ups over certifying from scratch, in evaluations:\n");
    for cell in &study.cells {
        let speedup = cell.kept();
        let _ = writeln!(
            report,
            "  {:<16} σ {:<5} {:<8} IRS {:.2}  ours {:.2}  (seconds {:.2}, {:.2})",
            cell.model,
            cell.sigma,
            cell.copy,
            speedup.irs,
            speedup.ours,
            speedup.irs_seconds,
            speedup.ours_seconds,
        );
    }
    for figure in &study.throughput {
        let _ = writeln!(report, "{figure}");
    }
    Ok(Measurement { report, figures: study.figures() })
}

/// `measure coverage`: how often statements of every method are false, on classifiers whose probabilities are known.
pub(super) fn coverage(size: &Size) -> Result<Measurement, Error> {
    let coverage = Coverage::run(size.runs.unwrap_or(RUNS))?;
    let report = format!("{}\n\n{}", coverage.text(), coverage.table());
    Ok(Measurement { report, figures: coverage.json() })
}

impl Study {
    /// Measures all models, or the one that is asked for.
    pub(crate) fn run(data: &Path, size: &Size) -> Result<Self, Error> {
        let mut study = Self { cells: Vec::new(), throughput: Vec::new(), missing: Vec::new() };
        if size.model.as_deref().is_none_or(|name| name == "small-cnn") {
            study.throughput.extend(throughput::small_cnn()?);
        }
        for subject in Subject::all(data, size, &mut study.missing)? {
            eprintln!("model {}", subject.name);
            study.throughput.extend(throughput::measure(&subject)?);
            study.cells.extend(cell::run(&subject)?);
        }
        Ok(study)
    }

    fn figures(&self) -> Json {
        let ratios = self.cells.iter().map(|cell| cell.kept().ours_by_irs);
        let rates = |what: fn(&Throughput) -> Json| {
            self.throughput.iter().map(|figure| (figure.key(), what(figure))).collect::<Json>()
        };
        json!({
            "cells": self.cells.iter().map(Cell::json).collect::<Vec<_>>(),
            "least_ratio": ratios.fold(f64::INFINITY, f64::min),
            "samples_per_second": rates(|figure| json!(figure.samples_per_second)),
            "noise_share": rates(|figure| json!(figure.noise_share)),
            "peak_share": rates(|figure| json!(figure.peak_share)),
            "missing": self.missing,
        })
    }
}
