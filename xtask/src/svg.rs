//! The parts of pictures.

use std::fmt::Write;

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
