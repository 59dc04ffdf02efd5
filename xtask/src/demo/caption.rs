//! The words around the picture: what was found, said as a title.

use super::rounding::down;
use super::row::Row;
use super::study::Study;
use super::svg::Caption;
use super::table::{chosen, gain, mean_over};
use super::way::{BEST, SIMCERT, WORST_CASE};

/// The caption of the curves of the pictured rows.
pub(super) fn caption(study: &Study, pictured: &[Row]) -> Caption {
    let words = &study.words;
    let rows: Vec<&Row> = pictured.iter().collect();
    let mean = |way| mean_over(&rows, way);
    let (best, worst, simcert) = (mean(&BEST), mean(&WORST_CASE), mean(&SIMCERT));
    let title = if best >= 1.05 * worst && worst > 0.0 {
        let gain = gain(best, worst);
        format!("One chance in 10 000 buys {gain} more certified radius")
    } else if simcert > 0.0 {
        format!("Better bounds certify {} times the radius", down(best / simcert, 1))
    } else {
        "Certified radius against confidence".to_owned()
    };
    let epsilon = match pictured {
        [row] => format!("ε = {}", chosen(row.epsilon())),
        _ => "ε".to_owned(),
    };
    let lines = vec![format!(
        "How far every {} may move while {} within {epsilon} of the original's ({})",
        words.input, words.scores_are, words.pictured,
    )];
    let footer = format!(
        "{}. All curves but SimCert's use nncert's differential bounds; every point is a proven certificate.",
        study.heading
    );
    Caption { title, lines, y_axis: format!("certified radius ({})", words.unit), footer }
}
