//! Connections that a program has put in their place (`TCP_REPAIR`), as when a container moves to another host:
//! they come up as those do that we open. Who opened one is known if somebody listens on its port, else not.

use crate::stage::{both_families, suffix};
use anyhow::{Result, bail, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::expect;
use detector_tests::lab::{Child, Family, Namespace, require};
use detector_tests::story::Story;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

both_families!(who_opened_what_was_put_in_place_is_not_guessed);

const SERVICE: u16 = 8_001;
const NOBODYS: u16 = 45_000;

/// Arguments: its own end, the other one, and `fill` if it is to write until nothing more is taken. That one comes up
/// second, and probes for the window of the first, which is silent.
const END: &str = "
import socket, struct, sys, time
own, own_port, other, other_port, fills = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5] == 'fill'
TCP = socket.IPPROTO_TCP
REPAIR, QUEUE, SEQ, OPTIONS = 19, 20, 21, 22
RECEIVE, SEND = 1, 2
end = socket.socket(socket.AF_INET6 if ':' in own else socket.AF_INET)
end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
end.setsockopt(TCP, REPAIR, 1)
for queue, number in (SEND, 1_000_000), (RECEIVE, 1_000_000):
    end.setsockopt(TCP, QUEUE, queue)
    end.setsockopt(TCP, SEQ, number)
end.bind((own, own_port))
end.connect((other, other_port))
end.setsockopt(TCP, OPTIONS, struct.pack('IIII', 2, 1400, 3, 7 | 7 << 16))
end.setsockopt(TCP, REPAIR, 0 if fills else -1)
print('up', flush=True)
try: end.sendall(bytes(16 << 20 if fills else 0))
except ConnectionError: sys.exit()
time.sleep(600)
";

fn who_opened_what_was_put_in_place_is_not_guessed(family: Family) -> Result<()> {
    Story::play(&suffix("repaired", family), family, |story| {
        let (server, client) = (&story.lab.server, &story.lab.client);
        let own = story.lab.addresses.server(family);
        let theirs = story.lab.addresses.client(family);
        let _listener = server.enter(|| Ok(TcpListener::bind((own, SERVICE))?))?;
        let agent = Agent::start(story.folder())?;
        let mut ends = Vec::new();
        for (port, direction) in [(SERVICE, "inbound"), (NOBODYS, "unknown")] {
            let (local, remote) = (
                SocketAddr::new(own, port),
                SocketAddr::new(theirs, port + 1),
            );
            ends.push(put_in_place(story, client, (remote, local), "hold")?);
            ends.push(put_in_place(story, server, (local, remote), "fill")?);
            let found = agent.wait_connection(theirs, "it", PATIENCE, |seen| {
                seen.local == local.to_string() && seen.stall.is_some()
            })?;
            ensure!(found.direction == direction, "{found:?}");
        }
        Ok(())
    })
}

fn put_in_place(
    story: &Story,
    namespace: &Namespace,
    (own, other): (SocketAddr, SocketAddr),
    what: &str,
) -> Result<Child> {
    require(&[("python3", "python3")])?;
    let log = story.folder().join(format!("{what}-{}.log", own.port()));
    let mut command = Command::new("python3");
    command.args(["-c", END]);
    for end in [own, other] {
        command
            .arg(end.ip().to_string())
            .arg(end.port().to_string());
    }
    command
        .arg(what)
        .stdin(Stdio::null())
        .stdout(File::create(&log)?);
    namespace.place(&mut command);
    let mut child = Child::start(command)?;
    expect::until("the connection is in place", PATIENCE, || {
        if let Some(status) = child.status()? {
            bail!("it ended early ({status})");
        }
        let said = std::fs::read_to_string(&log)?;
        Ok(said.contains("up").then_some(()))
    })?;
    Ok(child)
}
