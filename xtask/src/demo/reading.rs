//! One row in plain language.

use super::rounding::{down, percent_down, places, three_digits_up};
use super::row::{GAMMA, Row};
use super::study::{Study, Subject};
use super::table::{chosen, gain, mean_over, percent_of_gamma};
use super::way::{BEST, SIMCERT, WORST_CASE};

const WIDTH: usize = 98;

/// What the first row says, and for several networks what the last does.
pub(super) fn reading(study: &Study, rows: &[Row]) -> String {
    let (subject, row) = (&study.subjects[0], &rows[0]);
    let words = &study.words;
    let mut paragraphs = vec![row_in_words(study, subject, row)];
    match &words.places {
        Some(_) => paragraphs.push(first_place(study, subject, row)),
        None => paragraphs.push(together(study, rows)),
    }
    paragraphs.iter().map(|paragraph| wrap(paragraph) + "\n").collect::<Vec<_>>().join("\n")
}

fn row_in_words(study: &Study, subject: &Subject, row: &Row) -> String {
    let words = &study.words;
    let (input, scores_are) = (words.input, &words.scores_are);
    let (best, worst) = (row.of(&BEST).mean(), row.of(&WORST_CASE).mean());
    let of = words.places.as_ref().map_or(String::new(), |places| format!(" (mean of {places})"));
    let certain = format!(
        "Read the row {} like this. Wherever the input lies on {}, {scores_are} at most {} away from \
         the original's: that is proven. Suppose that you need {}. It is certain as long as no {input} \
         moves by more than {}{of}.",
        subject.name,
        words.region,
        three_digits_up(row.worst),
        chosen(row.epsilon()),
        short(worst),
    );
    let gamma = percent_of_gamma();
    let likely = if best >= 1.01 * worst {
        format!(
            "If instead every {input} moves uniformly at random by up to {}, it holds with probability at least {gamma}: \
             {} farther, for one chance in {}.",
            short(best),
            gain(best, worst),
            (1.0 / (1.0 - GAMMA)).round(),
        )
    } else {
        format!("If every {input} moves at random, {gamma} is proven no farther than that.")
    };
    let simcert = short(row.of(&SIMCERT).mean());
    format!("{certain} {likely} SimCert's own method gets to {simcert}.")
}

/// The certificate of the first image.
fn first_place(study: &Study, subject: &Subject, row: &Row) -> String {
    let radius = |way| short(row.of(way).each[0]);
    let asked = &row.probabilities[0];
    let region = study.radius.unwrap_or_default();
    format!(
        "For {} alone, with ε = {}: certain up to a radius of {}, {} sure up to {}; with every \
         {input} moving at random by up to {region}, at least {} % sure.",
        subject.places[0].name,
        chosen(asked.epsilon),
        radius(&WORST_CASE),
        percent_of_gamma(),
        radius(&BEST),
        percent_down(asked.lower[0]),
        input = study.words.input,
    )
}

/// What all networks say together.
fn together(study: &Study, rows: &[Row]) -> String {
    let all: Vec<&Row> = rows.iter().collect();
    let (worst, best) = (mean_over(&all, &WORST_CASE), mean_over(&all, &BEST));
    let simcert = mean_over(&all, &SIMCERT);
    let times = if simcert > 0.0 { down(best / simcert, 1) } else { "any number of".to_owned() };
    let count = study.subjects.len();
    if best < 1.05 * worst {
        format!(
            "Over {count} networks nncert certifies {times} times the radius of SimCert, for its tighter \
             propagation. The tails add nothing here, and probabilities below the worst case stay open: after \
             so many layers the two affine functions around a difference lie far apart and are nearly flat, \
             so that it hardly matters where between them the input falls."
        )
    } else {
        format!(
            "Over {count} networks nncert certifies {times} times the radius of SimCert, and {} more than for \
             certain.",
            gain(best, worst)
        )
    }
}

/// A radius with three digits, rounded down.
fn short(radius: f64) -> String {
    down(radius, places(radius))
}

fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a first line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;

    #[test]
    fn numbers_are_on_the_safe_side() {
        let (study, rows) = study(false);
        let text = reading(&study, &rows).replace('\n', " ");
        // The worst case is 0.13551, the mean radii 0.0571999 and 0.0707999.
        for part in
            ["at most 0.136 away", "by more than 0.0571", "by up to 0.0707,", "23 % farther"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("one chance in 10000"));
    }

    #[test]
    fn lines_are_wrapped() {
        let text = wrap(&"word ".repeat(100));
        assert!(text.lines().all(|line| line.len() <= WIDTH && !line.ends_with(' ')));
        assert_eq!(text.split_whitespace().count(), 100);
    }
}
