//! Phrases about stalls, kills and times.

use detector_api::units;
use detector_kmsg::{Chosen, Clock, Direction, Kill, LogReport, LogTime, Scope, Stall};
use std::fmt::Write as _;

/// Seconds without a word from the peer from which on it is more likely gone than slow.
const SILENT_SECONDS: f64 = 30.0;
/// Seconds within which an answer shows that the peer is there.
const ALIVE_SECONDS: f64 = 2.0;
/// From here on the kernel's number for no limit begins.
const NO_LIMIT_BYTES: u64 = 1 << 60;
/// The part of a limit from which on nothing else can have taken more of it,
const MOST_OF_LIMIT: f64 = 0.5;
/// and below which it would have been reached all the same.
const LITTLE_OF_LIMIT: f64 = 0.05;
/// Seconds of probing from which on an answer says something.
const LONG_SECONDS: f64 = 5.0;

pub(super) fn stall_line(stall: &Stall) -> String {
    let Stall {
        remote_port,
        local_port,
        ..
    } = stall;
    let who = match stall.direction {
        Direction::Inbound => format!("port {remote_port}, a client of our port {local_port}"),
        Direction::Outbound => {
            format!("its port {remote_port}, to which we are the client from port {local_port}")
        }
        Direction::Unknown => {
            format!("its port {remote_port}, our port {local_port}, opened by either")
        }
    };
    let range = match (stall.snd_una, stall.snd_nxt, stall.in_flight_bytes) {
        (Some(una), Some(nxt), Some(bytes)) => format!("{bytes} B in flight ({una}:{nxt})"),
        (Some(una), ..) => format!("from byte {una} on, how much is cut off"),
        (None, ..) => "the range is cut off".to_owned(),
    };
    let mut line = format!("{who}: {range}, {}", lines(stall.lines));
    if let Some(window) = stall.window_bytes {
        let _ = write!(line, ", a window of {window} B left");
    }
    if let Some(lasted) = stall.lasted_seconds {
        let _ = write!(line, ", {} at the last line", units::seconds(lasted));
    }
    match (stall.lasted_seconds, stall.silent_seconds) {
        (Some(_), Some(silent)) if silent >= SILENT_SECONDS => {
            let _ = write!(
                line,
                ", nothing heard for {}: it or the path has vanished",
                units::seconds(silent)
            );
        }
        (Some(lasted), Some(silent)) if silent <= ALIVE_SECONDS && lasted >= LONG_SECONDS => {
            let _ = write!(
                line,
                ", heard {silent} s before: it is there and keeps its window closed"
            );
        }
        (_, Some(silent)) => {
            let _ = write!(line, ", last heard {silent} s before");
        }
        _ => {}
    }
    line + &times(stall.first.as_ref(), stall.last.as_ref())
}

/// What is said of a stall without a time in a log that has some.
pub(super) fn timeless(report: &LogReport, stall: &Stall) -> &'static str {
    match (&report.first, &stall.first) {
        (Some(_), None) => "; its lines have no time",
        _ => "",
    }
}

pub(super) fn memory_line(kill: &Kill) -> Option<String> {
    let memory = &kill.memory;
    let parts = [
        ("anonymous", memory.anonymous_bytes),
        ("file", memory.file_bytes),
        ("shared", memory.shared_bytes),
        ("address space", memory.total_vm_bytes),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter_map(|(name, bytes)| Some(format!("{name} {}", kib(bytes?))))
        .collect();
    (!parts.is_empty()).then(|| format!("it held: {}", parts.join(", ")))
}

fn in_use(usage: Option<u64>, limit: Option<u64>) -> Option<String> {
    let limit = match limit? {
        NO_LIMIT_BYTES.. => "no limit of its own".to_owned(),
        limit => format!("a limit of {}", kib(limit)),
    };
    Some(format!("in use {} of {limit}", kib(usage?)))
}

pub(super) fn cgroup_lines(kill: &Kill) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(in_use(kill.usage_bytes, kill.limit_bytes));
    let limit = kill
        .limit_bytes
        .filter(|limit| (1..NO_LIMIT_BYTES).contains(limit));
    #[allow(clippy::cast_precision_loss, reason = "a percentage is shown")]
    let part = |bytes: u64| Some(bytes as f64 / limit? as f64);
    let share = |bytes: u64| {
        let part = part(bytes).map(units::percent);
        part.map_or_else(String::new, |part| format!(" = {part} of the limit"))
    };
    if let Some(bytes) = kill.socket_bytes {
        let others = [
            ("anonymous", kill.cgroup_anonymous_bytes),
            ("files and shared", kill.cgroup_file_bytes),
        ];
        let mut line = format!("sockets {bytes} B{}", share(bytes));
        for (name, bytes) in others {
            if let Some(bytes) = bytes {
                let _ = write!(line, ", {name} {bytes} B{}", share(bytes));
            }
        }
        match part(bytes) {
            Some(MOST_OF_LIMIT..) => line.push_str(": killed for the memory of sockets"),
            Some(LITTLE_OF_LIMIT..) => line.push_str(": a part of what filled it"),
            Some(_) => line.push_str(": sockets were not what filled it"),
            None => {}
        }
        found.push(line);
        found.push("the log does not say which peer, nor whether sent or received".to_owned());
    } else if kill.scope == Scope::Cgroup {
        found.push("the log does not say how much of it was memory of sockets".to_owned());
    }
    found
}

/// Who was to be killed, and for want of what.
pub(super) fn chosen_line(chosen: &Chosen) -> String {
    let mut line = format!(
        "chosen, maybe killed: {}",
        process(chosen.pid, &chosen.name)
    );
    if let Some(cgroup) = &chosen.cgroup {
        let _ = write!(line, " in {cgroup}");
    }
    let limited = chosen.limited_cgroup.as_ref();
    if let Some(limited) = limited.filter(|limited| Some(*limited) != chosen.cgroup.as_ref()) {
        let _ = write!(line, ", the limit was that of {limited}");
    }
    if let Some(in_use) = in_use(chosen.usage_bytes, chosen.limit_bytes) {
        let _ = write!(line, ", {in_use}");
    }
    line
}

/// As the kernel writes it, and shorter.
pub(super) fn kib(bytes: u64) -> String {
    format!("{} kB ({})", bytes / 1024, units::bytes(bytes))
}

pub(super) fn process(pid: Option<u64>, name: &str) -> String {
    pid.map_or_else(|| name.to_owned(), |pid| format!("{name}[{pid}]"))
}

pub(super) fn times(first: Option<&LogTime>, last: Option<&LogTime>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!("; {}", span(first, last)),
        (Some(first), None) => format!("; {}", time(first)),
        _ => String::new(),
    }
}

pub(super) fn span(first: &LogTime, last: &LogTime) -> String {
    if first == last {
        return time(first);
    }
    if first.clock == Clock::Boot && last.clock == Clock::Boot {
        return format!("{} to {} s after boot", first.text, last.text);
    }
    format!("{} to {}", time(first), time(last))
}

pub(super) fn time(time: &LogTime) -> String {
    match time.clock {
        Clock::Utc => time.text.clone(),
        Clock::Local => format!("{} (as the log has it)", time.text),
        Clock::Boot => format!("{} s after boot", time.text),
    }
}

pub(super) fn lines(count: u64) -> String {
    counted(count, "line")
}

pub(super) fn counted(count: u64, what: &str) -> String {
    let plural = match what {
        _ if count == 1 => "",
        "address" => "es",
        _ => "s",
    };
    format!("{count} {what}{plural}")
}

pub(super) fn times_of(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control group of 640 MiB, and what its kinds of memory held.
    fn told(limit: u64, sockets: u64, anonymous: u64, file: u64) -> String {
        let kill = Kill {
            scope: Scope::Cgroup,
            usage_bytes: Some(655_360 << 10),
            limit_bytes: Some(limit),
            socket_bytes: Some(sockets),
            cgroup_anonymous_bytes: Some(anonymous),
            cgroup_file_bytes: Some(file),
            ..Kill::default()
        };
        cgroup_lines(&kill)[1].clone()
    }

    /// That a log has no times is said of it, not of each stall.
    #[test]
    fn a_stall_without_a_time_says_so_where_others_have_one() {
        let line = "TCP: Peer 198.51.100.7:50001/80 unexpectedly shrunk window 1:2 (repaired)";
        let told = |log: &str| {
            let mut reader = detector_kmsg::LogReader::new().unwrap();
            reader.feed(log.as_bytes());
            let report = reader.finish();
            let last = report.peers.last().unwrap().stalls.last().unwrap();
            timeless(&report, last)
        };
        assert_eq!(told(line), "");
        assert_eq!(told(&format!("[1.5] {line}")), "");
        let mixed = format!("[1.5] {line}\n{}", line.replace(".7:", ".8:"));
        assert_eq!(told(&mixed), "; its lines have no time");
    }

    /// Less than anonymous memory is not what counts: what filled the limit does.
    #[test]
    fn sockets_are_named_as_the_cause_by_their_part_of_the_limit_alone() {
        let limit = 655_360 << 10;
        let (sockets, anonymous) = (516_947_968, 140_000_000);
        assert_eq!(
            told(limit, sockets, anonymous, 4096),
            "sockets 516947968 B = 77 % of the limit, anonymous 140000000 B = 21 % of the limit, files and \
             shared 4096 B = 0.0 % of the limit: killed for the memory of sockets"
        );
        // A store in tmpfs: next to nothing is anonymous, and still less is of sockets.
        let in_files = told(limit, 2 << 20, 512 << 10, 634 << 20);
        assert!(
            in_files.ends_with("99 % of the limit: sockets were not what filled it"),
            "{in_files}"
        );
        let in_part = told(limit, 200 << 20, 100 << 20, 330 << 20);
        assert!(in_part.ends_with(": a part of what filled it"), "{in_part}");
        let without_limit = told(u64::MAX, sockets, anonymous, 4096);
        assert_eq!(
            without_limit,
            "sockets 516947968 B, anonymous 140000000 B, files and shared 4096 B"
        );
    }
}
