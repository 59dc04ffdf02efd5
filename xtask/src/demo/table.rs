//! The table, for terminals of 100 columns.

use super::rounding::{down, mean_down, percent_down, percent_up, places, three_digits_up};
use super::row::{GAMMA, Radii, Row};
use super::study::{Study, Subject};
use super::way::{BEST, COLUMNS, WORST_CASE};

const WIDTH: usize = 100;

/// The table of a study, with what its columns mean.
pub(super) fn table(study: &Study, rows: &[Row]) -> String {
    let rows: Vec<(&Subject, &Row)> = study.subjects.iter().zip(rows).collect();
    let parts = [differences(study, &rows), radii(study, &rows), legend(study)];
    format!("{}\n\n{}", study.heading, parts.join("\n"))
}

/// A double that was chosen with three digits.
pub(super) fn chosen(epsilon: f64) -> String {
    if epsilon < 1e-3 { format!("{epsilon:e}") } else { epsilon.to_string() }
}

/// As `99.99 %`.
pub(super) fn percent_of_gamma() -> String {
    format!("{} %", (GAMMA * 1e6).round() / 1e4)
}

/// By how many percent the best radius exceeds the certain one, rounded down.
pub(super) fn gain(best: f64, worst: f64) -> String {
    let gain = (best / worst - 1.0) * 100.0;
    if worst > 0.0 { format!("{} %", down(gain, 0)) } else { "-".to_owned() }
}

fn rule() -> String {
    format!("{}\n", "─".repeat(WIDTH))
}

fn differences(study: &Study, rows: &[(&Subject, &Row)]) -> String {
    let line = |[name, right, worst, e1, p1, e2, p2]: [&str; 7]| {
        let ends = format!("{e1:>12}{p1:>17}{e2:>12}{p2:>17}");
        format!("{name:19}{right:>9}{worst:>14}{ends}").trim_end().to_owned() + "\n"
    };
    let words = &study.words;
    let (e, p) = ("within ε =", "probability");
    let mut text = line(["", "", "", "3/4 worst:", "", "1/2 worst:", ""]);
    text += &line([words.subject, words.agreement, "worst case ε", e, p, e, p]);
    text += &rule();
    for (subject, row) in rows {
        let right = format!("{} %", subject.agreement.percent());
        let cells = row.probabilities.iter().map(|asked| {
            let (lower, upper) = asked.mean();
            (chosen(asked.epsilon), format!("{} to {} %", percent_down(lower), percent_up(upper)))
        });
        let cells: Vec<_> = cells.collect();
        let [(e1, p1), (e2, p2)] = [&cells[0], &cells[1]];
        text += &line([&subject.name, &right, &three_digits_up(row.worst), e1, p1, e2, p2]);
    }
    text
}

fn radii(study: &Study, rows: &[(&Subject, &Row)]) -> String {
    let line = |name: &str, epsilon: &str, radii: &[String], gain: &str, time: &str| {
        let radii: String = radii.iter().map(|radius| format!("{radius:>11}")).collect();
        format!("{name:19}{epsilon:>8}{radii}{gain:>8}{time:>9}\n")
    };
    let names: Vec<String> = COLUMNS.iter().map(|way| way.name.to_owned()).collect();
    let head =
        format!("certified radius: for certain, and at confidence γ = {}", percent_of_gamma());
    let mut text = format!("{:>28}{head}\n", "");
    text += &line(study.words.subject, "ε", &names, "gain", "time");
    text += &rule();

    let means = |row: &Row| row.radii.iter().map(Radii::mean).collect::<Vec<f64>>();
    let largest = rows.iter().flat_map(|(_, row)| means(row)).fold(0.0, f64::max);
    let decimals = places(largest).max(4);
    let show =
        |means: &[f64]| -> Vec<String> { means.iter().map(|mean| down(*mean, decimals)).collect() };
    let time = |seconds: f64| format!("{seconds:.1} s");
    for (subject, row) in rows {
        let gain = gain(row.of(&BEST).mean(), row.of(&WORST_CASE).mean());
        let (epsilon, radii) = (chosen(row.epsilon()), show(&means(row)));
        text += &line(&subject.name, &epsilon, &radii, &gain, &time(row.seconds));
    }
    if study.words.places.is_none() {
        let all: Vec<&Row> = rows.iter().map(|(_, row)| *row).collect();
        let mean = |way| mean_over(&all, way);
        let columns: Vec<f64> = COLUMNS.iter().map(mean).collect();
        let gain = gain(mean(&BEST), mean(&WORST_CASE));
        let seconds = all.iter().map(|row| row.seconds).sum();
        text += &rule();
        text += &line("mean", "", &show(&columns), &gain, &time(seconds));
    }
    text
}

/// The mean radius of several rows.
pub(super) fn mean_over(rows: &[&Row], way: &super::way::Way) -> f64 {
    mean_down(&rows.iter().map(|row| row.of(way).mean()).collect::<Vec<_>>())
}

fn legend(study: &Study) -> String {
    let words = &study.words;
    let of = |what: &str| {
        words.places.as_ref().map_or(String::new(), |places| format!(" ({what} of {places})"))
    };
    let scores_are = &words.scores_are;
    let largest = of("largest");
    let mean = of("mean");
    let mut lines = vec![
        (words.agreement, format!("the share of {}", words.counted)),
        ("worst case ε", format!("{scores_are} this close to the original's, proven{largest},")),
        ("", format!("everywhere on {}", words.region)),
        (
            "probability",
            format!("that {scores_are} within ε, for a uniform input of the same region:"),
        ),
        ("", format!("proven to be in this range{mean}")),
        (
            "certified radius",
            format!(
                "{scores_are} within ε as long as every {} moves by no more than this,",
                words.input
            ),
        ),
        (
            "",
            "wherever it moves, or with probability γ if each moves uniformly at random;"
                .to_owned(),
        ),
        ("", format!("{}{mean}", words.unit)),
    ];
    lines.extend(COLUMNS.iter().map(|way| (way.name, way.about.to_owned())));
    lines.push(("gain", "of nncert over the worst case".to_owned()));
    let mut text: String =
        lines.iter().map(|(name, meaning)| format!("  {name:18}{meaning}\n")).collect();
    text +=
        "  Radii and lower ends are rounded down, ε and upper ends up, so that they stay proven.\n";
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;

    #[test]
    fn lines_fit_and_columns_align() {
        for several in [false, true] {
            let (study, rows) = study(several);
            let text = table(&study, &rows);
            for line in text.lines().skip(1) {
                assert!(line.chars().count() <= WIDTH, "{line}");
            }
            let ends: Vec<usize> = text
                .lines()
                .filter(|line| line.ends_with(" s") || line.ends_with("time"))
                .map(|line| line.chars().count())
                .collect();
            assert!(ends.len() > rows.len() && ends.windows(2).all(|two| two[0] == two[1]));
        }
    }

    #[test]
    fn gains_are_rounded_down() {
        assert_eq!((gain(0.12399, 0.1), gain(0.1, 0.0)), ("23 %".into(), "-".into()));
    }
}
