//! What scripts rely on: JSON as its published schema says, filters, times and groups that choose
//! what they say, `events --follow` that loses and doubles nothing over a restart of the agent, a
//! reader that goes away early, an agent that hangs or speaks another version.

use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, command, is_note};
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::schema::Schema;
use detector_tests::servers::TinyServer;
use detector_tests::story::{Story, in_folder};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// A client that does not read, and what it asked of.
struct Stalled {
    _client: KernelPeer,
    _server: TinyServer,
    peer: IpAddr,
}

fn stall(story: &Story, agent: &Agent) -> Result<Stalled> {
    let server = TinyServer::start(story.server(), story.lab.addresses.server(Family::V4))?;
    let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
    client.request("/bytes/20000000")?;
    let peer = client.address()?.ip();
    agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
    Ok(Stalled {
        _client: client,
        _server: server,
        peer,
    })
}

#[test]
fn lists_are_as_documented_and_can_be_chosen_from() -> Result<()> {
    Story::play("command-line", Family::V4, |story| {
        let agent = Agent::start(story.folder())?;
        let stalled = stall(story, &agent)?;
        let socket = agent.control_socket();
        check_schemas(&agent, stalled.peer)?;
        let listed = |arguments: &[&str]| -> Result<Vec<Value>> {
            let text = ask(&socket, "peers", &[&["--json"], arguments].concat())?;
            Ok(serde_json::from_str(&text)?)
        };
        // The agent sees the peers of other stories too.
        let ours = Value::from(stalled.peer.to_string());
        let peers = |arguments: &[&str]| -> Result<Vec<Value>> {
            let mut peers = listed(arguments)?;
            peers.retain(|peer| peer["peer"] == ours);
            Ok(peers)
        };
        let network = format!("net={}/24", stalled.peer);
        for (arguments, count) in [
            (&[][..], 1),
            (&["--filter", &network], 1),
            (&["--filter", "pinned>1 service>0 last-seen<1h"], 1),
            (&["--filter", "net=203.0.113.0/24"], 0),
            (&["--filter", "pinned>1T"], 0),
            (&["--since", "1h"], 1),
            (&["--since", "2100-01-01T00:00:00Z"], 0),
            (&["--sort", "-pinned"], 1),
            (&["--filter", &network, "--limit", "1"], 1),
        ] {
            let found = peers(arguments)?;
            ensure!(found.len() == count, "{arguments:?}: {found:?}");
        }
        ensure!(listed(&["--limit", "1"])?.len() == 1);
        let groups = listed(&["--group", "net", "--filter", &network])?;
        Schema::read("peer-groups")?.check(&Value::from(groups.clone()))?;
        ensure!(groups[0]["members"] == 1, "{groups:?}");
        let table = ask(&socket, "connections", &["--filter", "stall=zero_window"])?;
        ensure!(table.contains(&stalled.peer.to_string()), "{table}");
        ensure!(
            !table.contains('\u{1b}'),
            "colours without a terminal: {table:?}"
        );
        Ok(())
    })
}

/// What the agent sends is what docs/schema says, and nothing more.
fn check_schemas(agent: &Agent, peer: IpAddr) -> Result<()> {
    for (schema, path) in [
        ("peers", "/v1/peers".to_owned()),
        ("peer", format!("/v1/peers/{peer}")),
        ("connections", "/v1/connections".to_owned()),
        ("incidents", "/v1/incidents".to_owned()),
        ("host", "/v1/host".to_owned()),
        ("status", "/v1/status".to_owned()),
    ] {
        let body = agent.get(&path)?.body;
        let value = serde_json::from_str(&body).with_context(|| body.clone())?;
        Schema::read(schema)?.check(&value).with_context(|| path)?;
    }
    let schema = Schema::read("event")?;
    let events = agent.get("/v1/events")?.body;
    ensure!(!events.is_empty());
    for line in events.lines().filter(|line| !is_note(line)) {
        schema.check(&serde_json::from_str(line)?)?;
    }
    Ok(())
}

#[test]
fn a_reader_that_goes_away_is_no_error() -> Result<()> {
    in_folder("early-end", |folder| {
        let agent = Agent::start(folder)?;
        for verb in ["peers", "connections"] {
            let (reader, writer) = std::io::pipe()?;
            drop(reader);
            let output = asking(&agent.control_socket(), verb, &[])?
                .stdout(writer)
                .stderr(Stdio::piped())
                .spawn()?
                .wait_with_output()?;
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{verb}: {errors}");
            ensure!(!errors.contains("error"), "{verb}: {errors}");
        }
        Ok(())
    })
}

#[test]
fn followed_events_survive_a_restart_of_the_agent() -> Result<()> {
    Story::play("follow-restart", Family::V4, |story| {
        let agent = Agent::start(story.folder())?;
        let follower = Follower::start(&agent.control_socket())?;
        let stalled = stall(story, &agent)?;
        let before = lines(&agent)?;
        follower.wait("the first agent's events", |seen| seen.starts_with(&before))?;
        agent.stop(Signal::SIGTERM)?;
        follower.wait_note("waiting for the next one")?;
        let again = Agent::start(story.folder())?;
        again.wait_flag(stalled.peer, "zero-window-stall", PATIENCE)?;
        follower.wait_note("another agent runs since")?;
        // The recorder has the first agent's events: the second shows them, too, and numbers go on.
        let after = lines(&again)?;
        ensure!(after.starts_with(&before), "{before:?} {after:?}");
        follower.wait("the second agent's events", |seen| seen.starts_with(&after))?;
        // Without a gap and without one twice.
        let seen = follower.seen();
        let numbers: Vec<_> = seen.iter().filter_map(|line| id(line)).collect();
        ensure!(numbers.len() == seen.len(), "{seen:?}");
        let mut pairs = numbers.windows(2);
        ensure!(pairs.all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        Ok(())
    })
}

fn lines(agent: &Agent) -> Result<Vec<String>> {
    let body = agent.get("/v1/events")?.body;
    Ok(body.lines().map(str::to_owned).collect())
}

fn id(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?["id"].as_u64()
}

#[test]
fn an_agent_that_hangs_or_is_of_another_version_gives_one_clear_line() -> Result<()> {
    in_folder("strange-agents", |folder| {
        let answer = "HTTP/1.1 200 OK\r\nx-agent-version: 99.0.0\r\nContent-Length: 8\r\n\r\n\
                      {\"a\": 1}";
        for (name, answer, expected) in [
            ("hangs", None, "did not answer within"),
            ("other", Some(answer), "the agent is version 99.0.0"),
            ("closes", Some(""), "cannot read the agent's answer"),
        ] {
            let socket = folder.join(name);
            let listener = UnixListener::bind(&socket)?;
            let serving = std::thread::spawn(move || serve(&listener, answer));
            let output = asking(&socket, "peers", &[])?.output()?;
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.code() == Some(1), "{name}: {errors}");
            let mut lines = errors.lines();
            let error = lines.next().unwrap_or_default();
            ensure!(
                error.starts_with("error: ") && error.contains(expected),
                "{errors}"
            );
            ensure!(
                lines.next().is_some_and(|line| line.starts_with("hint: ")),
                "{errors}"
            );
            ensure!(lines.next().is_none(), "{errors}");
            drop(serving.join());
        }
        Ok(())
    })
}

/// One connection: answers, or keeps silent until the other side gives up.
fn serve(listener: &UnixListener, answer: Option<&str>) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut request = [0; 1024];
    let read = stream.read(&mut request)?;
    ensure!(read > 0);
    match answer {
        Some(answer) => stream.write_all(answer.as_bytes())?,
        None => {
            stream.read_to_end(&mut Vec::new())?;
        }
    }
    Ok(())
}

fn asking(socket: &Path, verb: &str, arguments: &[&str]) -> Result<std::process::Command> {
    let mut command = command(&[verb])?;
    command.args(arguments).arg("--control-socket").arg(socket);
    Ok(command)
}

fn ask(socket: &Path, verb: &str, arguments: &[&str]) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = asking(socket, verb, arguments)?.output()?;
    let errors = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "{verb} {arguments:?}: {errors}");
    Ok(String::from_utf8(stdout)?)
}

/// `detector events --follow`, and what it has said so far.
struct Follower {
    process: Child,
    events: Arc<Mutex<Vec<String>>>,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Follower {
    fn start(socket: &Path) -> Result<Self> {
        let mut process = asking(socket, "events", &["--follow", "--json"])?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().context("stdout of the follower")?;
        let stderr = process.stderr.take().context("stderr of the follower")?;
        Ok(Self {
            process,
            events: collect(stdout),
            notes: collect(stderr),
        })
    }

    fn seen(&self) -> Vec<String> {
        copy(&self.events)
    }

    fn wait(&self, what: &str, mut is_there: impl FnMut(&[String]) -> bool) -> Result<()> {
        expect::until(what, PATIENCE, || Ok(is_there(&self.seen()).then_some(())))
            .with_context(|| format!("{:#?}", self.seen()))
    }

    fn wait_note(&self, part: &str) -> Result<()> {
        expect::until(part, PATIENCE, || {
            let notes = copy(&self.notes);
            Ok(notes.iter().any(|note| note.contains(part)).then_some(()))
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Lines as they come, on a thread that ends with the stream.
fn collect(stream: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
    lines
}

fn copy(lines: &Mutex<Vec<String>>) -> Vec<String> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
