//! One file a command. They assemble what others do and decide nothing.

mod block;
#[cfg(feature = "agent")]
mod check;
pub(crate) mod completions;
mod connections;
#[cfg(feature = "agent")]
mod docs;
mod events;
mod explain;
mod grid;
mod incidents;
mod listing;
mod man;
#[cfg(feature = "agent")]
mod own_agent;
mod peers;
mod reset;
#[cfg(feature = "agent")]
mod run;
#[cfg(feature = "agent")]
mod selftest;
mod top;

use crate::cli::{Cli, Command};
use detector_api::failure::{Code, Failure};
use detector_client::client::ClientError;
use std::io::{self, Write};
use std::path::Path;

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        #[cfg(feature = "agent")]
        Command::Run(args) => run::run(&args),
        #[cfg(feature = "agent")]
        Command::Check(args) => check::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Peers(args) => peers::run(&args),
        Command::Connections(args) => connections::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Incidents(args) => incidents::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Reset(args) => reset::run(&args),
        Command::Block(args) => block::block(&args),
        Command::Unblock(args) => block::unblock(&args),
        Command::Blocked(args) => block::blocked(&args),
        #[cfg(feature = "agent")]
        Command::Selftest(args) => selftest::run(&args),
        Command::Completions { shell } => completions::run(shell),
        Command::Man => man::run(),
        #[cfg(feature = "agent")]
        Command::Docs { chapter } => docs::run(chapter),
    }
}

/// Writes text to stdout.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Runs a conversation with the agent to its end.
fn talk<T>(
    socket: &Path,
    conversation: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, Failure> {
    converse(conversation)?.map_err(|error| client_failure(socket, error))
}

/// The same for those who know what to make of an error of the agent.
fn converse<T>(conversation: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the event loop: {error}")))?;
    Ok(runtime.block_on(conversation))
}

fn client_failure(socket: &Path, error: ClientError) -> Failure {
    let hint = match &error {
        ClientError::Unreachable { source, .. } => match source.kind() {
            io::ErrorKind::PermissionDenied => Some(match group_of(socket) {
                Some(group) => format!("run it as root, or as a member of group `{group}`"),
                None => "run it as root".to_owned(),
            }),
            _ => Some(
                "start the agent with `detector run`, or name its socket with --control-socket"
                    .to_owned(),
            ),
        },
        ClientError::Silent => Some(
            "the agent hangs, or something else listens on its socket; `systemctl status \
             detector` and its log say more"
                .to_owned(),
        ),
        ClientError::Unknown => Some(
            "the agent's log, `detector blocked` and `detector connections` tell what was done"
                .to_owned(),
        ),
        ClientError::OtherVersion { .. } => {
            Some("restart the agent, so that it runs the version that is installed".to_owned())
        }
        ClientError::Broken { .. } => Some(format!(
            "is it an agent that listens on {}? --control-socket names another socket",
            detector_api::sanitize::text(&socket.display().to_string())
        )),
        ClientError::Refused { hint, .. } => hint.clone(),
        ClientError::Sink(_) => None,
    };
    let code = match &error {
        ClientError::Unreachable { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            Code::Privilege
        }
        ClientError::Refused { status, .. } => match *status {
            400 => Code::Usage,
            403 => Code::Privilege,
            501 => Code::Unsupported,
            _ => Code::Failed,
        },
        _ => Code::Failed,
    };
    let failure = Failure::new(code, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
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
    fields
        .first()
        .map(|name| detector_api::sanitize::text(name))
}
