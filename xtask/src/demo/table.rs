//! The table, for terminals of 100 columns.

use super::rounding::{down, mean_down, mean_up, percent_down, percent_up, places, up};
use super::row::{GAMMA, Row};
use super::study::{Study, Subject};
use super::way::{BEST, COLUMNS, WORST_CASE};

/// The table of a study, with what its columns mean.
pub(super) fn table(study: &Study, rows: &[Row]) -> String {
    let rows: Vec<(&Subject, &Row)> = study.subjects.iter().zip(rows).collect();
    let mut text = format!("{}\n\n", study.heading);
    text += &differences(study, &rows);
    text += "\n";
    text += &radii(study, &rows);
    text += "\n";
    text += &legend(study);
    text
}

fn differences(study: &Study, rows: &[(&Subject, &Row)]) -> String {
    let words = &study.words;
    let line = |cells: [&str; 7]| {
        let [name, right, worst, e1, p1, e2, p2] = cells;
        format!("{name:20}{right:>9}{worst:>9}    {e1:>9}  {p1:14}    {e2:>9}  {p2:14}")
            .trim_end()
            .to_owned()
            + "\n"
    };
    let mut text = line(["", "", "worst", "ε =", "probability to", "ε =", "probability to"]);
    let heads = ["case ε", "3/4 worst", "agree to ε", "1/2 worst", "agree to ε"];
    let [worst, e1, p1, e2, p2] = heads;
    text += &line([words.subject, words.agreement, worst, e1, p1, e2, p2]);
    text += &rule();
    for (subject, row) in rows {
        let right = format!("{} %", percent_down(subject.agreement.share()));
        let worst = up(row.worst, places(row.worst));
        let [first, second] = [0, 1].map(|at| {
            let asked = &row.probabilities[at];
            let (lower, upper) = asked.mean();
            let range = format!("{} to {} %", percent_down(lower), percent_up(upper));
            (asked.epsilon.to_string(), range)
        });
        text += &line([&subject.name, &right, &worst, &first.0, &first.1, &second.0, &second.1]);
    }
    text
}

fn radii(study: &Study, rows: &[(&Subject, &Row)]) -> String {
    let line = |name: &str, epsilon: &str, radii: &[String], gain: &str, seconds: &str| {
        let radii: String = radii.iter().map(|radius| format!("{radius:>12}")).collect();
        format!("{name:20}{epsilon:>7}{radii}{gain:>6}{seconds:>7}\n")
    };
    let names: Vec<String> = COLUMNS.iter().map(|way| way.name.to_owned()).collect();
    let gamma = percent_of_gamma();
    let mut text = format!("{:>28}certified radius; all but worst case at γ = {gamma}\n", "");
    text += &line(study.words.subject, "ε", &names, "gain", "time");
    text += &rule();
    let largest = rows.iter().flat_map(|(_, row)| row.radii.iter().map(super::row::Radii::mean));
    let decimals = places(largest.fold(0.0, f64::max)).max(4);
    for (subject, row) in rows {
        let means: Vec<String> =
            row.radii.iter().map(|radii| down(radii.mean(), decimals)).collect();
        let gain = gain(row.radius(&BEST), row.radius(&WORST_CASE));
        let seconds = format!("{:.1} s", row.seconds);
        text += &line(&subject.name, &row.epsilon().to_string(), &means, &gain, &seconds);
    }
    if rows.iter().all(|(subject, _)| subject.places.len() == 1) {
        let column = |way: usize| -> Vec<f64> {
            rows.iter().map(|(_, row)| row.radii[way].mean()).collect()
        };
        let means: Vec<f64> = (0..COLUMNS.len()).map(|way| mean_down(&column(way))).collect();
        let (worst, best) = (means[0], means[3]);
        let means: Vec<String> = means.iter().map(|mean| down(*mean, decimals)).collect();
        let seconds: f64 = rows.iter().map(|(_, row)| row.seconds).sum();
        text += &rule();
        text += &line("mean", "", &means, &gain(best, worst), &format!("{seconds:.1} s"));
    }
    text
}

/// By how much the best radius exceeds the certain one, rounded down.
fn gain(best: f64, worst: f64) -> String {
    if worst > 0.0 { format!("{}%", down((best / worst - 1.0) * 100.0, 0)) } else { "-".into() }
}

fn rule() -> String {
    format!("{}\n", "─".repeat(100))
}

/// As `99.99 %`.
pub(super) fn percent_of_gamma() -> String {
    format!("{} %", (GAMMA * 1e6).round() / 1e4)
}

fn legend(study: &Study) -> String {
    let words = &study.words;
    let lines = [
        (words.agreement.to_owned(), words.agreement_legend.clone()),
        ("worst case ε".to_owned(), format!("proven on {}:", words.region)),
        (
            String::new(),
            format!(
                "{} differ from the network's by at most this (largest of {})",
                words.scores, words.places
            ),
        ),
        (
            "probability".to_owned(),
            format!(
                "proven to lie in this range when the input is uniform on that region (mean of {})",
                words.places
            ),
        ),
        (
            "certified radius".to_owned(),
            format!(
                "r such that {} agree to ε on the ball of radius r; {}",
                words.scores, words.unit
            ),
        ),
    ];
    let mut text = String::new();
    for (name, meaning) in lines {
        text += &format!("  {name:16}  {meaning}\n");
    }
    for way in &COLUMNS {
        text += &format!("  {:16}  {}\n", format!("  {}", way.name), way.about);
    }
    text += &format!("  {:16}  Best above worst case\n", "gain");
    text += "  All bounds are rounded to the safe side.\n";
    text
}

#[allow(dead_code)]
fn unused() -> f64 {
    mean_up(&[])
}
