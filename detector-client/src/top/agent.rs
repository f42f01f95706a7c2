//! The agent that is asked: the host's, or our own where the host has none.

use super::source;
use super::state::{ActionRequest, ActionResult, Query, Snapshot};
use super::{Options, OwnAgent, StartAgent};
use crate::prometheus::Prometheus;
use crate::socket::ClientError;
use detector_api::defaults::CONTROL_SOCKET;
use detector_api::failure::Failure;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For an own agent to get ready: loading programs takes a second, on a busy host several.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Between questions to an own agent that is starting.
pub(super) const START_PAUSE: Duration = Duration::from_millis(50);

/// The agent that is asked.
pub(super) struct Agent {
    socket: PathBuf,
    /// Asked in its place.
    prometheus: Option<Prometheus>,
    /// Whether the user said which agent; then no other will do.
    is_named: bool,
    start: Option<StartAgent>,
    own: Option<(Box<dyn OwnAgent>, Instant)>,
    was_reached: bool,
}

/// What came of a question.
pub(super) enum Outcome {
    /// An answer.
    Answer(Box<Snapshot>),
    /// None yet: an own agent is starting.
    Starting,
    /// None this time; there were answers before.
    Lost(String),
}

impl Agent {
    /// The agent at this socket, else the host's.
    pub(super) fn new(options: &Options) -> Self {
        let socket = options.control_socket.as_deref();
        Self {
            socket: socket.unwrap_or(Path::new(CONTROL_SOCKET)).to_owned(),
            prometheus: options.prometheus.clone(),
            is_named: socket.is_some(),
            start: options.start_agent,
            own: None,
            was_reached: false,
        }
    }

    /// Whether it is our own.
    pub(super) const fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// A question, to be asked beside everything else.
    pub(super) fn question(
        &self,
        query: Query,
    ) -> impl Future<Output = Result<Snapshot, ClientError>> + Send + 'static {
        let socket = self.socket.clone();
        let prometheus = self.prometheus.clone();
        async move {
            match prometheus {
                Some(prometheus) => source::ask_prometheus(&prometheus).await,
                None => source::ask(&socket, &query).await,
            }
        }
    }

    /// Has the agent do or rehearse something, beside everything else.
    pub(super) fn act(
        &self,
        request: ActionRequest,
    ) -> impl Future<Output = Result<ActionResult, ClientError>> + Send + 'static {
        let socket = self.socket.clone();
        async move { source::act(&socket, &request).await }
    }

    /// What to make of the answer. Fails where there is nothing to wait for.
    pub(super) fn judge(
        &mut self,
        answer: Result<Snapshot, ClientError>,
    ) -> Result<Outcome, Failure> {
        if let Some(failure) = self.own.as_mut().and_then(|(own, _)| own.failure()) {
            return Err(failure);
        }
        let error = match answer {
            Ok(snapshot) => {
                self.was_reached = true;
                return Ok(Outcome::Answer(Box::new(snapshot)));
            }
            Err(error) => error,
        };
        if self.was_reached {
            return Ok(Outcome::Lost(error.brief()));
        }
        let is_absent = matches!(
            &error,
            ClientError::Unreachable { source, .. }
                if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
        );
        match &self.own {
            Some((_, since)) if is_absent && since.elapsed() < START_PATIENCE => {
                Ok(Outcome::Starting)
            }
            None if is_absent && !self.is_named => {
                let Some(start) = self.start else {
                    return Err(no_agent());
                };
                let own = start()?;
                self.socket = own.socket();
                self.own = Some((own, Instant::now()));
                Ok(Outcome::Starting)
            }
            _ => Err(error.into_failure(&self.socket)),
        }
    }
}

/// Of a build that brings no agent along.
fn no_agent() -> Failure {
    Failure::failed("no agent runs on this host, and this build cannot watch by itself").hint(
        "start an agent with a full build of detector, or name its socket with --control-socket",
    )
}
