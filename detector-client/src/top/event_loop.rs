//! The live view: keys, answers of the agent and signals, one after the other.

use super::agent::{Agent, Outcome, START_PAUSE};
use super::keys::{self, Command, Edit, Focus};
use super::past;
use super::screen::Screen;
use super::settings_file::SettingsFile;
use super::state::{ActionRequest, ActionResult, Effects, Now, Recorded, Snapshot, State};
use super::terminal::{self, Input};
use super::view;
use crate::clock;
use crate::socket::ClientError;
use crate::terminal::Capabilities;
use detector_api::failure::Failure;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// A refresh that takes long is followed by a pause this many times as long, so that neither we
/// nor the agent are busy with refreshing.
const PAUSE_RATIO: u32 = 30;
/// But by no longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What was asked for.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, in a box"
)]
enum Answer {
    /// Of the agent.
    Present(Result<Snapshot, ClientError>),
    /// Of the recorder.
    Past(Result<Recorded, String>),
}

/// What was asked for, and what came of it.
type Acted = (ActionRequest, Result<ActionResult, ClientError>);

/// Runs until the user, a signal or the terminal ends it.
pub(super) async fn run(
    state: State,
    agent: Agent,
    settings: Option<SettingsFile>,
    recorder: Recorder,
) -> Result<(), Failure> {
    let failure =
        |what: &str, error: &io::Error| Failure::failed(format!("cannot {what}: {error}"));
    let mut signals = Signals::new().map_err(|error| failure("listen for signals", &error))?;
    let screen = Screen::take().map_err(|error| failure("take over the terminal", &error))?;
    let inputs = terminal::inputs().map_err(|error| failure("read keys", &error))?;
    let mut event_loop = EventLoop {
        agent,
        settings,
        interval: Duration::from_secs_f64(state.refresh.interval_seconds),
        recorder,
        screen,
        capabilities: Capabilities::of_stdout(),
        inputs,
        began: Instant::now(),
        asked: Instant::now(),
        next: Instant::now(),
        question: None,
        reading: Reading::No,
        acting: JoinSet::new(),
        is_dirty: true,
        state,
    };
    if event_loop.recorder.is_first {
        event_loop.apply(Command::Past);
    }
    event_loop.state.size = event_loop.screen.size().unwrap_or((80, 24));
    tokio::select! {
        ended = event_loop.run() => ended,
        () = signals.end() => Ok(()),
    }
}

/// The recorder of which the past is read.
pub(super) struct Recorder {
    /// The file, or the folder that it lies in.
    pub(super) path: PathBuf,
    /// Whether it is shown first, and the agent may be missing.
    pub(super) is_first: bool,
}

/// Whether the recorder is read: that cannot be called off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    No,
    Once,
    /// And once more after that.
    Twice,
}

struct EventLoop {
    state: State,
    agent: Agent,
    settings: Option<SettingsFile>,
    interval: Duration,
    recorder: Recorder,
    screen: Screen,
    capabilities: Capabilities,
    inputs: mpsc::Receiver<Input>,
    began: Instant,
    /// When the agent was last asked.
    asked: Instant,
    /// When it is asked again.
    next: Instant,
    question: Option<JoinHandle<Answer>>,
    /// Whether that question is for the recorder.
    reading: Reading,
    /// What the agent has been asked to do or to rehearse.
    acting: JoinSet<Acted>,
    is_dirty: bool,
}

/// Something that happened.
enum Occurrence {
    Input(Option<Input>),
    Answer(Box<Answer>),
    Acted(Box<Acted>),
    Time,
}

impl EventLoop {
    async fn run(&mut self) -> Result<(), Failure> {
        loop {
            if self.is_dirty {
                if self.draw().is_err() {
                    // The terminal is gone, and with it whoever looked at it.
                    return Ok(());
                }
                self.is_dirty = false;
            }
            match self.occurrence().await {
                Occurrence::Input(None) => return Ok(()),
                Occurrence::Input(Some(input)) => {
                    if self.take_inputs(input) {
                        return Ok(());
                    }
                }
                Occurrence::Acted(acted) => self.take_result(*acted),
                Occurrence::Answer(answer) => self.take_answer(*answer)?,
                Occurrence::Time => self.ask(),
            }
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let mut scrolls = 0;
        let (state, capabilities) = (&self.state, self.capabilities);
        self.screen
            .draw(|frame| scrolls = view::draw(frame, state, capabilities))?;
        self.state.limit_scrolling(scrolls);
        Ok(())
    }

    async fn occurrence(&mut self) -> Occurrence {
        let is_live = !self.state.refresh.is_paused && self.state.past.shown.is_none();
        let is_idle = self.question.is_none() && is_live;
        let question = async {
            match &mut self.question {
                Some(question) => question.await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            biased;
            input = self.inputs.recv() => return Occurrence::Input(input),
            Some(acted) = self.acting.join_next() => {
                return match acted {
                    Ok(acted) => Occurrence::Acted(Box::new(acted)),
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        // Ended before it was done; the next look shows what came of it.
                        Err(_) => Occurrence::Time,
                    },
                };
            }
            answer = question => answer,
            () = tokio::time::sleep_until(self.next.into()), if is_idle => return Occurrence::Time,
        };
        self.question = None;
        let answer = answer.unwrap_or_else(|error| match error.try_into_panic() {
            // Reported by the hook, which gave the terminal back: nothing may be drawn any more.
            Ok(panic) => std::panic::resume_unwind(panic),
            // A question is never aborted while it is waited for.
            Err(_) => Answer::Present(Err(ClientError::Silent)),
        });
        Occurrence::Answer(Box::new(answer))
    }

    fn ask(&mut self) {
        let query = self.state.recorder_query();
        if self.reading != Reading::No && query.is_some() {
            self.reading = Reading::Twice;
            return;
        }
        if let Some(outdated) = self.question.take() {
            outdated.abort();
        }
        self.asked = Instant::now();
        self.reading = Reading::No;
        self.question = Some(if let Some(query) = query {
            self.reading = Reading::Once;
            // A step is taken once.
            self.state.past.step = None;
            let path = self.recorder.path.clone();
            tokio::task::spawn_blocking(move || Answer::Past(past::read(&path, &query)))
        } else {
            let question = self.agent.question(self.state.query());
            tokio::spawn(async { Answer::Present(question.await) })
        });
    }

    fn take_answer(&mut self, answer: Answer) -> Result<(), Failure> {
        self.is_dirty = true;
        let now = Now {
            seconds: self.began.elapsed().as_secs_f64(),
            unix_ns: clock::unix_ns(),
        };
        let answer = match answer {
            Answer::Present(answer) => answer,
            Answer::Past(recorded) => {
                let reading = std::mem::replace(&mut self.reading, Reading::No);
                self.state.take_recorded(now, recorded);
                if reading == Reading::Twice {
                    self.ask();
                }
                return Ok(());
            }
        };
        let took = self.asked.elapsed();
        let pause = (took * PAUSE_RATIO).min(LONGEST_PAUSE).max(self.interval);
        self.next = self.asked + pause;
        let outcome = match self.agent.judge(answer) {
            Err(failure) if self.recorder.is_first => {
                self.stay_in_past(&failure);
                return Ok(());
            }
            outcome => outcome?,
        };
        match outcome {
            Outcome::Answer(snapshot) => {
                if self.agent.is_own() {
                    self.state.own_agent = Some("no agent here: watching by itself".to_owned());
                }
                self.state.take(now, Ok(*snapshot));
            }
            Outcome::Starting => {
                self.state.own_agent =
                    Some("no agent here: starting to watch by itself".to_owned());
                self.next = Instant::now() + START_PAUSE;
            }
            Outcome::Lost(why) => self.state.take(now, Err(why)),
        }
        Ok(())
    }

    /// Without a present to show, the past stays.
    fn stay_in_past(&mut self, failure: &Failure) {
        self.apply(Command::Past);
        let told = failure.to_string();
        self.state.note = told.lines().next().map(str::to_owned);
    }

    fn take_result(&mut self, (request, result): Acted) {
        self.state
            .take_result(&request, result.map_err(|error| error.brief()));
        self.is_dirty = true;
        // What was done shows with the next look.
        self.ask();
    }

    /// Takes all keys that are there before anything is drawn; whether one of them ends it.
    fn take_inputs(&mut self, first: Input) -> bool {
        let mut input = Some(first);
        while let Some(given) = input {
            self.is_dirty = true;
            if self.take_input(given) {
                return true;
            }
            input = self.inputs.try_recv().ok();
        }
        false
    }

    fn take_input(&mut self, input: Input) -> bool {
        match input {
            Input::Key(key) => match keys::of(key, self.state.focus()) {
                Some(command) => self.apply(command),
                None => false,
            },
            Input::Paste(text) => {
                if self.state.focus() == Focus::Prompt {
                    let line = text.replace(['\r', '\n'], " ");
                    for character in line.chars() {
                        self.apply(Command::Edit(Edit::Insert(character)));
                    }
                }
                false
            }
            Input::Resized(columns, lines) => {
                self.state.size = (columns, lines);
                false
            }
        }
    }

    fn apply(&mut self, command: Command) -> bool {
        let effects: Effects = self.state.apply(command);
        if effects.fetches {
            self.ask();
        }
        if effects.acts
            && let Some(request) = self.state.actions.request.take()
        {
            let result = self.agent.act(request.clone());
            self.acting.spawn(async move { (request, result.await) });
        }
        if effects.saves
            && let Some(file) = &self.settings
            && let Err(said) = file.write(&self.state.settings)
        {
            self.state.note = Some(detector_api::sanitize::text(&said));
        }
        let shown = if effects.suspends {
            self.screen.suspend()
        } else if effects.redraws {
            self.screen.redraw()
        } else {
            Ok(())
        };
        effects.quits || shown.is_err()
    }
}

/// Signals that end us in order.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    quit: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}
