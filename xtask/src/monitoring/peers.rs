//! The server, honest readers and the attackers, each a process of its own in its namespace.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::network::within;

/// Connections that an attacker holds: half as many again as make a hoard.
pub(super) const CONNECTIONS: usize = 30;
/// Connections that one holds who stays below a hoard on each host.
pub(super) const FEW: usize = 10;

/// What a page is sent by, and how often: 8 MiB in all, more than any buffer takes.
const PIECE_BYTES: usize = 64 << 10;
const PIECES: usize = 128;
/// An honest reader takes 200 kB/s.
const SIP_BYTES: usize = 20_000;
const SIP_PAUSE: Duration = Duration::from_millis(100);
/// One who watches a film takes some seconds of it, and then nothing until they have been seen.
const GULP_BYTES: usize = 400_000;
const GULP_PAUSE: Duration = Duration::from_secs(8);
/// One who takes whole pages does so one after the other.
const PAGE_PAUSE: Duration = Duration::from_secs(1);
/// Nobody plays for longer, whatever becomes of this chore.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// This program in a role, in a namespace.
pub(crate) fn command(namespace: &str, role: &str, address: &str) -> Result<Command> {
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = within(namespace, &this);
    command.args(["monitoring", "--play", role, address]);
    Ok(command)
}

/// Ends this process in time, whatever it plays.
pub(super) fn limit_time() {
    thread::spawn(|| {
        thread::sleep(TIME_LIMIT);
        std::process::exit(1);
    });
}

pub(super) fn play(role: &str, address: &str) -> Result<()> {
    match role {
        "server" => serve(address),
        "reader" => read(address, SIP_BYTES, SIP_PAUSE),
        "watcher" => read(address, GULP_BYTES, GULP_PAUSE),
        "visitor" => visit(address),
        "attacker" => hold(address, CONNECTIONS),
        "few" => hold(address, FEW),
        _ => bail!("no role {role}"),
    }
}

/// Sends a page to whoever connects.
fn serve(address: &str) -> Result<()> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    ready("serving");
    for stream in listener.incoming() {
        let stream = stream.context("cannot accept")?;
        // Whoever is sent something may leave.
        thread::spawn(move || drop(send(stream)));
    }
    Ok(())
}

fn send(mut stream: TcpStream) -> io::Result<()> {
    let piece = vec![b'x'; PIECE_BYTES];
    (0..PIECES).try_for_each(|_| stream.write_all(&piece))
}

/// Takes so much, pauses, and so on, for as long as it is let.
fn read(address: &str, bytes: usize, pause: Duration) -> Result<()> {
    let mut stream = connect(address)?;
    ready("reading");
    let began = Instant::now();
    let mut taken = vec![0; bytes];
    while began.elapsed() < TIME_LIMIT {
        if stream.read_exact(&mut taken).is_err() {
            stream = connect(address)?;
        }
        thread::sleep(pause);
    }
    Ok(())
}

/// Takes one page after the other.
fn visit(address: &str) -> Result<()> {
    ready("visiting");
    let began = Instant::now();
    while began.elapsed() < TIME_LIMIT {
        io::copy(&mut connect(address)?, &mut io::sink()).context("cannot take a page")?;
        thread::sleep(PAGE_PAUSE);
    }
    Ok(())
}

fn connect(address: &str) -> Result<TcpStream> {
    TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))
}

/// Connects many times and reads nothing until its input ends.
fn hold(address: &str, connections: usize) -> Result<()> {
    let held = (0..connections).map(|_| connect(address));
    let held = held.collect::<Result<Vec<_>>>()?;
    ready("holding");
    io::copy(&mut io::stdin(), &mut io::sink()).context("cannot wait for the end")?;
    drop(held);
    Ok(())
}

pub(super) fn ready(what: &str) {
    eprintln!("ready: {what}");
}
