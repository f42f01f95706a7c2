//! An answer of the agent: read piece by piece, bounded, and sanitized where it comes in.

use super::PATIENCE;
use super::error::{ClientError, broken, misread};
use bytes::Bytes;
use detector_api::defaults::{AGENT_STARTED_HEADER, AGENT_VERSION_HEADER, TOTAL_COUNT_HEADER};
use detector_api::sanitize;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderName;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::io;
use tokio::time::timeout;

/// Length of a list of which the body may show only the beginning.
const TOTAL_COUNT: HeaderName = HeaderName::from_static(TOTAL_COUNT_HEADER);
/// When the agent started.
const AGENT_STARTED: HeaderName = HeaderName::from_static(AGENT_STARTED_HEADER);
/// Version of the agent.
const AGENT_VERSION: HeaderName = HeaderName::from_static(AGENT_VERSION_HEADER);
/// A table of the largest capacity fits.
const MAX_BODY_BYTES: usize = 1 << 30;
/// One event is below a kilobyte.
const MAX_LINE_BYTES: usize = 1 << 20;

/// An answer of the agent.
pub struct Answer(pub(super) hyper::Response<Incoming>);

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
        let agent = version(&self.0);
        match String::from_utf8(clean) {
            Ok(text) => Ok(Text { text, agent }),
            Err(error) => Err(misread(agent, error)),
        }
    }

    pub(super) async fn read<T: DeserializeOwned + Send + 'static>(
        mut self,
    ) -> Result<T, ClientError> {
        let bytes = whole(self.0.body_mut()).await?;
        let read = move || serde_json::from_slice(&sanitize::json_text(&bytes));
        // A long list takes a while to read; whoever waits for keys must not wait for it.
        let read = tokio::task::spawn_blocking(read).await.map_err(broken)?;
        read.map_err(|error| misread(version(&self.0), error))
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
            let lines =
                std::str::from_utf8(&lines).map_err(|error| misread(version(&self.0), error))?;
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
    /// What did not come from an agent.
    pub const fn own(text: String) -> Self {
        Self { text, agent: None }
    }

    /// It is not what it should be, for this reason.
    pub fn misread(&self, error: impl std::fmt::Display) -> ClientError {
        misread(self.agent.clone(), error)
    }
}

pub(super) fn header(response: &hyper::Response<Incoming>, name: &HeaderName) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(sanitize::text(value))
}

/// Version of the agent, as it says.
pub(super) fn version(response: &hyper::Response<Incoming>) -> Option<String> {
    header(response, &AGENT_VERSION)
}

pub(super) async fn whole(body: &mut Incoming) -> Result<Vec<u8>, ClientError> {
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
