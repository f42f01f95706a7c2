//! The accept loop, and one task for each connection.

use super::access::Access;
use super::deadline::{Abort, DeadlineStream, Progress};
use super::limiter::{Client, ConnectionLimiter};
use super::limits::{Limits, Refusals, count};
use super::listen::Listener;
use super::message::{Request, Response, TrackedBody, Verb};
use super::meter::Meter;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};

/// Pause after a failure to accept that will not pass by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections may go on once the agent stops.
const STOP_PATIENCE: Duration = Duration::from_millis(500);
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
];

/// What pages that only show something allow.
pub(super) const GET_AND_HEAD: &str = "GET, HEAD";

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers one request. Quick: it runs on the agent's only event loop.
    fn handle(self: Arc<Self>, request: Request) -> impl Future<Output = Response> + Send;
}

/// What a listener serves, and to whom.
pub(crate) struct Service<H> {
    /// Answers.
    pub(crate) handler: Arc<H>,
    /// What one client may cost.
    pub(crate) limits: Limits,
    /// Counts whom it was too much.
    pub(crate) refusals: Arc<Refusals>,
    /// What all of it takes.
    pub(crate) meter: Arc<Meter>,
    /// Who may ask, and how; everybody in plain text without it.
    pub(crate) access: Option<Arc<Access>>,
}

// Not derived: a handler need not be cloned.
impl<H> Clone for Service<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            limits: self.limits,
            refusals: Arc::clone(&self.refusals),
            meter: Arc::clone(&self.meter),
            access: self.access.clone(),
        }
    }
}

/// Serves until `stop` says so, then lets running responses end for a moment.
pub(crate) async fn serve<L: Listener, H: Handler>(
    listener: L,
    service: Service<H>,
    mut stop: watch::Receiver<bool>,
) {
    let (limits, refusals) = (service.limits, Arc::clone(&service.refusals));
    let mut limiter = ConnectionLimiter::new(limits.connections);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            // At once, so that only open connections are counted.
            Some(()) = limiter.one_ended() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => {
                    if limiter.make_room().await {
                        count(&refusals.over_limit);
                    }
                    let progress = Progress::new(limiter.is_crowded());
                    let stream = DeadlineStream::new(stream, progress.clone(), limits);
                    let connection = Connection {
                        client,
                        service: service.clone(),
                        progress: progress.clone(),
                    };
                    let meter = Arc::clone(&service.meter);
                    let stop = stop.clone();
                    let connection = async move { meter.watch(connection.run(stream, stop)).await };
                    limiter.admit(client, progress, connection);
                }
                Err(error) => {
                    count(&refusals.accept_failed);
                    if !is_passing(&error) {
                        tracing::warn!("cannot accept a connection: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            },
        }
    }
    drop(listener);
    // Tasks that need longer are dropped with the set.
    let _ = tokio::time::timeout(STOP_PATIENCE, async {
        while limiter.one_ended().await.is_some() {}
    })
    .await;
}

/// Waits until the agent stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could go on.
    drop(stop.wait_for(|stops| *stops).await);
}

/// Failures that concern only the connection that was to be accepted.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// One connection: its requests to the handler, its failures to the counts.
pub(super) struct Connection<H> {
    pub(super) service: Service<H>,
    pub(super) progress: Progress,
    pub(super) client: Client,
}

impl<H: Handler> Connection<H> {
    /// Serves until either side ends it, over TLS if that is asked for.
    pub(super) async fn run<S: Abort>(
        self,
        stream: DeadlineStream<S>,
        mut stop: watch::Receiver<bool>,
    ) where
        DeadlineStream<S>: AsyncRead + AsyncWrite + Unpin,
    {
        let connection = Arc::new(self);
        let access = connection.service.access.as_deref();
        match access.and_then(Access::acceptor) {
            None => Arc::clone(&connection).serve(stream, &mut stop).await,
            Some(acceptor) => {
                let accepted = tokio::select! {
                    accepted = acceptor.accept(stream) => accepted,
                    () = stopped(&mut stop) => return,
                };
                match accepted {
                    Ok(stream) => Arc::clone(&connection).serve(stream, &mut stop).await,
                    Err(_) if connection.progress.is_cut() => {}
                    // What is wrong is the client's business.
                    Err(_) => count(&connection.service.refusals.handshake_failed),
                }
            }
        }
        if connection.progress.is_cut() {
            count(&connection.service.refusals.too_slow);
        }
    }

    async fn serve(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        stop: &mut watch::Receiver<bool>,
    ) {
        let connection = self;
        let serving = Arc::clone(&connection);
        let service = service_fn(move |request| Arc::clone(&serving).respond(request));
        let http = hyper::server::conn::http1::Builder::new()
            .max_buf_size(connection.service.limits.head_bytes)
            // The stream has its own deadlines, which tell idle from slow.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        let mut http = pin!(http);
        // How it ended is the client's business, unless the stream had to cut it.
        let _ended = tokio::select! {
            ended = http.as_mut() => ended,
            () = stopped(stop) => {
                http.as_mut().graceful_shutdown();
                http.await
            }
        };
    }

    async fn respond(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<TrackedBody>, Infallible> {
        self.progress.request_arrived();
        // The turn of the others, whose requests may wait behind a hundred that came in one segment.
        yield_now().await;
        let response = self.answer(request).await;
        let body = TrackedBody::new(response.content, self.progress.clone());
        let mut answer = hyper::Response::new(body);
        *answer.status_mut() = response.status;
        let headers = answer.headers_mut();
        headers.extend(HEADERS);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(response.content_type),
        );
        headers.extend(response.headers);
        Ok(answer)
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> Response {
        let (head, body) = request.into_parts();
        if let Some(access) = &self.service.access
            && !access
                .admits(head.headers.get(header::AUTHORIZATION), &self.service.meter)
                .await
        {
            count(&self.service.refusals.unauthorized);
            return Response::unauthorized();
        }
        let verb = match head.method {
            Method::GET | Method::HEAD => Verb::Get,
            Method::POST if self.service.limits.body_bytes > 0 => Verb::Post,
            method => return Response::method_not_allowed(&method, GET_AND_HEAD),
        };
        let uri = head.uri;
        let Some(request) = Request::parse(uri.path(), uri.query()) else {
            return Response::text(StatusCode::BAD_REQUEST, "broken escape in the address\n");
        };
        let body = match verb {
            Verb::Get => Bytes::new(),
            Verb::Post => match self.read_body(body).await {
                Ok(body) => body,
                Err(refusal) => return refusal,
            },
        };
        let request = Request {
            verb,
            body,
            client: Some(self.client),
            ..request
        };
        // A task of its own: a panic ends it and nothing else.
        let mut making = JoinSet::new();
        let made = Arc::clone(&self.service.handler).handle(request);
        let meter = Arc::clone(&self.service.meter);
        making.spawn(async move { meter.watch(made).await });
        match tokio::time::timeout(self.service.limits.handler_timeout, making.join_next()).await {
            Ok(Some(Ok(response))) => response,
            failed => {
                count(&self.service.refusals.handler_failed);
                tracing::error!("{} failed: {failed:?}", uri.path());
                Response::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
            }
        }
    }

    /// The whole body, as large and as slow as the limits allow.
    async fn read_body(&self, body: Incoming) -> Result<Bytes, Response> {
        let limit = self.service.limits.body_bytes;
        let whole = Limited::new(body, limit).collect();
        match tokio::time::timeout(self.service.limits.head_timeout, whole).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Response::text(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a request has at most {limit} bytes\n"),
            )),
            Ok(Err(error)) => Err(Response::text(
                StatusCode::BAD_REQUEST,
                format!("cannot read the request: {error}\n"),
            )),
            Err(_) => {
                count(&self.service.refusals.too_slow);
                Err(Response::text(
                    StatusCode::REQUEST_TIMEOUT,
                    "the request was not complete in time\n",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, Handler, Service};
    use crate::http::deadline::{DeadlineStream, Progress};
    use crate::http::limits::Limits;
    use crate::http::message::{Content, Request, Response};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::watch;

    /// Answers with how many requests came before.
    #[derive(Default)]
    struct Counts(AtomicUsize);

    impl Handler for Counts {
        async fn handle(self: Arc<Self>, _request: Request) -> Response {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            let content = Content::Whole(format!("before: {count}\n").into());
            Response::ok("text/plain; charset=utf-8", content)
        }
    }

    fn connect(handler: &Arc<Counts>, stop: &watch::Sender<bool>) -> DuplexStream {
        let (stream, served) = duplex(64 << 10);
        let progress = Progress::new(false);
        let connection = Connection {
            service: Service {
                handler: Arc::clone(handler),
                limits: Limits::WEB,
                refusals: Arc::default(),
                meter: Arc::default(),
                access: None,
            },
            progress: progress.clone(),
            client: crate::http::Client::User(None),
        };
        let served = DeadlineStream::new(served, progress, Limits::WEB);
        tokio::spawn(connection.run(served, stop.subscribe()));
        stream
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_once_does_not_wait_for_who_asks_a_hundred_times() {
        const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let (handler, stop) = (Arc::default(), watch::Sender::new(false));
        let mut greedy = connect(&handler, &stop);
        let mut modest = connect(&handler, &stop);
        greedy
            .write_all(REQUEST.repeat(100).as_bytes())
            .await
            .unwrap();
        modest.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n") || !answer.windows(6).any(|part| part == b"before") {
            let mut buffer = [0; 1024];
            let count = modest.read(&mut buffer).await.unwrap();
            answer.extend_from_slice(&buffer[..count]);
        }
        let answer = String::from_utf8(answer).unwrap();
        let (_, before) = answer.rsplit_once("before: ").unwrap();
        let before: usize = before.trim().parse().unwrap();
        assert!(before <= 3, "{before} came first");
    }
}
