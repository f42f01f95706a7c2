//! Events as they come, over the agent's control socket.

use super::EventView;
use super::line::is_note;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Asks for `/v1/events?follow=1`: one event a line. The iterator ends with the stream.
pub fn follow_lines(socket: &Path) -> Result<impl Iterator<Item = Result<String>> + Send + use<>> {
    let mut stream =
        UnixStream::connect(socket).with_context(|| format!("connect to {}", socket.display()))?;
    stream
        .write_all(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: agent\r\n\r\n")
        .context("ask for events")?;
    let mut reader = BufReader::new(stream);
    let mut is_chunked = false;
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).context("read the headers")?;
        let header = line.trim().to_ascii_lowercase();
        if header.starts_with("http/") && !header.contains(" 200") {
            bail!("GET /v1/events?follow=1: {header}");
        }
        is_chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
        if header.is_empty() {
            break;
        }
    }
    let body: Box<dyn Read + Send> = if is_chunked {
        Box::new(Chunks {
            reader,
            left_bytes: 0,
            is_first: true,
        })
    } else {
        Box::new(reader)
    };
    let lines = BufReader::new(body).lines();
    Ok(lines
        .filter(|line| {
            let mut line = line.iter();
            line.all(|line| !line.is_empty() && !is_note(line))
        })
        .map(|line| line.context("read events")))
}

/// An event from its line.
pub fn event_of(line: &str) -> Result<EventView> {
    serde_json::from_str(line).with_context(|| format!("event {line}"))
}

/// The body of a chunked answer.
struct Chunks<R> {
    reader: R,
    left_bytes: u64,
    is_first: bool,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left_bytes == 0 {
            let mut line = String::new();
            if !self.is_first {
                // The end of the chunk before.
                self.reader.read_line(&mut line)?;
                line.clear();
            }
            self.is_first = false;
            self.reader.read_line(&mut line)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            if size.is_empty() {
                return Ok(0);
            }
            self.left_bytes = u64::from_str_radix(size, 16).map_err(std::io::Error::other)?;
            if self.left_bytes == 0 {
                return Ok(0);
            }
        }
        let got = (&mut self.reader).take(self.left_bytes).read(buffer)?;
        self.left_bytes -= got as u64;
        Ok(got)
    }
}
