//! The least of HTTP/1.1 that a client needs, over any stream.

use anyhow::{Context, Result};
use std::io::{Read, Write};

/// Answers larger than this are a fault of the agent.
const MOST_BYTES: u64 = 64 << 20;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header lines, as they came.
    pub headers: Vec<String>,
    /// Body, decoded.
    pub body: String,
}

impl Response {
    /// Value of the header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Asks for `path` with `method` and reads to the end.
pub fn request(stream: impl Read + Write, method: &str, path: &str) -> Result<Response> {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n");
    write_and_read(stream, text.as_bytes()).with_context(|| format!("{method} {path}"))
}

/// Writes these bytes and reads the answer to its end.
pub fn write_and_read(mut stream: impl Read + Write, bytes: &[u8]) -> Result<Response> {
    stream.write_all(bytes).context("send the request")?;
    let mut answer = Vec::new();
    stream
        .take(MOST_BYTES)
        .read_to_end(&mut answer)
        .context("read the answer")?;
    parse(&answer)
}

fn parse(answer: &[u8]) -> Result<Response> {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .with_context(|| format!("no end of the headers in {} bytes", answer.len()))?;
    let head = std::str::from_utf8(&answer[..end]).context("headers are not text")?;
    let mut lines = head.split("\r\n").map(str::to_owned);
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("not a status line: {first}"))?;
    let mut response = Response {
        status,
        headers: lines.collect(),
        body: String::new(),
    };
    let body = &answer[end + 4..];
    let is_chunked = response
        .header("transfer-encoding")
        .is_some_and(|value| value.contains("chunked"));
    let decoded = if is_chunked {
        join_chunks(body)?
    } else {
        body.to_vec()
    };
    response.body = String::from_utf8(decoded).context("the body is not text")?;
    Ok(response)
}

fn join_chunks(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|w| w == b"\r\n")
            .context("chunk without a size")?;
        let size = std::str::from_utf8(&rest[..end])?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
            .context("size of a chunk")?;
        if size == 0 {
            return Ok(body);
        }
        let begin = end + 2;
        body.extend_from_slice(
            rest.get(begin..begin + size)
                .context("chunk is cut short")?,
        );
        rest = rest.get(begin + size + 2..).context("chunk is cut short")?;
    }
}
