//! The charts, as SVG. Their colours stand for those of the page, light or dark: its style sheet
//! replaces them.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::combinators::WithKeyPoints;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::heat_map::HeatMap;
use crate::report_table::{duration, number};
use crate::second::Second;

const SIZE: (u32, u32) = (960, 320);
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
/// Of the page's classes `one`, `two` and `three`.
pub(super) const ONE: RGBColor = RGBColor(0, 0, 17);
pub(super) const TWO: RGBColor = RGBColor(0, 0, 34);
pub(super) const THREE: RGBColor = RGBColor(0, 0, 51);
/// Shades of a cell of the heat map.
const SHADES: f64 = 8.0;
/// The percentile chart ends at 99.9999 %.
const MOST_NINES: f64 = 6.0;

/// A drawing, or an empty text where there is nothing to draw.
pub(super) type Drawing = Result<String, Box<dyn Error>>;

/// A distribution as pairs of a quantile and microseconds, and its colour.
pub(super) type Curve<'a> = (&'a [[f64; 2]], RGBColor);

/// Latency by percentile; each step to the right is a tenth of the rest.
pub(super) fn percentiles(curves: &[Curve<'_>]) -> Drawing {
    let nines = |quantile: f64| -(1.0 - quantile).log10();
    let points: Vec<Vec<(f64, f64)>> = curves
        .iter()
        .map(|(curve, _)| curve.iter().map(|[q, us]| (nines(*q), us.max(1.0))).collect())
        .collect();
    let all = points.iter().flatten();
    let right = all.clone().map(|(x, _)| *x).fold(1.0, f64::max).min(MOST_NINES);
    let Some(range) = spread(all.map(|(_, y)| *y)) else { return Ok(String::new()) };
    draw(|area| {
        let mut chart = frame(area).build_cartesian_2d(0.0..right, logarithmic(range))?;
        mesh(&mut chart, "share of deliveries", &share, &|us| duration(*us))?;
        for (points, (_, color)) in points.into_iter().zip(curves) {
            let visible = points.into_iter().filter(|(x, _)| *x <= right);
            chart.draw_series(LineSeries::new(visible, color.stroke_width(2)))?;
        }
        Ok(())
    })
}

/// A number of nines as a percentage: 3 is 99.9 %. Empty between them.
fn share(nines: &f64) -> String {
    let whole = nines.round();
    match whole as usize {
        _ if (nines - whole).abs() > 1e-6 => String::new(),
        0 => "0 %".into(),
        1 => "90 %".into(),
        2 => "99 %".into(),
        more => format!("99.{} %", "9".repeat(more - 2)),
    }
}

/// Latency over time: the darker, the more deliveries; the line is the p99 of each second.
pub(super) fn heat(map: &HeatMap, seconds: &[Second]) -> Drawing {
    let Some(range) = spread(map.microseconds.iter().copied()) else { return Ok(String::new()) };
    let width = match map.seconds[..] {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let end = map.seconds.last().map_or(1.0, |last| last + width);
    let most = map.counts.iter().flatten().copied().max().unwrap_or(1).max(1) as f64;
    // A row reaches half of its height up and down.
    let half = match map.microseconds[..] {
        [low, high, ..] => (high / low).sqrt(),
        _ => 1.1,
    };
    let cells = map.counts.iter().zip(&map.microseconds).flat_map(|(row, middle)| {
        let counts = row.iter().zip(&map.seconds).filter(|(count, _)| **count > 0);
        counts.map(move |(count, at)| {
            let share = (*count as f64).ln_1p() / most.ln_1p();
            let shade = (share * SHADES).ceil() / SHADES;
            let corners = [(*at, middle / half), (at + width, middle * half)];
            Rectangle::new(corners, ONE.mix(shade).filled())
        })
    });
    let p99 = seconds.iter().filter(|second| second.deliveries > 0);
    let p99 = p99.map(|second| (second.at + 0.5 * width.min(1.0), second.p99_us.max(1.0)));
    draw(|area| {
        let mut chart = frame(area).build_cartesian_2d(0.0..end, logarithmic(range))?;
        mesh(&mut chart, "seconds", &|x| format!("{x:.0}"), &|us| duration(*us))?;
        chart.draw_series(cells)?;
        chart.draw_series(LineSeries::new(p99, THREE.stroke_width(2)))?;
        Ok(())
    })
}

/// Deliveries by second, and those lost.
pub(super) fn throughput(seconds: &[Second]) -> Drawing {
    let most = seconds.iter().map(|second| second.deliveries.max(second.lost)).max().unwrap_or(0);
    if most == 0 {
        return Ok(String::new());
    }
    let width = match seconds {
        [first, second, ..] => second.at - first.at,
        _ => 1.0,
    };
    let end = seconds.last().map_or(1.0, |last| last.at + width);
    let bar = |at: f64, count: u64, style: ShapeStyle| {
        Rectangle::new([(at, 0.0), (at + width, count as f64 / width)], style)
    };
    let delivered = seconds.iter().map(|s| bar(s.at, s.deliveries, ONE.mix(0.4).filled()));
    let lost = seconds.iter().filter(|second| second.lost > 0);
    let lost = lost.map(|second| bar(second.at, second.lost, THREE.filled()));
    draw(|area| {
        let top = most as f64 / width * 1.05;
        let mut chart = frame(area).build_cartesian_2d(0.0..end, 0.0..top)?;
        mesh(&mut chart, "seconds", &|x| format!("{x:.0}"), &|rate| number(*rate))?;
        chart.draw_series(delivered)?;
        chart.draw_series(lost)?;
        Ok(())
    })
}

/// From a bit below the least to a bit above the most. `None` of nothing.
fn spread(values: impl Iterator<Item = f64> + Clone) -> Option<Range<f64>> {
    let (low, high) = (values.clone().fold(f64::MAX, f64::min), values.fold(0.0, f64::max));
    (high > 0.0).then(|| low / 1.2..high * 1.2)
}

/// An axis with labels at 1, 2 and 5 of each decade.
fn logarithmic(range: Range<f64>) -> WithKeyPoints<LogCoord<f64>> {
    let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let marks = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|mark| mark * 10_f64.powi(decade)));
    let marks = marks.filter(|mark| range.contains(mark)).collect();
    LogCoord::from(range.log_scale()).with_key_points(marks)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(paint: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>) -> Drawing {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    paint(&area)?;
    area.present().map_err(|error| error.to_string())?;
    drop(area);
    Ok(svg)
}

/// Room for the labels.
fn frame<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    chart.margin(8).margin_right(36).x_label_area_size(40).y_label_area_size(72);
    chart
}

type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

fn mesh<'b, X, Y>(
    chart: &mut Chart<'_, 'b, X, Y>,
    below: &str,
    x_label: &dyn Fn(&f64) -> String,
    y_label: &dyn Fn(&f64) -> String,
) -> Result<(), Box<dyn Error>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = ("sans-serif", 16).into_font().color(&INK);
    chart
        .configure_mesh()
        .x_desc(below)
        .x_label_formatter(x_label)
        .y_label_formatter(y_label)
        .x_labels(10)
        .y_labels(12)
        .axis_style(GRID)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(text.clone())
        .axis_desc_style(text)
        .draw()
        .map_err(|error| error.to_string())?;
    Ok(())
}
