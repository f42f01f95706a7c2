//! Talks to a running agent over its control socket; trusts it with nothing.
//!
//! Waits and sizes are bounded, and every string is scrubbed here, where it comes in.

use super::TOTAL_COUNT;
use crate::scrub;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// For connecting, for the head of a response, and for each further piece of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// A table of the largest capacity fits.
const MAX_BODY_BYTES: usize = 1 << 30;
/// One event is below a kilobyte.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Why the agent gave no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nobody listens at the socket, or we may not connect.
    Unreachable {
        /// Path of the socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent answered with an error.
    Refused {
        /// Status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// The answer broke off, took too long, was too large or is not what it should be.
    Broken {
        /// What is wrong.
        message: String,
    },
    /// Whoever was to get the lines failed.
    Sink(io::Error),
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable { socket, source } => {
                write!(
                    f,
                    "cannot reach the agent on {}: {source}",
                    socket.display()
                )
            }
            Self::Refused { status, message } => {
                write!(
                    f,
                    "the agent refused the request: {message} (status {status})"
                )
            }
            Self::Broken { message } => write!(f, "cannot read the agent's answer: {message}"),
            Self::Sink(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sink(error) => Some(error),
            // Told by the message already.
            _ => None,
        }
    }
}

fn broken(message: impl std::fmt::Display) -> ClientError {
    ClientError::Broken {
        message: scrub::text(&message.to_string()),
    }
}

/// The beginning of a list of the agent, or all of it.
#[derive(Debug)]
pub(crate) struct List<T> {
    /// What was sent, scrubbed.
    pub(crate) rows: Vec<T>,
    /// How many there are.
    pub(crate) total: usize,
}

/// A list of the agent.
pub(crate) async fn list<T: DeserializeOwned + Send + 'static>(
    socket: &Path,
    target: &str,
) -> Result<List<T>, ClientError> {
    let (total, rows) = answer::<Vec<T>>(socket, target).await?;
    Ok(List {
        total: total.unwrap_or(rows.len()),
        rows,
    })
}

/// One object of the agent.
pub(crate) async fn object<T: DeserializeOwned + Send + 'static>(
    socket: &Path,
    target: &str,
) -> Result<T, ClientError> {
    let (_, object) = answer(socket, target).await?;
    Ok(object)
}

async fn answer<T: DeserializeOwned + Send + 'static>(
    socket: &Path,
    target: &str,
) -> Result<(Option<usize>, T), ClientError> {
    let response = request(socket, target).await?;
    let total = response.headers().get(TOTAL_COUNT);
    let total = total.and_then(|value| value.to_str().ok()?.parse().ok());
    let bytes = whole(&mut response.into_body()).await?;
    let read = move || serde_json::from_slice(&scrub::json_text(&bytes));
    // A long list takes a while to read; whoever waits for keys must not wait for it.
    let read = tokio::task::spawn_blocking(read).await;
    Ok((total, read.map_err(broken)?.map_err(broken)?))
}

/// Each line of the agent's answer as a JSON value, scrubbed. Without `patience` it waits for the
/// next line as long as it takes.
pub(crate) async fn each_line(
    socket: &Path,
    target: &str,
    follows: bool,
    mut sink: impl FnMut(Value) -> io::Result<()>,
) -> Result<(), ClientError> {
    let mut body = request(socket, target).await?.into_body();
    let mut rest = Vec::new();
    while let Some(piece) = next_piece(&mut body, !follows).await? {
        rest.extend_from_slice(&piece);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let mut value: Value = serde_json::from_slice(&line).map_err(broken)?;
            scrub::json(&mut value);
            sink(value).map_err(ClientError::Sink)?;
        }
        if rest.len() > MAX_LINE_BYTES {
            return Err(broken("a line is longer than 1 MiB"));
        }
    }
    Ok(())
}

async fn request(socket: &Path, target: &str) -> Result<hyper::Response<Incoming>, ClientError> {
    let unreachable = |source| ClientError::Unreachable {
        socket: socket.to_owned(),
        source,
    };
    let stream = timeout(PATIENCE, UnixStream::connect(socket))
        .await
        .map_err(|_| unreachable(io::ErrorKind::TimedOut.into()))?
        .map_err(unreachable)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Its errors come out of the request and the body too.
    tokio::spawn(async move { drop(connection.await) });
    let request = hyper::Request::get(target)
        .header(header::HOST, "detector")
        .body(Empty::<Bytes>::new())
        .map_err(broken)?;
    let response = timeout(PATIENCE, sender.send_request(request))
        .await
        .map_err(|_| broken("no answer in time"))?
        .map_err(broken)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = whole(&mut response.into_body()).await?;
    let mut answer: Value = serde_json::from_slice(&text).unwrap_or_default();
    scrub::json(&mut answer);
    Err(ClientError::Refused {
        status: status.as_u16(),
        message: answer["error"]
            .as_str()
            .unwrap_or("no reason given")
            .to_owned(),
    })
}

async fn whole(body: &mut Incoming) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    while let Some(piece) = next_piece(body, true).await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_BODY_BYTES {
            return Err(broken("it is larger than 1 GiB"));
        }
    }
    Ok(bytes)
}

async fn next_piece(body: &mut Incoming, is_bounded: bool) -> Result<Option<Bytes>, ClientError> {
    loop {
        let frame = if is_bounded {
            timeout(PATIENCE, body.frame())
                .await
                .map_err(|_| broken("it stopped in the middle"))?
        } else {
            body.frame().await
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(broken(error)),
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}
