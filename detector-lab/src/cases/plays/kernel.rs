//! Bad or broken peers that are real kernels.

use crate::acts;
use crate::stage::{Stage, set_gone};
use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A client in the middle of a download whose packets are all dropped where it lives.
pub(crate) fn vanished(stage: &Stage) -> Result<()> {
    let (_server, mut client) = stage.download("/bytes/200000000", None)?;
    let address = client.address()?.ip();
    client.read(1_000_000)?;
    let _reader = client.read_slowly(65_536, Duration::from_millis(5));
    stage.wait(Duration::from_millis(300))?;
    set_gone(stage.clients()?, address, true)?;
    stage.hold();
    Ok(())
}

/// Where tarpits lie.
const SMTP: u16 = 25;

/// We are the client of a server that accepts and never reads.
pub(crate) fn tarpit(stage: &Stage) -> Result<()> {
    let pit = SocketAddr::new(stage.peer_ip(), SMTP);
    let listener = stage.clients()?.enter(|| {
        let socket = Socket::new(Domain::for_address(pit), Type::STREAM, None)?;
        socket.set_recv_buffer_size(8_192)?;
        socket.bind(&pit.into())?;
        socket.listen(16)?;
        Ok(TcpListener::from(socket))
    })?;
    let mut held = Vec::new();
    for _ in 0..3 {
        let ours = stage.servers()?.enter(|| {
            TcpStream::connect_timeout(&pit, Duration::from_secs(5)).context("connect")
        })?;
        let (theirs, _) = listener.accept()?;
        fill(&ours)?;
        held.push((ours, theirs));
    }
    stage.hold();
    Ok(())
}

/// Writes until nothing more is taken.
fn fill(stream: &TcpStream) -> Result<()> {
    stream.set_nonblocking(true)?;
    let chunk = [b'x'; 16_384];
    loop {
        match (&*stream).write(&chunk) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("fill the tarpit"),
        }
    }
}

/// A kernel with next to no receive buffer that reads 100 bytes a second.
pub(crate) fn dribbler(stage: &Stage) -> Result<()> {
    let (_server, client) = stage.download(acts::LONG_ANSWER, Some(1_000))?;
    let _reader = client.read_slowly(100, Duration::from_secs(1));
    stage.hold();
    Ok(())
}
