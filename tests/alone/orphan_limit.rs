//! The kernel has as many orphans as it allows: an incident says so with their number, and ends once there
//! is room again. What the agent reads as the limit is a file of the story's own: the real one is the whole
//! host's.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, AgentOptions, command, with_mounts};
use detector_tests::story::in_folder;
use detector_tests::{PATIENCE, expect};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};

const LIMIT_FILE: &str = "/proc/sys/net/ipv4/tcp_max_orphans";
const MEMORY_FILE: &str = "/proc/sys/net/ipv4/tcp_mem";

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

/// Orphans of the whole host.
fn orphans() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat")?;
    let mut words = text.split_whitespace();
    let count = words.find(|word| *word == "orphan").and(words.next());
    count
        .and_then(|count| count.parse().ok())
        .context("no orphans in /proc/net/sockstat")
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
        let limit = orphans()? + 3;
        let stand_in = folder.join("tcp_max_orphans");
        std::fs::write(&stand_in, limit.to_string())?;
        // Nor is it short of memory: that would be an incident that goes on.
        let memory = folder.join("tcp_mem");
        std::fs::write(&memory, "1000000000\t2000000000\t3000000000\n")?;
        let mount = format!(
            "mount --bind {} {LIMIT_FILE} && mount --bind {} {MEMORY_FILE}",
            stand_in.display(),
            memory.display()
        );
        let options = AgentOptions {
            under: with_mounts(&mount),
            ..AgentOptions::default()
        };
        let agent = Agent::start_with(folder, &options)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
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
        std::fs::write(&stand_in, "131072")?;
        incident(&agent, "nothing stands any more", |incident| {
            incident["end"] == "orphans-below"
        })
        .map(drop)
    })
}
