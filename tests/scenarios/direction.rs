//! Who opened a connection is known, whatever its ports: for connections older than the agent, whose
//! listener has closed since, that bind a low port, that share a listener's port, and where this
//! host itself has refused to send a part. Their verdicts follow.

use crate::stage::{both_families, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::lab::{Family, Namespace};
use detector_tests::story::Story;
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

both_families!(
    accepted_is_inbound_whatever_the_ports,
    opened_by_us_is_outbound_whatever_the_ports,
    sends_refused_by_this_host_hide_nothing,
    a_byte_refused_by_this_host_hides_nothing,
);

/// Of the range that clients of this host get.
const HIGH: u16 = 45_000;

fn accepted_is_inbound_whatever_the_ports(family: Family) -> Result<()> {
    Story::play(&suffix("inbound", family), family, |story| {
        let (server, client) = (&story.lab.server, &story.lab.client);
        let at = SocketAddr::new(story.lab.addresses.server(family), HIGH);
        let from = SocketAddr::new(story.lab.addresses.client(family), 25);
        let listener = listen(server, at)?;
        let theirs = connect(client, from, at)?;
        let (ours, _) = listener.accept()?;
        fill(&ours)?;
        // Older than the agent, and its listener is gone.
        drop(listener);
        let agent = Agent::start(story.folder())?;
        expect_direction(&agent, from.ip(), "inbound")?;
        drop(theirs);
        Ok(())
    })
}

fn opened_by_us_is_outbound_whatever_the_ports(family: Family) -> Result<()> {
    Story::play(&suffix("outbound", family), family, |story| {
        let (server, client) = (&story.lab.server, &story.lab.client);
        let backend = SocketAddr::new(story.lab.addresses.client(family), HIGH);
        let listener = listen(client, backend)?;
        let own = story.lab.addresses.server(family);
        // One is older than the agent; one comes from a port on which we listen as well.
        let older = connect(server, SocketAddr::new(own, 443), backend)?;
        fill(&older)?;
        let agent = Agent::start(story.folder())?;
        let _service = listen(server, SocketAddr::new(own, 80))?;
        let newer = connect(server, SocketAddr::new(own, 80), backend)?;
        fill(&newer)?;
        let _theirs = (listener.accept()?, listener.accept()?);
        for port in [443, 80] {
            let local = SocketAddr::new(own, port).to_string();
            let found = agent.wait_connection(backend.ip(), "it", PATIENCE, |seen| {
                seen.local == local && seen.stall.is_some()
            })?;
            ensure!(found.direction == "outbound", "{found:?}");
        }
        expect_direction(&agent, backend.ip(), "outbound")
    })
}

/// A filter of this very host drops what we send, which TCP counts as sent and sends once more: the
/// socket's own counts say nothing then.
fn sends_refused_by_this_host_hide_nothing(family: Family) -> Result<()> {
    refused(&suffix("refused", family), family, &[0; 5_000])
}

/// The same with a single byte: the counts of a connection that we opened are those of one that we
/// accepted then.
fn a_byte_refused_by_this_host_hides_nothing(family: Family) -> Result<()> {
    refused(&suffix("refused-byte", family), family, &[0])
}

fn refused(name: &str, family: Family, bytes: &[u8]) -> Result<()> {
    Story::play(name, family, |story| {
        let (server, client) = (&story.lab.server, &story.lab.client);
        let own = story.lab.addresses.server(family);
        let theirs = story.lab.addresses.client(family);
        let agent = Agent::start(story.folder())?;
        let (service, backend) = (
            listen(server, SocketAddr::new(own, HIGH))?,
            SocketAddr::new(theirs, HIGH),
        );
        let listener = listen(client, backend)?;
        let client_end = connect(client, SocketAddr::new(theirs, 25), service.local_addr()?)?;
        let (accepted, _) = service.accept()?;
        let opened = connect(server, SocketAddr::new(own, 443), backend)?;
        let backend_end = listener.accept()?;
        for line in [
            "add table inet refuse",
            "add chain inet refuse out { type filter hook output priority 0 ; }",
            "add rule inet refuse out meta l4proto tcp drop",
        ] {
            server.stdout_of(&format!("nft {line}"))?;
        }
        for mut stream in [&accepted, &opened] {
            stream.write_all(bytes).context("write")?;
        }
        server.stdout_of("nft delete table inet refuse")?;
        fill(&accepted)?;
        fill(&opened)?;
        for (port, direction) in [(HIGH, "inbound"), (443, "outbound")] {
            let local = SocketAddr::new(own, port).to_string();
            let found = agent.wait_connection(theirs, "it", PATIENCE, |seen| {
                seen.local == local && seen.stall.is_some()
            })?;
            ensure!(found.direction == direction, "{found:?}");
        }
        expect_direction(&agent, theirs, "both")?;
        drop((client_end, backend_end));
        Ok(())
    })
}

/// What is said of the peer, of its connections and of its flags.
fn expect_direction(agent: &Agent, peer: IpAddr, direction: &str) -> Result<()> {
    let flag = agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
    let seen = agent.wait_peer(peer, "it", PATIENCE, |seen| seen.direction == direction)?;
    let is_one = direction != "both";
    ensure!(!is_one || flag.direction == direction, "{flag:?} {seen:?}");
    Ok(())
}

fn listen(namespace: &Namespace, at: SocketAddr) -> Result<TcpListener> {
    namespace.enter(|| {
        let socket = reusable(at)?;
        socket.set_recv_buffer_size(8_192)?;
        socket.listen(16)?;
        Ok(TcpListener::from(socket))
    })
}

fn connect(namespace: &Namespace, from: SocketAddr, to: SocketAddr) -> Result<TcpStream> {
    namespace.enter(|| {
        let socket = reusable(from)?;
        socket.set_recv_buffer_size(8_192)?;
        socket
            .connect_timeout(&to.into(), PATIENCE)
            .context("connect")?;
        Ok(TcpStream::from(socket))
    })
}

/// Two sockets of one port, where one listens, have to agree on it.
fn reusable(at: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_reuse_address(true)?;
    socket
        .bind(&at.into())
        .with_context(|| format!("bind {at}"))?;
    Ok(socket)
}

/// Writes until nothing more is taken.
fn fill(mut stream: &TcpStream) -> Result<()> {
    stream.set_nonblocking(true)?;
    loop {
        match stream.write(&[b'x'; 16_384]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("fill"),
        }
    }
}
