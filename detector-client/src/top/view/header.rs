//! Facts of the host, in as many lines as the terminal has to spare.

use super::plot::spark;
use super::text::{Part, draw_parts, grouped, take_line};
use super::theme;
use crate::top::state::{Facts, Link, Mark, State};
use detector_api::tcp_memory::MemoryHolder;
use detector_api::{time, units};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use std::cmp::Reverse;

/// Lines of the header where there is room.
pub(super) const LINES: u16 = 5;
/// Terminals with fewer lines get the short header.
const TALL: u16 = 20;
/// Cells of a history line: as long as there is room for two of them in one line beside its numbers, which take so many.
const SPARK: (u16, u16) = (10, 40);
const NUMBERS: u16 = 92;
/// Share of what TCP may use from which on it deserves a look, and must not be overlooked: the
/// kernel begins to push back at about two thirds.
const TCP_MEMORY_CAUTION: f64 = 0.5;
const TCP_MEMORY_ALARM: f64 = 0.8;

/// Draws the header into the first lines of `area`, which loses them.
pub(super) fn draw(buffer: &mut Buffer, area: &mut Rect, state: &State) {
    let room = area.width.saturating_sub(NUMBERS) / 2;
    let spark_width = usize::from(room.clamp(SPARK.0, SPARK.1));
    let is_tall = area.height >= TALL;
    let (left, right) = title(state);
    draw_parts(buffer, take_line(area), left, right);
    let facts = &state.facts;
    if is_tall {
        draw_parts(buffer, take_line(area), host(facts), Vec::new());
    }
    let memory = tcp_memory(state, spark_width);
    draw_parts(buffer, take_line(area), memory, lost(facts));
    let held = held(state, spark_width);
    let mut right = given_up(facts);
    right.extend(agent(facts));
    draw_parts(buffer, take_line(area), held, right);
    if is_tall {
        draw_parts(buffer, take_line(area), holders(facts), Vec::new());
    }
}

/// Who holds TCP's memory, the largest first; of the present nothing while there is enough of it.
fn holders(facts: &Facts) -> Vec<Part> {
    let Some(held) = facts.tcp_memory_held else {
        return Vec::new();
    };
    let mut holders = MemoryHolder::ALL.map(|holder| (held.of(holder), holder));
    holders.sort_by_key(|(bytes, _)| Reverse(*bytes));
    let mut parts = vec![if facts.is_tcp_memory_short {
        Part::new(0, "short of tcp memory:", theme::alarm())
    } else {
        Part::new(0, "of tcp memory:", theme::quiet())
    }];
    for ((bytes, holder), priority) in holders.into_iter().zip(1..) {
        if bytes > 0 {
            let name = match holder {
                MemoryHolder::StalledSend => "stalled",
                MemoryHolder::Send => "to send",
                MemoryHolder::Receive => "not read by us",
                MemoryHolder::Orphans => "orphans",
                MemoryHolder::Unlisted => "in no list",
            };
            parts.push(Part::labelled(priority, name, units::bytes(bytes)));
        }
    }
    parts
}

fn title(state: &State) -> (Vec<Part>, Vec<Part>) {
    let facts = &state.facts;
    let mut left = vec![
        Part::new(0, "detector top", theme::heading()),
        Part::new(3, facts.host.clone(), Style::new()),
        Part::new(6, facts.kernel.clone(), theme::quiet()),
    ];
    if let Some(why) = state
        .own_agent
        .as_ref()
        .filter(|_| state.past.shown.is_none())
    {
        left.push(Part::new(1, why.clone(), theme::caution()));
    } else if !facts.agent_version.is_empty() {
        let uptime = units::seconds(facts.uptime_seconds);
        let agent = format!("agent {} up {uptime}", facts.agent_version);
        left.push(Part::new(5, agent, theme::quiet()));
    }
    if let Some(began) = &facts.incident_began {
        let text = format!("incident since {}", minute(time::clock(began)));
        let rank = u8::from(state.past.shown.is_some());
        left.insert(1, Part::new(rank, text, theme::alarm()));
    }
    if let Some(mark) = &state.past.shown {
        left.insert(1, Part::new(0, second(mark), theme::caution()));
        return (left, vec![Part::new(4, "nothing is live", theme::quiet())]);
    }
    let mut right = Vec::new();
    if state.refresh.is_paused {
        right.push(Part::new(0, "PAUSED", theme::alarm()));
    } else {
        let interval = format!("every {}", interval(state.refresh.interval_seconds));
        right.push(Part::new(7, interval, theme::quiet()));
    }
    if state.link != Link::Waiting {
        let time = format!("{} UTC", time_of_day(state.taken.unix_ns));
        right.push(Part::new(2, time, Style::new()));
    }
    (left, right)
}

/// `PAST 2026-12-29 21:04:05 UTC`
fn second(mark: &Mark) -> String {
    let time = time::rfc3339(mark.unix_ns);
    let mut text = format!("PAST {}", time::moment(&time));
    if mark.span_seconds > 1 {
        text += &format!(", for {} s", mark.span_seconds);
    }
    text
}

/// `21:04` of `21:04:05`
fn minute(clock: &str) -> &str {
    clock.rsplit_once(':').map_or(clock, |(minute, _)| minute)
}

/// `1 s`, `0.5 s`: as short as it can be said.
fn interval(seconds: f64) -> String {
    format!("{seconds} s")
}

/// `21:04:05`
pub(super) fn time_of_day(unix_ns: i128) -> String {
    time::clock(&time::rfc3339(unix_ns)).to_owned()
}

fn host(facts: &Facts) -> Vec<Part> {
    let mut parts = Vec::new();
    if !facts.load.is_empty() {
        let load: Vec<_> = facts.load.iter().map(|load| format!("{load:.2}")).collect();
        parts.push(Part::labelled(1, "load", load.join(" ")));
    }
    if facts.pressure_percent.iter().any(Option::is_some) {
        let [cpu, memory, disk] = facts.pressure_percent.map(|percent| match percent {
            Some(percent) => format!("{percent:.0}"),
            None => "-".to_owned(),
        });
        let text = format!("cpu {cpu} mem {memory} disk {disk} %");
        parts.push(Part::labelled(3, "waiting", text));
    }
    if let Some((used, all)) = facts.memory_bytes {
        let memory = format!("{} of {}", units::bytes(used), units::bytes(all));
        parts.push(Part::labelled(2, "memory", memory));
    }
    parts
}

fn agent(facts: &Facts) -> Vec<Part> {
    let mut text = Vec::new();
    text.extend(facts.agent_cpu_share.map(units::percent));
    text.extend(facts.agent_memory_bytes.map(units::bytes));
    if text.is_empty() {
        return Vec::new();
    }
    vec![Part::labelled(2, "own cost", text.join(" "))]
}

fn lost(facts: &Facts) -> Vec<Part> {
    if facts.records_lost == 0 {
        return Vec::new();
    }
    let noun = if facts.records_lost == 1 {
        "record"
    } else {
        "records"
    };
    let lost = format!("{} {noun} lost", grouped(facts.records_lost));
    vec![Part::new(1, lost, theme::caution())]
}

fn given_up(facts: &Facts) -> Vec<Part> {
    if facts.given_up.is_empty() {
        return Vec::new();
    }
    let given_up: Vec<_> = facts.given_up.iter().map(|each| each.label()).collect();
    let text = format!("gives up {}", given_up.join(" "));
    vec![Part::new(1, text, theme::caution())]
}

#[allow(clippy::cast_precision_loss, reason = "a percentage is shown")]
fn tcp_memory(state: &State, spark_width: usize) -> Vec<Part> {
    let facts = &state.facts;
    let mut parts = Vec::new();
    if let Some((used, limit)) = facts.tcp_memory_bytes {
        let share = used as f64 / limit.max(1) as f64;
        let style = if share >= TCP_MEMORY_ALARM {
            theme::alarm()
        } else if share >= TCP_MEMORY_CAUTION {
            theme::caution()
        } else {
            Style::new()
        };
        let text = format!("{} of {} ", units::bytes(used), units::bytes(limit));
        let history = spark(
            state.shown_history().tcp_memory_share.iter(),
            spark_width,
            1.0,
        );
        parts.push(
            Part::labelled(1, "tcp memory", text)
                .and(units::percent(share), style)
                .and(format!(" {history}"), theme::line()),
        );
    }
    if let Some(orphans) = facts.orphans {
        parts.push(Part::labelled(4, "orphans", grouped(orphans)));
    }
    parts
}

fn held(state: &State, spark_width: usize) -> Vec<Part> {
    let facts = &state.facts;
    let mut parts = Vec::new();
    if let Some(stalled) = facts.stalled_connections {
        let style = if stalled > 0 {
            theme::heading()
        } else {
            Style::new()
        };
        let history = spark(state.shown_history().stalled.iter(), spark_width, 1.0);
        parts.push(
            Part::new(0, "stalled ", theme::quiet())
                .and(grouped(stalled), style)
                .and(format!(" {history}"), theme::line()),
        );
    }
    if let Some(pinned) = facts.pinned_bytes {
        let history = spark(state.shown_history().pinned.iter(), spark_width, 1.0);
        parts.push(
            Part::new(1, "pinned ", theme::quiet())
                .and(units::bytes(pinned), theme::heading())
                .and(format!(" {history}"), theme::line()),
        );
    }
    let counts = [(facts.peers, "peers"), (facts.connections, "connections")];
    let counts = counts
        .into_iter()
        .filter_map(|(count, what)| Some(format!("{} {what}", grouped(count?))));
    let counts: Vec<_> = counts.collect();
    if !counts.is_empty() {
        parts.push(Part::labelled(3, "tracked", counts.join(", ")));
    }
    parts
}
