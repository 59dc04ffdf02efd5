//! Curves as a picture: a small SVG, written by hand, on a card of its own.

use std::fmt::Write as _;

/// A named curve.
pub(crate) struct Series<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The words of a picture.
pub(crate) struct Words<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 536.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 300.0;
/// Of Okabe and Ito.
const COLOURS: [&str; 6] = ["#d55e00", "#e69f00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9"];

/// Broken lines with a mark at each point, axes from the least to the largest value.
pub(crate) fn svg(words: &Words<'_>, series: &[Series<'_>]) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let range = |of: fn(&(f64, f64)) -> f64, from_zero: bool| {
        let low = points().map(of).fold(f64::INFINITY, f64::min);
        let high = points().map(of).fold(f64::NEG_INFINITY, f64::max);
        let low = if from_zero { low.min(0.0) } else { low };
        if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) }
    };
    let (x_range, y_range) = (range(|p| p.0, false), range(|p| p.1, true));
    let place = |(x, y): (f64, f64)| {
        let part = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        (LEFT + (RIGHT - LEFT) * part(x, x_range), BOTTOM - (BOTTOM - TOP) * part(y, y_range))
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" font-family=\"Helvetica, Arial, sans-serif\">\n\
         <title>{}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"10\" fill=\"#fdfcf9\"/>\n",
        escape(words.title)
    );
    text(&mut svg, (24.0, 32.0), "start", 16, words.title);
    for step in 0..=4 {
        let part = f64::from(step) / 4.0;
        let at = |(low, high): (f64, f64)| low + (high - low) * part;
        let (x, y) = (place((at(x_range), 0.0)).0, place((0.0, at(y_range))).1);
        let _ = writeln!(
            svg,
            "<path d=\"M {LEFT:.1} {y:.1} L {RIGHT:.1} {y:.1} M {x:.1} {TOP:.1} L {x:.1} {BOTTOM:.1}\" \
             stroke=\"#e4e2dc\"/>"
        );
        text(&mut svg, (LEFT - 8.0, y + 4.0), "end", 11, &figure(at(y_range)));
        text(&mut svg, (x, BOTTOM + 18.0), "middle", 11, &figure(at(x_range)));
    }
    text(&mut svg, (f64::midpoint(LEFT, RIGHT), HEIGHT - 20.0), "middle", 12, words.x);
    text(&mut svg, (24.0, TOP - 14.0), "start", 12, words.y);
    for (index, (series, colour)) in series.iter().zip(COLOURS).enumerate() {
        let places: Vec<_> = series.points.iter().map(|point| place(*point)).collect();
        let line: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (x, y) in places {
            let _ =
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let x = RIGHT - 90.0 * (series_from_right(index) + 0.9);
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>",
            TOP - 18.0
        );
        text(&mut svg, (x + 8.0, TOP - 14.0), "start", 12, series.name);
    }
    svg + "</svg>\n"
}

/// The first series stands leftmost of three.
fn series_from_right(index: usize) -> f64 {
    2.0 - (index % 3) as f64
}

/// Three digits that matter.
fn figure(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || value == 0.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, size: u32, words: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"#22262b\">{}</text>",
        at.0,
        at.1,
        escape(words)
    );
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_inside_and_words_are_escaped() {
        let points = vec![(0.1, 10.0), (0.2, 40.0)];
        let words = Words { title: "A < B", x: "ACR", y: "evaluations" };
        let svg = svg(
            &words,
            &[Series { name: "ours", points }, Series { name: "none", points: vec![] }],
        );
        assert!(svg.contains("A &lt; B") && !svg.contains("NaN") && !svg.contains("inf"));
        assert!(svg.contains("84.0,") && svg.contains("536.0,70.0"));
        // Nothing at all is a picture too.
        assert!(!super::svg(&words, &[]).contains("NaN"));
    }
}
