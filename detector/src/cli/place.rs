//! Where a command that reads looks.

use clap::{Args, ValueHint};
use detector_api::defaults::CONTROL_SOCKET;
use detector_client::commands::AgentOrRecorder;
use std::path::PathBuf;

/// Arguments of those that read a recorder where no agent runs.
#[derive(Clone, Debug, Args)]
pub(crate) struct AgentOrRecorderArgs {
    /// Control socket of the agent
    #[arg(long, value_name = "PATH", default_value = CONTROL_SOCKET, value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: PathBuf,
    /// Ask no agent, read the recorder in this folder, or this copy of one [default:
    /// /var/lib/detector, where no agent runs]
    #[arg(long, value_name = "DIR", conflicts_with = "control_socket", value_hint = ValueHint::AnyPath)]
    pub(crate) state_dir: Option<PathBuf>,
}

impl AgentOrRecorderArgs {
    /// As the command takes it.
    pub(crate) fn place(&self) -> AgentOrRecorder<'_> {
        AgentOrRecorder {
            socket: &self.control_socket,
            state_dir: self.state_dir.as_deref(),
        }
    }
}
