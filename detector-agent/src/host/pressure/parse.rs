//! Reads the small files of `/proc`; what is not as `proc(5)` says is `None`.

use detector_api::host::{ListenQueues, Load, Memory, Sockets, Stall};

/// The first numbers of a text.
pub(super) fn numbers<const COUNT: usize>(text: &str) -> Option<[u64; COUNT]> {
    let mut fields = text.split_ascii_whitespace();
    let mut numbers = [0; COUNT];
    for number in &mut numbers {
        *number = fields.next()?.parse().ok()?;
    }
    Some(numbers)
}

/// `/proc/loadavg`: `1.78 5.81 4.72 1/89 13683`.
pub(super) fn load(text: &str) -> Option<Load> {
    let mut fields = text.split_ascii_whitespace();
    let mut next = || decimal(fields.next()?);
    Some(Load {
        one: next()?,
        five: next()?,
        fifteen: next()?,
    })
}

/// A number as the kernel writes it: no sign, no exponent, no `inf`.
fn decimal(text: &str) -> Option<f64> {
    const MAX_BYTES: usize = 24;
    let is_plain = text.len() <= MAX_BYTES
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse().ok()).flatten()
}

/// `/proc/pressure/*`: `some avg10=3.11 avg60=5.59 avg300=25.38 total=4078294273`, then `full`.
pub(super) fn stall(text: &str) -> Option<Stall> {
    let line = |name: &str| {
        let mut fields = text
            .lines()
            .map(str::split_ascii_whitespace)
            .find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
        let percent = decimal(fields.next()?.strip_prefix("avg10=")?)?;
        (percent <= 100.0).then_some(percent)
    };
    Some(Stall {
        some_percent: line("some")?,
        full_percent: line("full"),
    })
}

/// `/proc/meminfo`: `MemTotal:       24684092 kB`.
pub(crate) fn memory(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes = line.strip_suffix("kB")?.trim().parse::<u64>().ok()?;
        kilobytes.checked_mul(1024)
    };
    Some(Memory {
        total_bytes: bytes("MemTotal:")?,
        available_bytes: bytes("MemAvailable:")?,
    })
}

/// `/proc/net/sockstat`: sockets, and pages of memory that TCP takes.
pub(super) fn sockets(text: &str) -> Option<(Sockets, u64)> {
    let of = |family: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(family))?;
        let mut fields = line.split_ascii_whitespace();
        while let Some(field) = fields.next() {
            let number = fields.next()?;
            if field == name {
                return number.parse::<u64>().ok();
            }
        }
        None
    };
    let sockets = Sockets {
        used: of("sockets:", "used")?,
        tcp_in_use: of("TCP:", "inuse")?,
        tcp_allocated: of("TCP:", "alloc")?,
        orphans: of("TCP:", "orphan")?,
        time_wait: of("TCP:", "tw")?,
        orphan_limit: None,
        aborted_on_memory: None,
    };
    Some((sockets, of("TCP:", "mem")?))
}

/// `/proc/net/netstat`: a line of names, then a line of numbers, both beginning `TcpExt:`. Listeners, and
/// connections closed for want of memory.
pub(super) fn tcp_extended(text: &str) -> Option<(Option<ListenQueues>, Option<u64>)> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let of = |wanted: &str| -> Option<u64> {
        let mut pairs = names
            .split_ascii_whitespace()
            .zip(numbers.split_ascii_whitespace());
        let (_, number) = pairs.find(|(name, _)| *name == wanted)?;
        number.parse().ok()
    };
    let queues = of("ListenOverflows").zip(of("ListenDrops"));
    let queues = queues.map(|(overflows, drops)| ListenQueues { overflows, drops });
    Some((queues, of("TCPAbortOnMemory")))
}

/// `/proc/vmstat`: `oom_kill 3`, from 4.13 on.
pub(super) fn oom_kills(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?
        .trim()
        .parse()
        .ok()
}
