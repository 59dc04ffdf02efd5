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
    let gains = best >= 1.05 * worst && worst > 0.0;
    let subject = match pictured {
        [_] => &study.subjects[0].name,
        _ => &study.original,
    };
    let title = if gains {
        let gain = gain(best, worst);
        format!("One chance in 10 000 buys the {subject} copy {gain} more certified radius")
    } else if simcert > 0.0 {
        format!("{subject}: better bounds certify {} times the radius", down(best / simcert, 1))
    } else {
        format!("{subject}: certified radius against confidence")
    };
    let epsilon = match pictured {
        [row] => format!("ε = {}", chosen(row.epsilon())),
        _ => "ε".to_owned(),
    };
    let mut lines = vec![format!(
        "How far every {} may move while {} within {epsilon} of the original's ({})",
        words.input, words.scores_are, words.pictured,
    )];
    if !gains {
        let inputs = study.subjects[0].pair.inputs();
        lines.push(format!(
            "With {inputs} inputs it is the bounds that decide: on nncert's bounds all tails coincide"
        ));
    }
    let footer = format!(
        "{}. All curves but SimCert's rest on nncert's differential bounds.",
        study.heading
    );
    let x_axis = format!("confidence γ, when each {} moves uniformly at random", words.input);
    let y_axis = format!("certified radius ({})", words.unit);
    let arrow = gains.then(|| format!("+{}", gain(best, worst)));
    Caption { title, lines, x_axis, y_axis, footer, arrow }
}
