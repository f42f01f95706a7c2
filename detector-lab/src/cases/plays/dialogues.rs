//! Honest peers of programs of ours that do more than answer: they talk, or do not read.

use crate::network::Namespace;
use crate::peers::KernelPeer;
use crate::stage::Stage;
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Server-sent events: a line a second.
pub(crate) fn server_sent_events(stage: &Stage) -> Result<()> {
    let (mut client, mut server) = dialogue(stage)?;
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
    let line = b"data: {\"price\": 42}\n\n";
    while stage.pause(Duration::from_secs(1)) {
        server.write_all(line)?;
        client.read(line.len())?;
    }
    Ok(())
}

/// The client has sent what it wanted to; it is our own program that does not read.
pub(crate) fn unread_upload(stage: &Stage) -> Result<()> {
    let (mut client, _server) = dialogue(stage)?;
    client.send(&[b'x'; 48_000])?;
    stage.hold();
    Ok(())
}

/// Like a WebSocket: long silence, a ping and its pong, now and then a message.
pub(crate) fn web_socket(stage: &Stage) -> Result<()> {
    let (mut client, mut server) = dialogue(stage)?;
    server.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")?;
    let mut pong = [0; 6];
    while stage.pause(Duration::from_secs(15)) {
        server.write_all(&[0x89, 0])?;
        client.read(2)?;
        client.send(&[0x8a, 0x80, 1, 2, 3, 4])?;
        server.read_exact(&mut pong).context("read the pong")?;
        server.write_all(&[b'm'; 30_000])?;
        client.read(30_000)?;
    }
    Ok(())
}

/// A client and the server's end of its connection.
fn dialogue(stage: &Stage) -> Result<(KernelPeer, TcpStream)> {
    let ip = stage.server_ip();
    let listener = stage
        .servers()?
        .enter(|| TcpListener::bind((ip, 0)).context("listen"))?;
    let client = stage.kernel(0, listener.local_addr()?, None)?;
    let (server, _) = listener.accept()?;
    Ok((client, server))
}

/// Like a redis replica: takes what its primary sends, stops while it loads that, says a newline each
/// second all the while (`replicationSendNewlineToMaster`), and reads on.
pub(crate) fn replica(stage: &Stage) -> Result<()> {
    const TAKEN_BYTES: usize = 5_000_000;
    let (mut replica, mut primary) = dialogue(stage)?;
    let dump = std::thread::spawn(move || while primary.write_all(&[0; 65_536]).is_ok() {});
    replica.read(TAKEN_BYTES)?;
    let loads_for = stage.thresholds().stall_after + Duration::from_secs(7);
    for _ in 0..loads_for.as_secs() {
        replica.send(b"\n")?;
        stage.wait(Duration::from_secs(1))?;
    }
    replica.read(TAKEN_BYTES)?;
    {
        let _reader = replica.read_slowly(65_536, Duration::from_millis(20));
        stage.hold();
    }
    // The write ends with the connection.
    drop(dump.join());
    Ok(())
}

/// A proxy of ours hangs: it has handed on some of each upload and answer, and reads neither any more.
pub(crate) fn stuck_proxy(stage: &Stage) -> Result<()> {
    const UPLOADS: u8 = 24;
    let listen = |namespace: &Namespace, ip: IpAddr| {
        namespace.enter(|| TcpListener::bind((ip, 0)).context("listen"))
    };
    let proxy = listen(stage.servers()?, stage.server_ip())?;
    let backend = listen(stage.clients()?, stage.peer_ip())?;
    let mut held = Vec::new();
    for _ in 0..UPLOADS {
        let mut client = stage.kernel(0, proxy.local_addr()?, Some(16_384))?;
        let (mut outside, _) = proxy.accept()?;
        let address = backend.local_addr()?;
        let connect = || TcpStream::connect(address).context("connect to the backend");
        let mut inside = stage.servers()?.enter(connect)?;
        let (mut served, _) = backend.accept()?;
        let mut some = [0; 1_000];
        client.send(&[b'u'; 32_000])?;
        outside.read_exact(&mut some)?;
        inside.write_all(&some)?;
        served.read_exact(&mut some)?;
        served.write_all(&[b'a'; 32_000])?;
        inside.read_exact(&mut some)?;
        outside.write_all(&some)?;
        client.read(some.len())?;
        held.push((client, outside, inside, served));
    }
    stage.hold();
    Ok(())
}
