//! A program in a terminal that util-linux's `script` makes, and the screen it draws there.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use vt100::{Parser, Screen};

use crate::command::shown;

/// The pieces of a frame come one right after the other, frames a second apart.
const BETWEEN_FRAMES: Duration = Duration::from_millis(400);
/// For `top` to end once it was asked to.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// A program in its terminal; ended with its guard.
pub(crate) struct Terminal {
    script: Child,
    keys: ChildStdin,
    output: Receiver<(Instant, Vec<u8>)>,
    /// What is on the screen: only the cells that changed are put out.
    seen: Parser,
}

impl Terminal {
    /// Starts `detector top` on this socket, with settings below `folder`, in so many columns and lines.
    pub(crate) fn start(
        agent: &Path,
        socket: &Path,
        folder: &Path,
        size: (u16, u16),
    ) -> Result<Self> {
        let mut top = Command::new(agent);
        top.arg("top").arg("--control-socket").arg(socket);
        Self::run(&top, folder, size)
    }

    /// Starts a program, with settings below `folder`, in so many columns and lines.
    pub(crate) fn run(
        program: &Command,
        folder: &Path,
        (columns, lines): (u16, u16),
    ) -> Result<Self> {
        let line = format!(
            "stty cols {columns} rows {lines} && exec {}",
            shown(program)
        );
        let mut script = Command::new("script");
        if let Some(place) = program.get_current_dir() {
            script.current_dir(place);
        }
        let mut script = script
            .args(["--quiet", "--command", &line, "/dev/null"])
            .env("XDG_STATE_HOME", folder)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start script")?;
        let keys = script.stdin.take().context("script has no input")?;
        let mut screen = script.stdout.take().context("script has no output")?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 64 << 10];
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                if sender
                    .send((Instant::now(), bytes[..length].to_vec()))
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(Self {
            script,
            keys,
            output,
            seen: Parser::new(lines, columns, 0),
        })
    }

    /// Waits until the screen is so; when that was, and the screen.
    pub(crate) fn wait(
        &mut self,
        patience: Duration,
        is_so: impl Fn(&str) -> bool,
    ) -> Result<(Instant, String)> {
        let end = Instant::now() + patience;
        let left = || end.saturating_duration_since(Instant::now());
        while let Ok((at, bytes)) = self.output.recv_timeout(left()) {
            self.seen.process(&bytes);
            let text = self.seen.screen().contents();
            if is_so(&text) {
                return Ok((at, text));
            }
        }
        bail!(
            "waited in vain, with this on the screen:\n{}",
            self.seen.screen().contents()
        );
    }

    /// Waits until a whole frame is so, and gives it.
    pub(crate) fn wait_frame(
        &mut self,
        patience: Duration,
        is_so: impl Fn(&str) -> bool,
    ) -> Result<String> {
        self.wait_pieces(patience, BETWEEN_FRAMES, is_so)
    }

    /// The same, where so much time passes before the next frame.
    fn wait_pieces(
        &mut self,
        patience: Duration,
        between: Duration,
        is_so: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            self.wait(left, &is_so)?;
            while let Ok((_, bytes)) = self.output.recv_timeout(between) {
                self.seen.process(&bytes);
            }
            let text = self.seen.screen().contents();
            if is_so(&text) {
                return Ok(text);
            }
        }
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> &Screen {
        self.seen.screen()
    }

    /// Waits until the program has ended by itself.
    pub(crate) fn wait_for_end(&mut self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok((_, bytes)) => self.seen.process(&bytes),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => bail!("it does not end"),
            }
        }
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &[u8]) -> Result<()> {
        self.keys.write_all(keys).context("cannot press a key")
    }

    /// The process in the terminal.
    pub(crate) fn program(&self) -> Result<u32> {
        let parent = self.script.id().to_string();
        let processes = fs::read_dir("/proc").context("cannot read /proc")?;
        let mut pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.find(|pid| stat_fields(*pid).is_ok_and(|fields| fields.get(1) == Some(&parent)))
            .context("cannot find detector top among the processes")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // `top` ends by its key, and `script` with it.
        drop(self.keys.write_all(b"\x03"));
        let began = Instant::now();
        while matches!(self.script.try_wait(), Ok(None)) && began.elapsed() < END_PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        drop(self.script.kill());
        drop(self.script.wait());
    }
}

/// Fields of `/proc/PID/stat` behind the name, which may hold blanks: state, parent, …
pub(crate) fn stat_fields(pid: u32) -> Result<Vec<String>> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let (_, rest) = text
        .rsplit_once(") ")
        .with_context(|| format!("{file} is not as expected"))?;
    Ok(rest.split(' ').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::Terminal;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn a_frame_that_comes_in_pieces_is_seen_whole() {
        let mut program = Command::new("sh");
        program.args(["-c", "printf 'one '; sleep 0.02; printf two; sleep 60"]);
        let folder = std::env::temp_dir();
        let mut terminal = Terminal::run(&program, &folder, (20, 2)).unwrap();
        let patience = Duration::from_secs(30);
        // The second piece may wait for a processor.
        let between = Duration::from_secs(3);
        let seen = terminal.wait_pieces(patience, between, |text| text.contains("one"));
        assert_eq!(seen.unwrap(), "one two");
    }
}
