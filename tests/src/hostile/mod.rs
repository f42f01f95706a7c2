//! Clients that mean the agent ill, on both of its listeners: requests that are wrong in every way, and
//! crowds that are slow. Beside them the metrics are fetched as ever; how long that takes, and what the
//! agent needs meanwhile, is what comes of it.

mod request;
mod slow;

use crate::agent::Agent;
use crate::dice::Dice;
use anyhow::{Context, Result, anyhow, ensure};
use request::Requests;
use slow::Crowd;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// Between two scrapes.
const SCRAPE_EVERY: Duration = Duration::from_millis(20);
/// A client does not wait longer for an answer to a request that may not be whole.
const ANSWER_PATIENCE: Duration = Duration::from_millis(25);
/// Clients that send requests at the same time, half of them to each listener; most of the time they wait.
const SENDERS: u32 = 16;

/// Either listener.
#[derive(Clone, Debug)]
enum Listener {
    Web(SocketAddr),
    Control(PathBuf),
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Listener {
    fn connect(&self, patience: Option<Duration>) -> std::io::Result<Box<dyn Stream>> {
        match self {
            Self::Web(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)?;
                stream.set_nonblocking(patience.is_none())?;
                Ok(Box::new(stream))
            }
            Self::Control(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)?;
                stream.set_nonblocking(patience.is_none())?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// What is to come to the agent.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Requests, half of them to each listener.
    pub requests: u64,
    /// Slow clients, half of them of each listener.
    pub slow_clients: usize,
    /// Where the choice of requests begins.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers by status; those of 0 were none.
    pub answers: BTreeMap<u16, u64>,
    /// Slow clients that were let go and came again.
    pub returned: u64,
    /// How long each scrape took, the shortest first; one that failed took for ever.
    pub scrapes: Vec<Duration>,
    /// What the agent's memory grew by, at most.
    pub grown_kib: u64,
    /// From the first request to the last.
    pub took: Duration,
}

impl Outcome {
    /// How long a request took whoever sent it, with connecting and the wait for an answer: how fast this machine
    /// is, with all else that it has to do meanwhile.
    #[must_use]
    pub fn took_each(&self) -> Duration {
        let requests: u64 = self.answers.values().sum();
        let by_each = u32::try_from(requests).unwrap_or(u32::MAX) / SENDERS;
        self.took / by_each.max(1)
    }

    /// The time within which this share of the scrapes were answered.
    #[must_use]
    pub fn scraped_within(&self, percent: usize) -> Duration {
        let last = self.scrapes.len().saturating_sub(1);
        let at = last * percent / 100;
        self.scrapes.get(at).copied().unwrap_or(Duration::MAX)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests: u64 = self.answers.values().sum();
        writeln!(to, "{requests} requests in {:.1?}, answered:", self.took)?;
        for (status, count) in &self.answers {
            match status {
                0 => writeln!(to, "  not at all  {count}")?,
                status => writeln!(to, "  {status}         {count}")?,
            }
        }
        writeln!(to, "slow clients let go and back again: {}", self.returned)?;
        let [half, most] = [50, 99].map(|percent| self.scraped_within(percent));
        let scrapes = self.scrapes.len();
        writeln!(
            to,
            "{scrapes} scrapes beside them: p50 {half:.1?}, p99 {most:.1?}"
        )?;
        write!(to, "memory grew by {} KiB", self.grown_kib)
    }
}

/// Plays it before the agent, whose network namespace this thread is in.
///
/// # Errors
///
/// It did not stay well.
pub fn play(agent: &Agent, plan: Plan) -> Result<Outcome> {
    let pid = agent.status()?["pid"].to_string();
    let listeners = [
        Listener::Web(agent.web()),
        Listener::Control(agent.control_socket()),
    ];
    let is_over = AtomicBool::new(false);
    let peak_kib = AtomicU64::new(0);
    let before = resident_kib(&pid)?;
    let mut outcome = Outcome::default();
    thread::scope(|scope| -> Result<()> {
        let crowds: Vec<_> = listeners
            .iter()
            .map(|listener| {
                let crowd = Crowd::new(listener.clone(), plan.slow_clients / listeners.len());
                scope.spawn(|| crowd.stay_until(&is_over))
            })
            .collect();
        let scraper = scope.spawn(|| scrape(agent, &pid, &peak_kib, &is_over));
        let began = Instant::now();
        let senders: Vec<_> = (0..SENDERS)
            .map(|number| {
                let at = usize::from(number % 2 == 1);
                let listener = listeners[at].clone();
                let count = plan.requests / u64::from(SENDERS);
                let dice = Dice::new(plan.seed, number.into());
                scope.spawn(move || send(&listener, &Requests::of(at == 1), count, dice))
            })
            .collect();
        for sender in senders {
            for (status, count) in joined(sender)? {
                *outcome.answers.entry(status).or_default() += count;
            }
        }
        outcome.took = began.elapsed();
        is_over.store(true, Ordering::Relaxed);
        for crowd in crowds {
            outcome.returned += joined(crowd)?;
        }
        outcome.scrapes = joined(scraper)?;
        Ok(())
    })?;
    outcome.scrapes.sort_unstable();
    outcome.grown_kib = peak_kib.load(Ordering::Relaxed).saturating_sub(before);
    expect_well(agent, &pid, &outcome)?;
    Ok(outcome)
}

fn joined<T>(client: ScopedJoinHandle<'_, T>) -> Result<T> {
    client.join().map_err(|_| anyhow!("a client panicked"))
}

/// It is the same process, it answers, and no handler has failed.
fn expect_well(agent: &Agent, pid: &str, outcome: &Outcome) -> Result<()> {
    let status = agent.status()?;
    let is_same = pid.parse::<u32>().is_ok_and(|pid| status["pid"] == pid);
    ensure!(is_same, "it was {pid}: {status}");
    ensure!(status["ready"] == true, "{status}");
    let metrics = agent.metrics()?;
    for listener in ["web", "control"] {
        let labels = [("listener", listener), ("reason", "handler_failed")];
        let failed = metrics.value("detector_http_refusals_total", &labels)?;
        ensure!(failed < 0.5, "{failed} handlers failed: {}", agent.log()?);
    }
    ensure!(!agent.log()?.contains("panicked"), "{}", agent.log()?);
    for expected in [200, 400, 404, 405] {
        let is_there = outcome.answers.contains_key(&expected);
        ensure!(is_there, "nobody was answered {expected}: {outcome}");
    }
    Ok(())
}

fn resident_kib(pid: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("VmRSS")?.parse()?)
}

/// Fetches the metrics until it is over, and looks how much memory is used.
fn scrape(agent: &Agent, pid: &str, peak_kib: &AtomicU64, is_over: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answered = agent.web_request("GET", "/metrics");
        let is_well = answered.is_ok_and(|answer| answer.status == 200);
        took.push(if is_well {
            began.elapsed()
        } else {
            Duration::MAX
        });
        if let Ok(kib) = resident_kib(pid) {
            peak_kib.fetch_max(kib, Ordering::Relaxed);
        }
        thread::sleep(SCRAPE_EVERY.saturating_sub(began.elapsed()));
    }
    took
}

/// Sends requests, each on a connection of its own; gives the answers by status.
fn send(
    listener: &Listener,
    requests: &Requests,
    count: u64,
    mut dice: Dice,
) -> BTreeMap<u16, u64> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let bytes = requests.one(&mut dice);
        let status = ask(listener, &bytes).unwrap_or(0);
        *answers.entry(status).or_default() += 1;
    }
    answers
}

/// The status of the answer, if there is one; the rest of it is not read.
fn ask(listener: &Listener, bytes: &[u8]) -> Option<u16> {
    let mut stream = listener.connect(Some(ANSWER_PATIENCE)).ok()?;
    // It may close before it has all: then it may have answered.
    drop(stream.write_all(bytes));
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    let status = std::str::from_utf8(&head).ok()?.strip_prefix("HTTP/1.")?;
    status.get(2..)?.parse().ok()
}
