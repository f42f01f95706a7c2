//! Why the agent gave no answer, and what to do about it.

use super::{PATIENCE, PATIENCE_WITH_ACTIONS, VERSION};
use detector_api::failure::{Code, Failure};
use detector_api::sanitize;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

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
    /// A Prometheus was asked, and gave no answer that is of use.
    Prometheus {
        /// Which.
        url: String,
        /// Why.
        why: String,
    },
    /// Whoever was to get the lines failed.
    Sink(io::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
                "the agent did not report back within {} s; it may still do it",
                PATIENCE_WITH_ACTIONS.as_secs()
            ),
            Self::OtherVersion { agent, message } => write!(
                f,
                "the agent is version {agent}, this is version {VERSION}, and its answer cannot be \
                 understood: {message}"
            ),
            Self::Broken { message } => write!(f, "cannot read the agent's answer: {message}"),
            Self::Prometheus { url, why } => write!(f, "cannot ask {url}: {why}"),
            Self::Sink(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl ClientError {
    /// The same in a few words, for a place that has no room for more.
    pub fn brief(&self) -> String {
        match self {
            Self::Unreachable { source, .. } => match source.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    "nobody listens on its socket".to_owned()
                }
                ErrorKind::PermissionDenied => "no permission to use its socket".to_owned(),
                _ => format!("its socket cannot be reached: {source}"),
            },
            Self::Refused { message, .. } => format!("the agent refused: {message}"),
            Self::Silent => format!("the agent takes longer than {} s", PATIENCE.as_secs()),
            Self::Unknown | Self::Prometheus { .. } => self.to_string(),
            Self::OtherVersion { agent, .. } => {
                format!("the agent is version {agent}, this is version {VERSION}")
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
            // Said by the message already.
            _ => None,
        }
    }
}

pub(super) fn broken(message: impl fmt::Display) -> ClientError {
    ClientError::Broken {
        message: sanitize::text(&message.to_string()),
    }
}

/// An answer that is not what it should be: maybe because the agent is of another version.
pub(super) fn misread(agent: Option<String>, error: impl fmt::Display) -> ClientError {
    match agent.filter(|version| version != VERSION) {
        Some(agent) => ClientError::OtherVersion {
            agent,
            message: sanitize::text(&error.to_string()),
        },
        None => broken(error),
    }
}

impl ClientError {
    /// The failure of a command that asked the agent on this socket, with what to do about it.
    pub fn into_failure(self, socket: &Path) -> Failure {
        let is_forbidden = matches!(
            &self,
            Self::Unreachable { source, .. } if source.kind() == ErrorKind::PermissionDenied
        );
        let hint = match &self {
            Self::Unreachable { .. } if is_forbidden => Some(match group_of(socket) {
                Some(group) if group != "root" => {
                    format!("run it as root, or as a member of group `{group}`")
                }
                _ => "run it as root".to_owned(),
            }),
            Self::Unreachable { .. } => Some(
                "start the agent with `detector run`, or name its socket with --control-socket"
                    .to_owned(),
            ),
            Self::Silent => Some(
                "the agent hangs, or something else listens on its socket; `systemctl status \
                 detector` and its log say more"
                    .to_owned(),
            ),
            Self::Unknown => Some(
                "the agent's log, `detector blocked` and `detector connections` show what was done"
                    .to_owned(),
            ),
            Self::OtherVersion { .. } => {
                Some("restart the agent, so that it runs the installed version".to_owned())
            }
            Self::Broken { .. } => Some(format!(
                "is it an agent that listens on {}? --control-socket names another socket",
                sanitize::text(&socket.display().to_string())
            )),
            Self::Refused { hint, .. } => hint.clone(),
            Self::Prometheus { url, .. } => Some(format!(
                "`curl {url}/-/ready` shows whether a Prometheus is there"
            )),
            Self::Sink(_) => None,
        };
        let code = match &self {
            Self::Unreachable { .. } if is_forbidden => Code::Privilege,
            Self::Refused { status: 400, .. } => Code::Usage,
            Self::Refused { status: 403, .. } => Code::Privilege,
            Self::Refused { status: 501, .. } => Code::Unsupported,
            _ => Code::Failed,
        };
        let failure = Failure::new(code, self);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Name of the group that may use the socket; `None` if that cannot be seen.
fn group_of(socket: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    // The folder's group, where the folder hides the socket.
    let group = std::fs::metadata(socket)
        .or_else(|error| socket.parent().map_or(Err(error), std::fs::metadata))
        .ok()?
        .gid()
        .to_string();
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let mut lines = groups
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.get(2) == Some(&group.as_str()))?;
    fields.first().map(|name| sanitize::text(name))
}
