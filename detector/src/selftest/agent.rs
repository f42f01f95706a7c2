//! The agent that is put to the test: this program's own `run`, in the namespace that was left.

use anyhow::{Context, anyhow};
use detector_api::failure::{Code, Failure};
use detector_api::sanitize;
use detector_lab::network::Namespace;
use detector_lab::program::Child;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest a start may take on a slow, emulated machine.
const READY_DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks at its log.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running agent; stopped with its guard.
#[derive(Debug)]
pub(super) struct Agent {
    child: Child,
    log: PathBuf,
    socket: PathBuf,
}

impl Agent {
    /// Starts it in the namespace `host` with its files in `folder` and no configuration file, so
    /// that every threshold is the default.
    pub(super) fn start(host: &Namespace, folder: &Path) -> Result<Self, Failure> {
        let (log, socket) = (folder.join("agent.log"), folder.join("control.sock"));
        let mut command = Command::new("/proc/self/exe");
        command
            .args([
                "run",
                "--web.listen-address",
                "127.0.0.1:0",
                "--control-socket",
            ])
            .arg(&socket)
            .arg("--state-dir")
            .arg(folder.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).context("cannot make the agent's log")?)
            // It is no service, whoever started us.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC");
        host.place(&mut command);
        Ok(Self {
            child: Child::start(command).context("cannot start the agent")?,
            log,
            socket,
        })
    }

    /// Its control socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Until it says that it is ready.
    pub(super) async fn wait_ready(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        while !self.said().lines().any(|line| line.starts_with("ready:")) {
            if let Some(status) = self.child.status()? {
                return Err(start_failure(status, &self.said()));
            }
            if began.elapsed() > READY_DEADLINE {
                return Err(Failure::failed(format!(
                    "the agent is not ready after {READY_DEADLINE:?}: {}",
                    last_line(&self.said())
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// That it can be followed no longer, in its own words if it has ended.
    pub(super) fn failure(&mut self, why: &str) -> Failure {
        match self.child.status() {
            Ok(Some(status)) => Failure::failed(format!(
                "the agent ended with {status}: {}",
                last_line(&self.said())
            )),
            _ => Failure::failed(format!("cannot follow the agent: {why}")),
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// The failure of an agent that did not start: its own error, hint and exit code.
fn start_failure(status: ExitStatus, said: &str) -> Failure {
    let line = |prefix: &str| {
        said.lines()
            .rev()
            .find_map(|line| line.strip_prefix(prefix))
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    let error = line("error: ").unwrap_or_else(|| last_line(said));
    let failure = Failure::new(
        Code::of(code.unwrap_or(1)),
        anyhow!("cannot start the agent: {}", sanitize::text(error)),
    );
    match line("hint: ") {
        Some(hint) => failure.hint(sanitize::text(hint)),
        None => failure.hint("`detector check` says what this host lacks"),
    }
}

fn last_line(said: &str) -> &str {
    said.lines()
        .rfind(|line| !line.is_empty())
        .unwrap_or("it said nothing")
}

#[cfg(test)]
mod tests {
    use super::start_failure;
    use detector_api::failure::Code;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn an_agent_that_does_not_start_is_quoted() {
        let said = "info something\nerror: this kernel has no BTF\nhint: run another\n";
        let failure = start_failure(ExitStatus::from_raw(3 << 8), said);
        assert_eq!(failure.code(), Code::Unsupported);
        assert_eq!(
            failure.to_string(),
            "error: cannot start the agent: this kernel has no BTF\nhint: run another\n"
        );
    }

    #[test]
    fn one_that_says_nothing_is_told_apart() {
        let failure = start_failure(ExitStatus::from_raw(9), "");
        assert_eq!(failure.code(), Code::Failed);
        assert!(failure.to_string().contains("it said nothing"));
    }
}
