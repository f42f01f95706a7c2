//! Bad or broken peers that are real kernels.

use crate::acts;
use crate::expect;
use crate::stage::{Stage, set_gone};
use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
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
/// Where a cluster's interface is: above the system ports, and one connection is all there is.
const CLUSTER: u16 = 6_443;

/// We are the client of a server that accepts and never reads.
pub(crate) fn tarpit(stage: &Stage) -> Result<()> {
    let listener = listen(stage, SMTP)?;
    let mut held = Vec::new();
    for _ in 0..3 {
        let (ours, theirs) = connect(stage, &listener)?;
        fill(&ours)?;
        held.push((ours, theirs));
    }
    stage.hold();
    Ok(())
}

/// One long-lived connection of ours to a backend that hangs.
pub(crate) fn hung_backend(stage: &Stage) -> Result<()> {
    let listener = listen(stage, CLUSTER)?;
    let (ours, _theirs) = connect(stage, &listener)?;
    fill(&ours)?;
    let settled = expect::settled(|| unacknowledged_bytes(&ours))?;
    stage.note_filled("zero-window-stall", listener.local_addr()?, settled);
    stage.hold();
    Ok(())
}

/// An upload that is read for a while and then no more.
pub(crate) fn stalled_upload(stage: &Stage) -> Result<()> {
    let listener = listen(stage, HTTPS)?;
    let (ours, mut theirs) = connect(stage, &listener)?;
    upload(&ours, &mut theirs, UPLOADED_BYTES)?;
    fill(&ours)?;
    stage.hold();
    Ok(())
}

/// An upload that is read, stops for longer than a stall takes, and goes on, again and again.
pub(crate) fn pausing_upload(stage: &Stage) -> Result<()> {
    let listener = listen(stage, HTTPS)?;
    let (ours, mut theirs) = connect(stage, &listener)?;
    upload(&ours, &mut theirs, UPLOADED_BYTES)?;
    loop {
        fill(&ours)?;
        if !stage.pause(stage.thresholds().stall_after * 2) {
            return Ok(());
        }
        upload(&ours, &mut theirs, UPLOADED_BYTES)?;
        stage.shown();
        if !stage.pause(Duration::from_millis(500)) {
            return Ok(());
        }
    }
}

/// Where uploads go.
const HTTPS: u16 = 443;
const UPLOADED_BYTES: usize = 4_000_000;

/// A server of somebody else's with little room to receive.
fn listen(stage: &Stage, port: u16) -> Result<TcpListener> {
    let at = SocketAddr::new(stage.peer_ip(), port);
    stage.clients()?.enter(|| {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
        socket.set_recv_buffer_size(8_192)?;
        socket.bind(&at.into())?;
        socket.listen(16)?;
        Ok(TcpListener::from(socket))
    })
}

/// A connection that we open: our end, and theirs.
fn connect(stage: &Stage, listener: &TcpListener) -> Result<(TcpStream, TcpStream)> {
    let theirs = listener.local_addr()?;
    let ours = stage
        .servers()?
        .enter(|| TcpStream::connect_timeout(&theirs, Duration::from_secs(5)).context("connect"))?;
    Ok((ours, listener.accept()?.0))
}

/// Sends `bytes` from `ours`, all of which `theirs` reads; what is queued already comes first.
fn upload(ours: &TcpStream, theirs: &mut TcpStream, bytes: usize) -> Result<()> {
    let mut left = bytes;
    let mut buffer = [0; 65_536];
    while left > 0 {
        fill(ours)?;
        let count = theirs.read(&mut buffer).context("read an upload")?;
        left = left.saturating_sub(count.max(1));
    }
    Ok(())
}

mod ioctl {
    nix::ioctl_read_bad!(siocoutq, libc::TIOCOUTQ, libc::c_int);
}

/// What the other side has not taken yet of what was written.
fn unacknowledged_bytes(stream: &TcpStream) -> Result<u64> {
    let mut bytes = 0;
    // SAFETY: the descriptor is open for as long as `stream` lives, and the kernel writes one integer.
    unsafe { ioctl::siocoutq(stream.as_raw_fd(), &raw mut bytes) }
        .context("ask for what is not acknowledged")?;
    Ok(u64::try_from(bytes)?)
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

/// An MPTCP client that stops reading.
pub(crate) fn mptcp_stalled(stage: &Stage) -> Result<()> {
    let server = stage.mptcp_server()?;
    let mut client = stage.mptcp_client(&server)?;
    client.request(acts::ENDLESS_ANSWER)?;
    client.read(1_000_000)?;
    stage.hold();
    Ok(())
}

/// A kernel with next to no receive buffer that reads 100 bytes a second.
pub(crate) fn dribbler(stage: &Stage) -> Result<()> {
    let (_server, client) = stage.download(acts::LONG_ANSWER, Some(1_000))?;
    let _reader = client.read_slowly(100, Duration::from_secs(1));
    stage.hold();
    Ok(())
}
