//! The picture: certified radius against confidence, one curve a method.
//!
//! Written by hand, on a light card of its own, so that it reads on any page. Colours are those
//! of Okabe and Ito, which people with any colour vision tell apart; labels stand at the ends of
//! the curves.

use std::fmt::Write;

use super::curve::Curves;
use super::rounding::{down, places};
use super::row::GAMMA;
use super::way::{BEST, CURVES, WORST_CASE};
use crate::svg::{CARD, GRID, INK, SOFT, escape, line, nice, text};

/// The words around the picture.
pub(super) struct Caption {
    /// What was found, in a line.
    pub(super) title: String,
    /// What is shown, in a line or two.
    pub(super) lines: Vec<String>,
    pub(super) x_axis: String,
    pub(super) y_axis: String,
    pub(super) footer: String,
    /// What stands at the arrow from the worst case to the best tail.
    pub(super) arrow: Option<String>,
}

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 600.0;
const LEFT: f64 = 86.0;
const RIGHT: f64 = 716.0;
const TOP: f64 = 118.0;
const BOTTOM: f64 = 512.0;
/// Between the baselines of two labels.
const LABEL: f64 = 21.0;

/// How a curve looks, in the order of [`CURVES`].
struct Style {
    colour: &'static str,
    width: f64,
    dashes: &'static str,
    label: &'static str,
}

const STYLES: [Style; CURVES.len()] = [
    Style { colour: "#8a8f96", width: 2.2, dashes: "2 4", label: "SimCert, whole method" },
    Style { colour: "#000000", width: 2.2, dashes: "8 5", label: "Worst case, certain" },
    Style { colour: "#cc79a7", width: 2.2, dashes: "", label: "Bernstein, as printed" },
    Style { colour: "#e69f00", width: 2.2, dashes: "", label: "Hoeffding" },
    Style { colour: "#009e73", width: 2.2, dashes: "", label: "Bernstein, per summand" },
    Style { colour: "#56b4e9", width: 2.2, dashes: "", label: "Sub-Gaussian" },
    Style { colour: "#0072b2", width: 3.4, dashes: "", label: "nncert (exact tails)" },
];

/// Where values lie on the card.
struct Scale {
    chances: (f64, f64),
    radii: (f64, f64),
    step: f64,
}

impl Scale {
    fn new(curves: &Curves) -> Self {
        let values = || curves.radii.iter().flatten().copied();
        let most = values().fold(0.0, f64::max).max(1e-9);
        let least = values().fold(most, f64::min);
        // Radii start at zero, unless that would squeeze the curves.
        let least = if least < 0.3 * most { 0.0 } else { least - 0.15 * (most - least) };
        let step = nice((most - least).max(0.1 * most) / 5.0);
        let low = ((least / step).floor() * step).max(0.0);
        let high = ((most + 0.04 * (most - least)) / step).ceil() * step;
        let first = curves.chances.first().copied().unwrap_or(0.5);
        let last = curves.chances.last().copied().unwrap_or(1e-5);
        Self { chances: (-first.log10(), -last.log10()), radii: (low, high), step }
    }

    /// By the number of nines.
    fn x(&self, chance: f64) -> f64 {
        let (first, last) = self.chances;
        LEFT + (RIGHT - LEFT) * (-chance.log10() - first) / (last - first)
    }

    fn y(&self, radius: f64) -> f64 {
        let (low, high) = self.radii;
        BOTTOM - (BOTTOM - TOP) * (radius - low) / (high - low)
    }

    fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.radii;
        let count = ((high - low) / self.step).round() as u32;
        (0..=count).map(|tick| low + f64::from(tick) * self.step).collect()
    }
}

/// The picture.
pub(super) fn svg(caption: &Caption, curves: &Curves) -> String {
    let scale = Scale::new(curves);
    let mut svg = head(caption);
    axes(&mut svg, &scale, caption);
    lines(&mut svg, &scale, curves);
    if let Some(label) = &caption.arrow {
        arrow(&mut svg, &scale, curves, label);
    }
    labels(&mut svg, &scale, curves);
    svg += "</svg>\n";
    svg
}

fn head(caption: &Caption) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
         font-family=\"Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif\">\n\
         <title>{}</title>\n\
         <rect x=\"1\" y=\"1\" width=\"{}\" height=\"{}\" rx=\"12\" fill=\"{CARD}\" stroke=\"#d8d5cc\"/>\n",
        escape(&caption.title),
        WIDTH - 2.0,
        HEIGHT - 2.0,
    );
    text(
        &mut svg,
        (32.0, 46.0),
        "start",
        "font-size=\"22\" font-weight=\"700\"",
        INK,
        &caption.title,
    );
    for (index, line) in caption.lines.iter().enumerate() {
        let y = 72.0 + 20.0 * index as f64;
        text(&mut svg, (32.0, y), "start", "font-size=\"14.5\"", SOFT, line);
    }
    text(&mut svg, (32.0, HEIGHT - 16.0), "start", "font-size=\"11\"", SOFT, &caption.footer);
    svg
}

fn axes(svg: &mut String, scale: &Scale, caption: &Caption) {
    let decimals = places(scale.step).saturating_sub(2);
    for tick in scale.ticks() {
        let y = scale.y(tick);
        line(svg, (LEFT, y), (RIGHT, y), &format!("stroke=\"{GRID}\""));
        let label = format!("{tick:.decimals$}");
        text(svg, (LEFT - 10.0, y + 4.5), "end", "font-size=\"13\"", SOFT, &label);
    }
    let confidences = [
        (0.5, "50 %"),
        (0.1, "90 %"),
        (0.01, "99 %"),
        (0.001, "99.9 %"),
        (0.0001, "99.99 %"),
        (0.00001, "99.999 %"),
    ];
    for (chance, label) in confidences {
        let x = scale.x(chance);
        line(svg, (x, TOP), (x, BOTTOM), &format!("stroke=\"{GRID}\""));
        text(svg, (x, BOTTOM + 22.0), "middle", "font-size=\"13\"", SOFT, label);
    }
    line(svg, (LEFT, BOTTOM), (RIGHT, BOTTOM), "stroke=\"#9aa0a6\"");
    let middle = f64::midpoint(LEFT, RIGHT);
    text(svg, (middle, BOTTOM + 48.0), "middle", "font-size=\"14\"", INK, &caption.x_axis);
    let middle = f64::midpoint(TOP, BOTTOM);
    let turned = format!("font-size=\"14\" transform=\"rotate(-90 28 {middle})\"");
    text(svg, (28.0, middle), "middle", &turned, INK, &caption.y_axis);
}

fn lines(svg: &mut String, scale: &Scale, curves: &Curves) {
    for (style, radii) in STYLES.iter().zip(&curves.radii) {
        let points: Vec<String> = curves
            .chances
            .iter()
            .zip(radii)
            .map(|(chance, radius)| format!("{:.1},{:.1}", scale.x(*chance), scale.y(*radius)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
             stroke-dasharray=\"{}\" stroke-linejoin=\"round\"/>",
            points.join(" "),
            style.colour,
            style.width,
            if style.dashes.is_empty() { "none" } else { style.dashes },
        );
    }
}

/// An arrow from the worst case to the best tail, at the confidence of the table.
fn arrow(svg: &mut String, scale: &Scale, curves: &Curves, label: &str) {
    let find = |name| CURVES.iter().position(|way| way.name == name);
    let (Some(best), Some(worst)) = (find(BEST.name), find(WORST_CASE.name)) else { return };
    let distance = |chance: &f64| (chance.log10() - (1.0 - GAMMA).log10()).abs();
    let points = curves.chances.iter().enumerate();
    let Some((point, _)) = points.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))) else {
        return;
    };
    let (best, worst) = (curves.radii[best][point], curves.radii[worst][point]);
    let (x, from, to) = (scale.x(curves.chances[point]), scale.y(worst), scale.y(best));
    if from - to < 40.0 {
        return;
    }
    line(svg, (x, from - 3.0), (x, to + 10.0), &format!("stroke=\"{INK}\" stroke-width=\"1.6\""));
    let _ = writeln!(svg, "<path d=\"M {x:.1} {:.1} l -5 9 l 10 0 z\" fill=\"{INK}\"/>", to + 3.0);
    let at = (x - 9.0, f64::midpoint(from, to) + 5.0);
    // A halo first, so that the words stand out from the curves behind them.
    let font = "font-size=\"15\" font-weight=\"700\"";
    let halo = format!("{font} stroke=\"{CARD}\" stroke-width=\"6\" stroke-linejoin=\"round\"");
    text(svg, at, "end", &halo, CARD, label);
    text(svg, at, "end", font, INK, label);
}

fn labels(svg: &mut String, scale: &Scale, curves: &Curves) {
    let ends: Vec<f64> = curves.radii.iter().map(|r| r.last().copied().unwrap_or(0.0)).collect();
    let heights: Vec<f64> = ends.iter().map(|radius| scale.y(*radius)).collect();
    let spread = apart(&heights);
    for (((style, way), end), (from, to)) in
        STYLES.iter().zip(&CURVES).zip(&ends).zip(heights.iter().zip(&spread))
    {
        let _ = writeln!(
            svg,
            "<path d=\"M {:.1} {from:.1} L {:.1} {to:.1} L {:.1} {to:.1}\" fill=\"none\" \
             stroke=\"{}\" stroke-width=\"1.6\"/>",
            RIGHT + 2.0,
            RIGHT + 14.0,
            RIGHT + 20.0,
            style.colour
        );
        let weight = if way.name == BEST.name { "700" } else { "400" };
        let font = format!("font-size=\"13.5\" font-weight=\"{weight}\"");
        let label = format!("{} {}", style.label, down(*end, places(*end)));
        text(svg, (RIGHT + 26.0, to + 4.5), "start", &font, INK, &label);
    }
}

/// Heights close to the given ones, in the same order, at least [`LABEL`] apart.
fn apart(heights: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    // Of two that coincide the later curve goes on top.
    order.sort_by(|&a, &b| heights[a].total_cmp(&heights[b]).then(b.cmp(&a)));
    // Groups of labels that touch, each around the mean of its heights: (sum, count).
    let mut groups: Vec<(f64, usize)> = Vec::new();
    let top = |(sum, count): (f64, usize)| {
        let half = LABEL * (count - 1) as f64 / 2.0;
        (sum / count as f64 - half).clamp(TOP, BOTTOM - 2.0 * half)
    };
    for &label in &order {
        groups.push((heights[label], 1));
        while let [.., above, below] = groups[..]
            && top(above) + LABEL * above.1 as f64 > top(below)
        {
            groups.truncate(groups.len() - 2);
            groups.push((above.0 + below.0, above.1 + below.1));
        }
    }
    let places = groups
        .iter()
        .flat_map(|&group| (0..group.1).map(move |place| top(group) + LABEL * place as f64));
    let mut spread = vec![0.0; heights.len()];
    for (label, place) in order.into_iter().zip(places) {
        spread[label] = place;
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::super::testing::curves;
    use super::*;

    fn picture() -> String {
        let caption = Caption {
            title: "A < B & \"C\"".to_owned(),
            lines: vec!["what is shown".to_owned()],
            x_axis: "confidence".to_owned(),
            y_axis: "radius".to_owned(),
            footer: "nncert".to_owned(),
            arrow: Some("+1 %".to_owned()),
        };
        svg(&caption, &curves())
    }

    #[test]
    fn it_is_well_formed() {
        let svg = picture();
        let mut open: Vec<&str> = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, after) = tag.split_once('>').expect("a tag ends");
            assert!(!after.contains(['>', '"']), "{after}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.split([' ', '/']).find(|part| !part.is_empty()).expect("a name");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty());
        assert_eq!(svg.matches("<polyline").count(), CURVES.len());
        assert!(svg.contains("A &lt; B &amp; &quot;C&quot;") && !svg.contains("NaN"));
    }

    #[test]
    fn labels_keep_apart_and_in_order() {
        let heights = [300.0, 300.0, 300.0, 305.0, 118.0, 119.0, 512.0];
        let spread = apart(&heights);
        let mut sorted = spread.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|two| two[1] - two[0] >= LABEL - 1e-9));
        assert!(sorted[0] >= TOP && sorted[6] <= BOTTOM);
        assert!(spread[4] < spread[5] && spread[2] < spread[1] && spread[0] < spread[3]);
        assert_eq!(apart(&[200.0, 300.0]), [200.0, 300.0]);
    }
}
