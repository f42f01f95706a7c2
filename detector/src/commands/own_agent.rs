//! An agent for `top` alone, where the host has none: a child with a private socket, gone with us.

use detector_api::failure::{Code, Failure};
use detector_client::top::OwnAgent;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

/// For its tidy end.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// Between looks whether it has ended.
const STOP_LOOK: Duration = Duration::from_millis(10);
/// Of what it said, in a message.
const SAID_BYTES: usize = 4_096;

/// The child, ended and tidied up after when dropped.
#[derive(Debug)]
struct Child {
    process: process::Child,
    folder: PathBuf,
}

/// Starts it; it is ready some time later.
pub(super) fn start() -> Result<Box<dyn OwnAgent>, Failure> {
    let failure = |what: &str, error: &io::Error| {
        Failure::failed(format!("cannot watch without an agent: {what}: {error}"))
    };
    let program = std::env::current_exe().map_err(|error| failure("own program", &error))?;
    let folder = private_folder().map_err(|error| failure("folder", &error))?;
    match spawn(&program, &folder) {
        Ok(process) => Ok(Box::new(Child { process, folder })),
        Err(error) => {
            drop(fs::remove_dir_all(&folder));
            Err(failure("start", &error))
        }
    }
}

impl OwnAgent for Child {
    fn socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    fn failure(&mut self) -> Option<Failure> {
        let status = match self.process.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => status,
            Err(error) => {
                return Some(Failure::failed(format!("lost sight of the agent: {error}")));
            }
        };
        let said = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let from = said.len().saturating_sub(SAID_BYTES);
        let said = detector_api::sanitize::text(said.get(from..).unwrap_or_default().trim_end())
            .replace('\u{fffd}', "\n");
        let reason = said.lines().find_map(|line| line.strip_prefix("error: "));
        let reason = reason.unwrap_or("it gave no reason");
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let code = code.map_or(Code::Failed, Code::of);
        let hint = said.lines().find_map(|line| line.strip_prefix("hint: "));
        let failure = Failure::new(
            code,
            anyhow::anyhow!("no agent runs here, and watching without one failed: {reason}"),
        );
        Some(failure.hint(match (code, hint) {
            (Code::Privilege, _) | (_, None) => {
                "start the agent with `detector run`, or run this as root".to_owned()
            }
            (_, Some(hint)) => hint.to_owned(),
        }))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        let is_running = |child: &mut process::Child| matches!(child.try_wait(), Ok(None));
        if is_running(&mut self.process) {
            // One that has just ended needs no signal.
            let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
            let began = Instant::now();
            while is_running(&mut self.process) && began.elapsed() < STOP_PATIENCE {
                std::thread::sleep(STOP_LOOK);
            }
            drop(self.process.kill());
            drop(self.process.wait());
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn spawn(program: &Path, folder: &Path) -> io::Result<process::Child> {
    let log = File::create_new(folder.join("log"))?;
    let mut command = Command::new(program);
    // A port of loopback that nobody knows: an agent always has one.
    command.args([
        "run",
        "--die-with-parent",
        "--web.listen-address",
        "127.0.0.1:0",
    ]);
    command
        .arg("--control-socket")
        .arg(folder.join("control.sock"));
    command.arg("--state-dir").arg(folder.join("state"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    // Signals of the terminal are for us; we end it ourselves.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

/// A new folder that only we can look into.
fn private_folder() -> io::Result<PathBuf> {
    let mut tries = 0_u32;
    loop {
        let name = format!("detector-top-{}-{tries}", process::id());
        let folder = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 100 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}
