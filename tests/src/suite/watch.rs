//! What the agent says while the plays go on: its events as they arrive, and its peers twice a
//! second.

use crate::agent::{Agent, AgentView, EventView, follow_events};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An event, and when it was read from the agent's socket.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) at: SystemTime,
    pub(crate) event: EventView,
}

/// What was said of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerStory {
    /// Each verdict that stood, in order, and when it was first seen.
    pub(crate) verdicts: Vec<(String, SystemTime)>,
    /// Severities above `info` that were seen.
    pub(crate) alarms: Vec<String>,
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
    said: Arc<Mutex<Said>>,
    is_over: Arc<AtomicBool>,
    looker: Option<JoinHandle<Result<()>>>,
}

impl Watch {
    pub(crate) fn start(agent: &Agent) -> Result<Self> {
        let said = Arc::new(Mutex::new(Said::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let view = AgentView::new(&agent.control_socket());
        let events = follow_events(&agent.control_socket())?;
        // Ends with the agent, which closes the stream.
        let _listener = std::thread::spawn({
            let said = Arc::clone(&said);
            move || {
                read_at_once();
                for event in events.map_while(Result::ok) {
                    let at = SystemTime::now();
                    lock(&said).events.push(Arrived { at, event });
                }
            }
        });
        let looker = std::thread::spawn({
            let (said, is_over) = (Arc::clone(&said), Arc::clone(&is_over));
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    look(&view, &said)?;
                    std::thread::sleep(LOOK_EVERY);
                }
                Ok(())
            }
        });
        Ok(Self {
            said,
            is_over,
            looker: Some(looker),
        })
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
        Ok(lock(&self.said).clone())
    }
}

/// The plays saturate the machine: how long this reader waits for a processor is no part of what it
/// measures.
fn read_at_once() {
    const FIRST: i32 = -20;
    // Without the right to, the reader waits its turn, and what it measures is a little longer.
    let _ = rustix::process::setpriority_process(None, FIRST);
}

fn lock(said: &Mutex<Said>) -> std::sync::MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
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
        story.last = format!("{peer:?}");
    }
    Ok(())
}
