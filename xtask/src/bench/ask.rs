//! Asks an agent over HTTP, as little of it as that takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Where the agent that has said this when it was ready serves its metrics.
pub(super) fn address_in(ready: &str) -> Result<String> {
    let rest = ready.split_once("http://").map(|(_, rest)| rest);
    let address = rest.and_then(|rest| rest.split_once('/'));
    let (address, _) = address.with_context(|| format!("no address in: {ready}"))?;
    Ok(address.to_owned())
}

/// The whole answer, head included.
pub(super) fn metrics(address: &str) -> Result<String> {
    let stream =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    get(stream, "/metrics")
}

/// The same, by the control socket.
pub(super) fn control(socket: &Path, path: &str) -> Result<String> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("cannot connect to {}", socket.display()))?;
    get(stream, path)
}

fn get(mut stream: impl Read + Write, path: &str) -> Result<String> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
    )
    .with_context(|| format!("cannot ask for {path}"))?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .with_context(|| format!("cannot read {path}"))?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    Ok(answer)
}
