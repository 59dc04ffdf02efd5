//! Trees of dual bounds: proofs that a property holds on a region.

use core::fmt::Write;

use nncert_bounds::fixed_point::{Lemma, Multipliers, Proof, Side};

/// What proves that no input of a region fails a property.
///
/// One tree for each violation. A node either cuts the range of an accumulator in two, or is
/// closed: by multipliers that prove that the rows of the violation cannot all be met, or because a
/// range has become empty. Ranges start from interval analysis, narrowed by the lemmas in order.
///
/// [`check`](crate::check) checks it with integers alone.
///
/// Guarantee: none by itself; [`check`](crate::check) gives one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Certificate {
    /// Ends of ranges on all of the region.
    pub lemmas: Vec<Lemma>,
    /// For each violation of the property.
    pub trees: Vec<Tree>,
}

/// The nodes of a tree, each before its children, the half below before the half above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// A node of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Node {
    /// Two halves follow: with an accumulator of at most `at`, and of more.
    Split {
        /// The layer, counted from 0.
        layer: usize,
        /// The neuron.
        neuron: usize,
        /// The last accumulator of the half below.
        at: i64,
    },
    /// An end of a range, and then the node for which it holds.
    Lemma(Lemma),
    /// The weighted sum of the rows cannot reach the weighted sum of their bounds.
    Leaf {
        /// A weight of at least 0 for each row.
        weights: Vec<i64>,
        /// The unit of the multipliers is `2^-scale`.
        scale: u32,
        /// The multipliers.
        multipliers: Multipliers,
    },
    /// Interval analysis leaves no accumulator for some neuron.
    Empty,
}

impl Certificate {
    /// The leaves of all trees.
    #[must_use]
    pub fn leaves(&self) -> usize {
        self.trees.iter().map(Tree::leaves).sum()
    }

    /// The certificate as text: one node a line.
    ///
    /// ```text
    /// nncert-certificate 1
    /// lemma LAYER NEURON upper|lower MAXIMUM SCALE multipliers
    /// tree
    /// split LAYER NEURON AT
    /// leaf WEIGHTS SCALE multipliers
    /// empty
    /// end
    /// ```
    ///
    /// Multipliers are lists separated by commas, one for each layer, an empty one as `-`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        let lines = self.lemmas.iter().map(lemma_line);
        lines.for_each(|line| text.push_str(&line));
        for tree in &self.trees {
            text.push_str("tree\n");
            for node in &tree.nodes {
                match node {
                    Node::Split { layer, neuron, at } => {
                        // Writing to a string does not fail.
                        let _ = writeln!(text, "split {layer} {neuron} {at}");
                    }
                    Node::Lemma(lemma) => text.push_str(&lemma_line(lemma)),
                    Node::Leaf { weights, scale, multipliers } => {
                        let _ = write!(text, "leaf {} {scale}", list(weights));
                        multipliers_text(&mut text, multipliers);
                    }
                    Node::Empty => text.push_str("empty\n"),
                }
            }
        }
        text.push_str("end\n");
        text
    }

    /// Reads what [`Certificate::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] with the first line that is wrong.
    pub fn from_text(text: &str) -> Result<Self, CertificateError> {
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, line)| line) != Some(HEADER) {
            return Err(CertificateError { line: 1 });
        }
        let mut certificate = Self::default();
        for (index, line) in lines {
            let error = CertificateError { line: index + 1 };
            let words: Vec<&str> = line.split(' ').collect();
            let node = match words[..] {
                ["end"] => return Ok(certificate),
                ["tree"] => {
                    certificate.trees.push(Tree::default());
                    continue;
                }
                ["empty"] => Node::Empty,
                ["split", layer, neuron, at] => Node::Split {
                    layer: parse(layer, error)?,
                    neuron: parse(neuron, error)?,
                    at: parse(at, error)?,
                },
                ["leaf", weights, scale, ref rest @ ..] => Node::Leaf {
                    weights: numbers(weights, error)?,
                    scale: parse(scale, error)?,
                    multipliers: read_multipliers(rest, error)?,
                },
                ["lemma", layer, neuron, side, maximum, scale, ref rest @ ..] => {
                    let side = match side {
                        "upper" => Side::Upper,
                        "lower" => Side::Lower,
                        _ => return Err(error),
                    };
                    let proof = Proof {
                        maximum: parse(maximum, error)?,
                        scale: parse(scale, error)?,
                        multipliers: read_multipliers(rest, error)?,
                    };
                    let (layer, neuron) = (parse(layer, error)?, parse(neuron, error)?);
                    Node::Lemma(Lemma { layer, neuron, side, proof })
                }
                _ => return Err(error),
            };
            match (certificate.trees.last_mut(), node) {
                (Some(tree), node) => tree.nodes.push(node),
                (None, Node::Lemma(lemma)) => certificate.lemmas.push(lemma),
                (None, _) => return Err(error),
            }
        }
        Err(CertificateError { line: text.lines().count() + 1 })
    }
}

impl Tree {
    /// The closed nodes.
    #[must_use]
    pub fn leaves(&self) -> usize {
        let closed = |node: &&Node| matches!(node, Node::Leaf { .. } | Node::Empty);
        self.nodes.iter().filter(closed).count()
    }
}

const HEADER: &str = "nncert-certificate 1";

fn lemma_line(lemma: &Lemma) -> String {
    let Lemma { layer, neuron, side, proof } = lemma;
    let side = if *side == Side::Upper { "upper" } else { "lower" };
    let mut line = format!("lemma {layer} {neuron} {side} {} {}", proof.maximum, proof.scale);
    multipliers_text(&mut line, &proof.multipliers);
    line
}

fn multipliers_text(text: &mut String, multipliers: &Multipliers) {
    for layer in &multipliers.layers {
        text.push(' ');
        text.push_str(&list(layer));
    }
    text.push('\n');
}

fn list(numbers: &[i64]) -> String {
    if numbers.is_empty() {
        return "-".to_owned();
    }
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    words.join(",")
}

fn parse<T: core::str::FromStr>(
    word: &str,
    error: CertificateError,
) -> Result<T, CertificateError> {
    word.parse().map_err(|_| error)
}

fn numbers(word: &str, error: CertificateError) -> Result<Vec<i64>, CertificateError> {
    if word == "-" {
        return Ok(Vec::new());
    }
    word.split(',').map(|word| parse(word, error)).collect()
}

fn read_multipliers(
    words: &[&str],
    error: CertificateError,
) -> Result<Multipliers, CertificateError> {
    let layers: Result<_, _> = words.iter().map(|word| numbers(word, error)).collect();
    Ok(Multipliers { layers: layers? })
}

/// A text that is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not one of a certificate")]
pub struct CertificateError {
    /// The line, counted from 1.
    pub line: usize,
}
