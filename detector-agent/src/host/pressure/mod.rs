//! How loaded the host is: load, pressure stalls, memory, TCP's share of it, interface
//! errors; and what the agent itself takes.
//!
//! In: small files of `/proc`, kept open, each read once a sample and bounded. Out: a [`Pressure`], and what interfaces
//! counted since the last sample. What a kernel does not have, or what makes no sense, is `None`;
//! nothing here fails as a whole.

mod interfaces;
pub(crate) mod parse;

use super::folder::{Folder, KeptFiles};
use crate::clock;
use crate::lock::lock;
use detector_api::host::{
    InterfaceReport, ListenQueues, Load, Memory, OwnCost, Sockets, Stall, Stalls, TcpMemory,
};
use detector_api::snapshot::HostPressure;
use detector_api::snapshot::InterfaceCounts;
use interfaces::Interfaces;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Most of these files are far below; `net/dev` has about 120 bytes for each interface.
const FILE_BYTES_MAX: usize = 256 << 10;
/// How old a sample may be that is shown again.
const FRESH: Duration = Duration::from_millis(900);

/// One sample of the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pressure {
    pub(crate) load: Option<Load>,
    pub(crate) stalls: Stalls,
    pub(crate) memory: Option<Memory>,
    pub(crate) tcp_memory: Option<TcpMemory>,
    pub(crate) sockets: Option<Sockets>,
    pub(crate) interfaces: Option<InterfaceReport>,
    pub(crate) listen_queues: Option<ListenQueues>,
    pub(crate) oom_kills: Option<u64>,
    pub(crate) own: OwnCost,
}

impl Pressure {
    /// What an incident records of the host.
    pub(crate) fn for_incidents(&self) -> HostPressure {
        let some = |stall: Option<Stall>| stall.map(|stall| stall.some_percent);
        HostPressure {
            tcp_memory_bytes: self.tcp_memory.map(|memory| memory.used_bytes),
            tcp_memory_pressure_bytes: self.tcp_memory.map(|memory| memory.pressure_bytes),
            tcp_memory_limit_bytes: self.tcp_memory.map(|memory| memory.limit_bytes),
            memory_available_bytes: self.memory.map(|memory| memory.available_bytes),
            memory_total_bytes: self.memory.map(|memory| memory.total_bytes),
            load_one: self.load.map(|load| load.one),
            cpu_some_percent: some(self.stalls.cpu),
            memory_some_percent: some(self.stalls.memory),
            memory_full_percent: self.stalls.memory.and_then(|stall| stall.full_percent),
            io_some_percent: some(self.stalls.io),
            held_workers: None,
            orphans: self.sockets.map(|sockets| sockets.orphans),
            orphan_limit: self.sockets.and_then(|sockets| sockets.orphan_limit),
        }
    }
}

/// Samples the host, and remembers what differences need.
#[derive(Debug, Default)]
pub(crate) struct PressureGauge(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: Option<(Instant, Pressure)>,
    files: KeptFiles,
    interfaces: Interfaces,
    /// Processor time that the process had used, and when.
    used: Option<(Instant, Duration)>,
}

impl PressureGauge {
    /// A look that is at most about a second old. Reads files: not for the event loop.
    pub(crate) fn sample(&self) -> Pressure {
        let mut inner = self.lock();
        let now = Instant::now();
        match &inner.last {
            Some((at, pressure)) if now.saturating_duration_since(*at) < FRESH => pressure.clone(),
            _ => {
                let pressure = inner.sample(Path::new("/proc"), now);
                inner.last = Some((now, pressure.clone()));
                pressure
            }
        }
    }

    /// The last sample, however old.
    pub(crate) fn last(&self) -> Option<Pressure> {
        let inner = self.lock();
        inner.last.as_ref().map(|(_, pressure)| pressure.clone())
    }

    /// What interfaces counted since this was asked last.
    pub(crate) fn take_interface_errors(&self) -> InterfaceCounts {
        self.lock().interfaces.take()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }
}

impl Inner {
    fn sample(&mut self, folder: &Path, now: Instant) -> Pressure {
        let mut files = std::mem::take(&mut self.files);
        let pressure = self.sample_from(&mut files, folder, now);
        self.files = files;
        pressure
    }

    fn sample_from(&mut self, files: &mut KeptFiles, folder: &Path, now: Instant) -> Pressure {
        macro_rules! parse {
            ($name:literal, $parse:expr) => {
                files.parse(folder, $name, FILE_BYTES_MAX, $parse)
            };
        }
        let sockets = parse!("net/sockstat", parse::sockets);
        let orphan_limit = parse!("sys/net/ipv4/tcp_max_orphans", parse::numbers::<1>);
        let (listen_queues, aborted_on_memory) =
            parse!("net/netstat", parse::tcp_extended).unwrap_or_default();
        let tcp_limits = parse!("sys/net/ipv4/tcp_mem", parse::numbers);
        let page_bytes = rustix::param::page_size() as u64;
        Pressure {
            load: parse!("loadavg", parse::load),
            stalls: Stalls {
                cpu: parse!("pressure/cpu", parse::stall),
                memory: parse!("pressure/memory", parse::stall),
                io: parse!("pressure/io", parse::stall),
            },
            memory: parse!("meminfo", parse::memory),
            tcp_memory: sockets.zip(tcp_limits).map(|((_, pages), limits)| {
                let [_, pressure, limit] = limits;
                TcpMemory {
                    used_bytes: pages.saturating_mul(page_bytes),
                    pressure_bytes: pressure.saturating_mul(page_bytes),
                    limit_bytes: limit.saturating_mul(page_bytes),
                }
            }),
            sockets: sockets.map(|(sockets, _)| Sockets {
                orphan_limit: orphan_limit.map(|[limit]| limit),
                aborted_on_memory,
                ..sockets
            }),
            interfaces: parse!("net/dev", |text| Some(self.interfaces.update(text, now))),
            listen_queues,
            oom_kills: parse!("vmstat", parse::oom_kills),
            own: OwnCost {
                cpu_share: self.cpu_share(now),
                resident_bytes: parse!("self/statm", parse::numbers::<2>)
                    .map(|[_, resident]| resident.saturating_mul(page_bytes)),
            },
        }
    }

    /// Of one core, since the last sample; `None` at the first.
    fn cpu_share(&mut self, now: Instant) -> Option<f64> {
        let used = clock::process_time();
        let (before, used_before) = self.used.replace((now, used))?;
        let passed = now.saturating_duration_since(before).as_secs_f64();
        (passed > 0.0).then(|| used.saturating_sub(used_before).as_secs_f64() / passed)
    }
}

/// Kills for want of memory that the kernel counts on the whole host at this very moment.
pub(crate) fn oom_kills_now(proc: &Path) -> Option<u64> {
    let text = Folder::open(proc).ok()?.text("vmstat", FILE_BYTES_MAX);
    parse::oom_kills(&text?)
}

/// What the kernel counts for TCP at this very moment, in all namespaces.
pub(crate) fn tcp_memory_now() -> io::Result<u64> {
    let text = Folder::open(Path::new("/proc"))?.text("net/sockstat", FILE_BYTES_MAX);
    let counted = text.and_then(|text| parse::sockets(&text));
    let (_, pages) = counted.ok_or_else(|| io::Error::other("no TCP in /proc/net/sockstat"))?;
    Ok(pages.saturating_mul(rustix::param::page_size() as u64))
}

#[cfg(test)]
mod tests;
