//! One file a command. They assemble what others do and decide nothing.

mod check;
mod completions;
mod connections;
mod docs;
mod events;
mod man;
mod peers;
mod run;
mod selftest;
mod top;

use crate::cli::{Cli, Command, SnapshotArgs};
use crate::control::client::{self, ClientError, List};
use crate::failure::{Code, Failure};
use crate::table::{Column, render, terminal_width};
use serde::de::DeserializeOwned;
use std::io::{self, Write};
use std::path::Path;

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Peers(args) => peers::run(&args),
        Command::Connections(args) => connections::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Completions { shell } => completions::run(shell),
        Command::Man => man::run(),
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the event loop: {error}")))?;
    runtime
        .block_on(conversation)
        .map_err(|error| client_failure(socket, error))
}

/// Prints a list of the agent: as JSON, or as a table of these columns. Says on stderr when there
/// are more rows than it shows.
fn print_list<T: DeserializeOwned + Send + 'static>(
    args: &SnapshotArgs,
    path: &str,
    columns: &[Column<T>],
) -> Result<(), Failure> {
    let socket = &args.control_socket;
    let target = format!("{path}?limit={}", args.limit);
    let (shown, total) = if args.json {
        let list: List<serde_json::Value> = talk(socket, client::list(socket, &target))?;
        let shown = list.rows.len();
        print(&format!("{:#}\n", serde_json::Value::Array(list.rows)))?;
        (shown, list.total)
    } else {
        let list: List<T> = talk(socket, client::list(socket, &target))?;
        print(&render(columns, &list.rows, terminal_width()))?;
        (list.rows.len(), list.total)
    };
    if args.limit != 0 && shown < total {
        let note = format!("showing {shown} of {total}, the most costly; --limit 0 shows all\n");
        // What was asked for has been printed; a lost note is no failure.
        drop(io::stderr().lock().write_all(note.as_bytes()));
    }
    Ok(())
}

fn client_failure(socket: &Path, error: ClientError) -> Failure {
    let kind = match &error {
        ClientError::Unreachable { source, .. } => Some(source.kind()),
        _ => None,
    };
    let failure = Failure::new(Code::Failed, error);
    match kind {
        Some(io::ErrorKind::PermissionDenied) => failure.hint(match group_of(socket) {
            Some(group) => format!("run it as root, or as a member of group `{group}`"),
            None => "run it as root".to_owned(),
        }),
        Some(_) => failure
            .hint("start the agent with `detector run`, or name its socket with --control-socket"),
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
    fields.first().map(|name| crate::scrub::text(name))
}
