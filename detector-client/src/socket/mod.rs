//! Talks to a running agent over its control socket; trusts it with nothing.
//!
//! Waits and sizes are bounded, and every string is sanitized here, where it comes in.

mod answer;
mod error;

pub use answer::{Answer, Text};
pub use error::ClientError;

use answer::{version, whole};
use bytes::Bytes;
use detector_api::sanitize;
use error::{broken, misread};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// For connecting, for the head of a response, and for each further piece of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// For the head of a response to an action: the agent itself gives up before.
const PATIENCE_WITH_ACTIONS: Duration = Duration::from_secs(15);
/// Version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What a path or a value of a query may hold as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/');

/// Text for a path or for a value of a query.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// The beginning of a list of the agent, or all of it.
#[derive(Debug)]
pub struct List<T> {
    /// What was sent, sanitized.
    pub rows: Vec<T>,
    /// How many there are.
    pub total: usize,
}

/// A list of the agent.
pub async fn list<T: DeserializeOwned + Send + 'static>(
    socket: &Path,
    target: &str,
) -> Result<List<T>, ClientError> {
    let answer = open(socket, target).await?;
    let total = answer.total();
    let rows: Vec<T> = answer.read().await?;
    Ok(List {
        total: total.unwrap_or(rows.len()),
        rows,
    })
}

/// One object of the agent.
pub async fn object<T: DeserializeOwned + Send + 'static>(
    socket: &Path,
    target: &str,
) -> Result<T, ClientError> {
    open(socket, target).await?.read().await
}

/// Has the agent do something; gives what it says of it.
pub async fn act<T: DeserializeOwned + Send + 'static>(
    socket: &Path,
    target: &str,
    wanted: &impl Serialize,
) -> Result<T, ClientError> {
    let body = serde_json::to_vec(wanted).map_err(broken)?;
    let request = hyper::Request::post(target).body(Full::from(body));
    let answer = request_with(socket, request).await.map(Answer)?;
    answer.read().await
}

/// Each line of the agent's answer as a JSON value. If it `follows`, it waits for the next one as
/// long as it takes.
pub async fn each_line(
    socket: &Path,
    target: &str,
    follows: bool,
    mut sink: impl FnMut(Value) -> io::Result<()>,
) -> Result<(), ClientError> {
    let read = |line: &str| sink(serde_json::from_str(line)?);
    open(socket, target).await?.each_line(follows, read).await
}

/// Why nobody can be asked on this socket; `None` if somebody listens there, or may.
pub async fn missing(socket: &Path) -> Option<io::Error> {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    let error = timeout(PATIENCE, UnixStream::connect(socket))
        .await
        .ok()?
        .err()?;
    matches!(
        error.kind(),
        NotFound | ConnectionRefused | PermissionDenied
    )
    .then_some(error)
}

/// Asks; the answer is still to be read.
pub async fn open(socket: &Path, target: &str) -> Result<Answer, ClientError> {
    request(socket, target).await.map(Answer)
}

async fn request(socket: &Path, target: &str) -> Result<hyper::Response<Incoming>, ClientError> {
    let request = hyper::Request::get(target).body(Full::default());
    request_with(socket, request).await
}

async fn request_with(
    socket: &Path,
    request: hyper::http::Result<hyper::Request<Full<Bytes>>>,
) -> Result<hyper::Response<Incoming>, ClientError> {
    let mut request = request.map_err(broken)?;
    let host = HeaderValue::from_static("detector");
    request.headers_mut().insert(header::HOST, host);
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
    let (patience, given_up) = if request.method() == Method::POST {
        (PATIENCE_WITH_ACTIONS, ClientError::Unknown)
    } else {
        (PATIENCE, ClientError::Silent)
    };
    let response = timeout(patience, sender.send_request(request))
        .await
        .map_err(|_| given_up)?
        .map_err(broken)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let mut response = response;
    let text = whole(response.body_mut()).await?;
    let mut answer: Value = serde_json::from_slice(&text).unwrap_or_default();
    sanitize::json(&mut answer);
    // What the listener itself refuses it says in plain text.
    let plain = sanitize::text(String::from_utf8_lossy(&text).trim());
    let plain = Some(plain).filter(|plain| !plain.is_empty() && plain.len() < 200);
    let message = answer["error"].as_str().or(plain.as_deref());
    let message = message.unwrap_or("no reason given");
    let hint = answer["hint"].as_str().map(str::to_owned);
    let agent = version(&response);
    if status == StatusCode::NOT_FOUND && agent.as_deref() != Some(VERSION) {
        return Err(misread(agent, message));
    }
    Err(ClientError::Refused {
        status: status.as_u16(),
        message: message.to_owned(),
        hint,
    })
}
