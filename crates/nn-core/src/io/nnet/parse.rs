//! Text to [`Nnet`].

use core::slice::Split;

use nalgebra::{DMatrix, DVector};

use super::{Nnet, NnetError, NnetField, Normalization, UnusedInput};
use crate::{Affine, MAX_LAYERS, MAX_MAGNITUDE, MAX_WIDTH, Network};

/// The most comments that a file may have.
pub const MAX_COMMENTS: usize = 10_000;

/// Affine layers with a ReLU between any two, within [`MAX_LAYERS`].
const MAX_AFFINE: usize = MAX_LAYERS.div_ceil(2);

/// Reads a `.nnet` text.
///
/// Guarantee: exact, up to the reading of a decimal number as the nearest `f64`.
///
/// # Errors
///
/// [`NnetError`] names the line (counted from 1), the field, and what is wrong
/// with it: a number that is missing, cannot be read, is not finite or (for
/// weights) is above [`MAX_MAGNITUDE`]; sizes that are zero, too large
/// or disagree; a maximum below its minimum; a range that is not positive; data
/// after the end.
///
/// # Examples
///
/// ```
/// use nncert_core::io::nnet;
///
/// let text = "// scales by two\n1,1,1,1,\n1,1,\n0,\n0.0,\n1.0,\n0.0,0.0,\n1.0,1.0,\n2.0,\n0.0,\n";
/// let file = nnet::parse(text)?;
/// assert_eq!(file.comments, [" scales by two"]);
/// assert_eq!(file.network.evaluate(&[0.25])?.as_slice(), [0.5]);
///
/// let error = nnet::parse(text.replace("2.0", "two")).unwrap_err();
/// assert_eq!(error.to_string(), r#"line 9, weight row 0 of layer 0: "two" is not a number"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse(text: impl AsRef<[u8]>) -> Result<Nnet, NnetError> {
    let mut lines = Lines::new(text.as_ref());
    let (sizes, max_layer_size) = sizes(&mut lines)?;
    let line = lines.expect(NnetField::Flag)?;
    let flag = line.integer()?;
    let (normalization, unused_inputs) = normalization(&mut lines, sizes[0])?;
    let affine = sizes
        .windows(2)
        .enumerate()
        .map(|(layer, size)| affine(&mut lines, layer, size[0], size[1]))
        .collect::<Result<_, _>>()?;
    if let Some((line, _)) = lines.next_data()? {
        return Err(NnetError::Trailing { line });
    }
    let network = Network::relu_mlp(affine)?;
    let comments = lines.comments;
    Ok(Nnet { network, normalization, unused_inputs, comments, max_layer_size, flag })
}

/// The sizes of the layers (at least two), and the size that the header calls the largest.
fn sizes(lines: &mut Lines<'_>) -> Result<(Vec<usize>, usize), NnetError> {
    let header = lines.expect(NnetField::Header)?;
    header.expect_count(4)?;
    let limits = [MAX_AFFINE, MAX_WIDTH, MAX_WIDTH, MAX_WIDTH];
    let numbers = header.numbers().zip(limits).map(|(text, limit)| header.size(text, limit));
    let header = numbers.collect::<Result<Vec<_>, _>>()?;

    let line = lines.expect(NnetField::LayerSizes)?;
    line.expect_count(header[0] + 1)?;
    let sizes =
        line.numbers().map(|text| line.size(text, MAX_WIDTH)).collect::<Result<Vec<_>, _>>()?;
    for (end, expected, found) in
        [("inputs", header[1], sizes[0]), ("outputs", header[2], sizes[header[0]])]
    {
        if expected != found {
            return Err(NnetError::Disagreement { line: line.line, end, expected, found });
        }
    }
    Ok((sizes, header[3]))
}

/// The normalisation of the network's inputs, and the inputs beyond them.
fn normalization(
    lines: &mut Lines<'_>,
    inputs: usize,
) -> Result<(Normalization, Vec<UnusedInput>), NnetError> {
    let line = lines.expect(NnetField::Minimums)?;
    // At least the network's inputs: the other lines follow this one.
    let count = line.count().max(inputs);
    let mut mins = Vec::new();
    line.values_into(count, f64::MAX, &mut mins)?;
    let mut next = |field, count| -> Result<(usize, Vec<f64>), NnetError> {
        let line = lines.expect(field)?;
        let mut values = Vec::new();
        line.values_into(count, f64::MAX, &mut values)?;
        Ok((line.line, values))
    };
    let (line, mut maxes) = next(NnetField::Maximums, count)?;
    for (index, (&minimum, &maximum)) in mins.iter().zip(&maxes).enumerate() {
        if minimum > maximum {
            return Err(NnetError::Empty { line, index, minimum, maximum });
        }
    }
    let (_, mut means) = next(NnetField::Means, count + 1)?;
    let (line, mut ranges) = next(NnetField::Ranges, count + 1)?;
    if let Some(index) = ranges.iter().position(|range| *range <= 0.0) {
        return Err(NnetError::Range { line, index, value: ranges[index] });
    }
    let (output_mean, output_range) = (means.remove(count), ranges.remove(count));
    let beyond = |values: &mut Vec<f64>| values.split_off(inputs).into_iter();
    let unused = beyond(&mut mins)
        .zip(beyond(&mut maxes))
        .zip(beyond(&mut means).zip(beyond(&mut ranges)))
        .map(|((min, max), (mean, range))| UnusedInput { min, max, mean, range })
        .collect();
    Ok((Normalization { mins, maxes, means, ranges, output_mean, output_range }, unused))
}

/// The values grow line by line: the declared sizes allocate nothing.
fn affine(
    lines: &mut Lines<'_>,
    layer: usize,
    inputs: usize,
    outputs: usize,
) -> Result<Affine, NnetError> {
    let mut weight = Vec::new();
    for row in 0..outputs {
        let line = lines.expect(NnetField::Weights { layer, row })?;
        line.values_into(inputs, MAX_MAGNITUDE, &mut weight)?;
    }
    let mut bias = Vec::new();
    for row in 0..outputs {
        let line = lines.expect(NnetField::Bias { layer, row })?;
        line.values_into(1, MAX_MAGNITUDE, &mut bias)?;
    }
    let weight = DMatrix::from_row_slice(outputs, inputs, &weight);
    Ok(Affine::new(weight, DVector::from_vec(bias)))
}

/// The lines of a text, with comments set aside.
struct Lines<'a> {
    rest: Split<'a, u8, fn(&u8) -> bool>,
    /// The lines that were taken.
    taken: usize,
    comments: Vec<String>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { rest: text.split(|byte| *byte == b'\n'), taken: 0, comments: Vec::new() }
    }

    /// The next line with data, trimmed, and its number.
    fn next_data(&mut self) -> Result<Option<(usize, &'a str)>, NnetError> {
        for bytes in self.rest.by_ref() {
            self.taken += 1;
            let line = self.taken;
            let text = str::from_utf8(bytes).map_err(|_| NnetError::Utf8 { line })?;
            let data = text.trim();
            if let Some(comment) = text.trim_start().strip_prefix("//") {
                if self.comments.len() == MAX_COMMENTS {
                    return Err(NnetError::TooManyComments { line });
                }
                self.comments.push(comment.trim_end_matches('\r').to_owned());
            } else if !data.is_empty() {
                return Ok(Some((line, data)));
            }
        }
        Ok(None)
    }

    /// The next line with data, which is to be `field`.
    fn expect(&mut self, field: NnetField) -> Result<Line<'a>, NnetError> {
        match self.next_data()? {
            Some((line, text)) => {
                Ok(Line { line, field, text: text.strip_suffix(',').unwrap_or(text) })
            }
            None => Err(NnetError::End { line: self.taken, field }),
        }
    }
}

/// A line of numbers, without the trailing comma.
struct Line<'a> {
    line: usize,
    field: NnetField,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn numbers(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text.split(',').map(str::trim)
    }

    fn count(&self) -> usize {
        self.numbers().count()
    }

    fn expect_count(&self, expected: usize) -> Result<(), NnetError> {
        let (line, field, found) = (self.line, self.field, self.count());
        if expected == found {
            Ok(())
        } else {
            Err(NnetError::Count { line, field, expected, found })
        }
    }

    fn size(&self, text: &str, limit: usize) -> Result<usize, NnetError> {
        let (line, field) = (self.line, self.field);
        match text.parse() {
            Ok(size) if (1..=limit).contains(&size) => Ok(size),
            _ => Err(NnetError::Size { line, field, text: shortened(text), limit }),
        }
    }

    fn integer(&self) -> Result<i64, NnetError> {
        self.expect_count(1)?;
        let text = self.text.trim();
        text.parse().map_err(|_| NnetError::NotAnInteger { line: self.line, text: shortened(text) })
    }

    /// Appends the numbers, exactly `expected` of them.
    fn values_into(
        &self,
        expected: usize,
        limit: f64,
        values: &mut Vec<f64>,
    ) -> Result<(), NnetError> {
        self.expect_count(expected)?;
        let (line, field) = (self.line, self.field);
        for (index, text) in self.numbers().enumerate() {
            let value: f64 = text.parse().map_err(|_| NnetError::NotANumber {
                line,
                field,
                text: shortened(text),
            })?;
            if value.is_nan() || value.abs() > limit {
                return Err(NnetError::Magnitude { line, field, index, value, limit });
            }
            values.push(value);
        }
        Ok(())
    }
}

/// Enough of a text to recognise it.
fn shortened(text: &str) -> String {
    const KEPT: usize = 40;
    match text.char_indices().nth(KEPT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
