//! Messages put together: the same stall probed again, the lines of one kill, repeats, order.

mod copies;
mod draft;
mod hosts;
mod kills;
mod order;
mod repeats;
mod stalls;

use crate::message::{LinkChange, Message};
use crate::report::{Count, LeftOut, LinkChanges, LogReport, LogTime, SynFlood};
use crate::wrapping::stamp::Stamps;
use copies::Copies;
use detector_api::sanitize;
use hosts::{HostOf, Hosts};
use kills::KillsOfHosts;
use order::Order;
use repeats::Repeats;
use stalls::Stalls;

/// Names, ports and interfaces that are kept of each kind.
const MOST_NAMES: usize = 256;
/// Where a message stood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// Number of its line.
    pub(crate) line: u64,
    pub(crate) stamps: Stamps,
    pub(crate) host: Option<String>,
    /// So many lines are this one.
    pub(crate) count: u64,
    /// The kernel's time or name stands before its text, or beside it.
    pub(crate) is_of_kernel: bool,
    /// How its text begins.
    pub(crate) text: String,
}

/// The first and the last of some times, in the order of the log.
#[derive(Clone, Debug, Default)]
struct Span {
    first: Option<Stamps>,
    last: Option<Stamps>,
}

impl Span {
    fn of(stamps: &Stamps) -> Self {
        let stamps = (*stamps != Stamps::default()).then(|| stamps.clone());
        Self {
            first: stamps.clone(),
            last: stamps,
        }
    }

    fn extend(&mut self, other: &Self) {
        if self.first.is_none() {
            self.first.clone_from(&other.first);
        }
        if other.last.is_some() {
            self.last.clone_from(&other.last);
        }
    }

    fn turned(self, is_backwards: bool) -> Self {
        if is_backwards {
            Self {
                first: self.last,
                last: self.first,
            }
        } else {
            self
        }
    }

    fn times(&self) -> (Option<LogTime>, Option<LogTime>) {
        let time = |stamps: &Option<Stamps>| {
            let (text, clock) = stamps.as_ref()?.text()?;
            Some(LogTime { text, clock })
        };
        (time(&self.first), time(&self.last))
    }
}

/// Where and when a line was written.
struct Place<'a> {
    host: HostOf<'a>,
    /// Boots before it in the log.
    boot: u64,
    span: &'a Span,
    /// Number of the line.
    line: u64,
}

#[derive(Default)]
pub(crate) struct Digest {
    stalls: Stalls,
    kills: KillsOfHosts,
    hosts: Hosts,
    report: LogReport,
    span: Span,
    repeats: Repeats,
    copies: Copies,
    /// In a log that runs backwards: the next line came so many times more.
    repeats_ahead: Option<(u64, Option<String>, Origin)>,
    order: Order,
    boot_id: Option<String>,
    /// The log has said something since the last mark of a boot.
    is_boot_known: bool,
}

impl Digest {
    /// How many of the next lines are wanted whatever they say.
    pub(crate) fn lines_wanted(&mut self) -> u32 {
        self.kills
            .lines_wanted()
            .max(u32::from(self.repeats_ahead.is_some()))
    }

    /// What was left out so far.
    pub(crate) const fn left_out(&mut self) -> &mut LeftOut {
        &mut self.report.left_out
    }

    /// Messages are known to be lost, not how many.
    pub(crate) const fn lines_are_lost(&mut self) {
        self.report.lines_are_lost = true;
    }

    /// Another boot begins where the id changes.
    pub(crate) fn boot(&mut self, id: String) {
        if self.boot_id.as_ref().is_some_and(|known| *known != id) {
            self.another_boot();
        }
        self.boot_id = Some(id);
    }

    /// A mark of another boot. Several stand together, and one at the head of most logs.
    fn another_boot(&mut self) {
        if std::mem::take(&mut self.is_boot_known) {
            self.report.boot_marks += 1;
            self.order.forget();
        }
    }

    pub(crate) fn take(&mut self, message: Message, origin: &Origin) {
        if message.may_name_program() && !origin.is_of_kernel {
            self.report.left_out.other_programs += 1;
            return;
        }
        if self.copies.has(&message, origin) {
            return;
        }
        if self.order.is_boot(origin) {
            self.another_boot();
        }
        self.order.compare(&origin.stamps);
        let mut count = origin.count;
        if let Message::Repeated(more, beginning) = message {
            self.repeated(more, beginning, origin);
            return;
        }
        if let Some((more, beginning, of)) = self.repeats_ahead.take() {
            let is_it = repeats::begins(&origin.text, beginning.as_deref());
            if of.line + 1 == origin.line && of.host == origin.host && is_it {
                count = count.saturating_add(more);
                self.span.extend(&Span::of(&of.stamps));
            } else {
                self.report.left_out.repeats_of_others += 1;
            }
        }
        if !matches!(message, Message::Boot) {
            self.is_boot_known = true;
            self.span.extend(&Span::of(&origin.stamps));
        }
        self.repeats.told(&message, origin);
        self.count(message, count, origin);
    }

    fn repeated(&mut self, more: u64, beginning: Option<String>, origin: &Origin) {
        self.report.repeats = self.report.repeats.saturating_add(more);
        if self.order.is_backwards() {
            self.repeats_ahead = Some((more, beginning, origin.clone()));
            return;
        }
        let last = self.repeats.before(origin.line, origin.host.as_deref());
        // One kill is one, however often it is written.
        let last = last.filter(|last| !matches!(last.message, Message::Oom(_)));
        let last = last.filter(|last| repeats::begins(&last.text, beginning.as_deref()));
        match last {
            Some(last) => {
                self.span.extend(&Span::of(&origin.stamps));
                let origin = Origin {
                    host: last.host,
                    ..origin.clone()
                };
                self.count(last.message, more, &origin);
            }
            None => self.report.left_out.repeats_of_others += 1,
        }
    }

    /// A line of a host; all of its lines are told until `None` comes.
    pub(crate) fn spoke(&mut self, host: Option<&str>, line: u64) {
        match host {
            Some(host) => self.repeats.spoke(host, line),
            None => self.repeats.forget_lines(),
        }
    }

    fn count(&mut self, message: Message, count: u64, origin: &Origin) {
        let report = &mut self.report;
        let place = Place {
            // Only of what is told with its host.
            host: match message {
                Message::Window(_) | Message::Oom(_) => self.hosts.of(origin.host.as_deref()),
                _ => HostOf::default(),
            },
            boot: report.boot_marks,
            span: &Span::of(&origin.stamps),
            line: origin.line,
        };
        let tcp = &mut report.tcp_memory;
        let add = |number: &mut u64| *number = number.saturating_add(count);
        match message {
            Message::Window(line) => self.stalls.take(&line, count, &place),
            Message::Oom(line) => self.kills.take(line, self.order.is_backwards(), &place),
            Message::TcpOutOfMemory => add(&mut tcp.out_of_memory),
            Message::OutOfSocketMemory => add(&mut tcp.out_of_socket_memory),
            Message::TooManyOrphans => add(&mut tcp.too_many_orphans),
            Message::MptcpClosed => add(&mut tcp.mptcp_closed),
            Message::SynFlood {
                address,
                port,
                is_dropping,
            } => {
                let address = address.map(|address| address.to_string());
                let floods = &mut report.syn_floods;
                let known = floods
                    .iter()
                    .position(|flood| flood.port == port && flood.address == address);
                let new = || SynFlood {
                    address,
                    port,
                    lines: 0,
                    is_dropping: false,
                };
                if let Some(flood) = entry(floods, known, new) {
                    add(&mut flood.lines);
                    flood.is_dropping |= is_dropping;
                }
            }
            Message::OpenRequestDropped(address) => {
                let dropped = &mut report.open_requests_dropped;
                add(&mut dropped.lines);
                let address = address.to_string();
                if dropped.addresses.len() < MOST_NAMES && !dropped.addresses.contains(&address) {
                    dropped.addresses.push(address);
                }
            }
            Message::AllocationFailure(task) => {
                named(&mut report.allocation_failures, &task, count)
            }
            Message::HungTask(task) => named(&mut report.hung_tasks, &task, count),
            Message::Link(interface, change) => {
                let links = &mut report.links;
                let known = links.iter().position(|link| link.interface == interface);
                let new = || LinkChanges {
                    interface,
                    down: 0,
                    up: 0,
                    resets: 0,
                };
                if let Some(link) = entry(links, known, new) {
                    add(match change {
                        LinkChange::Down => &mut link.down,
                        LinkChange::Up => &mut link.up,
                        LinkChange::Reset => &mut link.resets,
                    });
                }
            }
            Message::Suppressed(messages) => {
                report.suppressed = report
                    .suppressed
                    .saturating_add(messages.saturating_mul(count));
            }
            Message::Boot => self.another_boot(),
            Message::Repeated(..) => {}
        }
    }

    pub(crate) fn finish(mut self, lines: u64, bytes: u64) -> LogReport {
        let is_backwards = self.order.is_backwards_at_last(self.kills.direction());
        self.report.left_out.repeats_of_others += u64::from(self.repeats_ahead.is_some());
        let mut report = self.report;
        (report.lines, report.bytes) = (lines, bytes);
        report.runs_backwards = is_backwards;
        (report.first, report.last) = self.span.turned(is_backwards).times();
        (
            report.peers,
            report.window_lines,
            report.window_lines_not_listed,
        ) = self.stalls.finish(is_backwards);
        report.stalls = report
            .peers
            .iter()
            .map(|peer| peer.stalls.len() as u64)
            .sum();
        self.kills.finish(is_backwards, &mut report);
        report.hosts = self.hosts.finish();
        report.counts_are_lower_bounds =
            report.suppressed > 0 || report.repeats > 0 || report.lines_are_lost;
        report
    }
}

/// The one that is there, or a new one if there is room.
fn entry<T>(list: &mut Vec<T>, known: Option<usize>, new: impl FnOnce() -> T) -> Option<&mut T> {
    match known {
        Some(at) => list.get_mut(at),
        None if list.len() < MOST_NAMES => {
            list.push(new());
            list.last_mut()
        }
        None => None,
    }
}

fn named(list: &mut Vec<Count>, name: &str, count: u64) {
    let name = sanitize::text(name);
    let known = list.iter().position(|entry| entry.name == name);
    if let Some(entry) = entry(list, known, || Count { name, lines: 0 }) {
        entry.lines = entry.lines.saturating_add(count);
    }
}
