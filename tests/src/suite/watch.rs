//! What the agent says while the plays go on: its events as they arrive, and its peers twice a
//! second.

use super::listener::{Arrived, Listener};
use crate::agent::{Agent, AgentView, RetransmitsView};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What was said of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerStory {
    /// Each verdict that stood, in order, and when it was first seen.
    pub(crate) verdicts: Vec<(String, SystemTime)>,
    /// Severities above `info` that were seen.
    pub(crate) alarms: Vec<String>,
    /// Kernel memory that it pinned, at each look.
    pub(crate) pinned: Vec<(SystemTime, u64)>,
    /// Segments sent again at the last look, by cause.
    pub(crate) retransmits: RetransmitsView,
    /// Of these, as far as the kernel knows, those that were not needed.
    pub(crate) retransmits_needless: u64,
    /// The peer at the last look, for the reader of a failure.
    pub(crate) last: String,
}

impl PeerStory {
    pub(crate) fn verdict(&self) -> Option<&str> {
        self.verdicts.last().map(|(verdict, _)| verdict.as_str())
    }
}

/// Everything the agent said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) events: Vec<Arrived>,
    pub(crate) peers: BTreeMap<String, PeerStory>,
    /// Longest interval between sweeps that was in force.
    pub(crate) sweep_interval: Duration,
}

/// For the reader of a failure.
impl std::fmt::Display for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Arrived { event, .. } in &self.events {
            writeln!(formatter, "{event:?}")?;
        }
        for (peer, story) in &self.peers {
            let alarms = &story.alarms;
            writeln!(
                formatter,
                "{peer}: {:?} {alarms:?} {}",
                story.verdicts, story.last
            )?;
        }
        Ok(())
    }
}

/// Listens until stopped.
pub(crate) struct Watch {
    listener: Listener,
    said: Arc<Mutex<Said>>,
    is_over: Arc<AtomicBool>,
    looker: Option<JoinHandle<Result<()>>>,
    _agent: Agent,
}

impl Watch {
    pub(crate) fn start(agent: Agent, listener: &Path, folder: &Path) -> Result<Self> {
        let said = Arc::new(Mutex::new(Said::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let view = AgentView::new(&agent.control_socket());
        let listener =
            Listener::start(listener, &agent.control_socket(), folder.join("events.txt"))?;
        let looker = std::thread::spawn({
            let (said, is_over) = (Arc::clone(&said), Arc::clone(&is_over));
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    look(&view, &said)?;
                    expect_calm_tcp()?;
                    std::thread::sleep(LOOK_EVERY);
                }
                Ok(())
            }
        });
        Ok(Self {
            listener,
            said,
            is_over,
            looker: Some(looker),
            _agent: agent,
        })
    }

    /// Looks each second until what was said so far is enough, at most so long; no longer than anybody looks.
    pub(crate) fn wait(&self, longest: Duration, is_enough: impl Fn(&Said) -> bool) -> Result<()> {
        let began = Instant::now();
        let is_looking = || {
            self.looker
                .as_ref()
                .is_some_and(|looker| !looker.is_finished())
        };
        while began.elapsed() < longest && is_looking() {
            let mut said = lock(&self.said).clone();
            said.events = self.listener.so_far()?;
            if is_enough(&said) {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    /// Stops looking and gives all that was said.
    pub(crate) fn stop(mut self) -> Result<Said> {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(looker) = self.looker.take() {
            let looked = looker.join();
            looked
                .unwrap_or_else(|_| anyhow::bail!("the thread that looks panicked"))
                .context("look at the agent's peers")?;
        }
        let mut said = lock(&self.said).clone();
        said.events = self.listener.stop()?;
        Ok(said)
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails where the kernel begins to starve sockets of memory: what is played would be another play
/// then, for honest peers too, and the host's own connections would suffer.
fn expect_calm_tcp() -> Result<()> {
    let counts = std::fs::read_to_string("/proc/net/sockstat").context("read sockstat")?;
    let limits = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").context("read tcp_mem")?;
    let used = tcp_pages(&counts).with_context(|| format!("no TCP memory in {counts}"))?;
    let mut marks = limits.split_whitespace().map(str::parse::<u64>);
    let pressure = marks.nth(1).context("no pressure mark in tcp_mem")??;
    ensure!(
        used < pressure,
        "the plays hold {used} pages of TCP memory, and the kernel presses sockets from {pressure} \
         on (net.ipv4.tcp_mem): play fewer at a time, or on a host with more memory"
    );
    Ok(())
}

/// `mem` in the line of TCP in `/proc/net/sockstat`: pages of all namespaces together.
fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat
        .lines()
        .find_map(|line| line.strip_prefix("TCP:"))?;
    let words: Vec<_> = line.split_whitespace().collect();
    let pair = words.chunks(2).find(|pair| pair[0] == "mem")?;
    pair.get(1)?.parse().ok()
}

fn look(view: &AgentView, said: &Mutex<Said>) -> Result<()> {
    let peers = view.peers()?;
    let interval = view.sweep_interval()?;
    let at = SystemTime::now();
    let mut said = lock(said);
    said.sweep_interval = said.sweep_interval.max(interval);
    for peer in peers {
        let story = said.peers.entry(peer.peer.clone()).or_default();
        if let Some(verdict) = &peer.verdict
            && story.verdict() != Some(verdict)
        {
            story.verdicts.push((verdict.clone(), at));
        }
        if peer.severity != "info" && !story.alarms.contains(&peer.severity) {
            story.alarms.push(peer.severity.clone());
        }
        story.pinned.push((at, peer.pinned_bytes));
        story.retransmits = peer.retransmits;
        story.retransmits_needless = peer.retransmits_needless;
        story.last = format!("{peer:?}");
    }
    Ok(())
}
