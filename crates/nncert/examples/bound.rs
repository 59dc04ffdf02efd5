//! Bounds the outputs of a network around an input and says how long that took, so
//! that it can be set beside another tool on the same file.
//!
//! ```text
//! cargo run --release -p nncert --example bound -- --network FILE --center FILE \
//!     --epsilon E --method {ibp,crown,alpha-crown} --threads N --repeat R --json
//! ```
//!
//! The network is a `.nnet`, `.safetensors` or `.onnx` file. The file of the centre is
//! text: one number an input, separated by blanks, commas or new lines. The region is
//! the L∞ ball around it, clipped only with `--domain unit`. Reading files is not part
//! of the seconds.
//!
//! `bound_peer.py` beside this file runs auto_LiRPA on the same arguments.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use lexopt::Arg::Long;
use lexopt::{Parser, ValueExt};
use nncert::bounds::{AlphaOptions, BoundsError, Scratch, alpha_crown, crown_in};
use nncert::prelude::*;
use serde_json::json;

const USAGE: &str = "\
usage: bound --network FILE --center FILE --epsilon E [options]

  --network FILE      .nnet, .safetensors or .onnx
  --center FILE       text: one number an input, separated by blanks, commas or new lines
  --epsilon E         the radius of the L-infinity ball around the centre
  --domain unit       clip the ball to [0, 1] (default: do not clip)
  --method METHOD     ibp, crown (default) or alpha-crown
  --iterations N      steps of alpha-crown for the outputs
  --intermediate N    steps of alpha-crown for the neurons between; 0 leaves them to crown
  --rate R            the first step of alpha-crown, a share of the range of a slope
  --decay D           what a step is multiplied by to give the next
  --threads N         how many threads (default 1); bounds do not depend on it
  --repeat R          how many times to run (default 1)
  --json              print one JSON object";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = match Arguments::parse(Parser::from_env()) {
        Err(ArgumentError::Help) => {
            println!("{USAGE}");
            return Ok(());
        }
        parsed => parsed?,
    };
    let result = Measurement::take(&arguments)?;
    match arguments.json {
        true => println!("{}", result.json(&arguments)),
        false => println!("{}", result.table(&arguments)),
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pass {
    Interval,
    Crown,
    AlphaCrown,
}

impl Pass {
    const ALL: [Self; 3] = [Self::Interval, Self::Crown, Self::AlphaCrown];

    fn name(self) -> &'static str {
        match self {
            Self::Interval => "ibp",
            Self::Crown => "crown",
            Self::AlphaCrown => "alpha-crown",
        }
    }
}

#[derive(Debug)]
struct Arguments {
    network: PathBuf,
    center: PathBuf,
    epsilon: f64,
    domain: Domain,
    pass: Pass,
    alpha: AlphaOptions,
    threads: usize,
    repeat: usize,
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum ArgumentError {
    #[error("{USAGE}")]
    Help,
    #[error("{0} is missing; see --help")]
    Missing(&'static str),
    #[error("{option} {found:?} is not {expected}; see --help")]
    Value { option: &'static str, found: String, expected: &'static str },
    #[error("{0}; see --help")]
    Syntax(#[from] lexopt::Error),
}

impl Arguments {
    fn parse(mut parser: Parser) -> Result<Self, ArgumentError> {
        let (mut network, mut center, mut epsilon) = (None, None, None);
        let (mut domain, mut pass) = (Domain::Everything, Pass::Crown);
        let mut alpha = AlphaOptions::default();
        let (mut threads, mut repeat, mut json) = (1, 1, false);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("network") => network = Some(parser.value()?.into()),
                Long("center") => center = Some(parser.value()?.into()),
                Long("epsilon") => {
                    let found = parser.value()?.string()?;
                    let radius = found.parse().ok().filter(|e: &f64| e.is_finite() && *e >= 0.0);
                    let expected = "a finite number that is not negative";
                    let option = "--epsilon";
                    epsilon =
                        Some(radius.ok_or(ArgumentError::Value { option, found, expected })?);
                }
                Long("domain") => match parser.value()?.string()? {
                    unit if unit == "unit" => domain = Domain::unit(),
                    found => {
                        let (option, expected) = ("--domain", "unit");
                        return Err(ArgumentError::Value { option, found, expected });
                    }
                },
                Long("method") => {
                    let found = parser.value()?.string()?;
                    let named = Pass::ALL.into_iter().find(|pass| pass.name() == found);
                    let (option, expected) = ("--method", "ibp, crown or alpha-crown");
                    pass = named.ok_or(ArgumentError::Value { option, found, expected })?;
                }
                Long("iterations") => alpha.iterations = count(&mut parser, "--iterations", 0)?,
                Long("intermediate") => {
                    alpha.intermediate = count(&mut parser, "--intermediate", 0)?;
                }
                Long("rate") => alpha.rate = share(&mut parser, "--rate")?,
                Long("decay") => alpha.decay = share(&mut parser, "--decay")?,
                Long("threads") => threads = count(&mut parser, "--threads", 1)?,
                Long("repeat") => repeat = count(&mut parser, "--repeat", 1)?,
                Long("json") => json = true,
                Long("help") => return Err(ArgumentError::Help),
                _ => return Err(argument.unexpected().into()),
            }
        }
        let network = network.ok_or(ArgumentError::Missing("--network"))?;
        let center = center.ok_or(ArgumentError::Missing("--center"))?;
        let epsilon = epsilon.ok_or(ArgumentError::Missing("--epsilon"))?;
        Ok(Self { network, center, epsilon, domain, pass, alpha, threads, repeat, json })
    }
}

/// A number in `[0, 1]`.
fn share(parser: &mut Parser, option: &'static str) -> Result<f64, ArgumentError> {
    let found = parser.value()?.string()?;
    let number = found.parse().ok().filter(|x| (0.0..=1.0).contains(x));
    number.ok_or(ArgumentError::Value { option, found, expected: "a number from 0 to 1" })
}

/// A whole number from `least` to 100,000.
fn count(parser: &mut Parser, option: &'static str, least: usize) -> Result<usize, ArgumentError> {
    let found = parser.value()?.string()?;
    let number = found.parse().ok().filter(|n| (least..=100_000).contains(n));
    let expected = if least == 0 { "0 to 100000" } else { "1 to 100000" };
    number.ok_or(ArgumentError::Value { option, found, expected })
}

#[derive(Debug, thiserror::Error)]
enum CenterError {
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error("number {position} of the centre: {found:?} is not a finite number")]
    Number { position: usize, found: String },
    #[error("the centre has {found} numbers, the network {expected} inputs")]
    Length { expected: usize, found: usize },
}

fn read_center(path: &Path, inputs: usize) -> Result<Vec<f64>, CenterError> {
    let text = std::fs::read_to_string(path)
        .map_err(|cause| CenterError::File { path: path.to_owned(), cause })?;
    parse_center(&text, inputs)
}

fn parse_center(text: &str, inputs: usize) -> Result<Vec<f64>, CenterError> {
    let fields = text.split(|c: char| c.is_whitespace() || c == ',').filter(|f| !f.is_empty());
    let number = |(position, field): (usize, &str)| {
        let value = field.parse().ok().filter(|x: &f64| x.is_finite());
        value.ok_or_else(|| CenterError::Number { position: position + 1, found: field.to_owned() })
    };
    let center = fields.enumerate().map(number).collect::<Result<Vec<f64>, _>>()?;
    match center.len() {
        found if found == inputs => Ok(center),
        found => Err(CenterError::Length { expected: inputs, found }),
    }
}

struct Measurement {
    inputs: usize,
    outputs: Vec<Interval>,
    seconds: Vec<f64>,
}

impl Measurement {
    fn take(arguments: &Arguments) -> Result<Self, Box<dyn std::error::Error>> {
        let network = io::read_network(&arguments.network)?;
        let center = read_center(&arguments.center, network.inputs())?;
        let region = Region::linf_ball(&center, arguments.epsilon, &arguments.domain)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
        let mut scratch = Scratch::default();
        let (mut outputs, mut seconds) = (Vec::new(), Vec::new());
        for _ in 0..arguments.repeat {
            let start = Instant::now();
            outputs = pool.install(|| bound(&network, &region, arguments, &mut scratch))?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(Self { inputs: network.inputs(), outputs, seconds })
    }

    fn mean_width(&self) -> f64 {
        let widths: f64 = self.outputs.iter().map(|output| output.width()).sum();
        widths / self.outputs.len() as f64
    }

    fn best_seconds(&self) -> f64 {
        self.seconds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn json(&self, arguments: &Arguments) -> serde_json::Value {
        json!({
            "method": arguments.pass.name(),
            "inputs": self.inputs,
            "outputs": self.outputs.len(),
            "epsilon": arguments.epsilon,
            "threads": arguments.threads,
            "repeat": arguments.repeat,
            "lower": self.outputs.iter().map(|output| output.lower).collect::<Vec<_>>(),
            "upper": self.outputs.iter().map(|output| output.upper).collect::<Vec<_>>(),
            "mean_width": self.mean_width(),
            "seconds": self.seconds,
            "best_seconds": self.best_seconds(),
        })
    }

    fn table(&self, arguments: &Arguments) -> String {
        let mut lines =
            vec![format!("{:>6}  {:>24}  {:>24}  {:>12}", "output", "lower", "upper", "width")];
        lines.extend(self.outputs.iter().enumerate().map(|(output, bounds)| {
            let Interval { lower, upper } = bounds;
            format!("{output:>6}  {lower:>24}  {upper:>24}  {:>12.6}", bounds.width())
        }));
        lines.push(format!(
            "{} on {} inputs, epsilon {}: mean width {:.6}, {:.6} s (best of {}, threads: {})",
            arguments.pass.name(),
            self.inputs,
            arguments.epsilon,
            self.mean_width(),
            self.best_seconds(),
            arguments.repeat,
            arguments.threads,
        ));
        lines.join("\n")
    }
}

fn bound(
    network: &Network,
    region: &Region,
    arguments: &Arguments,
    scratch: &mut Scratch,
) -> Result<Vec<Interval>, BoundsError> {
    let bounds = match arguments.pass {
        Pass::Interval => return interval(network, region),
        Pass::Crown => crown_in(scratch, network, region)?,
        Pass::AlphaCrown => alpha_crown(network, region, &arguments.alpha)?,
    };
    Ok(bounds.outputs.iter().map(|output| output.bounds).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> String {
        format!("{}/../../fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn parse(words: &str) -> Result<Arguments, ArgumentError> {
        Arguments::parse(Parser::from_args(words.split_whitespace()))
    }

    /// A file of 64 numbers that is gone afterwards.
    struct Center(PathBuf);

    impl Center {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{name}-{}.txt", std::process::id()));
            std::fs::write(&path, "0.5, 0.25\n".repeat(32)).unwrap();
            Self(path)
        }
    }

    impl Drop for Center {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn tighter_methods_are_within() {
        let center = Center::new("nncert-bound-methods");
        let mut known = vec![Interval::EVERYTHING; 10];
        for method in ["ibp", "crown", "alpha-crown"] {
            let mut arguments = parse(&format!(
                "--network x --center x --epsilon 0.02 --method {method} --repeat 2 --threads 2"
            ))
            .unwrap();
            arguments.network = fixture("digits/digits_32.safetensors").into();
            arguments.center.clone_from(&center.0);
            let result = Measurement::take(&arguments).unwrap();
            assert!(result.outputs.iter().zip(&known).all(|(new, old)| new.is_within(*old)));
            let json = result.json(&arguments);
            assert_eq!((&json["inputs"], &json["outputs"]), (&json!(64), &json!(10)));
            assert_eq!(json["seconds"].as_array().unwrap().len(), 2);
            assert_eq!(result.table(&arguments).lines().count(), 12);
            known = result.outputs;
        }
    }

    #[test]
    fn threads_do_not_change_bounds() {
        let center = Center::new("nncert-bound-threads");
        let outputs = [1, 2, 3].map(|threads| {
            let mut arguments = parse("--network x --center x --epsilon 0.1").unwrap();
            arguments.network = fixture("digits/digits_100.nnet").into();
            arguments.center.clone_from(&center.0);
            arguments.threads = threads;
            Measurement::take(&arguments).unwrap().outputs
        });
        assert!(outputs[0] == outputs[1] && outputs[0] == outputs[2]);
    }

    #[test]
    fn onnx_needs_no_flag() {
        let network = io::read_network(fixture("onnx/gemm.onnx")).unwrap();
        assert!(network.inputs() > 0);
    }

    #[test]
    fn wrong_arguments() {
        let good = "--network a --center b --epsilon 0.1";
        assert!(parse(good).is_ok());
        assert!(matches!(
            parse("--network a --center b"),
            Err(ArgumentError::Missing("--epsilon"))
        ));
        assert!(matches!(parse("--help"), Err(ArgumentError::Help)));
        assert!(matches!(parse("--what"), Err(ArgumentError::Syntax(_))));
        for wrong in
            ["--epsilon nan", "--epsilon -1", "--method zonotope", "--threads 0", "--repeat x"]
        {
            let words = format!("{good} {wrong}");
            assert!(matches!(parse(&words), Err(ArgumentError::Value { .. })), "{wrong}");
        }
    }

    #[test]
    fn centers() {
        assert_eq!(parse_center("1,2 3e-1\n\n4,\n", 4).unwrap(), [1.0, 2.0, 0.3, 4.0]);
        let short = parse_center("1 2", 3);
        assert!(matches!(short, Err(CenterError::Length { expected: 3, found: 2 })));
        let worded = parse_center("1, two, 3", 3);
        assert!(matches!(worded, Err(CenterError::Number { position: 2, .. })));
        assert!(matches!(parse_center("inf", 1), Err(CenterError::Number { position: 1, .. })));
    }
}
