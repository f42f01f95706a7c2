//! Many connections that ask for much and read nothing: a load for benches.
//!
//! Arguments: source address, then `ADDRESS:PORT=CONNECTIONS` for each server. Prints a line
//! `ready: …` on stderr once all have asked, and ends with its input.

use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// Small, so that the servers hold what is asked for.
const RECEIVE_BUFFER_BYTES: usize = 4_096;
const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET /large HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let source = arguments.next().context("no source address")?;
    let source: IpAddr = source.parse().context("the source is no address")?;
    let mut open = Vec::new();
    for argument in arguments {
        let (server, count) = argument.split_once('=').context("no ADDRESS:PORT=COUNT")?;
        let server = server.parse().context("the server is no address")?;
        let count: u32 = count.parse().context("the count is no number")?;
        for _ in 0..count {
            let stream = ask(source, server);
            open.push(stream.with_context(|| format!("connection {}", open.len()))?);
        }
    }
    writeln!(std::io::stderr(), "ready: {} connections", open.len())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn ask(source: IpAddr, server: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&server.into(), PATIENCE)?;
    let mut stream = TcpStream::from(socket);
    stream.write_all(REQUEST).context("send the request")?;
    Ok(stream)
}
