//! Requests and responses as handlers see them.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::convert::Infallible;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

use super::deadline::Progress;
use super::limiter::Client;

/// What a request wants done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Something shown: GET, or HEAD for its head alone.
    #[default]
    Get,
    /// Something done: POST.
    Post,
}

/// A request that came through the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// What the client wants.
    pub(crate) verb: Verb,
    /// Path with percent escapes decoded.
    pub(crate) path: String,
    /// Parameters of the query, decoded, in their order.
    pub(crate) parameters: Vec<(String, String)>,
    /// What was sent with it; empty for GET.
    pub(crate) body: Bytes,
    /// Who sent it, as the kernel knows; `None` in a test.
    pub(crate) client: Option<Client>,
}

impl Request {
    /// The GET request for a path and query; `None` if an escape is broken or is not UTF-8.
    pub(crate) fn parse(path: &str, query: Option<&str>) -> Option<Self> {
        let mut parameters = Vec::new();
        for pair in query
            .unwrap_or("")
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // A plus sign stays one: times carry it (`+01:00`).
            parameters.push((percent_decoded(name)?, percent_decoded(value)?));
        }
        Some(Self {
            path: percent_decoded(path)?,
            parameters,
            ..Self::default()
        })
    }
}

/// Like the library, but a percent sign that begins no escape is refused, not kept.
fn percent_decoded(text: &str) -> Option<String> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    let are_whole = text.split('%').skip(1).all(is_escape);
    are_whole.then(|| decoded.into_owned())
}

/// What a handler answers.
#[derive(Debug)]
pub(crate) struct Response {
    /// Status.
    pub(crate) status: StatusCode,
    /// `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Further headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Body.
    pub(crate) content: Content,
}

/// Body of a response.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of it at once.
    Whole(Bytes),
    /// Pieces as they are made; the sender waits while the client does not take them.
    Pieces(mpsc::Receiver<Bytes>),
    /// The same without end: the limit on the length of a response does not apply.
    EndlessPieces(mpsc::Receiver<Bytes>),
}

impl Response {
    /// What was asked for.
    pub(crate) const fn ok(content_type: &'static str, content: Content) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            headers: Vec::new(),
            content,
        }
    }

    /// The client must say who it is.
    pub(crate) fn unauthorized() -> Self {
        let challenge = HeaderValue::from_static("Basic realm=\"detector\"");
        let response = Self::text(StatusCode::UNAUTHORIZED, "unauthorized\n");
        response.with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A page of text.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            ..Self::ok(
                "text/plain; charset=utf-8",
                Content::Whole(Bytes::from(text.into())),
            )
        }
    }

    /// A value as JSON, in one line.
    pub(crate) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(mut text) => {
                text.push(b'\n');
                Self::ok("application/json", Content::Whole(text.into()))
            }
            Err(error) => Self::json_failure("cannot write JSON", &error),
        }
    }

    /// A JSON object with one field `error`.
    pub(crate) fn json_error(status: StatusCode, message: &str) -> Self {
        let text = serde_json::json!({ "error": message }).to_string();
        Self {
            status,
            ..Self::ok("application/json", Content::Whole(text.into()))
        }
    }

    /// The same for what failed here.
    pub(crate) fn json_failure(what: &str, error: &impl Display) -> Self {
        let message = format!("{what}: {error}");
        Self::json_error(StatusCode::INTERNAL_SERVER_ERROR, &message)
    }

    /// The same with what to do about it.
    pub(crate) fn json_refusal(status: StatusCode, message: &str, hint: &str) -> Self {
        let text = serde_json::json!({ "error": message, "hint": hint }).to_string();
        Self {
            status,
            ..Self::ok("application/json", Content::Whole(text.into()))
        }
    }

    /// For a method that does not fit what is at the path.
    pub(crate) fn method_not_allowed(method: &Method, allowed: &'static str) -> Self {
        let text = format!("{method} is not allowed here, only {allowed}\n");
        Self::text(StatusCode::METHOD_NOT_ALLOWED, text)
            .with_header(header::ALLOW, HeaderValue::from_static(allowed))
    }
}

/// The body that hyper sends; notes in the progress of the connection when it has ended.
pub(super) struct TrackedBody {
    content: Content,
    progress: Progress,
}

impl TrackedBody {
    pub(super) fn new(content: Content, progress: Progress) -> Self {
        if matches!(content, Content::EndlessPieces(_)) {
            progress.response_is_endless();
        }
        Self { content, progress }
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.progress.body_ended();
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(pieces) | Content::EndlessPieces(pieces) => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(_) | Content::EndlessPieces(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn escapes_in_path_and_query_are_decoded() {
        let request = Request::parse(
            "/v1/peers/2001:db8::%2F64",
            Some("since=2026-01-01T00:00:00+01:00&&kind=dribble&follow"),
        )
        .unwrap();
        assert_eq!(request.path, "/v1/peers/2001:db8::/64");
        let expected = [
            ("since", "2026-01-01T00:00:00+01:00"),
            ("kind", "dribble"),
            ("follow", ""),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(request.parameters, expected);
    }

    #[test]
    fn broken_escapes_are_refused() {
        for path in ["/%", "/%4", "/%zz", "/%ff", "/%+1"] {
            assert_eq!(Request::parse(path, None), None, "{path}");
        }
    }

    #[test]
    fn bytes_of_characters_are_put_together() {
        let text = "2001:db8::/64 &?#%+ü";
        let encoded = "2001:db8::/64%20%26%3F%23%25%2B%C3%BC";
        let request = Request::parse(encoded, None).unwrap();
        assert_eq!(request.path, text);
    }
}
