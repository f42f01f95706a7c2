//! The report as one page that stands by itself: no script, nothing from elsewhere, one style whose
//! hash the page itself names as the only one allowed.

mod axis;
mod hidden;
mod markup;
mod plot;

use super::model::{Entry, PeerPart, Report, ReportStep, Time};
use super::recording::around;
use super::rows;
use super::words::{NOTHING_DONE, clock, listed, moment, range};
use axis::Axis;
use detector_api::time;
use markup::Markup;

const STYLE: &str = include_str!("style.css");
const HEAD: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">",
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '",
    include_str!("style.sha256"),
    "'; base-uri 'none'; form-action 'none'\">",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
    "<meta name=\"color-scheme\" content=\"light dark\">",
    "<meta name=\"referrer\" content=\"no-referrer\"><title>",
);
/// A span is drawn closer where it is less than this part of the whole.
const CLOSER: i64 = 4;
/// Rows of the list of incidents.
const INCIDENTS: usize = 200;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut markup = Markup::default();
    let hosts: Vec<_> = report.hosts.iter().map(|host| host.host.clone()).collect();
    let title = format!("Report on {}", listed(&hosts));
    markup
        .raw(HEAD)
        .text(&title)
        .raw("</title><style>")
        .raw(STYLE);
    markup
        .raw("</style></head><body><main>")
        .element("<h1>", &title, "</h1>");
    let when = range(report.span.from, report.span.until);
    markup.element("<p class=\"when\">", &when, "</p>");
    summary(&mut markup, report);
    timelines(&mut markup, report);
    incidents(&mut markup, report);
    entries(&mut markup, "What happened", &report.chronicle);
    peers(&mut markup, report);
    remedies(&mut markup, report);
    actions(&mut markup, report);
    unseen(&mut markup, report);
    steps(&mut markup, &report.steps);
    markup
        .raw("<footer>Made ")
        .text(&moment(report.made))
        .raw(" by detector ");
    markup
        .text(&report.version)
        .raw(". All times are UTC.</footer></main></body></html>\n");
    markup.finish()
}

fn summary(markup: &mut Markup, report: &Report) {
    markup.raw("<section class=\"summary\"><h2>In short</h2>");
    for sentence in &report.summary {
        markup.element("<p>", sentence, "</p>");
    }
    markup.raw(
        "</section><nav><a href=\"#timeline\">Timeline</a> <a href=\"#peers\">Peers</a> \
         <a href=\"#helped\">What would have helped</a> <a href=\"#unseen\">What could not be \
         seen</a> <a href=\"#do\">What to do now</a></nav>",
    );
}

fn timelines(markup: &mut Markup, report: &Report) {
    markup.raw("<section id=\"timeline\"><h2>Timeline</h2><ul class=\"hosts\">");
    for host in &report.hosts {
        markup.element("<li><b>", &host.host, "</b> ");
        markup.text(&rows::host_line(host)).raw("</li>");
    }
    markup.raw("</ul>");
    let whole = Axis {
        from: report.span.from,
        until: report.span.until,
    };
    plot::timeline(markup, report, whole);
    let incidents = report.incidents.iter();
    let worst =
        incidents.max_by_key(|each| (each.incident.severity, each.incident.peak_pinned_bytes));
    let span = worst.and_then(|worst| around(&worst.incident));
    let part = |(from, until): (Time, Time)| until.0.saturating_sub(from.0).saturating_mul(CLOSER);
    let length = whole.until.0.saturating_sub(whole.from.0);
    if let Some((from, until)) = span.filter(|span| part(*span) < length) {
        markup.raw("<h3>The worst incident, closer</h3>");
        plot::timeline(markup, report, Axis { from, until });
    }
    for host in &report.hosts {
        if let Some(held) = rows::held_line(host) {
            let line = format!("{}: {held}", host.host);
            markup.element("<p class=\"caption\">", &line, "</p>");
        }
    }
    for clock in &report.clocks {
        markup.element("<p class=\"caution\">", clock, "</p>");
    }
    markup.raw("</section>");
}

fn table<const N: usize>(
    markup: &mut Markup,
    headings: [&'static str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    markup.raw("<div class=\"scroll\"><table><thead><tr>");
    let headings = headings.map(|heading| heading.to_lowercase().replace("utc", "UTC"));
    for heading in &headings {
        markup.element("<th>", heading, "</th>");
    }
    markup.raw("</tr></thead><tbody>");
    for row in rows {
        markup.raw("<tr>");
        // A phone has no room for columns: each value stands beside its heading there.
        for (cell, heading) in row.iter().zip(&headings) {
            let is_number = cell.starts_with(|first: char| first.is_ascii_digit())
                && !cell.contains([':', '/', '-'])
                && cell.matches('.').count() < 2;
            let begin = if is_number {
                "<td class=\"n\" data-label=\""
            } else {
                "<td data-label=\""
            };
            markup.raw(begin).text(heading);
            markup.element("\">", cell, "</td>");
        }
        markup.raw("</tr>");
    }
    markup.raw("</tbody></table></div>");
}

fn incidents(markup: &mut Markup, report: &Report) {
    if report.incidents.is_empty() {
        return;
    }
    markup.raw("<section><h2>Incidents</h2>");
    let skipped = report.incidents.len().saturating_sub(INCIDENTS);
    let rows = report.incidents.iter().skip(skipped).map(rows::incident);
    table(markup, rows::INCIDENT_HEADINGS, rows);
    if skipped > 0 {
        markup.text(&format!(
            "{skipped} before these are left out; --json has all."
        ));
    }
    for each in report.worst_incidents() {
        markup.element("<h3>", &rows::weighed_heading(each), "</h3><ul>");
        for answer in &each.weighed {
            markup.element("<li>", &answer.line(), "</li>");
        }
        markup.raw("</ul>");
    }
    markup.raw("</section>");
}

fn entries(markup: &mut Markup, heading: &'static str, entries: &[Entry]) {
    if entries.is_empty() {
        return;
    }
    markup
        .raw("<section><h2>")
        .raw(heading)
        .raw("</h2><ol class=\"entries\">");
    let mut day = String::new();
    for entry in entries {
        let written = entry.time.rfc3339();
        let date = time::day(&written);
        if date != day {
            day = date.to_owned();
            markup.element("<li class=\"day\">", &day, "</li>");
        }
        markup
            .raw("<li><time datetime=\"")
            .text(&entry.time.rfc3339());
        markup.element("\">", &clock(entry.time), "</time> ");
        markup.element("<b>", &entry.host, "</b> ");
        markup.text(&entry.text).raw("</li>");
    }
    markup.raw("</ol></section>");
}

fn peers(markup: &mut Markup, report: &Report) {
    markup.raw("<section id=\"peers\"><h2>Peers that mattered</h2>");
    if report.peers.is_empty() {
        markup.raw("<p>None.</p>");
    }
    for peer in &report.peers {
        peer_part(markup, peer);
    }
    let rest = report.peers_total.saturating_sub(report.peers.len() as u64);
    if rest > 0 {
        markup.text(&format!("{rest} more took part and held less."));
    }
    markup.raw("</section>");
}

fn peer_part(markup: &mut Markup, peer: &PeerPart) {
    markup
        .raw("<article class=\"")
        .raw(peer.severity.label())
        .raw("\">");
    markup.element("<h3>", &peer.peer, "</h3>");
    markup.element("<p class=\"verdict\">", &rows::peer_title(peer), "</p>");
    markup.element(
        "<p>",
        detector_api::text::verdict_meaning(peer.verdict),
        "</p>",
    );
    if let Some(who) = rows::who(peer) {
        markup.element("<p>Network: ", &who, "</p>");
    }
    markup.raw("<ul>");
    for part in &peer.hosts {
        markup.element("<li><b>", &part.host, "</b> ");
        markup.text(&rows::on_host(part)).raw("</li>");
    }
    markup.raw("</ul>");
    for (heading, lines) in [
        ("Speaks for it", &peer.evidence_for),
        (
            "Speaks against it, or against worse",
            &peer.evidence_against,
        ),
        (
            "Harmless causes that are not ruled out",
            &peer.harmless_causes,
        ),
    ] {
        if !lines.is_empty() {
            markup.raw("<h4>").raw(heading).raw("</h4><ul>");
            for line in lines {
                markup.element("<li>", line, "</li>");
            }
            markup.raw("</ul>");
        }
    }
    let connections = peer.hosts.iter().flat_map(|part| &part.connections);
    let mut connections = connections.map(rows::connection).peekable();
    if connections.peek().is_some() {
        markup.element(
            "<details><summary>",
            &rows::connections_title(peer),
            "</summary>",
        );
        table(markup, rows::CONNECTION_HEADINGS, connections);
        markup.raw("</details>");
    }
    if !peer.windows.is_empty() {
        markup.raw("<div class=\"windows\">");
        for plot in &peer.windows {
            plot::window(markup, plot);
        }
        markup.raw("</div>");
    }
    markup.raw("</article>");
}

fn remedies(markup: &mut Markup, report: &Report) {
    markup.raw("<section id=\"helped\"><h2>What would have helped</h2>");
    if report.remedies.worst.is_empty() {
        markup.raw("<p>Nothing was held.</p></section>");
        return;
    }
    markup.element(
        "<p>",
        &rows::remedies_explained(&report.remedies, rows::ALL_HOLD),
        "</p>",
    );
    let rows = rows::remedies(&report.remedies).into_iter();
    table(markup, rows::REMEDY_HEADINGS, rows);
    markup.raw("<h3>What the record cannot decide</h3><ul>");
    for line in &report.remedies.undecided {
        markup.element("<li>", line, "</li>");
    }
    markup.raw("</ul></section>");
}

fn actions(markup: &mut Markup, report: &Report) {
    if report.actions.is_empty() {
        markup.raw("<section><h2>What the agent did</h2>");
        markup.element("<p>", NOTHING_DONE, "</p></section>");
    } else {
        entries(markup, "What the agent did", &report.actions);
    }
}

fn unseen(markup: &mut Markup, report: &Report) {
    markup.raw("<section id=\"unseen\"><h2>What could not be seen</h2>");
    if report.unseen.is_empty() {
        markup.raw("<p>Nothing is known to be missing.</p>");
    }
    markup.raw("<ul>");
    for line in &report.unseen {
        markup.element("<li>", line, "</li>");
    }
    markup.raw("</ul></section>");
}

fn steps(markup: &mut Markup, steps: &[ReportStep]) {
    markup.raw("<section id=\"do\"><h2>What to do now</h2><ol class=\"steps\">");
    for step in steps {
        markup.element("<li><p>", &step.what, "</p>");
        for setting in &step.settings {
            markup.element("<p class=\"note\">", &setting.note, ":</p>");
            markup.element("<pre>", &setting.lines.join("\n"), "</pre>");
        }
        markup.raw("</li>");
    }
    markup.raw("</ol></section>");
}

#[cfg(test)]
mod tests;
