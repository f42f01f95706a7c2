//! The kernel side: check, load, attach, read the ring, sweep, count. The only place that imports
//! aya.
//!
//! In: settings. Out: batches of [`Message`]s through bounded channels, and a
//! [`KernelStatus`] when asked. Never: judging, HTTP.

pub mod bench;
mod btf_file;
mod cast;
pub mod check;
mod collect;
mod counters;
mod failure;
mod features;
mod history;
mod hooks;
mod memlock;
mod message;
mod object;
mod release;
mod requirement;
mod ring;
mod shared;
mod status;
mod surroundings;
mod sweep;
mod types;
mod victims;

pub(crate) use failure::StartError;
pub(crate) use message::{Message, Messages, Sinks, messages};
pub(crate) use release::kernel_release;
pub(crate) use status::KernelStatus;
pub(crate) use sweep::SweepOptions;
pub(crate) use victims::{Heard, Victim, Victims};

use crate::privilege::outside;
use aya::Ebpf;
use aya::maps::{Map, MapData, MapError, RingBuf};
use aya_log::EbpfLogger;
use detector_common::names;
use detector_common::settings::KernelSettings;
use detector_core::observe::decode::Decoder;
use failure::failed;
pub(crate) use history::History;
use object::LoadOptions;
use shared::{Shared, StopSignal};
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use sweep::{Notes, Sweeper};
use tokio::sync::mpsc;

/// How to load the kernel side.
#[derive(Clone, Debug)]
pub(crate) struct KernelOptions {
    /// Rate bound and log level of the programs.
    pub(crate) settings: KernelSettings,
    /// Size of the ring buffer, a power of two.
    pub(crate) ring_bytes: u32,
    /// Most connections with kernel state.
    pub(crate) connections_capacity: u32,
    /// IPv6 prefix length that makes a peer.
    pub(crate) ipv6_prefix: u8,
    /// 0 lets the verifier drop every kernel-side log line; 1 to 5 is error to trace.
    pub(crate) log_level: u8,
    /// How to sweep.
    pub(crate) sweep: SweepOptions,
}

/// The running kernel side.
pub(crate) struct Kernel {
    shared: Arc<Shared>,
    stop: Arc<StopSignal>,
    history: Arc<History>,
    victims: Option<Victims>,
    threads: Vec<JoinHandle<()>>,
}

/// Loads and attaches; messages flow into `sinks` from then on. The host has been checked: see
/// [`check::refuse_unfit_host`]. `attached` is called between: before any thread is started and
/// anything is read.
///
/// # Errors
///
/// Says whether the kernel, the privilege or something else stands in the way, and what to do.
pub(crate) fn start(
    options: &KernelOptions,
    sinks: Sinks,
    attached: impl FnOnce(),
) -> Result<Kernel, StartError> {
    memlock::raise();
    let object::Loaded {
        mut ebpf,
        has_victims,
    } = object::load(&LoadOptions {
        settings: options.settings,
        ring_bytes: options.ring_bytes,
        connections_capacity: options.connections_capacity,
        log_level: options.log_level,
    })?;
    let stop = Arc::new(StopSignal::new().map_err(|error| failed("making an eventfd", &error))?);
    let shared = Arc::new(Shared::default());
    shared.update(|status| status.attach_probes(has_victims));
    let decoder = Decoder::new(options.ipv6_prefix);
    let history = Arc::new(History::of(&mut ebpf, options.settings.seed)?);
    let victims = take_map(&mut ebpf, names::VICTIMS_MAP)?;
    let ring: RingBuf<MapData> = take_map(&mut ebpf, names::RECORDS_MAP)?;
    let logger = (options.log_level > 0)
        .then(|| EbpfLogger::init(&mut ebpf))
        .transpose();
    let logger = logger.map_err(|error| failed("opening the kernel-side log", &error))?;
    let sweeper = Sweeper {
        notes: Notes::of(&mut ebpf)?,
        counters: take_map(&mut ebpf, names::COUNTERS_MAP)?,
        connections: take_map(&mut ebpf, names::CONNECTIONS_MAP)?,
        ebpf,
        logger,
        connections_capacity: options.connections_capacity,
        decoder,
        options: options.sweep,
        shared: Arc::clone(&shared),
        stop: Arc::clone(&stop),
        sink: sinks.sweep.clone(),
    };
    let mut kernel = Kernel {
        shared: Arc::clone(&shared),
        stop: Arc::clone(&stop),
        history,
        victims: has_victims.then(|| Victims::new(victims, Arc::clone(&stop))),
        threads: vec![],
    };
    attached();
    let records_sink = sinks.hooks.clone();
    let records = kernel.guarded("records", sinks.hooks, move || {
        ring::read(ring, decoder, &shared, &stop, &records_sink)
    });
    let thread = Builder::new().name("detector-records".to_owned());
    kernel.keep("records", thread.spawn(records))?;
    let sweep = kernel.guarded("sweep", sinks.sweep, move || sweeper.run());
    // It enters network namespaces of others.
    kernel.keep("sweep", outside::spawn("detector-sweep", sweep))?;
    Ok(kernel)
}

/// Reports a thread that ends although nobody asked it to: without it the agent would be blind and
/// look ready.
struct EndGuard {
    name: &'static str,
    shared: Arc<Shared>,
    stop: Arc<StopSignal>,
    sink: mpsc::Sender<Message>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if self.stop.is_set() {
            return;
        }
        self.shared.update(KernelStatus::detach_all);
        let reason = format!("the {} thread of the kernel side ended", self.name);
        if self.sink.blocking_send(Message::Failed(reason)).is_err() {
            tracing::debug!("the agent has stopped listening to the kernel side");
        }
    }
}

fn take_map<M>(ebpf: &mut Ebpf, name: &str) -> Result<M, StartError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let map = ebpf
        .take_map(name)
        .ok_or_else(|| StartError::failed(format!("the eBPF object has no map {name}")))?;
    M::try_from(map).map_err(|error| failed(&format!("opening the map {name}"), &error))
}

impl Kernel {
    /// Counts of this moment; cheap enough for each scrape.
    pub(crate) fn status(&self) -> KernelStatus {
        self.shared.status()
    }

    /// What tells of victims of the OOM killer; `None` where the kernel does not, or once it was taken.
    pub(crate) const fn take_victims(&mut self) -> Option<Victims> {
        self.victims.take()
    }

    /// Whether a hook tells of victims of the OOM killer.
    pub(crate) fn has_victims(&self) -> bool {
        self.shared.status().has_victims()
    }

    /// Nobody hears of them any more.
    pub(crate) fn lose_victims(&self) {
        self.shared.update(KernelStatus::lose_victims);
    }

    /// Has sweeps keep to the share for quiet times, or not any more.
    pub(crate) fn sweep_seldom(&self, seldom: bool) {
        self.shared.sweep_seldom(seldom);
    }

    /// How connections of addresses have ended over the past hours.
    pub(crate) fn history(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    /// Detaches and waits until the threads have ended.
    ///
    /// A thread that waits for room in the channel ends when the receiving side is dropped, so drop
    /// it first.
    pub(crate) fn stop(mut self) {
        self.stop.set();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a kernel thread had panicked");
            }
        }
    }

    /// What a thread does, with a report if it ends unasked.
    fn guarded(
        &self,
        name: &'static str,
        sink: mpsc::Sender<Message>,
        work: impl FnOnce() + Send + 'static,
    ) -> impl FnOnce() + Send + 'static {
        let guard = EndGuard {
            name,
            shared: Arc::clone(&self.shared),
            stop: Arc::clone(&self.stop),
            sink,
        };
        move || {
            let _guard = guard;
            work();
        }
    }

    /// Takes a thread to be waited for in the end.
    fn keep(&mut self, name: &str, started: io::Result<JoinHandle<()>>) -> Result<(), StartError> {
        let failed = |error| failed(&format!("starting the thread {name}"), &error);
        self.threads.push(started.map_err(failed)?);
        Ok(())
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.stop.set();
    }
}
