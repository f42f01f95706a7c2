//! Talks to a running agent over its control socket; trusts it with nothing.
//!
//! Waits and sizes are bounded, and every string is sanitized here, where it comes in.

use bytes::Bytes;
use detector_api::defaults::{AGENT_STARTED_HEADER, AGENT_VERSION_HEADER, TOTAL_COUNT_HEADER};
use detector_api::sanitize;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Length of a list of which the body may show only the beginning.
const TOTAL_COUNT: HeaderName = HeaderName::from_static(TOTAL_COUNT_HEADER);
/// When the agent started.
const AGENT_STARTED: HeaderName = HeaderName::from_static(AGENT_STARTED_HEADER);
/// Version of the agent.
const AGENT_VERSION: HeaderName = HeaderName::from_static(AGENT_VERSION_HEADER);
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

/// For connecting, for the head of a response, and for each further piece of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// For the head of a response to an action: the agent itself gives up before.
const PATIENCE_WITH_ACTIONS: Duration = Duration::from_secs(15);
/// A table of the largest capacity fits.
const MAX_BODY_BYTES: usize = 1 << 30;
/// One event is below a kilobyte.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Why the agent gave no answer.
#[derive(Debug)]
pub enum ClientError {
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
        /// What to do about it, as it says.
        hint: Option<String>,
    },
    /// It took the request and said nothing.
    Silent,
    /// It was asked to do something, and did not say what came of it.
    Unknown,
    /// It is of another version, and its answer is not what we know.
    OtherVersion {
        /// Its version, as it says.
        agent: String,
        /// What is wrong with the answer.
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
            Self::Refused {
                status, message, ..
            } => {
                write!(
                    f,
                    "the agent refused the request: {message} (status {status})"
                )
            }
            Self::Silent => write!(
                f,
                "the agent did not answer within {} s",
                PATIENCE.as_secs()
            ),
            Self::Unknown => write!(
                f,
                "the agent did not say within {} s what came of it, and may yet do it",
                PATIENCE_WITH_ACTIONS.as_secs()
            ),
            Self::OtherVersion { agent, message } => write!(
                f,
                "the agent is of version {agent}, this is {VERSION}, and they do not understand \
                 each other: {message}"
            ),
            Self::Broken { message } => write!(f, "cannot read the agent's answer: {message}"),
            Self::Sink(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl ClientError {
    /// The same in a few words, for a place that has no room for more.
    pub fn brief(&self) -> String {
        match self {
            Self::Unreachable { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    "nobody listens on its socket".to_owned()
                }
                io::ErrorKind::PermissionDenied => "its socket may not be used".to_owned(),
                _ => format!("its socket cannot be reached: {source}"),
            },
            Self::Refused { message, .. } => format!("the agent refused: {message}"),
            Self::Silent => format!("the agent takes longer than {} s", PATIENCE.as_secs()),
            Self::Unknown => self.to_string(),
            Self::OtherVersion { agent, .. } => {
                format!("the agent is of version {agent}, this is {VERSION}")
            }
            Self::Broken { message } => format!("its answer cannot be read: {message}"),
            Self::Sink(error) => error.to_string(),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sink(error) => Some(error),
            // ActionResult by the message already.
            _ => None,
        }
    }
}

fn broken(message: impl std::fmt::Display) -> ClientError {
    ClientError::Broken {
        message: sanitize::text(&message.to_string()),
    }
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

/// Asks; the answer is still to be read.
pub async fn open(socket: &Path, target: &str) -> Result<Answer, ClientError> {
    request(socket, target).await.map(Answer)
}

/// An answer of the agent.
pub struct Answer(hyper::Response<Incoming>);

impl Answer {
    /// Length of the list of which this may be the beginning.
    pub fn total(&self) -> Option<usize> {
        self.header(&TOTAL_COUNT)?.parse().ok()
    }

    /// When the agent started, as it says.
    pub fn started(&self) -> Option<String> {
        self.header(&AGENT_STARTED)
    }

    fn header(&self, name: &HeaderName) -> Option<String> {
        header(&self.0, name)
    }

    /// All of it as text, sanitized.
    pub async fn text(mut self) -> Result<Text, ClientError> {
        let bytes = whole(self.0.body_mut()).await?;
        // Borrowed, it is as it was sent.
        let clean = match sanitize::json_text(&bytes) {
            Cow::Owned(clean) => clean,
            Cow::Borrowed(_) => bytes,
        };
        let agent = header(&self.0, &AGENT_VERSION);
        match String::from_utf8(clean) {
            Ok(text) => Ok(Text { text, agent }),
            Err(error) => Err(misread(agent, error)),
        }
    }

    async fn read<T: DeserializeOwned + Send + 'static>(mut self) -> Result<T, ClientError> {
        let bytes = whole(self.0.body_mut()).await?;
        let read = move || serde_json::from_slice(&sanitize::json_text(&bytes));
        // A long list takes a while to read; whoever waits for keys must not wait for it.
        let read = tokio::task::spawn_blocking(read).await.map_err(broken)?;
        read.map_err(|error| misread(header(&self.0, &AGENT_VERSION), error))
    }

    /// Each line, sanitized. If it `follows`, it waits for the next one as long as it takes.
    pub async fn each_line(
        mut self,
        follows: bool,
        mut sink: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        let mut rest = Vec::new();
        while let Some(piece) = next_piece(self.0.body_mut(), !follows).await? {
            rest.extend_from_slice(&piece);
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
                if rest.len() > MAX_LINE_BYTES {
                    return Err(broken("a line is longer than 1 MiB"));
                }
                continue;
            };
            let lines: Vec<u8> = rest.drain(..=end).collect();
            let lines = sanitize::json_text(&lines);
            let lines = std::str::from_utf8(&lines)
                .map_err(|error| misread(header(&self.0, &AGENT_VERSION), error))?;
            for line in lines.lines() {
                sink(line).map_err(ClientError::Sink)?;
            }
        }
        Ok(())
    }
}

/// An answer as it came, sanitized.
pub struct Text {
    /// The answer.
    pub text: String,
    /// Version of the agent, as it says.
    agent: Option<String>,
}

impl Text {
    /// It is not what it should be, for this reason.
    pub fn misread(&self, error: impl std::fmt::Display) -> ClientError {
        misread(self.agent.clone(), error)
    }
}

fn header(response: &hyper::Response<Incoming>, name: &HeaderName) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(sanitize::text(value))
}

/// An answer that is not what it should be: maybe because the agent is of another version.
fn misread(agent: Option<String>, error: impl std::fmt::Display) -> ClientError {
    match agent.filter(|version| version != VERSION) {
        Some(agent) => ClientError::OtherVersion {
            agent,
            message: sanitize::text(&error.to_string()),
        },
        None => broken(error),
    }
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
    let agent = header(&response, &AGENT_VERSION);
    if status == StatusCode::NOT_FOUND && agent.as_deref() != Some(VERSION) {
        return Err(misread(agent, message));
    }
    Err(ClientError::Refused {
        status: status.as_u16(),
        message: message.to_owned(),
        hint,
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
