//! A program in a pseudo-terminal, and the screen that it draws there.

use crate::{PATIENCE, expect};
use anyhow::{Context, Result, ensure};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vt100::{MouseProtocolMode, Parser};

/// A program in a terminal; killed with its guard.
pub struct Screen {
    child: Child,
    /// What a user types and sees.
    master: File,
    /// The program's side, to see how the terminal is set.
    slave: OwnedFd,
    /// How it was set before.
    before: Termios,
    parser: Arc<Mutex<Parser>>,
}

impl Screen {
    /// Starts the program in a terminal of so many columns and lines.
    pub fn start(mut command: Command, columns: u16, lines: u16) -> Result<Self> {
        let pair = openpty(None, None).context("open a pseudo-terminal")?;
        tcsetwinsize(&pair.slave, size_of(columns, lines))?;
        let before = tcgetattr(&pair.slave)?;
        command.stdin(pair.slave.try_clone()?);
        command.stdout(pair.slave.try_clone()?);
        command.stderr(pair.slave.try_clone()?);
        let child = command.spawn().context("start a program in a terminal")?;
        let parser = Arc::new(Mutex::new(Parser::new(lines, columns, 0)));
        let mut output = File::from(pair.master.try_clone()?);
        let reading = Arc::clone(&parser);
        // Ends when the last of the other side is closed.
        drop(std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                lock(&reading).process(&bytes[..length]);
            }
        }));
        Ok(Self {
            child,
            master: File::from(pair.master),
            slave: pair.slave,
            before,
            parser,
        })
    }

    /// What is on the screen now.
    #[must_use]
    pub fn text(&self) -> String {
        lock(&self.parser).screen().contents()
    }

    /// Waits until the screen looks as wanted, and gives it.
    pub fn wait(
        &self,
        what: &str,
        deadline: Duration,
        is_so: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let seen = expect::until(what, deadline, || {
            let text = self.text();
            Ok(is_so(&text).then_some(text))
        });
        seen.with_context(|| format!("the screen:\n{}", self.text()))
    }

    /// Types.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.master.write_all(keys.as_bytes())?;
        Ok(())
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, columns: u16, lines: u16) -> Result<()> {
        lock(&self.parser).screen_mut().set_size(lines, columns);
        tcsetwinsize(&self.slave, size_of(columns, lines))?;
        // The kernel tells the foreground group of a session's own terminal; this one is not.
        self.signal(Signal::SIGWINCH)
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id())?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }

    /// Waits until the program has ended.
    pub fn wait_end(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        expect::until("the program has ended", deadline, || Ok(child.try_wait()?))
    }

    /// Fails unless the terminal is as a shell left it: its own screen, its cursor, no mouse, no
    /// marks around pasted text, and every mode of the line.
    pub fn expect_given_back(&self) -> Result<()> {
        expect::until("the terminal is given back", PATIENCE, || {
            let parser = lock(&self.parser);
            let screen = parser.screen();
            let is_as_before = !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && !screen.application_cursor()
                && screen.mouse_protocol_mode() == MouseProtocolMode::None;
            Ok(is_as_before.then_some(()))
        })?;
        let (now, before) = (tcgetattr(&self.slave)?, &self.before);
        ensure!(
            (now.input_modes, now.output_modes, now.control_modes)
                == (
                    before.input_modes,
                    before.output_modes,
                    before.control_modes
                )
                && now.local_modes == before.local_modes,
            "the terminal is not as it was: {now:?}, was {before:?}"
        );
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that has ended needs neither.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lock(parser: &Mutex<Parser>) -> MutexGuard<'_, Parser> {
    parser.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn size_of(columns: u16, lines: u16) -> Winsize {
    Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
