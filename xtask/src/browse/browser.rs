//! Chromium without a window, told what to do in messages of its DevTools protocol: JSON over two pipes, each ended by
//! a zero byte.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::background::Scratch;
use crate::packages::{find_program, is_root};

/// It reads messages from descriptor 3 and writes them to 4.
const PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>&2"#;
/// Nothing is asked of the network, no graphics card is needed.
const FLAGS: [&str; 9] = [
    "--remote-debugging-pipe",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];
/// For an answer; the first one waits for the browser to start.
const PATIENCE: Duration = Duration::from_secs(30);
const END_PATIENCE: Duration = Duration::from_secs(5);

/// A browser; ended with its guard, and all that it kept removed.
pub(super) struct Browser {
    child: Child,
    requests: Option<ChildStdin>,
    messages: Receiver<Value>,
    last_id: u64,
    /// What it said by itself.
    events: Vec<Value>,
    scratch: Scratch,
}

impl Browser {
    pub(super) fn start() -> Result<Self> {
        let scratch = Scratch::create("browse")?;
        let chromium = find_program("chromium").context("chromium is not installed")?;
        let log = File::create(scratch.path.join("log")).context("cannot make a log")?;
        let mut command = Command::new("sh");
        command.args(["-c", PIPES]).arg(chromium).args(FLAGS);
        if is_root() {
            // It refuses to be root's otherwise.
            command.arg("--no-sandbox");
        }
        let mut profile = std::ffi::OsString::from("--user-data-dir=");
        profile.push(scratch.path.join("profile"));
        let mut child = command
            .arg(profile)
            .env("HOME", &scratch.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start chromium")?;
        let requests = child.stdin.take();
        let answers = child.stdout.take().context("chromium has no output")?;
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            let parts = BufReader::new(answers).split(0).map_while(|part| part.ok());
            for message in parts.filter_map(|part| serde_json::from_slice(&part).ok()) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            requests,
            messages,
            last_id: 0,
            events: Vec::new(),
            scratch,
        })
    }

    /// Has a command carried out, in the session of a page or, without one, by the browser; gives its result.
    pub(super) fn call(&mut self, session: &str, method: &str, parameters: Value) -> Result<Value> {
        self.last_id += 1;
        let mut request = json!({ "id": self.last_id, "method": method, "params": parameters });
        if !session.is_empty() {
            request["sessionId"] = json!(session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        let sent = self.requests.as_mut().map(|pipe| pipe.write_all(&bytes));
        if !matches!(sent, Some(Ok(()))) {
            bail!("the browser has ended:\n{}", self.log());
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let mut message = self.next(method, end)?;
            if message["id"] != self.last_id {
                self.events.push(message);
            } else if message["error"].is_null() {
                return Ok(message["result"].take());
            } else {
                bail!("{method} failed: {}", message["error"]);
            }
        }
    }

    /// Waits until it has said something like this.
    pub(super) fn wait(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut is_there = self.events.iter().any(&is_it);
        while !is_there {
            let message = self.next(what, end)?;
            is_there = is_it(&message);
            self.events.push(message);
        }
        Ok(())
    }

    /// All that it said by itself in a session since it was asked before.
    pub(super) fn take_events(&mut self, session: &str) -> Vec<Value> {
        let mut events = std::mem::take(&mut self.events);
        events.retain(|event| event["sessionId"] == session);
        events
    }

    fn next(&self, what: &str, end: Instant) -> Result<Value> {
        let left = end.saturating_duration_since(Instant::now());
        match self.messages.recv_timeout(left) {
            Ok(message) => Ok(message),
            Err(_) => bail!("the browser does not answer {what}:\n{}", self.log()),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.scratch.path.join("log")).unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends with its pipe.
        drop(self.requests.take());
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < END_PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
