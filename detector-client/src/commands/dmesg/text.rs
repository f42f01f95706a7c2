//! What a kernel log says, for a person who has little time.

use super::phrases::{
    cgroup_lines, chosen_line, counted, lines, memory_line, process, span, stall_line, timeless,
    times, times_of,
};
use crate::terminal::{Capabilities, Tone};
use detector_api::units;
use detector_kmsg::{Count, Kill, LogReport, Peer, Scope};

/// Peers and kills that are shown; `--json` has more.
const SHOWN: usize = 50;
/// Stalls that are shown of one peer.
const SHOWN_STALLS: usize = 20;

struct Page<'a> {
    report: &'a LogReport,
    terminal: Capabilities,
    text: String,
}

/// The page.
pub(super) fn text(report: &LogReport, name: &str, terminal: Capabilities) -> String {
    let mut page = Page {
        report,
        terminal,
        text: String::new(),
    };
    page.head(name);
    page.peers();
    page.kills();
    page.memory();
    page.listeners();
    page.host();
    page.limits();
    page.text
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let heading = self.terminal.paint(Tone::Strong, heading);
        self.line("");
        self.line(&heading);
    }

    /// "at least " where counts are lower bounds.
    fn at_least(&self) -> &'static str {
        if self.report.counts_are_lower_bounds {
            "at least "
        } else {
            ""
        }
    }

    fn head(&mut self, name: &str) {
        let report = self.report;
        let found = report.window_lines > 0
            || !report.kills.is_empty()
            || report.invocations_without_victim > 0
            || report.tcp_memory != Default::default();
        self.line(&format!(
            "{name}: {}, {}",
            lines(report.lines),
            units::bytes(report.bytes)
        ));
        let times = match (&report.first, &report.last) {
            (Some(first), Some(last)) => format!("times of what follows: {}", span(first, last)),
            _ => "the log has no times".to_owned(),
        };
        self.line(&times);
        if report.hosts.len() > 1 {
            let hosts = report.hosts.join(", ");
            self.line(&format!("several hosts wrote what follows: {hosts}"));
        }
        if report.boot_marks > 0 {
            self.line(&format!(
                "another boot begins {}: seconds since boot before and after do not compare",
                times_of(report.boot_marks)
            ));
        }
        if report.suppressed > 0 {
            self.line(&format!(
                "the kernel says that it did not write {} more: all counts are lower bounds",
                counted(report.suppressed, "message")
            ));
        }
        if report.repeats > 0 {
            self.line(&format!(
                "{} came again without being shown, of these messages or of others: all counts are lower bounds",
                lines(report.repeats)
            ));
        }
        if report.lines_are_lost {
            self.line("messages are missing from the log: all counts are lower bounds");
        }
        if !found {
            self.line("no message about a closed window, an OOM kill or TCP's memory is in it");
        }
    }

    /// ` on web1`, where a log brings several hosts together.
    fn on(&self, host: Option<&String>) -> String {
        let host = host.filter(|_| self.report.hosts.len() > 1);
        host.map_or_else(String::new, |host| format!(" on {host}"))
    }

    fn peers(&mut self) {
        let report = self.report;
        if report.window_lines == 0 {
            return;
        }
        let at_least = self.at_least();
        self.heading(&format!(
            "Peers that held a window closed over data in flight: {at_least}{}, {}, {}",
            counted(report.peers.len() as u64, "peer"),
            counted(report.stalls, "stall"),
            lines(report.window_lines)
        ));
        for peer in report.peers.iter().take(SHOWN) {
            self.peer(peer);
        }
        let more = report.peers.len().saturating_sub(SHOWN);
        if more > 0 {
            self.line(&format!("  and {more} more peers; --json lists them"));
        }
        if report.window_lines_not_listed > 0 {
            self.line(&format!(
                "  and {} about stalls beyond the {} that are kept",
                lines(report.window_lines_not_listed),
                report.stalls
            ));
        }
    }

    fn peer(&mut self, peer: &Peer) {
        let network = if peer.network == peer.peer {
            String::new()
        } else {
            format!(" in {}", peer.network)
        };
        let name = self.terminal.paint(Tone::Caution, &peer.peer);
        let at_least = self.at_least();
        self.line(&format!(
            "  {name}{network}  {at_least}{}, {}{}",
            counted(peer.stalls.len() as u64, "stall"),
            lines(peer.lines),
            times(peer.first.as_ref(), peer.last.as_ref())
        ));
        for stall in peer.stalls.iter().take(SHOWN_STALLS) {
            let on = self.on(stall.host.as_ref());
            let timeless = timeless(self.report, stall);
            self.line(&format!("    {}{on}{timeless}", stall_line(stall)));
        }
        let more = peer.stalls.len().saturating_sub(SHOWN_STALLS);
        if more > 0 {
            self.line(&format!("    and {more} more stalls; --json lists them"));
        }
    }

    fn kills(&mut self) {
        let report = self.report;
        if report.kills.is_empty() && report.invocations_without_victim == 0 {
            return;
        }
        let total = report.kills.len() as u64 + report.kills_not_listed;
        self.heading(&format!("OOM kills: {total}"));
        for kill in report.kills.iter().take(SHOWN) {
            self.kill(kill);
        }
        let more = total.saturating_sub(SHOWN as u64);
        if more > 0 {
            self.line(&format!("  and {more} more; --json lists up to 4096"));
        }
        if report.invocations_without_victim > 0 {
            let more = if total > 0 { " more" } else { "" };
            self.line(&format!(
                "  the OOM killer was called {}{more}, and the log shows no victim",
                times_of(report.invocations_without_victim)
            ));
        }
        for chosen in report.chosen_without_kill.iter().take(SHOWN) {
            self.line(&format!("    {}", chosen_line(chosen)));
        }
    }

    fn kill(&mut self, kill: &Kill) {
        let mut about = Vec::new();
        if let Some(uid) = kill.uid {
            about.push(format!("user {uid}"));
        }
        about.push(match kill.scope {
            Scope::Host => "the host was out of memory".to_owned(),
            Scope::Cgroup => "its cgroup was at its limit".to_owned(),
            Scope::Unknown => "the log does not say which limit".to_owned(),
        });
        let victim = self
            .terminal
            .paint(Tone::Alarm, &process(kill.victim.pid, &kill.victim.name));
        self.line(&format!(
            "  killed {victim}{}  {}{}",
            self.on(kill.host.as_ref()),
            about.join(", "),
            times(kill.time.as_ref(), None)
        ));
        if let Some(chosen) = &kill.chosen {
            self.line(&format!(
                "    chosen was {}, killed was a child or another thread of it",
                process(chosen.pid, &chosen.name)
            ));
        }
        if let Some(by) = &kill.invoked_by {
            self.line(&format!(
                "    invoked by {}, whose allocation failed; that is no blame",
                process(kill.invoked_by_pid, by)
            ));
        }
        if let Some(memory) = memory_line(kill) {
            self.line(&format!("    {memory}"));
        }
        if let Some(adjustment) = kill.score_adjustment.filter(|adjustment| *adjustment > 0) {
            self.line(&format!(
                "    oom_score_adj {adjustment}: it is set to be killed before others"
            ));
        }
        if let Some(cgroup) = &kill.cgroup {
            self.line(&format!("    cgroup {cgroup}"));
        }
        if let Some(limited) = kill
            .limited_cgroup
            .as_ref()
            .filter(|limited| Some(*limited) != kill.cgroup.as_ref())
        {
            self.line(&format!("    the limit was that of {limited}"));
        }
        for line in cgroup_lines(kill) {
            self.line(&format!("    {line}"));
        }
    }

    fn memory(&mut self) {
        let memory = &self.report.tcp_memory;
        let rows = [
            (
                memory.out_of_memory,
                "\"TCP: out of memory\": above the third number of tcp_mem",
            ),
            (
                memory.out_of_socket_memory,
                "\"Out of socket memory\": too many orphans, or above tcp_mem; older kernels do not say which",
            ),
            (
                memory.too_many_orphans,
                "\"too many orphaned sockets\": above tcp_max_orphans, or TCP short of memory; such sockets were closed by our side while data was queued",
            ),
            (
                memory.mptcp_closed,
                "MPTCP connections closed for want of memory",
            ),
        ];
        if rows.iter().all(|(lines, _)| *lines == 0) {
            return;
        }
        let at_least = self.at_least();
        self.heading("Memory of TCP (these lines name no peer)");
        for (count, what) in rows.into_iter().filter(|(count, _)| *count > 0) {
            self.line(&format!("  {at_least}{}  {what}", lines(count)));
        }
    }

    fn listeners(&mut self) {
        let report = self.report;
        let dropped = &report.open_requests_dropped;
        if report.syn_floods.is_empty() && dropped.lines == 0 {
            return;
        }
        self.heading("Full listen queues (ports and addresses are ours; a flood, or just more clients than accept takes)");
        for flood in &report.syn_floods {
            let place = match &flood.address {
                Some(address) if address.contains(':') => format!("[{address}]:{}", flood.port),
                Some(address) => format!("{address}:{}", flood.port),
                None => format!("port {}", flood.port),
            };
            let action = if flood.is_dropping {
                "requests dropped"
            } else {
                "cookies sent"
            };
            self.line(&format!("  {place}  {}, {action}", lines(flood.lines)));
        }
        if dropped.lines > 0 {
            self.line(&format!(
                "  requests to connect dropped: {}, said to be from {}: no window matter",
                lines(dropped.lines),
                counted(dropped.addresses.len() as u64, "address")
            ));
        }
    }

    fn host(&mut self) {
        let report = self.report;
        if report.allocation_failures.is_empty()
            && report.hung_tasks.is_empty()
            && report.links.is_empty()
        {
            return;
        }
        self.heading("The host");
        let named = |counts: &[Count]| {
            let each: Vec<_> = counts
                .iter()
                .map(|count| format!("{} ({})", count.name, count.lines))
                .collect();
            each.join(", ")
        };
        if !report.allocation_failures.is_empty() {
            self.line(&format!(
                "  allocations failed: {}",
                named(&report.allocation_failures)
            ));
        }
        if !report.hung_tasks.is_empty() {
            self.line(&format!("  tasks hung: {}", named(&report.hung_tasks)));
        }
        for link in &report.links {
            self.line(&format!(
                "  {}: link down {}, up {}, hangs and resets {}",
                link.interface, link.down, link.up, link.resets
            ));
        }
    }

    fn limits(&mut self) {
        let left_out = &self.report.left_out;
        let rows = [
            (
                left_out.other_programs,
                "not written by the kernel: other programs, access logs, quotations",
            ),
            (
                left_out.impossible,
                "an address, port or range that no kernel prints",
            ),
            (left_out.without_local_port, "no port of ours"),
            (left_out.cut, "cut before whom they are about"),
            (
                left_out.repeats_of_others,
                "repeats of a line that is not of interest or not there",
            ),
        ];
        if rows.iter().any(|(count, _)| *count > 0) {
            self.heading("Left out");
            for (count, why) in rows.into_iter().filter(|(count, _)| *count > 0) {
                self.line(&format!("  {}: {why}", lines(count)));
            }
        }
        if self.report.window_lines > 0 || !self.report.kills.is_empty() {
            self.meaning();
        }
    }

    fn meaning(&mut self) {
        self.heading("What these lines prove, and what not");
        if self.report.window_lines > 0 {
            self.line(WINDOWS);
        }
        if !self.report.kills.is_empty() {
            self.line(KILLS);
        }
        self.line(AGENT);
    }
}

const WINDOWS: &str = "  \
  A peer's window was zero while we had data in flight, and the kernel sent the first byte again to probe\n  \
  it. X:Y is snd_una:snd_nxt: Y - X bytes (modulo 2^32) were in flight. It is not the old and the new\n  \
  window, and no measure of how much was taken back. The same X again is the same stall, probed again.\n  \
  Linux 2.3 to 2.6 also write X:W:Y, where W is the window that was left: data beyond it was in flight.\n  \
  They do not prove an attack: a slow or dead client, a middlebox and a broken stack write the same lines.\n  \
  They do not say how long it lasted (before 6.7), how much memory it held, or which process. From Linux\n  \
  3.x on they are debug messages that most hosts do not keep: that there are none proves nothing. Who\n  \
  opened a connection is told by its ports alone.";
const KILLS: &str = "  \
  A kill names its victim and, in newer kernels, the cgroup. The victim is the largest, not the guilty\n  \
  one, and who invoked the killer only asked at the wrong time. Memory of sockets belongs to no process\n  \
  and is shown for cgroups alone (from 5.3 on); for the host these lines never say how much TCP held.";
const AGENT: &str = "  \
  The agent would have seen each of these stalls as it began, with the bytes that it held, the process\n  \
  behind it, how long it lasted and which peers did the same: flags window-shrink (treason) and\n  \
  zero-window-stall, and an incident with who held what when the memory ran out.";

#[cfg(test)]
mod tests;
