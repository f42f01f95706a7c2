//! A stream that gives up on clients that are too slow, in either direction.
//!
//! Our own: timeouts of hyper and tower end at the head of a request or at the handler, and a client
//! that takes a response byte by byte stays below them for ever. A detector of slow reads must not
//! be held by one.
//!
//! Deadlines live where bytes wait, so that no other part has to think of them. The service says
//! when a request has arrived and when its response body has ended; the rest is seen from reads,
//! writes and flushes.

use super::limits::Limits;
use crate::lock::lock;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep};

/// A connection that can be dropped without leaving bytes behind.
pub(crate) trait Abort {
    /// Makes the next close discard what the client has not taken.
    fn abort(&self);
}

impl Abort for TcpStream {
    fn abort(&self) {
        // If it fails the kernel's own timeout for unacknowledged data frees the memory.
        let _ = rustix::net::sockopt::set_socket_linger(self, Some(Duration::ZERO));
    }
}

impl Abort for UnixStream {
    // What waits in a Unix socket belongs to its reader; nothing stays with us.
    fn abort(&self) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the rest of a request's head.
    Head,
    /// Between two requests.
    Idle,
    /// A request has arrived, its body is being made or sent.
    Responding,
    /// The body has ended; its last bytes may still wait.
    Flushing,
}

#[derive(Debug)]
struct Timing {
    phase: Phase,
    /// When the phase began; `Flushing` keeps the time of `Responding`.
    since: Instant,
    /// The response goes on for as long as the client wants it.
    is_endless: bool,
    is_crowded: bool,
    /// Bytes have been waiting for the client to take any.
    write_waits_since: Option<Instant>,
    /// The client was too slow, the stream has ended the connection.
    is_cut: bool,
    /// The connection ends in favour of another.
    makes_room: bool,
}

/// How far a connection has come; shared by its stream and its service.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    timing: Arc<Mutex<Timing>>,
}

impl Progress {
    /// A connection accepted just now.
    pub(crate) fn new(is_crowded: bool) -> Self {
        Self {
            timing: Arc::new(Mutex::new(Timing {
                phase: Phase::Head,
                since: Instant::now(),
                is_endless: false,
                is_crowded,
                write_waits_since: None,
                is_cut: false,
                makes_room: false,
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Timing> {
        lock(&self.timing)
    }

    /// A request's head is complete.
    pub(crate) fn request_arrived(&self) {
        let mut timing = self.lock();
        timing.phase = Phase::Responding;
        timing.since = Instant::now();
        timing.is_endless = false;
    }

    /// The response is a stream without end.
    pub(crate) fn response_is_endless(&self) {
        self.lock().is_endless = true;
    }

    /// The last byte of the response was handed over, or the body was dropped.
    pub(crate) fn body_ended(&self) {
        let mut timing = self.lock();
        if timing.phase == Phase::Responding {
            timing.phase = Phase::Flushing;
        }
    }

    /// Bytes have come in.
    fn read(&self) {
        let mut timing = self.lock();
        if timing.phase == Phase::Idle {
            timing.phase = Phase::Head;
            timing.since = Instant::now();
        }
    }

    /// All bytes so far are with the kernel.
    fn flushed(&self) {
        let mut timing = self.lock();
        if timing.phase == Phase::Flushing {
            timing.phase = Phase::Idle;
            timing.since = Instant::now();
        }
    }

    fn write_waits(&self) {
        let now = Instant::now();
        self.lock().write_waits_since.get_or_insert(now);
    }

    fn written(&self) {
        self.lock().write_waits_since = None;
    }

    /// How long nothing has gone on because the client did nothing.
    pub(super) fn waited_for_client(&self) -> Duration {
        let timing = self.lock();
        let since = match timing.phase {
            Phase::Head | Phase::Idle => Some(timing.since),
            // Without bytes that wait it is the agent's turn.
            Phase::Responding | Phase::Flushing => timing.write_waits_since,
        };
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// The connection is about to be dropped in favour of another.
    pub(super) fn make_room(&self) {
        self.lock().makes_room = true;
    }

    fn read_deadline(&self, limits: &Limits) -> Option<Instant> {
        let timing = self.lock();
        match timing.phase {
            Phase::Head => Some(timing.since + limits.head_timeout),
            Phase::Idle if timing.is_crowded => Some(timing.since + limits.crowded_idle_timeout),
            Phase::Idle => Some(timing.since + limits.idle_timeout),
            Phase::Responding | Phase::Flushing => None,
        }
    }

    fn response_deadline(&self, limits: &Limits) -> Option<Instant> {
        let timing = self.lock();
        let is_responding = matches!(timing.phase, Phase::Responding | Phase::Flushing);
        (is_responding && !timing.is_endless).then(|| timing.since + limits.response_timeout)
    }

    fn stall_deadline(&self, limits: &Limits) -> Option<Instant> {
        let since = self.lock().write_waits_since;
        since.map(|since| since + limits.stall_timeout)
    }

    /// Whether the connection was ended because its client was too slow.
    pub(crate) fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    /// Whether the connection was only between two requests.
    fn is_idle(&self) -> bool {
        self.lock().phase == Phase::Idle
    }
}

/// A timer that is set anew only when its deadline moves.
struct Timer(Pin<Box<Sleep>>);

impl Timer {
    fn new() -> Self {
        Self(Box::pin(tokio::time::sleep_until(Instant::now())))
    }

    fn poll_at(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        if self.0.deadline() != deadline {
            self.0.as_mut().reset(deadline);
        }
        self.0.as_mut().poll(context)
    }
}

/// See the module.
pub(crate) struct DeadlineStream<S: Abort> {
    stream: S,
    progress: Progress,
    limits: Limits,
    read_timer: Timer,
    write_timer: Timer,
}

impl<S: Abort> DeadlineStream<S> {
    /// Watches `stream`.
    pub(crate) fn new(stream: S, progress: Progress, limits: Limits) -> Self {
        Self {
            stream,
            progress,
            limits,
            read_timer: Timer::new(),
            write_timer: Timer::new(),
        }
    }

    /// Ends the connection.
    fn cut(&self) -> io::Error {
        self.progress.lock().is_cut = true;
        io::ErrorKind::TimedOut.into()
    }

    /// Ready once the client has been too slow in sending.
    fn poll_read_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(deadline) = self.progress.read_deadline(&self.limits) else {
            return Poll::Pending;
        };
        ready!(self.read_timer.poll_at(deadline, context));
        if self.progress.is_idle() {
            // The end of a connection that both sides had finished with.
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(self.cut()))
    }

    /// Ready once the client has been too slow in taking.
    fn poll_write_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let response = self.progress.response_deadline(&self.limits);
        let stall = self.progress.stall_deadline(&self.limits);
        let Some(deadline) = response.into_iter().chain(stall).min() else {
            return Poll::Pending;
        };
        ready!(self.write_timer.poll_at(deadline, context));
        Poll::Ready(self.cut())
    }
}

impl<S: Abort> Drop for DeadlineStream<S> {
    fn drop(&mut self) {
        let is_unwanted = {
            let timing = self.progress.lock();
            timing.is_cut || timing.makes_room
        };
        if is_unwanted {
            self.stream.abort();
        }
    }
}

impl<S: AsyncRead + Abort + Unpin> AsyncRead for DeadlineStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            if buffer.filled().len() > filled {
                self.progress.read();
            }
            return Poll::Ready(result);
        }
        self.poll_read_deadline(context)
    }
}

impl<S: AsyncWrite + Abort + Unpin> DeadlineStream<S> {
    fn poll_timed<T>(
        &mut self,
        context: &mut Context<'_>,
        operation: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match operation(Pin::new(&mut self.stream), context) {
            Poll::Ready(result) => {
                self.progress.written();
                // A client that takes a byte now and then also comes to an end.
                match self.progress.response_deadline(&self.limits) {
                    Some(deadline) if deadline <= Instant::now() => Poll::Ready(Err(self.cut())),
                    _ => Poll::Ready(result),
                }
            }
            Poll::Pending => {
                self.progress.write_waits();
                self.poll_write_deadline(context).map(Err)
            }
        }
    }
}

impl<S: AsyncWrite + Abort + Unpin> AsyncWrite for DeadlineStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_timed(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_timed(context, |stream, context| {
            stream.poll_write_vectored(context, buffers)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(self.poll_timed(context, |stream, context| stream.poll_flush(context)));
        self.progress.flushed();
        // The response may be the last thing that wakes this task for long: set the alarm now.
        // An idle end is reported by the read that the alarm causes.
        if let Some(deadline) = self.progress.read_deadline(&self.limits) {
            let _ = self.read_timer.poll_at(deadline, context);
        }
        Poll::Ready(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_timed(context, |stream, context| stream.poll_shutdown(context))
    }
}
