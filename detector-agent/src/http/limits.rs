//! What one client may cost the agent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at the same time; one more cuts off another.
    pub(crate) connections: usize,
    /// Bytes of a request's head; more are answered 431.
    pub(crate) head_bytes: usize,
    /// Bytes of a request's body; more are answered 413. 0 means no POST.
    pub(crate) body_bytes: usize,
    /// From the first byte of a request (for the first one: from accept) to the end of its head,
    /// and from there to the end of its body.
    pub(crate) head_timeout: Duration,
    /// Between two requests of a connection, while there is room.
    pub(crate) idle_timeout: Duration,
    /// The same, once half of the connections are in use.
    pub(crate) crowded_idle_timeout: Duration,
    /// For making a response.
    pub(crate) handler_timeout: Duration,
    /// Without the client taking a byte while bytes wait for it.
    pub(crate) stall_timeout: Duration,
    /// From a request to the last byte of its response. Streams that follow are exempt.
    pub(crate) response_timeout: Duration,
}

impl Limits {
    /// For listeners that a network may reach.
    pub(crate) const WEB: Self = Self {
        connections: 64,
        head_bytes: 16 << 10,
        body_bytes: 0,
        head_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(120),
        crowded_idle_timeout: Duration::from_secs(2),
        handler_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(10),
        response_timeout: Duration::from_secs(30),
    };

    /// For the control socket.
    pub(crate) const CONTROL: Self = Self {
        connections: 32,
        // A thousand sockets by name.
        body_bytes: 256 << 10,
        ..Self::WEB
    };
}

/// What a listener had to refuse or cut, since the start.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Connections cut to make room for one beyond the limit.
    pub(crate) over_limit: AtomicU64,
    /// Failures to accept, for instance for lack of file descriptors.
    pub(crate) accept_failed: AtomicU64,
    /// Connections cut because a client was too slow.
    pub(crate) too_slow: AtomicU64,
    /// Requests whose handler panicked or took too long; answered 500.
    pub(crate) handler_failed: AtomicU64,
    /// Connections that did not come to an agreement on TLS.
    pub(crate) handshake_failed: AtomicU64,
    /// Requests without the right password; answered 401.
    pub(crate) unauthorized: AtomicU64,
}

impl Refusals {
    /// Each count with its label value.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 6] {
        [
            ("over_limit", self.over_limit.load(Ordering::Relaxed)),
            ("accept_failed", self.accept_failed.load(Ordering::Relaxed)),
            ("too_slow", self.too_slow.load(Ordering::Relaxed)),
            (
                "handler_failed",
                self.handler_failed.load(Ordering::Relaxed),
            ),
            (
                "handshake_failed",
                self.handshake_failed.load(Ordering::Relaxed),
            ),
            ("unauthorized", self.unauthorized.load(Ordering::Relaxed)),
        ]
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
