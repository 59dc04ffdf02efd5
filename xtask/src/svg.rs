//! The parts of pictures.

use std::fmt::Write;

/// Of what is to be read first.
pub(crate) const INK: &str = "#22262b";
/// Of what stands beside it.
pub(crate) const SOFT: &str = "#5d646d";
pub(crate) const GRID: &str = "#e4e2dc";
/// What a picture lies on, so that it reads on any page.
pub(crate) const CARD: &str = "#fdfcf9";

/// 1, 2 or 5 times a power of ten, at least `step`.
pub(crate) fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A line.
pub(crate) fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), style: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {style}/>",
        from.0, from.1, to.0, to.1
    );
}

/// Words at a place; `anchor` is `start`, `middle` or `end`.
pub(crate) fn text(
    svg: &mut String,
    at: (f64, f64),
    anchor: &str,
    style: &str,
    fill: &str,
    words: &str,
) {
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\" {style}>{}</text>",
        at.0,
        at.1,
        escape(words)
    );
}

/// Words as XML has them.
pub(crate) fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        let steps = [0.0123, 0.01, 0.03, 0.7, 6.0].map(nice);
        for (step, expected) in steps.into_iter().zip([0.02, 0.01, 0.05, 1.0, 10.0]) {
            assert!((step / expected - 1.0).abs() < 1e-9, "{step}");
        }
    }
}
