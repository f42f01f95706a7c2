//! Plots: curves of hosts over time, and windows of connections.
//!
//! A plot is as wide as the page. Curves stretch with it, text and lines keep their size, so that a
//! phone can read it; nothing needs a style of its own.

use super::super::model::{HostPart, MarkKind, Report, Time, WindowPlot, WindowState};
use super::super::recording::time_of;
use super::super::series::{ALL, Series, highest};
use super::super::words::range;
use super::axis::Axis;
use super::hidden::Hidden;
use super::markup::Markup;
use detector_api::snapshot::Incident;
use detector_api::units;

/// Height of what curves are drawn in; its width is 1000.
const HEIGHT: f64 = 100.0;
/// Room below them, so that a line at the end is seen whole.
const ROOM: f64 = 4.0;
/// Room for the scale above the highest value.
const HEAD: f64 = 22.0;
/// Hosts that have a colour of their own.
const COLOURS: [&str; 6] = ["h0", "h1", "h2", "h3", "h4", "h5"];

fn colour(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()]
}

/// All hosts on one axis.
pub(super) fn timeline(markup: &mut Markup, report: &Report, axis: Axis) {
    markup.raw("<figure class=\"timeline\">");
    for series in &ALL {
        panel(markup, report, series, axis);
    }
    for (place, host) in report.hosts.iter().enumerate() {
        lane(markup, report, host, (place, axis));
    }
    axis.draw_labels(markup);
    markup
        .raw("<figcaption>")
        .text(&range(axis.from, axis.until));
    markup.raw(
        ". Shaded: an incident. Crossed out: nothing was seen. <b class=\"kill\">K</b> the kernel \
         killed a process, <b class=\"boot\">R</b> the host started, <b>A</b> the agent \
         started.</figcaption></figure>",
    );
}

fn panel(markup: &mut Markup, report: &Report, series: &Series, axis: Axis) {
    let points = report.hosts.iter().flat_map(|host| &host.timeline);
    let points = points.filter(|point| axis.contains(point.time));
    let Some(top) = highest(series, points) else {
        return;
    };
    let top = top.max(series.at_least);
    markup.raw("<div class=\"panel\"><p>");
    markup.element("<b>", series.label, "</b> ");
    markup.element("<small>", series.about, "</small>");
    for (place, host) in report.hosts.iter().enumerate() {
        let points = host
            .timeline
            .iter()
            .filter(|point| axis.contains(point.time));
        if let Some(most) = highest(series, points) {
            markup.raw(" <span class=\"").raw(colour(place)).raw("\">");
            markup
                .text(&host.host)
                .raw(": at most ")
                .text(&(series.shown)(most));
            markup.raw("</span>");
        }
    }
    markup
        .raw("</p><svg class=\"plot\" role=\"img\" aria-label=\"")
        .text(series.about);
    markup.raw("\">");
    shade(markup, report, axis);
    axis.draw_lines(markup);
    markup.raw("<svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\">");
    for (place, host) in report.hosts.iter().enumerate() {
        let points = host
            .timeline
            .iter()
            .filter(|point| axis.contains(point.time));
        let values = points.map(|point| (point.time, (series.value)(point)));
        let values: Vec<_> = values.collect();
        markup
            .raw("<path class=\"curve ")
            .raw(colour(place))
            .raw("\" d=\"");
        let hidden = Hidden::of(&host.gaps);
        curve(markup, &values, &hidden, axis, (0.0, top));
        markup.raw("\"/>");
    }
    markup.raw("</svg><text class=\"scale\" x=\"2\" y=\"11\">");
    markup.text(&(series.shown)(top)).raw("</text></svg></div>");
}

/// A path through the points; it breaks where nothing was seen, and where the clock was set back.
fn curve(
    markup: &mut Markup,
    values: &[(Time, Option<f64>)],
    hidden: &Hidden,
    axis: Axis,
    scale: (f64, f64),
) {
    let mut before: Option<Time> = None;
    for (at, value) in values {
        let Some(value) = value else {
            before = None;
            continue;
        };
        let is_joined =
            before.is_some_and(|before| before <= *at && !hidden.lies_between(before, *at));
        markup.raw(if is_joined { "L" } else { "M" });
        markup.number(axis.percent(*at) * 10.0).raw(" ");
        markup.number(height(*value, scale));
        if !is_joined {
            // A point by itself shows as a dot.
            markup.raw("h0.1");
        }
        before = Some(*at);
    }
}

/// How far from the top a value is drawn.
fn height(value: f64, (low, high): (f64, f64)) -> f64 {
    let share = (value - low) / (high - low).max(f64::MIN_POSITIVE);
    HEIGHT - ROOM - share.clamp(0.0, 1.0) * (HEIGHT - ROOM - HEAD)
}

/// Incidents of all hosts, behind the curves.
fn shade(markup: &mut Markup, report: &Report, axis: Axis) {
    for each in &report.incidents {
        if let Some(span) = span_of(&each.incident, axis) {
            bar(
                markup,
                "<rect class=\"incident\" y=\"0\" height=\"100%\"",
                axis,
                span,
            );
            markup.raw("/>");
        }
    }
}

/// From when to when an incident went on, if that is in sight.
fn span_of(incident: &Incident, axis: Axis) -> Option<(Time, Time)> {
    let began = time_of(&incident.began)?;
    let ended = incident.ended.as_deref().and_then(time_of);
    let ended = ended.unwrap_or(axis.until);
    (ended >= axis.from && began <= axis.until).then_some((began, ended))
}

/// The beginning of a rectangle over a span of time, however short.
fn bar(markup: &mut Markup, begin: &'static str, axis: Axis, (from, until): (Time, Time)) {
    let left = axis.percent(from).max(0.0);
    let right = axis.percent(until).min(100.0);
    markup.raw(begin).raw(" x=\"").number(left);
    markup
        .raw("%\" width=\"")
        .number((right - left).max(0.2))
        .raw("%\"");
}

/// What happened on one host.
fn lane(markup: &mut Markup, report: &Report, host: &HostPart, (place, axis): (usize, Axis)) {
    markup
        .raw("<div class=\"lane\"><p class=\"")
        .raw(colour(place))
        .raw("\">");
    markup
        .text(&host.host)
        .raw("</p><svg class=\"events\" role=\"img\" aria-label=\"events of ");
    markup.text(&host.host).raw("\">");
    axis.draw_lines(markup);
    for each in report
        .incidents
        .iter()
        .filter(|each| each.host == host.host)
    {
        if let Some(span) = span_of(&each.incident, axis) {
            bar(
                markup,
                "<rect class=\"held\" y=\"18\" height=\"8\"",
                axis,
                span,
            );
            markup
                .raw("><title>incident ")
                .text(&each.incident.id)
                .raw("</title></rect>");
        }
    }
    for gap in &host.gaps {
        if gap.until >= axis.from && gap.from <= axis.until {
            let span = (gap.from, gap.until);
            bar(
                markup,
                "<rect class=\"gap\" y=\"2\" height=\"24\"",
                axis,
                span,
            );
            markup
                .raw("><title>")
                .text(&gap.text)
                .raw("</title></rect>");
            cross(markup, axis, span);
        }
    }
    for mark in host.marks.iter().filter(|mark| axis.contains(mark.time)) {
        let begin = match mark.kind {
            MarkKind::OomKill => "<text class=\"kill\" y=\"13\" x=\"",
            MarkKind::Reboot => "<text class=\"boot\" y=\"13\" x=\"",
            MarkKind::AgentStart => "<text y=\"13\" x=\"",
        };
        markup
            .raw(begin)
            // Not cut off at the ends.
            .number(axis.percent(mark.time).clamp(2.0, 98.0))
            .raw("%\">");
        markup.raw(match mark.kind {
            MarkKind::OomKill => "K",
            MarkKind::Reboot => "R",
            MarkKind::AgentStart => "A",
        });
        markup
            .raw("<title>")
            .text(&mark.text)
            .raw("</title></text>");
    }
    markup.raw("</svg></div>");
}

fn cross(markup: &mut Markup, axis: Axis, (from, until): (Time, Time)) {
    let (left, right) = (axis.percent(from).max(0.0), axis.percent(until).min(100.0));
    for (begin, end) in [(left, right), (right, left)] {
        markup
            .raw("<line class=\"gap\" y1=\"2\" y2=\"26\" x1=\"")
            .number(begin);
        markup.raw("%\" x2=\"").number(end).raw("%\"/>");
    }
}

/// The beginning of a curve, and what it shows.
type Line = (&'static str, fn(&WindowState) -> i64);

/// How the window of a connection moved, and what waited.
pub(super) fn window(markup: &mut Markup, plot: &WindowPlot) {
    let times = plot.points.iter().map(|state| state.time);
    let (Some(from), Some(until)) = (times.clone().min(), times.max()) else {
        return;
    };
    let axis = Axis { from, until };
    markup.raw("<figure class=\"window\"><figcaption>");
    markup.text(&format!(
        "{} to {}, on {}",
        plot.local, plot.remote, plot.host
    ));
    markup.raw(
        "</figcaption><p><small>offsets in the data: <b class=\"acknowledged\">acknowledged</b>, \
         <b class=\"sent\">sent</b>, <b class=\"edge\">window's edge</b>, \
         <b class=\"highest\">its highest ever</b></small></p>",
    );
    let lines: [Line; 4] = [
        ("<path class=\"curve highest\" d=\"", |state| state.edge_max),
        ("<path class=\"curve edge\" d=\"", |state| state.edge),
        ("<path class=\"curve sent\" d=\"", |state| state.sent),
        ("<path class=\"curve acknowledged\" d=\"", |state| {
            state.acknowledged
        }),
    ];
    curves(markup, plot, axis, &lines);
    markup.raw("<p><small>data that waited for the peer</small></p>");
    let queue: [Line; 1] = [("<path class=\"curve queue\" d=\"", |state| {
        i64::try_from(state.queued_bytes).unwrap_or(i64::MAX)
    })];
    curves(markup, plot, axis, &queue);
    axis.draw_labels(markup);
    markup.raw("</figure>");
}

#[allow(clippy::cast_precision_loss, reason = "drawn with few digits")]
fn curves(markup: &mut Markup, plot: &WindowPlot, axis: Axis, lines: &[Line]) {
    let values = plot
        .points
        .iter()
        .flat_map(|state| lines.iter().map(|(_, of)| of(state)));
    let high = values.clone().max().unwrap_or(0).max(1);
    let low = values.min().unwrap_or(0).min(0);
    markup.raw("<svg class=\"plot\" role=\"img\" aria-label=\"window of a connection\">");
    axis.draw_lines(markup);
    markup.raw("<svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\">");
    for (begin, of) in lines {
        let values = plot.points.iter();
        let values: Vec<_> = values
            .map(|state| (state.time, Some(of(state) as f64)))
            .collect();
        markup.raw(begin);
        steps(markup, &values, axis, (low as f64, high as f64));
        markup.raw("\"/>");
    }
    markup.raw("</svg><text class=\"scale\" x=\"2\" y=\"11\">");
    let top = units::bytes(u64::try_from(high).unwrap_or(0));
    markup.text(&top).raw("</text></svg>");
}

/// A path that stays where it is until the next point: nothing is told of what lies between.
fn steps(markup: &mut Markup, values: &[(Time, Option<f64>)], axis: Axis, (low, high): (f64, f64)) {
    for (place, (at, value)) in values.iter().enumerate() {
        let y = height(value.unwrap_or(low), (low, high));
        markup.raw(if place == 0 { "M" } else { "H" });
        markup.number(axis.percent(*at) * 10.0);
        markup.raw(if place == 0 { " " } else { "V" }).number(y);
    }
}
