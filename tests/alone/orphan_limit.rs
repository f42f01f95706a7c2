//! The kernel has as many orphans as it allows: an incident says so with their number, and ends once there
//! is room again.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, command};
use detector_tests::story::in_folder;
use detector_tests::{PATIENCE, expect};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};

const LIMIT_FILE: &str = "/proc/sys/net/ipv4/tcp_max_orphans";

/// The kernel's limit, lower than it was, until this is dropped.
struct LowLimit {
    before: String,
}

impl LowLimit {
    fn set(limit: u64) -> Result<Self> {
        let before = std::fs::read_to_string(LIMIT_FILE).context("read the limit of orphans")?;
        std::fs::write(LIMIT_FILE, limit.to_string()).context("set the limit of orphans")?;
        Ok(Self { before })
    }
}

impl Drop for LowLimit {
    fn drop(&mut self) {
        // It could be written before; nothing more can be done here.
        drop(std::fs::write(LIMIT_FILE, &self.before));
    }
}

/// A connection that nobody reads, closed by whoever wrote into it; it lasts as long as its client.
fn orphan(listener: &TcpListener) -> Result<TcpStream> {
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    server.set_nonblocking(true)?;
    loop {
        match server.write(&[0; 65_536]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(client),
            Err(error) => return Err(error).context("fill a connection"),
        }
    }
}

fn orphans(agent: &Agent) -> Result<u64> {
    let host: Value = serde_json::from_str(&agent.get("/v1/host")?.body)?;
    host["sockets"]["orphans"]
        .as_u64()
        .context("no orphans are told")
}

fn incident(agent: &Agent, what: &str, mut is_so: impl FnMut(&Value) -> bool) -> Result<Value> {
    expect::until(what, PATIENCE, || {
        let all: Vec<Value> = serde_json::from_str(&agent.get("/v1/incidents")?.body)?;
        let is_of_orphans = |incident: &Value| {
            let kinds = incident["kinds"].as_array();
            kinds.is_some_and(|kinds| kinds.contains(&"orphan-limit".into()))
        };
        let mut all = all.into_iter();
        Ok(all.find(|each| is_of_orphans(each) && is_so(each)))
    })
}

#[test]
fn no_room_for_orphans_is_an_incident_with_their_number() -> Result<()> {
    let _machine = crate::machine();
    in_folder("orphan-limit", |folder| {
        let agent = Agent::start(folder)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let limit = orphans(&agent)? + 3;
        let low = LowLimit::set(limit)?;
        let mut clients: Vec<_> = (0..limit)
            .map(|_| orphan(&listener))
            .collect::<Result<_>>()?;
        let open = incident(&agent, "an incident tells of all orphans", |incident| {
            // Others may have gone meanwhile.
            clients.extend(orphan(&listener));
            let orphans = &incident["orphans"];
            orphans["limit"] == limit && orphans["orphans"].as_u64() >= Some(limit)
        })?;
        ensure!(open["severity"] == "warning", "{open}");
        let mut show = command(&["incidents", "show", "last", "--control-socket"])?;
        let card = show.arg(agent.control_socket()).output()?.stdout;
        let card = String::from_utf8(card).context("the card is UTF-8")?;
        let card = card.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "no room for more orphans",
            "Peers that hold orphans? Unlikely.",
        ] {
            ensure!(card.contains(words), "no `{words}` in {card}");
        }
        drop(clients);
        drop(low);
        incident(&agent, "nothing stands any more", |incident| {
            incident["end"] == "orphans-below"
        })
        .map(drop)
    })
}
