//! The server, an honest reader and the attacker, each a process of its own in its namespace.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::CONNECTIONS;
use super::network::within;

/// Bytes that each client is to get; more than any buffer takes.
const PAGE_BYTES: usize = 8 << 20;
/// An honest reader takes 200 kB/s.
const SIP_BYTES: usize = 20_000;
const SIP_PAUSE: Duration = Duration::from_millis(100);
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
        "reader" => sip(address),
        "attacker" => hold(address),
        _ => bail!("no role {role}"),
    }
}

/// Sends a page to whoever connects.
fn serve(address: &str) -> Result<()> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    ready("serving");
    for stream in listener.incoming() {
        let mut stream = stream.context("cannot accept")?;
        thread::spawn(move || stream.write_all(&vec![b'x'; PAGE_BYTES]));
    }
    Ok(())
}

/// Reads at a steady pace for as long as it is let.
fn sip(address: &str) -> Result<()> {
    let mut stream =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    ready("reading");
    let began = Instant::now();
    let mut sip = vec![0; SIP_BYTES];
    while began.elapsed() < TIME_LIMIT {
        if matches!(stream.read(&mut sip), Ok(0) | Err(_)) {
            break;
        }
        thread::sleep(SIP_PAUSE);
    }
    Ok(())
}

/// Connects many times and reads nothing until its input ends.
fn hold(address: &str) -> Result<()> {
    let connect =
        |_| TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"));
    let held = (0..CONNECTIONS).map(connect).collect::<Result<Vec<_>>>()?;
    ready("holding");
    io::copy(&mut io::stdin(), &mut io::sink()).context("cannot wait for the end")?;
    drop(held);
    Ok(())
}

pub(super) fn ready(what: &str) {
    eprintln!("ready: {what}");
}
