//! `detector selftest`: plays bad and good TCP peers against the running kernel, in a private
//! network namespace, and says which of them an agent sees, by which source and how fast.
//!
//! In: which cases of the lab's table. Out: one [`Row`] a case. The agent is this program's own
//! `run`, a child in the namespace that was left, with the default thresholds: what it misses here,
//! it would miss on this host. Nothing outlives the process but a killed one's scratch folder:
//! namespace, device and sockets belong to it alone, and the agent ends with it.

mod agent;
mod folder;
mod outcome;
mod watch;

pub(crate) use outcome::{Row, Summary};

use agent::Agent;
use anyhow::{Context, anyhow, ensure};
use detector_agent::config::Config;
use detector_agent::kernel::check;
use detector_api::failure::Failure;
use detector_lab::cases::{Case, When, of_selftest};
use detector_lab::network::Namespace;
use detector_lab::stage::{Plan, Site, Stage, Thresholds};
use folder::Folder;
use outcome::{Finding, Outcome};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use watch::Watch;

/// For tasks that still run when everything has been said.
const RUNTIME_PATIENCE: Duration = Duration::from_millis(200);

/// Why the host cannot play: what is missing for it.
pub(crate) fn missing_capabilities() -> Vec<&'static str> {
    check::missing_for_selftest()
}

/// Plays `chosen`, `at_once` cases at a time, and hands each row to `show` as it becomes known.
///
/// Must be called on the first thread of the process, before there are others.
pub(crate) fn run(
    chosen: &[&'static Case],
    at_once: usize,
    show: &mut dyn FnMut(&Row) -> io::Result<()>,
) -> Result<Vec<Row>, Failure> {
    let folder = Folder::create()?;
    let host = Namespace::leave_for_private()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the event loop: {error}")))?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = play(chosen, at_once, &host, folder.path(), show) => outcome,
            failure = interrupted() => Err(failure),
        }
    });
    runtime.shutdown_timeout(RUNTIME_PATIENCE);
    outcome
}

/// Until somebody wants it to end.
async fn interrupted() -> Failure {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else {
        // Without handlers a signal ends the process at once, and the kernel tidies up.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Failure::failed("selftest was interrupted; nothing of it is left")
}

async fn play(
    chosen: &[&'static Case],
    at_once: usize,
    host: &Namespace,
    folder: &Path,
    show: &mut dyn FnMut(&Row) -> io::Result<()>,
) -> Result<Vec<Row>, Failure> {
    let site = Arc::new(Site::in_this_namespace()?);
    let stages = Stage::set(&site, of_selftest(), Plan::Narrow, thresholds())?;
    let watch = Arc::new(Watch::new(Namespace::here()?.inode()?));
    let mut company = Company::new(stages, &watch);
    for &case in chosen.iter().filter(|case| case.when == When::BeforeAgent) {
        company.start(case);
    }
    company.wait_set().await;

    let mut agent = Agent::start(host, folder)?;
    agent.wait_ready().await?;
    let follower = watch::follow(agent.socket().to_owned(), Arc::clone(&watch));
    tokio::pin!(follower);
    let waiting = chosen.iter().copied();
    let mut waiting: Vec<&Case> = waiting
        .filter(|case| case.when != When::BeforeAgent)
        .collect();
    // Taken from the end: the longest first, and what disturbs others last.
    waiting.sort_by_key(|case| case.when);
    waiting.reverse();
    let (mut rows, mut halves) = (Vec::new(), Vec::new());
    loop {
        while company.cases() < at_once
            && let Some(case) = waiting.pop_if(|case| company.has_room_for(case))
        {
            company.start(case);
        }
        if company.is_done() {
            return Ok(rows);
        }
        tokio::select! {
            outcome = company.next() => {
                let case = outcome.case;
                halves.push(outcome);
                let is_of_case = |outcome: &mut Outcome| outcome.case.name == case.name;
                if !company.plays(case) {
                    let row = Row::new(case, halves.extract_if(.., is_of_case).collect());
                    show(&row)?;
                    rows.push(row);
                }
            }
            error = &mut follower => return Err(agent.failure(&error)),
        }
    }
}

/// Those of an agent without a configuration.
fn thresholds() -> Thresholds {
    let detect = Config::default().detect;
    Thresholds {
        stall_after: detect.stall_after.0,
        dribble_over: detect.dribble_over.0,
        hoard_connections: usize::try_from(detect.hoard_connections).unwrap_or(usize::MAX),
    }
}

/// The threads that play, one a case and IP version.
struct Company {
    stages: Vec<Arc<Stage>>,
    watch: Arc<Watch>,
    sender: mpsc::UnboundedSender<Message>,
    messages: mpsc::UnboundedReceiver<Message>,
    /// Cases on stage whose outcome has not been handed on.
    playing: Vec<&'static Case>,
    /// Outcomes that came while something else was waited for.
    early: Vec<Outcome>,
}

/// What a playing thread reports.
enum Message {
    /// The condition that is to be seen is there.
    Set,
    Outcome(Outcome),
}

impl Company {
    fn new(stages: Vec<Stage>, watch: &Arc<Watch>) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        Self {
            stages: stages.into_iter().map(Arc::new).collect(),
            watch: Arc::clone(watch),
            sender,
            messages,
            playing: Vec::new(),
            early: Vec::new(),
        }
    }

    fn start(&mut self, case: &'static Case) {
        let is_of_case = |stage: &&Arc<Stage>| stage.case.name == case.name;
        for stage in self.stages.iter().filter(is_of_case) {
            let (stage, watch) = (Arc::clone(stage), Arc::clone(&self.watch));
            let sender = self.sender.clone();
            self.playing.push(case);
            std::thread::spawn(move || {
                let finding = perform(&stage, &watch, &sender);
                // Nobody listens any more after an interruption.
                drop(sender.send(Message::Outcome(Outcome {
                    case,
                    family: stage.family,
                    finding,
                })));
            });
        }
    }

    /// Until each case that was started has its condition met, or cannot be played.
    async fn wait_set(&mut self) {
        let mut left = self.playing.len();
        while left > 0 {
            match self.messages.recv().await {
                Some(Message::Outcome(outcome)) => {
                    self.early.push(outcome);
                    left -= 1;
                }
                Some(Message::Set) => left -= 1,
                None => return,
            }
        }
    }

    async fn next(&mut self) -> Outcome {
        let outcome = loop {
            if let Some(outcome) = self.early.pop() {
                break outcome;
            }
            // Never closed: a sender is kept here.
            if let Some(Message::Outcome(outcome)) = self.messages.recv().await {
                break outcome;
            }
        };
        let mut playing = self.playing.iter();
        let place = playing.position(|case| case.name == outcome.case.name);
        place.map(|place| self.playing.swap_remove(place));
        outcome
    }

    /// Whether a case may begin: one that changes the namespace waits for the honest peers.
    fn has_room_for(&self, case: &Case) -> bool {
        case.when != When::Last || !self.playing.iter().any(|playing| playing.is_honest())
    }

    /// How many are on stage.
    fn cases(&self) -> usize {
        let names: HashSet<&str> = self.playing.iter().map(|case| case.name).collect();
        names.len()
    }

    fn plays(&self, case: &Case) -> bool {
        self.playing.iter().any(|playing| playing.name == case.name)
    }

    fn is_done(&self) -> bool {
        self.playing.is_empty()
    }
}

/// Plays one case and finds out what the agent says of it.
fn perform(stage: &Stage, watch: &Watch, sender: &mpsc::UnboundedSender<Message>) -> Finding {
    if let Some(why) = stage.obstacle() {
        return Finding::NotHere { why };
    }
    std::thread::scope(|scope| {
        let play = scope.spawn(|| stage.play());
        let judged = judge(stage, watch, sender);
        stage.end();
        let played = play.join();
        let played = played.unwrap_or_else(|_| Err(anyhow!("the play panicked")));
        let finding = played.and(judged);
        finding.unwrap_or_else(|error| Finding::Broken {
            error: format!("{error:#}"),
        })
    })
}

/// Waits for what is due of a play that is on.
fn judge(
    stage: &Stage,
    watch: &Watch,
    sender: &mpsc::UnboundedSender<Message>,
) -> anyhow::Result<Finding> {
    const NOTHING: &str = "the play did not come to anything that could be seen";
    let set = || drop(sender.send(Message::Set));
    let Some(flag) = stage.case.flags().first() else {
        ensure!(stage.wait_shown(), NOTHING);
        set();
        return watch.wait_quiet(stage);
    };
    let due = stage.wait_due(flag.kind).context(NOTHING)?;
    set();
    Ok(watch.wait_seen(stage, flag, due.at))
}
