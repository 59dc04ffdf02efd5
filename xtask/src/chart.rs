//! Pictures of figures: points and lines over two axes, as SVG.
//!
//! On a light card of its own, so that it reads on any page. Colours are those of Okabe and
//! Ito, which people with any colour vision tell apart.

use std::fmt::Write;

use crate::svg::{CARD, GRID, INK, SOFT, escape, line, nice, text};

/// A picture.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    /// A thin line where both axes have one value.
    pub(crate) diagonal: bool,
}

/// An axis.
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Where the labels are, and what they say.
    pub(crate) ticks: Vec<(f64, String)>,
}

/// Points that belong together.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) mark: Mark,
    pub(crate) points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Dots,
    Line,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 610.0;
const TOP: f64 = 72.0;
const BOTTOM: f64 = 440.0;
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

impl Axis {
    /// From 0 to a round number of at least `most`, in a few steps.
    pub(crate) fn from_zero(label: &str, most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let step = nice(most / 5.0);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let count = (most / step - 1e-9).ceil() as u32;
        let tick = |tick: u32| {
            let value = f64::from(tick) * step;
            (value, format!("{value:.decimals$}"))
        };
        let ticks = (0..=count).map(tick).collect();
        Self { label: label.to_owned(), from: 0.0, to: f64::from(count) * step, ticks }
    }
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
             font-family=\"Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif\">\n\
             <title>{}</title>\n\
             <rect x=\"1\" y=\"1\" width=\"{}\" height=\"{}\" rx=\"12\" fill=\"{CARD}\" \
             stroke=\"#d8d5cc\"/>\n",
            escape(&self.title),
            WIDTH - 2.0,
            HEIGHT - 2.0,
        );
        let bold = "font-size=\"19\" font-weight=\"700\"";
        text(&mut svg, (28.0, 40.0), "start", bold, INK, &self.title);
        let grid = format!("stroke=\"{GRID}\"");
        for (value, label) in &self.x.ticks {
            let x = self.place_x(*value);
            line(&mut svg, (x, TOP), (x, BOTTOM), &grid);
            text(&mut svg, (x, BOTTOM + 21.0), "middle", "font-size=\"13\"", SOFT, label);
        }
        for (value, label) in &self.y.ticks {
            let y = self.place_y(*value);
            line(&mut svg, (LEFT, y), (RIGHT, y), &grid);
            text(&mut svg, (LEFT - 9.0, y + 4.5), "end", "font-size=\"13\"", SOFT, label);
        }
        line(&mut svg, (LEFT, BOTTOM), (RIGHT, BOTTOM), "stroke=\"#9aa0a6\"");
        if self.diagonal {
            let (from, to) = (self.x.from.max(self.y.from), self.x.to.min(self.y.to));
            let place = |value| (self.place_x(value), self.place_y(value));
            line(&mut svg, place(from), place(to), "stroke=\"#9aa0a6\"");
        }
        let middle = (f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM));
        text(&mut svg, (middle.0, BOTTOM + 50.0), "middle", "font-size=\"14\"", INK, &self.x.label);
        let turned = format!("font-size=\"14\" transform=\"rotate(-90 26 {})\"", middle.1);
        text(&mut svg, (26.0, middle.1), "middle", &turned, INK, &self.y.label);
        for (index, series) in self.series.iter().enumerate() {
            self.draw(&mut svg, series, index);
        }
        svg += "</svg>\n";
        svg
    }

    fn draw(&self, svg: &mut String, series: &Series, index: usize) {
        let colour = COLOURS[index % COLOURS.len()];
        let points = series.points.iter().map(|&(x, y)| (self.place_x(x), self.place_y(y)));
        if series.mark == Mark::Line {
            let path: Vec<String> = points.clone().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.4\"/>",
                path.join(" ")
            );
        }
        let radius = if series.mark == Mark::Line { 3.0 } else { 4.0 };
        for (x, y) in points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\" \
                 fill-opacity=\"0.75\"/>"
            );
        }
        let y = TOP + 14.0 + 24.0 * index as f64;
        let _ = writeln!(
            svg,
            "<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{colour}\"/>",
            RIGHT + 24.0,
            y - 4.5
        );
        text(svg, (RIGHT + 38.0, y), "start", "font-size=\"13.5\"", INK, &series.name);
    }

    fn place_x(&self, value: f64) -> f64 {
        let Axis { from, to, .. } = self.x;
        LEFT + (RIGHT - LEFT) * ((value - from) / (to - from)).clamp(0.0, 1.0)
    }

    fn place_y(&self, value: f64) -> f64 {
        let Axis { from, to, .. } = self.y;
        BOTTOM - (BOTTOM - TOP) * ((value - from) / (to - from)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> String {
        let series = Series { name: "ours".to_owned(), mark: Mark::Line, points };
        let none = Series { name: "none".to_owned(), mark: Mark::Dots, points: vec![] };
        let (x, y) = (Axis::from_zero("ACR", 0.2), Axis::from_zero("evaluations", 40.0));
        let title = "A < B".to_owned();
        Chart { title, x, y, series: vec![series, none], diagonal: true }.svg()
    }

    #[test]
    fn curves_are_inside_and_words_are_escaped() {
        let svg = chart(vec![(0.0, 0.0), (0.2, 40.0)]);
        assert!(svg.contains("A &lt; B") && !svg.contains("NaN") && !svg.contains("inf"));
        assert!(svg.contains("84.0,440.0") && svg.contains("610.0,72.0"), "{svg}");
        assert!(!chart(vec![]).contains("NaN"));
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (most, end, count) in [(1.0, 1.0, 6), (0.0031, 0.004, 5), (37.0, 40.0, 5)] {
            let axis = Axis::from_zero("", most);
            assert!((axis.to / end - 1.0).abs() < 1e-9, "{most}: {}", axis.to);
            assert_eq!(axis.ticks.len(), count, "{most}");
        }
    }
}
