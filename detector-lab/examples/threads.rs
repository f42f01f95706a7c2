//! A server with a thread for each connection, which writes until its peer takes no more: a load
//! for benches.
//!
//! Argument: the address and port to listen on. Prints a line `ready: …` on stderr once it
//! listens, and ends with its input.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// There may be thousands of threads.
const STACK_BYTES: usize = 64 << 10;

fn main() -> Result<()> {
    let address = std::env::args().nth(1).context("no address to listen on")?;
    let listener = TcpListener::bind(&address).with_context(|| format!("listen on {address}"))?;
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            // One that finds no thread is closed, and missed by the bench.
            drop(thread.spawn(move || serve(stream)));
        }
    });
    writeln!(std::io::stderr(), "ready: listening on {address}")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn serve(mut stream: TcpStream) {
    let chunk = [b'x'; 4_096];
    // A peer that leaves ends it.
    while stream.write_all(&chunk).is_ok() {}
}
