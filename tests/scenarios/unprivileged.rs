//! A user who may not use the agent's socket is told so in one line, with the group that may, and
//! every command that asks the agent ends with code 4.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::{self, Agent};
use detector_tests::story;
use nix::unistd::{Gid, chown};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `nobody`, who is in no group that matters.
const NOBODY: &str = "65534";

/// The program at `program`, as a user without any right.
pub(crate) fn nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
    command.args(["--inh-caps=-all", "--"]).arg(program);
    command
}

/// A command of it that asks the agent.
pub(crate) fn as_nobody(program: &Path, arguments: &[&str], socket: &Path) -> Result<Output> {
    let mut command = nobody(program);
    command.args(arguments).arg("--control-socket").arg(socket);
    command.output().context("start setpriv (util-linux)")
}

/// A copy of the program that everybody may start.
pub(crate) fn program_for_all(folder: &Path) -> Result<PathBuf> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    let program = folder.join("detector");
    fs::copy(agent::binary()?, &program)?;
    Ok(program)
}

#[test]
fn commands_that_may_not_ask_the_agent_end_with_code_4_and_name_the_group() -> Result<()> {
    story::in_folder("unprivileged", |folder| {
        let program = program_for_all(folder)?;
        let agent = Agent::start(folder)?;
        // Everybody may come as far as the socket.
        fs::set_permissions(folder.join("agent"), Permissions::from_mode(0o755))?;
        let socket = agent.control_socket();
        // A group that every Linux has.
        chown(&socket, None, Some(Gid::from_raw(4)))?;
        let group = "adm";
        for arguments in [
            &["peers"][..],
            &["connections", "--json"],
            &["events"],
            &["events", "--follow"],
            &["explain", "203.0.113.7"],
            &["top", "--once"],
        ] {
            let output = as_nobody(&program, arguments, &socket)?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(4), "{arguments:?}: {output:?}");
            let lines: Vec<&str> = said.lines().collect();
            ensure!(lines.len() == 2, "{arguments:?}: {said}");
            ensure!(
                lines[0].starts_with("error: cannot reach the agent on ")
                    && lines[0].contains("Permission denied"),
                "{arguments:?}: {said}"
            );
            ensure!(
                lines[1].starts_with("hint: ") && lines[1].contains(&format!("group `{group}`")),
                "{arguments:?}: {said}"
            );
        }
        // A folder that hides the socket says no more than its own group.
        fs::set_permissions(folder.join("agent"), Permissions::from_mode(0o700))?;
        let output = as_nobody(&program, &["peers"], &socket)?;
        ensure!(output.status.code() == Some(4), "{output:?}");
        Ok(())
    })
}
